//! Where the bridge's futures are polled: one thread for the process, which does nothing else.

use std::future::Future;
use std::sync::OnceLock;

use async_executor::Executor;
use futures_lite::future::{block_on, pending};

/// Runs `task` to its end in the background.
///
/// An error only when the system gives no thread.
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Result<(), String> {
    static EXECUTOR: OnceLock<Result<Executor<'static>, String>> = OnceLock::new();
    static RUNNING: OnceLock<Result<(), String>> = OnceLock::new();
    let executor = EXECUTOR.get_or_init(|| Ok(Executor::new())).as_ref().map_err(Clone::clone)?;
    RUNNING
        .get_or_init(|| {
            let thread = std::thread::Builder::new().name("handoff-node".to_owned());
            let run = move || block_on(executor.run(pending::<()>()));
            thread.spawn(run).map(drop).map_err(|why| format!("a thread could not be started: {why}"))
        })
        .clone()?;
    executor.spawn(task).detach();
    Ok(())
}
