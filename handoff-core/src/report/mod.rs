//! What an apply, preview or undo did: every path of the manifest exactly once, and a text an agent can read.

mod display;
mod history;
#[cfg(test)]
mod tests;

pub use history::{HistoryOutcome, HistoryReport};

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::{ApplyId, Oid, SnapshotId};
use crate::names::names;
use crate::path::RelPath;

/// The full record of one apply, preview or undo. `Display` is the bounded text for an agent or a person;
/// the JSON form holds everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ApplyReport {
    /// What was done.
    pub action: Action,
    /// Names the apply for [`undo`](crate::undo); absent in a preview and where nothing was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply_id: Option<ApplyId>,
    /// What happened to files outside any repository; absent where the snapshot has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loose: Option<LooseReport>,
    /// One per repository of the snapshot, in its order.
    pub repos: Vec<RepoReport>,
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// All of it in one word.
    pub verdict: Verdict,
}

names! {
    /// What a report is about.
    Action {
        /// Files were written.
        Apply = "apply",
        /// The decisions of an apply, without writing.
        Preview = "preview",
        /// What an apply replaced was put back.
        Undo = "undo",
    }
}

names! {
    /// A report in one word.
    Verdict {
        /// Every path that was carried is in place (`unchanged`, `applied` or `merged`) and nothing was left behind.
        Complete = "complete",
        /// Some paths are in place and some are not.
        Partial = "partial",
        /// No path is in place.
        NothingApplied = "nothing_applied",
    }
}

/// What happened in one repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RepoReport {
    /// How the target's history relates to the snapshot's.
    pub drift: Drift,
    /// One per path of the repository's manifest: its entries and omissions.
    pub files: Vec<FileReport>,
    /// Things a reader should know about the repository as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What became of the commits that the source had not pushed; absent where there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryReport>,
    /// The repository's name in the snapshot.
    pub name: String,
    /// What became of the staged state.
    pub staging: StagingReport,
    /// The target's work tree on this machine; absent when no repository here matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<PathBuf>,
}

/// What happened to files outside any repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LooseReport {
    /// One per loose file of the manifest, carried or not.
    pub files: Vec<FileReport>,
    /// Things a reader should know about all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The directory on this machine below which they are; absent when the workspace names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<PathBuf>,
}

/// How the target's HEAD relates to the snapshot's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Drift {
    /// Commits at the target that the snapshot's HEAD lacks, where countable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<u64>,
    /// Commits of the snapshot's HEAD that the target lacks, where countable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<u64>,
    /// The relation.
    pub kind: DriftKind,
    /// What to do about it, for people; empty when nothing needs doing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
    /// The snapshot's HEAD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Oid>,
    /// The target's HEAD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Oid>,
}

names! {
    /// How two HEADs relate.
    DriftKind {
        /// The same commit (or both without one).
        Same = "same",
        /// The target has the snapshot's commit and more.
        Ahead = "ahead",
        /// The target lacks commits of the snapshot's HEAD.
        Behind = "behind",
        /// Both have commits the other lacks.
        Diverged = "diverged",
        /// They share no history.
        Unrelated = "unrelated",
        /// The target does not have the snapshot's commit, so the relation cannot be told.
        BaseMissing = "base_missing",
        /// No repository here matches.
        NoTarget = "no_target",
    }
}

/// One path's fate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FileReport {
    /// Where the change landed, when the target has renamed the path; for a path that the snapshot
    /// deletes, where it has moved the file: the target's change of it went along, or is in conflict with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<RelPath>,
    /// Some tool runs this file by itself, so a host may want to ask first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto_run: bool,
    /// What exactly: for `applied` created, modified, deleted, mode or type; for `conflict` its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Detail>,
    /// SHA-256 of what is on disk after the apply (of a symlink's target text); absent when nothing is there or it was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Digest>,
    /// Where the incoming version was kept, when it was not put in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incoming: Option<PathBuf>,
    /// Things worth knowing: `hardlink_broken`, `portability`, `concurrent_edit`, `unstable`, `raw`, and so on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// What happened.
    pub outcome: Outcome,
    /// The path in the snapshot.
    pub path: RelPath,
    /// Why, for `skipped`, `failed` and `not_captured`: a stable word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The operating system's words for `failed`, or more about a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

names! {
    /// What happened to a path.
    Outcome {
        /// Already as in the snapshot; not written.
        Unchanged = "unchanged",
        /// Written, and the bytes on disk were hashed again.
        Applied = "applied",
        /// Both sides had changed it; the combination was written and hashed.
        Merged = "merged",
        /// The target disagrees; see `detail`.
        Conflict = "conflict",
        /// A rule refuses it; see `reason`.
        Skipped = "skipped",
        /// Reading or writing failed; see `reason` and `message`.
        Failed = "failed",
        /// The snapshot does not carry it; see `reason`.
        NotCaptured = "not_captured",
    }
}

