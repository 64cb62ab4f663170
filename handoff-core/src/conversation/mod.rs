//! Conversations as values: messages, attachments, forks. Storing them is [`Conversations`](crate::Conversations)' work.

mod attachment;
mod fork;
mod message;

pub use attachment::Attachment;
pub use fork::{ForkPoint, Lineage, OpenCall, close, fork, open_calls};
pub use message::{Message, MessageKind, Role, ToolCall, ToolResult, ToolStatus};

use serde::{Deserialize, Serialize};

use crate::id::{ActorId, ConversationId, MessageId};

/// What is known of a stored conversation without reading its messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConversationHead {
    /// The conversation.
    pub id: ConversationId,
    /// Whose it is. A fork belongs to who forked.
    pub owner: ActorId,
    /// Where it came from; absent unless it is a fork.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Lineage>,
    /// How many messages it has, shared ones included.
    pub messages: u64,
    /// The last message; absent in an empty conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<MessageId>,
    /// Tool calls without a result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open_calls: Vec<OpenCall>,
    /// The highest epoch that has written; a writer with a lower one is refused.
    pub epoch: u64,
    /// Records of the run's inbox that are taken in.
    #[serde(default)]
    pub inbox: u64,
}
