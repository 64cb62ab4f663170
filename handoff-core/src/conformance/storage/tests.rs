#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_lite::StreamExt as _;
use futures_lite::future::{block_on, yield_now};

use super::check;
use crate::clock::{Clock as _, SystemClock};
use crate::conformance::Report;
use crate::storage::{
    BodyStream, DirStorage, Key, MemoryStorage, Meta, PutNew, Storage, StorageError, live_check,
};

#[test]
fn memory_keeps_the_contract() {
    let storage = MemoryStorage::new();
    let mine = storage.clone();
    let report = block_on(check(move || Arc::new(mine.clone())));
    assert!(report.passed(), "{report}");
    let left = block_on(storage.list(&"probe".parse().unwrap(), None, 10)).unwrap();
    assert!(left.is_empty(), "the suite cleans up");
}

#[test]
fn a_folder_keeps_the_contract_with_links_and_without() {
    // By default every write is on the disk before it is told of.
    for (lock, sync) in [(false, false), (true, false), (false, true)] {
        let dir = tempfile::tempdir().unwrap();
        if lock {
            std::fs::write(dir.path().join(".lock"), "").unwrap();
        }
        let path = dir.path().to_owned();
        // Each handle is opened anew, as another process would.
        let report = block_on(check(move || {
            let options = crate::storage::DirOptions { sync, ..Default::default() };
            Arc::new(DirStorage::open_with(&path, &options).unwrap())
        }));
        assert!(report.passed(), "lock: {lock}, sync: {sync}\n{report}");
        // What a dropped create began is still tidied up by its thread, in its own time.
        let left = || std::fs::read_dir(dir.path().join(".tmp")).unwrap().collect::<Vec<_>>();
        let late = std::time::Instant::now() + Duration::from_secs(60);
        while !left().is_empty() && std::time::Instant::now() < late {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(left().is_empty(), "{:?}", left());
    }
}

/// Ways of being wrong that real stores have.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wrong {
    /// The condition of a create is ignored.
    Overwrites,
    /// A create looks, and writes later.
    LooksFirst,
    /// Lists come in another order.
    Unsorted,
    /// Lists leave out what is after the first thousand.
    ShortList,
    /// `after` is ignored.
    NoAfter,
    /// A large body comes back without its end.
    Truncates,
    /// A range of a body is the body.
    NoRanges,
    /// A put is seen half done.
    Tears,
    /// What came before an error in a stream is stored.
    KeepsParts,
    /// Deleting what is absent is an error.
    Strict,
    /// Nothing is seen of a write for a moment.
    Late,
    /// A prefix is any beginning of a key.
    LoosePrefix,
}

#[derive(Clone)]
struct Bad(MemoryStorage, Wrong);

#[async_trait]
impl Storage for Bad {
    async fn put_new(&self, key: &Key, body: Bytes) -> Result<PutNew, StorageError> {
        match self.1 {
            Wrong::Overwrites => self.0.put(key, body).await.map(|()| PutNew::Created),
            Wrong::LooksFirst => {
                if self.0.get(key, None).await?.is_some() {
                    return Ok(PutNew::Exists);
                }
                yield_now().await;
                self.0.put(key, body).await.map(|()| PutNew::Created)
            }
            _ => self.0.put_new(key, body).await,
        }
    }

    async fn put(&self, key: &Key, body: Bytes) -> Result<(), StorageError> {
        match self.1 {
            Wrong::Tears => {
                self.0.put(key, body.slice(..body.len() / 2)).await?;
                SystemClock.sleep(Duration::from_millis(1)).await;
            }
            Wrong::Late => {
                let (storage, key) = (self.0.clone(), key.clone());
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(20));
                    block_on(storage.put(&key, body))
                });
                return Ok(());
            }
            _ => {}
        }
        self.0.put(key, body).await
    }

    async fn put_stream(&self, key: &Key, mut body: BodyStream) -> Result<(), StorageError> {
        if self.1 != Wrong::KeepsParts {
            return self.0.put_stream(key, body).await;
        }
        let mut whole = Vec::new();
        while let Some(Ok(piece)) = body.next().await {
            whole.extend_from_slice(&piece);
        }
        self.0.put(key, whole.into()).await
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let found = self.0.get(key, range.filter(|_| self.1 != Wrong::NoRanges)).await?;
        Ok(match (self.1, found) {
            (Wrong::Truncates, Some(body)) => Some(body.slice(..body.len().min(8 << 20))),
            (_, found) => found,
        })
    }

    async fn list(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, StorageError> {
        let after = after.filter(|_| self.1 != Wrong::NoAfter);
        let limit = if self.1 == Wrong::ShortList { limit.min(1_000) } else { limit };
        if self.1 == Wrong::LoosePrefix {
            let (top, _) = prefix.as_str().rsplit_once('/').unwrap();
            let mut all = self.0.list(&top.parse().unwrap(), after, usize::MAX).await?;
            all.retain(|meta| meta.key.as_str().starts_with(prefix.as_str()));
            all.truncate(limit);
            return Ok(all);
        }
        let mut listed = self.0.list(prefix, after, limit).await?;
        if self.1 == Wrong::Unsorted {
            listed.reverse();
        }
        Ok(listed)
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), StorageError> {
        for key in keys {
            if self.1 == Wrong::Strict && self.0.get(key, None).await?.is_none() {
                return Err(StorageError::new("there is no such object"));
            }
        }
        self.0.delete(keys).await
    }
}

fn judged(wrong: Wrong) -> Report {
    let bad = Bad(MemoryStorage::new(), wrong);
    block_on(check(move || Arc::new(bad.clone())))
}

#[test]
fn storages_that_break_the_contract_are_refused() {
    for (wrong, clause) in [
        (Wrong::Overwrites, 1),
        (Wrong::LooksFirst, 1),
        (Wrong::Unsorted, 3),
        (Wrong::ShortList, 3),
        (Wrong::NoAfter, 3),
        (Wrong::LoosePrefix, 3),
        (Wrong::Truncates, 4),
        (Wrong::NoRanges, 4),
        (Wrong::Tears, 5),
        (Wrong::KeepsParts, 6),
        (Wrong::Strict, 7),
        (Wrong::Late, 2),
    ] {
        let report = judged(wrong);
        let found = report.failures().any(|case| case.clause == clause);
        assert!(found, "{wrong:?} was not found out by a case of clause {clause}\n{report}");
    }
}

#[test]
fn the_live_check_refuses_creates_that_are_none() {
    for wrong in [Wrong::Overwrites, Wrong::LooksFirst] {
        let storage = Bad(MemoryStorage::new(), wrong);
        for _ in 0..20 {
            let refused = block_on(live_check(&storage)).unwrap_err();
            assert!(refused.to_string().contains("cannot be used"), "{refused}");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = DirStorage::open(dir.path()).unwrap();
    let memory = MemoryStorage::new();
    for storage in [&folder as &dyn Storage, &memory] {
        block_on(live_check(storage)).unwrap();
        assert!(block_on(storage.list(&"probe".parse().unwrap(), None, 1)).unwrap().is_empty());
    }
}
