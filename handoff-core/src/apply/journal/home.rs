//! Where journals are: the directory of a work tree's git directory that only we write, and its lock.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::{DONE, JOURNAL, Record};
use crate::error::Error;
use crate::git::Repo;
use crate::id::{ApplyId, SnapshotId};
use crate::rooted::{Dir, Kind};

/// How long the lock is tried for before the answer is busy.
const PATIENCE: Duration = Duration::from_millis(700);

/// The home's name in a directory that belongs to no repository.
pub(in crate::apply) const PLAIN: &str = ".handoff";

/// Everything of ours in one work tree's git directory, locked.
pub(in crate::apply) struct Home {
    dir: Dir,
    path: PathBuf,
    pub device: u64,
    /// Held open for its lock; `None` when only looked at.
    lock: Option<File>,
}

/// What a home is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::apply) enum Access {
    /// Reading, without a lock: for a preview.
    Look,
    /// Undoing: locked, but never made.
    Existing,
    /// Applying: locked, and made where it is missing.
    Make,
}

/// What became of opening the home.
pub(in crate::apply) enum Opened {
    Ready(Home),
    /// There is none yet, and none was to be made.
    Absent,
    /// Nothing can be written here.
    Unwritable(io::Error),
}

impl Home {
    /// Opens the home of `repo`'s work tree.
    ///
    /// # Errors
    /// [`Error::JournalNotSafe`] and [`Error::Busy`].
    pub(in crate::apply) fn open(repo: &Repo, access: Access) -> Result<Opened, Error> {
        let mut parts = vec!["handoff".to_owned()];
        if repo.git_dir() != repo.common_dir() {
            let name = repo.git_dir().file_name().unwrap_or_default().to_string_lossy().into_owned();
            parts.extend(["worktrees".to_owned(), name]);
        }
        let opened = Self::open_below(repo.common_dir(), &parts, access, repo.root())?;
        if let Opened::Ready(home) = &opened
            && home.is_locked()
        {
            // Whoever made a claim held the lock that we hold now, so it is gone, and its lock of the index is stale.
            let claim = home.claim();
            repo.unlock_index(&claim).map_err(|why| Error::io("removing", &claim, why))?;
        }
        Ok(opened)
    }

