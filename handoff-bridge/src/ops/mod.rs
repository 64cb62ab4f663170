//! Every operation by name: its arguments taken, the core called, the answer as JSON.

mod agent;
mod apply;
mod capture;
mod conformance;
mod conversation;
mod hub;
mod hub_ask;
mod session;
mod snapshot;
mod storage;
mod workspace;

pub(crate) use apply::report_json;

use crate::args::Args;
use crate::operation::{Context, OnCancel};
use crate::threads;
use crate::{BoxFuture, Failure, Reply};

type Ended = Result<Reply, Failure>;
type Begin = fn(Args, Context) -> BoxFuture<'static, Ended>;

macro_rules! operations {
    ($($name:literal $on_cancel:ident $path:path,)*) => {
        const OPERATIONS: &[(&str, OnCancel, Begin)] =
            &[$(($name, OnCancel::$on_cancel, |args, context| Box::pin($path(args, context)))),*];

        /// Every operation's name.
        const NAMES: &[&str] = &[$($name),*];
    };
}

operations! {
    "workspace.new" Heeds workspace::new,
    "workspace.discover" Heeds workspace::discover,
    "workspace.from_declarations" Heeds workspace::from_declarations,
    "workspace.to_declarations" Heeds workspace::to_declarations,
    "plan" Heeds capture::plan,
    "capture" Heeds capture::capture,
    "secrets.rules" Heeds capture::secret_rules,
    "secrets.scan" Heeds capture::scan_secrets,
    "secrets.redact" Heeds capture::redact_secrets,
    "snapshot.open" Heeds snapshot::open,
    "snapshot.from_bytes" Heeds snapshot::from_bytes,
    "snapshot.to_bytes" Heeds snapshot::to_bytes,
    "snapshot.save" Heeds snapshot::save,
    "snapshot.verify" Heeds snapshot::verify,
    "snapshot.manifest" Heeds snapshot::manifest,
    "snapshot.read" Heeds snapshot::read,
    "snapshot.diff" Heeds snapshot::diff,
    "snapshot.diff_base" Heeds snapshot::diff_base,
    "snapshot.since" Heeds snapshot::since,
    "preview" Heeds apply::preview,
    "apply" Heeds apply::apply,
    "undo" Heeds apply::undo,
    "storage.memory" Heeds storage::memory,
    "storage.dir" Heeds storage::dir,
    "storage.foreign" Heeds storage::foreign,
    "storage.put_new" Dropped storage::put_new,
    "storage.put" Dropped storage::put,
    "storage.put_stream" Dropped storage::put_stream,
    "storage.get" Dropped storage::get,
    "storage.list" Dropped storage::list,
    "storage.delete" Dropped storage::delete,
    "body.next" Dropped storage::next_piece,
    "snapshots.new" Heeds storage::snapshots,
    "snapshots.save" Dropped storage::save_snapshot,
    "snapshots.load" Dropped storage::load_snapshot,
    "conversations.new" Heeds conversation::new,
    "conversation.create" Dropped conversation::create,
    "conversation.head" Dropped conversation::head,
    "conversation.append" Dropped conversation::append,
    "conversation.messages" Dropped conversation::messages,
    "conversation.fork" Dropped conversation::fork,
    "conversation.wait_synced" Dropped conversation::wait_synced,
    "conversation.attach" Dropped conversation::attach,
    "conversation.read_attachment" Dropped conversation::read_attachment,
    "agent.command" Heeds agent::command,
    "agent.foreign" Dropped agent::foreign,
    "runtime.local" Heeds agent::local_runtime,
    "runtime.queue" Heeds agent::queue_runtime,
    "runtime.foreign" Heeds agent::foreign_runtime,
    "sessions.run" HeedsFirst agent::run_session,
    "sessions.fail" Dropped agent::fail_session,
    "work" HeedsLong agent::work,
    "session.head" Dropped session::head,
    "session.messages" Dropped session::messages,
    "session.append" Dropped session::append,
    "session.follow_ups" Dropped session::follow_ups,
    "session.usage" Dropped session::usage,
    "session.remaining_budget" Dropped session::remaining_budget,
    "session.cancelled" Dropped session::cancelled,
    "session.checkpoint" Dropped session::checkpoint,
    "session.block" Dropped session::block,
    "session.attach" Dropped session::attach,
    "session.read_attachment" Dropped session::read_attachment,
    "handoff.new" Heeds hub::new,
    "handoff.start" Dropped hub::start,
    "handoff.fan_out" Dropped hub::fan_out,
    "handoff.continue" Dropped hub::continue_run,
    "handoff.answer" Dropped hub::answer,
    "handoff.cancel" Dropped hub_ask::cancel,
    "handoff.delete_run" Dropped hub_ask::delete_run,
    "handoff.watch" Dropped hub_ask::watch,
    "watch.next" Dropped hub_ask::next_event,
    "handoff.wait" Dropped hub_ask::wait,
    "handoff.pull" HeedsFirst hub_ask::pull,
    "handoff.result" Dropped hub_ask::result,
    "handoff.run" Dropped hub_ask::run,
    "handoff.list_runs" Dropped hub_ask::list_runs,
    "handoff.affordance" Dropped hub_ask::affordance,
    "conformance.cases" Heeds conformance::cases,
    "conformance.storage" Dropped conformance::check_storage,
    "conformance.runtime" HeedsFirst conformance::check_runtime,
    "conformance.agent" Dropped conformance::check_agent,
}

/// Every operation's name: a verb, or a noun and a verb.
pub fn operations() -> &'static [&'static str] {
    NAMES
}

/// The work of an operation, and how it takes being cancelled.
pub fn begin(
    op: &str,
    args: Args,
    context: Context,
) -> Result<(OnCancel, BoxFuture<'static, Ended>), Failure> {
    let known = OPERATIONS.iter().find(|(name, ..)| *name == op);
    let (_, on_cancel, begin) =
        known.ok_or_else(|| Failure::argument("op", format_args!("{op:?} is not known")))?;
    Ok((*on_cancel, begin(args, context)))
}

/// Runs what needs disk and processor on a thread of its own: also right in a process that was forked from one that had
/// other threads.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, handoff_core::Error> + Send + 'static,
) -> Result<T, Failure> {
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
