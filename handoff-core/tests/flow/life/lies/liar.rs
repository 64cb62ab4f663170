//! A storage that lies, and every lie there is.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use handoff_core::storage::BodyStream;
use handoff_core::{Clock as _, Key, MemoryStorage, Meta, PutNew, Storage, StorageError, SystemClock};

/// A lie, which is one about one sort of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lie {
    /// One byte is another.
    Flipped,
    /// The body of another object, whole.
    Foreign,
    /// The first half.
    Cut,
    /// Bytes behind the end.
    Longer,
    /// There is no such object.
    Nothing,
    /// A list without its first.
    LeftOut,
    /// A list of nothing.
    Empty,
    /// A list with each of its objects twice.
    Twice,
    /// A list backwards.
    Backwards,
    /// A list that ends with an object of somewhere else.
    Beyond,
    /// A list that begins at the beginning, whatever it was to begin after.
    FromTheBeginning,
    /// A list of more than was asked for.
    Unlimited,
    /// A creation that is said to be done, and is not.
    NotCreated,
    /// A creation that is said to be done, and found another object there.
    WasThere,
    /// A creation that is said to have found another, and found none.
    WasNotThere,
    /// A write that is said to be done, and is not.
    NotWritten,
    /// A stream that is said to be stored, and is not.
    NotStreamed,
    /// The first half of a stream is stored.
    HalfStreamed,
    /// A removal that is said to be done, and is not.
    NotDeleted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    Get,
    List,
    Create,
    Put,
    Stream,
    Delete,
}

pub(super) const LIES: [(Lie, Request); 19] = [
    (Lie::Flipped, Request::Get),
    (Lie::Foreign, Request::Get),
    (Lie::Cut, Request::Get),
    (Lie::Longer, Request::Get),
    (Lie::Nothing, Request::Get),
    (Lie::LeftOut, Request::List),
    (Lie::Empty, Request::List),
    (Lie::Twice, Request::List),
    (Lie::Backwards, Request::List),
    (Lie::Beyond, Request::List),
    (Lie::FromTheBeginning, Request::List),
    (Lie::Unlimited, Request::List),
    (Lie::NotCreated, Request::Create),
    (Lie::WasThere, Request::Create),
    (Lie::WasNotThere, Request::Create),
    (Lie::NotWritten, Request::Put),
    (Lie::NotStreamed, Request::Stream),
    (Lie::HalfStreamed, Request::Stream),
    (Lie::NotDeleted, Request::Delete),
];

/// When it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum When {
    /// At one request of that sort, by its number.
    Once(u64),
    /// At every one for an object below this.
    Always(String),
}

/// A storage that lies.
#[derive(Clone)]
pub(super) struct Liar {
    pub(super) inner: MemoryStorage,
    pub(super) lie: Lie,
    pub(super) about: Request,
    pub(super) when: When,
    /// Requests of the sort that it lies about, and lies.
    pub(super) asked: Arc<AtomicU64>,
    pub(super) lied: Arc<AtomicU64>,
    /// What its requests of that sort were for, by the first part of the name.
    pub(super) classes: Arc<Mutex<BTreeSet<String>>>,
}

impl Liar {
    fn now(&self, request: Request, key: &Key) -> Option<Lie> {
        if request != self.about {
            return None;
        }
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let class = key.as_str().split('/').next().unwrap();
        self.classes.lock().unwrap().insert(class.to_owned());
        let now = match &self.when {
            When::Once(at) => *at == number,
            When::Always(below) => class == below,
        };
        now.then_some(self.lie).inspect(|_| {
            self.lied.fetch_add(1, Ordering::SeqCst);
        })
    }

