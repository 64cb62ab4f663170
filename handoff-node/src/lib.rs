//! The native half of the npm package `handoff-node`: one door into `bridge`, and conversion.
//!
//! Everything that people see is written in JavaScript under `js/`. This side knows no operation by name: it passes
//! JSON, bytes, handles and implementers through, in both directions.
//!
//! Nothing here keeps Node's event loop alive, blocks it, or settles a promise: each answer is a `message` to the one
//! function that JavaScript gave to its `Door`, on JavaScript's own thread, in order.

use handoff_bridge as bridge;
mod cause;
mod door;
mod executor;
mod foreign;
mod handle;
mod message;

use napi_derive::napi;

/// One operation that `Door.start` knows.
#[napi(object)]
pub struct Signature {
    /// Its name.
    pub name: String,
    /// The names of its arguments.
    pub arguments: Vec<String>,
}

/// Every operation that `Door.start` knows.
#[napi]
pub fn operations() -> Vec<Signature> {
    let one = |known: bridge::Signature| Signature {
        name: known.name.to_owned(),
        arguments: known.arguments().map(str::to_owned).collect(),
    };
    bridge::operations().map(one).collect()
}

/// One kind of error.
#[napi(object)]
pub struct Kind {
    /// Its stable name.
    pub kind: String,
    /// Whether it is worth trying again, where the error does not say.
    pub retryable: bool,
}

/// Every kind of error.
#[napi]
pub fn error_kinds() -> Vec<Kind> {
    let kinds = bridge::error_kinds().into_iter();
    kinds.map(|(kind, retryable)| Kind { kind: kind.to_owned(), retryable }).collect()
}
