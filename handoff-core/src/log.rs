//! An append-only log of numbered objects. The one place that decides who won a number.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::Error;
use crate::storage::{Key, Storage};

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

    /// The last number there is, looking first at `hint`; `None` for an empty log. Doubling steps, then
    /// bisection: O(log distance) reads, never a list.
    pub(crate) async fn head(&self, hint: Option<u64>) -> Result<Option<u64>, Error> {
        let _ = hint;
        todo!()
    }

    /// The body of number `seq`.
    pub(crate) async fn get(&self, seq: u64) -> Result<Option<Bytes>, Error> {
        let _ = (seq, &self.storage, &self.prefix, self.digits);
        todo!()
    }

    /// Creates number `seq`; false when another body is there. A lost or wrong answer is resolved by reading the
    /// number back; passing trouble is tried again with backoff.
    pub(crate) async fn put(&self, seq: u64, body: Bytes) -> Result<bool, Error> {
        let _ = (seq, body);
        todo!()
    }
}
