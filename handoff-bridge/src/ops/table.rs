//! Every operation: its name, how it takes being cancelled, and the names of its arguments. Nothing else is accepted.

use super::{
    Begin, agent, apply, capture, conformance, conversation, hub, hub_ask, session, snapshot, storage,
    workspace,
};
use crate::operation::OnCancel;

/// One operation as callers see it.
#[derive(Debug, Clone, Copy)]
pub struct Signature {
    /// A verb, or a noun and a verb.
    pub name: &'static str,
    groups: &'static [&'static [&'static str]],
}

impl Signature {
    /// The names of the arguments that it knows. Large bytes travel beside them.
    pub fn arguments(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.groups.iter().flat_map(|group| group.iter().copied())
    }
}

/// One operation as it is run.
pub struct Entry {
    pub signature: Signature,
    pub on_cancel: OnCancel,
    pub begin: Begin,
}

/// What `plan` and `capture` can be told.
const CAPTURE: &[&str] = &[
    "max_file_bytes",
    "max_total_bytes",
    "max_entries",
    "exclude",
    "include_ignored",
    "allow_secrets",
    "secret_rules",
    "worktree_include",
    "list_ignored",
    "empty_dirs",
    "bases",
    "history",
    "max_history_commits",
    "max_history_bytes",
    "deadline",
    "on_cancel",
    "quiet",
    "attempts",
    "spool_memory",
    "spool_dir",
];
/// What whatever applies can be told.
const APPLY: &[&str] = &["on_conflict", "staging", "history", "durability", "symlinks", "map"];
/// What a hub and a worker stand on.
const HUB: &[&str] = &["storage", "policy", "notify", "terms"];
/// What starts runs.
const START: &[&str] = &[
    "actor",
    "environment",
    "attachments",
    "conversation",
    "workspace",
    "origin",
    "source",
    "task",
    "team",
    "model",
    "budget",
    "parent",
    "idempotency_key",
];
/// What says something more to a run.
const SAY: &[&str] = &["run", "actor", "prompt", "attachments", "model", "idempotency_key"];

macro_rules! operations {
    ($($name:literal $on_cancel:ident $path:path, [$($group:expr),*];)*) => {
        /// All of them.
        pub const OPERATIONS: &[Entry] = &[$(Entry {
            signature: Signature { name: $name, groups: &[$($group),*] },
            on_cancel: OnCancel::$on_cancel,
            begin: |args, context| Box::pin($path(args, context)),
        }),*];
    };
}

operations! {
    "workspace.new" Heeds workspace::new, [&["roots", "wide", "loose_files", "loose_root"]];
    "workspace.discover" Heeds workspace::discover, [&["written", "read", "loose_root"]];
    "workspace.from_declarations" Heeds workspace::from_declarations, [&["path", "loose_root"]];
    "workspace.to_declarations" Heeds workspace::to_declarations, [&["workspace"]];
    "plan" Heeds capture::plan, [&["workspace"], CAPTURE];
    "capture" Heeds capture::capture, [&["workspace"], CAPTURE, &["manifest"]];
    "secrets.rules" Heeds capture::secret_rules, [];
    "secrets.scan" Heeds capture::scan_secrets, [];
    "secrets.redact" Heeds capture::redact_secrets, [];
    "snapshot.open" Heeds snapshot::open, [&["path", "manifest"]];
    "snapshot.from_bytes" Heeds snapshot::from_bytes, [&["manifest"]];
    "snapshot.to_bytes" Heeds snapshot::to_bytes, [&["snapshot"]];
    "snapshot.save" Heeds snapshot::save, [&["snapshot", "path"]];
    "snapshot.verify" Heeds snapshot::verify, [&["snapshot"]];
    "snapshot.manifest" Heeds snapshot::manifest, [&["snapshot"]];
    "snapshot.read" Heeds snapshot::read, [&["snapshot", "repo", "path", "layer"]];
    "snapshot.diff" Heeds snapshot::diff, [&["snapshot", "newer"]];
    "snapshot.diff_base" Heeds snapshot::diff_base, [&["snapshot"]];
    "snapshot.since" Heeds snapshot::since, [&["snapshot", "base"]];
    "preview" Heeds apply::preview, [&["snapshot", "workspace"], APPLY];
    "apply" Heeds apply::apply, [&["snapshot", "workspace"], APPLY];
    "undo" Heeds apply::undo, [&["workspace", "apply_id"]];
    "storage.memory" Heeds storage::memory, [];
    "storage.dir" Heeds storage::dir, [&["path", "durability", "network"]];
    "storage.foreign" Heeds storage::foreign, [&["storage"]];
    "storage.put_new" Dropped storage::put_new, [&["storage", "key"]];
    "storage.put" Dropped storage::put, [&["storage", "key"]];
    "storage.put_stream" Dropped storage::put_stream, [&["storage", "key", "stream"]];
    "storage.get" Dropped storage::get, [&["storage", "key", "range"]];
    "storage.list" Dropped storage::list, [&["storage", "prefix", "after", "limit"]];
    "storage.delete" Dropped storage::delete, [&["storage", "keys"]];
    "body.next" Dropped storage::next_piece, [&["body"]];
    "snapshots.new" Heeds storage::snapshots, [&["storage"]];
    "snapshots.save" Dropped storage::save_snapshot, [&["snapshots", "snapshot", "parent"]];
    "snapshots.load" Dropped storage::load_snapshot, [&["snapshots", "reference"]];
    "conversations.new" Heeds conversation::new, [&["storage"]];
    "conversation.create" Dropped conversation::create, [&["conversations", "owner", "id"]];
    "conversation.head" Dropped conversation::head, [&["conversations", "id"]];
    "conversation.append" Dropped conversation::append, [&["conversations", "id", "messages", "epoch", "expect", "idempotency_key"]];
    "conversation.messages" Dropped conversation::messages, [&["conversations", "id", "from", "limit"]];
    "conversation.fork" Dropped conversation::fork, [&["conversations", "id", "owner", "at", "new_id"]];
    "conversation.wait_synced" Dropped conversation::wait_synced, [&["conversations", "id", "messages", "deadline"]];
    "conversation.attach" Dropped conversation::attach, [&["conversations", "name", "media_type"]];
    "conversation.read_attachment" Dropped conversation::read_attachment, [&["conversations", "attachment"]];
    "agent.command" Heeds agent::command, [&["program", "args", "name", "models", "kind", "grace", "max_output", "questions"]];
    "agent.foreign" Dropped agent::foreign, [&["agent"]];
    "runtime.local" Heeds agent::local_runtime, [&["agent", "root", "environments"]];
    "runtime.queue" Heeds agent::queue_runtime, [&["storage", "name", "environments"]];
    "runtime.foreign" Heeds agent::foreign_runtime, [&["runtime"]];
    "sessions.run" HeedsFirst agent::run_session, [&["sessions", "spec", "place", "agent"]];
    "sessions.fail" Dropped agent::fail_session, [&["sessions", "spec", "reason"]];
    "work" HeedsLong agent::work, [&["queue", "agent", "root", "environments", "poll", "when_empty"], HUB];
    "session.head" Dropped session::head, [&["session"]];
    "session.messages" Dropped session::messages, [&["session", "from", "limit"]];
    "session.append" Dropped session::append, [&["session", "messages"]];
    "session.follow_ups" Dropped session::follow_ups, [&["session"]];
    "session.usage" Dropped session::usage, [&["session", "used"]];
    "session.remaining_budget" Dropped session::remaining_budget, [&["session"]];
    "session.cancelled" Dropped session::cancelled, [&["session"]];
    "session.checkpoint" Dropped session::checkpoint, [&["session"]];
    "session.block" Dropped session::block, [&["session", "question"]];
    "session.attach" Dropped session::attach, [&["session", "name", "media_type"]];
    "session.read_attachment" Dropped session::read_attachment, [&["session", "attachment"]];
    "handoff.new" Heeds hub::new, [HUB, &["runtime"]];
    "handoff.start" Dropped hub::start, [&["hub", "prompt"], START];
    "handoff.fan_out" Dropped hub::fan_out, [&["hub", "prompts"], START];
    "handoff.continue" Dropped hub::continue_run, [&["hub"], SAY];
    "handoff.answer" Dropped hub::answer, [&["hub"], SAY];
    "handoff.cancel" Dropped hub_ask::cancel, [&["hub", "run", "actor"]];
    "handoff.delete_run" Dropped hub_ask::delete_run, [&["hub", "run", "actor"]];
    "handoff.collect" Dropped hub_ask::collect, [&["hub", "grace", "claims", "keep", "action"]];
    "handoff.watch" Dropped hub_ask::watch, [&["hub", "run", "actor", "cursor"]];
    "watch.next" Dropped hub_ask::next_event, [&["watch"]];
    "handoff.wait" Dropped hub_ask::wait, [&["hub", "run", "actor", "deadline"]];
    "handoff.pull" HeedsFirst hub_ask::pull, [&["hub", "run", "actor", "workspace"], APPLY, &["action"]];
    "handoff.result" Dropped hub_ask::result, [&["hub", "run", "actor"]];
    "handoff.run" Dropped hub_ask::run, [&["hub", "run", "actor"]];
    "handoff.list_runs" Dropped hub_ask::list_runs, [&["hub", "actor", "team", "parent", "limit", "after"]];
    "handoff.affordance" Dropped hub_ask::affordance, [&["hub", "run", "actor"]];
    "conformance.cases" Heeds conformance::cases, [&["suite"]];
    "conformance.storage" Dropped conformance::check_storage, [&["storages", "cases", "patience"]];
    "conformance.runtime" HeedsFirst conformance::check_runtime, [&["open", "environment", "cases", "patience"]];
    "conformance.agent" Dropped conformance::check_agent, [&["agent", "prompt", "long", "cases", "grace", "patience"]];
}
