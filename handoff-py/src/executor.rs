//! Where the bridge's futures are polled: one thread a process, also in a process that was forked from one.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_channel::{Sender, unbounded};
use async_task::Runnable;

type Queue = Option<(u32, Sender<Runnable>)>;

/// The thread's queue and the process it lives in.
static QUEUE: Mutex<Queue> = Mutex::new(None);

/// The lock of it, for a fork to hold.
pub fn lock() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `task` to its end. False when the system gives no thread.
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) -> bool {
    let Some(queue) = queue() else { return false };
    let (runnable, task) = async_task::spawn(task, move |runnable| {
        // The thread receives for as long as there is a process.
        let _ = queue.try_send(runnable);
    });
    task.detach();
    runnable.schedule();
    true
}

fn queue() -> Option<Sender<Runnable>> {
    let here = std::process::id();
    let mut slot = lock();
    if let Some((process, sender)) = &*slot
        && *process == here
    {
        return Some(sender.clone());
    }
    let (sender, receiver) = unbounded::<Runnable>();
    let thread = std::thread::Builder::new().name("handoff-py".to_owned());
    let run = move || {
        while let Ok(runnable) = receiver.recv_blocking() {
            runnable.run();
        }
    };
    thread.spawn(run).ok()?;
    // Not dropped in a forked child: the parent's thread may have been changing it, and would never be done.
    std::mem::forget(slot.take());
    *slot = Some((here, sender.clone()));
    Some(sender)
}
