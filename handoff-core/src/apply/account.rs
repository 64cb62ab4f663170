//! What a report says of repositories that have no target, of the source, and of what the snapshot lacks.

use std::collections::HashMap;
use std::path::Path;

use super::{entry, sides, staging};
use crate::error::Error;
use crate::id::Oid;
use crate::path::RelPath;
use crate::report::{Drift, DriftKind, FileReport, Finding, FindingKind, LooseReport, Outcome, RepoReport};
use crate::snapshot::{Omission, OmissionReason, Operation, RepoManifest, Snapshot};

pub(super) fn unknown_drift(source: Option<Oid>, kind: DriftKind, remedy: String) -> Drift {
    Drift { ahead: None, behind: None, kind, remedy, source, target: None }
}

pub(super) fn without_target(repo: &RepoManifest, why: String) -> RepoReport {
    let files = repo
        .entries
        .iter()
        .map(|entry| entry::skipped(FileReport::new(entry.path.clone(), Outcome::Skipped), "no_target"))
        .collect();
    RepoReport {
        drift: unknown_drift(repo.head.commit, DriftKind::NoTarget, "pass an explicit mapping".into()),
        files,
        findings: vec![Finding { kind: FindingKind::NoTarget, message: why }],
        history: None,
        name: repo.name.clone(),
        staging: staging::all_left(repo),
        target: None,
    }
}

/// The target is there, but cannot be worked with; the other repositories are not affected.
pub(super) fn unreadable(repo: &RepoManifest, root: &Path, why: &Error) -> RepoReport {
    let trouble = trouble(why);
    let message = trouble.message.clone().unwrap_or_default();
    let files = repo
        .entries
        .iter()
        .map(|entry| entry::failed(FileReport::new(entry.path.clone(), Outcome::Failed), &trouble))
        .collect();
    RepoReport {
        drift: unknown_drift(repo.head.commit, DriftKind::BaseMissing, String::new()),
        files,
        findings: vec![Finding { kind: FindingKind::CannotWrite, message }],
        history: None,
        name: repo.name.clone(),
        staging: staging::all_left(repo),
        target: Some(root.to_owned()),
    }
}

/// Every loose file of a snapshot, with what `each` says of it, and the reason that all of them have.
fn all_loose(snapshot: &Snapshot, why: Finding, each: impl Fn(FileReport) -> FileReport) -> LooseReport {
    let manifest = snapshot.manifest();
    let files = manifest.loose_files.iter();
    let files: Vec<_> =
        files.map(|entry| each(FileReport::new(entry.path.clone(), Outcome::Skipped))).collect();
    let findings = if files.is_empty() { Vec::new() } else { vec![why] };
    let mut report = LooseReport { files, findings, target: None };
    add_omissions(&manifest.loose_omissions, &mut report.files);
    report
}

/// The workspace has no place for files outside any repository.
pub(super) fn loose_without_target(snapshot: &Snapshot) -> LooseReport {
    let message = "the workspace names no directory for files outside any repository".into();
    let why = Finding { kind: FindingKind::NoTarget, message };
    all_loose(snapshot, why, |file| entry::skipped(file, "no_target"))
}

/// The place is there, but cannot be worked with; the repositories are not affected.
pub(super) fn loose_unreadable(snapshot: &Snapshot, why: &Error) -> LooseReport {
    let trouble = trouble(why);
    let message = trouble.message.clone().unwrap_or_default();
    let why = Finding { kind: FindingKind::CannotWrite, message };
    all_loose(snapshot, why, |file| entry::failed(file, &trouble))
}

fn trouble(why: &Error) -> sides::Trouble {
    let mut message = why.to_string();
    if let Some(source) = std::error::Error::source(why) {
        message.push_str(&format!(": {source}"));
    }
    sides::Trouble { reason: why.kind().as_str().into(), message: Some(message) }
}

/// Says which operation is not carried, and with which commits to begin it again.
fn in_the_middle_of(operation: &Operation) -> String {
    let kind = operation.kind.as_str().replace('_', "-");
    let article = if kind.starts_with('a') { "an" } else { "a" };
    let mut message = format!(
        "the source was in the middle of {article} {kind}; files and index are carried, the operation itself is not"
    );
    if !operation.heads.is_empty() {
        let heads: Vec<String> = operation.heads.iter().take(4).map(ToString::to_string).collect();
        message.push_str(&format!(" (of {})", heads.join(", ")));
    }
    message
}

/// What a reader should know about the source.
pub(super) fn about_source(repo: &RepoManifest) -> Vec<Finding> {
    let mut out = Vec::new();
    if let Some(failed) = &repo.failed {
        out.push(Finding {
            kind: FindingKind::CaptureFailed,
            message: format!("the source could not capture it: {}", failed.message),
        });
    }
    out.extend(ended_early(&repo.omissions));
    if repo.flags.workspace_moving {
        out.push(Finding {
            kind: FindingKind::WorkspaceMoving,
            message: "the source kept changing while it was captured, so parts may be of different moments; capture it again"
                .into(),
        });
    }
    if let Some(operation) = &repo.operation {
        out.push(Finding { kind: FindingKind::Operation, message: in_the_middle_of(operation) });
    }
    if repo.stashes > 0 {
        let count = if repo.stashes == 1 { "1 stash".into() } else { format!("{} stashes", repo.stashes) };
        out.push(Finding {
            kind: FindingKind::Stashes,
            message: format!("the source has {count}, not carried; `git stash show -p` prints one there"),
        });
    }
    out
}

/// That the capture did not come to everything, if so.
pub(super) fn ended_early(omissions: &[Omission]) -> Option<Finding> {
    let cut = |omission: &&Omission| {
        matches!(omission.reason, OmissionReason::Deadline | OmissionReason::Cancelled)
    };
    omissions.iter().find(cut).map(|omission| Finding {
        kind: FindingKind::Partial,
        message: format!(
            "the capture ended early ({}); what it did not come to is listed as not captured",
            omission.reason
        ),
    })
}

/// Adds what the snapshot does not carry, each path once.
pub(super) fn add_omissions(omissions: &[Omission], files: &mut Vec<FileReport>) {
    if omissions.is_empty() {
        return;
    }
    let mut known: HashMap<RelPath, usize> =
        files.iter().enumerate().map(|(at, file)| (file.path.clone(), at)).collect();
    for omission in omissions {
        if let Some(file) = known.get(&omission.path).and_then(|at| files.get_mut(*at)) {
            // One layer is carried, another is not.
            file.message.get_or_insert_with(|| format!("part of it was not captured: {}", omission.reason));
            continue;
        }
        let mut file = FileReport::new(omission.path.clone(), Outcome::NotCaptured);
        file.reason = Some(omission.reason.as_str().to_owned());
        let count = omission.count.filter(|count| *count > 1);
        file.message = count.map(|count| format!("{count} files"));
        if omission.reason == OmissionReason::SecretName || omission.reason == OmissionReason::SecretContent {
            let line = omission.line.map_or_else(String::new, |line| format!(", line {line}"));
            file.message = omission.rule.as_ref().map(|rule| match count {
                Some(count) => format!("rule {rule}; {count} files"),
                None => format!("rule {rule}{line}"),
            });
        }
        known.insert(omission.path.clone(), files.len());
        files.push(file);
    }
}
