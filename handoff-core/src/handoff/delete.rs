//! Deleting a run.

use super::Handoff;
use crate::error::Error;
use crate::id::{ActorId, RunId};
use crate::run::Run;

impl Handoff {
    /// Deletes a run that has ended: its record with prompts, sessions and usage, its place in every list, and what was
    /// sent to it. From then on there is no such run, for anybody. Workspace states and attachments that nothing else
    /// names are taken by [`collect`](Self::collect) later; what other runs, forks and conversations name stays with
    /// them. The run's conversation is its owner's, as one that was never handed off, and stays.
    ///
    /// What remains are records that say nothing but that there was a run of this id, so that nobody who was stalled
    /// since before can bring it back. A call that was cut off is carried on by the same call.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for a run that was deleted; [`Error::Policy`] for an actor who may know of the run and
    /// not delete it ([`Policy::may_delete`]); [`Error::WrongState`] for a run that has not ended; [`Error::Storage`].
    ///
    /// [`Policy::may_delete`]: crate::Policy::may_delete
    ///
    /// ```
    /// # let (dir, laptop, hub) = handoff_core::testing::hub("echo done")?;
    /// # let ana: handoff_core::ActorId = "ana".parse()?;
    /// # futures_lite::future::block_on(async {
    /// use handoff_core::{ErrorKind, StartRequest};
    ///
    /// let started = hub.start(StartRequest::new(ana.clone(), "cloud".parse()?, "Go.")).await?;
    /// hub.wait(&started.run, &ana, std::time::Duration::from_secs(60)).await?;
    /// hub.delete_run(&started.run, &ana).await?;
    /// assert_eq!(hub.run(&started.run, &ana).await.unwrap_err().kind(), ErrorKind::NotFound);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn delete_run(&self, run: &RunId, actor: &ActorId) -> Result<(), Error> {
        let first = self.first_for(run, actor).await?;
        // As it is now, since a policy may go by what became of it. Of one whose deletion was cut off, that is no more.
        let now = match self.runs.load(run).await {
            Err(Error::NotFound { .. }) => Run::clone(&first),
            now => now?,
        };
        if !self.parts.policy.may_delete(actor, &now).await? {
            let why = format!("{actor} may not delete run {run}; ask whoever started it");
            return Err(Error::Policy { why });
        }
        let ended = |run: &Run| match run.state.is_terminal() {
            true => Ok(()),
            false => Err(Error::WrongState {
                run: run.id,
                state: run.state.clone(),
                needs: "only a run that has ended can be deleted; wait for it or cancel it first",
            }),
        };
        // Read anew: what this process remembers may have been deleted by another.
        let first = self.runs.first(run).await?;
        self.runs.erase(&first, &ended).await
    }
}