names! {
    /// What exactly was applied, or in what the sides disagree.
    Detail {
        /// A new file.
        Created = "created",
        /// New content.
        Modified = "modified",
        /// Removed.
        Deleted = "deleted",
        /// Only the executable bit.
        Mode = "mode",
        /// Another kind of file; as a conflict, the sides changed the kind differently.
        Type = "type",
        /// Conflict: overlapping changes of text.
        Content = "content",
        /// Conflict: both changed a file that is not text.
        Binary = "binary",
        /// Conflict: the snapshot deletes what the target changed.
        ModifiedHere = "modified_here",
        /// Conflict: the snapshot changes what the target deleted.
        DeletedHere = "deleted_here",
        /// Conflict: the snapshot creates what the target has with other content.
        ExistsHere = "exists_here",
        /// Conflict: the file was changed by somebody else while the apply ran.
        ConcurrentEdit = "concurrent_edit",
    }
}

names! {
    /// Something worth knowing about a path that is in place.
    Note {
        /// The file had several names (hard links); the others keep the old content.
        HardlinkBroken = "hardlink_broken",
        /// The name cannot exist on every system.
        Portability = "portability",
        /// The source file kept changing while it was captured.
        Unstable = "unstable",
        /// The content was carried without running the filter that an attribute names.
        Raw = "raw",
        /// The conflict markers were written into the file.
        Markers = "markers",
        /// The snapshot's version replaced the target's, as asked; the target's is in the journal.
        TookTheirs = "took_theirs",
        /// Line endings were converted to the target's.
        EolConverted = "eol_converted",
        /// The file system cannot exchange two files at once, so a write in the same instant may go unnoticed.
        WeakCas = "weak_cas",
        /// The index of the source hides the edit from git (assume-unchanged or skip-worktree); here git sees it.
        HiddenAtSource = "hidden_at_source",
        /// Replaced between planning and writing; both versions were kept.
        ConcurrentEdit = "concurrent_edit",
    }
}

/// Something about a repository as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// A stable word.
    pub kind: FindingKind,
    /// For people.
    pub message: String,
}

names! {
    /// What a finding is about.
    FindingKind {
        /// The source could not capture this repository.
        CaptureFailed = "capture_failed",
        /// The capture ended early.
        Partial = "partial",
        /// The source kept changing during the capture.
        WorkspaceMoving = "workspace_moving",
        /// The source was in the middle of an operation of git.
        Operation = "operation",
        /// An apply that had been interrupted was finished or rolled back first.
        Recovered = "recovered",
        /// No repository here is the one in the snapshot.
        NoTarget = "no_target",
        /// Nothing could be written, as in a read-only target.
        CannotWrite = "cannot_write",
        /// Some entry names of the snapshot cannot be told apart here.
        Collision = "collision",
        /// The source had stashes, which do not travel.
        Stashes = "stashes",
    }
}

/// What became of the staged state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StagingReport {
    /// Index entries that now are as in the snapshot.
    pub restored: u64,
    /// Paths whose staged state could not be restored, with a stable reason each: `target_differs`, `index_locked`,
    /// `not_written`, `unmerged`, `failed`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left: BTreeMap<String, u64>,
    /// The paths behind `left`, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_paths: Vec<(RelPath, String)>,
}

impl ApplyReport {
    /// A report with its verdict. `whole` says that the snapshot itself lacks nothing.
    pub(crate) fn new(
        action: Action,
        apply_id: Option<ApplyId>,
        repos: Vec<RepoReport>,
        loose: Option<LooseReport>,
        snapshot: SnapshotId,
        whole: bool,
    ) -> Self {
        let mut report = Self { action, apply_id, loose, repos, snapshot, verdict: Verdict::Complete };
        report.verdict = report.judge(whole);
        report
    }

    /// Every file report with the name of its repository, which is empty for files outside any.
    pub fn files(&self) -> impl Iterator<Item = (&str, &FileReport)> {
        let loose = self.loose.iter().flat_map(|loose| &loose.files).map(|file| ("", file));
        let repos = self.repos.iter();
        repos.flat_map(|repo| repo.files.iter().map(move |file| (repo.name.as_str(), file))).chain(loose)
    }

    /// All in one word. What git ignores and what the caller excluded was not asked for, so its absence is no fault.
    fn judge(&self, whole: bool) -> Verdict {
        let left = self.repos.iter().map(|repo| repo.staging.left_paths.len()).sum::<usize>();
        let behind =
            self.repos.iter().filter_map(|repo| repo.history.as_ref()).filter(|it| it.is_lacking()).count();
        let (mut placed, mut missing) = (0_usize, usize::from(!whole) + left + behind);
        for (_, file) in self.files() {
            match file.outcome {
                Outcome::Unchanged | Outcome::Applied | Outcome::Merged => placed += 1,
                Outcome::NotCaptured if matches!(file.reason.as_deref(), Some("ignored" | "excluded")) => {}
                _ => missing += 1,
            }
        }
        match (placed, missing) {
            (_, 0) => Verdict::Complete,
            (0, _) => Verdict::NothingApplied,
            _ => Verdict::Partial,
        }
    }

    /// How many paths ended with `outcome`.
    pub fn count(&self, outcome: &Outcome) -> usize {
        self.files().filter(|(_, file)| file.outcome == *outcome).count()
    }
}

impl FileReport {
    /// A report with nothing but a path and an outcome.
    pub(crate) fn new(path: RelPath, outcome: Outcome) -> Self {
        Self {
            at: None,
            auto_run: false,
            detail: None,
            hash: None,
            incoming: None,
            notes: Vec::new(),
            outcome,
            path,
            reason: None,
            message: None,
        }
    }
}
