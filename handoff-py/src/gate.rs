//! Who may touch Python. Closed when the interpreter exits, in a way that leaves nobody half way through. Without a lock, which
//! a fork could leave locked in the child.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

static CLOSED: AtomicBool = AtomicBool::new(false);
static INSIDE: AtomicUsize = AtomicUsize::new(0);
/// The thread that ends the interpreter.
static CLOSER: OnceLock<ThreadId> = OnceLock::new();

/// Between two looks at who is still inside.
const LOOK: Duration = Duration::from_millis(1);

/// Held while a thread is attached on its own account, or detached and about to come back.
pub struct Pass(());

impl Drop for Pass {
    fn drop(&mut self) {
        // After a fork, whoever was inside then is not counted any more.
        let _ = INSIDE.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1));
    }
}

/// A pass; none once the gate is closed.
pub fn enter() -> Option<Pass> {
    // Counted first: either `close` comes before, and is seen here, or `drain` after, and sees the count.
    INSIDE.fetch_add(1, Ordering::SeqCst);
    let pass = Pass(());
    if is_closed() { None } else { Some(pass) }
}

/// A pass for a call out of Python; none once the gate is closed, to the thread that closed it. Any other is a daemon by then
/// and does not come back: interpreters up to 3.13 would end it by unwinding it through our frames as soon as it ran
/// Python's code again, be it to make an exception, and that aborts the process.
pub fn admit(py: Python<'_>) -> Option<Pass> {
    let pass = enter();
    if pass.is_none() && CLOSER.get() != Some(&std::thread::current().id()) {
        py.detach(|| {
            loop {
                std::thread::park();
            }
        });
    }
    pass
}

/// Runs `work` attached to the interpreter; not at all once that is on its way out.
pub fn attached<T>(work: impl FnOnce(Python<'_>) -> T) -> Option<T> {
    let _pass = enter()?;
    Python::try_attach(work)
}

/// Whether the gate is closed.
pub fn is_closed() -> bool {
    CLOSED.load(Ordering::SeqCst)
}

/// Lets nobody in any more.
pub fn close() {
    let _ = CLOSER.set(std::thread::current().id());
    CLOSED.store(true, Ordering::SeqCst);
}

/// Waits until everybody is out, at most `limit`.
pub fn drain(limit: Duration) {
    let began = Instant::now();
    while INSIDE.load(Ordering::SeqCst) > 0 && began.elapsed() < limit {
        std::thread::sleep(LOOK);
    }
}

/// In a forked child, where nobody but this thread is left.
pub fn forked() {
    INSIDE.store(0, Ordering::SeqCst);
}
