//! A storage that fails in the ways that real ones do.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::clock::{Clock as _, SystemClock};
use crate::storage::{Access, BodyStream, Key, Meta, PutNew, Storage, StorageError};

/// How a request goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing is done, and an error is said.
    Before,
    /// It is done, and an error is said: the answer was lost.
    After,
    /// Nothing is done, and [`PutNew::Exists`] is said, as stores do of a create that another one is in the way of.
    /// Of other requests than creates: [`Before`](Self::Before).
    Exists,
    /// It is done twice, as by a client that tries again by itself, and the second answer is given.
    Twice,
    /// It is done, and done again at some later time, after other requests. A write only.
    Again,
    /// Nothing is done, an error is said, and it is done at some later time. A create only: of a `put`, that would
    /// undo a newer one. Else: [`Before`](Self::Before).
    Late,
    /// It is done, slowly.
    Slow,
}

impl Fault {
    const ALL: [Self; 7] =
        [Self::Before, Self::After, Self::Exists, Self::Twice, Self::Again, Self::Late, Self::Slow];
}

/// Faults in a row for one key, after which a request for it is served.
const PATIENCE: u32 = 3;

/// Lets requests to the storage in it go wrong, chosen by chance from a seed. No more than 3 requests in a row for
/// one key fail, so that whoever tries five times succeeds. Clones share their chance.
#[derive(Clone)]
pub struct Faulty {
    inner: Arc<dyn Storage>,
    /// Of 256 requests, how many go wrong.
    rate: u8,
    state: Arc<Mutex<State>>,
}

struct State {
    chance: u64,
    in_a_row: HashMap<Key, u32>,
    /// Creates that are still on their way.
    late: Vec<(Key, Bytes)>,
    faults: HashMap<Fault, u64>,
}

impl State {
    /// The next number of a well-spread sequence (splitmix64).
    fn next(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Faulty {
    /// Of 256 requests to `inner`, `rate` go wrong.
    pub fn new(inner: Arc<dyn Storage>, seed: u64, rate: u8) -> Self {
        let state =
            State { chance: seed, in_a_row: HashMap::new(), late: Vec::new(), faults: HashMap::new() };
        Self { inner, rate, state: Arc::new(Mutex::new(state)) }
    }

    /// How often `fault` has happened.
    pub fn happened(&self, fault: Fault) -> u64 {
        self.state().faults.get(&fault).copied().unwrap_or_default()
    }

    /// Lets everything arrive that is still on its way.
    ///
    /// # Errors
    /// What the storage said.
    pub async fn settle(&self) -> Result<(), StorageError> {
        let late = std::mem::take(&mut self.state().late);
        for (key, body) in late {
            self.inner.put_new(&key, body).await?;
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to go wrong with a request for `key`. Delivers something late first, sometimes.
    async fn fault(&self, key: Option<&Key>) -> Result<Option<Fault>, StorageError> {
        let (fault, late) = {
            let mut state = self.state();
            let late = if state.late.is_empty() || !state.next().is_multiple_of(4) {
                None
            } else {
                let at = state.next() as usize % state.late.len();
                Some(state.late.swap_remove(at))
            };
            let mut fault = None;
            if state.next() & 0xff < u64::from(self.rate) {
                let which = state.next() as usize % Fault::ALL.len();
                fault = Fault::ALL.get(which).copied();
            }
            let row = key.map(|key| state.in_a_row.entry(key.clone()).or_default());
            match (fault, row) {
                (Some(_), Some(row)) if *row >= PATIENCE => {
                    *row = 0;
                    fault = None;
                }
                (Some(_), Some(row)) => *row += 1,
                (None, Some(row)) => *row = 0,
                (_, None) => {}
            }
            if let Some(fault) = fault {
                *state.faults.entry(fault).or_default() += 1;
            }
            (fault, late)
        };
        if let Some((key, body)) = late {
            self.inner.put_new(&key, body).await?;
        }
        if fault == Some(Fault::Slow) {
            SystemClock.sleep(Duration::from_millis(2)).await;
        }
        Ok(fault)
    }
}

fn failed(what: &str, key: &Key) -> StorageError {
    StorageError::retryable(format!("{what} {key} failed: a fault was to be tried"))
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("faults", &self.state().faults).finish_non_exhaustive()
    }
}

#[async_trait]
impl Storage for Faulty {
    async fn put_new(&self, key: &Key, body: Bytes) -> Result<PutNew, StorageError> {
        let fault = self.fault(Some(key)).await?;
        match fault {
            Some(Fault::Before) => return Err(failed("creating", key)),
            Some(Fault::Exists) => return Ok(PutNew::Exists),
            Some(Fault::Late) => {
                self.state().late.push((key.clone(), body));
                return Err(failed("creating", key));
            }
            _ => {}
        }
        let put = self.inner.put_new(key, body.clone()).await?;
        match fault {
            Some(Fault::After) => Err(failed("creating", key)),
            Some(Fault::Twice) => self.inner.put_new(key, body).await,
            Some(Fault::Again) => {
                self.state().late.push((key.clone(), body));
                Ok(put)
            }
            _ => Ok(put),
        }
    }

    async fn put(&self, key: &Key, body: Bytes) -> Result<(), StorageError> {
        let fault = self.fault(Some(key)).await?;
        if matches!(fault, Some(Fault::Before | Fault::Exists | Fault::Late)) {
            return Err(failed("writing", key));
        }
        self.inner.put(key, body.clone()).await?;
        match fault {
            Some(Fault::After) => Err(failed("writing", key)),
            Some(Fault::Twice | Fault::Again) => self.inner.put(key, body).await,
            _ => Ok(()),
        }
    }

    async fn put_stream(&self, key: &Key, body: BodyStream) -> Result<(), StorageError> {
        let fault = self.fault(Some(key)).await?;
        if matches!(fault, Some(Fault::Before | Fault::Exists | Fault::Late)) {
            return Err(failed("writing", key));
        }
        self.inner.put_stream(key, body).await?;
        if fault == Some(Fault::After) { Err(failed("writing", key)) } else { Ok(()) }
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        match self.fault(Some(key)).await? {
            Some(Fault::Before | Fault::After) => Err(failed("reading", key)),
            _ => self.inner.get(key, range).await,
        }
    }

    async fn list(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, StorageError> {
        match self.fault(Some(prefix)).await? {
            Some(Fault::Before | Fault::After) => Err(failed("listing", prefix)),
            _ => self.inner.list(prefix, after, limit).await,
        }
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), StorageError> {
        let fault = self.fault(keys.first()).await?;
        let error = || StorageError::retryable("deleting failed: a fault was to be tried");
        if matches!(fault, Some(Fault::Before | Fault::Exists | Fault::Late)) {
            return Err(error());
        }
        self.inner.delete(keys).await?;
        match fault {
            Some(Fault::After) => Err(error()),
            Some(Fault::Twice | Fault::Again) => self.inner.delete(keys).await,
            _ => Ok(()),
        }
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
