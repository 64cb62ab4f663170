//! Asking a run to stop.

use super::inbox::{Sent, What};
use super::runs::Step;
use super::{Handoff, Worker};
use crate::access::LeaseState;
use crate::error::Error;
use crate::id::{ActorId, OpId, RunId};
use crate::run::{Run, RunState, SessionState};

impl Handoff {
    /// Asks a run to stop: a queued one is cancelled at once; a live session is told, has [`Terms::grace`] to stop,
    /// and is left behind after that. Cancelling an ended run does nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Storage`].
    ///
    /// [`Terms::grace`]: super::Terms::grace
    ///
    /// ```
    /// # let (dir, laptop, hub) = handoff_core::testing::hub("sleep 60")?;
    /// # let ana: handoff_core::ActorId = "ana".parse()?;
    /// # futures_lite::future::block_on(async {
    /// use handoff_core::{RunState, StartRequest};
    ///
    /// let started = hub.start(StartRequest::new(ana.clone(), "cloud".parse()?, "Go.")).await?;
    /// hub.cancel(&started.run, &ana).await?;
    /// let run = hub.wait(&started.run, &ana, std::time::Duration::from_secs(60)).await?;
    /// assert_eq!(run.state, RunState::Cancelled);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn cancel(&self, run: &RunId, actor: &ActorId) -> Result<(), Error> {
        let run = self.run(run, actor).await?;
        let lease = self.parts.leases.state(&run).await?;
        let now = self.parts.clock.millis();
        let seen = run.epoch;
        // Nobody is there to be told: the record is all there is.
        let step = |run: &Run| {
            let alone = run.state == RunState::Queued
                || (!run.state.is_terminal() && run.epoch == seen && lease == LeaseState::Expired);
            if !alone {
                return Ok(Step::Keep);
            }
            let mut next = run.clone();
            // A holder that wakes up later finds itself fenced.
            next.epoch += 1;
            next.state = RunState::Cancelled;
            next.question = None;
            if let Some(session) = next.sessions.last_mut() {
                session.state = SessionState::Cancelled;
                session.ended = Some(now);
                "cancelled by request".clone_into(&mut session.reason);
            }
            Ok(Step::Write(Box::new(next)))
        };
        let run = self.runs.update(&run.id, &step).await?;
        let Some(session) = run.session() else { return Ok(()) };
        if run.state.is_terminal() {
            if run.state == RunState::Cancelled && session.ended == Some(now) {
                let _ = self.runtime.cancel(&session.id).await;
                Worker::from_parts(self.parts.clone()).tell_end(&run).await;
            }
            return Ok(());
        }
        let what = What::Cancel { session: session.id };
        let sent = Sent { op: OpId::new(), actor: Some(actor.clone()), what };
        self.inbox.post(&run.id, &sent, self.taken(&run).await?).await?;
        // A nudge that is lost only costs time.
        let _ = self.runtime.wake(&session.id).await;
        Ok(())
    }
}
