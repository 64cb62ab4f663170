//! What a run begins with: a stored workspace state, and a conversation of its own.

use std::time::Duration;

use super::Handoff;
use super::start::{ConversationSource, StartRequest, WorkspaceSource};
use crate::conversation::ForkPoint;
use crate::error::Error;
use crate::id::ConversationId;
use crate::run::{FreshStart, SnapshotRef};

/// A stored state that no run names yet.
#[derive(Clone)]
pub(super) struct Brought {
    pub(super) reference: SnapshotRef,
    /// Since when, by the monotonic clock.
    pub(super) begun: Duration,
}

impl Handoff {
    /// Stores the workspace state that a run is to begin with.
    pub(super) async fn bring_workspace(&self, source: &WorkspaceSource) -> Result<Option<Brought>, Error> {
        let snapshots = self.snapshots();
        let begun = snapshots.begin();
        let reference = match source {
            WorkspaceSource::None => return Ok(None),
            // Whoever names it now may not name it any more in a moment.
            WorkspaceSource::Stored(reference) => snapshots.renew(reference).await?,
            WorkspaceSource::Snapshot(snapshot) => snapshots.save(snapshot, None).await?.reference,
        };
        Ok(Some(Brought { reference, begun }))
    }

    /// The run's own conversation, and why the source did not come along.
    pub(super) async fn bring_conversation(
        &self,
        request: &StartRequest,
        id: ConversationId,
    ) -> Result<(Option<ConversationId>, Option<FreshStart>), Error> {
        if !self.parts.policy.may_store_conversations(&request.actor).await? {
            return Ok((None, Some(FreshStart::NoConsent)));
        }
        let fresh = match &request.conversation {
            ConversationSource::None => {
                self.conversations.create_as(id, &request.actor).await?;
                Some(FreshStart::NoConversation)
            }
            ConversationSource::Stored { id: source, at, .. } => {
                self.conversations.fork_as(id, source, at, &request.actor).await?;
                None
            }
            ConversationSource::Messages(messages) => {
                self.conversations.create_as(id, &request.actor).await?;
                let forked = crate::conversation::fork(messages, &ForkPoint::Head)?;
                self.conversations.import(&id, &forked).await?;
                None
            }
        };
        Ok((Some(id), fresh))
    }
}
