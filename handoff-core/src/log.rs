//! An append-only log of numbered objects. The one place that decides who won a number.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::clock::{Clock as _, SystemClock};
use crate::error::Error;
use crate::storage::{Key, Meta, PutNew, Storage, StorageError};

/// Tries of one request before its failure is the caller's.
const TRIES: u32 = 5;

/// Whose the body of an object is after an attempt to create it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// Created by this very call.
    Created,
    /// The same body was there: an earlier call's, or this one's after a lost answer.
    Mine,
    /// Another body is there.
    Theirs,
}

impl Put {
    /// Whether the object has the body that was to be put.
    pub(crate) fn won(self) -> bool {
        self != Self::Theirs
    }
}

/// Objects `prefix/000…0` onwards, without holes. Each body must be unique (hold an operation id), because after a
/// lost answer the bytes decide whose it is.
#[derive(Clone)]
pub(crate) struct Log {
    storage: Arc<dyn Storage>,
    prefix: Key,
    /// Digits of a number.
    digits: usize,
}

impl Log {
    pub(crate) fn new(storage: Arc<dyn Storage>, prefix: Key, digits: usize) -> Self {
        Self { storage, prefix, digits }
    }

    /// The key of number `seq`.
    pub(crate) fn key(&self, seq: u64) -> Result<Key, Error> {
        let digits = self.digits;
        let name = format!("{seq:0digits$}");
        // A number with more digits than the others would sort among them, so the log is full before that.
        if name.len() > digits {
            let what = format!("number in the log {}", self.prefix);
            return Err(Error::Limit { what, limit: self.last(), found: seq });
        }
        self.prefix
            .join(&name)
            .map_err(|error| Error::format(format!("the log {}", self.prefix), error.to_string()))
    }

    /// The highest number that a key of this log can have.
    fn last(&self) -> u64 {
        10u64.saturating_pow(self.digits as u32) - 1
    }

    /// The last number there is, looking first at `hint`; `None` for an empty log. Doubling steps, then
    /// bisection: O(log distance) reads, never a list.
    #[cfg(test)]
    pub(crate) async fn head(&self, hint: Option<u64>) -> Result<Option<u64>, Error> {
        Ok(self.head_body(hint).await?.map(|(seq, _)| seq))
    }

    /// As [`head`](Self::head), with the body of that number: the search has read it anyway.
    pub(crate) async fn head_body(&self, hint: Option<u64>) -> Result<Option<(u64, Bytes)>, Error> {
        // A hint is never trusted: where it points to nothing, the search begins at the beginning.
        let mut known = match hint {
            Some(hint) if hint <= self.last() => self.get(hint).await?.map(|body| (hint, body)),
            _ => None,
        };
        if known.is_none() {
            known = self.get(0).await?.map(|body| (0, body));
        }
        let Some(known) = known else { return Ok(None) };
        Ok(Some(self.search(known).await?))
    }

    /// The last number after `known`, which is there, with its body; `None` when `known` is the last.
    pub(crate) async fn head_from(&self, known: u64) -> Result<Option<(u64, Bytes)>, Error> {
        match self.probe(known + 1).await? {
            Some(body) => Ok(Some(self.search((known + 1, body)).await?)),
            None => Ok(None),
        }
    }

    async fn search(&self, mut known: (u64, Bytes)) -> Result<(u64, Bytes), Error> {
        let mut step = 1;
        let mut absent = loop {
            let probe = known.0.saturating_add(step);
            match self.probe(probe).await? {
                Some(body) => known = (probe, body),
                None => break probe,
            }
            step *= 2;
        };
        while absent - known.0 > 1 {
            let middle = known.0 + (absent - known.0) / 2;
            match self.probe(middle).await? {
                Some(body) => known = (middle, body),
                None => absent = middle,
            }
        }
        Ok(known)
    }

    /// As [`get`](Self::get); nothing is where a full log has no number any more.
    async fn probe(&self, seq: u64) -> Result<Option<Bytes>, Error> {
        if seq > self.last() { Ok(None) } else { self.get(seq).await }
    }

    /// The body of number `seq`.
    pub(crate) async fn get(&self, seq: u64) -> Result<Option<Bytes>, Error> {
        get(&*self.storage, &self.key(seq)?).await
    }

    /// Creates number `seq`. A lost or wrong answer is resolved by reading the
    /// number back; passing trouble is tried again with backoff.
    pub(crate) async fn put(&self, seq: u64, body: Bytes) -> Result<Put, Error> {
        put_new(&*self.storage, &self.key(seq)?, body).await
    }
}

/// The body of `key`; passing trouble is tried again.
pub(crate) async fn get(storage: &dyn Storage, key: &Key) -> Result<Option<Bytes>, Error> {
    read(storage, key, None).await
}

/// As [`get`], of a part of the body.
pub(crate) async fn get_range(
    storage: &dyn Storage,
    key: &Key,
    range: Range<u64>,
) -> Result<Option<Bytes>, Error> {
    read(storage, key, Some(range)).await
}

