//! Who may continue a run, as one pure function over data. Reviewed as a table: `tests/golden/access.csv`.

use crate::names::names;
use crate::run::{Origin, RunState};

/// How an actor stands to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Relation {
    /// Started it.
    Creator,
    /// Is of the run's team, or of the creator's where the run is personal.
    TeamMember,
    /// Is of the same organisation only.
    SameOrganisation,
    /// Is known, and of none of these.
    Outsider,
    /// Is not known.
    Anonymous,
}

/// Whose a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Owner {
    /// Its creator's alone.
    Personal,
    /// A team's.
    Team,
}

/// Whether somebody is at work on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeaseState {
    /// Nobody.
    Free,
    /// Somebody, alive.
    Held,
    /// Somebody who gave no sign of life for a term.
    Expired,
}

/// Everything that decides whether a run may be continued.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ContinueQuery {
    /// How the actor stands to the run.
    pub relation: Relation,
    /// Whose the run is.
    pub owner: Owner,
    /// How it began.
    pub origin: Origin,
    /// Where it stands.
    pub state: RunState,
    /// Whether it has a conversation.
    pub conversation: bool,
    /// Whether it has a workspace state.
    pub snapshot: bool,
    /// Whether somebody is at work on it.
    pub lease: LeaseState,
}

names! {
    /// Whether a run may be continued.
    ContinueDecision {
        /// Yes.
        Allowed = "allowed",
        /// Yes, and there is no workspace state to restore.
        AllowedWithoutWorkspace = "no_workspace_state",
        /// As far as this actor may know, there is no such run.
        NotFound = "not_found",
        /// It has not ended.
        NotEnded = "not_ended",
        /// It waits for an answer.
        Blocked = "blocked",
        /// It has no conversation.
        NoConversation = "no_conversation",
        /// Another session holds it.
        Leased = "leased",
    }
}

/// Decides. Constant time; the same answer for "forbidden" and "absent".
pub fn decide(query: &ContinueQuery) -> ContinueDecision {
    let _ = query;
    todo!()
}
