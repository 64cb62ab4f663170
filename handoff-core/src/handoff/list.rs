//! Listing runs.

use super::Handoff;
use crate::error::Error;
use crate::id::{ActorId, RunId, TeamId};
use crate::run::Run;

/// Which runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ListRequest {
    /// Who asks; only runs that this actor may see are returned.
    pub actor: ActorId,
    /// A team's runs instead of the actor's own.
    pub team: Option<TeamId>,
    /// The children of this run instead.
    pub parent: Option<RunId>,
    /// Most runs per page. Default 50, at most 1,000.
    pub limit: usize,
    /// Where the last page ended.
    pub after: Option<String>,
}

impl ListRequest {
    /// The actor's own runs.
    pub fn new(actor: ActorId) -> Self {
        Self { actor, team: None, parent: None, limit: 50, after: None }
    }
}

/// Runs, newest first: one row each, with its sessions in order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunPage {
    /// The runs.
    pub runs: Vec<Run>,
    /// Pass it as [`ListRequest::after`] for the next page; absent at the end.
    pub next: Option<String>,
}

impl Handoff {
    /// One page of runs, newest first.
    pub async fn list_runs(&self, request: &ListRequest) -> Result<RunPage, Error> {
        let _ = request;
        todo!()
    }

    /// One run as `actor` may see it.
    pub async fn run(&self, run: &RunId, actor: &ActorId) -> Result<Run, Error> {
        let _ = (run, actor);
        todo!()
    }
}
