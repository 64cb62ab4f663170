//! Everything we ask of git: the only module that knows `gix`. Opened repositories run no program, take no
//! lock and write nothing unless a function's name says so.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::id::{ObjectFormat, Oid};
use crate::path::RelPath;
use crate::report::Drift;
use crate::snapshot::{Head, Mode, RepoIdentity};

/// One repository with a work tree, opened hardened.
pub(crate) struct Repo {}

/// What a tree or the index holds at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TreeItem {
    pub mode: Mode,
    pub oid: Oid,
}

/// Content as `git add` would store it.
pub(crate) struct Normalised {
    pub bytes: Vec<u8>,
    pub oid: Oid,
    /// Whether attributes or settings convert line endings of this path at all (it is text to git).
    pub converts_eol: bool,
    /// The filter attribute that was not run, as in `filter=lfs`.
    pub raw: Option<String>,
}

impl Repo {
    /// Opens the repository whose work tree is (or contains) `path`.
    pub fn open(path: &Path) -> Result<Self, Error> {
        todo!()
    }
    pub fn root(&self) -> &Path {
        todo!()
    }
    pub fn git_dir(&self) -> &Path {
        todo!()
    }
    pub fn common_dir(&self) -> &Path {
        todo!()
    }
    pub fn format(&self) -> ObjectFormat {
        todo!()
    }
    /// `core.fileMode`
    pub fn trusts_mode(&self) -> bool {
        todo!()
    }
    /// `core.symlinks`
    pub fn has_symlinks(&self) -> bool {
        todo!()
    }
    /// `core.ignoreCase`
    pub fn ignores_case(&self) -> bool {
        todo!()
    }
    pub fn head(&self) -> Result<Head, Error> {
        todo!()
    }
    pub fn identity(&self) -> Result<RepoIdentity, Error> {
        todo!()
    }
    pub fn has_object(&self, oid: &Oid) -> bool {
        todo!()
    }
    /// A blob's bytes; `None` when the object is absent (never fetched) or no blob.
    pub fn blob(&self, oid: &Oid) -> Result<Option<Vec<u8>>, Error> {
        todo!()
    }
    /// The id git gives a blob of these bytes.
    pub fn blob_oid(&self, bytes: &[u8]) -> Oid {
        todo!()
    }
    /// What HEAD's tree holds at `path`.
    pub fn head_item(&self, path: &RelPath) -> Result<Option<TreeItem>, Error> {
        todo!()
    }
    /// Every file of HEAD's tree with its id, for rename detection; in order of path.
    pub fn head_files(&self) -> Result<Vec<(RelPath, TreeItem)>, Error> {
        todo!()
    }
    /// Work-tree bytes as git would store them, by the target's attributes; never runs a filter.
    pub fn to_git(&self, path: &RelPath, worktree: &[u8]) -> Result<Normalised, Error> {
        todo!()
    }
    /// Stored bytes as git would check them out here (line endings, ident, encoding); never runs a filter.
    pub fn to_worktree(&self, path: &RelPath, stored: &[u8]) -> Result<Vec<u8>, Error> {
        todo!()
    }
    /// Relation of this repository's HEAD to the snapshot's.
    pub fn drift(&self, source: &Head) -> Result<Drift, Error> {
        todo!()
    }
    /// Stage-0 index entry at `path` (and whether the path has conflict stages).
    pub fn staged_item(&self, path: &RelPath) -> Result<StagedItem, Error> {
        todo!()
    }
    /// Sets, adds or removes index entries under git's own `index.lock`, dropping the cached tree. Each change
    /// is made only where the present entry equals `expected`. Returns one flag per change. Fails with `Busy` when locked.
    pub fn write_index(&self, changes: &[IndexChange]) -> Result<Vec<bool>, Error> {
        todo!()
    }
    /// Stores a blob as a loose object (needed for staged content).
    pub fn write_blob(&self, bytes: &[u8]) -> Result<Oid, Error> {
        todo!()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StagedItem {
    Absent,
    Item(TreeItem),
    IntentToAdd,
    Unmerged,
}

/// One wanted change of the index.
pub(crate) struct IndexChange {
    pub path: RelPath,
    pub expected: StagedItem,
    pub wanted: StagedItem,
}
