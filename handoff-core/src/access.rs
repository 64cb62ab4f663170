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

impl ContinueQuery {
    /// A run with a conversation and a workspace state, that nobody is at work on.
    pub const fn new(relation: Relation, owner: Owner, origin: Origin, state: RunState) -> Self {
        Self { relation, owner, origin, state, conversation: true, snapshot: true, lease: LeaseState::Free }
    }
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

impl ContinueDecision {
    /// Whether the run may be continued.
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed | Self::AllowedWithoutWorkspace)
    }

    /// The same for people, with what to do.
    pub const fn explain(&self) -> &'static str {
        match self {
            Self::Allowed => "it can be continued",
            Self::AllowedWithoutWorkspace => {
                "it can be continued, but there is no workspace state to restore"
            }
            Self::NotFound => "there is no such run, or it is not for you; check the id and who asks",
            Self::NotEnded => "it has not ended; send it a follow-up, or wait until it has",
            Self::Blocked => "it waits for an answer; answer its question instead",
            Self::NoConversation => "it has no conversation to go on with; start a new run from its result",
            Self::Leased => {
                "another session is at work on it; send it a follow-up, or try again when it has ended"
            }
            Self::Unknown(_) => "for a reason of a newer version; update handoff on this machine",
        }
    }
}

/// Whether an actor who stands so to a run may know of it and act on it at all: its creator, and members of its
/// team, except that work which began on somebody's own machine stays that person's.
pub fn may_act(relation: Relation, owner: Owner, origin: &Origin) -> bool {
    match relation {
        Relation::Creator => true,
        Relation::TeamMember => owner == Owner::Team && *origin != Origin::LocalToCloud,
        Relation::SameOrganisation | Relation::Outsider | Relation::Anonymous => false,
    }
}

/// Decides whether a run may be continued. Pure and of constant cost. Whoever may not know of the run gets the
/// answer that an absent one gives, whatever its state.
///
/// ```
/// use handoff_core::{ContinueDecision, ContinueQuery, LeaseState, Origin, Owner, Relation, RunState, decide};
///
/// let mut query = ContinueQuery::new(Relation::Creator, Owner::Personal, Origin::Cloud, RunState::Succeeded);
/// assert_eq!(decide(&query), ContinueDecision::Allowed);
/// query.relation = Relation::Outsider;
/// assert_eq!(decide(&query), ContinueDecision::NotFound);
/// ```
pub fn decide(query: &ContinueQuery) -> ContinueDecision {
    if !may_act(query.relation, query.owner, &query.origin) {
        return ContinueDecision::NotFound;
    }
    match query.state {
        RunState::Blocked => return ContinueDecision::Blocked,
        // A session that gave no sign of life for a term is as good as ended.
        RunState::Running if query.lease == LeaseState::Expired => {}
        _ if query.state.is_terminal() => {}
        _ => return ContinueDecision::NotEnded,
    }
    if !query.conversation {
        ContinueDecision::NoConversation
    } else if query.lease == LeaseState::Held {
        ContinueDecision::Leased
    } else if query.snapshot {
        ContinueDecision::Allowed
    } else {
        ContinueDecision::AllowedWithoutWorkspace
    }
}
