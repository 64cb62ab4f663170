//! Operations under way: settled once, followed by events, cancelled.

use std::future::Future;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use async_channel::{Receiver, Sender, bounded};
use futures_lite::future;
use handoff_core::{CancelToken, Control, Progress};
use serde_json::{Value, json};

use super::args::Args;
use super::{Failure, Reply, Request, ops};

/// Events kept for a host that is slow to take them; older ones make room.
const KEPT: usize = 64;

/// How long an operation whose cancelling is heeded between steps may take over it before it is left behind.
const PATIENCE: Duration = Duration::from_secs(5);

type Ended = Result<Reply, Failure>;

/// Something under way. Clones are the same.
#[derive(Clone)]
pub struct Operation(Arc<Shared>);

struct Shared {
    ended: Mutex<Option<Ended>>,
    over: Condvar,
    settled: Receiver<()>,
    events: Receiver<Value>,
    cancel: CancelToken,
    cancelled: Sender<()>,
}

/// What an operation's work is given besides its arguments.
#[derive(Clone)]
pub struct Context {
    /// Cancelled when the caller cancels.
    pub cancel: CancelToken,
    events: Sender<Value>,
}

impl Context {
    /// For calls of the core that report progress.
    pub fn control(&self) -> Control {
        let events = self.events.clone();
        let progress = move |progress: &Progress| {
            // A full channel loses its oldest event, never the core's time.
            let _ = events.force_send(json!({
                "phase": progress.phase.as_str(),
                "done": progress.done,
                "total": progress.total,
                "bytes": progress.bytes,
                "path": progress.path,
            }));
        };
        Control { progress: Some(Arc::new(progress)), cancel: self.cancel.clone() }
    }
}

/// How an operation takes being cancelled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OnCancel {
    /// Its token is checked between steps; it ends by itself, and is waited for.
    Heeds,
    /// It is dropped where it waits.
    Dropped,
    /// The token is heeded where the work is, but something else may be waited for; so it is dropped in the end.
    HeedsFirst,
}

/// Starts an operation; never blocks.
pub fn start(request: Request) -> Operation {
    let (settle, settled) = bounded::<()>(1);
    let (events, receiver) = bounded(KEPT);
    let (cancelled, stop) = bounded::<()>(1);
    let cancel = CancelToken::new();
    let operation = Operation(Arc::new(Shared {
        ended: Mutex::new(None),
        over: Condvar::new(),
        settled,
        events: receiver,
        cancel: cancel.clone(),
        cancelled,
    }));
    let shared = Arc::clone(&operation.0);
    let task = async move {
        let context = Context { cancel, events };
        let ended = run(request, context, stop).await;
        *lock(&shared.ended) = Some(ended);
        // What is in the channel can still be read; somebody may hold on to a sender.
        shared.events.close();
        shared.over.notify_all();
        drop(settle);
    };
    if let Err(why) = crate::executor::spawn(task) {
        let failure = Failure { kind: "io".to_owned(), ..Failure::argument("operation", why) };
        *lock(&operation.0.ended) = Some(Err(failure));
    }
    operation
}

async fn run(request: Request, context: Context, stop: Receiver<()>) -> Ended {
    let Request { op, args, body, handles, foreign } = request;
    let args = Args::new(args, body, handles, foreign)?;
    let (on_cancel, work) = ops::begin(&op, args, context)?;
    let work = std::panic::AssertUnwindSafe(work);
    let work = futures_lite::FutureExt::catch_unwind(work);
    let stopped = async {
        // The sender lives as long as the operation does, so this is a real request to stop.
        let asked = stop.recv().await.is_ok();
        match on_cancel {
            OnCancel::Dropped if asked => {}
            OnCancel::HeedsFirst if asked => {
                async_io::Timer::after(PATIENCE).await;
            }
            _ => future::pending::<()>().await,
        }
        Ok(Err(Failure::from(handoff_core::Error::Cancelled)))
    };
    match future::or(work, stopped).await {
        Ok(ended) => ended,
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            let message = format!("a fault in handoff itself: {text}; please report it");
            Err(Failure {
                kind: "repository".to_owned(),
                message,
                argument: None,
                ..Failure::argument("", "")
            })
        }
    }
}

impl Operation {
    /// Waits for its end, at most so long.
    pub fn wait_timeout(&self, slice: Duration) -> Option<Ended> {
        let ended = lock(&self.0.ended);
        let waited = self.0.over.wait_timeout_while(ended, slice, |ended| ended.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.take()
    }

    /// Its end, once everything is cleaned up. The result is given out once.
    pub fn wait(&self) -> impl Future<Output = Ended> + Send + use<> {
        let shared = Arc::clone(&self.0);
        async move {
            let _ = shared.settled.recv().await;
            let ended = lock(&shared.ended).take();
            ended.unwrap_or_else(|| Err(Failure::argument("operation", "has given its result already")))
        }
    }

    /// Its next event; `None` at the end.
    pub fn next_event(&self) -> impl Future<Output = Option<Value>> + Send + use<> {
        let events = self.0.events.clone();
        async move { events.recv().await.ok() }
    }

    /// Asks it to stop.
    pub fn cancel(&self) {
        self.0.cancel.cancel();
        let _ = self.0.cancelled.try_send(());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
