//! Objects of the host's language that implement a port.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde_json::Value;

use crate::handle::Handle;
use crate::operation::Reply;
use crate::threads;

/// A future that is sent between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An object of the host's language that implements a port: a storage, a runtime, an agent and so on.
pub trait Foreign: Send + Sync + 'static {
    /// Calls one of its methods. Dropping the future cancels the host's call.
    fn call(&self, call: ForeignCall) -> BoxFuture<'static, Result<Reply, ForeignError>>;
}

/// One call of a foreign object.
pub struct ForeignCall {
    /// The method, in snake case.
    pub method: &'static str,
    /// Its arguments by name.
    pub args: Value,
    /// Bytes that come with it.
    pub body: Option<Bytes>,
    /// What the arguments point to.
    pub handles: Vec<Handle>,
}

/// Why a foreign object failed.
#[derive(Debug)]
pub struct ForeignError {
    /// The kind of error, where the host raised one of this SDK's own; it is kept on the way back.
    pub kind: Option<String>,
    /// What failed, for people.
    pub message: String,
    /// Whether the same call may succeed later; absent where the host did not say.
    pub retryable: Option<bool>,
    /// The host's own exception, which comes out again as the cause of the failure.
    pub cause: Option<Box<dyn Error + Send + Sync>>,
}

impl ForeignError {
    /// An error of no kind.
    pub fn new(message: impl Into<String>) -> Self {
        Self { kind: None, message: message.into(), retryable: None, cause: None }
    }

    /// As the cause of an error of the core's, from which [`Failure`](crate::Failure) gets everything back.
    pub(crate) fn into_source(self) -> Box<dyn Error + Send + Sync> {
        Box::new(Carried {
            message: self.message,
            kind: self.kind,
            retryable: self.retryable,
            cause: Mutex::new(self.cause),
        })
    }
}

/// A foreign error on its way through the core.
pub(crate) struct Carried {
    message: String,
    pub(crate) kind: Option<String>,
    pub(crate) retryable: Option<bool>,
    cause: Mutex<Option<Box<dyn Error + Send + Sync>>>,
}

impl Carried {
    /// The host's own exception; once.
    pub(crate) fn take_cause(&self) -> Option<Box<dyn Error + Send + Sync>> {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Carried {}

/// A foreign object as the adapters of ports use it.
#[derive(Clone)]
pub(crate) struct Host(Arc<dyn Foreign>);

impl Host {
    pub(crate) fn new(foreign: Arc<dyn Foreign>) -> Self {
        Self(foreign)
    }

    /// Calls a method; not at all once the process is on its way out.
    pub(crate) async fn call(&self, call: ForeignCall) -> Result<Reply, ForeignError> {
        if threads::is_shut() {
            let kind = Some("cancelled".to_owned());
            return Err(ForeignError { kind, ..ForeignError::new("the process is shutting down") });
        }
        self.0.call(call).await
    }

    /// Calls a method with arguments and nothing else.
    pub(crate) async fn ask(&self, method: &'static str, args: Value) -> Result<Reply, ForeignError> {
        self.call(ForeignCall { method, args, body: None, handles: Vec::new() }).await
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Host")
    }
}
