//! What is sent to a live session: follow-ups, answers, cancellations; in order, each exactly once.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::conversation::Message;
use crate::error::Error;
use crate::id::{ActorId, OpId, RunId};
use crate::storage::Storage;

/// One thing sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sent {
    /// The sender's own mark of this operation.
    pub(crate) op: OpId,
    /// Who sent it.
    pub(crate) actor: ActorId,
    /// What.
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub(crate) enum What {
    /// The person says something more.
    FollowUp { message: Message },
    /// The person answers a question.
    Answer { message: Message },
    /// The session is to stop.
    Cancel,
    /// The session ended and takes nothing more: what is sent after this belongs to the next session.
    Closed { epoch: u64 },
}

/// A run's inbox: a log of its own.
#[derive(Clone)]
pub(crate) struct Inbox {
    storage: Arc<dyn Storage>,
}

impl Inbox {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage }
    }

    /// Appends; the same `op` again changes nothing. Returns its number, from 1.
    pub(crate) async fn post(&self, run: &RunId, sent: &Sent) -> Result<u64, Error> {
        let _ = (run, sent, &self.storage);
        todo!()
    }

    /// Everything after number `after`, in order.
    pub(crate) async fn after(&self, run: &RunId, after: u64) -> Result<Vec<(u64, Sent)>, Error> {
        let _ = (run, after);
        todo!()
    }
}
