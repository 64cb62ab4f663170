//! Starting runs: one, or many from the same past.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::bring::Brought;
use super::say::Said;
use super::{Handoff, Worker};
use crate::budget::{Budget, Usage};
use crate::conversation::{ForkPoint, Message};
use crate::digest::Digest;
use crate::error::Error;
use crate::id::{ActorId, ConversationId, EnvironmentId, OpId, RunId, SessionId, TeamId};
use crate::run::{Origin, Run, RunState, Session, SessionState, SnapshotRef};
use crate::runtime::{RunSession as _, SessionSpec};
use crate::snapshot::{Extra, Snapshot};

/// The conversation a run is started from. It is never written.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum ConversationSource {
    /// None: the run begins a new one.
    #[default]
    None,
    /// One of this storage.
    Stored {
        /// Which.
        id: ConversationId,
        /// Where to cut.
        at: ForkPoint,
        /// How many messages the caller knows it to have; fewer is an error of kind unsynced.
        messages: Option<u64>,
    },
    /// The messages themselves, so that nothing needs to be synced before.
    Messages(Vec<Message>),
}

/// The workspace state a run is started with.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum WorkspaceSource {
    /// None.
    #[default]
    None,
    /// A captured one.
    Snapshot(Snapshot),
    /// One of this storage.
    Stored(SnapshotRef),
}

/// What to start.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StartRequest {
    /// Who starts it.
    pub actor: ActorId,
    /// Where it runs.
    pub environment: EnvironmentId,
    /// What the agent is asked. May be empty only when there is a conversation or a workspace to go on with.
    pub prompt: String,
    /// Named contents that come with the prompt: name, media type, content.
    pub attachments: Vec<(String, String, Vec<u8>)>,
    /// The conversation it is forked from.
    pub conversation: ConversationSource,
    /// The workspace state it begins with.
    pub workspace: WorkspaceSource,
    /// How it begins.
    pub origin: Origin,
    /// The schedule, issue or the like it comes from.
    pub source: Option<String>,
    /// What it is about; the prompt's first line when empty.
    pub task: String,
    /// The team it belongs to.
    pub team: Option<TeamId>,
    /// The model to pin.
    pub model: Option<String>,
    /// What it may use, beside what the policy says: the smaller limit holds.
    pub budget: Budget,
    /// The run that starts it.
    pub parent: Option<RunId>,
    /// Makes a repeated call return the first result.
    pub idempotency_key: Option<String>,
}

impl StartRequest {
    /// A request with a prompt and nothing else.
    pub fn new(actor: ActorId, environment: EnvironmentId, prompt: impl Into<String>) -> Self {
        Self {
            actor,
            environment,
            prompt: prompt.into(),
            attachments: Vec::new(),
            conversation: ConversationSource::None,
            workspace: WorkspaceSource::None,
            origin: Origin::Cloud,
            source: None,
            task: String::new(),
            team: None,
            model: None,
            budget: Budget::default(),
            parent: None,
            idempotency_key: None,
        }
    }
}

/// A run that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Started {
    /// The run.
    pub run: RunId,
    /// Its first session.
    pub session: SessionId,
    /// Its conversation; absent when there was no consent to store one.
    pub conversation: Option<ConversationId>,
}

/// Ids that an operation will use, decided once.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Ids {
    run: RunId,
    session: SessionId,
    conversation: ConversationId,
}

