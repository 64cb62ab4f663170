//! Going on: continue an ended run, follow up a live one, answer a question, cancel.

use serde::{Deserialize, Serialize};

use super::Handoff;
use super::inbox::What;
use super::route::{Route, route};
use super::runs::Step;
use super::say::Said;
use crate::access::{ContinueDecision, ContinueQuery, LeaseState, Owner};
use crate::error::Error;
use crate::id::{ActorId, OpId, RunId, SessionId};
use crate::run::{Run, RunState, Session, SessionState};

/// What to say to a run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ContinueRequest {
    /// The run.
    pub run: RunId,
    /// Who says it.
    pub actor: ActorId,
    /// What; must not be empty.
    pub prompt: String,
    /// Named contents that come with it: name, media type, content.
    pub attachments: Vec<(String, String, Vec<u8>)>,
    /// The model expected; another than the pinned one is refused.
    pub model: Option<String>,
    /// Makes a repeated call return the first result.
    pub idempotency_key: Option<String>,
}

impl ContinueRequest {
    /// A follow-up.
    pub fn new(run: RunId, actor: ActorId, prompt: impl Into<String>) -> Self {
        Self {
            run,
            actor,
            prompt: prompt.into(),
            attachments: Vec::new(),
            model: None,
            idempotency_key: None,
        }
    }
}

/// Where a follow-up went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Continued {
    /// To the live session.
    Delivered {
        /// Which.
        session: SessionId,
    },
    /// To the prompt of a session that has not begun.
    Appended {
        /// Which.
        session: SessionId,
    },
    /// Into a new session.
    NewSession {
        /// Which.
        session: SessionId,
        /// Whether there is a workspace state to restore.
        workspace: bool,
    },
}

/// Ids of one call, decided once.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Ids {
    session: SessionId,
    op: OpId,
}

