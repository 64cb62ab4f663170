//! Staged state: the index layer of the snapshot, put into the target's index where that still says what the
//! snapshot's HEAD said.

use std::collections::HashMap;
use std::path::Path;

use super::journal::{IndexOp, IndexState, StageState};
use super::sides::Reader;
use crate::error::Error;
use crate::git::{IndexBits, IndexChange, Repo, StagedItem, TreeItem};
use crate::id::Oid;
use crate::path::RelPath;
use crate::report::{Detail, FileReport, Outcome, StagingReport};
use crate::snapshot::{Entry, FileState, Mode, RepoManifest, Stage};

/// The changes to make, and what is known not to work.
#[derive(Debug, Default)]
pub(super) struct Planned {
    pub changes: Vec<IndexOp>,
    pub report: StagingReport,
}

/// Decides for each entry whose index layer differs from HEAD.
pub(super) fn plan(
    reader: &Reader<'_>,
    manifest: &RepoManifest,
    files: &HashMap<&RelPath, &FileReport>,
) -> Planned {
    let mut out = Planned::default();
    for entry in &manifest.entries {
        let Some(wanted) = wanted(entry) else { continue };
        let ready = files.get(&entry.path).is_some_and(|file| is_ready(file));
        match if ready { decide(reader, entry, wanted) } else { Err("not_written") } {
            Ok(None) => out.report.restored += 1,
            Ok(Some(change)) => out.changes.push(change),
            Err(reason) => leave(&mut out.report, entry.path.clone(), reason),
        }
    }
    out
}

/// Whether the file itself is as in the snapshot, so that its staged state has something to stand on.
pub(super) fn is_ready(file: &FileReport) -> bool {
    let in_place = file.at.is_none() || file.detail == Some(Detail::Deleted);
    in_place && matches!(file.outcome, Outcome::Unchanged | Outcome::Applied | Outcome::Merged)
}

/// The report where nothing could be written at all.
pub(super) fn all_left(manifest: &RepoManifest) -> StagingReport {
    let mut report = StagingReport::default();
    for entry in manifest.entries.iter().filter(|entry| wanted(entry).is_some()) {
        leave(&mut report, entry.path.clone(), "not_written");
    }
    report
}

/// Counts a path whose staged state is left as it is.
pub(super) fn leave(report: &mut StagingReport, path: RelPath, reason: &str) {
    *report.left.entry(reason.to_owned()).or_default() += 1;
    report.left_paths.push((path, reason.to_owned()));
}

/// The staged state the entry speaks of; `None` when its index layer is HEAD's.
fn wanted(entry: &Entry) -> Option<Wanted> {
    if !entry.flags.stages.is_empty() {
        return Some(Wanted::Unmerged(entry.flags.stages.clone()));
    }
    if entry.flags.intent_to_add {
        let mode = entry.index.as_ref().map_or(Mode::Regular, |index| index.mode.clone());
        return Some(Wanted::IntentToAdd(mode));
    }
    match (&entry.head, &entry.index) {
        (None, None) => None,
        (Some(_), None) => Some(Wanted::Absent),
        (Some(head), Some(index)) if head.mode == index.mode && head.oid == index.oid => None,
        (_, Some(index)) => Some(Wanted::File(index.clone())),
    }
}

enum Wanted {
    Absent,
    IntentToAdd(Mode),
    File(FileState),
    Unmerged(Vec<Stage>),
}

