//! Where the bridge's futures are polled: one thread a process, also in a process that was forked from one.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use async_channel::{Sender, unbounded};
use async_task::Runnable;

/// The thread's queue and the process it lives in.
static QUEUE: Mutex<Option<(u32, Sender<Runnable>)>> = Mutex::new(None);

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
    let mut slot = QUEUE.lock().unwrap_or_else(PoisonError::into_inner);
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
    // A forked child drops its parent's queue here, with tasks that nobody will run there.
    *slot = Some((here, sender.clone()));
    Some(sender)
}
