//! A storage, a hub, and an agent that does what its prompt says.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_lite::future::or;

use super::{Open, Setup, Subject};
use crate::agent::{ActiveSession, Agent, AgentError, AgentInfo, SessionEnd};
use crate::clock::{Clock as _, SystemClock};
use crate::conversation::Message;
use crate::environment::Environment;
use crate::error::Error;
use crate::handoff::{Handoff, HandoffBuilder, StartRequest, Terms, Worker};
use crate::id::{ActorId, EnvironmentId, RunId, SessionId};
use crate::run::{Run, SessionState};
use crate::runtime::{Place, RunSession, Runtime, RuntimeError, SessionSpec};
use crate::storage::{MemoryStorage, Storage};

pub(super) struct Bench {
    pub(super) hub: Handoff,
    pub(super) subject: Subject,
    pub(super) player: Arc<Player>,
    pub(super) actor: ActorId,
    storage: Arc<dyn Storage>,
    terms: Terms,
}

/// What an agent found when its turn began.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) prompt: String,
    pub(super) root: PathBuf,
    pub(super) repos: Vec<PathBuf>,
    pub(super) variables: BTreeMap<String, String>,
}

/// An agent whose prompt is `verb rest`.
#[derive(Default)]
pub(super) struct Player {
    seen: Mutex<Vec<Seen>>,
    /// Whether those that wait may go on.
    go: AtomicBool,
}

