//! Where a follow-up goes. One pure function.

use crate::access::{ContinueDecision, ContinueQuery};

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

/// Decides from the same facts as [`decide`](crate::decide).
pub fn route(query: &ContinueQuery) -> Route {
    let _ = query;
    todo!()
}
