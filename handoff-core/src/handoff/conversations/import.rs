//! Filling a conversation from messages that a host holds.

use super::{AppendRequest, Conversations};
use crate::conversation::Message;
use crate::error::Error;
use crate::id::ConversationId;

/// JSON of one step, in bytes, unless a single message is larger.
const STEP: usize = 4 << 20;

impl Conversations {
    /// Fills a conversation that is to begin with `messages`, in steps of bounded size. Goes on where an earlier call
    /// was interrupted, also beside another call with the same messages: each step expects what is before it.
    pub(in crate::handoff) async fn import(
        &self,
        id: &ConversationId,
        messages: &[Message],
    ) -> Result<(), Error> {
        let mut done = self.head(id).await?.messages;
        loop {
            let rest = messages.get(usize::try_from(done).unwrap_or(usize::MAX)..).unwrap_or_default();
            if rest.is_empty() {
                // Nobody else would miss what was never stored.
                return self.kept(id, 0).await;
            }
            let mut bytes = 0;
            let fits = |message: &&Message| {
                let first = bytes == 0;
                // What cannot be written is said by the append.
                bytes += serde_json::to_vec(message).map_or(1, |json| json.len());
                first || bytes <= STEP
            };
            let batch = rest.iter().take_while(fits).cloned().collect();
            let request = AppendRequest { expect: Some(done), ..AppendRequest::new(batch) };
            done = match self.append(id, request).await {
                Ok(head) => head.messages,
                Err(Error::InvalidArgument { argument: "expect", .. }) => self.head(id).await?.messages,
                Err(error) => return Err(error),
            };
        }
    }
}
