//! Policies, runtimes and notices for the tests of the life cycle.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use handoff_core::{
    ActiveSession, ActorId, Agent, Budget, Checkouts, ConversationId, ConversationSource, Environment,
    EnvironmentId, Error, ForkPoint, Handoff, HandoffBuilder, Key, LocalRuntime, MemoryStorage, Message,
    Notice, Notify, Place, Policy, Relation, Run, RunId, RunSession, Runtime, RuntimeError, SessionId,
    SessionSpec, SessionState, Storage, Worker,
};

use super::stage::{Stage, ana, block_on, environment, terms};

/// A host with a team: ben is in it, olga is of the same organisation, and everybody else is an outsider.
#[derive(Clone, Default)]
pub struct House {
    pub no_consent: bool,
    pub budget: Budget,
}

#[async_trait]
impl Policy for House {
    async fn relation(&self, actor: &ActorId, run: &Run) -> Result<Relation, Error> {
        Ok(match actor.as_str() {
            _ if *actor == run.creator => Relation::Creator,
            "ana" | "ben" => Relation::TeamMember,
            "olga" => Relation::SameOrganisation,
            "" => Relation::Anonymous,
            _ => Relation::Outsider,
        })
    }

    async fn may_store_conversations(&self, _: &ActorId) -> Result<bool, Error> {
        Ok(!self.no_consent)
    }

    async fn budget(&self, _: &ActorId, _: Option<&Run>) -> Result<Budget, Error> {
        Ok(self.budget.clone())
    }
}

/// Keeps what it is told.
#[derive(Clone, Default)]
pub struct Told(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Notify for Told {
    async fn notify(&self, notice: &Notice) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let line = match notice {
            Notice::Ended(run) => format!("ended {}", run.state),
            Notice::InputRequired(run) => format!("asks {}", run.question.as_ref().unwrap().text),
            _ => "something else".to_owned(),
        };
        self.0.lock().unwrap().push(line);
        Ok(())
    }
}

impl Told {
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Launches nothing: the test runs sessions itself.
#[derive(Clone, Default)]
pub struct Idle {
    pub launched: Arc<Mutex<Vec<SessionSpec>>>,
    pub refuse: Arc<AtomicBool>,
}

#[async_trait]
impl Runtime for Idle {
    async fn environment(&self, id: &EnvironmentId) -> Result<Environment, RuntimeError> {
        if *id == environment() {
            return Ok(Environment::new(id.clone()));
        }
        Err(RuntimeError::not_found("no such environment"))
    }

    async fn start(&self, spec: SessionSpec, _: Arc<dyn RunSession>) -> Result<(), RuntimeError> {
        if self.refuse.load(Ordering::Relaxed) {
            return Err(RuntimeError::new("no machine is free"));
        }
        self.launched.lock().unwrap().push(spec);
        Ok(())
    }

    async fn cancel(&self, _: &SessionId) -> Result<(), RuntimeError> {
        Ok(())
    }
}

/// A hub that launches nothing, and a worker to run sessions with by hand.
pub struct Bench {
    pub runtime: Idle,
    pub hub: Handoff,
    pub worker: Worker,
}

impl Bench {
    pub fn new() -> Self {
        let memory = MemoryStorage::new();
        Self::over(memory, |builder| builder)
    }

    pub fn over(storage: impl Storage, build: impl Fn(HandoffBuilder) -> HandoffBuilder) -> Self {
        let storage: Arc<dyn Storage> = Arc::new(storage);
        let runtime = Idle::default();
        let builder = || build(HandoffBuilder::new(Arc::clone(&storage)).terms(terms()));
        let hub = builder().hub(Arc::new(runtime.clone()));
        Self { runtime, hub, worker: builder().worker() }
    }

    /// Runs a session to its end in a place without repositories.
    pub fn run(&self, run: RunId, session: SessionId, agent: Arc<dyn Agent>) -> Result<SessionState, Error> {
        let spec = SessionSpec::new(run, session, environment());
        block_on(self.worker.run_session(&spec, Place::default(), agent))
    }
}

/// Another hub over the stage's storage, as another process would make one.
pub fn another_hub(stage: &Stage, agent: Arc<dyn Agent>, policy: House) -> Handoff {
    let origin = stage.scratch.path().join("origin/app");
    let checkouts = Checkouts::new(stage.scratch.path().join("runs"))
        .with(Environment::new(environment()).with_repo("app", origin.to_string_lossy()));
    HandoffBuilder::new(Arc::new(stage.storage.clone()))
        .terms(terms())
        .policy(Arc::new(policy))
        .hub(Arc::new(LocalRuntime::new(agent, checkouts)))
}

pub fn actor(name: &str) -> ActorId {
    name.parse().unwrap()
}

/// Every object of a storage with its bytes.
pub fn objects(storage: &MemoryStorage, below: &str) -> Vec<(String, Vec<u8>)> {
    let prefixes: Vec<&str> =
        if below.is_empty() { "a c i k q r s x".split(' ').collect() } else { vec![below] };
    let mut all = Vec::new();
    for prefix in prefixes {
        let prefix: Key = prefix.parse().unwrap();
        for meta in block_on(storage.list(&prefix, None, 1_000_000)).unwrap() {
            let body = block_on(storage.get(&meta.key, None)).unwrap().unwrap();
            all.push((meta.key.to_string(), body.to_vec()));
        }
    }
    all
}

/// A conversation of ana's with these user messages.
pub fn conversation(hub: &Handoff, texts: &[&str]) -> ConversationId {
    let id = block_on(hub.conversations().create(&ana())).unwrap().id;
    for text in texts {
        let request = handoff_core::AppendRequest::new(vec![Message::user(*text)]);
        block_on(hub.conversations().append(&id, request)).unwrap();
    }
    id
}

pub fn stored(id: ConversationId) -> ConversationSource {
    ConversationSource::Stored { id, at: ForkPoint::Head, messages: None }
}

/// Something that an agent waits for, without ever hanging a test.
#[derive(Clone, Default)]
pub struct Signal(Arc<AtomicBool>);

impl Signal {
    pub fn give(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub fn given(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    pub fn wait(&self) {
        wait_until("a signal", || self.given());
    }

    /// As [`wait`](Self::wait), until the session is to stop.
    pub fn wait_in(&self, session: &ActiveSession) {
        wait_until("a signal to an agent", || self.given() || session.cancelled());
    }
}

/// Far longer than anything takes; it only ends a test that would hang.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..12_000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("waited in vain for {what}");
}
