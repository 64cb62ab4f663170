//! Agents that do what a test says, and a hub around them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use handoff_core::{
    ActiveSession, ActorId, Agent, AgentError, AgentInfo, Checkouts, Environment, EnvironmentId, Handoff,
    HandoffBuilder, LocalRuntime, MemoryStorage, Message, Run, RunId, SessionEnd, StartRequest, Storage,
    Terms,
};

use crate::support::repo::{Format, Repo, scratch_in_memory};

pub use futures_lite::future::block_on;

type Act = dyn Fn(&ActiveSession) -> Result<SessionEnd, AgentError> + Send + Sync;

/// An agent that does what a closure says. The closure blocks, as agents do.
pub struct Actor {
    pub info: AgentInfo,
    act: Box<Act>,
}

#[async_trait]
impl Agent for Actor {
    fn describe(&self) -> AgentInfo {
        self.info.clone()
    }

    async fn run(&self, session: ActiveSession) -> Result<SessionEnd, AgentError> {
        (self.act)(&session)
    }
}

pub fn acting(
    act: impl Fn(&ActiveSession) -> Result<SessionEnd, AgentError> + Send + Sync + 'static,
) -> Arc<Actor> {
    Arc::new(Actor { info: AgentInfo::native("test"), act: Box::new(act) })
}

/// Says `text`, and ends well.
pub fn say(session: &ActiveSession, text: impl Into<String>) -> Result<SessionEnd, AgentError> {
    block_on(session.append(vec![Message::assistant(text)]))?;
    Ok(SessionEnd::Succeeded)
}

/// An origin, a laptop with uncommitted work, a storage and a hub.
pub struct Stage {
    pub scratch: tempfile::TempDir,
    pub laptop: Repo,
    pub storage: MemoryStorage,
    pub hub: Handoff,
}

pub fn ana() -> ActorId {
    "ana".parse().unwrap()
}

pub fn environment() -> EnvironmentId {
    "cloud".parse().unwrap()
}

/// Times for tests: short, but for the lease, which a loaded machine must not lose.
pub fn terms() -> Terms {
    let mut terms = Terms::default();
    terms.poll = Duration::from_millis(40);
    terms.grace = Duration::from_millis(400);
    terms.checkpoint = None;
    terms
}

impl Stage {
    pub fn new(agent: Arc<dyn Agent>) -> Self {
        let storage = MemoryStorage::new();
        Self::over(agent, storage.clone(), storage, |builder| builder)
    }

    pub fn built(agent: Arc<dyn Agent>, build: impl FnOnce(HandoffBuilder) -> HandoffBuilder) -> Self {
        let storage = MemoryStorage::new();
        Self::over(agent, storage.clone(), storage, build)
    }

    pub fn over(
        agent: Arc<dyn Agent>,
        memory: MemoryStorage,
        storage: impl Storage,
        build: impl FnOnce(HandoffBuilder) -> HandoffBuilder,
    ) -> Self {
        let scratch = scratch_in_memory();
        let origin = Repo::init(scratch.path().join("origin/app"), Format::Sha1);
        origin.write("notes.txt", "first\n").write("src/main.rs", "fn main() {}\n");
        origin.commit("base");
        let laptop = origin.clone_to(scratch.path().join("laptop/app"));
        laptop.write("notes.txt", "first\nfrom the laptop\n").write("new.txt", "new\n");
        let checkouts = Checkouts::new(scratch.path().join("runs"))
            .with(Environment::new(environment()).with_repo("app", origin.root.to_string_lossy()));
        let runtime = LocalRuntime::new(agent, checkouts);
        let builder = build(HandoffBuilder::new(Arc::new(storage)).terms(terms()));
        Self { laptop, storage: memory, hub: builder.hub(Arc::new(runtime)), scratch }
    }

    /// Hands the laptop's work off with `prompt`.
    pub fn hand_off(&self, prompt: &str) -> StartRequest {
        let snapshot =
            handoff_core::capture(&self.laptop.workspace(), &handoff_core::CaptureOptions::default())
                .unwrap();
        let mut request = StartRequest::new(ana(), environment(), prompt);
        request.workspace = handoff_core::WorkspaceSource::Snapshot(snapshot);
        request.origin = handoff_core::Origin::LocalToCloud;
        request
    }

    /// Waits for the end, or for a question.
    pub fn wait(&self, run: &RunId) -> Run {
        block_on(self.hub.wait(run, &ana(), Duration::from_secs(60))).unwrap()
    }

    /// Everything said in the run's conversation, by role.
    pub fn said(&self, run: &Run) -> Vec<String> {
        let id = run.conversation.unwrap();
        let messages = block_on(self.hub.conversations().messages(&id, 0, 10_000)).unwrap();
        messages.iter().map(|message| format!("{}: {}", message.role, message.text)).collect()
    }
}

/// What an agent notes for a test.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    pub fn note(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

pub fn file(session: &ActiveSession, name: &str) -> PathBuf {
    session.facts().root.join(name)
}
