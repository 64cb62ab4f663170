//! Following a run: transcript and state, in order, across disconnects.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Handoff;
use crate::conversation::Message;
use crate::error::Error;
use crate::id::{ActorId, RunId};
use crate::run::Run;

/// How far a watcher has come; plain text to keep, and to go on with later or elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Cursor {
    /// Messages seen.
    pub messages: u64,
    /// Run records seen.
    pub records: u64,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A message was appended.
    Message {
        /// Its number in the conversation, from 0.
        index: u64,
        /// The message.
        message: Box<Message>,
    },
    /// The run's record changed.
    Run(Box<Run>),
}

/// A stream of events; see [`Handoff::watch`].
pub struct Watch {
    hub: Handoff,
    run: RunId,
    cursor: Cursor,
}

impl Watch {
    /// The next event; waits for it. `None` once the run has ended and everything was seen.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        let _ = (&self.hub, self.run);
        todo!()
    }

    /// How far this watch has come: after the last event that [`next`](Self::next) returned.
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }
}

impl Handoff {
    /// Follows a run from `cursor` on; the default cursor begins at the beginning.
    pub async fn watch(&self, run: &RunId, actor: &ActorId, cursor: Cursor) -> Result<Watch, Error> {
        let _ = (run, actor, cursor);
        todo!()
    }

    /// Waits until a run has ended or is blocked, at most `deadline`.
    pub async fn wait(&self, run: &RunId, actor: &ActorId, deadline: Duration) -> Result<Run, Error> {
        let _ = (run, actor, deadline);
        todo!()
    }
}
