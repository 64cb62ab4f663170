//! One session from taking the run to recording its end.

mod begin;
mod end;
mod live;
mod loose;
#[cfg(test)]
mod sim;
mod turn;
mod watchdog;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures_lite::FutureExt as _;
use futures_lite::future::{self, block_on};

use super::{Conversations, HandoffBuilder, Parts, Snapshots};
use crate::agent::{ActiveSession, Agent, AgentError, SessionEnd};
use crate::error::Error;
use crate::handoff::inbox::Inbox;
use crate::handoff::runs::{Runs, Step};
use crate::run::{Run, RunState, SessionState};
use crate::runtime::{Place, RunSession, SessionSpec};
use crate::storage::Storage;
use live::{Cause, Core};
use turn::Turn;
use watchdog::Watchdog;

/// Runs sessions in prepared places, over a storage that a hub somewhere shares.
///
/// It gives the agent a thread of its own, so that one that blocks, hangs or panics takes nothing else along.
#[derive(Clone)]
pub struct Worker {
    parts: Parts,
    conversations: Conversations,
    snapshots: Snapshots,
    runs: Runs,
    inbox: Inbox,
}

/// How an agent's turn ended.
enum TurnEnd {
    /// It returned.
    Returned(Result<SessionEnd, AgentError>),
    /// It panicked.
    Panicked(String),
    /// It did not stop when it was asked to.
    Hung,
}

impl Worker {
    /// A worker over `storage` with the default policy, clock and times; see [`HandoffBuilder`] for others.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        HandoffBuilder::new(storage).worker()
    }

    pub(crate) fn from_parts(parts: Parts) -> Self {
        let storage = &parts.storage;
        Self {
            conversations: Conversations::new(Arc::clone(storage)),
            snapshots: parts.snapshots(),
            runs: Runs::new(Arc::clone(storage)),
            inbox: Inbox::new(Arc::clone(storage)),
            parts,
        }
    }

    /// Whether the session may be taken: it waits, or its worker has been silent for a term. A session that is over
    /// is an error of kind not found.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Storage`].
    pub async fn is_free(&self, spec: &SessionSpec) -> Result<bool, Error> {
        let run = self.runs.load(&spec.run).await?;
        let session = run.sessions.last().filter(|session| session.id == spec.session);
        match session.map(|session| &session.state) {
            Some(SessionState::Queued) => Ok(true),
            Some(SessionState::Running) => {
                Ok(self.parts.leases.state(&run).await? == crate::access::LeaseState::Expired)
            }
            _ => Err(Error::not_found(format!("session {} that waits", spec.session))),
        }
    }

    /// How long until a run that [`is_free`](Self::is_free) found held may be free, if its holder has vanished.
    pub(crate) fn expires_in(&self, spec: &SessionSpec) -> Option<std::time::Duration> {
        self.parts.leases.expires_in(&spec.run)
    }

    /// Ends a session that was taken and cannot even begin, so that nobody waits a term for it.
    async fn give_up(&self, spec: &SessionSpec, epoch: u64, reason: &str) -> Result<(), Error> {
        let now = self.parts.clock.millis();
        let step = |run: &Run| {
            let mut next = run.clone();
            let held = run.epoch == epoch;
            let Some(session) = next.sessions.last_mut().filter(|last| held && last.id == spec.session)
            else {
                return Ok(Step::Keep);
            };
            session.state = SessionState::Failed;
            session.ended = Some(now);
            reason.clone_into(&mut session.reason);
            next.state = RunState::Failed;
            Ok(Step::Write(Box::new(next)))
        };
        let run = self.runs.update(&spec.run, &step).await?;
        self.tell_end(&run).await;
        Ok(())
    }

    /// Lets the agent answer until nothing is left to answer, then records the end.
    async fn answer(
        &self,
        core: &Arc<Core>,
        mut turn: Turn,
        agent: &Arc<dyn Agent>,
    ) -> Result<SessionState, Error> {
        let mut watchdog = Watchdog::new(Arc::clone(core));
        loop {
            let end = self.turn(core, &turn, agent, &mut watchdog).await;
            let (state, reason) = core.judge(end);
            if state == SessionState::Lost {
                return Ok(state);
            }
            // What came in while the agent was ending is still this session's to answer, unless it cannot.
            let more = core.hear().await?;
            if state == SessionState::Succeeded && !more.is_empty() {
                turn = turn.with_prompt(&more);
                continue;
            }
            let captured = core.capture_end(&mut watchdog).await;
            if !core.close_inbox().await? {
                if state == SessionState::Succeeded {
                    let more = core.hear().await?;
                    if !more.is_empty() {
                        turn = turn.with_prompt(&more);
                        continue;
                    }
                }
                while !core.close_inbox().await? {
                    core.hear().await?;
                }
            }
            let (state, reason) = core.and_kept(state, reason).await;
            return self.record_end(core, state, reason, captured).await;
        }
    }

    /// One turn of the agent, watched.
    async fn turn(
        &self,
        core: &Arc<Core>,
        turn: &Turn,
        agent: &Arc<dyn Agent>,
        watchdog: &mut Watchdog,
    ) -> TurnEnd {
        let gate = turn.gate();
        let session = ActiveSession::new(Arc::new(turn.clone()));
        let agent = Arc::clone(agent);
        let mut answering = blocking::unblock(move || {
            let answer = AssertUnwindSafe(async move { agent.run(session).await }).catch_unwind();
            block_on(answer)
        });
        let clock = Arc::clone(&self.parts.clock);
        let tick = self.parts.terms.tick();
        let end = loop {
            let ended = future::or(async { Some((&mut answering).await) }, async {
                clock.sleep(tick).await;
                None
            });
            match ended.await {
                Some(Ok(returned)) => break TurnEnd::Returned(returned),
                Some(Err(panic)) => break TurnEnd::Panicked(message_of(&*panic)),
                None => {}
            }
            watchdog.look().await;
            if core.stopped_for().is_some_and(|asked| asked >= self.parts.terms.grace) {
                // Left behind: its thread cannot be ended, but it can write nothing more.
                answering.detach();
                break TurnEnd::Hung;
            }
        };
        gate.shut();
        end
    }
}

