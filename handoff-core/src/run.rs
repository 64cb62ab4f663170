//! Runs and sessions as values: what is recorded of them, and what the states mean.

use serde::{Deserialize, Serialize};

use crate::budget::{Budget, Usage};
use crate::id::{ActorId, ConversationId, EnvironmentId, MessageId, RunId, SessionId, SnapshotId, TeamId};
use crate::names::names;
use crate::path::RelPath;
use crate::report::Verdict;
use crate::snapshot::Extra;

/// One run: a durable unit of work with one identity through all its sessions. This is the whole record; each
/// step of a run's life writes it anew under the next number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Run {
    /// Its id, kept for ever.
    pub id: RunId,
    /// What it is about, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub task: String,
    /// Who started it.
    pub creator: ActorId,
    /// The team it belongs to; absent for a personal run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<TeamId>,
    /// How it began.
    pub origin: Origin,
    /// The schedule, issue, webhook or the like that it came from, in the host's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Where its sessions execute.
    pub environment: EnvironmentId,
    /// The model, pinned by the first session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its conversation; absent only where `fresh` says why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// Why the source conversation did not come along; absent when it did or there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh: Option<FreshStart>,
    /// Where it stands.
    pub state: RunState,
    /// The fencing token: rises each time a session takes the run.
    pub epoch: u64,
    /// Its sessions, oldest first.
    pub sessions: Vec<Session>,
    /// What its sessions may use in total.
    #[serde(default)]
    pub budget: Budget,
    /// What it is blocked on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Question>,
    /// The run that started this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<RunId>,
    /// When it was created, in milliseconds since 1970 by the creator's clock; for people and for order in lists.
    pub created: u64,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Session {
    /// A session that waits to be taken.
    pub fn queued(id: SessionId, actor: ActorId, prompt: String, created: u64) -> Self {
        Self {
            id,
            actor,
            epoch: 0,
            state: SessionState::Queued,
            prompt,
            snapshot_in: None,
            restored: None,
            snapshot_out: None,
            not_captured: None,
            usage: Usage::default(),
            agent: String::new(),
            agent_kind: AgentKind::default(),
            first_message: None,
            created,
            started: None,
            ended: None,
            reason: String::new(),
            extra: Extra::new(),
        }
    }
}

impl Run {
    /// Usage of all sessions together.
    pub fn usage(&self) -> Usage {
        let mut total = Usage::default();
        for session in &self.sessions {
            total.add(&session.usage);
        }
        total
    }

    /// The latest session.
    pub fn session(&self) -> Option<&Session> {
        self.sessions.last()
    }

    /// The latest workspace state that any session recorded, else the one the run began with.
    pub fn snapshot(&self) -> Option<&SnapshotRef> {
        self.sessions
            .iter()
            .rev()
            .find_map(|session| session.snapshot_out.as_ref().or(session.snapshot_in.as_ref()))
    }
}

/// One execution of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Who asked for it.
    pub actor: ActorId,
    /// The epoch it holds the run with; 0 until it is taken.
    pub epoch: u64,
    /// Where it stands.
    pub state: SessionState,
    /// What the agent is asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prompt: String,
    /// The workspace state it starts from; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_in: Option<SnapshotRef>,
    /// What became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Restored>,
    /// The latest checkpoint, at the end the end state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_out: Option<SnapshotRef>,
    /// Why there is no end state, or only an older checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_captured: Option<String>,
    /// What it used: cumulative.
    #[serde(default)]
    pub usage: Usage,
    /// The agent that answered.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub agent: String,
    /// Whose agent that is.
    #[serde(default)]
    pub agent_kind: AgentKind,
    /// Messages the conversation had when the session took it; the session boundary in the transcript.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_message: Option<u64>,
    /// When it was asked for, in milliseconds since 1970.
    pub created: u64,
    /// When it took the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
    /// Why it ended as it did, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Whose an agent is. A native one is offered a follow-up, a third party's a continuation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AgentKind {
    /// The host's own.
    #[default]
    Native,
    /// Somebody else's.
    ThirdParty,
}

/// A stored workspace state: which, and where its record is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SnapshotRef {
    /// The state's own id.
    pub id: SnapshotId,
    /// The key of the stored record, which holds the locations of the contents.
    pub key: crate::storage::Key,
}

/// What became of the workspace state that a session should start from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
#[non_exhaustive]
pub enum Restored {
    /// It was applied; the report's verdict, and its text for the agent.
    Applied {
        /// All of it in one word.
        verdict: Verdict,
        /// The bounded text.
        summary: String,
        /// Paths of the state that the work tree did not get, for whatever reason the report gives: the first
        /// [`MOST_NOT_RESTORED`] of them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        missing: Vec<NotRestored>,
    },
    /// The session started without it.
    Nothing {
        /// Why.
        reason: NothingRestored,
        /// The same, for people.
        message: String,
    },
}

/// Paths that [`Restored::Applied`] names at most.
pub const MOST_NOT_RESTORED: usize = 1_000;

/// A path that a session's work tree did not get.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NotRestored {
    /// The repository's name in the state.
    pub repo: String,
    /// The path in it.
    pub path: RelPath,
}

names! {
    /// Why a session started without a workspace state.
    NothingRestored {
        /// The run has none.
        None = "none",
        /// Its record or contents are not in the storage.
        Missing = "missing",
        /// It is there and cannot be read.
        Damaged = "damaged",
        /// No repository of the environment matches any of the snapshot's.
        NoTarget = "no_target",
        /// Applying it failed as a whole.
        Failed = "failed",
    }
}

names! {
    /// Why a run has no share in the conversation it was started from.
    FreshStart {
        /// The policy gave no consent to store conversations.
        NoConsent = "no_consent",
        /// The caller named no conversation.
        NoConversation = "no_conversation",
    }
}

names! {
    /// How a run began.
    Origin {
        /// Started in the cloud.
        Cloud = "cloud",
        /// Handed off from somebody's machine.
        LocalToCloud = "local_to_cloud",
        /// Started by a schedule.
        Schedule = "schedule",
        /// Started by another product: an issue, a chat, a webhook.
        Integration = "integration",
    }
}

names! {
    /// Where a run stands.
    RunState {
        /// Waits for a session to take it.
        Queued = "queued",
        /// A session is at work.
        Running = "running",
        /// The agent waits for an answer.
        Blocked = "blocked",
        /// Ended well.
        Succeeded = "succeeded",
        /// Ended badly.
        Failed = "failed",
        /// Ended by request.
        Cancelled = "cancelled",
        /// Ended because the budget was used up.
        BudgetExhausted = "budget_exhausted",
    }
}

impl RunState {
    /// Whether the run has ended, so that it may be continued. States of newer versions are not ended.
    pub const fn is_terminal(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::BudgetExhausted)
    }
}

names! {
    /// Where a session stands.
    SessionState {
        /// Asked for.
        Queued = "queued",
        /// At work.
        Running = "running",
        /// The agent ended it well.
        Succeeded = "succeeded",
        /// The agent, or what it runs on, failed.
        Failed = "failed",
        /// Ended by request.
        Cancelled = "cancelled",
        /// Ended because the budget was used up.
        BudgetExhausted = "budget_exhausted",
        /// Vanished: another session took the run after the lease had expired.
        Lost = "lost",
    }
}

/// What the agent asks the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Question {
    /// The message of the conversation that asks it.
    pub message: MessageId,
    /// The question.
    pub text: String,
}
