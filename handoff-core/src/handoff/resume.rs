//! Going on: continue an ended run, follow up a live one, answer a question, cancel.

use super::Handoff;
use crate::error::Error;
use crate::id::{ActorId, RunId, SessionId};

/// What to say to a run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ContinueRequest {
    /// The run.
    pub run: RunId,
    /// Who says it.
    pub actor: ActorId,
    /// What; must not be empty.
    pub prompt: String,
    /// Named contents that come with it: name, media type, content.
    pub attachments: Vec<(String, String, Vec<u8>)>,
    /// The model expected; another than the pinned one is refused.
    pub model: Option<String>,
    /// Makes a repeated call return the first result.
    pub idempotency_key: Option<String>,
}

impl ContinueRequest {
    /// A follow-up.
    pub fn new(run: RunId, actor: ActorId, prompt: impl Into<String>) -> Self {
        Self {
            run,
            actor,
            prompt: prompt.into(),
            attachments: Vec::new(),
            model: None,
            idempotency_key: None,
        }
    }
}

/// Where a follow-up went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Continued {
    /// To the live session.
    Delivered {
        /// Which.
        session: SessionId,
    },
    /// To the prompt of a session that has not begun.
    Appended {
        /// Which.
        session: SessionId,
    },
    /// Into a new session.
    NewSession {
        /// Which.
        session: SessionId,
        /// Whether there is a workspace state to restore.
        workspace: bool,
    },
}

impl Handoff {
    /// Says something more to a run, wherever that goes: see [`route`](super::route).
    pub async fn continue_run(&self, request: ContinueRequest) -> Result<Continued, Error> {
        let _ = request;
        todo!()
    }

    /// Answers the question that a run is blocked on.
    pub async fn answer(&self, request: ContinueRequest) -> Result<SessionId, Error> {
        let _ = request;
        todo!()
    }

    /// Asks a run to stop: a queued one is cancelled at once, a live session is told and, after the grace period,
    /// its place is taken away. Cancelling an ended run does nothing.
    pub async fn cancel(&self, run: &RunId, actor: &ActorId) -> Result<(), Error> {
        let _ = (run, actor);
        todo!()
    }
}
