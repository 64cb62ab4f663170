//! Operations: started, watched, cancelled, waited for.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use bytes::Bytes;
use futures_lite::future;
use handoff_core::{CancelToken, Control, ErrorKind, Progress};
use serde_json::{Map, Value, json};

use crate::args::Args;
use crate::failure::Failure;
use crate::foreign::Foreign;
use crate::handle::Handle;
use crate::ops::{self, Work};
use crate::threads::{self, NoThread};

/// Events that wait to be taken; when there are more, the oldest are forgotten.
const EVENTS: usize = 64;

/// What to do, with which arguments.
pub struct Request {
    /// The operation's name.
    pub op: String,
    /// Its arguments by name.
    pub args: Value,
    /// Large bytes.
    pub body: Option<Bytes>,
    /// What `{"$handle": i}` stands for.
    pub handles: Vec<Handle>,
    /// What `{"$foreign": i}` stands for.
    pub foreign: Vec<Arc<dyn Foreign>>,
}

impl Request {
    /// A request without arguments.
    pub fn new(op: impl Into<String>) -> Self {
        let args = Value::Object(Map::new());
        Self { op: op.into(), args, body: None, handles: Vec::new(), foreign: Vec::new() }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Reply {
    /// The result.
    pub value: Value,
    /// Large bytes.
    pub body: Option<Bytes>,
    /// What `{"$handle": i}` in the result stands for.
    pub handles: Vec<Handle>,
}

impl Reply {
    /// A reply that is a value.
    pub fn of(value: Value) -> Self {
        Self { value, ..Self::default() }
    }
}

type Outcome = Result<Reply, Failure>;

/// Something under way. Clones are the same operation.
#[derive(Clone)]
pub struct Operation(Arc<Inner>);

struct Inner {
    number: u64,
    state: Mutex<State>,
    changed: Condvar,
    /// Closed when the operation has settled.
    settled: (Sender<()>, Receiver<()>),
    events: (Sender<Value>, Receiver<Value>),
    /// For the core, which looks at it.
    token: CancelToken,
    /// Closed by `cancel`, for futures that are dropped.
    cancelled: (Sender<()>, Receiver<()>),
}

#[derive(Default)]
struct State {
    settled: bool,
    outcome: Option<Outcome>,
}

/// Everything under way, with the process it is in, so that an exit can cancel it.
static LIVE: Mutex<Option<(u32, HashMap<u64, Operation>)>> = Mutex::new(None);
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Starts what `request` asks for. Never blocks; whatever is wrong is the operation's outcome.
pub fn start(request: Request) -> Operation {
    let operation = Operation::new();
    operation.enlist();
    match prepare(request, &operation) {
        Ok(Work::Block(work)) => {
            let (mine, context) = (operation.clone(), operation.context());
            let begun = threads::block(move || {
                // A panic would be ours; it must not leave somebody waiting.
                let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&context)));
                mine.settle(done.unwrap_or_else(|_| Err(broken())));
            });
            operation.settle_unless(begun);
        }
        Ok(Work::Poll(work)) => {
            let (mine, context) = (operation.clone(), operation.context());
            let begun = threads::poll(async move {
                let done = context.unless_cancelled(work(context.clone())).await;
                mine.settle(done.unwrap_or_else(Err));
            });
            operation.settle_unless(begun);
        }
        Ok(Work::PollToEnd(work)) => {
            let (mine, context) = (operation.clone(), operation.context());
            let begun = threads::poll(async move { mine.settle(work(context).await) });
            operation.settle_unless(begun);
        }
        Err(failure) => operation.settle(Err(failure)),
    }
    operation
}

fn prepare(request: Request, operation: &Operation) -> Result<Work, Failure> {
    if threads::is_shut() {
        operation.cancel();
        return Err(Failure::new(
            ErrorKind::Cancelled,
            "the process is shutting down, so nothing is started",
        ));
    }
    let op = ops::find(&request.op)?;
    (op.begin)(Args::new(op, request)?)
}

fn broken() -> Failure {
    Failure::new(
        ErrorKind::Unsupported,
        "this operation met a defect of handoff's; please report what led to it",
    )
}

/// No thread of ours calls out any more when this returns, or `limit` has passed: everything under way is cancelled
/// and waited for, and nothing is started from then on.
pub fn shutdown(limit: Duration) {
    threads::shut();
    let live: Vec<Operation> = match &*live() {
        Some((process, live)) if *process == std::process::id() => live.values().cloned().collect(),
        _ => Vec::new(),
    };
    live.iter().for_each(Operation::cancel);
    let until = Instant::now() + limit;
    for operation in live {
        let left = until.saturating_duration_since(Instant::now());
        let state = operation.0.state();
        drop(operation.0.changed.wait_timeout_while(state, left, |state| !state.settled));
    }
}