impl Handoff {
    /// Says something more to a run, wherever that goes: see [`route`].
    ///
    /// # Errors
    /// [`Error::NotFound`] for an actor who may not know of the run, as for an absent one;
    /// [`Error::NotContinuable`] with the reason; [`Error::InvalidArgument`] for an empty prompt; [`Error::Model`] for
    /// another model than the pinned one; [`Error::BudgetExhausted`]; [`Error::EnvironmentMismatch`];
    /// [`Error::Storage`]; [`Error::Runtime`].
    ///
    /// ```
    /// # let (dir, laptop, hub) = handoff_core::testing::hub("echo done")?;
    /// # let ana: handoff_core::ActorId = "ana".parse()?;
    /// # futures_lite::future::block_on(async {
    /// use handoff_core::{ContinueRequest, Continued, StartRequest};
    ///
    /// let started = hub.start(StartRequest::new(ana.clone(), "cloud".parse()?, "Go.")).await?;
    /// hub.wait(&started.run, &ana, std::time::Duration::from_secs(60)).await?;
    /// let more = ContinueRequest::new(started.run, ana, "Now the tests.");
    /// assert!(matches!(hub.continue_run(more).await?, Continued::NewSession { .. }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn continue_run(&self, request: ContinueRequest) -> Result<Continued, Error> {
        self.check_prompt(&request)?;
        let ids = self.ids(&request, "continue").await?;
        let run = self.run(&request.run, &request.actor).await?;
        check_model(&run, request.model.as_deref())?;
        self.deliver(&request, ids, Purpose::FollowUp).await
    }

    /// Answers the question that a run is blocked on. Returns the session that gets the answer: the blocked one, or a
    /// new one when the blocked one has vanished.
    ///
    /// # Errors
    /// [`Error::WrongState`] when the run asks nothing; as [`continue_run`](Self::continue_run).
    ///
    /// ```
    /// use std::{sync::Arc, time::Duration};
    /// use handoff_core::{ActiveSession, Agent, AgentError, AgentInfo, ContinueRequest, Message, SessionEnd, StartRequest};
    ///
    /// struct Asks;
    /// #[async_trait::async_trait]
    /// impl Agent for Asks {
    ///     fn describe(&self) -> AgentInfo {
    ///         AgentInfo::native("asks")
    ///     }
    ///     async fn run(&self, session: ActiveSession) -> Result<SessionEnd, AgentError> {
    ///         let answer = session.block(Message::assistant("Which branch?")).await?;
    ///         session.append(vec![Message::assistant(format!("On {}.", answer.text))]).await?;
    ///         Ok(SessionEnd::Succeeded)
    ///     }
    /// }
    /// # let (dir, _, hub) = handoff_core::testing::hub_with(Arc::new(Asks))?;
    /// # let ana: handoff_core::ActorId = "ana".parse()?;
    /// # futures_lite::future::block_on(async {
    /// let started = hub.start(StartRequest::new(ana.clone(), "cloud".parse()?, "Go.")).await?;
    /// let blocked = hub.wait(&started.run, &ana, Duration::from_secs(60)).await?;
    /// assert_eq!(blocked.question.unwrap().text, "Which branch?");
    /// hub.answer(ContinueRequest::new(started.run, ana, "main")).await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn answer(&self, request: ContinueRequest) -> Result<SessionId, Error> {
        self.check_prompt(&request)?;
        let ids = self.ids(&request, "answer").await?;
        self.run(&request.run, &request.actor).await?;
        match self.deliver(&request, ids, Purpose::Answer).await? {
            Continued::Delivered { session }
            | Continued::Appended { session }
            | Continued::NewSession { session, .. } => Ok(session),
        }
    }

    #[allow(clippy::unused_self)]
    fn check_prompt(&self, request: &ContinueRequest) -> Result<(), Error> {
        if request.prompt.trim().is_empty() && request.attachments.is_empty() {
            let why = "is empty; say what to do".to_owned();
            return Err(Error::InvalidArgument { argument: "prompt", why });
        }
        Ok(())
    }

    async fn ids(&self, request: &ContinueRequest, verb: &str) -> Result<Ids, Error> {
        let proposal = Ids { session: SessionId::new(), op: OpId::new() };
        match &request.idempotency_key {
            Some(key) => {
                let name = format!("{verb} {} {key}", request.run);
                self.runs.claim(&request.actor, &name, &proposal).await
            }
            None => Ok(proposal),
        }
    }

    /// Inbox records that the run's sessions took in.
    pub(super) async fn taken(&self, run: &Run) -> Result<u64, Error> {
        match &run.conversation {
            Some(id) => Ok(self.conversations.head(id).await?.inbox),
            None => Ok(0),
        }
    }

    /// Decides, says it, and looks whether the decision still held: a session may have ended meanwhile.
    async fn deliver(
        &self,
        request: &ContinueRequest,
        ids: Ids,
        purpose: Purpose,
    ) -> Result<Continued, Error> {
        let said = Said {
            actor: &request.actor,
            prompt: &request.prompt,
            attachments: &request.attachments,
            answers: purpose == Purpose::Answer,
        };
        let mut number = match &request.idempotency_key {
            Some(_) => self.inbox.find(&request.run, &ids.op).await?,
            None => None,
        };
        let mut pause = self.parts.terms.poll / 50;
        loop {
            let run = self.run(&request.run, &request.actor).await?;
            // A repeated call finds what the first one did.
            if run.sessions.iter().any(|session| session.id == ids.session) {
                return self.finish_new(&run, &ids).await;
            }
            if let Some(number) = number
                && let Some(session) = self.taken_by(&run, &ids.op, number).await?
            {
                return Ok(Continued::Delivered { session });
            }
            let route = self.route_of(&run, &request.actor, purpose, number.is_some()).await?;
            if let Route::Refuse(reason) = route {
                return Err(refusal(&run, reason));
            }
            if let Route::NewSession { .. } = route {
                self.check_new_session(&run, request).await?;
            }
            let number = match number {
                Some(number) => number,
                None => *number.insert(self.say(&run.id, ids.op, &said).await?),
            };
            let live = run.session().map(|session| session.id);
            match (&route, live) {
                (Route::NewSession { .. }, _) => {
                    let updated = self.add_session(&run, request, &ids).await?;
                    if updated.sessions.iter().any(|session| session.id == ids.session) {
                        return self.finish_new(&updated, &ids).await;
                    }
                }
                (_, Some(session)) => {
                    let now = self.runs.load(&run.id).await?;
                    let same =
                        now.session().is_some_and(|there| there.id == session) && !now.state.is_terminal();
                    if self.taken(&now).await? >= number
                        || (same && !self.closed_before(&now, number).await?)
                    {
                        if route == Route::AppendToPrompt {
                            // Whoever was to launch it may have crashed; asking twice does no harm.
                            self.launch(&run, &session).await?;
                            return Ok(Continued::Appended { session });
                        }
                        let _ = self.runtime.wake(&session).await;
                        return Ok(Continued::Delivered { session });
                    }
                }
                (_, None) => {}
            }
            self.parts.clock.sleep(pause).await;
            pause = (pause * 2).min(self.parts.terms.poll);
        }
    }

    async fn route_of(
        &self,
        run: &Run,
        actor: &ActorId,
        purpose: Purpose,
        said: bool,
    ) -> Result<Route, Error> {
        let query = self.query(run, actor).await?;
        match purpose {
            Purpose::FollowUp => Ok(route(&query)),
            Purpose::Answer if run.state == RunState::Blocked => Ok(match query.lease {
                // The session that asked is gone; the answer begins the next one.
                LeaseState::Expired => Route::NewSession { workspace: query.snapshot },
                _ => Route::Deliver,
            }),
            // It was blocked when the answer was given, and has ended since.
            Purpose::Answer if said => Ok(route(&query)),
            Purpose::Answer => Err(Error::WrongState {
                run: run.id,
                state: run.state.clone(),
                needs: "only a blocked run takes an answer; continue it instead",
            }),
        }
    }

    /// Whether the live session had closed its inbox before record `number`.
    async fn closed_before(&self, run: &Run, number: u64) -> Result<bool, Error> {
        // One that has not begun has closed nothing; what stands there is an earlier session's mark.
        let live = run.session().map_or(0, |session| session.epoch);
        if live == 0 {
            return Ok(false);
        }
        let waiting = self.inbox.after(&run.id, self.taken(run).await?).await?;
        Ok(waiting
            .iter()
            .any(|(at, sent)| *at < number && matches!(sent.what, What::Closed { epoch } if epoch >= live)))
    }

    async fn check_new_session(&self, run: &Run, request: &ContinueRequest) -> Result<(), Error> {
        let budget = self.parts.policy.budget(&request.actor, Some(run)).await?;
        if let Some(unit) = budget.exhausted(&run.usage()) {
            return Err(Error::BudgetExhausted { unit: unit.to_owned() });
        }
        self.check_environment(&run.environment, run.model.as_deref(), None).await?;
        let live = self.live_children(run).await?;
        if !live.is_empty() && !self.parts.policy.may_leave_children(run, &live).await? {
            return Err(Error::WrongState {
                run: run.id,
                state: run.state.clone(),
                needs: "runs that it started have not ended; wait for them or cancel them first",
            });
        }
        Ok(())
    }

    /// Adds a queued session, if the run still stands as it was judged.
    async fn add_session(&self, judged: &Run, request: &ContinueRequest, ids: &Ids) -> Result<Run, Error> {
        let now = self.parts.clock.millis();
        let budget = self.parts.policy.budget(&request.actor, Some(judged)).await?;
        let step = |run: &Run| {
            if run.state != judged.state
                || run.epoch != judged.epoch
                || run.sessions.len() != judged.sessions.len()
            {
                return Ok(Step::Keep);
            }
            let mut next = run.clone();
            if let Some(last) = next.sessions.last_mut()
                && matches!(last.state, SessionState::Running | SessionState::Queued)
            {
                last.state = SessionState::Lost;
                last.ended = Some(now);
                "gave no sign of life for a term".clone_into(&mut last.reason);
                last.not_captured.get_or_insert_with(|| "the session vanished".to_owned());
            }
            let mut session =
                Session::queued(ids.session, request.actor.clone(), request.prompt.clone(), now);
            session.snapshot_in = next.snapshot().cloned();
            next.sessions.push(session);
            next.state = RunState::Queued;
            next.question = None;
            next.budget = budget.clone();
            Ok(Step::Write(Box::new(next)))
        };
        self.runs.update(&judged.id, &step).await
    }

    async fn finish_new(&self, run: &Run, ids: &Ids) -> Result<Continued, Error> {
        let session = run.sessions.iter().find(|session| session.id == ids.session);
        if session.is_some_and(|session| session.state == SessionState::Queued) {
            self.launch(run, &ids.session).await?;
        }
        let workspace = session.is_some_and(|session| session.snapshot_in.is_some());
        Ok(Continued::NewSession { session: ids.session, workspace })
    }

    /// Everything that decides what may be done with a run.
    pub(super) async fn query(&self, run: &Run, actor: &ActorId) -> Result<ContinueQuery, Error> {
        Ok(ContinueQuery {
            relation: self.parts.policy.relation(actor, run).await?,
            owner: if run.team.is_some() { Owner::Team } else { Owner::Personal },
            origin: run.origin.clone(),
            state: run.state.clone(),
            conversation: run.conversation.is_some(),
            snapshot: run.snapshot().is_some(),
            lease: self.parts.leases.state(run).await?,
        })
    }
}

/// What is said to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    FollowUp,
    Answer,
}

fn check_model(run: &Run, asked: Option<&str>) -> Result<(), Error> {
    match (asked, &run.model) {
        (Some(asked), Some(pinned)) if asked != pinned => Err(Error::Model {
            asked: asked.to_owned(),
            why: format!("run {} is pinned to {pinned}; leave the model out, or start a new run", run.id),
        }),
        (Some(asked), None) => Err(Error::Model {
            asked: asked.to_owned(),
            why: format!("run {} was started without naming one; leave it out, or start a new run", run.id),
        }),
        _ => Ok(()),
    }
}

fn refusal(run: &Run, reason: ContinueDecision) -> Error {
    if reason == ContinueDecision::NotFound {
        return Error::not_found(format!("run {}", run.id));
    }
    if reason == ContinueDecision::Leased {
        return Error::Leased { run: run.id };
    }
    let why = reason.explain();
    Error::NotContinuable { run: run.id, reason, why }
}
