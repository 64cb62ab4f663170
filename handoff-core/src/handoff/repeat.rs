//! What has become of something that was said before.

use super::Handoff;
use super::inbox::What;
use super::say::message_of;
use crate::error::Error;
use crate::id::{OpId, SessionId};
use crate::run::Run;

/// Messages looked through at once.
const STRIDE: u64 = 256;

impl Handoff {
    /// The session that took in record `number` of the inbox, which `op` wrote; `None` when it waits still.
    pub(super) async fn taken_by(
        &self,
        run: &Run,
        op: &OpId,
        number: u64,
    ) -> Result<Option<SessionId>, Error> {
        let Some(conversation) = &run.conversation else {
            // A session that closes the inbox has taken in everything before.
            let after = self.inbox.after(&run.id, number).await?;
            let closed = after.into_iter().find_map(|(_, sent)| match sent.what {
                What::Closed { epoch } => Some(epoch),
                _ => None,
            });
            let closed = closed.and_then(|epoch| run.sessions.iter().find(|session| session.epoch == epoch));
            return Ok(closed.map(|session| session.id));
        };
        let head = self.conversations.head(conversation).await?;
        if head.inbox < number {
            return Ok(None);
        }
        let message = message_of(op);
        let mut end = head.messages;
        for session in run.sessions.iter().rev() {
            let Some(first) = session.first_message else { continue };
            let mut at = first;
            while at < end {
                let limit = STRIDE.min(end - at) as usize;
                let messages = self.conversations.messages(conversation, at, limit).await?;
                if messages.iter().any(|there| there.id == message) {
                    return Ok(Some(session.id));
                }
                at += limit as u64;
            }
            end = first;
        }
        Ok(run.session().map(|session| session.id))
    }
}
