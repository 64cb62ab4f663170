//! Public values as plain JSON.

use std::path::Path;

use handoff_core::conversation::Message;
use handoff_core::snapshot::SnapshotDiff;
use handoff_core::{
    ApplyReport, CapturePlan, Error, Event, PlannedChange, PlannedFile, Run, RunPage, Snapshot, StorageError,
    Workspace,
};
use serde_json::{Value, json};

use crate::disk::plain;

/// An error as data.
pub struct Failure {
    pub kind: String,
    pub message: Option<String>,
    pub retryable: bool,
    pub path: Option<String>,
    pub argument: Option<String>,
    pub details: Value,
}

impl Failure {
    /// What a type of the core's refuses before any call is made.
    pub fn argument(name: &str) -> Self {
        Self {
            kind: "invalid_argument".to_owned(),
            message: None,
            retryable: false,
            path: None,
            argument: Some(name.to_owned()),
            details: Value::Null,
        }
    }

    pub fn json(&self) -> Value {
        json!({
            "kind": self.kind, "message": self.message, "retryable": self.retryable, "path": self.path,
            "argument": self.argument, "details": self.details,
        })
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut made = Self {
            kind: error.kind().as_str().to_owned(),
            message: Some(whole(&error)),
            retryable: error.is_retryable(),
            path: None,
            argument: None,
            details: Value::Null,
        };
        match &error {
            Error::NotARepository { path }
            | Error::BareRepository { path }
            | Error::UnsafeWorkspace { path, .. }
            | Error::Repository { path, .. }
            | Error::Unsupported { path, .. }
            | Error::Io { path, .. }
            | Error::Busy { path }
            | Error::JournalNotSafe { path, .. } => made.path = Some(path.to_string_lossy().into_owned()),
            // How an argument is wrong is said in each language's own words.
            Error::InvalidArgument { argument, .. } => {
                made.argument = Some((*argument).to_owned());
                made.message = None;
            }
            Error::NotContinuable { reason, .. } => made.details = json!({ "reason": reason }),
            Error::WrongState { state, .. } => made.details = json!({ "state": state }),
            Error::Unsynced { have, want, .. } => made.details = json!({ "have": have, "want": want }),
            Error::Limit { limit, found, .. } => made.details = json!({ "limit": limit, "found": found }),
            _ => {}
        }
        made
    }
}

/// A storage that is called directly has an error of its own here, whose words the other languages put in a sentence.
impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self {
            kind: "storage".to_owned(),
            message: None,
            retryable: error.retryable,
            path: None,
            argument: None,
            details: Value::Null,
        }
    }
}

/// The message with those of its sources, each once.
fn whole(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let text = source.to_string();
        if !text.is_empty() && !message.ends_with(&text) {
            message = format!("{message}: {text}");
        }
        next = source.source();
    }
    message
}

fn path(path: &Path) -> Value {
    use std::os::unix::ffi::OsStrExt as _;
    plain(path.as_os_str().as_bytes())
}

pub fn workspace(workspace: &Workspace) -> Value {
    let repos = workspace.repos().iter().map(|repo| json!({ "name": repo.name, "root": path(&repo.root) }));
    let loose = workspace.loose_files().iter();
    let left = workspace.left_out().iter();
    json!({
        "repos": repos.collect::<Vec<_>>(),
        "loose_files":
            loose.map(|file| json!({ "name": file.name, "path": path(&file.path) })).collect::<Vec<_>>(),
        "loose_root": workspace.loose_root().map(path),
        "left_out":
            left.map(|left| json!({ "path": path(&left.path), "reason": left.reason })).collect::<Vec<_>>(),
    })
}

pub fn plan(plan: &CapturePlan) -> Value {
    let all = plan.repos.iter().flat_map(|repo| &repo.files).chain(&plan.loose_files);
    let repos = plan.repos.iter().map(|repo| {
        let omissions: Vec<_> = repo.omissions.iter().map(|omission| in_repo(&repo.name, omission)).collect();
        json!({
            "name": repo.name, "files": planned(&repo.files), "omissions": omissions, "failed": repo.failed,
            "history": repo.history.as_ref().map(|history| {
                json!({ "commits": history.commits, "left_out": history.left_out })
            }),
        })
    });
    json!({
        "repos": repos.collect::<Vec<_>>(),
        "loose_files": planned(&plan.loose_files),
        "loose_omissions": plan.loose_omissions,
        "bytes": all.map(|file| file.bytes).sum::<u64>(),
    })
}

