//! One directory, by handle. Every name is a single component; nothing here follows a symlink.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{
    AtFlags, Mode, OFlags, fstat, fsync, linkat, mkdirat, openat, readlinkat, renameat, statat, symlinkat,
    unlinkat,
};
use rustix::io::Errno;

use super::root::open_plain;
use super::{GitDirs, Identity, Kind, Stat, portable};
use crate::path::check_component;

/// A directory below a [`Root`](super::Root) or beside it, opened by handle. Cloning shares the handle.
///
/// Names with a `/` or NUL, `.`, `..` and the empty name are refused with `EINVAL`. A name that any file
/// system takes for `.git` can be looked at, but is neither created, replaced nor removed: `EPERM`.
#[derive(Clone)]
pub(crate) struct Dir {
    fd: Arc<OwnedFd>,
    /// Directories that [`subdir`](Self::subdir) refuses to enter.
    git_dirs: Arc<GitDirs>,
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Dir {
    /// Opens a directory that is no work tree (the journal's), refusing a symlink as the last component.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self::guarded(open_plain(path)?, Arc::default()))
    }

    pub(super) fn guarded(fd: OwnedFd, git_dirs: Arc<GitDirs>) -> Self {
        Self { fd: Arc::new(fd), git_dirs }
    }

    pub(super) fn identity(&self) -> io::Result<Identity> {
        Ok(self.own_stat()?.identity())
    }

