//! The only code that opens paths below a root. Every read, write, delete, chmod and undo of a work tree goes
//! through directory handles from here, so that no symlink on the way is ever followed and no git directory
//! is ever entered, whatever somebody else does to the tree meanwhile.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// A work tree opened by handle.
pub(crate) struct Root {}

/// A directory below a [`Root`], opened by handle.
pub(crate) struct Dir {}

/// What `lstat` says, as far as we care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub kind: Kind,
    pub size: u64,
    /// Permission bits only (07777).
    pub mode: u32,
    pub links: u64,
    pub device: u64,
    pub inode: u64,
    pub mtime: (i64, u32),
    pub ctime: (i64, u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Dir,
    Symlink,
    /// Pipe, socket, device.
    Special,
}

/// Why a path cannot be reached. `reason()` is the stable word of reports.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// A component on the way is a symlink.
    ParentIsSymlink,
    /// A component on the way is a git directory, by identity.
    ParentIsGitDir,
    /// A component on the way is a repository of its own that the snapshot does not name.
    ParentIsSubmodule,
    /// A component on the way exists and is not a directory.
    ParentIsFile,
    /// A component on the way does not exist.
    Missing,
    Io(io::Error),
}

impl Root {
    /// Opens the work tree at `path`. `git_dirs` are directories that must never be entered, by device and inode
    /// (git dir, common dir); `.git` names are refused besides.
    pub fn open(path: &Path, git_dirs: &[PathBuf]) -> Result<Self, Error> {
        todo!()
    }
    /// The root itself.
    pub fn top(&self) -> &Dir {
        todo!()
    }
    /// The directory `path` (components joined by `/`; empty = the root), no symlink on the way, cached handles.
    pub fn dir(&self, path: &[u8]) -> Result<Dir, Refusal> {
        todo!()
    }
    /// Like [`dir`](Self::dir), making missing directories (0777 & !umask); each one made is pushed to `made`, outermost first.
    pub fn dir_create(&self, path: &[u8], made: &mut Vec<Vec<u8>>) -> Result<Dir, Refusal> {
        todo!()
    }
}

impl Dir {
    /// Opens a directory that is no work tree (the journal's), refusing a symlink as the last component.
    pub fn open(path: &Path) -> io::Result<Self> {
        todo!()
    }
    /// `lstat` of `name`; `None` when it does not exist.
    pub fn stat(&self, name: &[u8]) -> io::Result<Option<Stat>> {
        todo!()
    }
    /// `fstat` of the directory itself.
    pub fn own_stat(&self) -> io::Result<Stat> {
        todo!()
    }
    /// Opens a regular file for reading; never blocks on a pipe, never follows a symlink.
    pub fn open_file(&self, name: &[u8]) -> io::Result<File> {
        todo!()
    }
    pub fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        todo!()
    }
    /// Names in the directory without `.` and `..`, unsorted.
    pub fn names(&self) -> io::Result<Vec<Vec<u8>>> {
        todo!()
    }
    /// A new file for writing (`O_EXCL`), permission bits `mode` & !umask.
    pub fn create_new(&self, name: &[u8], mode: u32) -> io::Result<File> {
        todo!()
    }
    pub fn symlink(&self, name: &[u8], target: &[u8]) -> io::Result<()> {
        todo!()
    }
    pub fn mkdir(&self, name: &[u8]) -> io::Result<()> {
        todo!()
    }
    /// Opens a sub-directory, no symlink.
    pub fn subdir(&self, name: &[u8]) -> io::Result<Dir> {
        todo!()
    }
    /// Renames `name` to `to`/`to_name`, which must not exist (`EEXIST` else).
    pub fn rename_new(&self, name: &[u8], to: &Dir, to_name: &[u8]) -> io::Result<()> {
        todo!()
    }
    /// Exchanges two existing names at once. `Ok(false)` where the file system cannot; nothing was done then.
    pub fn exchange(&self, name: &[u8], other: &Dir, other_name: &[u8]) -> io::Result<bool> {
        todo!()
    }
    /// Renames over whatever file is there; the fall-back where `exchange` is missing.
    pub fn rename_over(&self, name: &[u8], to: &Dir, to_name: &[u8]) -> io::Result<()> {
        todo!()
    }
    /// Gives an existing file a second name (for keeping a pre-image before `rename_over`).
    pub fn hard_link(&self, name: &[u8], to: &Dir, to_name: &[u8]) -> io::Result<()> {
        todo!()
    }
    pub fn remove_file(&self, name: &[u8]) -> io::Result<()> {
        todo!()
    }
    /// Removes an empty directory.
    pub fn remove_dir(&self, name: &[u8]) -> io::Result<()> {
        todo!()
    }
    /// Makes the directory's entries durable.
    pub fn sync(&self) -> io::Result<()> {
        todo!()
    }
    pub fn try_clone(&self) -> io::Result<Dir> {
        todo!()
    }
}
