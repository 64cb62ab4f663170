//! Runs that a run has started.

use super::Handoff;
use super::runs::Scope;
use crate::error::Error;
use crate::id::RunId;
use crate::run::Run;

impl Handoff {
    /// Those that have not ended.
    pub(super) async fn live_children(&self, run: &Run) -> Result<Vec<RunId>, Error> {
        let mut live = Vec::new();
        let mut after = None;
        loop {
            let (children, next) = self.runs.index(&Scope::Parent(run.id), after.as_deref(), 1_000).await?;
            for (child, _) in children {
                match self.runs.load(&child).await {
                    Ok(run) if run.state.is_terminal() => {}
                    // It is just being deleted, so it had ended.
                    Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                    Ok(_) => live.push(child),
                }
            }
            if next.is_none() {
                return Ok(live);
            }
            after = next;
        }
    }
}
