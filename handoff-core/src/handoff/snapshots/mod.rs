//! Stored workspace states: contents in packs, then the record that names them.

mod load;
mod pack;
mod save;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{Clock, SystemClock};
use crate::digest::Digest;
use crate::error::Error;
use crate::id::{OpId, SnapshotId};
use crate::log;
use crate::record;
use crate::run::SnapshotRef;
use crate::snapshot::Extra;
use crate::storage::{Key, Storage};

/// The largest JSON of a stored record: 50,000 entries with three contents each have a place in it.
const MAX_RECORD: u64 = 64 << 20;

/// Workspace states in a storage.
///
/// ```
/// use std::sync::Arc;
/// use handoff_core::storage::MemoryStorage;
/// use handoff_core::{CaptureOptions, Snapshots, Workspace, capture};
/// # let (dir, laptop, cloud) = handoff_core::testing::laptop_and_cloud()?;
///
/// # futures_lite::future::block_on(async {
/// let snapshots = Snapshots::new(Arc::new(MemoryStorage::new()));
/// let snapshot = capture(&Workspace::new([&laptop])?, &CaptureOptions::default())?;
/// let stored = snapshots.save(&snapshot, None).await?;
/// assert_eq!(snapshots.load(&stored.reference).await?.id(), snapshot.id());
///
/// // After a small edit, only what is new is stored.
/// std::fs::write(laptop.join("more.txt"), "more\n")?;
/// let later = capture(&Workspace::new([&laptop])?, &CaptureOptions::default())?;
/// assert_eq!(snapshots.save(&later, Some(&stored.reference)).await?.new_blobs, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Snapshots {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
}

/// Storing a state and naming it in a run must not take longer: what is stored and not named is garbage to others, who
/// wait twice as long before they take it. See `handoff/collect`.
pub(in crate::handoff) const LONGEST_SAVE: Duration = Duration::from_secs(12 * 3600);

/// What [`Snapshots::save`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// Where it is.
    pub reference: SnapshotRef,
    /// Contents that were stored by this call.
    pub new_blobs: u64,
    /// Bytes of them as stored.
    pub new_bytes: u64,
    /// Contents that `parent` had already.
    pub shared_blobs: u64,
}

/// What stands under a state's key: everything needed to find its contents.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredRecord {
    /// The state's own id, which the manifest must have.
    pub(super) id: SnapshotId,
    /// Where the manifest is; its blob id is that of its canonical bytes.
    pub(super) manifest: Located,
    /// Packs that hold something of it.
    pub(super) packs: Vec<Key>,
    /// Where each content is.
    pub(super) blobs: BTreeMap<Digest, Located>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub(super) extra: Extra,
}

/// Where a content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Located {
    /// Which of the record's packs.
    #[serde(rename = "p")]
    pub(super) pack: u32,
    /// Where it begins in the pack.
    #[serde(rename = "o")]
    pub(super) offset: u64,
    /// Its length as stored.
    #[serde(rename = "s")]
    pub(super) stored: u64,
    /// Its own length; the same as `stored` when it is not compressed.
    #[serde(rename = "n")]
    pub(super) len: u64,
}

impl Snapshots {
    /// The states in `storage`.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self::with_clock(storage, Arc::new(SystemClock))
    }

    pub(in crate::handoff) fn with_clock(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>) -> Self {
        Self { storage, clock }
    }

    /// The time to measure a save from.
    pub(in crate::handoff) fn begin(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Refuses to go on with what was begun too long ago, when others may take it for garbage.
    pub(in crate::handoff) fn in_time(&self, begun: Duration) -> Result<(), Error> {
        if self.clock.monotonic().saturating_sub(begun) < LONGEST_SAVE {
            return Ok(());
        }
        Err(Error::TimedOut {
            what: "storing a workspace state, which must be done within 12 hours".to_owned(),
        })
    }

    /// The same state under a new record, so that no collection of garbage that has the old one in view takes it from
    /// under a run that is about to name it. Two requests; contents stay where they are.
    pub(in crate::handoff) async fn renew(&self, reference: &SnapshotRef) -> Result<SnapshotRef, Error> {
        let begun = self.begin();
        let record = self.record(reference).await?;
        self.commit(record, begun).await
    }

    /// Writes a record whose contents are all stored.
    async fn commit(&self, record: StoredRecord, begun: Duration) -> Result<SnapshotRef, Error> {
        let what = format!("snapshot {}", record.id);
        let reference = SnapshotRef { id: record.id, key: record_key(&record.id)? };
        let body = record::encode_within(&what, &record, MAX_RECORD)?;
        self.in_time(begun)?;
        if !log::put_new(&*self.storage, &reference.key, body).await?.won() {
            return Err(Error::Corrupt { what });
        }
        Ok(reference)
    }

    /// The packs that a stored record names.
    pub(in crate::handoff) fn packs_in(key: &Key, body: &[u8]) -> Result<Vec<Key>, Error> {
        Ok(record::decode_within::<StoredRecord>(&format!("the snapshot {key}"), body, MAX_RECORD)?.packs)
    }

    pub(super) async fn record(&self, reference: &SnapshotRef) -> Result<StoredRecord, Error> {
        let what = format!("snapshot {}", reference.id);
        let body = log::get(&*self.storage, &reference.key).await?;
        let body = body.ok_or_else(|| Error::not_found(what.clone()))?;
        let record: StoredRecord = record::decode_within(&what, &body, MAX_RECORD)?;
        if record.id == reference.id { Ok(record) } else { Err(Error::Corrupt { what }) }
    }
}

/// A key for a new record of the state: never used before, so that a collection of garbage cannot hit a record
/// that somebody has just written again.
fn record_key(id: &SnapshotId) -> Result<Key, Error> {
    let op = OpId::new().to_string();
    format!("s/{id}/{op}").parse().map_err(|_| Error::format(format!("snapshot {id}"), "its key"))
}
