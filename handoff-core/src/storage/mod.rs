//! Where bytes live: the [`Storage`] port, and the storages that come with this crate.
//!
//! All consistency rests on one primitive, [`Storage::put_new`]: create an object that must not exist yet. Every
//! step (a message, a fork, a run's state, a lease) is a new object with the next number; what is overwritten is
//! a hint and never trusted.

mod dir;
mod key;
mod live;
mod marker;
mod memory;

use std::ops::Range;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures_lite::Stream;

use crate::error::Error;
pub use dir::{DirOptions, DirStorage};

pub use key::Key;
pub use live::live_check;
pub use memory::MemoryStorage;

/// What [`Storage::put_new`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutNew {
    /// Nothing; the object is there now, with this body.
    Created,
    /// An object, which is as it was.
    Exists,
}

/// One object in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Meta {
    /// Its name.
    pub key: Key,
    /// Its length in bytes.
    pub size: u64,
    /// When it was written, by the storage's own clock.
    pub modified: SystemTime,
}

impl Meta {
    /// For implementers.
    pub const fn new(key: Key, size: u64, modified: SystemTime) -> Self {
        Self { key, size, modified }
    }
}

/// What [`Storage::presign`] is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// A download.
    Get,
    /// An upload of a new object.
    PutNew,
}

/// A body in pieces.
pub type BodyStream = std::pin::Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// Bytes under keys. Implement it for wherever your bytes live; `handoff_core::conformance::storage::check` (feature
/// `conformance`) checks an implementation against this contract, [`live_check`] a deployed store.
///
/// # Contract
/// 1. **`put_new` is atomic and durable.** Of any number of concurrent calls for one key, in any number of
///    processes, exactly one returns [`PutNew::Created`], and its body is what every later `get` returns, whole.
///    When it returns, the body survives a crash of the store. An error may mean either; the caller reads the key.
/// 2. **Read your writes, everybody's.** After a write returned, `get` and `list` of anybody see it.
/// 3. **`list` is sorted** by key as bytes, starts after `after`, has at most `limit` items, and every object that
///    was there throughout is in it. A shorter list than `limit` is the end.
/// 4. **`get` never returns a part** of what was written, except the `range` asked for, cut at the end of the body;
///    a range beyond the end is empty, and so is one that ends before it starts.
/// 5. **`put` replaces whole bodies**: a concurrent `get` sees the old or the new one.
/// 6. **`put_stream`** stores all of the stream or nothing; an error in the stream stores nothing.
/// 7. **`delete` of what is absent is fine.**
/// 8. Every method may be called from any thread, in any number at once, and may be dropped before it is done; a
///    dropped write happened or not, as a whole.
///
/// A storage may refuse an object whose key is another object's with a `/` and more behind it, as file systems must;
/// nothing here makes such keys. What `put_stream` stored is as durable as what `put_new` created.
#[async_trait]
pub trait Storage: Send + Sync + 'static {
    /// Creates an object that must not exist. Atomic, and durable on return.
    async fn put_new(&self, key: &Key, body: Bytes) -> Result<PutNew, StorageError>;

    /// Creates or replaces an object. Only for hints and heartbeats, which are never trusted.
    async fn put(&self, key: &Key, body: Bytes) -> Result<(), StorageError>;

    /// Creates an object of any size under a name that nobody else uses.
    async fn put_stream(&self, key: &Key, body: BodyStream) -> Result<(), StorageError>;

    /// An object's body, or the part of it in `range`; `None` when there is no such object.
    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError>;

    /// Objects whose keys are below `prefix`, sorted.
    async fn list(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, StorageError>;

    /// Deletes objects; absent ones are fine.
    async fn delete(&self, keys: &[Key]) -> Result<(), StorageError>;

    /// A URL with which somebody without credentials can do one thing for `ttl`; `None` where there is no such thing.
    async fn presign(
        &self,
        key: &Key,
        access: Access,
        ttl: Duration,
    ) -> Result<Option<String>, StorageError> {
        let _ = (key, access, ttl);
        Ok(None)
    }
}

/// Why a storage could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct StorageError {
    /// What failed, where, and what to do.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// What the store said.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StorageError {
    /// An error that will not go away by itself.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), retryable: false, source: None }
    }

    /// An error that may go away by itself.
    pub fn retryable(message: impl Into<String>) -> Self {
        Self { retryable: true, ..Self::new(message) }
    }

    /// With what the store said.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl Error {
    /// An [`Error::Storage`]; `action` reads as in "creating c/…/0".
    pub(crate) fn storage(action: impl Into<String>, source: StorageError) -> Self {
        Self::Storage { action: action.into(), retryable: source.retryable, source: source.into() }
    }
}
