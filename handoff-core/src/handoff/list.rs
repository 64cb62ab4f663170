//! Listing runs.

use std::sync::Arc;

use super::Handoff;
use super::runs::Scope;
use crate::access::{Owner, may_act};
use crate::error::Error;
use crate::id::{ActorId, RunId, TeamId};
use crate::run::Run;

/// Which runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ListRequest {
    /// Who asks; only runs that this actor may know of are returned.
    pub actor: ActorId,
    /// A team's runs instead of the actor's own.
    pub team: Option<TeamId>,
    /// The children of this run instead.
    pub parent: Option<RunId>,
    /// Most runs per page. Default 50, at most 1,000.
    pub limit: usize,
    /// Where the last page ended: its [`RunPage::next`].
    pub after: Option<String>,
}

impl ListRequest {
    /// The actor's own runs.
    pub const fn new(actor: ActorId) -> Self {
        Self { actor, team: None, parent: None, limit: 50, after: None }
    }
}

/// Runs, newest first: one row each, with its sessions in order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunPage {
    /// The runs. There may be fewer than asked for before the end: others were not for this actor.
    pub runs: Vec<Run>,
    /// Pass it as [`ListRequest::after`] for the next page; absent at the end.
    pub next: Option<String>,
}

impl Handoff {
    /// One page of runs, newest first. One list and one to four reads a run; more lists where all of a page are runs that
    /// the actor may not know of, which are passed over without a trace.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an `after` that is none; [`Error::Storage`].
    ///
    /// ```
    /// # let (dir, laptop, hub) = handoff_core::testing::hub("echo done")?;
    /// # let ana: handoff_core::ActorId = "ana".parse()?;
    /// # futures_lite::future::block_on(async {
    /// use handoff_core::{ListRequest, StartRequest};
    ///
    /// let started = hub.start(StartRequest::new(ana.clone(), "cloud".parse()?, "Go.")).await?;
    /// let page = hub.list_runs(&ListRequest::new(ana)).await?;
    /// assert_eq!(page.runs[0].id, started.run);
    /// assert_eq!(page.next, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn list_runs(&self, request: &ListRequest) -> Result<RunPage, Error> {
        let scope = match (&request.parent, &request.team) {
            (Some(parent), _) => Scope::Parent(*parent),
            (None, Some(team)) => Scope::Team(team.clone()),
            (None, None) => Scope::Actor(request.actor.clone()),
        };
        let mut page = RunPage { runs: Vec::new(), next: None };
        if let Scope::Parent(parent) = &scope {
            // One that is not for this actor has the children of one that is absent.
            match self.first_for(parent, &request.actor).await {
                Ok(_) => {}
                Err(Error::NotFound { .. }) => return Ok(page),
                Err(error) => return Err(error),
            }
        }
        let limit = request.limit.clamp(1, 1_000);
        let mut after = request.after.clone();
        loop {
            let (rows, more) = self.runs.index(&scope, after.as_deref(), limit).await?;
            for (id, mark) in rows {
                match self.run(&id, &request.actor).await {
                    // The mark says which run there is and since when, so it is never one of a run that the actor may
                    // not know of.
                    Ok(run) => {
                        page.runs.push(run);
                        page.next = Some(mark);
                    }
                    // Not for this actor, or a mark of a run whose record was never written.
                    Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            match more {
                None => return Ok(RunPage { next: None, ..page }),
                Some(_) if !page.runs.is_empty() => return Ok(page),
                more => after = more,
            }
        }
    }

    /// One run as `actor` may see it.
    ///
    /// # Errors
    /// [`Error::NotFound`], the same for an absent run and for one that the actor may not know of;
    /// [`Error::Storage`].
    ///
    /// ```
    /// # let (dir, laptop, hub) = handoff_core::testing::hub("echo done")?;
    /// # let ana: handoff_core::ActorId = "ana".parse()?;
    /// # futures_lite::future::block_on(async {
    /// use handoff_core::{ErrorKind, StartRequest};
    ///
    /// let started = hub.start(StartRequest::new(ana.clone(), "cloud".parse()?, "Go.")).await?;
    /// assert_eq!(hub.run(&started.run, &ana).await?.task, "Go.");
    /// let eve = "eve".parse()?;
    /// assert_eq!(hub.run(&started.run, &eve).await.unwrap_err().kind(), ErrorKind::NotFound);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn run(&self, run: &RunId, actor: &ActorId) -> Result<Run, Error> {
        self.first_for(run, actor).await?;
        let run = self.runs.load(run).await?;
        if self.may_know(actor, &run).await? { Ok(run) } else { Err(absent(&run.id)) }
    }

    /// The first record of a run, if the actor may know of it. Judged by that record, because reading it is one request
    /// for a run that is absent, and so must be all that is asked for one that is not for this actor.
    pub(super) async fn first_for(&self, run: &RunId, actor: &ActorId) -> Result<Arc<Run>, Error> {
        if let Some(known) = self.runs.first_known(run)
            && self.may_know(actor, &known).await?
        {
            return Ok(known);
        }
        let first = self.runs.first(run).await?;
        if self.may_know(actor, &first).await? { Ok(first) } else { Err(absent(run)) }
    }

    async fn may_know(&self, actor: &ActorId, run: &Run) -> Result<bool, Error> {
        let owner = if run.team.is_some() { Owner::Team } else { Owner::Personal };
        Ok(may_act(self.parts.policy.relation(actor, run).await?, owner, &run.origin))
    }
}

fn absent(run: &RunId) -> Error {
    Error::not_found(format!("run {run}"))
}
