//! Git's own lock of the index, taken so that ours can be told from anybody else's.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Repo;
use crate::error::Error;

/// Git's lock of the index, in the git directory.
const LOCK: &str = "index.lock";

/// How long a lock of somebody else is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

impl Repo {
    /// Removes an `index.lock` that a killed process of ours left behind: one that is the same file as `claim`.
    /// The caller must know that no such process is alive.
    pub fn unlock_index(&self, claim: &Path) -> io::Result<()> {
        if fs::symlink_metadata(claim).is_err() {
            return Ok(());
        }
        unlock(&self.git_dir().join(LOCK), claim)?;
        fs::remove_file(claim)
    }
}

/// Takes the lock file `lock` as a hard link of `claim`, by which it is known to be ours. `root` is what errors name.
pub(super) fn take(lock: &Path, claim: &Path, root: &Path) -> Result<fs::File, Error> {
    let new = |path: &Path| fs::File::options().write(true).create_new(true).mode(0o644).open(path);
    let _ = fs::remove_file(claim);
    let mut file = new(claim).map_err(|why| Error::io("creating", claim, why))?;
    let start = Instant::now();
    loop {
        // A link appears all at once and only where nothing is, as a file created exclusively does.
        let taken = match fs::hard_link(claim, lock) {
            Err(why) if why.kind() != io::ErrorKind::AlreadyExists => new(lock).map(|made| file = made),
            linked => linked,
        };
        match taken {
            Ok(()) => return Ok(file),
            Err(why) if why.kind() != io::ErrorKind::AlreadyExists => {
                let _ = fs::remove_file(claim);
                return Err(Error::io("creating", lock, why));
            }
            Err(_) if start.elapsed() > LOCK_PATIENCE => {
                let _ = fs::remove_file(claim);
                return Err(Error::Busy { path: root.to_owned() });
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Removes `lock` if it is the same file as `claim`.
pub(super) fn unlock(lock: &Path, claim: &Path) -> io::Result<()> {
    let Ok(claimed) = fs::symlink_metadata(claim) else { return Ok(()) };
    if let Ok(found) = fs::symlink_metadata(lock)
        && (found.dev(), found.ino()) == (claimed.dev(), claimed.ino())
    {
        fs::remove_file(lock)?;
    }
    Ok(())
}

/// Git's lock of the index, held. Given back when dropped.
pub(super) struct IndexLock<'a> {
    file: fs::File,
    lock: PathBuf,
    index: PathBuf,
    claim: &'a Path,
    held: bool,
}

impl<'a> IndexLock<'a> {
    pub(super) fn take(repo: &Repo, claim: &'a Path) -> Result<Self, Error> {
        let lock = repo.git_dir().join(LOCK);
        let file = take(&lock, claim, repo.root())?;
        Ok(Self { file, lock, index: repo.index_path(), claim, held: true })
    }

    /// Makes `content` the index.
    pub(super) fn commit(&mut self, content: &[u8]) -> Result<(), Error> {
        self.file.write_all(content).map_err(|why| Error::io("writing", &self.lock, why))?;
        self.file.sync_data().map_err(|why| Error::io("writing", &self.lock, why))?;
        fs::rename(&self.lock, &self.index).map_err(|why| Error::io("replacing", &self.index, why))?;
        self.held = false;
        Ok(())
    }
}

impl Drop for IndexLock<'_> {
    fn drop(&mut self) {
        if self.held {
            let _ = fs::remove_file(&self.lock);
        }
        // Last, because without it the lock could no longer be told from somebody else's.
        let _ = fs::remove_file(self.claim);
    }
}
