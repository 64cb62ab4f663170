//! What is sent to a live session: follow-ups, answers, cancellations; in order, each exactly once.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::attachments;
use crate::conversation::Message;
use crate::error::Error;
use crate::id::{ActorId, OpId, RunId, SessionId};
use crate::join;
use crate::log::Log;
use crate::record;
use crate::storage::{Storage, StorageError};

/// One thing sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sent {
    /// The sender's own mark of this operation.
    pub(crate) op: OpId,
    /// Who sent it; absent for the session itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<ActorId>,
    /// What. Neither flattened nor tagged inside: a message's body is kept verbatim, which only a plain form can.
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// The person says something more.
    FollowUp { message: Message },
    /// The person answers a question.
    Answer { message: Message },
    /// This session is to stop.
    Cancel { session: SessionId },
    /// The session with this epoch ended and takes nothing more: what stands after this belongs to the next one.
    Closed { epoch: u64 },
}

/// Numbers looked at together.
const LOOKS: u64 = 8;

/// A run's inbox: a log of its own, numbered from 0. How far it was taken in stands in the conversation, in the same
/// step as the message, so that no message is taken in twice or never.
#[derive(Clone)]
pub(crate) struct Inbox {
    storage: Arc<dyn Storage>,
}

impl Inbox {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage }
    }

    fn log(&self, run: &RunId) -> Result<Log, Error> {
        let prefix =
            format!("r/{run}/in").parse().map_err(|_| Error::format(format!("run {run}"), "its key"))?;
        Ok(Log::new(Arc::clone(&self.storage), prefix, 8))
    }

    /// Appends; the same `op` again changes nothing. Returns how many there are up to and with this one.
    pub(crate) async fn post(&self, run: &RunId, sent: &Sent, after: u64) -> Result<u64, Error> {
        let log = self.log(run)?;
        let body = record::encode(&format!("a message to run {run}"), sent)?;
        if let What::FollowUp { message } | What::Answer { message } = &sent.what {
            attachments::mark(&*self.storage, &format!("r/{run}"), std::slice::from_ref(message)).await?;
        }
        let mut next = after;
        let mut last = None;
        // Looking is cheaper than trying, and some looks go at once.
        loop {
            let looks = (next..next + LOOKS).map(|seq| log.get(seq));
            for look in join::all(looks).await {
                match look? {
                    Some(there) if there == body => return Ok(next + 1),
                    Some(there) => {
                        differs(run, next, &there, &mut last)?;
                        next += 1;
                    }
                    None => {
                        if log.put(next, body.clone()).await?.won() {
                            is_kept(&log, next, sent, &body).await?;
                            return Ok(next + 1);
                        }
                        next += 1;
                        break;
                    }
                }
            }
        }
    }

    /// Appends as the very next after the first `taken`; false when something else stands there.
    pub(crate) async fn post_at(&self, run: &RunId, sent: &Sent, taken: u64) -> Result<bool, Error> {
        let body = record::encode(&format!("a message to run {run}"), sent)?;
        Ok(self.log(run)?.put(taken, body).await?.won())
    }

    /// The number of the record with this `op`, where there is one.
    pub(crate) async fn find(&self, run: &RunId, op: &OpId) -> Result<Option<u64>, Error> {
        let all = self.after(run, 0).await?;
        Ok(all.into_iter().find(|(_, sent)| sent.op == *op).map(|(number, _)| number))
    }

    /// Everything after the first `taken`, in order.
    pub(crate) async fn after(&self, run: &RunId, taken: u64) -> Result<Vec<(u64, Sent)>, Error> {
        let log = self.log(run)?;
        let mut found = Vec::new();
        let mut next = taken;
        let mut last = None;
        while let Some(body) = log.get(next).await? {
            differs(run, next, &body, &mut last)?;
            next += 1;
            found.push((next, record::decode(&format!("message {next} to run {run}"), &body)?));
        }
        Ok(found)
    }
}

/// Reads back what a person said before anybody is told that it was said: nobody else ever looks for it.
async fn is_kept(log: &Log, seq: u64, sent: &Sent, body: &Bytes) -> Result<(), Error> {
    if !matches!(sent.what, What::FollowUp { .. } | What::Answer { .. })
        || log.get(seq).await?.as_ref() == Some(body)
    {
        return Ok(());
    }
    let why = "the storage said that it has kept this, and does not give it back; check it with \
               `handoff_core::conformance::storage::check`";
    Err(Error::storage(format!("creating {}", log.key(seq)?), StorageError::new(why)))
}

/// No two records are the same, since each has its own mark. A storage that gives the same for every number would have us
/// read on without end.
fn differs(run: &RunId, seq: u64, body: &Bytes, last: &mut Option<Bytes>) -> Result<(), Error> {
    if last.replace(body.clone()).as_ref() == Some(body) {
        return Err(Error::Corrupt { what: format!("message {} to run {run}", seq + 1) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use futures_lite::future::block_on;

    use super::*;
    use crate::storage::MemoryStorage;

    fn said(text: &str) -> Sent {
        Sent { op: OpId::new(), actor: None, what: What::FollowUp { message: Message::user(text) } }
    }

    #[test]
    fn what_is_posted_comes_out_once_and_in_order() {
        let (inbox, run) = (Inbox::new(Arc::new(MemoryStorage::new())), RunId::new());
        let all: Vec<_> = (0..30).map(|number| said(&number.to_string())).collect();
        for (number, sent) in (1..).zip(&all) {
            assert_eq!(block_on(inbox.post(&run, sent, 0)).unwrap(), number);
            assert_eq!(block_on(inbox.post(&run, sent, 0)).unwrap(), number, "the same again");
        }
        assert_eq!(block_on(inbox.post(&run, &all[3], 0)).unwrap(), 4, "much later");
        let read: Vec<_> =
            block_on(inbox.after(&run, 0)).unwrap().into_iter().map(|(_, sent)| sent).collect();
        assert_eq!(read, all);
        assert_eq!(block_on(inbox.after(&run, 28)).unwrap().len(), 2);
        assert!(!block_on(inbox.post_at(&run, &said("late"), 29)).unwrap());
        assert!(block_on(inbox.post_at(&run, &said("next"), 30)).unwrap());
    }

    #[test]
    fn the_hosts_own_json_comes_out_byte_for_byte() {
        let (inbox, run) = (Inbox::new(Arc::new(MemoryStorage::new())), RunId::new());
        let json = r#"{"z":1.0,  "n":123456789012345678901234567890}"#;
        let message = Message::user("x").with_body(serde_json::from_str(json).unwrap());
        let closed = What::Closed { epoch: 3 };
        for what in [What::Answer { message }, What::Cancel { session: SessionId::new() }, closed] {
            let sent = Sent { op: OpId::new(), actor: Some("ana".parse().unwrap()), what };
            let number = block_on(inbox.post(&run, &sent, 0)).unwrap();
            assert_eq!(block_on(inbox.after(&run, number - 1)).unwrap(), [(number, sent)]);
        }
    }
}
