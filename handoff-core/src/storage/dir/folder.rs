//! One folder of the store, by handle. Names are components of checked keys; no link is followed.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fsync, mkdirat, openat, statat, unlinkat};
use rustix::io::{Errno, retry_on_intr};

/// Folders are for their owner alone.
const PRIVATE: u32 = 0o700;

/// A folder, opened.
pub(super) struct Folder(OwnedFd);

impl std::os::fd::AsFd for Folder {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn open(dir: impl std::os::fd::AsFd, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    retry_on_intr(|| openat(&dir, name, flags, Mode::from_raw_mode(0o600)))
}

impl Folder {
    /// The store's own folder, made where it is missing. The path to it is the caller's choice: links in it are
    /// followed.
    pub(super) fn top(path: &Path) -> std::io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new().recursive(true).mode(PRIVATE).create(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat(rustix::fs::CWD, path, flags, Mode::empty())?))
    }

    /// The same folder, with a handle of its own.
    pub(super) fn itself(&self) -> Result<Self, Errno> {
        Ok(Self(rustix::io::fcntl_dupfd_cloexec(&self.0, 0)?))
    }

    /// A folder in this one.
    pub(super) fn child(&self, name: &str) -> Result<Self, Errno> {
        open(&self.0, name, OFlags::RDONLY | OFlags::DIRECTORY).map(Self)
    }

    /// A folder in this one, made where it is missing; and whether it was.
    pub(super) fn make_child(&self, name: &str) -> Result<(Self, bool), Errno> {
        match self.child(name) {
            Err(Errno::NOENT) => {}
            found => return Ok((found?, false)),
        }
        match mkdirat(&self.0, name, Mode::from_raw_mode(PRIVATE as _)) {
            Ok(()) | Err(Errno::EXIST) => Ok((self.child(name)?, true)),
            Err(errno) => Err(errno),
        }
    }

    /// The folder at `path` below this one; `None` when there is none.
    pub(super) fn descend(&self, path: &str) -> Result<Option<Self>, Errno> {
        let mut at: Option<Self> = None;
        for name in path.split('/') {
            let from = at.as_ref().unwrap_or(self);
            match from.child(name) {
                Ok(folder) => at = Some(folder),
                Err(Errno::NOENT) => return Ok(None),
                // What is no folder has nothing below it; but a link may lead anywhere, and is said.
                Err(errno @ (Errno::NOTDIR | Errno::LOOP)) => {
                    return if from.kind(name)? == Some(FileType::RegularFile) {
                        Ok(None)
                    } else {
                        Err(errno)
                    };
                }
                Err(errno) => return Err(errno),
            }
        }
        Ok(at)
    }

    /// `lstat` of `name`; `None` when it does not exist.
    pub(super) fn stat(&self, name: &str) -> Result<Option<Stat>, Errno> {
        match statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// What `name` is; `None` when it does not exist.
    pub(super) fn kind(&self, name: &str) -> Result<Option<FileType>, Errno> {
        Ok(self.stat(name)?.map(|stat| FileType::from_raw_mode(stat.st_mode)))
    }

    /// The file `name`, for reading; `None` when there is none.
    pub(super) fn file(&self, name: &str) -> Result<Option<File>, Errno> {
        // Opening a pipe that somebody put here must not wait for its writer.
        match open(&self.0, name, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
            Ok(file) => Ok(Some(file.into())),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// A file that did not exist, for writing.
    pub(super) fn create(&self, name: &str) -> Result<File, Errno> {
        Ok(open(&self.0, name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?.into())
    }

    /// A file to be locked, made where it is missing.
    pub(super) fn lock_file(&self, name: &str) -> Result<OwnedFd, Errno> {
        open(&self.0, name, OFlags::RDWR | OFlags::CREATE)
    }

    /// Removes a file; an absent one is fine.
    pub(super) fn remove(&self, name: &str) -> Result<(), Errno> {
        match unlinkat(&self.0, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            done => done,
        }
    }

    /// Makes the names in this folder durable.
    pub(super) fn sync(&self) -> Result<(), Errno> {
        match retry_on_intr(|| fsync(&self.0)) {
            // Some file systems cannot sync folders, and say so; they have nothing to sync.
            Err(Errno::INVAL) => Ok(()),
            done => done,
        }
    }

    /// Every name that `take` wants, with what it is.
    pub(super) fn each(&self, mut take: impl FnMut(&str, FileType)) -> Result<(), Errno> {
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            let entry = entry?;
            // Names of keys are ASCII; what is not was put here by somebody else.
            let Ok(name) = entry.file_name().to_str() else { continue };
            if name == "." || name == ".." {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => match self.kind(name)? {
                    Some(kind) => kind,
                    None => continue,
                },
                known => known,
            };
            take(name, kind);
        }
        Ok(())
    }
}
