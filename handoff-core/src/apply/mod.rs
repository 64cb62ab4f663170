//! Apply: best-effort restore of a snapshot, with a truthful report.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::id::ApplyId;
use crate::progress::Control;
use crate::report::ApplyReport;
use crate::snapshot::Snapshot;
use crate::workspace::Workspace;

/// How to apply.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ApplyOptions {
    /// What to do where the target disagrees.
    pub on_conflict: OnConflict,
    /// Whether staged state is restored.
    pub staging: Staging,
    /// How hard a crash or power cut may hit.
    pub durability: Durability,
    /// Whether symlinks may point out of the work tree.
    pub symlinks: SymlinkPolicy,
    /// Snapshot repository name → workspace repository name; overrides matching by identity.
    pub map: BTreeMap<String, String>,
    /// Progress and cancellation.
    pub control: Control,
}

/// What to do with a path on which snapshot and target disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnConflict {
    /// Leave the target untouched and keep the incoming version beside the journal.
    #[default]
    Keep,
    /// Write diff3-style conflict markers into text files; otherwise as `Keep`.
    Markers,
    /// Take the snapshot's version; the target's goes to the journal.
    Theirs,
}

/// Whether the index is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Staging {
    /// Where the target's index entry equals the snapshot's HEAD.
    #[default]
    Restore,
    /// The index is left alone.
    Leave,
}

/// How much is made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// Contents, journal and directories survive a power cut: one sync of the file system before the journal
    /// is sealed and one after the last rename.
    #[default]
    Full,
    /// Survives a crash of the process, not a power cut.
    Process,
}

/// Which symlinks are created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SymlinkPolicy {
    /// Only links whose target stays in the work tree and outside any git directory.
    #[default]
    Inside,
    /// Also absolute targets and targets above the root; never into a git directory.
    Anywhere,
}

/// Applies `snapshot` to `workspace`.
pub fn apply(
    snapshot: &Snapshot,
    workspace: &Workspace,
    options: &ApplyOptions,
) -> Result<ApplyReport, Error> {
    todo!()
}

/// The report that [`apply`] would give, without writing anything.
pub fn preview(
    snapshot: &Snapshot,
    workspace: &Workspace,
    options: &ApplyOptions,
) -> Result<ApplyReport, Error> {
    todo!()
}

/// Puts back what the apply `id` replaced, file by file, where the file is still as the apply left it.
pub fn undo(workspace: &Workspace, id: &ApplyId, control: &Control) -> Result<ApplyReport, Error> {
    todo!()
}
