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

use handoff_core::ErrorKind;
use napi_derive::napi;

/// Every operation that `Door.start` knows.
#[napi]
pub fn operations() -> Vec<&'static str> {
    bridge::operations().to_vec()
}

/// Every kind of error.
#[napi]
pub fn error_kinds() -> Vec<&'static str> {
    ErrorKind::ALL.iter().map(|kind| kind.as_str()).collect()
}