    /// Opens the home in `directory`, which belongs to no repository: `.handoff` there.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(in crate::apply) fn open_plain(directory: &Path, access: Access) -> Result<Opened, Error> {
        let opened = Self::open_below(directory, &[PLAIN.to_owned()], access, directory)?;
        if let (Opened::Ready(home), Access::Make) = (&opened, access)
            // Should the directory be in somebody's work tree after all, this is no part of it.
            && let Ok(mut ignore) = home.dir.create_new(b".gitignore", 0o666)
        {
            let _ = io::Write::write_all(&mut ignore, b"*\n");
        }
        Ok(opened)
    }

    /// Opens the home that is `parts` below `top`. `target` is what errors name.
    fn open_below(top: &Path, parts: &[String], access: Access, target: &Path) -> Result<Opened, Error> {
        let mut path = top.to_owned();
        let mut dir = Dir::open(&path).map_err(|why| Error::io("opening", &path, why))?;
        for part in parts {
            path.push(part);
            dir = match enter(&dir, part.as_bytes(), &path, access == Access::Make) {
                Ok(Some(dir)) => dir,
                Ok(None) => return Ok(Opened::Absent),
                Err(Trouble::NotSafe(why)) => return Err(Error::JournalNotSafe { path, why }),
                Err(Trouble::Io(why)) => return Ok(Opened::Unwritable(why)),
            };
        }
        let device = dir.own_stat().map_err(|why| Error::io("reading", &path, why))?.device;
        if access == Access::Look {
            return Ok(Opened::Ready(Self { dir, path, device, lock: None }));
        }
        let lock = match dir.create_new(b"lock", 0o600) {
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => dir.open_file(b"lock"),
            other => other,
        };
        let lock = match lock {
            Ok(lock) => lock,
            Err(why) => match dir.stat(b"lock") {
                Ok(Some(stat)) if stat.kind != Kind::File => {
                    path.push("lock");
                    return Err(Error::JournalNotSafe { path, why: "it is not a plain file".into() });
                }
                _ => return Ok(Opened::Unwritable(why)),
            },
        };
        let start = Instant::now();
        while let Err(errno) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            if errno != rustix::io::Errno::WOULDBLOCK && errno != rustix::io::Errno::INTR {
                return Ok(Opened::Unwritable(errno.into()));
            }
            if start.elapsed() > PATIENCE {
                return Err(Error::Busy { path: target.to_owned() });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Opened::Ready(Self { dir, path, device, lock: Some(lock) }))
    }

    /// Where it is.
    pub(in crate::apply) fn path(&self) -> &Path {
        &self.path
    }

    /// The file by which a lock of git's index is known to be ours.
    pub(in crate::apply) fn claim(&self) -> PathBuf {
        self.path.join("index.claim")
    }

    /// The file by which a lock of HEAD or a branch is known to be ours.
    pub(in crate::apply) fn ref_claim(&self) -> PathBuf {
        self.path.join("ref.claim")
    }

    /// A directory below the home, made where it is missing.
    pub(super) fn below(&self, name: &str) -> Result<Dir, Trouble> {
        let path = self.path.join(name);
        enter(&self.dir, name.as_bytes(), &path, true)?
            .ok_or_else(|| Trouble::Io(io::ErrorKind::NotFound.into()))
    }

    /// Whether this is more than a look.
    pub(in crate::apply) fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// The directory for versions of `snapshot` that are not put in place, and its path.
    pub(in crate::apply) fn incoming(&self, snapshot: &SnapshotId) -> io::Result<(Dir, PathBuf)> {
        let outer = self.below("incoming").map_err(Trouble::into_io)?;
        let name: String = snapshot.to_string().chars().take(16).collect();
        let path = self.path.join("incoming").join(&name);
        let dir = enter(&outer, name.as_bytes(), &path, true).map_err(Trouble::into_io)?;
        Ok((dir.ok_or(io::ErrorKind::NotFound)?, path))
    }

    /// Starts the directory of a new apply.
    pub(in crate::apply) fn begin(&self, id: &ApplyId) -> io::Result<Record> {
        let applies = self.below("applies").map_err(Trouble::into_io)?;
        let name = id.to_string();
        applies.mkdir(name.as_bytes())?;
        let dir = applies.subdir(name.as_bytes())?;
        for part in [b"new0".as_slice(), b"new1", b"old"] {
            dir.mkdir(part)?;
        }
        Record::open(applies, dir, *id, self.path.join("applies").join(name))
    }

    /// The ids of all applies recorded here, oldest first.
    pub(in crate::apply) fn applies(&self) -> Result<Vec<ApplyId>, Error> {
        let path = self.path.join("applies");
        let applies = match enter(&self.dir, b"applies", &path, false) {
            Ok(Some(dir)) => dir,
            Ok(None) => return Ok(Vec::new()),
            Err(Trouble::NotSafe(why)) => return Err(Error::JournalNotSafe { path, why }),
            Err(Trouble::Io(why)) => return Err(Error::io("reading", &path, why)),
        };
        let names = applies.names().map_err(|why| Error::io("reading", &path, why))?;
        let mut ids: Vec<ApplyId> =
            names.iter().filter_map(|name| std::str::from_utf8(name).ok()?.parse().ok()).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Whether there is a journal of `id`, whatever else is missing from its record.
    pub(in crate::apply) fn has_journal(&self, id: &ApplyId) -> io::Result<bool> {
        let dir = self.below("applies").map_err(Trouble::into_io)?.subdir(id.to_string().as_bytes())?;
        Ok(dir.stat(JOURNAL)?.is_some() || dir.stat(DONE)?.is_some())
    }

    /// Opens the record of `id`; `None` when there is none.
    pub(in crate::apply) fn record(&self, id: &ApplyId) -> Result<Option<Record>, Error> {
        let name = id.to_string();
        let path = self.path.join("applies").join(&name);
        let open = || -> Result<Option<Record>, Trouble> {
            let Some(applies) = enter(&self.dir, b"applies", &self.path.join("applies"), false)? else {
                return Ok(None);
            };
            let Some(dir) = enter(&applies, name.as_bytes(), &path, false)? else { return Ok(None) };
            Ok(Some(Record::open(applies, dir, *id, path.clone())?))
        };
        match open() {
            Ok(record) => Ok(record),
            Err(Trouble::NotSafe(why)) => Err(Error::JournalNotSafe { path, why }),
            Err(Trouble::Io(why)) => Err(Error::io("reading", &path, why)),
        }
    }

    /// Whether the file system keeps all of `names` apart in one directory.
    pub(in crate::apply) fn keeps_apart<'n>(
        &self,
        names: impl Iterator<Item = &'n Vec<u8>>,
    ) -> io::Result<bool> {
        let scratch = self.below("probe").map_err(Trouble::into_io)?;
        let names: Vec<&Vec<u8>> = names.collect();
        let apart = names.iter().enumerate().all(|(at, a)| {
            let others = names.get(at + 1..).unwrap_or_default();
            others.iter().all(|b| scratch.distinguishes(a, b).unwrap_or(false))
        });
        self.dir.remove_dir(b"probe")?;
        Ok(apart)
    }

    /// Makes everything written on the home's file system durable.
    pub(in crate::apply) fn sync(&self) -> io::Result<()> {
        sync_file_system(&self.dir)
    }
}

