//! What a run may be started from, given as it is.

use super::start::{ConversationSource, WorkspaceSource};
use crate::conversation::{ForkPoint, Message};
use crate::id::ConversationId;
use crate::run::SnapshotRef;
use crate::snapshot::Snapshot;

impl From<ConversationId> for ConversationSource {
    /// The whole of a stored conversation, as it is when the run is started.
    fn from(id: ConversationId) -> Self {
        Self::Stored { id, at: ForkPoint::Head, messages: None }
    }
}

impl From<Vec<Message>> for ConversationSource {
    fn from(messages: Vec<Message>) -> Self {
        Self::Messages(messages)
    }
}

impl From<Snapshot> for WorkspaceSource {
    fn from(snapshot: Snapshot) -> Self {
        Self::Snapshot(snapshot)
    }
}

impl From<SnapshotRef> for WorkspaceSource {
    fn from(stored: SnapshotRef) -> Self {
        Self::Stored(stored)
    }
}
