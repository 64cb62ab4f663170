//! Forks: where they may cut, and how they close what the source left open. Pure; the source is never written.

use serde::{Deserialize, Serialize};

use super::{Message, ToolCall};
use crate::id::{ConversationId, MessageId};

/// Where a fork leaves its source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ForkPoint {
    /// After the last message there is when the fork is made.
    #[default]
    Head,
    /// After this message, which must be in the source.
    After(MessageId),
    /// After this many messages from the start; 0 is an empty conversation with lineage.
    Count(u64),
}

/// Where a fork came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Lineage {
    /// The source.
    pub source: ConversationId,
    /// How many of the source's messages are shared.
    pub messages: u64,
    /// The last shared message; absent when none is shared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<MessageId>,
}

/// A tool call without a result yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OpenCall {
    /// The call's id.
    pub id: String,
    /// The tool.
    pub name: String,
}

/// The tool calls that are open after `messages`, when `open` were before them. Linear.
pub fn open_calls<'a>(open: &[OpenCall], messages: impl IntoIterator<Item = &'a Message>) -> Vec<OpenCall> {
    let _ = (open, messages);
    todo!()
}

/// The messages that close `open` in a fork: each call gets the result "interrupted, outcome unknown", so that
/// a model that insists on pairs accepts the conversation and nobody takes the call for done.
pub fn close(open: &[OpenCall]) -> Option<Message> {
    let _ = open;
    todo!()
}

/// A fork of a whole conversation held in memory: the messages up to `at`, closed. The same rules as
/// [`Conversations::fork`](crate::Conversations::fork), without a store.
///
/// # Errors
/// [`Error::NotFound`](crate::Error::NotFound) when `at` names no message of `source`.
pub fn fork(source: &[Message], at: &ForkPoint) -> Result<Vec<Message>, crate::error::Error> {
    let _ = (source, at, std::marker::PhantomData::<ToolCall>);
    todo!()
}