fn live() -> MutexGuard<'static, Option<(u32, HashMap<u64, Operation>)>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Operation {
    fn new() -> Self {
        Self(Arc::new(Inner {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            state: Mutex::default(),
            changed: Condvar::new(),
            settled: async_channel::bounded(1),
            events: async_channel::bounded(EVENTS),
            token: CancelToken::new(),
            cancelled: async_channel::bounded(1),
        }))
    }

    fn enlist(&self) {
        let here = std::process::id();
        let mut live = live();
        match &mut *live {
            Some((process, live)) if *process == here => _ = live.insert(self.0.number, self.clone()),
            // What a forked child's parent has under way is not under way here.
            slot => *slot = Some((here, HashMap::from([(self.0.number, self.clone())]))),
        }
    }

    fn context(&self) -> Context {
        Context(self.clone())
    }

    fn settle(&self, outcome: Outcome) {
        {
            let mut state = self.0.state();
            state.settled = true;
            state.outcome = Some(outcome);
        }
        self.0.events.0.close();
        self.0.settled.0.close();
        self.0.changed.notify_all();
        if let Some((_, live)) = &mut *live() {
            live.remove(&self.0.number);
        }
    }

    fn settle_unless(&self, begun: Result<(), NoThread>) {
        let message = match begun {
            Ok(()) => return,
            Err(NoThread::Refused) => "the system gives no more threads; end some and try again",
            Err(NoThread::Forked) => {
                "this process was forked from one that had already used handoff, and runs, storages and conversations \
                 cannot be used in both; start the process afresh instead of forking it (spawn or forkserver), or fork \
                 before the first use"
            }
        };
        self.settle(Err(Failure::new(ErrorKind::Unsupported, message)));
    }

    /// Waits at most `slice`; the outcome once it has settled. Whoever gets the outcome has it.
    pub fn wait_timeout(&self, slice: Duration) -> Option<Outcome> {
        let state = self.0.state();
        let waited = self.0.changed.wait_timeout_while(state, slice, |state| !state.settled);
        let mut state = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
        state.settled.then(|| state.outcome.take().unwrap_or_else(|| Err(taken())))
    }

    /// The outcome, after the core has cleaned up. Whoever gets it has it.
    pub fn wait(&self) -> impl Future<Output = Outcome> + Send + 'static + use<> {
        let inner = Arc::clone(&self.0);
        async move {
            // Fails when closed, which is what is waited for.
            let _ = inner.settled.1.recv().await;
            let outcome = inner.state().outcome.take();
            outcome.unwrap_or_else(|| Err(taken()))
        }
    }

    /// The next event; `None` after the last.
    pub fn next_event(&self) -> impl Future<Output = Option<Value>> + Send + 'static + use<> {
        let events = self.0.events.1.clone();
        async move { events.recv().await.ok() }
    }

    /// Asks it to stop. It settles after it has cleaned up.
    pub fn cancel(&self) {
        self.0.token.cancel();
        self.0.cancelled.0.close();
    }
}

fn taken() -> Failure {
    Failure::new(ErrorKind::Unsupported, "the outcome of this operation was taken before")
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an operation's work may know of the operation.
#[derive(Clone)]
pub(crate) struct Context(Operation);

impl Context {
    /// Progress goes out as events, cancelling comes in.
    pub(crate) fn control(&self) -> Control {
        let events = self.0.0.events.0.clone();
        let report = move |progress: &Progress| {
            // Closed when nobody is interested any more.
            let _ = events.force_send(json!({
                "phase": progress.phase.as_str(), "done": progress.done, "total": progress.total,
                "bytes": progress.bytes, "path": progress.path,
            }));
        };
        Control { progress: Some(Arc::new(report)), cancel: self.cancel_token() }
    }

    /// What the core looks at.
    pub(crate) fn cancel_token(&self) -> CancelToken {
        self.0.0.token.clone()
    }

    /// What `work` makes; dropped, which cancels it, when the operation is cancelled before.
    pub(crate) async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        let cancelled = self.0.0.cancelled.1.clone();
        let stop = async move {
            let _ = cancelled.recv().await;
            Err(Failure::new(ErrorKind::Cancelled, "cancelled by the caller"))
        };
        future::or(async { Ok(work.await) }, stop).await
    }
}
