//! Who may do what, and with which budget: the [`Policy`] port.

use async_trait::async_trait;

use crate::access::Relation;
use crate::budget::Budget;
use crate::error::Error;
use crate::id::ActorId;
use crate::run::Run;

/// A host's rules. The default, [`OpenPolicy`], fits one person's own machine.
#[async_trait]
pub trait Policy: Send + Sync + 'static {
    /// How `actor` stands to `run`.
    async fn relation(&self, actor: &ActorId, run: &Run) -> Result<Relation, Error>;

    /// Whether `actor` consents to store conversations. Without it a run starts fresh and says so.
    async fn may_store_conversations(&self, actor: &ActorId) -> Result<bool, Error> {
        let _ = actor;
        Ok(true)
    }

    /// What a new session of a run that `actor` starts or continues may use in total, on top of nothing; `run` is
    /// absent when a run is started. A budget with nothing left refuses the session before anything moves.
    async fn budget(&self, actor: &ActorId, run: Option<&Run>) -> Result<Budget, Error> {
        let _ = actor;
        Ok(run.map(|run| run.budget.clone()).unwrap_or_default())
    }
}

/// Everybody is who they say: the creator of a run is its creator, and everybody else an outsider.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenPolicy;

#[async_trait]
impl Policy for OpenPolicy {
    async fn relation(&self, actor: &ActorId, run: &Run) -> Result<Relation, Error> {
        Ok(if *actor == run.creator { Relation::Creator } else { Relation::Outsider })
    }
}
