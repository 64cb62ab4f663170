//! Where the people of a schedule are, and what they have: a slow store, a runtime that is nowhere, states to store.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;

use super::HOUR;
use crate::capture::{CaptureOptions, capture};
use crate::environment::Environment;
use crate::handoff::world::World;
use crate::id::{EnvironmentId, SessionId};
use crate::runtime::{RunSession, Runtime, RuntimeError, SessionSpec};
use crate::snapshot::Snapshot;
use crate::storage::{BodyStream, Key, MemoryStorage, Meta, PutNew, Storage, StorageError};
use crate::workspace::Workspace;

/// A store far away, which serves most requests at once and some after hours.
pub(super) struct Slow {
    pub(super) world: World,
    pub(super) memory: MemoryStorage,
}

impl Slow {
    async fn way(&self) {
        let micros = match self.world.below(300) {
            0 => self.world.below(5 * HOUR),
            _ => self.world.below(2_000_000),
        };
        self.world.pause(micros).await;
    }
}

#[async_trait]
impl Storage for Slow {
    async fn put_new(&self, key: &Key, body: Bytes) -> Result<PutNew, StorageError> {
        self.way().await;
        let put = self.memory.put_new(key, body).await;
        self.way().await;
        put
    }

    async fn put(&self, key: &Key, body: Bytes) -> Result<(), StorageError> {
        // Hints depend on the machine's own clock, which is not of this world.
        if key.as_str().ends_with("/hint") { Ok(()) } else { self.memory.put(key, body).await }
    }

    async fn put_stream(&self, key: &Key, body: BodyStream) -> Result<(), StorageError> {
        self.memory.put_stream(key, body).await
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        self.way().await;
        self.memory.get(key, range).await
    }

    async fn list(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, StorageError> {
        self.way().await;
        // In pages of two, so that things happen between them.
        let listed = self.memory.list(prefix, after, limit.min(2)).await?;
        self.way().await;
        let mut all = listed;
        while all.len() < limit {
            let more = self.memory.list(prefix, all.last().map(|meta| &meta.key).or(after), 2).await?;
            if more.is_empty() {
                break;
            }
            self.way().await;
            all.extend(more);
        }
        all.truncate(limit);
        Ok(all)
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), StorageError> {
        for key in keys {
            self.way().await;
            self.memory.delete(std::slice::from_ref(key)).await?;
        }
        Ok(())
    }
}

pub(super) struct Nowhere;

#[async_trait]
impl Runtime for Nowhere {
    async fn environment(&self, id: &EnvironmentId) -> Result<Environment, RuntimeError> {
        Ok(Environment::new(id.clone()))
    }

    async fn start(&self, _: SessionSpec, _: Arc<dyn RunSession>) -> Result<(), RuntimeError> {
        Ok(())
    }

    async fn cancel(&self, _: &SessionId) -> Result<(), RuntimeError> {
        Ok(())
    }
}

/// States of one repository after the other, each with something of the one before.
pub(super) fn states() -> &'static [Snapshot] {
    static STATES: OnceLock<Vec<Snapshot>> = OnceLock::new();
    STATES.get_or_init(|| {
        let (_dir, laptop, _) = crate::testing::laptop_and_cloud().unwrap();
        let workspace = Workspace::new([&laptop]).unwrap();
        let state = |number: usize| {
            for part in 0..4 {
                let text = format!("{} of part {part}\n", number / (part + 1)).repeat(20);
                std::fs::write(laptop.join(format!("{part}.txt")), text).unwrap();
            }
            capture(&workspace, &CaptureOptions::default()).unwrap()
        };
        (0..8).map(state).collect()
    })
}
