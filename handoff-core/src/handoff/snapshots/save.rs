//! Storing: contents first, the record last.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::pack::{LARGE, Packs};
use super::{Located, Snapshots, Stored, StoredRecord};
use crate::digest::Digest;
use crate::error::Error;
use crate::run::SnapshotRef;
use crate::snapshot::{Extra, Snapshot};
use crate::storage::Key;

/// A parent's packs, taken over into a new record as far as they are used.
struct Inherited {
    record: StoredRecord,
    /// The parent's number of a pack and the new one's.
    numbers: HashMap<u32, u32>,
}

impl Inherited {
    fn locate(&mut self, blob: &Digest, len: u64, keys: &mut Vec<Key>) -> Option<Located> {
        let there = *self.record.blobs.get(blob)?;
        // A record that says otherwise of the same bytes is not to be relied on.
        let key = self.record.packs.get(there.pack as usize).filter(|_| there.len == len)?;
        let pack = *self.numbers.entry(there.pack).or_insert_with(|| {
            keys.push(key.clone());
            keys.len() as u32 - 1
        });
        Some(Located { pack, ..there })
    }
}

impl Snapshots {
    /// Stores a state: contents first, the record last, so that a crash leaves rubbish but never a record that
    /// points to nothing. Contents that `parent` holds are not stored again; `parent` must be kept alive by a run.
    /// A few requests for each 8 MiB of new contents; memory is bounded by that.
    ///
    /// # Errors
    /// [`Error::Storage`]; [`Error::TimedOut`] when it took more than 12 hours; [`Error::Corrupt`] when contents of
    /// `snapshot` were damaged meanwhile. A `parent` that cannot be read is as none.
    pub async fn save(&self, snapshot: &Snapshot, parent: Option<&SnapshotRef>) -> Result<Stored, Error> {
        let begun = self.begin();
        let contents = snapshot.manifest().contents()?;
        let mut keys = Vec::new();
        let mut blobs = BTreeMap::new();
        if let Some(parent) = parent
            && let Ok(record) = self.record(parent).await
        {
            let mut inherited = Inherited { record, numbers: HashMap::new() };
            for (blob, len) in &contents {
                if let Some(located) = inherited.locate(blob, *len, &mut keys) {
                    blobs.insert(*blob, located);
                }
            }
        }
        let shared_blobs = blobs.len() as u64;
        let mut new: Vec<_> = contents.into_iter().filter(|(blob, _)| !blobs.contains_key(blob)).collect();
        // In the order of their ids, so that the same state is packed the same way.
        new.sort_unstable();
        let mut packs = Packs::new(Arc::clone(&self.storage), keys);
        let new_blobs = new.len() as u64;
        let (large, small): (Vec<_>, Vec<_>) = new.into_iter().partition(|(_, len)| *len >= LARGE);
        for (blob, len) in large {
            let located = packs.add_large(snapshot, blob, len).await?;
            blobs.insert(blob, located);
        }
        for (blob, _) in small {
            let located = packs.add(&snapshot.blob(&blob)?).await?;
            blobs.insert(blob, located);
        }
        let manifest = packs.add(&snapshot.manifest().to_canonical()?).await?;
        packs.send().await?;
        let record =
            StoredRecord { id: snapshot.id(), manifest, packs: packs.keys, blobs, extra: Extra::new() };
        let reference = self.commit(record, begun).await?;
        Ok(Stored { reference, new_blobs, new_bytes: packs.stored, shared_blobs })
    }
}