    /// `lstat` of `name`; `None` when it does not exist.
    pub(crate) fn stat(&self, name: &[u8]) -> io::Result<Option<Stat>> {
        plain(name)?;
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat.into())),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// `fstat` of the directory itself.
    pub(crate) fn own_stat(&self) -> io::Result<Stat> {
        Ok(fstat(&self.fd)?.into())
    }

    /// Opens a regular file for reading; never blocks on a pipe, never follows a symlink.
    ///
    /// # Errors
    /// `ELOOP` for a symlink, `EISDIR` for a directory, `ENXIO` for a pipe, socket or device.
    pub(crate) fn open_file(&self, name: &[u8]) -> io::Result<File> {
        plain(name)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = openat(&self.fd, name, flags, Mode::empty())?;
        match Stat::from(fstat(&fd)?).kind {
            Kind::File => Ok(fd.into()),
            Kind::Dir => Err(Errno::ISDIR.into()),
            Kind::Symlink => Err(Errno::LOOP.into()),
            Kind::Special => Err(Errno::NXIO.into()),
        }
    }

    /// Opens an existing regular file for appending, under the same rules as [`open_file`](Self::open_file).
    pub(crate) fn append_file(&self, name: &[u8]) -> io::Result<File> {
        writable(name)?;
        let flags = OFlags::WRONLY
            | OFlags::APPEND
            | OFlags::NONBLOCK
            | OFlags::NOFOLLOW
            | OFlags::NOCTTY
            | OFlags::CLOEXEC;
        let fd = openat(&self.fd, name, flags, Mode::empty())?;
        match Stat::from(fstat(&fd)?).kind {
            Kind::File => Ok(fd.into()),
            _ => Err(Errno::NXIO.into()),
        }
    }

    /// The target of a symlink, as bytes.
    pub(crate) fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        plain(name)?;
        Ok(readlinkat(&self.fd, name, Vec::new())?.into_bytes())
    }

    /// Names in the directory without `.` and `..`, unsorted.
    pub(crate) fn names(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                names.push(name.to_vec());
            }
        }
        Ok(names)
    }

    /// A new file, open for writing and for reading back (`O_EXCL`), permission bits `mode` & !umask.
    pub(crate) fn create_new(&self, name: &[u8], mode: u32) -> io::Result<File> {
        writable(name)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Only the nine permission bits: no set-id or sticky bit is ever made.
        Ok(openat(&self.fd, name, flags, Mode::from_raw_mode((mode & 0o777) as _))?.into())
    }

    pub(crate) fn symlink(&self, name: &[u8], target: &[u8]) -> io::Result<()> {
        writable(name)?;
        Ok(symlinkat(target, &self.fd, name)?)
    }

    /// A new directory, 0777 & !umask.
    pub(crate) fn mkdir(&self, name: &[u8]) -> io::Result<()> {
        writable(name)?;
        Ok(mkdirat(&self.fd, name, Mode::from_raw_mode(0o777))?)
    }

    /// Opens a sub-directory, no symlink. Below a root, a git directory is refused by identity (`EPERM`); whether
    /// the directory holds a repository of its own is for the caller to see, as in [`Root::dir`](super::Root::dir).
    pub(crate) fn subdir(&self, name: &[u8]) -> io::Result<Self> {
        plain(name)?;
        let fd = portable::open_dir(self.as_fd(), name)?;
        if !self.git_dirs.is_empty() && self.git_dirs.contains(&Stat::from(fstat(&fd)?).identity()) {
            return Err(Errno::PERM.into());
        }
        Ok(Self::guarded(fd, Arc::clone(&self.git_dirs)))
    }

    /// Renames `name` to `to`/`to_name`, which must not exist (`EEXIST` else). Where the file system cannot do
    /// that at once, a file gets its second name before it loses the first, so a crash may leave both.
    pub(crate) fn rename_new(&self, name: &[u8], to: &Self, to_name: &[u8]) -> io::Result<()> {
        writable(name)?;
        writable(to_name)?;
        match rename_noreplace(self, name, to, to_name) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            other => return Ok(other?),
        }
        self.rename_by_link(name, to, to_name)
    }

    /// Not over anything either, since a link cannot be made where something is.
    pub(super) fn rename_by_link(&self, name: &[u8], to: &Self, to_name: &[u8]) -> io::Result<()> {
        self.hard_link(name, to, to_name)?;
        self.remove_file(name)
    }

    /// Exchanges two existing names at once. `Ok(false)` where the file system cannot; nothing was done then.
    pub(crate) fn exchange(&self, name: &[u8], other: &Self, other_name: &[u8]) -> io::Result<bool> {
        writable(name)?;
        writable(other_name)?;
        match rename_exchange(self, name, other, other_name) {
            Ok(()) => Ok(true),
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Renames over whatever file is there; the fall-back where `exchange` is missing.
    pub(crate) fn rename_over(&self, name: &[u8], to: &Self, to_name: &[u8]) -> io::Result<()> {
        writable(name)?;
        writable(to_name)?;
        Ok(renameat(&self.fd, name, &to.fd, to_name)?)
    }

    /// Gives an existing file a second name (for keeping a pre-image before `rename_over`). Of a symlink, the
    /// link itself gets it.
    pub(crate) fn hard_link(&self, name: &[u8], to: &Self, to_name: &[u8]) -> io::Result<()> {
        writable(name)?;
        writable(to_name)?;
        Ok(linkat(&self.fd, name, &to.fd, to_name, AtFlags::empty())?)
    }

    pub(crate) fn remove_file(&self, name: &[u8]) -> io::Result<()> {
        writable(name)?;
        Ok(unlinkat(&self.fd, name, AtFlags::empty())?)
    }

    /// Removes an empty directory.
    pub(crate) fn remove_dir(&self, name: &[u8]) -> io::Result<()> {
        writable(name)?;
        Ok(unlinkat(&self.fd, name, AtFlags::REMOVEDIR)?)
    }

    /// Makes the directory's entries durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match fsync(&self.fd) {
            // A handle that may only be entered cannot be synced. Neither can directories of some file systems,
            // which say so with EINVAL and have nothing to sync.
            Err(Errno::BADF) => Err(Errno::ACCESS.into()),
            Err(Errno::INVAL) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Whether the file system of this directory keeps the names `a` and `b` apart, found by making a file `a`,
    /// looking for `b` and removing the file. The directory should be a scratch one that nobody else uses: where
    /// folding of case is set per directory, it is this directory's setting that answers.
    ///
    /// # Errors
    /// `EEXIST` when `a` exists already; whatever the file system says to a name it cannot store.
    pub(crate) fn distinguishes(&self, a: &[u8], b: &[u8]) -> io::Result<bool> {
        if a == b {
            return Ok(false);
        }
        drop(self.create_new(a, 0o600)?);
        let found = self.stat(b);
        self.remove_file(a)?;
        Ok(found?.is_none())
    }
}

/// A name that is one component.
fn plain(name: &[u8]) -> io::Result<()> {
    let whole = matches!(name, b"" | b"." | b"..") || name.iter().any(|byte| matches!(byte, b'/' | 0));
    if whole { Err(Errno::INVAL.into()) } else { Ok(()) }
}

/// A name that may be created, replaced or removed.
fn writable(name: &[u8]) -> io::Result<()> {
    plain(name)?;
    check_component(name).map_err(|_| Errno::PERM.into())
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_noreplace(from: &Dir, name: &[u8], to: &Dir, to_name: &[u8]) -> Result<(), Errno> {
    rustix::fs::renameat_with(&from.fd, name, &to.fd, to_name, rustix::fs::RenameFlags::NOREPLACE)
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_exchange(from: &Dir, name: &[u8], to: &Dir, to_name: &[u8]) -> Result<(), Errno> {
    rustix::fs::renameat_with(&from.fd, name, &to.fd, to_name, rustix::fs::RenameFlags::EXCHANGE)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_noreplace(_: &Dir, _: &[u8], _: &Dir, _: &[u8]) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_exchange(_: &Dir, _: &[u8], _: &Dir, _: &[u8]) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}
