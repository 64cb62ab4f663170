//! Storage in memory: for tests, and for hosts that keep nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Bound, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_lite::StreamExt as _;

use super::{BodyStream, Key, Meta, PutNew, Storage, StorageError};
use crate::clock::{Clock, SystemClock};

/// Objects in a map. Clones are the same storage; everything ends with the last of them.
#[derive(Clone)]
pub struct MemoryStorage {
    objects: Arc<Mutex<BTreeMap<Key, (Bytes, std::time::SystemTime)>>>,
    clock: Arc<dyn Clock>,
}

impl MemoryStorage {
    /// An empty storage.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// An empty storage that dates its objects by `clock`.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { objects: Arc::default(), clock }
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<Key, (Bytes, std::time::SystemTime)>> {
        // Every change is one insertion or removal, so a panic elsewhere leaves the map whole.
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStorage").field("objects", &self.objects().len()).finish()
    }
}

/// The part of `body` in `range`, cut at its end.
pub(super) fn cut(body: &Bytes, range: Option<Range<u64>>) -> Bytes {
    let Some(range) = range else { return body.clone() };
    let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(body.len());
    let (start, end) = (within(range.start), within(range.end));
    if start < end { body.slice(start..end) } else { Bytes::new() }
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn put_new(&self, key: &Key, body: Bytes) -> Result<PutNew, StorageError> {
        let now = self.clock.now();
        let mut objects = self.objects();
        if objects.contains_key(key) {
            return Ok(PutNew::Exists);
        }
        objects.insert(key.clone(), (body, now));
        Ok(PutNew::Created)
    }

    async fn put(&self, key: &Key, body: Bytes) -> Result<(), StorageError> {
        self.objects().insert(key.clone(), (body, self.clock.now()));
        Ok(())
    }

    async fn put_stream(&self, key: &Key, mut body: BodyStream) -> Result<(), StorageError> {
        let mut whole = BytesMut::new();
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| {
                StorageError::new(format!("the content for {key} could not be read; nothing was stored"))
                    .because(error)
            })?;
            whole.extend_from_slice(&piece);
        }
        self.put(key, whole.freeze()).await
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        Ok(self.objects().get(key).map(|(body, _)| cut(body, range)))
    }

    async fn list(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, StorageError> {
        let objects = self.objects();
        let start = match after {
            Some(after) if after > prefix => Bound::Excluded(after),
            _ => Bound::Excluded(prefix),
        };
        // Between `prefix` and what is below it stand longer names, such as `a-b` between `a` and `a/b`.
        let end = format!("{prefix}/");
        let below = objects
            .range::<Key, _>((start, Bound::Unbounded))
            .skip_while(|(key, _)| key.as_str() < end.as_str())
            .take_while(|(key, _)| key.as_str().starts_with(&end));
        Ok(below
            .take(limit)
            .map(|(key, (body, at))| Meta::new(key.clone(), body.len() as u64, *at))
            .collect())
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), StorageError> {
        let mut objects = self.objects();
        for key in keys {
            objects.remove(key);
        }
        Ok(())
    }
}
