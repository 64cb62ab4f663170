//! What a person says to a run.

use super::Handoff;
use super::inbox::{Sent, What};
use crate::conversation::Message;
use crate::digest::Digest;
use crate::error::Error;
use crate::id::{ActorId, MessageId, OpId, RunId};

impl Handoff {
    /// Puts what a person says into a run's inbox. Returns its number.
    pub(super) async fn say(&self, run: &RunId, op: OpId, said: &Said<'_>) -> Result<u64, Error> {
        let mut message = Message::user(said.prompt);
        // Decided by the operation, so that the same call again makes the same bytes.
        message.id = message_of(&op);
        for (name, media_type, content) in said.attachments {
            let attachment = self.conversations.attach(name, media_type, content.clone()).await?;
            message.attachments.push(attachment);
        }
        let what = if said.answers { What::Answer { message } } else { What::FollowUp { message } };
        let sent = Sent { op, actor: Some(said.actor.clone()), what };
        self.inbox.post(run, &sent, 0).await
    }
}

/// The message that an operation says.
pub(super) fn message_of(op: &OpId) -> MessageId {
    MessageId::from_digest(&Digest::of(op.to_string().as_bytes()))
}

/// What a person says to a run.
pub(super) struct Said<'a> {
    pub(super) actor: &'a ActorId,
    pub(super) prompt: &'a str,
    pub(super) attachments: &'a [(String, String, Vec<u8>)],
    /// Whether it answers a question.
    pub(super) answers: bool,
}
