//! The only code that opens paths below a root. Every read, write, delete, chmod and undo of a work tree goes
//! through directory handles from here, so that no symlink on the way is ever followed and no git directory
//! is ever entered, whatever somebody else does to the tree meanwhile.
//!
//! Every directory is reached component by component from the root's handle; each one is refused when it is a
//! known git directory by device and inode, whatever its name, or when it holds a `.git` of its own. On Linux
//! the kernel's `openat2` also guarantees that a lookup stays beneath the root; elsewhere, and where a sandbox
//! forbids that call, each component is opened with `O_NOFOLLOW`, which gives the same result with more calls.
//!
//! **What a handle promises.** A [`Dir`] is a directory's identity, not its name. A directory that is renamed
//! after it was opened is still the one that was judged, so work on it lands in what was inside the root at
//! that moment, and never in anything that was outside, such as the target of a link put in its place. Somebody
//! who may rename directories out of the root could move single files just as well. [`Root::dir`] therefore
//! never hands out a cached handle without looking the path up anew: when the path leads elsewhere by now, the
//! handle is dropped and the path is judged again.

mod cache;
mod dir;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
mod portable;
mod root;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io;

use rustix::fs::FileType;

use crate::path::PathFault;

pub(crate) use crate::error::errno_name;
pub(crate) use dir::Dir;
pub(crate) use root::Root;

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

/// Device and inode: what makes two handles the same directory.
type Identity = (u64, u64);

/// Directories that are never entered.
type GitDirs = HashSet<Identity>;

impl Stat {
    fn identity(&self) -> Identity {
        (self.device, self.inode)
    }
}

impl From<rustix::fs::Stat> for Stat {
    // The fields' types differ between systems; every value fits the type it is cast to.
    #[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
    fn from(stat: rustix::fs::Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode as _) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Dir,
            FileType::Symlink => Kind::Symlink,
            _ => Kind::Special,
        };
        Self {
            kind,
            size: stat.st_size as u64,
            mode: stat.st_mode as u32 & 0o7777,
            links: stat.st_nlink as u64,
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            mtime: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
            ctime: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
        }
    }
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
    /// The path itself is one that no root opens, such as one with `..` in it.
    Path(PathFault),
    Io(io::Error),
}

impl Refusal {
    /// The stable word. For `Io` it is `io_error`, and [`errno_name`] of the error says more.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::ParentIsSymlink => "parent_is_symlink",
            Self::ParentIsGitDir => "parent_is_git_dir",
            Self::ParentIsSubmodule => "parent_is_submodule",
            Self::ParentIsFile => "parent_is_file",
            Self::Missing => "parent_missing",
            Self::Path(fault) => fault.reason(),
            Self::Io(_) => "io_error",
        }
    }
}

impl From<rustix::io::Errno> for Refusal {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Io(errno.into())
    }
}
