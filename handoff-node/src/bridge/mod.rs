//! JSON, bytes, handles and implementers on one side, the core's public API on the other. Knows nothing of Node, so that it
//! can become a crate that other languages share.

mod args;
mod failure;
mod handle;
mod operation;
mod ops;
mod port;

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

pub use failure::Failure;
pub use handle::Handle;
pub use operation::{Operation, start};
pub use ops::NAMES;

/// A future in a box.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An object of the host language that implements a port.
pub trait Foreign: Send + Sync + 'static {
    /// Calls one of its methods. Dropping the future gives the call up.
    fn call(&self, call: ForeignCall) -> BoxFuture<'static, Result<Reply, ForeignError>>;
}

/// One call of an implementer.
pub struct ForeignCall {
    pub method: &'static str,
    pub args: Value,
    pub body: Option<Bytes>,
    pub handles: Vec<Handle>,
}

impl ForeignCall {
    /// With JSON alone.
    pub fn new(method: &'static str, args: Value) -> Self {
        Self { method, args, body: None, handles: Vec::new() }
    }
}

/// What an implementer threw. The cause keeps the thrown object's identity.
#[derive(Debug)]
pub struct ForeignError {
    pub kind: Option<String>,
    pub message: String,
    pub retryable: Option<bool>,
    pub cause: Option<Box<dyn Error + Send + Sync>>,
}

impl std::fmt::Display for ForeignError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for ForeignError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}

/// What to do.
pub struct Request {
    pub op: String,
    pub args: Value,
    pub body: Option<Bytes>,
    pub handles: Vec<Handle>,
    pub foreign: Vec<Arc<dyn Foreign>>,
}

/// What came of it.
#[derive(Default)]
pub struct Reply {
    pub value: Value,
    pub body: Option<Bytes>,
    pub handles: Vec<Handle>,
}

impl Reply {
    /// A value alone.
    pub fn of(value: impl Into<Value>) -> Self {
        Self { value: value.into(), ..Self::default() }
    }

    /// A handle, as `{"handle": …}`.
    pub fn handle(handle: Handle) -> Self {
        Self { value: serde_json::json!({ "handle": { "$handle": 0 } }), body: None, handles: vec![handle] }
    }
}