    /// The body of an object that has a name like this one's, as a cache that mixes them up would give.
    async fn foreign(&self, key: &Key) -> Result<Option<Bytes>, StorageError> {
        let parts: Vec<_> = key.as_str().split('/').collect();
        // These do not say whose they are, so that one whole and undamaged in place of another is believed: docs/limits.md.
        if matches!(parts.as_slice(), ["r", _, "in", _] | ["c", _, "l", _]) {
            return self.inner.get(key, None).await;
        }
        let class: Key = parts[0].parse().unwrap();
        let all = self.inner.list(&class, None, usize::MAX).await?;
        let like = |meta: &&Meta| {
            let parts = meta.key.as_str().split('/').count() == key.as_str().split('/').count();
            parts && meta.key != *key
        };
        match all.iter().rev().find(like) {
            Some(meta) => self.inner.get(&meta.key, None).await,
            None => Ok(None),
        }
    }
}

#[async_trait]
impl Storage for Liar {
    async fn put_new(&self, key: &Key, body: Bytes) -> Result<PutNew, StorageError> {
        match self.now(Request::Create, key) {
            Some(Lie::NotCreated) => return Ok(PutNew::Created),
            Some(Lie::WasNotThere) => return Ok(PutNew::Exists),
            Some(Lie::WasThere) => {
                self.inner.put_new(key, body).await?;
                return Ok(PutNew::Created);
            }
            _ => {}
        }
        self.inner.put_new(key, body).await
    }

    async fn put(&self, key: &Key, body: Bytes) -> Result<(), StorageError> {
        if self.now(Request::Put, key).is_some() {
            return Ok(());
        }
        self.inner.put(key, body).await
    }

    async fn put_stream(&self, key: &Key, mut body: BodyStream) -> Result<(), StorageError> {
        match self.now(Request::Stream, key) {
            Some(lie) => {
                let mut whole = Vec::new();
                while let Some(piece) = futures_lite::StreamExt::next(&mut body).await {
                    whole.extend_from_slice(&piece.map_err(|error| StorageError::new(error.to_string()))?);
                }
                if lie == Lie::NotStreamed {
                    return Ok(());
                }
                whole.truncate(whole.len() / 2);
                self.inner.put_new(key, whole.into()).await.map(drop)
            }
            None => self.inner.put_stream(key, body).await,
        }
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let lie = self.now(Request::Get, key);
        let truth = self.inner.get(key, range).await?;
        let Some(body) = &truth else {
            return if lie == Some(Lie::Foreign) { self.foreign(key).await } else { Ok(None) };
        };
        let mut other = body.to_vec();
        match lie {
            Some(Lie::Flipped) if other.is_empty() => other.push(b'x'),
            Some(Lie::Flipped) => {
                let middle = other.len() / 2;
                other[middle] ^= 1;
            }
            Some(Lie::Foreign) => return self.foreign(key).await,
            Some(Lie::Cut) => other.truncate(other.len() / 2),
            Some(Lie::Longer) => other.extend_from_slice(b"more"),
            Some(Lie::Nothing) => return Ok(None),
            _ => {}
        }
        Ok(Some(other.into()))
    }

    async fn list(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, StorageError> {
        let lie = self.now(Request::List, prefix);
        let after = if lie == Some(Lie::FromTheBeginning) { None } else { after };
        let limit = if lie == Some(Lie::Unlimited) { usize::MAX } else { limit };
        let mut listed = self.inner.list(prefix, after, limit).await?;
        match lie {
            Some(Lie::LeftOut) if !listed.is_empty() => drop(listed.remove(0)),
            Some(Lie::Empty) => listed.clear(),
            Some(Lie::Twice) => listed = listed.into_iter().flat_map(|meta| [meta.clone(), meta]).collect(),
            Some(Lie::Backwards) => listed.reverse(),
            Some(Lie::Beyond) => {
                listed.push(Meta::new("zz/of-somebody-else".parse().unwrap(), 1, SystemClock.now()));
            }
            _ => {}
        }
        Ok(listed)
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), StorageError> {
        if keys.first().is_some_and(|key| self.now(Request::Delete, key).is_some()) {
            return Ok(());
        }
        self.inner.delete(keys).await
    }
}
