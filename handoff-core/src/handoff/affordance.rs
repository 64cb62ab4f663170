//! What a person can do with a run right now: the button that never lies.

use super::Handoff;
use crate::access::ContinueDecision;
use crate::error::Error;
use crate::id::{ActorId, RunId};

/// The one thing to offer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Affordance {
    /// The run waits for an answer.
    Respond {
        /// To what.
        question: String,
    },
    /// Say something more to an ended or live run of a native agent.
    FollowUp,
    /// Continue an ended run of a third party's agent.
    Continue {
        /// What the button says, as in "Continue with codex".
        label: String,
    },
    /// The run cannot be continued here, and its result can be brought home.
    ContinueLocally,
    /// Only look.
    Watch,
    /// Nothing.
    Unavailable {
        /// Why.
        reason: ContinueDecision,
    },
}

impl Handoff {
    /// What `actor` can do with `run`: an action that could only fail is never offered.
    pub async fn affordance(&self, run: &RunId, actor: &ActorId) -> Result<Affordance, Error> {
        let _ = (run, actor);
        todo!()
    }
}
