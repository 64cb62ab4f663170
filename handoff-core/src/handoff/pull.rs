//! Bringing a run's result home.

use std::collections::BTreeSet;

use super::Handoff;
use crate::apply::{ApplyHistory, ApplyOptions, apply, preview};
use crate::conversation::{ConversationHead, ForkPoint};
use crate::error::{Error, ErrorKind};
use crate::id::{ActorId, RunId};
use crate::report::ApplyReport;
use crate::run::{MOST_NOT_RESTORED, NotRestored, NothingRestored, Restored, Run};
use crate::snapshot::Snapshot;
use crate::workspace::Workspace;

/// What to bring home, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PullRequest {
    /// The run.
    pub run: RunId,
    /// Who asks.
    pub actor: ActorId,
    /// How to merge into what is there.
    pub apply: ApplyOptions,
    /// Whether to write, or only to say what would happen.
    pub action: PullAction,
}

/// Whether a pull writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PullAction {
    /// Merge into the workspace; undo with [`undo`](crate::undo).
    #[default]
    Apply,
    /// Only say what would happen; forks no conversation.
    Preview,
}

impl PullRequest {
    /// Merge, keeping local files where they conflict. Commits that the run made become available
    /// ([`ApplyHistory::Objects`]); no branch of the person's is moved.
    pub fn new(run: RunId, actor: ActorId) -> Self {
        let apply = ApplyOptions { history: ApplyHistory::Objects, ..ApplyOptions::default() };
        Self { run, actor, apply, action: PullAction::Apply }
    }
}

/// What came home.
#[derive(Debug)]
#[non_exhaustive]
pub struct Pulled {
    /// A fork of the run's conversation, owned by who asked; absent in a preview and where the run has none.
    pub conversation: Option<ConversationHead>,
    /// What was merged: the run's changes since it began. For review: [`Snapshot::diff`].
    pub snapshot: Option<Snapshot>,
    /// What became of each file; absent where there was no state.
    pub report: Option<ApplyReport>,
    /// Why there was none.
    pub nothing: Option<NothingRestored>,
}

impl Handoff {
    /// Merges a run's latest workspace state into `workspace` three-way, with everything that [`apply`]
    /// promises, and forks its conversation into one of the actor's own. A run that is live gives its last
    /// checkpoint.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Storage`]; as [`apply`].
    ///
    /// ```
    /// # let (dir, laptop, hub) = handoff_core::testing::hub("echo new > new.txt")?;
    /// # let ana: handoff_core::ActorId = "ana".parse()?;
    /// # futures_lite::future::block_on(async {
    /// use handoff_core::{PullRequest, StartRequest, Workspace};
    ///
    /// let started = hub.start(StartRequest::new(ana.clone(), "cloud".parse()?, "Go.")).await?;
    /// hub.wait(&started.run, &ana, std::time::Duration::from_secs(60)).await?;
    /// let pulled = hub.pull(PullRequest::new(started.run, ana), &Workspace::new([&laptop])?).await?;
    /// println!("{}", pulled.report.expect("there was something to bring home"));
    /// assert!(laptop.join("new.txt").is_file());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn pull(&self, request: PullRequest, workspace: &Workspace) -> Result<Pulled, Error> {
        let run = self.run(&request.run, &request.actor).await?;
        let mut pulled = Pulled { conversation: None, snapshot: None, report: None, nothing: None };
        match self.load_result(&run).await? {
            Ok(mut snapshot) => {
                // What was there when the work was handed off is no conflict: what counts is what came after.
                if let Some((began, missing)) = self.load_beginning(&run).await? {
                    let now = snapshot.clone();
                    snapshot = blocking::unblock(move || now.since_but(&began, &missing)).await?;
                }
                let (state, workspace) = (snapshot.clone(), workspace.clone());
                let (options, action) = (request.apply, request.action);
                let report = blocking::unblock(move || match action {
                    PullAction::Apply => apply(&state, &workspace, &options),
                    PullAction::Preview => preview(&state, &workspace, &options),
                });
                pulled.report = Some(report.await?);
                pulled.snapshot = Some(snapshot);
            }
            Err(reason) => pulled.nothing = Some(reason),
        }
        if let (PullAction::Apply, Some(source)) = (request.action, &run.conversation) {
            let fork = self.conversations.fork(source, &ForkPoint::Head, &request.actor).await?;
            pulled.conversation = Some(fork);
        }
        Ok(pulled)
    }

    /// The latest workspace state of a run, to review or to compare with another's; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::NotFound`] also when the state is recorded and its contents are gone; [`Error::Corrupt`];
    /// [`Error::Storage`].
    ///
    /// ```
    /// # let (dir, laptop, hub) = handoff_core::testing::hub("echo more >> notes.txt")?;
    /// # let ana: handoff_core::ActorId = "ana".parse()?;
    /// # futures_lite::future::block_on(async {
    /// use handoff_core::StartRequest;
    ///
    /// let started = hub.start(StartRequest::new(ana.clone(), "cloud".parse()?, "Go.")).await?;
    /// hub.wait(&started.run, &ana, std::time::Duration::from_secs(60)).await?;
    /// let result = hub.result(&started.run, &ana).await?.expect("the environment has a repository");
    /// println!("{:?}", result.diff_base());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn result(&self, run: &RunId, actor: &ActorId) -> Result<Option<Snapshot>, Error> {
        match self.run(run, actor).await?.snapshot() {
            Some(reference) => Ok(Some(self.snapshots().load(reference).await?)),
            None => Ok(None),
        }
    }

    /// The state that the run began with; a run whose beginning is gone is merged against what is committed.
    async fn load_beginning(&self, run: &Run) -> Result<Option<(Snapshot, BTreeSet<NotRestored>)>, Error> {
        let began = run.sessions.first().and_then(|session| session.snapshot_in.as_ref());
        let (Some(began), Some(missing)) = (began, not_restored(run)) else { return Ok(None) };
        match self.snapshots().load(began).await {
            Ok(began) => Ok(Some((began, missing))),
            Err(error) if matches!(error.kind(), ErrorKind::Storage) => Err(error),
            // Without it, what was there when the work was handed off may come as a conflict; nothing is lost by that.
            Err(_) => Ok(None),
        }
    }

    async fn load_result(&self, run: &Run) -> Result<Result<Snapshot, NothingRestored>, Error> {
        let Some(reference) = run.snapshot() else { return Ok(Err(NothingRestored::None)) };
        match self.snapshots().load(reference).await {
            Ok(snapshot) => Ok(Ok(snapshot)),
            Err(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::BlobMissing => Ok(Err(NothingRestored::Missing)),
                ErrorKind::Corrupt | ErrorKind::Truncated | ErrorKind::Format => {
                    Ok(Err(NothingRestored::Damaged))
                }
                _ => Err(error),
            },
        }
    }
}

/// Paths of the beginning that some session did not get, so that their absence from the result says nothing; `None` where
/// a session got nothing at all or too little to name: its result stands on the commit alone.
fn not_restored(run: &Run) -> Option<BTreeSet<NotRestored>> {
    let mut all = BTreeSet::new();
    for session in &run.sessions {
        match &session.restored {
            Some(Restored::Applied { missing, .. }) if missing.len() < MOST_NOT_RESTORED => {
                all.extend(missing.iter().cloned());
            }
            // It never began, so that its state is the one before.
            None if session.snapshot_out.is_none() => {}
            _ => return None,
        }
    }
    Some(all)
}
