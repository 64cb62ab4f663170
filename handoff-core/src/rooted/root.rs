//! A work tree, opened once, and the way from it to any directory below.

use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, Mode, OFlags, fstat, mkdirat, openat, statat};
use rustix::io::Errno;

use super::cache::Cache;
use super::{Dir, GitDirs, Identity, Kind, Refusal, Stat, portable};
use crate::error::Error;
use crate::path::check_component;

#[cfg(any(target_os = "linux", target_os = "android"))]
use super::linux;

/// A work tree opened by handle. May be shared between threads. Keeps up to 64 directories open.
pub(crate) struct Root {
    top: Dir,
    lookup: Lookup,
    git_dirs: Arc<GitDirs>,
    /// Whether directories with a `.git` of their own may be entered.
    enters_repositories: bool,
    cache: Mutex<Cache>,
}

/// How one path is looked up below a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    /// One `openat2` for any number of components.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    Beneath,
    /// One `openat` for each component.
    Components,
}

impl Lookup {
    fn choose(dir: BorrowedFd<'_>) -> Self {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if linux::works(dir) {
            return Self::Beneath;
        }
        let _ = dir;
        Self::Components
    }

    fn open_child(self, dir: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
        match self {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Self::Beneath => linux::open_dir(dir, name),
            Self::Components => portable::open_dir(dir, name),
        }
    }

    /// Which directory `path` is at this moment, without any link on the way.
    fn locate(self, dir: BorrowedFd<'_>, path: &[u8]) -> Result<Identity, Errno> {
        let found = match self {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Self::Beneath => linux::locate_dir(dir, path)?,
            Self::Components => portable::locate_dir(dir, path)?,
        };
        Ok(Stat::from(fstat(&found)?).identity())
    }
}

/// What to do about a directory that does not exist.
enum Absent<'a> {
    Refuse,
    Make(&'a mut Vec<Vec<u8>>),
}

