//! The embedded default: objects as plain files in a folder, published by hard link.

mod folder;
mod list;
mod publish;
mod store;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use blocking::unblock;
use bytes::Bytes;
use futures_lite::StreamExt as _;

use super::{BodyStream, Key, Meta, PutNew, Storage, StorageError};
use publish::Temp;
use store::Store;

/// Pieces of a stream are written together from this many bytes on.
const PIECE: usize = 1 << 20;

/// How a [`DirStorage`] is opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DirOptions {
    /// Wait for the disk, so that what was written survives a power cut; on by default. Without it, it survives a
    /// crash of the process, and writing is several times faster.
    pub sync: bool,
    /// Accept a folder on NFS, SMB and the like, where one machine may see late what another wrote; off by default.
    pub allow_network: bool,
}

impl Default for DirOptions {
    fn default() -> Self {
        Self { sync: true, allow_network: false }
    }
}

/// Objects as plain files in a folder of this machine: the default for everything embedded.
///
/// Any number of processes may use one folder at the same time, and any of them may be killed at any moment. No
/// process has to stay, nothing has to be repaired: an object is written to a file of its own in `.tmp`, synced, and
/// gets its name by a hard link, which fails where the name is taken. Where hard links are missing (FAT, some mounts)
/// a lock file takes their place, for every process from then on.
///
/// # Layout
/// The object `c/x/l/000000000007` is the file of that path, with the object's bytes and nothing else. So a folder
/// copied up to a bucket, without `.tmp` and `.lock`, is a valid store there, and the other way round.
/// `handoff.json` says which format the store has; a newer one is refused. Folders are for their owner alone (0700)
/// and are never removed. Links inside the folder are never followed.
///
/// # Limits
/// A key cannot be an object while there are objects below it. A list reads the names of each folder that it lists
/// from, so what is listed often should be spread over folders, as index marks are by day.
///
/// ```
/// use handoff_core::storage::{DirStorage, PutNew, Storage as _};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("store");
/// # futures_lite::future::block_on(async {
/// let storage = DirStorage::open(&path)?;
/// let key = "notes/0001".parse()?;
/// assert_eq!(storage.put_new(&key, "first".into()).await?, PutNew::Created);
/// assert_eq!(storage.put_new(&key, "second".into()).await?, PutNew::Exists);
/// assert_eq!(std::fs::read(path.join("notes/0001"))?, b"first");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct DirStorage {
    store: Arc<Store>,
}

impl DirStorage {
    /// Opens the store in the folder `path`, making both where they are missing.
    ///
    /// # Errors
    /// [`StorageError`] when the folder cannot be made or written, is on a network mount, or holds a store of a newer
    /// format.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        Self::open_with(path, &DirOptions::default())
    }

    /// As [`open`](Self::open), with options.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(path: impl AsRef<Path>, options: &DirOptions) -> Result<Self, StorageError> {
        Ok(Self { store: Store::open(path.as_ref(), options)? })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.store.path
    }

    /// Runs `work` where blocking is fine. It goes on to its end even when nobody waits for it any more, so that a
    /// write is never left half done.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Store>) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let store = Arc::clone(&self.store);
        unblock(move || work(&store)).await
    }
}

impl fmt::Debug for DirStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirStorage")
            .field("path", &self.store.path)
            .field("publish", &self.store.publish())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Storage for DirStorage {
    async fn put_new(&self, key: &Key, body: Bytes) -> Result<PutNew, StorageError> {
        let key = key.clone();
        self.run(move |store| store.create(&key, &body)).await
    }

    async fn put(&self, key: &Key, body: Bytes) -> Result<(), StorageError> {
        let key = key.clone();
        self.run(move |store| store.replace(&key, &body)).await
    }

    async fn put_stream(&self, key: &Key, mut body: BodyStream) -> Result<(), StorageError> {
        let failed = {
            let (store, key) = (Arc::clone(&self.store), key.clone());
            move |why: io::Error| store.not_written(&key, why)
        };
        let not_written = failed.clone();
        let mut temp = self.run(move |store| Temp::new(Arc::clone(store)).map_err(not_written)).await?;
        let mut pieces = Vec::new();
        let mut size = 0;
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|why| {
                let what = format!("the content for {key} could not be read; nothing was stored");
                StorageError::new(what).because(why)
            })?;
            size += piece.len();
            pieces.push(piece);
            if size >= PIECE {
                let pieces = std::mem::take(&mut pieces);
                let not_written = failed.clone();
                temp = self.run(move |_| write(temp, &pieces).map_err(not_written)).await?;
                size = 0;
            }
        }
        let key = key.clone();
        self.run(move |store| {
            let hardened = write(temp, &pieces).and_then(|temp| store.harden(&temp).map(|()| temp));
            store.replace_by(&key, hardened.map_err(failed)?)
        })
        .await
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let key = key.clone();
        self.run(move |store| store.get(&key, range)).await
    }

    async fn list(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, StorageError> {
        let (prefix, after) = (prefix.clone(), after.cloned());
        self.run(move |store| store.list(&prefix, after.as_ref(), limit)).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), StorageError> {
        let keys = keys.to_vec();
        self.run(move |store| keys.iter().try_for_each(|key| store.delete(key))).await
    }
}

fn write(mut temp: Temp, pieces: &[Bytes]) -> io::Result<Temp> {
    pieces.iter().try_for_each(|piece| temp.write(piece))?;
    Ok(temp)
}
