//! Where a follow-up goes. One pure function.

use crate::access::{ContinueDecision, ContinueQuery, LeaseState, decide, may_act};
use crate::run::RunState;

/// Where a follow-up goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// To the live session.
    Deliver,
    /// To the prompt of a session that has not begun.
    AppendToPrompt,
    /// Into a new session.
    NewSession {
        /// Whether there is a workspace state to restore.
        workspace: bool,
    },
    /// Nowhere.
    Refuse(ContinueDecision),
}

/// Decides from the same facts as [`decide`]. A queued run takes it into its prompt; a live session gets it
/// delivered; an ended run, and one whose session vanished, gets a new session; everything else is refused.
pub fn route(query: &ContinueQuery) -> Route {
    if !may_act(query.relation, query.owner, &query.origin) {
        return Route::Refuse(ContinueDecision::NotFound);
    }
    match (&query.state, query.lease) {
        // Not by `decide`: a run that has only just been asked for has nothing to continue yet.
        (RunState::Queued, LeaseState::Free | LeaseState::Expired) => return Route::AppendToPrompt,
        (RunState::Queued | RunState::Running, LeaseState::Held) | (RunState::Running, LeaseState::Free) => {
            return Route::Deliver;
        }
        _ => {}
    }
    match decide(query) {
        ContinueDecision::Allowed => Route::NewSession { workspace: true },
        ContinueDecision::AllowedWithoutWorkspace => Route::NewSession { workspace: false },
        refused => Route::Refuse(refused),
    }
}
