//! Who may do what, and with which budget: the [`Policy`] port.

use async_trait::async_trait;

use crate::access::Relation;
use crate::budget::Budget;
use crate::conversation::ConversationHead;
use crate::error::Error;
use crate::id::{ActorId, RunId};
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

    /// Whether `actor` may fork `conversation`. The default: its owner.
    async fn may_fork(&self, actor: &ActorId, conversation: &ConversationHead) -> Result<bool, Error> {
        Ok(*actor == conversation.owner)
    }

    /// Whether `run` may be continued while these runs that it started have not ended. The default: no.
    async fn may_leave_children(&self, run: &Run, live: &[RunId]) -> Result<bool, Error> {
        let _ = (run, live);
        Ok(false)
    }

    /// Whether `actor` may delete `run`. The default: its creator alone.
    async fn may_delete(&self, actor: &ActorId, run: &Run) -> Result<bool, Error> {
        Ok(self.relation(actor, run).await? == Relation::Creator)
    }

    /// What a run that `actor` starts or continues may use over all its sessions; `run` is absent when it is started.
    /// A budget with nothing left refuses the session before anything moves.
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
