//! What an agent holds while its session is live.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::begin::Taken;
use super::loose::with_files;
use super::{TurnEnd, Worker};
use crate::agent::SessionEnd;
use crate::budget::{Budget, Usage};
use crate::capture::{CaptureOptions, capture};
use crate::conversation::{ConversationHead, Message};
use crate::error::Error;
use crate::handoff::AppendRequest;
use crate::handoff::inbox::{Sent, What};
use crate::handoff::runs::Step;
use crate::id::{ConversationId, RunId, SessionId};
use crate::progress::CancelToken;
use crate::run::{Run, Session, SessionState, SnapshotRef};
use crate::runtime::{Place, SessionSpec};
use crate::workspace::Workspace;

/// Why an agent was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Somebody cancelled the run.
    Requested,
    /// The budget is used up.
    Budget,
    /// The place is about to be taken away.
    Deadline,
    /// Another session has the run.
    TakenOver,
    /// The session itself cannot go on.
    Broken,
}

/// A session that holds its run.
pub(super) struct Core {
    pub(super) worker: Worker,
    pub(super) run: RunId,
    pub(super) session: SessionId,
    pub(super) epoch: u64,
    pub(super) conversation: Option<ConversationId>,
    pub(super) budget: Budget,
    /// Usage of the run's earlier sessions.
    pub(super) before: Usage,
    pub(super) place: Place,
    pub(super) workspace: Option<Workspace>,
    pub(super) cancel: CancelToken,
    state: Mutex<State>,
}

/// What changes while a session is live.
pub(super) struct State {
    /// Used by this session, as last reported.
    pub(super) usage: Usage,
    /// What is in the storage already.
    pub(super) last_snapshot: Option<SnapshotRef>,
    /// Why, and since when, the agent is to stop.
    stop: Option<(Cause, Duration)>,
    /// The transcript of a run that may not store one.
    pub(super) unstored: VecDeque<Message>,
    /// Said by the person and taken in, while the agent waited for something else.
    unheard: Vec<Message>,
    /// Inbox records taken in, where no conversation counts them.
    taken: u64,
    /// Inbox records that were taken in before this session: no request to it can stand among them.
    pub(super) inbox_from: u64,
}

/// A stored state that no run names yet.
pub(super) struct Saved {
    pub(super) reference: SnapshotRef,
    /// Since when, by the monotonic clock.
    pub(super) begun: Duration,
}

