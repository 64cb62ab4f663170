//! A storage that counts what is asked of it.

use std::ops::{Range, Sub};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::storage::{Access, BodyStream, Key, Meta, PutNew, Storage, StorageError};

/// Counts the requests to the storage in it, by kind. Clones count together.
#[derive(Clone)]
pub struct Counting {
    inner: Arc<dyn Storage>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    put_new: AtomicU64,
    put: AtomicU64,
    put_stream: AtomicU64,
    get: AtomicU64,
    list: AtomicU64,
    delete: AtomicU64,
}

/// How many requests of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)]
pub struct Requests {
    pub put_new: u64,
    pub put: u64,
    pub put_stream: u64,
    pub get: u64,
    pub list: u64,
    pub delete: u64,
}

impl Requests {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.put_new + self.put + self.put_stream + self.get + self.list + self.delete
    }
}

impl Sub for Requests {
    type Output = Self;

    /// What was asked between two looks, the earlier one being `before`.
    fn sub(self, before: Self) -> Self {
        Self {
            put_new: self.put_new - before.put_new,
            put: self.put - before.put,
            put_stream: self.put_stream - before.put_stream,
            get: self.get - before.get,
            list: self.list - before.list,
            delete: self.delete - before.delete,
        }
    }
}

impl Counting {
    /// Counts what is asked of `inner`.
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        Self { inner, counts: Arc::default() }
    }

    /// What was asked so far.
    pub fn requests(&self) -> Requests {
        let read = |count: &AtomicU64| count.load(Ordering::SeqCst);
        let counts = &self.counts;
        Requests {
            put_new: read(&counts.put_new),
            put: read(&counts.put),
            put_stream: read(&counts.put_stream),
            get: read(&counts.get),
            list: read(&counts.list),
            delete: read(&counts.delete),
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::SeqCst);
}

#[async_trait]
impl Storage for Counting {
    async fn put_new(&self, key: &Key, body: Bytes) -> Result<PutNew, StorageError> {
        count(&self.counts.put_new);
        self.inner.put_new(key, body).await
    }

    async fn put(&self, key: &Key, body: Bytes) -> Result<(), StorageError> {
        count(&self.counts.put);
        self.inner.put(key, body).await
    }

    async fn put_stream(&self, key: &Key, body: BodyStream) -> Result<(), StorageError> {
        count(&self.counts.put_stream);
        self.inner.put_stream(key, body).await
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        count(&self.counts.get);
        self.inner.get(key, range).await
    }

    async fn list(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, StorageError> {
        count(&self.counts.list);
        self.inner.list(prefix, after, limit).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), StorageError> {
        count(&self.counts.delete);
        self.inner.delete(keys).await
    }

    async fn presign(
        &self,
        key: &Key,
        access: Access,
        ttl: Duration,
    ) -> Result<Option<String>, StorageError> {
        self.inner.presign(key, access, ttl).await
    }
}
