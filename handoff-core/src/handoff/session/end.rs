//! The last capture, and recording how a session ended.

use super::Worker;
use super::live::{Core, Saved};
use super::watchdog::Watchdog;
use crate::error::Error;
use crate::handoff::inbox::{Sent, What};
use crate::id::OpId;
use crate::notify::Notice;
use crate::run::{Run, RunState, SessionState};

/// The end state of a workspace, or why there is none.
pub(super) type Captured = Result<Saved, String>;

impl Core {
    /// Captures the end state, with heartbeats going on meanwhile.
    pub(super) async fn capture_end(&self, watchdog: &mut Watchdog) -> Captured {
        watchdog.settle().await;
        if self.workspace.is_none() {
            return Err("the environment has no repository".to_owned());
        }
        let storing = self.store_workspace();
        let tick = self.worker.parts.terms.tick();
        let beating = async {
            loop {
                self.worker.parts.clock.sleep(tick).await;
                watchdog.look().await;
            }
        };
        let stored = futures_lite::future::or(storing, beating).await;
        stored.map_err(|error| format!("the end state could not be stored: {error}"))
    }

    /// The end as it is to be recorded: one that succeeded is one whose words the storage gives back.
    pub(super) async fn and_kept(&self, state: SessionState, reason: String) -> (SessionState, String) {
        let Some(conversation) = &self.conversation else { return (state, reason) };
        match self.worker.conversations.kept(conversation, self.epoch).await {
            // A storage that cannot be read now has not lost anything yet.
            Ok(()) | Err(Error::Storage { .. }) => (state, reason),
            Err(error) => {
                let mut why = format!("the storage does not give back what it had said to keep: {error}");
                if !reason.is_empty() {
                    why = format!("{reason}; {why}");
                }
                let state = if state == SessionState::Succeeded { SessionState::Failed } else { state };
                (state, why)
            }
        }
    }

    /// What there is to say when not even that could be tried.
    #[allow(clippy::unused_self)]
    pub(super) fn capture_unrecorded(&self) -> Captured {
        Err("the session broke off before its end state could be stored".to_owned())
    }

    /// Ends the inbox for this session, if nothing is in it that was not taken in. Everything sent later stands after
    /// this mark and is the next session's.
    pub(super) async fn close_inbox(&self) -> Result<bool, Error> {
        let taken = self.taken().await?;
        let what = What::Closed { epoch: self.epoch };
        let closed = Sent { op: OpId::new(), actor: None, what };
        self.worker.inbox.post_at(&self.run, &closed, taken).await
    }
}

impl Worker {
    pub(super) async fn record_end(
        &self,
        core: &Core,
        state: SessionState,
        reason: String,
        captured: Captured,
    ) -> Result<SessionState, Error> {
        let now = self.parts.clock.millis();
        let usage = core.state().usage.clone();
        let captured = captured.and_then(|saved| {
            let in_time = self.snapshots.in_time(saved.begun).map_err(|error| error.to_string());
            in_time.map(|()| saved.reference)
        });
        let run = core
            .update(|run, session| {
                session.state = state.clone();
                session.ended = Some(now);
                session.reason.clone_from(&reason);
                session.usage.merge(&usage);
                match &captured {
                    Ok(reference) => session.snapshot_out = Some(reference.clone()),
                    Err(why) => session.not_captured = Some(why.clone()),
                }
                run.question = None;
                run.state = match state {
                    SessionState::Succeeded => RunState::Succeeded,
                    SessionState::Cancelled => RunState::Cancelled,
                    SessionState::BudgetExhausted => RunState::BudgetExhausted,
                    _ => RunState::Failed,
                };
            })
            .await?;
        self.tell_end(&run).await;
        Ok(state)
    }

    /// Tells that the run ended. A notice that fails is not a run that fails: the record says it too.
    pub(in crate::handoff) async fn tell_end(&self, run: &Run) {
        if run.state.is_terminal() {
            let _ = self.parts.notify.notify(&Notice::Ended(Box::new(run.clone()))).await;
        }
    }
}
