//! The threads that work is done on, in this process and in children that are forked from it.

use std::cell::Cell;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_executor::Executor;
use futures_lite::future;
use handoff_core::ErrorKind;

use crate::Failure;
use crate::operation::{Live, live};

/// Threads that poll the core's futures. One may be held up by a host that is busy.
const POLLING: usize = 4;

static SHUT: AtomicBool = AtomicBool::new(false);
static EXECUTOR: Mutex<Polling> = Mutex::new(None);

type Polling = Option<(u32, Arc<Executor<'static>>)>;

/// Everything of the process's that a thread may have locked. A host that can fork holds it meanwhile and drops it in both
/// processes: what another thread had locked would stay locked in the child, where that thread does not exist.
pub struct Locks {
    _live: MutexGuard<'static, Live>,
    _executor: MutexGuard<'static, Polling>,
}

/// Waits for it.
pub fn locks() -> Locks {
    Locks { _live: live(), _executor: EXECUTOR.lock().unwrap_or_else(PoisonError::into_inner) }
}

/// Whether the process is on its way out.
pub(crate) fn is_shut() -> bool {
    SHUT.load(Ordering::Acquire)
}

/// Nothing is begun from now on.
pub(crate) fn shut() {
    SHUT.store(true, Ordering::Release);
}

/// Why there is no thread to be had.
pub(crate) enum NoThread {
    /// The system gives none.
    Refused,
    /// This process was forked from one that has used the asynchronous half, whose threads exist only there.
    Forked,
}

thread_local! {
    /// Whether this thread is one operation's and nobody else's.
    static OWN: Cell<bool> = const { Cell::new(false) };
}

/// Runs an operation to its end on a thread of its own, in which it may do what takes long.
pub(crate) fn own(operation: impl Future<Output = ()> + Send + 'static) -> Result<(), NoThread> {
    block(move || {
        OWN.set(true);
        future::block_on(operation);
    })
}

/// Whether nobody else waits for this thread.
pub(crate) fn is_own() -> bool {
    OWN.get()
}

/// Runs `work` on a thread of its own: also right in a forked child.
pub(crate) fn block(work: impl FnOnce() + Send + 'static) -> Result<(), NoThread> {
    let thread = std::thread::Builder::new().name("handoff-work".to_owned());
    thread.spawn(work).map(drop).map_err(|_| NoThread::Refused)
}

/// Polls `task` to its end in the background.
pub(crate) fn poll(task: impl Future<Output = ()> + Send + 'static) -> Result<(), NoThread> {
    executor()?.spawn(task).detach();
    Ok(())
}

fn executor() -> Result<Arc<Executor<'static>>, NoThread> {
    let here = std::process::id();
    let mut slot = EXECUTOR.lock().unwrap_or_else(PoisonError::into_inner);
    match &*slot {
        Some((process, executor)) if *process == here => return Ok(Arc::clone(executor)),
        // Timers and file access of the core's have threads of their own, begun once a process, and no fork of them.
        Some(_) => return Err(NoThread::Forked),
        None => {}
    }
    let executor = Arc::new(Executor::new());
    for number in 0..POLLING {
        let thread = std::thread::Builder::new().name(format!("handoff-poll-{number}"));
        let polling = Arc::clone(&executor);
        let begun = thread.spawn(move || future::block_on(polling.run(future::pending::<()>())));
        if begun.is_err() && number == 0 {
            return Err(NoThread::Refused);
        }
    }
    *slot = Some((here, Arc::clone(&executor)));
    Ok(executor)
}

/// A failure for when the system gives no thread.
pub(crate) fn none_left() -> Failure {
    let message = "the system gives no more threads; end some and try again";
    Failure::of(ErrorKind::Unsupported, message.to_owned())
}

/// A failure for a child of a process that has used the asynchronous half.
pub(crate) fn forked() -> Failure {
    let message = "this process was forked from one that had already used handoff, and runs, storages and conversations \
                   cannot be used in both; start the process afresh instead of forking it (spawn or forkserver), or \
                   fork before the first use";
    Failure::of(ErrorKind::Unsupported, message.to_owned())
}

/// A failure for a panic.
pub(crate) fn broken() -> Failure {
    let message = "this operation met a defect of handoff's; please report what led to it";
    Failure::of(ErrorKind::Unsupported, message.to_owned())
}
