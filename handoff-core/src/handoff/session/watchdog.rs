//! What goes on beside the agent: heartbeats, requests to stop, deadlines, checkpoints.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::live::{Cause, Core, asks_to_stop};
use crate::error::Error;
use crate::run::{SessionState, SnapshotRef};

/// Looks after one session. Called every tick; does only what is due.
pub(super) struct Watchdog {
    core: Arc<Core>,
    /// Times by the monotonic clock.
    last_beat: Duration,
    last_look: Duration,
    last_checkpoint: Duration,
    /// Inbox records looked through.
    seen: Option<u64>,
    checkpoint: Option<blocking::Task<Result<SnapshotRef, Error>>>,
}

impl Watchdog {
    pub(super) fn new(core: Arc<Core>) -> Self {
        let now = core.worker.parts.clock.monotonic();
        Self { core, last_beat: now, last_look: now, last_checkpoint: now, seen: None, checkpoint: None }
    }

    /// Does what is due.
    pub(super) async fn look(&mut self) {
        let core = Arc::clone(&self.core);
        let parts = &core.worker.parts;
        let now = parts.clock.monotonic();
        let term = parts.leases.term();
        if now.saturating_sub(self.last_beat) >= term / 3 {
            self.beat().await;
        }
        // A holder that could not say for two thirds of a term that it is alive must take itself for dead.
        if parts.clock.monotonic().saturating_sub(self.last_beat) >= term * 2 / 3 {
            self.core.stop(Cause::TakenOver);
        }
        let reserve = parts.terms.reserve;
        let ends = |at: SystemTime| at.duration_since(parts.clock.now()).unwrap_or_default() <= reserve;
        if self.core.place.deadline.is_some_and(ends) || self.core.place.cancel.is_cancelled() {
            self.core.stop(Cause::Deadline);
        }
        if now.saturating_sub(self.last_look) >= parts.terms.poll / 4 {
            self.last_look = now;
            // Trouble with one look is no reason to stop; the next one may go well, and the beat decides.
            let _ = self.read_inbox().await;
        }
        self.checkpoint(now).await;
    }

    /// A beat, after making sure that the run is still ours.
    async fn beat(&mut self) {
        let core = &self.core;
        let begun = core.worker.parts.clock.monotonic();
        match core.worker.runs.load(&core.run).await {
            Ok(run) => {
                let ours = run.sessions.last().is_some_and(|session| session.id == core.session);
                let live = run.session().is_some_and(|session| session.state == SessionState::Running);
                if run.epoch != core.epoch || !ours || !live {
                    core.stop(Cause::TakenOver);
                    return;
                }
            }
            Err(_) => return,
        }
        if core.worker.parts.leases.beat(&core.run, core.epoch).await.is_ok() {
            self.last_beat = begun;
        }
        let usage = core.state().usage.clone();
        let _ = core.record(move |session| session.usage.merge(&usage)).await;
    }

    async fn read_inbox(&mut self) -> Result<(), Error> {
        let seen = self.seen.unwrap_or_else(|| self.core.state().inbox_from);
        let sent = self.core.worker.inbox.after(&self.core.run, seen).await?;
        if asks_to_stop(&sent, &self.core.session) {
            self.core.stop(Cause::Requested);
        }
        self.seen = Some(sent.last().map_or(seen, |(number, _)| *number));
        Ok(())
    }

    async fn checkpoint(&mut self, now: Duration) {
        if let Some(running) = &mut self.checkpoint {
            if running.is_finished() {
                let _ = running.await;
                self.checkpoint = None;
                self.last_checkpoint = now;
            }
            return;
        }
        let due = self.core.worker.parts.terms.checkpoint;
        let due = due.is_some_and(|every| now.saturating_sub(self.last_checkpoint) >= every);
        if due && self.core.workspace.is_some() && !self.core.cancel.is_cancelled() {
            let core = Arc::clone(&self.core);
            self.checkpoint =
                Some(blocking::unblock(move || futures_lite::future::block_on(core.checkpoint())));
        }
    }

    /// Waits for a checkpoint that is under way, with beats going on meanwhile.
    pub(super) async fn settle(&mut self) {
        while self.checkpoint.is_some() {
            let clock = Arc::clone(&self.core.worker.parts.clock);
            clock.sleep(self.core.worker.parts.terms.tick()).await;
            self.look().await;
        }
    }
}
