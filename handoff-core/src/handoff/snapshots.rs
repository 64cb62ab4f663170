//! Stored workspace states: contents in packs, then the record that names them.

use std::sync::Arc;

use crate::error::Error;
use crate::run::SnapshotRef;
use crate::snapshot::Snapshot;
use crate::storage::Storage;

/// Workspace states in a storage.
#[derive(Clone)]
pub struct Snapshots {
    storage: Arc<dyn Storage>,
}

/// What [`Snapshots::save`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// Where it is.
    pub reference: SnapshotRef,
    /// Contents that were stored by this call.
    pub new_blobs: u64,
    /// Bytes that were stored by this call, compressed.
    pub new_bytes: u64,
    /// Contents that `parent` had already.
    pub shared_blobs: u64,
}

impl Snapshots {
    /// The states in `storage`.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage }
    }

    /// Stores a state: contents first, the record last, so that a crash leaves rubbish but never a record that
    /// points to nothing. Contents that `parent` holds are not stored again; `parent` must be kept alive by a run.
    pub async fn save(&self, snapshot: &Snapshot, parent: Option<&SnapshotRef>) -> Result<Stored, Error> {
        let _ = (snapshot, parent, &self.storage);
        todo!()
    }

    /// Loads a state with all its contents, each checked against its hash; beyond 32 MiB they go to a temporary
    /// file without a name.
    pub async fn load(&self, reference: &SnapshotRef) -> Result<Snapshot, Error> {
        let _ = reference;
        todo!()
    }
}
