//! Who answers inside a restored session: the [`Agent`] port, and the [`ActiveSession`] it is given.

mod command;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::budget::{Budget, Usage};
use crate::conversation::{ConversationHead, Message};
use crate::error::Error;
use crate::id::{RunId, SessionId};
use crate::progress::CancelToken;
use crate::report::ApplyReport;
pub use crate::run::AgentKind;
use crate::run::SnapshotRef;

pub use command::CommandAgent;

/// What an agent is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AgentInfo {
    /// Its name, as recorded in each session.
    pub name: String,
    /// Models it can use; empty means that it does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Whether it is the host's own, or a third party's.
    #[serde(default)]
    pub kind: AgentKind,
}

impl AgentInfo {
    /// An agent of the host's own.
    pub fn native(name: impl Into<String>) -> Self {
        Self { name: name.into(), models: Vec::new(), kind: AgentKind::Native }
    }

    /// Somebody else's agent.
    pub fn third_party(name: impl Into<String>) -> Self {
        Self { name: name.into(), models: Vec::new(), kind: AgentKind::ThirdParty }
    }
}

/// How an agent says a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEnd {
    /// It did what it was asked.
    Succeeded,
    /// It could not; the reason is for people.
    Failed(String),
    /// It stopped because it was asked to.
    Cancelled,
}

/// Why an agent broke off. Recorded as the session's failure; nothing that was appended is lost.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct AgentError {
    /// What failed, and what to do.
    pub message: String,
    /// What the agent said.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl AgentError {
    /// A failure.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    /// With its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl From<Error> for AgentError {
    fn from(error: Error) -> Self {
        Self::new(error.to_string()).because(error)
    }
}

/// Who answers. `handoff_core::conformance::agent::check` (feature `conformance`) checks an implementation against this
/// contract.
///
/// # Contract
/// 1. `run` returns soon after [`ActiveSession::cancelled`] is true. One that does not is left behind after a grace
///    period: its session ends without it, and it can write nothing more.
/// 2. Everything that must not be lost is appended, as the assistant's words; what an agent keeps to itself ends with it.
///    It says that it succeeded only when it was not stopped and what it said is stored.
/// 3. `describe` says the same each time, and usage is reported as a total that never falls.
/// 4. One instance serves any number of sessions, also at once; a failed one changes nothing for the next.
/// 5. Whatever the prompt is, and whether or not the working directory is there: trouble is an error or a failed end,
///    never a turn without end.
#[async_trait]
pub trait Agent: Send + Sync + 'static {
    /// What it is. Asked before anything starts.
    fn describe(&self) -> AgentInfo;

    /// Answers. The workspace is restored already.
    async fn run(&self, session: ActiveSession) -> Result<SessionEnd, AgentError>;
}

/// The session an agent is in: what it may read, and what it may do. Clones are the same session.
///
/// Every write carries the session's fencing token: once another session has taken the run, each returns an error
/// of kind `fenced` and the agent must stop.
#[derive(Clone)]
pub struct ActiveSession(Arc<dyn SessionHost>);

/// What stands behind an [`ActiveSession`]. Implemented by this crate; public for test doubles.
#[async_trait]
pub trait SessionHost: Send + Sync + 'static {
    /// The facts that do not change.
    fn facts(&self) -> &SessionFacts;
    /// See [`ActiveSession::head`].
    async fn head(&self) -> Result<ConversationHead, Error>;
    /// See [`ActiveSession::messages`].
    async fn messages(&self, from: u64, limit: usize) -> Result<Vec<Message>, Error>;
    /// See [`ActiveSession::append`].
    async fn append(&self, messages: Vec<Message>) -> Result<(), Error>;
    /// See [`ActiveSession::follow_ups`].
    async fn follow_ups(&self) -> Result<Vec<Message>, Error>;
    /// See [`ActiveSession::usage`].
    async fn usage(&self, used: Usage) -> Result<(), Error>;
    /// See [`ActiveSession::remaining_budget`].
    fn remaining_budget(&self) -> Budget;
    /// See [`ActiveSession::checkpoint`].
    async fn checkpoint(&self) -> Result<SnapshotRef, Error>;
    /// See [`ActiveSession::block`].
    async fn block(&self, question: Message) -> Result<Message, Error>;
    /// See [`ActiveSession::attach`].
    async fn attach(
        &self,
        name: &str,
        media_type: &str,
        content: Vec<u8>,
    ) -> Result<crate::conversation::Attachment, Error>;
    /// See [`ActiveSession::read_attachment`].
    async fn read_attachment(&self, attachment: &crate::conversation::Attachment) -> Result<Vec<u8>, Error>;
}

