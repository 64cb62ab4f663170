//! The manifest: which repositories, which changed paths, in which state. Plain data; `docs/wire-format.md` describes it.
//! Fields stand in alphabetical order, as in the canonical form. Every struct keeps fields it does not know in `extra`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::{ObjectFormat, Oid};
use crate::names::names;
use crate::path::RelPath;

mod history;
mod omission;

pub use history::{History, HistoryCut, HistoryCutReason, HistoryPart};
pub use omission::{Omission, OmissionReason};

/// Fields of a newer version, kept so that they survive being read and written by this one.
pub type Extra = BTreeMap<String, serde_json::Value>;

/// The format this version writes, and the only major version it reads.
pub const FORMAT: &str = "handoff-snapshot/1";

/// Everything a snapshot says, without the contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// Facts about the source that the caller chose to share; empty by default.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// [`FORMAT`].
    pub format: String,
    /// Files outside any repository, in order of path, which is a logical name: it says nothing of where the file
    /// was. Only the work-tree layer of these entries means anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loose_files: Vec<Entry>,
    /// Files outside any repository that are not carried, with the reason, in order of path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loose_omissions: Vec<Omission>,
    /// Why the capture ended early; absent in a whole snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<PartialReason>,
    /// One per repository, in the order of their names.
    pub repos: Vec<RepoManifest>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

names! {
    /// Why a snapshot does not hold everything that was asked for.
    PartialReason {
        /// The deadline passed.
        Deadline = "deadline",
        /// It was cancelled, and the caller wanted what was there.
        Cancelled = "cancelled",
    }
}

/// What is known of one repository and what changed in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RepoManifest {
    /// One for each changed path that is carried, in order of path.
    pub entries: Vec<Entry>,
    /// Set when the repository could not be captured; it then has no entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<RepoFailure>,
    /// What kind of checkout it is.
    #[serde(default, skip_serializing_if = "RepoFlags::is_default")]
    pub flags: RepoFlags,
    /// Where its HEAD was.
    pub head: Head,
    /// Commits that HEAD has and no remote-tracking ref has; absent when there are none, or nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
    /// What makes it the same repository on another machine.
    pub id: RepoIdentity,
    /// The logical name, unique in the snapshot; a nested repository is named `parent/path`. Never an absolute path.
    pub name: String,
    /// How it names objects; absent when the repository could not be opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_format: Option<ObjectFormat>,
    /// Changed paths that are not carried, with the reason, in order of path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub omissions: Vec<Omission>,
    /// A merge, rebase or the like that was under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// How many stashes there were; they do not travel.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stashes: u64,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Why a repository could not be captured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RepoFailure {
    /// The [`ErrorKind`](crate::ErrorKind)'s stable name.
    pub kind: String,
    /// The message, without absolute paths.
    pub message: String,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What kind of checkout a repository is. All false in an ordinary one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RepoFlags {
    /// A linked work tree (`git worktree add`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub linked_worktree: bool,
    /// A partial clone: some objects are only at the remote.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial_clone: bool,
    /// History is cut off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shallow: bool,
    /// Only part of the tree is checked out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sparse: bool,
    /// A submodule of another repository.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub submodule: bool,
    /// HEAD, index, upstream or names kept changing while the capture ran; its parts may be of different moments.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub workspace_moving: bool,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl RepoFlags {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What makes two checkouts the same repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RepoIdentity {
    /// Normalised remote locations (`host/path`, without scheme, user, password, port, query or `.git`), sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remotes: Vec<String>,
    /// The parentless commit that HEAD's first parents lead to; only filled where there is no remote to go by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roots: Vec<Oid>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Where HEAD was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Head {
    /// Commits here that the upstream does not have; absent when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<u64>,
    /// Commits the upstream has that are not here; absent when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<u64>,
    /// The branch without `refs/heads/`; absent when HEAD is detached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit; absent when the branch has none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Oid>,
    /// The branch it follows, as in `origin/main`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// An operation of git that was under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Operation {
    /// The commits it is about, such as `MERGE_HEAD`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<Oid>,
    /// Which operation.
    pub kind: OperationKind,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

names! {
    /// An operation of git that can be left half done.
    OperationKind {
        /// `git merge`.
        Merge = "merge",
        /// `git rebase`.
        Rebase = "rebase",
        /// `git am`.
        Am = "am",
        /// `git cherry-pick`.
        CherryPick = "cherry_pick",
        /// `git revert`.
        Revert = "revert",
        /// `git bisect`.
        Bisect = "bisect",
    }
}

/// One changed path, in git's three layers. A layer that is absent means that the path does not exist there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// What is special about it.
    #[serde(default, skip_serializing_if = "EntryFlags::is_default")]
    pub flags: EntryFlags,
    /// As committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<FileState>,
    /// As staged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<FileState>,
    /// Relative to the repository's root.
    pub path: RelPath,
    /// As it is on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worktree: Option<FileState>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A file in one layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FileState {
    /// The SHA-256 of the content, which is then in the snapshot; absent when the content does not travel
    /// (an unchanged layer, bases left out by request, gitlinks). A symlink's content is its target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<Digest>,
    /// How the line endings relate to what the source's git would check out; absent where git converts nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eol: Option<Eol>,
    /// What kind of file.
    pub mode: Mode,
    /// Git's id of the content, normalised as `git add` would; absent for what git cannot name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oid: Option<Oid>,
    /// Bytes of the content as it is in this layer; 0 for gitlinks.
    pub size: u64,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

names! {
    /// Work-tree line endings against those git would write.
    Eol {
        /// The bytes are exactly what a checkout at the source writes, so another machine may use its own endings.
        Native = "native",
        /// The bytes differ from what a checkout writes (mixed endings, say), so they travel as they are.
        Verbatim = "verbatim",
    }
}

names! {
    /// What kind of file a path is.
    Mode {
        /// A file.
        Regular = "regular",
        /// A file that may be executed.
        Executable = "executable",
        /// A symbolic link; its content is the target.
        Symlink = "symlink",
        /// A commit of another repository.
        Gitlink = "gitlink",
    }
}

impl Mode {
    /// Whether this is a file with content of its own, executable or not.
    pub const fn is_file(&self) -> bool {
        matches!(self, Self::Regular | Self::Executable)
    }
}

/// What is special about an entry. All absent for an ordinary change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EntryFlags {
    /// Rules for secrets that the caller set aside for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_secrets: Vec<String>,
    /// The index says to assume it unchanged, though it is not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assume_unchanged: bool,
    /// A file that some tool runs by itself: hook settings, CI workflows, editor tasks, agent settings.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto_run: bool,
    /// Not a file but an empty directory; where `head` is a file, the directory has taken its place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_dir: bool,
    /// Ignored by git at the source, and carried because it was asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignored: bool,
    /// Staged as "will be added", without content (`git add -N`): `index` then says only which mode was noted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub intent_to_add: bool,
    /// The content is not normalised: the attribute that would (`filter=lfs`), which was not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// The index says to skip it in the work tree, though it is there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skip_worktree: bool,
    /// Stages of a conflict, when the index has one here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Stage>,
    /// It was never quiet for long enough; the content may be torn, partly of an older version.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unstable: bool,
    /// Neither committed nor staged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untracked: bool,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl EntryFlags {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// One side of a conflict in the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Stage {
    /// 1 the common ancestor, 2 ours, 3 theirs.
    pub stage: u8,
    /// What it holds.
    pub state: FileState,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}