/// `Ok(None)` where the index says so already.
fn decide(reader: &Reader<'_>, entry: &Entry, wanted: Wanted) -> Result<Option<IndexOp>, &'static str> {
    if !reader.same_format {
        return Err("target_differs");
    }
    let new = match wanted {
        Wanted::Absent => IndexState::Absent,
        Wanted::IntentToAdd(mode @ (Mode::Regular | Mode::Executable | Mode::Symlink)) => {
            IndexState::IntentToAdd { mode }
        }
        Wanted::IntentToAdd(_) => return Err("not_written"),
        Wanted::File(state) => {
            let oid = storable(reader, &state)?;
            IndexState::Item { mode: state.mode, oid }
        }
        Wanted::Unmerged(stages) => {
            let mut states = Vec::with_capacity(stages.len());
            for Stage { stage, state, .. } in stages {
                let follows = states.last().is_none_or(|last: &StageState| last.stage < stage);
                if !(1..=3).contains(&stage) || !follows {
                    return Err("failed");
                }
                let oid = storable(reader, &state)?;
                states.push(StageState { stage, mode: state.mode, oid });
            }
            IndexState::Unmerged { stages: states }
        }
    };
    let now = reader.index.staged(&entry.path);
    if now == StagedItem::from(&new) {
        return Ok(None);
    }
    let head = match &entry.head {
        None => StagedItem::Absent,
        Some(FileState { oid: Some(oid), mode, .. }) => {
            StagedItem::Item(TreeItem { mode: mode.clone(), oid: *oid })
        }
        Some(_) => return Err("target_differs"),
    };
    match IndexState::of(&now) {
        Some(old) if now == head => {
            let bits = reader.index.bits(&entry.path);
            let (skipped, assumed) = (bits.skip_worktree, bits.assume_unchanged);
            Ok(Some(IndexOp { path: entry.path.clone(), old, new, skipped, assumed }))
        }
        _ => Err("target_differs"),
    }
}

/// The id that an index entry for `state` would name, if its object is here or can be written here.
fn storable(reader: &Reader<'_>, state: &FileState) -> Result<Oid, &'static str> {
    match (&state.mode, state.oid) {
        (Mode::Regular | Mode::Executable | Mode::Symlink, Some(oid)) => {
            let here = reader.repo.has_object(&oid);
            if !here && !state.blob.is_some_and(|blob| reader.snapshot.has_blob(&blob)) {
                return Err("failed");
            }
            Ok(oid)
        }
        // A commit of another repository is never written.
        _ => Err("not_written"),
    }
}

/// Makes the planned changes whose files were written, and counts them.
pub(super) fn restore(
    reader: &Reader<'_>,
    manifest: &RepoManifest,
    planned: Planned,
    files: &HashMap<&RelPath, &FileReport>,
    claim: &Path,
) -> StagingReport {
    let mut report = planned.report;
    let mut changes = Vec::new();
    let entries: HashMap<&RelPath, &Entry> =
        manifest.entries.iter().map(|entry| (&entry.path, entry)).collect();
    for op in planned.changes {
        if !files.get(&op.path).is_some_and(|file| is_ready(file)) {
            leave(&mut report, op.path, "not_written");
            continue;
        }
        let layers: Vec<&FileState> = entries
            .get(&op.path)
            .into_iter()
            .flat_map(|entry| entry.index.iter().chain(entry.flags.stages.iter().map(|stage| &stage.state)))
            .collect();
        if !are_stored(reader, &op.new, &layers) {
            leave(&mut report, op.path, "failed");
            continue;
        }
        changes.push(op);
    }
    write(reader.repo, &changes, false, claim, &mut report);
    report
}

/// Whether the objects that the entry will name are there, stored now where they were not.
fn are_stored(reader: &Reader<'_>, new: &IndexState, layers: &[&FileState]) -> bool {
    match new {
        IndexState::Absent | IndexState::IntentToAdd { .. } => true,
        IndexState::Item { oid, .. } => is_stored(reader, oid, layers),
        IndexState::Unmerged { stages } => stages.iter().all(|one| is_stored(reader, &one.oid, layers)),
    }
}

fn is_stored(reader: &Reader<'_>, oid: &Oid, layers: &[&FileState]) -> bool {
    if reader.repo.has_object(oid) {
        return true;
    }
    let layer = layers.iter().find(|layer| layer.oid == Some(*oid));
    let Some(bytes) = layer.and_then(|layer| layer.blob).and_then(|blob| reader.snapshot.blob(&blob).ok())
    else {
        return false;
    };
    // What is stored under the id must be what the id says.
    reader.repo.blob_oid(&bytes) == Some(*oid) && reader.repo.write_blob(&bytes).is_ok()
}

/// Puts the old entries back where the index still says what the apply made it say.
pub(super) fn put_back(repo: &Repo, ops: &[IndexOp], claim: &Path) -> StagingReport {
    let mut report = StagingReport::default();
    if ops.is_empty() {
        return report;
    }
    let Ok(index) = repo.index() else {
        for op in ops {
            leave(&mut report, op.path.clone(), "failed");
        }
        return report;
    };
    // What is as it was needs nothing; it may never have been changed.
    let changed: Vec<IndexOp> =
        ops.iter().filter(|op| index.staged(&op.path) != StagedItem::from(&op.old)).cloned().collect();
    write(repo, &changed, true, claim, &mut report);
    report
}

fn write(repo: &Repo, ops: &[IndexOp], backwards: bool, claim: &Path, report: &mut StagingReport) {
    if ops.is_empty() {
        return;
    }
    let changes: Vec<IndexChange> = ops
        .iter()
        .map(|op| {
            let (from, to) = if backwards { (&op.new, &op.old) } else { (&op.old, &op.new) };
            // Git shall look at what was just staged, and where it did not look before, not look again.
            let bits = if backwards {
                IndexBits { assume_unchanged: op.assumed, skip_worktree: op.skipped }
            } else {
                IndexBits::default()
            };
            IndexChange { path: op.path.clone(), expected: from.into(), wanted: to.into(), bits }
        })
        .collect();
    match repo.write_index(&changes, claim) {
        Ok(done) => {
            for (op, done) in ops.iter().zip(done) {
                if done {
                    report.restored += 1;
                } else {
                    leave(report, op.path.clone(), "target_differs");
                }
            }
        }
        Err(why) => {
            let reason = if matches!(why, Error::Busy { .. }) { "index_locked" } else { "failed" };
            for op in ops {
                leave(report, op.path.clone(), reason);
            }
        }
    }
    report.left_paths.sort();
}
