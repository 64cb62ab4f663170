//! Every operation by name: its arguments taken, the core called, the answer as JSON.

mod agent;
mod apply;
mod capture;
mod conformance;
mod conversation;
#[cfg(debug_assertions)]
mod defect;
mod hub;
mod hub_ask;
mod session;
mod snapshot;
mod storage;
mod table;
mod workspace;

pub(crate) use apply::report_json;
pub use table::Signature;

use crate::args::Args;
use crate::operation::{Context, OnCancel};
use crate::threads;
use crate::{BoxFuture, Failure, Reply};

type Ended = Result<Reply, Failure>;
type Begin = fn(Args, Context) -> BoxFuture<'static, Ended>;

/// Every operation that there is, with its arguments.
pub fn operations() -> impl Iterator<Item = Signature> {
    table::OPERATIONS.iter().map(|entry| entry.signature)
}

/// The work of an operation, and how it takes being cancelled. An argument that it does not know is refused by name.
pub fn begin(
    op: &str,
    args: Args,
    context: Context,
) -> Result<(OnCancel, BoxFuture<'static, Ended>), Failure> {
    #[cfg(debug_assertions)]
    if let Some(begun) = defect::begin(op) {
        return Ok(begun);
    }
    let known = table::OPERATIONS.iter().find(|entry| entry.signature.name == op);
    let entry = known.ok_or_else(|| Failure::argument("op", format_args!("{op:?} is not known")))?;
    let args = args.known(entry.signature.arguments().collect())?;
    Ok((entry.on_cancel, (entry.begin)(args, context)))
}

/// Runs what needs disk and processor on a thread that nothing else needs: the operation's own, or a new one. Also right in a
/// process that was forked from one that had other threads.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, handoff_core::Error> + Send + 'static,
) -> Result<T, Failure> {
    if threads::is_own() {
        return work().map_err(Failure::from);
    }
    let (tell, told) = async_channel::bounded(1);
    let begun = threads::block(move || {
        // A panic drops the sender, which is told as a defect of ours.
        let _ = tell.try_send(work());
    });
    if begun.is_err() {
        return Err(threads::none_left());
    }
    told.recv().await.map_err(|_| threads::broken())?.map_err(Failure::from)
}