async fn read(storage: &dyn Storage, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>, Error> {
    let mut tries = 0;
    loop {
        match storage.get(key, range.clone()).await {
            Ok(body) => return Ok(body),
            Err(error) => again(&mut tries, error, || format!("reading {key}")).await?,
        }
    }
}

/// Objects below `prefix`, sorted; passing trouble is tried again.
///
/// A list that is not below `prefix`, not behind `after` or not in order is an error: who goes on behind its last object
/// would not come to an end, and who removes what it names would remove what is another's.
pub(crate) async fn list(
    storage: &dyn Storage,
    prefix: &Key,
    after: Option<&Key>,
    limit: usize,
) -> Result<Vec<Meta>, Error> {
    let mut tries = 0;
    loop {
        match storage.list(prefix, after, limit).await {
            Ok(listed) if in_order(&listed, prefix, after) => return Ok(listed),
            Ok(_) => {
                let why = "the storage gave a list that is out of order, or of other objects than were asked for; \
                           check it with `handoff_core::conformance::storage::check`";
                return Err(Error::storage(format!("listing {prefix}"), StorageError::new(why)));
            }
            Err(error) => again(&mut tries, error, || format!("listing {prefix}")).await?,
        }
    }
}

fn in_order(listed: &[Meta], prefix: &Key, after: Option<&Key>) -> bool {
    let mut last = after;
    listed.iter().all(|meta| {
        let next = meta.key.is_below(prefix) && last.is_none_or(|last| *last < meta.key);
        last = Some(&meta.key);
        next
    })
}

/// Creates `key`.
///
/// An answer can be wrong both ways: a store that wrote, and was asked again by its own client, says `Exists` of our
/// own body, and one that failed may have written. The body itself tells: the same bytes are ours, others are not,
/// and none means that nothing was written.
pub(crate) async fn put_new(storage: &dyn Storage, key: &Key, body: Bytes) -> Result<Put, Error> {
    let mut tries = 0;
    loop {
        let action = || format!("creating {key}");
        let failure = match storage.put_new(key, body.clone()).await {
            Ok(PutNew::Created) => return Ok(Put::Created),
            Ok(PutNew::Exists) => {
                StorageError::retryable("the storage says that the object exists, and has none")
            }
            Err(error) => error,
        };
        if let Some(found) = get(storage, key).await? {
            return Ok(if found == body { Put::Mine } else { Put::Theirs });
        }
        again(&mut tries, failure, action).await?;
    }
}

/// Waits before the next try; an error when there is none.
async fn again(tries: &mut u32, error: StorageError, action: impl Fn() -> String) -> Result<(), Error> {
    *tries += 1;
    if !error.retryable || *tries >= TRIES {
        return Err(Error::storage(action(), error));
    }
    // Up to half more by chance, so that writers that met once do not meet again.
    let base = Duration::from_millis(20) * 4u32.pow(*tries - 1);
    let chance = u32::from(*crate::id::OpId::new().bytes().last().unwrap_or(&0));
    SystemClock.sleep(base + base * chance / 512).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use futures_lite::future::block_on;

    use super::*;
    use crate::storage::MemoryStorage;

    fn log(storage: &MemoryStorage) -> Log {
        Log::new(Arc::new(storage.clone()), "t/l".parse().unwrap(), 12)
    }

    #[test]
    fn the_head_is_found_from_every_hint() {
        let storage = MemoryStorage::new();
        let log = log(&storage);
        assert_eq!(block_on(log.head(None)).unwrap(), None);
        assert_eq!(block_on(log.head(Some(7))).unwrap(), None);
        for seq in 0..70 {
            assert!(block_on(log.put(seq, Bytes::from(format!("{seq}")))).unwrap().won());
            for hint in [None, Some(0), Some(seq / 2), Some(seq), Some(seq + 1), Some(seq + 1_000)] {
                let (found, body) = block_on(log.head_body(hint)).unwrap().unwrap();
                assert_eq!((found, body), (seq, Bytes::from(format!("{seq}"))), "from {hint:?}");
            }
        }
    }

    #[test]
    fn one_body_wins_a_number_and_knows_it_when_asked_again() {
        let storage = MemoryStorage::new();
        let log = log(&storage);
        assert!(block_on(log.put(0, Bytes::from_static(b"mine"))).unwrap().won());
        assert_eq!(
            block_on(log.put(0, Bytes::from_static(b"mine"))).unwrap(),
            Put::Mine,
            "the same again is a lost answer"
        );
        assert!(!block_on(log.put(0, Bytes::from_static(b"theirs"))).unwrap().won());
        assert_eq!(block_on(log.get(0)).unwrap().unwrap(), "mine");
    }

    #[test]
    fn a_number_that_would_not_sort_is_refused() {
        let storage = MemoryStorage::new();
        let log = Log::new(Arc::new(storage), "t/l".parse().unwrap(), 2);
        assert!(block_on(log.put(100, Bytes::new())).is_err());
        assert!(block_on(log.put(99, Bytes::new())).unwrap().won());
    }

    #[test]
    fn a_full_log_has_a_head_and_a_hint_beyond_it_is_not_believed() {
        let storage = MemoryStorage::new();
        let log = Log::new(Arc::new(storage), "t/l".parse().unwrap(), 1);
        for seq in 0..10 {
            assert!(block_on(log.put(seq, Bytes::from(format!("{seq}")))).unwrap().won());
            for hint in [None, Some(9), Some(10), Some(u64::MAX)] {
                assert_eq!(block_on(log.head(hint)).unwrap(), Some(seq), "from {hint:?}");
            }
        }
        assert!(block_on(log.head_from(9)).unwrap().is_none());
    }
}