impl Root {
    /// Opens the work tree at `path`. `git_dirs` are directories that must never be entered, by device and inode
    /// (git dir, common dir); the root's own `.git` is added to them, and `.git` names are refused besides.
    /// `path` itself is the caller's choice, so links in it are followed.
    ///
    /// # Errors
    /// [`Error::Io`] when the root or one of `git_dirs` cannot be opened, [`Error::InvalidArgument`] when the
    /// root is itself a git directory.
    pub(crate) fn open(path: &Path, git_dirs: &[PathBuf]) -> Result<Self, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top =
            rustix::fs::open(path, flags, Mode::empty()).map_err(|why| Error::io("opening", path, why))?;
        let mut forbidden = GitDirs::new();
        for git_dir in git_dirs {
            let stat = rustix::fs::stat(git_dir).map_err(|why| Error::io("reading", git_dir, why))?;
            forbidden.insert(Stat::from(stat).identity());
        }
        // Followed if it is a link, unlike anything else: git would follow it.
        if let Ok(stat) = statat(&top, c".git", AtFlags::empty()) {
            let stat = Stat::from(stat);
            if stat.kind == Kind::Dir {
                forbidden.insert(stat.identity());
            }
        }
        let own = Stat::from(fstat(&top).map_err(|why| Error::io("reading", path, why))?);
        if forbidden.contains(&own.identity()) {
            return Err(Error::InvalidArgument {
                argument: "root",
                why: format!("{} is a git directory; name the work tree instead", path.display()),
            });
        }
        let lookup = Lookup::choose(top.as_fd());
        let git_dirs = Arc::new(forbidden);
        let top = Dir::guarded(top, Arc::clone(&git_dirs));
        Ok(Self { top, lookup, git_dirs, enters_repositories: false, cache: Mutex::default() })
    }

    /// The root itself.
    #[cfg(test)]
    pub(crate) fn top(&self) -> &Dir {
        &self.top
    }

    /// Also enters directories that hold a `.git` of their own: for reading what the repository at the root tracks
    /// there, as git does. Nothing is to be written through such a root.
    pub(crate) fn entering_repositories(self) -> Self {
        Self { enters_repositories: true, ..self }
    }

    /// The directory `path` (components joined by `/`; empty = the root), no symlink on the way. The handle may
    /// come from a cache, but the path is always looked up anew.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing was changed.
    pub(crate) fn dir(&self, path: &[u8]) -> Result<Dir, Refusal> {
        self.resolve(path, Absent::Refuse)
    }

    /// Opens whatever is at `path` for reading in one step, with no symlink anywhere on the way; only for reading
    /// what a walk has found, because nested repositories on the way are not noticed. The caller must look at
    /// what kind of file it is. `None` where this takes more than one step.
    pub(crate) fn open_found(&self, path: &[u8]) -> Option<File> {
        match self.lookup {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Lookup::Beneath => linux::open_file(self.top.as_fd(), path).ok().map(File::from),
            Lookup::Components => None,
        }
    }

    /// Like [`dir`](Self::dir), making missing directories (0777 & !umask); each one made is pushed to `made`,
    /// outermost first, also when a later one fails.
    pub(crate) fn dir_create(&self, path: &[u8], made: &mut Vec<Vec<u8>>) -> Result<Dir, Refusal> {
        self.resolve(path, Absent::Make(made))
    }

    fn resolve(&self, path: &[u8], mut absent: Absent<'_>) -> Result<Dir, Refusal> {
        if path.is_empty() {
            return Ok(self.top.clone());
        }
        for component in path.split(|byte| *byte == b'/') {
            check_component(component).map_err(Refusal::Path)?;
        }
        let (mut dir, mut done) = self.nearest(path);
        while done < path.len() {
            let start = if done == 0 { 0 } else { done + 1 };
            let rest = path.get(start..).unwrap_or_default();
            let name = rest.split(|byte| *byte == b'/').next().unwrap_or(rest);
            let end = start + name.len();
            let so_far = path.get(..end).unwrap_or(path);
            dir = self.step(&dir, name, so_far, &mut absent)?;
            self.cache().put(so_far, dir.clone());
            done = end;
        }
        Ok(dir)
    }

    /// The deepest directory on the way to `path` whose handle is still good, and the length of its path.
    fn nearest(&self, path: &[u8]) -> (Dir, usize) {
        let mut end = path.len();
        loop {
            let prefix = path.get(..end).unwrap_or(path);
            let cached = self.cache().get(prefix);
            if let Some((dir, identity)) = cached.and_then(|dir| Some((dir.clone(), dir.identity().ok()?))) {
                if self.lookup.locate(self.top.as_fd(), prefix) == Ok(identity) {
                    return (dir, end);
                }
                self.cache().forget(prefix);
            }
            match prefix.iter().rposition(|byte| *byte == b'/') {
                Some(slash) => end = slash,
                None => return (self.top.clone(), 0),
            }
        }
    }

    /// From `dir` to its directory `name`, judged.
    fn step(&self, dir: &Dir, name: &[u8], path: &[u8], absent: &mut Absent<'_>) -> Result<Dir, Refusal> {
        let fd = match self.open_child(dir, name) {
            Err(Errno::NOENT) => match absent {
                Absent::Refuse => return Err(Refusal::Missing),
                Absent::Make(made) => {
                    match mkdirat(dir.as_fd(), name, Mode::from_raw_mode(0o777)) {
                        Ok(()) => made.push(path.to_vec()),
                        // Somebody else was faster; what they made is judged like anything else.
                        Err(Errno::EXIST) => {}
                        Err(errno) => return Err(errno.into()),
                    }
                    self.open_child(dir, name)
                }
            },
            other => other,
        };
        let fd = fd.map_err(|errno| refusal(dir, name, errno))?;
        let identity = Stat::from(fstat(&fd)?).identity();
        if self.git_dirs.contains(&identity) {
            return Err(Refusal::ParentIsGitDir);
        }
        match statat(&fd, c".git", AtFlags::SYMLINK_NOFOLLOW) {
            _ if self.enters_repositories => {}
            Err(Errno::NOENT) => {}
            // A directory of that name without a HEAD is no repository to git either.
            Ok(stat)
                if Stat::from(stat).kind == Kind::Dir
                    && matches!(statat(&fd, c".git/HEAD", AtFlags::SYMLINK_NOFOLLOW), Err(Errno::NOENT)) => {}
            Ok(_) => return Err(Refusal::ParentIsSubmodule),
            Err(errno) => return Err(errno.into()),
        }
        Ok(Dir::guarded(fd, Arc::clone(&self.git_dirs)))
    }

    fn open_child(&self, dir: &Dir, name: &[u8]) -> Result<OwnedFd, Errno> {
        match self.lookup.open_child(dir.as_fd(), name) {
            // Our own cache may be what uses up the descriptors.
            Err(Errno::MFILE) => {
                self.cache().clear();
                self.lookup.open_child(dir.as_fd(), name)
            }
            other => other,
        }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // Every change of the cache is one insertion or removal, so a panic elsewhere cannot leave it half done.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn open_as(path: &Path, git_dirs: &[PathBuf], lookup: Lookup) -> Result<Self, Error> {
        Ok(Self { lookup, ..Self::open(path, git_dirs)? })
    }

    #[cfg(test)]
    pub(super) fn cached(&self) -> usize {
        self.cache().len()
    }
}

/// Which refusal a failed open of `name` is.
fn refusal(dir: &Dir, name: &[u8], errno: Errno) -> Refusal {
    match errno {
        Errno::NOENT => Refusal::Missing,
        Errno::LOOP => Refusal::ParentIsSymlink,
        // With O_DIRECTORY some systems answer this for links too.
        Errno::NOTDIR => match dir.stat(name) {
            Ok(Some(stat)) if stat.kind == Kind::Symlink => Refusal::ParentIsSymlink,
            // Gone or a directory by now: somebody is changing it at this moment.
            Ok(None) => Refusal::Missing,
            Ok(Some(_)) => Refusal::ParentIsFile,
            Err(why) => Refusal::Io(why),
        },
        errno => errno.into(),
    }
}

/// A plain open of a directory that is no work tree.
pub(super) fn open_plain(path: &Path) -> Result<OwnedFd, Errno> {
    openat(rustix::fs::CWD, path, portable::DIRECTORY, Mode::empty())
}
