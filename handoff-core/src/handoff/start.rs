//! Starting runs: one, or many from the same past.

use super::Handoff;
use crate::budget::Budget;
use crate::conversation::{ForkPoint, Message};
use crate::error::Error;
use crate::id::{ActorId, ConversationId, EnvironmentId, RunId, SessionId, TeamId};
use crate::run::{Origin, SnapshotRef};
use crate::snapshot::Snapshot;

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

impl Handoff {
    /// Starts a run: checks everything that can be refused, stores the workspace state, forks the conversation,
    /// records the run, and asks the runtime for a session. Refusals come before anything moves.
    pub async fn start(&self, request: StartRequest) -> Result<Started, Error> {
        let _ = request;
        todo!()
    }

    /// Starts one run for each prompt from the same workspace state and the same point of the conversation; the
    /// state is stored once. One result for each prompt, in order.
    pub async fn fan_out(
        &self,
        request: StartRequest,
        prompts: Vec<String>,
    ) -> Result<Vec<Result<Started, Error>>, Error> {
        let _ = (request, prompts);
        todo!()
    }
}
