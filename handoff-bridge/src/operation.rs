//! Operations: started, watched, cancelled, waited for.

use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use bytes::Bytes;
use futures_lite::{FutureExt, future};
use handoff_core::{CancelToken, Control, ErrorKind, Progress};
use serde_json::{Map, Value, json};

use crate::args::Args;
use crate::failure::Failure;
use crate::foreign::Foreign;
use crate::handle::Handle;
use crate::threads::{self, NoThread};
use crate::{BoxFuture, ops};

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
    pub fn of(value: impl Into<Value>) -> Self {
        Self { value: value.into(), ..Self::default() }
    }

    /// A reply that is a handle, as `{"handle": …}`.
    pub(crate) fn handle(handle: Handle) -> Self {
        Self { value: json!({ "handle": { "$handle": 0 } }), body: None, handles: vec![handle] }
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
    /// Who is given the outcome when there is one.
    taker: Option<Taker>,
}

type Taker = Box<dyn FnOnce(Outcome) + Send>;

pub(crate) type Live = Option<(u32, HashMap<u64, Operation>)>;

/// Everything under way, with the process it is in, so that an exit can cancel it.
static LIVE: Mutex<Live> = Mutex::new(None);
static NEXT: AtomicU64 = AtomicU64::new(1);

/// How an operation takes being cancelled, and where it runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnCancel {
    /// Its token is checked between steps; it ends by itself, and is waited for. On a thread of its own.
    Heeds,
    /// The same, for what waits for others besides.
    HeedsLong,
    /// It is dropped where it waits.
    Dropped,
    /// The token is heeded where the work is, but something else may be waited for; so it is dropped in the end.
    HeedsFirst,
}

/// How long an operation whose cancelling is heeded between steps may take over it before it is left behind.
const PATIENCE: Duration = Duration::from_secs(5);

/// Starts what `request` asks for. Never blocks; whatever is wrong is the operation's outcome.
pub fn start(request: Request) -> Operation {
    let operation = Operation::new();
    operation.enlist();
    // On the host's own thread, where a panic would end the process, or be an exception that nobody expects.
    let prepared = catch_unwind(AssertUnwindSafe(|| prepare(request, &operation)));
    let (on_cancel, work) = match prepared.unwrap_or_else(|_| Err(threads::broken())) {
        Ok(prepared) => prepared,
        Err(failure) => {
            operation.settle(Err(failure));
            return operation;
        }
    };
    let (mine, stopped) = (operation.clone(), operation.clone());
    let work = async move {
        let work = FutureExt::catch_unwind(AssertUnwindSafe(work));
        let done = future::or(async { work.await.unwrap_or_else(|_| Err(threads::broken())) }, async move {
            stopped.stopped(on_cancel).await;
            Err(Failure::from(handoff_core::Error::Cancelled))
        });
        mine.settle(done.await);
    };
    operation.settle_unless(match on_cancel {
        OnCancel::Heeds => threads::own(work),
        _ => threads::poll(work),
    });
    operation
}

