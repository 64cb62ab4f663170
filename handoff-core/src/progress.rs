//! Progress reports and cancellation, the same for every long operation.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::snapshot::PartialReason;

/// Which part of an operation is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// Finding changed paths; the total is not known yet.
    Scan,
    /// Reading and storing changed contents.
    Read,
    /// Deciding what happens to each path of the target.
    Plan,
    /// Writing files.
    Write,
    /// Reading and checking every content of a snapshot.
    Verify,
    /// Putting back what an apply replaced.
    Undo,
    /// Writing or reading a bundle file.
    Bundle,
    /// Reading or storing unpushed commits.
    History,
}

impl Phase {
    /// The stable name used in every language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Read => "read",
            Self::Plan => "plan",
            Self::Write => "write",
            Self::Verify => "verify",
            Self::Undo => "undo",
            Self::Bundle => "bundle",
            Self::History => "history",
        }
    }
}

/// How far an operation has come.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Items finished in this phase.
    pub done: u64,
    /// Items in this phase; 0 while unknown.
    pub total: u64,
    /// Bytes of content handled in this phase.
    pub bytes: u64,
    /// The path at hand, as text for people.
    pub path: Option<String>,
}

/// Stops a long operation from another thread. Clones share one state; the default never cancels by itself.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that has not been cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks every operation that holds this token to stop. Never blocks; cannot be taken back.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether [`cancel`](Self::cancel) was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Receives progress. Called on the thread that does the work, at most about twenty times a second and once
/// at the start and end of each phase; it must return quickly.
pub type ProgressFn = Arc<dyn Fn(&Progress) + Send + Sync>;

/// What a long operation watches and reports through.
#[derive(Clone, Default)]
pub struct Control {
    /// Called with progress.
    pub progress: Option<ProgressFn>,
    /// Checked between paths and inside large blobs.
    pub cancel: CancelToken,
}

/// When an operation is to end with what it has, which is no error: at a deadline, or when it is cancelled and the
/// caller wants what is there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Until {
    pub deadline: Option<Instant>,
    pub cancel: Option<CancelToken>,
}

impl Until {
    /// Why it is time to end, if it is. Once it is, it stays so.
    pub(crate) fn reached(&self) -> Option<PartialReason> {
        if self.cancel.as_ref().is_some_and(CancelToken::is_cancelled) {
            return Some(PartialReason::Cancelled);
        }
        let passed = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        passed.then_some(PartialReason::Deadline)
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("progress", &self.progress.is_some())
            .field("cancel", &self.cancel)
            .finish()
    }
}

impl Control {
    /// `Err(Cancelled)` once the token is cancelled.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.cancel.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Starts a phase of `total` items (0 when unknown) and reports it.
    pub(crate) fn phase(&self, phase: Phase, total: u64) -> Meter<'_> {
        let meter = Meter {
            control: self,
            state: Progress { phase, done: 0, total, bytes: 0, path: None },
            last: None,
        };
        meter.emit();
        meter
    }
}

/// Counts one phase and reports it, throttled.
pub(crate) struct Meter<'a> {
    control: &'a Control,
    state: Progress,
    last: Option<Instant>,
}

impl Meter<'_> {
    const INTERVAL: Duration = Duration::from_millis(50);

    /// Counts `items` finished and `bytes` handled, then checks for cancellation.
    pub(crate) fn step(
        &mut self,
        items: u64,
        bytes: u64,
        path: Option<&dyn fmt::Display>,
    ) -> Result<(), Error> {
        self.state.bytes += bytes;
        self.count(items, path);
        self.control.check()
    }

    /// Counts `items` finished in a part that is not to be cancelled.
    pub(crate) fn count(&mut self, items: u64, path: Option<&dyn fmt::Display>) {
        self.state.done += items;
        if self.control.progress.is_some() {
            let now = Instant::now();
            if self.last.is_none_or(|last| now.duration_since(last) >= Self::INTERVAL) {
                self.last = Some(now);
                self.state.path = path.map(ToString::to_string);
                self.emit();
            }
        }
    }

    fn emit(&self) {
        if let Some(report) = &self.control.progress {
            report(&self.state);
        }
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        self.state.path = None;
        self.emit();
    }
}
