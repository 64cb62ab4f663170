//! Giving a written file its name: at once, and so that of many only one gets it.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, FileType, FlockOperation, Stat, flock, linkat, renameat};
use rustix::io::{Errno, retry_on_intr};

use super::folder::Folder;
use super::store::Store;
use crate::id::OpId;
use crate::storage::PutNew;

/// The folder of files that are being written. Not a key, so never listed and never a store's object.
pub(super) const TMP: &str = ".tmp";

/// The file whose presence says that hard links are missing here, so that whoever creates must hold its lock.
const LOCK: &str = ".lock";

/// A file that is still being written after so long has no writer any more.
const ABANDONED: Duration = Duration::from_secs(3600);

/// How a file gets a name that must be free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Publish {
    /// A second name for the temporary file, which fails where the name is taken.
    Link,
    /// A look and a rename, under a lock: where there are no hard links.
    Lock,
}

impl Publish {
    /// What works in the store at `top`, by trying.
    pub(super) fn choose(top: &Folder, tmp: &Folder) -> Result<Self, Errno> {
        // Once one process needed the lock, all take it: the two ways do not exclude each other.
        if top.kind(LOCK)?.is_some() {
            return Ok(Self::Lock);
        }
        let (one, two) = (name(), name());
        drop(tmp.create(&one)?);
        let linked = linkat(tmp, &one, tmp, &two, AtFlags::empty());
        tmp.remove(&one)?;
        tmp.remove(&two)?;
        match linked {
            Ok(()) => Ok(Self::Link),
            Err(Errno::PERM | Errno::NOTSUP | Errno::NOSYS | Errno::MLINK | Errno::INVAL | Errno::XDEV) => {
                drop(top.lock_file(LOCK)?);
                Ok(Self::Lock)
            }
            Err(errno) => Err(errno),
        }
    }

    /// Gives `temp` the name `name` in `folder`, if it is free.
    pub(super) fn create(
        self,
        top: &Folder,
        temp: &mut Temp,
        folder: &Folder,
        name: &str,
    ) -> Result<PutNew, Errno> {
        let done = match self {
            Self::Link => linkat(&temp.store.tmp, &temp.name, folder, name, AtFlags::empty()),
            Self::Lock => {
                let _lock = hold(top)?;
                let done = rename_new(&temp.store.tmp, &temp.name, folder, name);
                temp.moved |= done.is_ok();
                done
            }
        };
        match done {
            Ok(()) => Ok(PutNew::Created),
            Err(Errno::EXIST) => Ok(PutNew::Exists),
            Err(errno) => Err(errno),
        }
    }

    /// Gives `temp` the name `name` in `folder`, in place of whatever file has it.
    pub(super) fn replace(
        self,
        top: &Folder,
        temp: &mut Temp,
        folder: &Folder,
        name: &str,
    ) -> Result<(), Errno> {
        let _lock = if self == Self::Lock { Some(hold(top)?) } else { None };
        renameat(&temp.store.tmp, &temp.name, folder, name)?;
        temp.moved = true;
        Ok(())
    }
}

/// The lock, until the value is dropped. Each call opens the file anew, so that threads exclude each other too.
fn hold(top: &Folder) -> Result<std::os::fd::OwnedFd, Errno> {
    let file = top.lock_file(LOCK)?;
    retry_on_intr(|| flock(&file, FlockOperation::LockExclusive))?;
    Ok(file)
}

/// A rename to a free name. To be called under the lock; where the system can, it is atomic besides.
fn rename_new(from: &Folder, name: &str, to: &Folder, to_name: &str) -> Result<(), Errno> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    match rustix::fs::renameat_with(from, name, to, to_name, rustix::fs::RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
        done => return done,
    }
    if to.stat(to_name)?.is_some() { Err(Errno::EXIST) } else { renameat(from, name, to, to_name) }
}

fn name() -> String {
    // Never a name used before: a left-over temporary file is the same file as the object made from it.
    format!("tmp-{}", OpId::new())
}

/// A file that is being written; removed when dropped, unless it was moved.
pub(super) struct Temp {
    store: Arc<Store>,
    name: String,
    file: File,
    moved: bool,
}

impl Temp {
    pub(super) fn new(store: Arc<Store>) -> std::io::Result<Self> {
        let name = name();
        let file = store.tmp.create(&name)?;
        Ok(Self { store, name, file, moved: false })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Makes the content durable.
    pub(super) fn sync(&self) -> std::io::Result<()> {
        self.file.sync_all()
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if !self.moved {
            // What stays is swept at a later open.
            let _ = self.store.tmp.remove(&self.name);
        }
    }
}

/// Removes what processes that died left behind.
pub(super) fn sweep(tmp: &Folder) -> Result<(), Errno> {
    let mut names = Vec::new();
    tmp.each(|name, kind| {
        if kind == FileType::RegularFile && name.starts_with("tmp-") {
            names.push(name.to_owned());
        }
    })?;
    for name in names {
        let Some(stat) = tmp.stat(&name)? else { continue };
        if SystemTime::now().duration_since(modified(&stat)).is_ok_and(|age| age > ABANDONED) {
            tmp.remove(&name)?;
        }
    }
    Ok(())
}

/// When a file was written last.
#[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
pub(super) fn modified(stat: &Stat) -> SystemTime {
    let seconds = u64::try_from(stat.st_mtime).unwrap_or_default();
    UNIX_EPOCH + Duration::new(seconds, stat.st_mtime_nsec as u32)
}
