//! `handoff-core` for languages that pass plain data.
//!
//! The Python and Node packages are a public interface in their own language over a small native module over this
//! crate. Everything that is not a matter of one language is here, once: reading named arguments and refusing what is
//! wrong with them by name, writing reports and manifests as JSON, the names of errors, running and cancelling what
//! takes long, and calling objects of the host's language that implement a port.
//!
//! A [`Request`] names one of the [`operations`], with arguments as JSON. In JSON, `{"$handle": i}` and `{"$foreign": i}`
//! stand for the members of the request's lists of that name, and `{"$bytes": "<base64>"}` for bytes, such as a path
//! that is not UTF-8; large contents travel beside the JSON.
//!
//! ```
//! use handoff_bridge::{Request, start};
//! # let (dir, laptop, cloud) = handoff_core::testing::laptop_and_cloud()?;
//!
//! let run = |op: &str, args, handles| {
//!     let request = Request { args, handles, ..Request::new(op) };
//!     futures_lite::future::block_on(start(request).wait())
//! };
//! let workspace = run("workspace.new", serde_json::json!({ "roots": [laptop] }), vec![])?;
//! let args = serde_json::json!({ "workspace": { "$handle": 0 } });
//! let snapshot = run("capture", args, workspace.handles)?;
//! assert_eq!(snapshot.handles[0].kind(), "snapshot");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![allow(
    clippy::result_large_err,
    reason = "failures are rare, and the languages take them apart field by field"
)]

mod args;
mod failure;
mod foreign;
mod handle;
mod operation;
mod ops;
mod port;
mod threads;

pub use failure::Failure;
pub use foreign::{BoxFuture, Foreign, ForeignCall, ForeignError};
pub use handle::Handle;
pub use operation::{Operation, Reply, Request, shutdown, start};
pub use ops::{Signature, operations};
pub use threads::{Locks, locks};

/// The stable names of all kinds of errors, in the core's order, each with whether the same call may succeed later
/// where the error itself does not say.
pub fn error_kinds() -> Vec<(&'static str, bool)> {
    handoff_core::ErrorKind::ALL.iter().map(|kind| (kind.as_str(), kind.is_retryable())).collect()
}
