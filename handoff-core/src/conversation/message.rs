//! One message: the host's own JSON, kept verbatim, beside a small view that everybody understands.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Attachment;
use crate::id::MessageId;
use crate::names::names;
use crate::snapshot::Extra;

/// One message of a conversation. Immutable once appended.
///
/// `body` is what the host wrote, byte for byte; the other fields are a view over it, so that forks, summaries
/// and other runtimes need not know the host's format. Neither is derived from the other here: the host fills
/// both, or leaves the body out when the view says everything.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Message {
    /// Its id, unique in the conversation and kept by forks.
    pub id: MessageId,
    /// What it is.
    #[serde(default, skip_serializing_if = "is_message")]
    pub kind: MessageKind,
    /// Who speaks.
    pub role: Role,
    /// What is said, as text; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Tools the agent asks to be run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// What tools answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_results: Vec<ToolResult>,
    /// Contents that travel with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Milliseconds since 1970, by the writer's clock; for people only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// The host's own JSON, verbatim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Box<RawValue>>,
}

impl Message {
    /// A message with a new id.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self {
            id: MessageId::new(),
            kind: MessageKind::Message,
            role,
            text: text.into(),
            tool_calls: Vec::new(),
            tool_results: Vec::new(),
            attachments: Vec::new(),
            at: None,
            body: None,
        }
    }

    /// What the user says.
    pub fn user(text: impl Into<String>) -> Self {
        Self::new(Role::User, text)
    }

    /// What the agent says.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::new(Role::Assistant, text)
    }

    /// A note of this SDK to the agent, such as what was restored. Never disguised as the user's words.
    pub fn note(text: impl Into<String>) -> Self {
        Self { kind: MessageKind::HandoffNote, ..Self::new(Role::System, text) }
    }

    /// With the host's own JSON.
    #[must_use]
    pub fn with_body(mut self, body: Box<RawValue>) -> Self {
        self.body = Some(body);
        self
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        let body = |message: &Self| message.body.as_ref().map(|body| body.get().to_owned());
        self.id == other.id
            && self.kind == other.kind
            && self.role == other.role
            && self.text == other.text
            && self.tool_calls == other.tool_calls
            && self.tool_results == other.tool_results
            && self.attachments == other.attachments
            && self.at == other.at
            && body(self) == body(other)
    }
}

fn is_message(kind: &MessageKind) -> bool {
    *kind == MessageKind::Message
}

names! {
    /// What a [`Message`] is.
    MessageKind {
        /// Something said, with or without tool calls and results.
        Message = "message",
        /// What the agent thought.
        Reasoning = "reasoning",
        /// A summary that stands for what came before it.
        Compaction = "compaction",
        /// What this SDK tells the agent: what was restored, what could not be, what is unreachable now.
        HandoffNote = "handoff_note",
        /// Facts about where the agent runs.
        Environment = "environment",
        /// Something only the host understands.
        Opaque = "opaque",
    }
}

#[allow(clippy::derivable_impls, reason = "the macro has no place for a default")]
impl Default for MessageKind {
    fn default() -> Self {
        Self::Message
    }
}

names! {
    /// Who speaks.
    Role {
        /// The person.
        User = "user",
        /// The agent.
        Assistant = "assistant",
        /// Instructions and notes.
        System = "system",
        /// A tool's answer.
        Tool = "tool",
    }
}

/// A tool that the agent asks to be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolCall {
    /// Pairs the call with its [`ToolResult`]; unique in the conversation.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments as the model wrote them, which need not be JSON.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub arguments: String,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ToolCall {
    /// A call of `name`.
    pub fn new(id: impl Into<String>, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into(), arguments: arguments.into(), extra: Extra::new() }
    }
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolResult {
    /// The [`ToolCall::id`] it answers.
    pub call: String,
    /// The answer as text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// How it ended.
    #[serde(default, skip_serializing_if = "is_done")]
    pub status: ToolStatus,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ToolResult {
    /// The answer to `call`.
    pub fn new(call: impl Into<String>, text: impl Into<String>, status: ToolStatus) -> Self {
        Self { call: call.into(), text: text.into(), status, extra: Extra::new() }
    }
}

fn is_done(status: &ToolStatus) -> bool {
    *status == ToolStatus::Done
}

names! {
    /// How a tool call ended.
    ToolStatus {
        /// It ran and answered.
        Done = "done",
        /// It ran and failed.
        Error = "error",
        /// The session ended while it ran, so nobody knows what it did.
        Interrupted = "interrupted",
    }
}

#[allow(clippy::derivable_impls, reason = "the macro has no place for a default")]
impl Default for ToolStatus {
    fn default() -> Self {
        Self::Done
    }
}