/// What an agent may know from the start.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SessionFacts {
    /// The run.
    pub run: RunId,
    /// The session.
    pub session: SessionId,
    /// Which session of the run it is, from 1.
    pub number: u64,
    /// What the agent is asked: the last message of the conversation too, unless it is empty.
    pub prompt: String,
    /// The model the run is pinned to.
    pub model: Option<String>,
    /// The agent's working directory.
    pub root: PathBuf,
    /// The checkouts.
    pub repos: Vec<PathBuf>,
    /// Variables for programs that the agent runs.
    pub variables: std::collections::BTreeMap<String, String>,
    /// What restoring the workspace did; absent when there was nothing to restore.
    pub restored: Option<ApplyReport>,
    /// Cancelled when the agent is to stop: by request, by budget, by deadline, or because the run was taken over.
    pub cancel: CancelToken,
}

impl ActiveSession {
    /// For this crate and for test doubles.
    pub fn new(host: Arc<dyn SessionHost>) -> Self {
        Self(host)
    }

    /// The facts that do not change: ids, prompt, directories, what was restored.
    pub fn facts(&self) -> &SessionFacts {
        self.0.facts()
    }

    /// What is known of the conversation without reading it.
    pub async fn head(&self) -> Result<ConversationHead, Error> {
        self.0.head().await
    }

    /// At most `limit` messages of the conversation, beginning with number `from` (the first is 0).
    pub async fn messages(&self, from: u64, limit: usize) -> Result<Vec<Message>, Error> {
        self.0.messages(from, limit).await
    }

    /// Appends messages, in one step: all of them are in the conversation when it returns, or none.
    pub async fn append(&self, messages: Vec<Message>) -> Result<(), Error> {
        self.0.append(messages).await
    }

    /// What the person said since the last call, in order and each exactly once; already in the conversation.
    pub async fn follow_ups(&self) -> Result<Vec<Message>, Error> {
        self.0.follow_ups().await
    }

    /// Reports what the session has used so far, in total. Beyond the budget the session is cancelled.
    pub async fn usage(&self, used: Usage) -> Result<(), Error> {
        self.0.usage(used).await
    }

    /// What is left of the budget.
    pub fn remaining_budget(&self) -> Budget {
        self.0.remaining_budget()
    }

    /// Records the workspace state as it is now; only new contents are stored.
    pub async fn checkpoint(&self) -> Result<SnapshotRef, Error> {
        self.0.checkpoint().await
    }

    /// Asks the person and waits for the answer, which is in the conversation when it returns. The person is notified.
    pub async fn block(&self, question: Message) -> Result<Message, Error> {
        self.0.block(question).await
    }

    /// Stores a content, to be named by a message.
    pub async fn attach(
        &self,
        name: &str,
        media_type: &str,
        content: Vec<u8>,
    ) -> Result<crate::conversation::Attachment, Error> {
        self.0.attach(name, media_type, content).await
    }

    /// The content of an attachment of this conversation, checked against its hash.
    pub async fn read_attachment(
        &self,
        attachment: &crate::conversation::Attachment,
    ) -> Result<Vec<u8>, Error> {
        self.0.read_attachment(attachment).await
    }

    /// Whether the agent is to stop.
    pub fn cancelled(&self) -> bool {
        self.0.facts().cancel.is_cancelled()
    }
}
