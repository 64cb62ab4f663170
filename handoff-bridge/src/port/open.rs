//! Opening and closing of runtimes that are checked, by the host.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_lite::future::{block_on, or};
use handoff_core::conformance::runtime::{Setup, Subject};
use handoff_core::{
    CancelToken, Environment, EnvironmentId, Error, ErrorKind, RunSession, Runtime, RuntimeError, SessionId,
    SessionSpec,
};
use serde_json::{Value, json};

use crate::handle::{Handle, Held};
use crate::{Failure, Foreign, ForeignCall, Reply};

/// How often it is looked whether an operation was cancelled.
const LOOK: Duration = Duration::from_millis(25);

/// Returns once `cancel` is cancelled.
pub async fn stopped(cancel: &CancelToken) {
    while !cancel.is_cancelled() {
        async_io::Timer::after(LOOK).await;
    }
}

/// An object of the host's with two methods: `open` gives a runtime, `close` ends what went with it.
#[derive(Clone)]
pub struct ForeignOpen {
    host: Arc<dyn Foreign>,
    environment: EnvironmentId,
    patience: Duration,
    cancel: CancelToken,
    next: Arc<AtomicU64>,
    failed: Arc<Mutex<Option<Failure>>>,
}

impl ForeignOpen {
    pub fn new(
        host: Arc<dyn Foreign>,
        environment: EnvironmentId,
        patience: Duration,
        cancel: CancelToken,
    ) -> Self {
        let (next, failed) = (Arc::default(), Arc::default());
        Self { host, environment, patience, cancel, next, failed }
    }

    /// What opening or closing has failed with.
    pub fn failed(&self) -> Option<Failure> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn call(&self, call: ForeignCall) -> Result<Reply, Failure> {
        let method = call.method;
        let answer = async {
            self.host.call(call).await.map_err(|thrown| {
                let action = if method == "open" { "opening a runtime" } else { "closing a runtime" };
                let retryable = thrown.retryable.unwrap_or(false);
                let source = thrown.into();
                Failure::from(Error::Runtime { action: action.to_owned(), retryable, source })
            })
        };
        let late = async {
            async_io::Timer::after(self.patience).await;
            let message = format!("{method} has not returned after {} seconds", self.patience.as_secs_f64());
            Err(Failure::of(ErrorKind::TimedOut, message))
        };
        let cancelled = async {
            stopped(&self.cancel).await;
            Err(Failure::from(Error::Cancelled))
        };
        // What belongs to a case is closed also when nobody waits for the suite any more.
        if method == "close" { block_on(or(answer, late)) } else { block_on(or(answer, or(late, cancelled))) }
    }

    fn record(&self, failure: Failure) {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
    }

    /// A runtime of the host's; one that only refuses, where that fails.
    pub fn open(&self, setup: Setup) -> Subject {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let closing = Closing { open: self.clone(), number };
        let found = self.opened(number, setup).unwrap_or_else(|failure| {
            self.record(failure);
            Arc::new(NotOpened)
        });
        let mut subject = Subject::new(found, self.environment.clone()).alongside(closing);
        subject.patience = self.patience;
        subject
    }

    fn opened(&self, number: u64, setup: Setup) -> Result<Arc<dyn Runtime>, Failure> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let args = json!({
            "number": number,
            "storage": { "$handle": 0 },
            "agent": { "$handle": 1 },
            "terms": {
                "lease": millis(setup.terms.lease),
                "checkpoint": setup.terms.checkpoint.map_or(0, millis),
                "grace": millis(setup.terms.grace),
                "poll": millis(setup.terms.poll),
                "reserve": millis(setup.terms.reserve),
            },
        });
        let handles = vec![Held::Storage(setup.storage).into(), Held::Agent(setup.agent).into()];
        let reply = self.call(ForeignCall { handles, ..ForeignCall::new("open", args) })?;
        let at = reply.value.pointer("/runtime/$handle").and_then(Value::as_u64);
        let at = at.and_then(|at| usize::try_from(at).ok());
        let found = at.and_then(|at| reply.handles.get(at)).map(Handle::runtime);
        found
            .unwrap_or_else(|| Err("gave no runtime".to_owned()))
            .map_err(|why| Failure::argument("open", why))
    }
}

/// Ends what was opened for a case when the case lets go of it.
struct Closing {
    open: ForeignOpen,
    number: u64,
}

impl Drop for Closing {
    fn drop(&mut self) {
        if let Err(failure) = self.open.call(ForeignCall::new("close", json!({ "number": self.number }))) {
            self.open.record(failure);
        }
    }
}

/// Stands in for what could not be opened, until the suite is given up.
struct NotOpened;

#[async_trait]
impl Runtime for NotOpened {
    async fn environment(&self, _: &EnvironmentId) -> Result<Environment, RuntimeError> {
        Err(RuntimeError::new("it could not be opened"))
    }

    async fn start(&self, _: SessionSpec, _: Arc<dyn RunSession>) -> Result<(), RuntimeError> {
        Err(RuntimeError::new("it could not be opened"))
    }

    async fn cancel(&self, _: &SessionId) -> Result<(), RuntimeError> {
        Err(RuntimeError::new("it could not be opened"))
    }
}