/// Makes everything written on the file system of `dir` durable: one call instead of one for every file.
pub(in crate::apply) fn sync_file_system(dir: &Dir) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    return Ok(rustix::fs::syncfs(dir)?);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = dir;
        rustix::fs::sync();
        Ok(())
    }
}

pub(super) enum Trouble {
    NotSafe(String),
    Io(io::Error),
}

impl Trouble {
    pub(super) fn into_io(self) -> io::Error {
        match self {
            Self::NotSafe(why) => io::Error::new(io::ErrorKind::PermissionDenied, why),
            Self::Io(why) => why,
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(why: io::Error) -> Self {
        Self::Io(why)
    }
}

/// Enters `name` below `parent`, never through a symlink, and only where nobody else can write into it.
fn enter(parent: &Dir, name: &[u8], path: &Path, make: bool) -> Result<Option<Dir>, Trouble> {
    let opened = match parent.subdir(name) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            if !make {
                return Ok(None);
            }
            match parent.mkdir(name) {
                Err(why) if why.kind() != io::ErrorKind::AlreadyExists => return Err(why.into()),
                _ => {}
            }
            let made = parent.subdir(name);
            if let Ok(dir) = &made {
                rustix::fs::fchmod(dir, rustix::fs::Mode::RWXU).map_err(io::Error::from)?;
            }
            made
        }
        other => other,
    };
    let dir = match opened {
        Ok(dir) => dir,
        Err(why) => {
            return Err(match parent.stat(name) {
                Ok(Some(stat)) if stat.kind == Kind::Symlink => Trouble::NotSafe("it is a symlink".into()),
                Ok(Some(stat)) if stat.kind != Kind::Dir => Trouble::NotSafe("it is not a directory".into()),
                _ => Trouble::Io(why),
            });
        }
    };
    let stat = rustix::fs::fstat(&dir).map_err(io::Error::from)?;
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(Trouble::NotSafe(format!("{} belongs to another user", path.display())));
    }
    if stat.st_mode & 0o002 != 0 {
        return Err(Trouble::NotSafe(format!("{} may be written by everybody", path.display())));
    }
    Ok(Some(dir))
}