/// What a panic said.
fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[async_trait]
impl RunSession for Worker {
    async fn run_session(
        &self,
        spec: &SessionSpec,
        place: Place,
        agent: Arc<dyn Agent>,
    ) -> Result<SessionState, Error> {
        let Some(taken) = self.take(spec, &*agent).await? else {
            // Asked for twice, or ended before it began.
            return self.state_of(spec).await;
        };
        let core = match Core::new(self, spec, &taken, place) {
            Ok(core) => Arc::new(core),
            Err(error) => {
                let reason = format!("the place of the session cannot be used: {error}");
                self.give_up(spec, taken.session.epoch, &reason).await?;
                return Err(error);
            }
        };
        let answered = async {
            let turn = self.begin(&core, taken).await?;
            self.answer(&core, turn, &agent).await
        };
        match answered.await {
            Ok(state) => Ok(state),
            Err(Error::Fenced { .. }) => Ok(SessionState::Lost),
            Err(error) => {
                // The storage failed in the middle. The end is recorded if it can be; if not, the lease expires.
                let reason = format!("the session broke off: {error}");
                core.stop(Cause::Broken);
                self.record_end(&core, SessionState::Failed, reason, core.capture_unrecorded()).await?;
                Err(error)
            }
        }
    }

    async fn fail_session(&self, spec: &SessionSpec, reason: &str) -> Result<(), Error> {
        let now = self.parts.clock.millis();
        let run = self
            .runs
            .update(&spec.run, &|run| {
                let mut next = run.clone();
                let Some(session) = next.sessions.iter_mut().find(|session| session.id == spec.session)
                else {
                    return Err(Error::not_found(format!("session {}", spec.session)));
                };
                if session.state != SessionState::Queued {
                    return Ok(Step::Keep);
                }
                session.state = SessionState::Failed;
                session.ended = Some(now);
                session.reason = reason.to_owned();
                next.state = RunState::Failed;
                Ok(Step::Write(Box::new(next)))
            })
            .await?;
        self.tell_end(&run).await;
        Ok(())
    }
}
