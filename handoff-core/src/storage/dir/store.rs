//! The store's folder: objects as files, one call of the operating system after the other. All of it blocks.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rustix::fs::FileType;
use rustix::io::Errno;

use super::DirOptions;
use super::folder::Folder;
use super::publish::{Publish, TMP, Temp, sweep};
use crate::storage::{Key, PutNew, StorageError, marker};

/// Folders known to be durable, remembered per process.
const REMEMBERED: usize = 8192;

/// Tries of publishing into a folder that somebody removes.
const TRIES: usize = 3;

pub(super) struct Store {
    pub(super) path: PathBuf,
    pub(super) top: Folder,
    pub(super) tmp: Folder,
    publish: Publish,
    sync: bool,
    /// Folders whose names are durable in their parents.
    durable: Mutex<HashSet<String>>,
}

impl Store {
    pub(super) fn open(path: &Path, options: &DirOptions) -> Result<Arc<Self>, StorageError> {
        let failed = |why: io::Error| error(format!("opening the store {}", path.display()), why);
        let top = Folder::top(path).map_err(failed)?;
        if !options.allow_network
            && let Some(kind) = network(&top)
        {
            return Err(StorageError::new(format!(
                "{} is on a network mount ({kind}), where other machines may see files late; use a disk of this \
                 machine or an object store, or set allow_network if only this machine uses it",
                path.display()
            )));
        }
        let (tmp, _) = top.make_child(TMP).map_err(|errno| failed(errno.into()))?;
        sweep(&tmp).map_err(|errno| failed(errno.into()))?;
        let publish = Publish::choose(&top, &tmp).map_err(|errno| failed(errno.into()))?;
        let durable = Mutex::default();
        let store = Arc::new(Self { path: path.to_owned(), top, tmp, publish, sync: options.sync, durable });
        let key: Key = marker::KEY.parse().map_err(|why| StorageError::new("the marker").because(why))?;
        let there = match store.get(&key, None)? {
            Some(there) => there,
            None => {
                store.create(&key, &marker::body())?;
                store.get(&key, None)?.unwrap_or_default()
            }
        };
        marker::check(&there)?;
        // The store's own folder may be new too. Where the parent may not be read, it is somebody else's to keep.
        if options.sync
            && let Some(Ok(parent)) = path.parent().map(File::open)
        {
            let _ = parent.sync_all();
        }
        Ok(store)
    }

    pub(super) const fn publish(&self) -> Publish {
        self.publish
    }

    /// Creates an object, unless there is one.
    pub(super) fn create(self: &Arc<Self>, key: &Key, body: &[u8]) -> Result<PutNew, StorageError> {
        let failed = |why| error(format!("creating {key} in {}", self.path.display()), why);
        let mut temp = self.written(body).map_err(failed)?;
        let (folder, put) = self
            .place(key, |folder, name| self.publish.create(&self.top, &mut temp, folder, name))
            .map_err(failed)?;
        drop(temp);
        if put == PutNew::Exists && folder.kind(split(key).1).ok().flatten() == Some(FileType::Directory) {
            return Err(below(key));
        }
        // Also for an object that was there: its writer may have died before this.
        self.settle(&folder).map_err(failed)?;
        Ok(put)
    }

    /// Creates or replaces an object.
    pub(super) fn replace(self: &Arc<Self>, key: &Key, body: &[u8]) -> Result<(), StorageError> {
        let temp = self.written(body).map_err(|why| self.not_written(key, why))?;
        self.replace_by(key, temp)
    }

    /// As [`replace`](Self::replace), with a file that is written, and durable if need be.
    pub(super) fn replace_by(&self, key: &Key, mut temp: Temp) -> Result<(), StorageError> {
        let put = |folder: &Folder, name: &str| self.publish.replace(&self.top, &mut temp, folder, name);
        let placed = self.place(key, put);
        let (folder, ()) = placed.map_err(|why| match Errno::from_io_error(&why) {
            Some(Errno::ISDIR) => below(key),
            _ => self.not_written(key, why),
        })?;
        self.settle(&folder).map_err(|why| self.not_written(key, why))
    }

    pub(super) fn not_written(&self, key: &Key, why: io::Error) -> StorageError {
        error(format!("writing {key} in {}", self.path.display()), why)
    }

    /// Makes the content of `temp` durable, if that is wanted.
    pub(super) fn harden(&self, temp: &Temp) -> io::Result<()> {
        if self.sync { temp.sync() } else { Ok(()) }
    }

    fn written(self: &Arc<Self>, body: &[u8]) -> io::Result<Temp> {
        let mut temp = Temp::new(Arc::clone(self))?;
        temp.write(body)?;
        self.harden(&temp)?;
        Ok(temp)
    }

    fn settle(&self, folder: &Folder) -> io::Result<()> {
        if self.sync { Ok(folder.sync()?) } else { Ok(()) }
    }

