//! The native half of the npm package `handoff-node`: one door into [`handoff_bridge`], and conversion.
//!
//! Everything that people see is written in JavaScript under `js/`. This side knows no operation by name: it passes
//! JSON, bytes, handles and implementers through, in both directions.
//!
//! Nothing here keeps Node's event loop alive, blocks it, or settles a promise: each answer is a [`message`] to the one
//! function that JavaScript gave to its [`Door`](door::Door), on JavaScript's own thread, in order.

mod cause;
mod door;
mod executor;
mod foreign;
mod handle;
mod message;
