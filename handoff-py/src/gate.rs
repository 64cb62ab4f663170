//! Who may touch Python. Closed when the interpreter exits, in a way that leaves nobody half way through.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;

static CLOSED: AtomicBool = AtomicBool::new(false);
static INSIDE: Mutex<usize> = Mutex::new(0);
static LEFT: Condvar = Condvar::new();

fn inside() -> MutexGuard<'static, usize> {
    INSIDE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Held while a thread is attached on its own account, or detached and about to come back.
pub struct Pass(());

impl Drop for Pass {
    fn drop(&mut self) {
        let mut count = inside();
        *count = count.saturating_sub(1);
        LEFT.notify_all();
    }
}

/// A pass; none once the gate is closed.
pub fn enter() -> Option<Pass> {
    let mut count = inside();
    if CLOSED.load(Ordering::Acquire) {
        return None;
    }
    *count += 1;
    Some(Pass(()))
}

/// Runs `work` attached to the interpreter; not at all once that is on its way out.
pub fn attached<T>(work: impl FnOnce(Python<'_>) -> T) -> Option<T> {
    let _pass = enter()?;
    Python::try_attach(work)
}

/// Whether the gate is closed.
pub fn is_closed() -> bool {
    CLOSED.load(Ordering::Acquire)
}

/// Lets nobody in any more.
pub fn close() {
    let _count = inside();
    CLOSED.store(true, Ordering::Release);
    LEFT.notify_all();
}

/// Waits until everybody is out, at most `limit`.
pub fn drain(limit: Duration) {
    let count = inside();
    drop(LEFT.wait_timeout_while(count, limit, |count| *count > 0));
}