impl Core {
    pub(super) fn new(
        worker: &Worker,
        spec: &SessionSpec,
        taken: &Taken,
        place: Place,
    ) -> Result<Self, Error> {
        let mut workspace = match (place.repos.is_empty(), &place.loose) {
            (true, None) => None,
            (true, Some(_)) => Some(Workspace::without_checkouts()),
            (false, _) => Some(Workspace::new_anywhere(&place.repos)?),
        };
        if let Some(dir) = &place.loose {
            workspace = workspace.map(|workspace| workspace.with_loose_root(dir)).transpose()?;
        }
        let mut before = taken.run.usage();
        // Of this session nothing was used before, unless it goes on after a crash.
        before = subtract(&before, &taken.session.usage);
        let state = State {
            usage: taken.session.usage.clone(),
            last_snapshot: None,
            stop: None,
            unstored: VecDeque::new(),
            unheard: Vec::new(),
            taken: 0,
            inbox_from: 0,
        };
        Ok(Self {
            worker: worker.clone(),
            run: spec.run,
            session: spec.session,
            epoch: taken.session.epoch,
            conversation: taken.run.conversation,
            budget: taken.run.budget.clone(),
            before,
            place,
            workspace,
            cancel: CancelToken::new(),
            state: Mutex::new(state),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the agent to stop; the first cause stands.
    pub(super) fn stop(&self, cause: Cause) {
        let now = self.worker.parts.clock.monotonic();
        self.state().stop.get_or_insert((cause, now));
        self.cancel.cancel();
    }

    /// How long ago the agent was asked to stop.
    pub(super) fn stopped_for(&self) -> Option<Duration> {
        let (_, since) = self.state().stop?;
        Some(self.worker.parts.clock.monotonic().saturating_sub(since))
    }

    /// What a turn's end means for the session.
    pub(super) fn judge(&self, end: TurnEnd) -> (SessionState, String) {
        let cause = self.state().stop.map(|(cause, _)| cause);
        let said = match &end {
            TurnEnd::Returned(Ok(SessionEnd::Failed(reason))) => Some(reason.clone()),
            TurnEnd::Returned(Ok(_)) => None,
            TurnEnd::Returned(Err(error)) => Some(with_sources(error)),
            TurnEnd::Panicked(message) => Some(format!("the agent panicked: {message}")),
            TurnEnd::Hung => {
                Some("the agent did not stop when it was asked to, and was left behind".to_owned())
            }
        };
        let explain =
            |why: &str| said.as_ref().map_or_else(|| why.to_owned(), |said| format!("{why}; {said}"));
        match cause {
            Some(Cause::TakenOver) => (SessionState::Lost, String::new()),
            Some(Cause::Requested) => (SessionState::Cancelled, explain("cancelled by request")),
            Some(Cause::Budget) => (SessionState::BudgetExhausted, explain("the budget is used up")),
            Some(Cause::Deadline) => (
                SessionState::Failed,
                explain("the place of the session is taken away; continue the run to go on"),
            ),
            Some(Cause::Broken) => (SessionState::Failed, explain("the session broke off")),
            None => match end {
                TurnEnd::Returned(Ok(SessionEnd::Succeeded)) => (SessionState::Succeeded, String::new()),
                TurnEnd::Returned(Ok(SessionEnd::Cancelled)) => {
                    (SessionState::Cancelled, "the agent stopped by itself".to_owned())
                }
                _ => (SessionState::Failed, said.unwrap_or_default()),
            },
        }
    }

    /// Changes this session's part of the run's record, as long as this session still holds the run.
    pub(super) async fn record(&self, change: impl Fn(&mut Session) + Send + Sync) -> Result<Run, Error> {
        self.update(|_, session| change(session)).await
    }

    /// As [`record`](Self::record), for the run too.
    pub(super) async fn update(
        &self,
        change: impl Fn(&mut Run, &mut Session) + Send + Sync,
    ) -> Result<Run, Error> {
        let step = |run: &Run| {
            let mut next = run.clone();
            let held = run.epoch == self.epoch;
            let session = next.sessions.last().filter(|session| held && session.id == self.session).cloned();
            let Some(mut session) = session.filter(|session| session.state == SessionState::Running) else {
                return Err(Error::Fenced { what: format!("run {}", self.run) });
            };
            change(&mut next, &mut session);
            if let Some(last) = next.sessions.last_mut() {
                *last = session;
            }
            Ok(if next == *run { Step::Keep } else { Step::Write(Box::new(next)) })
        };
        let updated = self.worker.runs.update(&self.run, &step).await;
        self.notice_fence(updated)
    }

    /// A fenced write means that the run was taken over: the agent must stop at once.
    fn notice_fence<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if matches!(result, Err(Error::Fenced { .. })) {
            self.stop(Cause::TakenOver);
        }
        result
    }

    /// What is known of the conversation.
    pub(super) async fn head(&self) -> Result<Option<ConversationHead>, Error> {
        match &self.conversation {
            Some(id) => Ok(Some(self.worker.conversations.head(id).await?)),
            None => Ok(None),
        }
    }

    /// Inbox records that are taken in.
    pub(super) async fn taken(&self) -> Result<u64, Error> {
        Ok(self.head().await?.map_or_else(|| self.state().taken, |head| head.inbox))
    }

    pub(super) async fn append(&self, request: AppendRequest) -> Result<Option<ConversationHead>, Error> {
        let Some(id) = &self.conversation else {
            let mut state = self.state();
            state.taken = request.inbox.unwrap_or(state.taken);
            state.unstored.extend(request.messages);
            return Ok(None);
        };
        let request = AppendRequest { epoch: self.epoch, ..request };
        let appended = self.worker.conversations.append(id, request).await;
        self.notice_fence(appended).map(Some)
    }

    /// Takes in what the person said since; returns it, with what the agent was not told before.
    pub(super) async fn hear(&self) -> Result<Vec<Message>, Error> {
        let new = self.drain_with(Vec::new()).await?;
        let mut heard = std::mem::take(&mut self.state().unheard);
        heard.extend(new);
        Ok(heard)
    }

    /// Takes in what the person said since, for the agent to be told later.
    pub(super) async fn put_by(&self) -> Result<(), Error> {
        let new = self.drain_with(Vec::new()).await?;
        self.state().unheard.extend(new);
        Ok(())
    }

    /// Takes in what the person said since; the first answer among it is returned, and the rest is put by.
    pub(super) async fn take_answer(&self) -> Result<Option<Message>, Error> {
        let mut answer = None;
        for what in self.drain(Vec::new()).await? {
            match what {
                What::Answer { message } if answer.is_none() => answer = Some(message),
                other => self.state().unheard.extend(other.into_message()),
            }
        }
        Ok(answer)
    }

    /// Takes in what the person said since, with `first` appended before it in the same step; returns what was said.
    pub(super) async fn drain_with(&self, first: Vec<Message>) -> Result<Vec<Message>, Error> {
        Ok(self.drain(first).await?.into_iter().filter_map(What::into_message).collect())
    }

    async fn drain(&self, first: Vec<Message>) -> Result<Vec<What>, Error> {
        loop {
            let head = self.head().await?;
            let taken = head.as_ref().map_or_else(|| self.state().taken, |head| head.inbox);
            let sent = self.worker.inbox.after(&self.run, taken).await?;
            let Some(last) = sent.last().map(|(number, _)| *number) else {
                if !first.is_empty() {
                    self.append(AppendRequest::new(first)).await?;
                }
                return Ok(Vec::new());
            };
            let said: Vec<What> = sent.into_iter().map(|(_, sent)| sent.what).collect();
            let new = said.iter().cloned().filter_map(What::into_message);
            let messages = first.iter().cloned().chain(new).collect();
            // Refused when anything was appended since: another drain may have taken the same.
            let expect = head.map(|head| head.messages);
            let request = AppendRequest { inbox: Some(last), expect, ..AppendRequest::new(messages) };
            match self.append(request).await {
                Ok(_) => return Ok(said),
                Err(Error::InvalidArgument { argument: "expect", .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Captures the workspace and stores what is new of it.
    pub(super) async fn checkpoint(&self) -> Result<SnapshotRef, Error> {
        let saved = self.store_workspace().await?;
        let reference = saved.reference.clone();
        self.worker.snapshots.in_time(saved.begun)?;
        let usage = self.state().usage.clone();
        self.record(move |session| {
            session.snapshot_out = Some(reference.clone());
            session.usage.merge(&usage);
        })
        .await?;
        Ok(saved.reference)
    }

    pub(super) async fn store_workspace(&self) -> Result<Saved, Error> {
        let begun = self.worker.snapshots.begin();
        let Some(workspace) = self.workspace.clone() else {
            let why = "is empty; this environment has no repository to capture".to_owned();
            return Err(Error::InvalidArgument { argument: "workspace", why });
        };
        let loose = self.place.loose.clone();
        let taking = move || {
            let workspace = match loose {
                Some(dir) => with_files(workspace, &dir)?,
                None => workspace,
            };
            capture(&workspace, &CaptureOptions::default())
        };
        let snapshot = blocking::unblock(taking).await?;
        let parent = self.state().last_snapshot.clone();
        let stored = self.worker.snapshots.save(&snapshot, parent.as_ref()).await?;
        self.state().last_snapshot = Some(stored.reference.clone());
        Ok(Saved { reference: stored.reference, begun })
    }

    pub(super) fn remaining(&self) -> Budget {
        let mut used = self.before.clone();
        used.add(&self.state().usage);
        self.budget.remaining(&used)
    }
}

fn subtract(from: &Usage, what: &Usage) -> Usage {
    Usage(from.0.iter().map(|(unit, amount)| (unit.clone(), amount.saturating_sub(what.get(unit)))).collect())
}

/// An error's message with those of its causes.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

impl What {
    /// What is said; `None` for what only concerns the session.
    fn into_message(self) -> Option<Message> {
        match self {
            Self::FollowUp { message } | Self::Answer { message } => Some(message),
            Self::Cancel { .. } | Self::Closed { .. } => None,
        }
    }
}

/// Everything sent to the session that asks it to stop.
pub(super) fn asks_to_stop(sent: &[(u64, Sent)], session: &SessionId) -> bool {
    sent.iter().any(|(_, sent)| matches!(&sent.what, What::Cancel { session: whom } if whom == session))
}

/// The agent's working directory.
pub(super) fn root_of(place: &Place) -> PathBuf {
    match place.repos.as_slice() {
        [only] => only.clone(),
        _ => place.root.clone(),
    }
}
