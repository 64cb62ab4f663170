//! Bringing a run's result home.

use super::Handoff;
use crate::apply::ApplyOptions;
use crate::conversation::ConversationHead;
use crate::error::Error;
use crate::id::{ActorId, RunId};
use crate::report::ApplyReport;
use crate::run::NothingRestored;
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
    /// Merge, keeping local files where they conflict.
    pub fn new(run: RunId, actor: ActorId) -> Self {
        Self { run, actor, apply: ApplyOptions::default(), action: PullAction::Apply }
    }
}

/// What came home.
#[derive(Debug)]
#[non_exhaustive]
pub struct Pulled {
    /// A fork of the run's conversation, owned by who asked; absent in a preview and where the run has none.
    pub conversation: Option<ConversationHead>,
    /// The state that was merged, for review: [`Snapshot::diff`].
    pub snapshot: Option<Snapshot>,
    /// What became of each file; absent where there was no state.
    pub report: Option<ApplyReport>,
    /// Why there was none.
    pub nothing: Option<NothingRestored>,
}

impl Handoff {
    /// Merges a run's latest workspace state into `workspace` three-way, with everything that [`apply`](crate::apply)
    /// promises, and forks its conversation into one of the actor's own.
    pub async fn pull(&self, request: PullRequest, workspace: &Workspace) -> Result<Pulled, Error> {
        let _ = (request, workspace);
        todo!()
    }

    /// The latest workspace state of a run, to review or to compare with another's.
    pub async fn result(&self, run: &RunId, actor: &ActorId) -> Result<Option<Snapshot>, Error> {
        let _ = (run, actor);
        todo!()
    }
}