fn planned(files: &[PlannedFile]) -> Vec<Value> {
    let change = |change| match change {
        PlannedChange::Untracked => "untracked",
        PlannedChange::Ignored => "ignored",
        PlannedChange::EmptyDirectory => "empty_directory",
        PlannedChange::Modified => "modified",
        PlannedChange::Deleted => "deleted",
        other => panic!("the change {other:?} has no name here"),
    };
    let one =
        |file: &PlannedFile| json!({ "path": file.path, "change": change(file.change), "bytes": file.bytes });
    files.iter().map(one).collect()
}

/// The members of `value`, with `repo` beside them.
fn in_repo(repo: &str, value: impl serde::Serialize) -> Value {
    let mut made = json!(value);
    made["repo"] = repo.into();
    made
}

pub fn snapshot(snapshot: &Snapshot) -> Value {
    let manifest = snapshot.manifest();
    let mut repos = json!(manifest.repos);
    for repo in repos.as_array_mut().into_iter().flatten() {
        repo["entries"] = Value::Null;
        repo["omissions"] = Value::Null;
    }
    let loose = manifest.loose_files.iter().map(|entry| in_repo("", entry));
    let entries = snapshot.entries().map(|(repo, entry)| in_repo(&repo.name, entry)).chain(loose);
    let loose = manifest.loose_omissions.iter().map(|omission| in_repo("", omission));
    let omissions = snapshot.omissions().map(|(repo, omission)| in_repo(&repo.name, omission)).chain(loose);
    json!({
        "id": snapshot.id(),
        "partial": manifest.partial,
        "format": manifest.format,
        "repos": repos,
        "entries": entries.collect::<Vec<_>>(),
        "omissions": omissions.collect::<Vec<_>>(),
    })
}

pub fn report(report: &ApplyReport) -> Value {
    let whole = json!(report);
    let mut repos = whole["repos"].clone();
    for repo in repos.as_array_mut().into_iter().flatten() {
        repo["files"] = Value::Null;
    }
    let mut loose = whole["loose"].clone();
    if loose.is_object() {
        loose["files"] = Value::Null;
    }
    let files: Vec<Value> = report.files().map(|(repo, file)| in_repo(repo, file)).collect();
    let mut counts = json!({});
    for (_, file) in report.files() {
        counts[file.outcome.as_str()] = report.count(&file.outcome).into();
    }
    json!({
        "action": report.action,
        "apply_id": report.apply_id,
        "snapshot": report.snapshot,
        "verdict": report.verdict,
        "repos": repos,
        "loose": loose,
        "files": files,
        "counts": counts,
        "text": report.to_string(),
        "whole": whole,
    })
}

pub fn diff(diff: &SnapshotDiff) -> Result<Value, Failure> {
    let repos = diff.repos.iter().map(|repo| {
        let changes = repo.changes.iter().map(|change| {
            json!({ "path": change.path, "kind": change.kind.as_str(), "old": change.old, "new": change.new })
        });
        let changes: Vec<_> = changes.collect();
        json!({ "repo": repo.repo, "changes": changes, "unknown": repo.unknown, "same_head": repo.same_head })
    });
    Ok(json!({ "repos": repos.collect::<Vec<_>>(), "unified": plain(&diff.to_unified()?) }))
}

/// A message: what is absent has its default, the host's own JSON is JSON.
pub fn message(message: &Message) -> Value {
    let mut made = json!(message);
    made["kind"] = message.kind.as_str().into();
    for result in made.get_mut("tool_results").and_then(Value::as_array_mut).into_iter().flatten() {
        if result["status"].is_null() {
            result["status"] = "done".into();
        }
    }
    made
}

pub fn messages(messages: &[Message]) -> Value {
    messages.iter().map(message).collect()
}

pub fn run(run: &Run) -> Value {
    json!(run)
}

pub fn page(page: &RunPage) -> Value {
    json!({ "runs": page.runs.iter().map(run).collect::<Vec<_>>(), "next": page.next })
}

pub fn event(event: &Event, cursor: handoff_core::Cursor) -> Value {
    let mut made = match event {
        Event::Message { index, message: said } => {
            json!({ "kind": "message", "index": index, "message": message(said) })
        }
        Event::Run(record) => json!({ "kind": "run", "run": run(record) }),
        other => panic!("the event {other:?} has no name here"),
    };
    made["cursor"] = json!(cursor);
    made
}