type Prepared = (OnCancel, BoxFuture<'static, Outcome>);

fn prepare(request: Request, operation: &Operation) -> Result<Prepared, Failure> {
    if threads::is_shut() {
        let message = "the process is shutting down, so nothing is started";
        return Err(Failure::of(ErrorKind::Cancelled, message.to_owned()));
    }
    let args = Args::new(request.args, request.body, request.handles, request.foreign)?;
    ops::begin(&request.op, args, operation.context())
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

pub(crate) fn live() -> MutexGuard<'static, Live> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Operation {
    fn new() -> Self {
        Self(Arc::new(Inner {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            state: Mutex::default(),
            changed: Condvar::new(),
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
            // What a forked child's parent has under way is not under way here. Nor is it dropped here: a thread that
            // exists only there may have been changing it, and would never be done.
            slot => {
                std::mem::forget(slot.take());
                *slot = Some((here, HashMap::from([(self.0.number, self.clone())])));
            }
        }
    }

    fn context(&self) -> Context {
        Context { cancel: self.0.token.clone(), events: self.0.events.0.clone() }
    }

    fn settle(&self, outcome: Outcome) {
        let given = {
            let mut state = self.0.state();
            state.settled = true;
            match state.taker.take() {
                Some(taker) => Some((taker, outcome)),
                None => {
                    state.outcome = Some(outcome);
                    None
                }
            }
        };
        self.0.events.0.close();
        self.0.changed.notify_all();
        let gone = live().as_mut().and_then(|(_, live)| live.remove(&self.0.number));
        // Not while that is locked, nor the state.
        drop(gone);
        if let Some((taker, outcome)) = given {
            taker(outcome);
        }
    }

    fn settle_unless(&self, begun: Result<(), NoThread>) {
        match begun {
            Ok(()) => {}
            Err(NoThread::Refused) => self.settle(Err(threads::none_left())),
            Err(NoThread::Forked) => self.settle(Err(threads::forked())),
        }
    }

    /// Returns when it is time to drop the work; never, where the work ends by itself.
    async fn stopped(&self, on_cancel: OnCancel) {
        // Fails when closed, which is what is waited for.
        let _ = self.0.cancelled.1.recv().await;
        match on_cancel {
            OnCancel::Dropped => {}
            OnCancel::HeedsFirst => _ = async_io::Timer::after(PATIENCE).await,
            OnCancel::Heeds | OnCancel::HeedsLong => future::pending::<()>().await,
        }
    }

    /// Waits at most `slice`; the outcome once it has settled. Whoever gets the outcome has it.
    pub fn wait_timeout(&self, slice: Duration) -> Option<Outcome> {
        let state = self.0.state();
        let waited = self.0.changed.wait_timeout_while(state, slice, |state| !state.settled);
        let mut state = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
        state.settled.then(|| state.outcome.take().unwrap_or_else(|| Err(taken())))
    }

    /// Gives the outcome to `taker` once there is one: on the thread that settles, or on this one at once. It is a call and
    /// no future, because a thread that had to be woken to poll that would cost as much as a short operation. Must not
    /// block for long; nobody else gets the outcome.
    pub fn give_to(&self, taker: impl FnOnce(Result<Reply, Failure>) + Send + 'static) {
        let outcome = {
            let mut state = self.0.state();
            if !state.settled {
                state.taker = Some(Box::new(taker));
                return;
            }
            state.outcome.take()
        };
        taker(outcome.unwrap_or_else(|| Err(taken())));
    }

    /// The outcome, after the core has cleaned up. Whoever gets it has it.
    pub fn wait(&self) -> impl Future<Output = Outcome> + Send + 'static + use<> {
        let (tell, told) = async_channel::bounded(1);
        self.give_to(move |outcome| _ = tell.try_send(outcome));
        async move { told.recv().await.unwrap_or_else(|_| Err(taken())) }
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
    let message = "the outcome of this operation was taken before";
    Failure::of(ErrorKind::Unsupported, message.to_owned())
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an operation's work is given besides its arguments.
#[derive(Clone)]
pub(crate) struct Context {
    /// Cancelled when the caller cancels.
    pub(crate) cancel: CancelToken,
    events: Sender<Value>,
}

impl Context {
    /// An event of the operation's own form. A full channel loses its oldest.
    pub(crate) fn tell(&self, event: Value) {
        let _ = self.events.force_send(event);
    }

    /// For calls of the core that report progress.
    pub(crate) fn control(&self) -> Control {
        let events = self.events.clone();
        let report = move |progress: &Progress| {
            // A full channel loses its oldest event, never the core's time.
            let _ = events.force_send(json!({
                "phase": progress.phase.as_str(), "done": progress.done, "total": progress.total,
                "bytes": progress.bytes, "path": progress.path,
            }));
        };
        Control { progress: Some(Arc::new(report)), cancel: self.cancel.clone() }
    }
}
