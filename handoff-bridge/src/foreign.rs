//! Objects of the host's language that implement a port.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use serde_json::Value;

use crate::handle::Handle;
use crate::operation::Reply;

/// A future in a box.
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

impl ForeignCall {
    /// With JSON alone.
    pub fn new(method: &'static str, args: Value) -> Self {
        Self { method, args, body: None, handles: Vec::new() }
    }
}

/// Why a foreign object failed. The cause keeps the identity of what was thrown.
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

impl fmt::Display for ForeignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for ForeignError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}