    /// Calls `put` with the folder and name of `key`; again when the folder was removed in between.
    fn place<T>(
        &self,
        key: &Key,
        mut put: impl FnMut(&Folder, &str) -> Result<T, Errno>,
    ) -> io::Result<(Folder, T)> {
        let (folders, name) = split(key);
        let mut tries = 0;
        loop {
            tries += 1;
            let done = self.make(folders).and_then(|folder| Ok((put(&folder, name)?, folder)));
            match done {
                Ok((put, folder)) => return Ok((folder, put)),
                Err(Errno::NOENT) if tries < TRIES => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// The folder at `path`, made where it is missing. Durable as far as the folder's own name goes, so that what is
    /// put in it cannot be lost with it.
    fn make(&self, path: Option<&str>) -> Result<Folder, Errno> {
        let mut at = self.top.itself()?;
        let Some(path) = path else { return Ok(at) };
        for (start, name) in components(path) {
            let (next, made) = at.make_child(name)?;
            let whole = path.get(..start + name.len()).unwrap_or(path);
            if self.sync && (made || !self.is_durable(whole)) {
                at.sync()?;
                self.remember(whole);
            }
            at = next;
        }
        Ok(at)
    }

    fn is_durable(&self, path: &str) -> bool {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    fn remember(&self, path: &str) {
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if durable.len() >= REMEMBERED {
            durable.clear();
        }
        durable.insert(path.to_owned());
    }

    /// The folder of `key`, if there is one, and the key's name in it.
    fn find<'a>(&self, key: &'a Key) -> Result<Option<(Folder, &'a str)>, Errno> {
        let (folders, name) = split(key);
        let folder = match folders {
            Some(path) => self.top.descend(path)?,
            None => Some(self.top.itself()?),
        };
        Ok(folder.map(|folder| (folder, name)))
    }

    /// The body of an object, or a part of it.
    pub(super) fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        self.read(key, range).map_err(|why| error(format!("reading {key} in {}", self.path.display()), why))
    }

    fn read(&self, key: &Key, range: Option<Range<u64>>) -> io::Result<Option<Bytes>> {
        let Some((folder, name)) = self.find(key)? else { return Ok(None) };
        let Some(file) = folder.file(name)? else { return Ok(None) };
        let facts = file.metadata()?;
        if facts.is_dir() {
            return Ok(None);
        }
        if !facts.is_file() {
            return Err(io::Error::other("it is no plain file; the store makes no others, so remove it"));
        }
        // A file that has a name never changes again, so its length is the body's.
        let range = range.unwrap_or(0..facts.len());
        let (start, end) = (range.start.min(facts.len()), range.end.min(facts.len()));
        let length = usize::try_from(end.saturating_sub(start)).map_err(io::Error::other)?;
        let mut body = vec![0; length];
        read_at(&file, &mut body, start)?;
        Ok(Some(body.into()))
    }

    /// Removes an object; an absent one is fine. Folders stay: one that is removed while another process puts
    /// something in it would have to be made durable again, and nobody would know.
    pub(super) fn delete(&self, key: &Key) -> Result<(), StorageError> {
        let remove = || match self.find(key)? {
            None => Ok(()),
            Some((folder, name)) => match folder.remove(name) {
                // A folder is no object.
                Err(Errno::ISDIR | Errno::PERM) if folder.kind(name)? == Some(FileType::Directory) => Ok(()),
                done => done,
            },
        };
        remove().map_err(|why| error(format!("deleting {key} in {}", self.path.display()), why.into()))
    }
}

fn read_at(file: &File, body: &mut [u8], start: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt as _;
    file.read_exact_at(body, start)
}

/// The folders of a key, and the name in the last of them.
fn split(key: &Key) -> (Option<&str>, &str) {
    match key.as_str().rsplit_once('/') {
        Some((folders, name)) => (Some(folders), name),
        None => (None, key.as_str()),
    }
}

/// The components of a path, each with where it starts.
fn components(path: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    path.split('/').map(move |name| {
        let at = start;
        start += name.len() + 1;
        (at, name)
    })
}

fn below(key: &Key) -> StorageError {
    StorageError::new(format!("{key} cannot be an object: there are objects below it; use another key"))
}

/// A failure with the operating system's words, and whether it may pass.
pub(super) fn error(action: String, why: io::Error) -> StorageError {
    let passing = [
        Errno::INTR,
        Errno::AGAIN,
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOMEM,
        Errno::BUSY,
        Errno::STALE,
        Errno::NOENT,
        Errno::TIMEDOUT,
        Errno::NOLCK,
    ];
    let failed = if Errno::from_io_error(&why).is_some_and(|errno| passing.contains(&errno)) {
        StorageError::retryable(format!("{action} failed"))
    } else {
        StorageError::new(format!("{action} failed"))
    };
    failed.because(why)
}

/// The name of the network file system that `top` is on.
#[cfg(target_os = "linux")]
fn network(top: &Folder) -> Option<&'static str> {
    let kind = rustix::fs::fstatfs(top).ok()?.f_type as u64 & 0xffff_ffff;
    let known = [
        (0x6969, "NFS"),
        (0x517b, "SMB"),
        (0xff53_4d42, "CIFS"),
        (0xfe53_4d42, "SMB2"),
        (0x00c3_6400, "Ceph"),
        (0x5346_414f, "AFS"),
        (0x6b41_4653, "AFS"),
        (0x0bd0_0bd0, "Lustre"),
        (0x4750_4653, "GPFS"),
        (0x7375_7245, "Coda"),
    ];
    known.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name)
}

#[cfg(not(target_os = "linux"))]
fn network(_: &Folder) -> Option<&'static str> {
    None
}
