//! What stands in a conversation's log.

use serde::{Deserialize, Serialize};

use crate::conversation::{ConversationHead, Lineage, Message, OpenCall, open_calls};
use crate::digest::Digest;
use crate::id::{ActorId, ConversationId, MessageId, OpId};

/// One numbered object of a conversation's log. It repeats what is known before it, so that the last one alone
/// tells everything but the past of a fork.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The writer's own mark: makes the body unique, and a repeated append recognisable.
    pub(super) op: OpId,
    /// The writer's fencing token.
    pub(super) epoch: u64,
    /// The digest of the body before; absent in number 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) prev: Option<Digest>,
    /// Whose the conversation is.
    pub(super) owner: ActorId,
    /// Where it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lineage: Option<Lineage>,
    /// Messages before this entry's, shared ones included.
    pub(super) first: u64,
    /// The last message before this entry's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last: Option<MessageId>,
    /// Calls that are open before this entry's messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) open: Vec<OpenCall>,
    /// Inbox records that are taken in, this entry included.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) inbox: u64,
    /// The past of a fork, oldest first; only in number 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) past: Vec<Segment>,
    /// What is appended; nothing in a fence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) messages: Vec<Message>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A stretch of another conversation that a fork shares: its messages up to, and without, number `end`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Segment {
    /// The conversation that holds them in its own log.
    pub(super) conversation: ConversationId,
    /// Where the fork left it, counted from the start of the whole conversation.
    pub(super) end: u64,
    /// The number of the log's entry that holds the last of them.
    pub(super) seq: u64,
}

impl Entry {
    /// Messages after this entry.
    pub(super) fn end(&self) -> u64 {
        self.first + self.messages.len() as u64
    }

    /// What is known of the conversation after this entry.
    pub(super) fn head(&self, id: ConversationId) -> ConversationHead {
        ConversationHead {
            id,
            owner: self.owner.clone(),
            lineage: self.lineage.clone(),
            messages: self.end(),
            last: self.messages.last().map(|message| message.id).or(self.last),
            open_calls: open_calls(&self.open, &self.messages),
            epoch: self.epoch,
            inbox: self.inbox,
        }
    }
}