impl Handoff {
    /// Starts a run: checks everything that can be refused, stores the workspace state, forks the conversation,
    /// records the run, and asks the runtime for a session. Refusals come before anything moves.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an empty prompt with nothing to go on with; [`Error::NotFound`] for the
    /// environment, a stored workspace state, or a conversation that is not the actor's; [`Error::Unsynced`]; [`Error::Model`];
    /// [`Error::EnvironmentMismatch`]; [`Error::BudgetExhausted`]; [`Error::Policy`]; [`Error::Storage`]; and
    /// [`Error::Runtime`] when the session could not be launched: the run is then recorded as failed, and can be
    /// continued.
    ///
    /// ```
    /// # let (dir, laptop, hub) = handoff_core::testing::hub("echo done")?;
    /// # let ana: handoff_core::ActorId = "ana".parse()?;
    /// # futures_lite::future::block_on(async {
    /// use handoff_core::{CaptureOptions, StartRequest, Workspace, WorkspaceSource, capture};
    ///
    /// let snapshot = capture(&Workspace::new([&laptop])?, &CaptureOptions::default())?;
    /// let mut request = StartRequest::new(ana.clone(), "cloud".parse()?, "Finish the refactor.");
    /// request.workspace = WorkspaceSource::Snapshot(snapshot);
    /// let started = hub.start(request).await?;
    /// let run = hub.wait(&started.run, &ana, std::time::Duration::from_secs(60)).await?;
    /// assert_eq!(run.sessions[0].id, started.session);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn start(&self, request: StartRequest) -> Result<Started, Error> {
        self.start_with(request, None).await
    }

    async fn start_with(&self, request: StartRequest, workspace: Option<&Brought>) -> Result<Started, Error> {
        let proposal =
            Ids { run: RunId::new(), session: SessionId::new(), conversation: ConversationId::new() };
        let ids = match &request.idempotency_key {
            Some(key) => self.runs.claim(&request.actor, &format!("start {key}"), &proposal).await?,
            None => proposal,
        };
        if request.idempotency_key.is_some()
            && let Some(started) = self.started_before(&ids).await?
        {
            return Ok(started);
        }
        let budget = self.check_start(&request).await?;
        let brought = match workspace {
            Some(brought) => Some(brought.clone()),
            None => self.bring_workspace(&request.workspace).await?,
        };
        let (conversation, fresh) = self.bring_conversation(&request, ids.conversation).await?;

        let now = self.parts.clock.millis();
        let prompt = if request.prompt.is_empty() { "Continue.".to_owned() } else { request.prompt.clone() };
        self.say(
            &ids.run,
            OpId::from_digest(&Digest::of(format!("{} asks", ids.session).as_bytes())),
            &Said {
                actor: &request.actor,
                prompt: &prompt,
                attachments: &request.attachments,
                answers: false,
            },
        )
        .await?;
        let mut session = Session::queued(ids.session, request.actor.clone(), prompt.clone(), now);
        session.snapshot_in = brought.as_ref().map(|brought| brought.reference.clone());
        let title =
            |text: &str| text.lines().next().unwrap_or_default().chars().take(120).collect::<String>();
        let run = Run {
            id: ids.run,
            task: if request.task.is_empty() { title(&prompt) } else { request.task },
            creator: request.actor,
            team: request.team,
            origin: request.origin,
            source: request.source,
            environment: request.environment,
            model: request.model,
            conversation,
            fresh,
            state: RunState::Queued,
            epoch: 0,
            sessions: vec![session],
            budget,
            question: None,
            parent: request.parent,
            created: now,
            extra: Extra::new(),
        };
        if let Some(brought) = &brought {
            self.snapshots().in_time(brought.begun)?;
        }
        let run = self.runs.create(run).await?;
        // A repeated call finds a run that may be further on; launching is idempotent, and ended sessions are over.
        if run.session().is_some_and(|session| session.state == SessionState::Queued) {
            self.launch(&run, &ids.session).await?;
        }
        Ok(Started { run: ids.run, session: ids.session, conversation: run.conversation })
    }

    /// What an earlier call with the same key did, whatever has become of budgets and sources since.
    async fn started_before(&self, ids: &Ids) -> Result<Option<Started>, Error> {
        let run = match self.runs.load(&ids.run).await {
            Ok(run) => run,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        // Left out by a crash, perhaps.
        self.runs.mark(&run).await?;
        if run.session().is_some_and(|session| session.state == SessionState::Queued) {
            self.launch(&run, &ids.session).await?;
        }
        Ok(Some(Started { run: run.id, session: ids.session, conversation: run.conversation }))
    }

    /// Starts one run for each prompt from the same workspace state and the same point of the conversation; the
    /// state is stored once. One result for each prompt, in order.
    ///
    /// # Errors
    /// As [`start`](Self::start), when nothing could be started at all.
    ///
    /// ```
    /// # let (dir, laptop, hub) = handoff_core::testing::hub("echo done")?;
    /// # let ana: handoff_core::ActorId = "ana".parse()?;
    /// # futures_lite::future::block_on(async {
    /// use handoff_core::StartRequest;
    ///
    /// let request = StartRequest::new(ana, "cloud".parse()?, "");
    /// let started = hub.fan_out(request, vec!["In Rust.".into(), "In Python.".into()]).await?;
    /// assert_ne!(started[0].as_ref().unwrap().run, started[1].as_ref().unwrap().run);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn fan_out(
        &self,
        mut request: StartRequest,
        prompts: Vec<String>,
    ) -> Result<Vec<Result<Started, Error>>, Error> {
        if prompts.is_empty() {
            let why = "is empty; name at least one prompt".to_owned();
            return Err(Error::InvalidArgument { argument: "prompts", why });
        }
        self.check_start(&StartRequest { prompt: "x".to_owned(), ..request.clone() }).await?;
        let workspace = self.bring_workspace(&request.workspace).await?;
        if let ConversationSource::Stored { id, at, .. } = &mut request.conversation
            && *at == ForkPoint::Head
        {
            *at = ForkPoint::Count(self.conversations.head(id).await?.messages);
        }
        let mut started = Vec::with_capacity(prompts.len());
        for (number, prompt) in prompts.into_iter().enumerate() {
            let key = request.idempotency_key.as_ref().map(|key| format!("{key} {number}"));
            let one = StartRequest { prompt, idempotency_key: key, task: String::new(), ..request.clone() };
            started.push(self.start_with(one, workspace.as_ref()).await);
        }
        Ok(started)
    }

    /// Everything that can be refused before anything moves. Returns the budget.
    async fn check_start(&self, request: &StartRequest) -> Result<Budget, Error> {
        let nothing = matches!(request.conversation, ConversationSource::None)
            && matches!(request.workspace, WorkspaceSource::None);
        if request.prompt.trim().is_empty() && nothing {
            let why = "is empty, and there is no conversation or workspace to go on with; say what to do"
                .to_owned();
            return Err(Error::InvalidArgument { argument: "prompt", why });
        }
        let snapshot = match &request.workspace {
            WorkspaceSource::Snapshot(snapshot) => Some(snapshot),
            _ => None,
        };
        self.check_environment(&request.environment, request.model.as_deref(), snapshot).await?;
        let mut budget = self.parts.policy.budget(&request.actor, None).await?;
        for (unit, limit) in &request.budget.0 {
            let known = budget.0.entry(unit.clone()).or_insert(*limit);
            *known = (*known).min(*limit);
        }
        if let Some(unit) = budget.exhausted(&Usage::default()) {
            return Err(Error::BudgetExhausted { unit: unit.to_owned() });
        }
        if let ConversationSource::Stored { id, messages, .. } = &request.conversation {
            let head = self.conversations.head(id).await?;
            if !self.parts.policy.may_fork(&request.actor, &head).await? {
                return Err(Error::not_found(format!("conversation {id}")));
            }
            if let Some(want) = messages.filter(|want| head.messages < *want) {
                return Err(Error::Unsynced { conversation: *id, have: head.messages, want });
            }
        }
        if let Some(parent) = &request.parent {
            self.run(parent, &request.actor).await?;
        }
        Ok(budget)
    }

    /// Whether the environment offers the model and has a place for the workspace.
    pub(super) async fn check_environment(
        &self,
        id: &EnvironmentId,
        model: Option<&str>,
        snapshot: Option<&Snapshot>,
    ) -> Result<(), Error> {
        let environment = self.runtime.environment(id).await.map_err(|error| {
            if error.not_found {
                Error::NotFound { what: format!("environment {id}"), source: Some(error.into()) }
            } else {
                Error::runtime(format!("looking up environment {id}"), error)
            }
        })?;
        if let Some(asked) = model.filter(|asked| {
            !environment.models.is_empty() && environment.models.iter().all(|model| model != asked)
        }) {
            let why = format!("environment {id} offers {}; name one of them", environment.models.join(", "));
            return Err(Error::Model { asked: asked.to_owned(), why });
        }
        let Some(snapshot) = snapshot else { return Ok(()) };
        let repos = &snapshot.manifest().repos;
        // Whether two are the same repository is told for certain only when the checkout is there; here what can be
        // known from names and remotes.
        let fits = |repo: &crate::snapshot::RepoManifest| {
            environment.repos.iter().any(|there| {
                there.name == repo.name
                    || repo.id.remotes.iter().any(|remote| there.source.contains(remote.as_str()))
            })
        };
        if !repos.is_empty() && !environment.repos.is_empty() && !repos.iter().any(fits) {
            let names: Vec<_> = repos.iter().map(|repo| repo.name.as_str()).collect();
            let why = format!(
                "it has none of the repositories {}; choose an environment that has them, or add them to it",
                names.join(", ")
            );
            return Err(Error::EnvironmentMismatch { environment: id.clone(), why });
        }
        Ok(())
    }

    /// Asks the runtime for a session; one that cannot be launched is recorded as failed.
    pub(super) async fn launch(&self, run: &Run, session: &SessionId) -> Result<(), Error> {
        let mut spec = SessionSpec::new(run.id, *session, run.environment.clone());
        spec.model.clone_from(&run.model);
        let worker = Worker::from_parts(self.parts.clone());
        if let Err(error) = self.runtime.start(spec.clone(), Arc::new(worker.clone())).await {
            worker.fail_session(&spec, &format!("the session could not be launched: {error}")).await?;
            return Err(Error::runtime(format!("launching session {session} of run {}", run.id), error));
        }
        Ok(())
    }
}
