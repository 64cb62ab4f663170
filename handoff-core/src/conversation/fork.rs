//! Forks: where they may cut, and how they close what the source left open. Pure; the source is never written.

use serde::{Deserialize, Serialize};

use super::{Message, Role, ToolResult, ToolStatus};
use crate::digest::Digest;
use crate::error::Error;
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

/// The tool calls that are open after `messages`, when `open` were before them. Linear in the messages; a call
/// that is answered twice, or never made, is nothing.
pub fn open_calls<'a>(open: &[OpenCall], messages: impl IntoIterator<Item = &'a Message>) -> Vec<OpenCall> {
    let mut open = open.to_vec();
    for message in messages {
        // Results first: a message that answers old calls may make new ones, never the other way round.
        open.retain(|call| message.tool_results.iter().all(|result| result.call != call.id));
        open.extend(
            message.tool_calls.iter().map(|call| OpenCall { id: call.id.clone(), name: call.name.clone() }),
        );
    }
    open
}

/// The message that closes `open` in the conversation `fork`: each call gets the result "interrupted, outcome
/// unknown", so that a model that insists on pairs accepts the conversation, and nobody takes the call for done.
/// `None` when nothing is open. The same fork gets the same message, with the same id.
pub fn close(open: &[OpenCall], fork: &ConversationId) -> Option<Message> {
    if open.is_empty() {
        return None;
    }
    let mut message = Message::new(Role::Tool, "");
    message.id = MessageId::from_digest(&Digest::of(format!("{fork} closes").as_bytes()));
    let result = |call: &OpenCall| {
        let text = format!("The call of {} was interrupted; its outcome is unknown.", call.name);
        ToolResult::new(call.id.clone(), text, ToolStatus::Interrupted)
    };
    message.tool_results = open.iter().map(result).collect();
    Some(message)
}

/// A fork of a whole conversation held in memory: the messages up to `at`, closed. The same rules as
/// [`Conversations::fork`](crate::Conversations::fork), without a store; `source` is only read.
///
/// # Errors
/// [`Error::NotFound`] when `at` names no message of `source`.
///
/// ```
/// use handoff_core::conversation::{ForkPoint, Message, ToolCall, fork};
///
/// let mut asks = Message::assistant("I run the tests.");
/// asks.tool_calls.push(ToolCall::new("call-1", "shell", "cargo test"));
/// let source = [Message::user("Is it green?"), asks];
///
/// let forked = fork(&source, &ForkPoint::Head)?;
/// assert_eq!(forked[..2], source);
/// assert!(forked[2].tool_results[0].text.contains("interrupted"));
/// assert_eq!(fork(&source, &ForkPoint::After(source[0].id))?.len(), 1);
/// # Ok::<(), handoff_core::Error>(())
/// ```
pub fn fork(source: &[Message], at: &ForkPoint) -> Result<Vec<Message>, Error> {
    let count = match at {
        ForkPoint::Head => source.len(),
        ForkPoint::After(id) => {
            let at = source.iter().rposition(|message| message.id == *id);
            at.ok_or_else(|| Error::not_found(format!("message {id}")))? + 1
        }
        ForkPoint::Count(count) => usize::try_from(*count).unwrap_or(usize::MAX),
    };
    let shared = source.get(..count).ok_or_else(|| {
        Error::not_found(format!("message number {count} in a conversation of {}", source.len()))
    })?;
    let mut forked = shared.to_vec();
    forked.extend(close(&open_calls(&[], shared), &ConversationId::new()));
    Ok(forked)
}
