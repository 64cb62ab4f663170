//! What every case works with.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_lite::future::{block_on, or};

use crate::clock::{Clock as _, SystemClock};
use crate::id::OpId;
use crate::join;
use crate::storage::{Key, Storage, StorageError};

/// A place of its own in the storage.
pub(super) struct Bench {
    pub(super) storage: Arc<dyn Storage>,
    open: Arc<dyn Fn() -> Arc<dyn Storage> + Send + Sync>,
    pub(super) prefix: Key,
    patience: Duration,
}

/// What went wrong, with all its causes.
pub(super) fn said(what: &str, error: &StorageError) -> String {
    let mut text = format!("{what}: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// A failure unless `holds`.
pub(super) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

impl Bench {
    pub(super) fn new(
        open: &Arc<dyn Fn() -> Arc<dyn Storage> + Send + Sync>,
        patience: Duration,
    ) -> Result<Self, String> {
        let prefix = format!("probe/{}", OpId::new()).parse().map_err(|why| format!("a prefix: {why}"))?;
        Ok(Self { storage: open(), open: Arc::clone(open), prefix, patience })
    }

    /// Another handle.
    pub(super) fn other(&self) -> Arc<dyn Storage> {
        (self.open)()
    }

    /// A key of this case.
    pub(super) fn key(&self, name: &str) -> Result<Key, String> {
        self.prefix.join(name).map_err(|why| why.to_string())
    }

    /// Keys of this case.
    pub(super) fn keys(&self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Vec<Key>, String> {
        names.into_iter().map(|name| self.key(name.as_ref())).collect()
    }

    /// Creates `keys`, some at a time, each with its own text as its body.
    pub(super) async fn fill(&self, keys: &[Key]) -> Result<(), String> {
        for some in keys.chunks(32) {
            let put = some.iter().map(|key| self.storage.put_new(key, text(key)));
            for (key, put) in some.iter().zip(join::all(put).await) {
                put.map_err(|error| said(&format!("creating {key}"), &error))?;
            }
        }
        Ok(())
    }

    pub(super) async fn get(&self, key: &Key) -> Result<Option<Bytes>, String> {
        self.storage.get(key, None).await.map_err(|error| said(&format!("reading {key}"), &error))
    }

    /// The keys below this case's prefix, as one list.
    pub(super) async fn list(&self, limit: usize) -> Result<Vec<Key>, String> {
        let listed = self.storage.list(&self.prefix, None, limit).await;
        let listed = listed.map_err(|error| said("listing", &error))?;
        Ok(listed.into_iter().map(|meta| meta.key).collect())
    }

    /// Runs `work` on `count` threads, each with a handle of its own.
    pub(super) async fn apart<T, F>(
        &self,
        count: usize,
        work: impl Fn(usize, Arc<dyn Storage>) -> F + Clone + Send + 'static,
    ) -> Result<Vec<T>, String>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, String>>,
    {
        let start = Arc::new(std::sync::Barrier::new(count));
        let threads: Vec<_> = (0..count)
            .map(|number| {
                let (work, storage, start) = (work.clone(), self.other(), Arc::clone(&start));
                let patience = self.patience;
                std::thread::spawn(move || {
                    start.wait();
                    // A storage that hangs must not keep the thread for ever.
                    let late = async {
                        SystemClock.sleep(patience).await;
                        Err(format!("was not done after {} seconds", patience.as_secs_f64()))
                    };
                    block_on(or(work(number, storage), late))
                })
            })
            .collect();
        // Joined elsewhere, since the storage may need this thread to get on.
        let join = move || {
            let join = |thread: std::thread::JoinHandle<Result<T, String>>| {
                thread.join().unwrap_or_else(|_| Err("the storage panicked".to_owned()))
            };
            threads.into_iter().map(join).collect()
        };
        blocking::unblock(join).await
    }

    /// Removes everything this case has written.
    pub(super) async fn clear(&self) -> Result<(), String> {
        // Not for ever, where deleting does not work.
        for _ in 0..20 {
            let keys = self.list(1_000).await?;
            if keys.is_empty() {
                return Ok(());
            }
            let deleted = self.storage.delete(&keys).await;
            deleted.map_err(|error| said("deleting what a case has written", &error))?;
        }
        Err("what was deleted is still listed".to_owned())
    }
}

/// A body that says whose it is.
pub(super) fn text(key: &Key) -> Bytes {
    Bytes::from(key.to_string())
}

/// `size` bytes that do not compress, decided by `seed`.
pub(super) fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
