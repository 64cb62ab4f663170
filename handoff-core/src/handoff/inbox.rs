//! What is sent to a live session: follow-ups, answers, cancellations; in order, each exactly once.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::conversation::Message;
use crate::error::Error;
use crate::id::{ActorId, OpId, RunId, SessionId};
use crate::log::Log;
use crate::record;
use crate::storage::Storage;

/// One thing sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sent {
    /// The sender's own mark of this operation.
    pub(crate) op: OpId,
    /// Who sent it; absent for the session itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<ActorId>,
    /// What.
    #[serde(flatten)]
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
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
        let mut next = after;
        loop {
            if log.put(next, body.clone()).await?.won() {
                return Ok(next + 1);
            }
            next += 1;
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
        while let Some(body) = log.get(next).await? {
            next += 1;
            found.push((next, record::decode(&format!("message {next} to run {run}"), &body)?));
        }
        Ok(found)
    }
}
