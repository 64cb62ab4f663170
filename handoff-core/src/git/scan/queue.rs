//! The directories still to be listed, shared by all threads of a walk.

use std::ffi::CString;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A directory to list.
pub(super) struct Job {
    /// Its path with a slash behind it; empty for the root.
    pub prefix: Vec<u8>,
    /// The index entries below it.
    pub range: Range<usize>,
    pub parent: Option<Arc<OwnedFd>>,
    pub name: CString,
    /// What is ignored below it is not known; see the worker.
    pub blind: bool,
    /// It is below an ignored directory, so that everything in it is ignored.
    pub ignored: bool,
}

/// A stack of jobs that ends when all are done.
pub(super) struct Queue {
    state: Mutex<QueueState>,
    more: Condvar,
}

struct QueueState {
    // Last in, first out: depth first keeps few directory handles open.
    jobs: Vec<Job>,
    active: usize,
    stop: bool,
    cut: bool,
}

impl Queue {
    pub fn new(first: Job) -> Self {
        let state = QueueState { jobs: vec![first], active: 0, stop: false, cut: false };
        Self { state: Mutex::new(state), more: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job, or `None` when all is done. The caller must call `finished` after each job.
    pub fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.stop {
                return None;
            }
            if let Some(job) = state.jobs.pop() {
                state.active += 1;
                return Some(job);
            }
            if state.active == 0 {
                self.more.notify_all();
                return None;
            }
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub fn finished(&self, children: &mut Vec<Job>) {
        let mut state = self.lock();
        state.active -= 1;
        let added = children.len();
        state.jobs.append(children);
        if added > 0 || state.active == 0 {
            self.more.notify_all();
        }
    }

    pub fn stop(&self, cut: bool) {
        let mut state = self.lock();
        state.stop = true;
        state.cut |= cut;
        self.more.notify_all();
    }

    /// Whether the walk was cut short, and the jobs that nobody took.
    pub fn into_left(self) -> (bool, Vec<Job>) {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        (state.cut, state.jobs)
    }
}