impl Player {
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn go(&self) {
        self.go.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl Agent for Player {
    fn describe(&self) -> AgentInfo {
        AgentInfo::native("conformance")
    }

    async fn run(&self, session: ActiveSession) -> Result<SessionEnd, AgentError> {
        let facts = session.facts();
        let seen = Seen {
            prompt: facts.prompt.clone(),
            root: facts.root.clone(),
            repos: facts.repos.clone(),
            variables: facts.variables.clone(),
        };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        let (verb, rest) = facts.prompt.split_once(' ').unwrap_or((&facts.prompt, ""));
        let first = facts.repos.first().unwrap_or(&facts.root);
        let say = |text: String| session.append(vec![Message::assistant(text)]);
        match verb {
            "wait" => {
                say("waits".to_owned()).await?;
                while !self.go.load(Ordering::SeqCst) {
                    if session.cancelled() {
                        return Ok(SessionEnd::Cancelled);
                    }
                    SystemClock.sleep(Duration::from_millis(5)).await;
                }
            }
            "write" => std::fs::write(first.join(rest), "written")
                .map_err(|error| AgentError::new(error.to_string()))?,
            "read" => {
                say(std::fs::read_to_string(first.join(rest)).unwrap_or_else(|_| "absent".to_owned())).await?
            }
            "ask" => {
                let answer = session.block(Message::assistant(rest)).await?;
                say(format!("heard {}", answer.text)).await?;
            }
            #[allow(clippy::panic, reason = "what the case is about")]
            "panic" => panic!("by design"),
            _ => say(format!("did {}", facts.prompt)).await?,
        }
        for heard in session.follow_ups().await? {
            say(format!("heard {}", heard.text)).await?;
        }
        Ok(SessionEnd::Succeeded)
    }
}

/// Records runs and launches nothing.
struct Nowhere;

#[async_trait]
impl Runtime for Nowhere {
    async fn environment(&self, id: &EnvironmentId) -> Result<Environment, RuntimeError> {
        Ok(Environment::new(id.clone()))
    }

    async fn start(&self, _: SessionSpec, _: Arc<dyn RunSession>) -> Result<(), RuntimeError> {
        Ok(())
    }

    async fn cancel(&self, _: &SessionId) -> Result<(), RuntimeError> {
        Ok(())
    }
}

/// The runtime under test; a call that it does not answer in time fails.
struct Timed {
    runtime: Arc<dyn Runtime>,
    patience: Duration,
}

impl Timed {
    async fn within<T>(
        &self,
        method: &str,
        call: impl Future<Output = Result<T, RuntimeError>>,
    ) -> Result<T, RuntimeError> {
        let late = async {
            SystemClock.sleep(self.patience).await;
            let seconds = self.patience.as_secs_f64();
            Err(RuntimeError::new(format!("{method} has not returned after {seconds} seconds")))
        };
        or(call, late).await
    }
}

#[async_trait]
impl Runtime for Timed {
    async fn environment(&self, id: &EnvironmentId) -> Result<Environment, RuntimeError> {
        self.within("environment", self.runtime.environment(id)).await
    }

    async fn start(&self, spec: SessionSpec, sessions: Arc<dyn RunSession>) -> Result<(), RuntimeError> {
        self.within("start", self.runtime.start(spec, sessions)).await
    }

    async fn wake(&self, session: &SessionId) -> Result<(), RuntimeError> {
        self.within("wake", self.runtime.wake(session)).await
    }

    async fn cancel(&self, session: &SessionId) -> Result<(), RuntimeError> {
        self.within("cancel", self.runtime.cancel(session)).await
    }
}

/// Runs sessions as usual, and counts.
pub(super) struct Counted {
    worker: Worker,
    pub(super) calls: AtomicU64,
}

#[async_trait]
impl RunSession for Counted {
    async fn run_session(
        &self,
        spec: &SessionSpec,
        place: Place,
        agent: Arc<dyn Agent>,
    ) -> Result<SessionState, Error> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.worker.run_session(spec, place, agent).await
    }

    async fn fail_session(&self, spec: &SessionSpec, reason: &str) -> Result<(), Error> {
        self.worker.fail_session(spec, reason).await
    }
}

/// An error with all its causes.
pub(super) fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl Bench {
    pub(super) fn new(open: &Open) -> Result<Self, String> {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let player = Arc::new(Player::default());
        let terms = Terms {
            poll: Duration::from_millis(20),
            grace: Duration::from_millis(300),
            checkpoint: None,
            ..Terms::default()
        };
        let agent: Arc<dyn Agent> = player.clone();
        let mut subject = open(Setup { storage: Arc::clone(&storage), agent, terms: terms.clone() });
        subject.runtime = Arc::new(Timed { runtime: subject.runtime, patience: subject.patience });
        let hub = HandoffBuilder::new(Arc::clone(&storage)).terms(terms.clone());
        let hub = hub.hub(Arc::clone(&subject.runtime));
        let actor = "conformance".parse().map_err(|why| format!("{why}"))?;
        Ok(Self { hub, subject, player, actor, storage, terms })
    }

    /// Lets go whoever still waits.
    pub(super) fn end(&self) {
        self.player.go();
    }

    fn builder(&self) -> HandoffBuilder {
        HandoffBuilder::new(Arc::clone(&self.storage)).terms(self.terms.clone())
    }

    pub(super) fn counted(&self) -> Arc<Counted> {
        Arc::new(Counted { worker: self.builder().worker(), calls: AtomicU64::new(0) })
    }

    /// A run that is recorded, and whose session nobody was asked for.
    pub(super) async fn recorded(
        &self,
        environment: &EnvironmentId,
        prompt: &str,
    ) -> Result<SessionSpec, String> {
        let hub = self.builder().hub(Arc::new(Nowhere));
        let request = StartRequest::new(self.actor.clone(), environment.clone(), prompt);
        let started = hub.start(request).await.map_err(|error| said(&error))?;
        Ok(SessionSpec::new(started.run, started.session, environment.clone()))
    }

    pub(super) async fn start(&self, prompt: &str) -> Result<RunId, String> {
        let request = StartRequest::new(self.actor.clone(), self.subject.environment.clone(), prompt);
        Ok(self.hub.start(request).await.map_err(|error| said(&error))?.run)
    }

    /// The run once it has ended or asks something.
    pub(super) async fn wait(&self, run: &RunId) -> Result<Run, String> {
        self.hub.wait(run, &self.actor, self.subject.patience).await.map_err(|error| said(&error))
    }

    /// What the agent said in the run.
    pub(super) async fn said(&self, run: &Run) -> Result<Vec<String>, String> {
        let Some(id) = &run.conversation else { return Ok(Vec::new()) };
        let messages = self.hub.conversations().messages(id, 0, 1_000).await;
        let messages = messages.map_err(|error| said(&error))?;
        let assistants = messages.into_iter().filter(|message| message.role == crate::Role::Assistant);
        Ok(assistants.map(|message| message.text).collect())
    }

    /// Waits until the agent has said `text` in the run.
    pub(super) async fn until_said(&self, run: &RunId, text: &str) -> Result<(), String> {
        let begun = SystemClock.monotonic();
        loop {
            let found = self.hub.run(run, &self.actor).await.map_err(|error| said(&error))?;
            if self.said(&found).await?.iter().any(|there| there == text) {
                return Ok(());
            }
            if SystemClock.monotonic().saturating_sub(begun) > self.subject.patience {
                return Err(format!("the agent has not said {text:?}; the run is {}", found.state));
            }
            SystemClock.sleep(Duration::from_millis(10)).await;
        }
    }
}
