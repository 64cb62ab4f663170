//! Stored conversations: an append-only log each, forks by reference.

use std::sync::Arc;

use crate::conversation::{Attachment, ConversationHead, ForkPoint, Message};
use crate::error::Error;
use crate::id::{ActorId, ConversationId, OpId};
use crate::storage::Storage;

/// Conversations in a storage. Appends of several writers do not lose each other; a fork shares its past by
/// reference and costs the same whatever its length.
#[derive(Clone)]
pub struct Conversations {
    storage: Arc<dyn Storage>,
}

/// What to append, and with which right.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct AppendRequest {
    /// All in one step.
    pub messages: Vec<Message>,
    /// The fencing token of the session that writes; 0 for a host that keeps its own transcript outside any run.
    pub epoch: u64,
    /// Makes a repeated call a no-op that returns the first result.
    pub op: Option<OpId>,
    /// Inbox records up to this number are taken in by this append.
    pub inbox: Option<u64>,
    /// When set, the append is refused with `wrong number of messages` unless the conversation has exactly so many.
    pub expect: Option<u64>,
}

impl AppendRequest {
    /// Messages of a host outside any run.
    pub fn new(messages: Vec<Message>) -> Self {
        Self { messages, ..Self::default() }
    }
}

impl Conversations {
    /// The conversations in `storage`.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage }
    }

    /// A new, empty conversation.
    pub async fn create(&self, owner: &ActorId) -> Result<ConversationHead, Error> {
        self.create_as(ConversationId::new(), owner).await
    }

    /// A new, empty conversation with an id of the caller's; the same call again returns what is there.
    pub async fn create_as(&self, id: ConversationId, owner: &ActorId) -> Result<ConversationHead, Error> {
        let _ = (id, owner, &self.storage);
        todo!()
    }

    /// What is known of a conversation. Number of requests grows with the logarithm of what the hint misses.
    pub async fn head(&self, id: &ConversationId) -> Result<ConversationHead, Error> {
        let _ = id;
        todo!()
    }

    /// Appends messages in one step.
    pub async fn append(
        &self,
        id: &ConversationId,
        request: AppendRequest,
    ) -> Result<ConversationHead, Error> {
        let _ = (id, request);
        todo!()
    }

    /// Marks that the session with `epoch` has taken over: every writer with a lower one is refused from here on.
    pub(crate) async fn fence(
        &self,
        id: &ConversationId,
        epoch: u64,
        op: OpId,
    ) -> Result<ConversationHead, Error> {
        let _ = (id, epoch, op);
        todo!()
    }

    /// A new conversation that shares the past of `source` up to `at`; `source` is not written. Tool calls that are
    /// open there are closed in the fork. The same number of requests at any length.
    pub async fn fork(
        &self,
        source: &ConversationId,
        at: &ForkPoint,
        owner: &ActorId,
    ) -> Result<ConversationHead, Error> {
        self.fork_as(ConversationId::new(), source, at, owner).await
    }

    /// As [`fork`](Self::fork), with an id of the caller's; the same call again returns what is there.
    pub async fn fork_as(
        &self,
        id: ConversationId,
        source: &ConversationId,
        at: &ForkPoint,
        owner: &ActorId,
    ) -> Result<ConversationHead, Error> {
        let _ = (id, source, at, owner);
        todo!()
    }

    /// At most `limit` messages from number `from` on, shared ones included; memory and requests are bounded by
    /// what is returned, not by the conversation's length.
    pub async fn messages(
        &self,
        id: &ConversationId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Message>, Error> {
        let _ = (id, from, limit);
        todo!()
    }

    /// Waits until the conversation has `messages` messages.
    pub async fn wait_synced(
        &self,
        id: &ConversationId,
        messages: u64,
        deadline: std::time::Duration,
        clock: &dyn crate::clock::Clock,
    ) -> Result<ConversationHead, Error> {
        let _ = (id, messages, deadline, clock);
        todo!()
    }

    /// Stores a content, to be named by a message appended later.
    pub async fn attach(&self, name: &str, media_type: &str, content: Vec<u8>) -> Result<Attachment, Error> {
        super::attachments::put(&*self.storage, name, media_type, content).await
    }

    /// The content of an attachment, checked against its hash.
    pub async fn read_attachment(&self, attachment: &Attachment) -> Result<Vec<u8>, Error> {
        super::attachments::get(&*self.storage, attachment).await
    }
}
