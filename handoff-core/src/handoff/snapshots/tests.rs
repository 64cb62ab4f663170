#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use futures_lite::future::block_on;

use super::Snapshots;
use crate::capture::{CaptureOptions, capture};
use crate::error::ErrorKind;
use crate::snapshot::Snapshot;
use crate::storage::{Key, MemoryStorage, Storage as _};
use crate::testing::laptop_and_cloud;
use crate::workspace::Workspace;

fn take(dir: &std::path::Path) -> Snapshot {
    capture(&Workspace::new([dir]).unwrap(), &CaptureOptions::default()).unwrap()
}

fn keys(storage: &MemoryStorage, prefix: &str) -> Vec<Key> {
    let listed = block_on(storage.list(&prefix.parse().unwrap(), None, 1_000)).unwrap();
    listed.into_iter().map(|meta| meta.key).collect()
}

/// Bytes that do not compress.
fn noise(len: usize, mut seed: u64) -> Vec<u8> {
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as u8
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn small_and_large_contents_come_back_and_only_new_ones_are_stored() {
    let (_dir, laptop, _) = laptop_and_cloud().unwrap();
    std::fs::write(laptop.join("large.bin"), noise(21 << 20, 1)).unwrap();
    std::fs::write(laptop.join("zeros.bin"), vec![0; 30 << 20]).unwrap();
    std::fs::write(laptop.join("empty"), "").unwrap();
    for number in 0..300 {
        std::fs::write(laptop.join(format!("{number}.txt")), format!("file {number}\n").repeat(50)).unwrap();
    }
    let storage = MemoryStorage::new();
    let snapshots = Snapshots::new(Arc::new(storage.clone()));
    let snapshot = take(&laptop);
    let stored = block_on(snapshots.save(&snapshot, None)).unwrap();
    assert_eq!(stored.shared_blobs, 0);
    assert!(keys(&storage, "k").len() <= 4, "two large ones, and all small ones together");
    let loaded = block_on(snapshots.load(&stored.reference)).unwrap();
    assert_eq!(loaded.id(), snapshot.id());
    loaded.verify().unwrap();
    for (blob, len) in snapshot.manifest().contents().unwrap() {
        assert_eq!(loaded.blob_size(&blob), Some(len));
    }

    std::fs::write(laptop.join("7.txt"), "edited\n").unwrap();
    let before = keys(&storage, "k").len();
    let edited = take(&laptop);
    let again = block_on(snapshots.save(&edited, Some(&stored.reference))).unwrap();
    assert_eq!(again.new_blobs, 1);
    assert_eq!(keys(&storage, "k").len(), before + 1);
    assert_eq!(block_on(snapshots.load(&again.reference)).unwrap().id(), edited.id());
}

#[test]
fn what_is_missing_or_damaged_is_said() {
    let (_dir, laptop, _) = laptop_and_cloud().unwrap();
    std::fs::write(laptop.join("large.bin"), noise(9 << 20, 2)).unwrap();
    let storage = MemoryStorage::new();
    let snapshots = Snapshots::new(Arc::new(storage.clone()));
    let stored = block_on(snapshots.save(&take(&laptop), None)).unwrap();
    let load = || block_on(snapshots.load(&stored.reference)).map(|_| ()).map_err(|error| error.kind());
    for key in keys(&storage, "k") {
        let body = block_on(storage.get(&key, None)).unwrap().unwrap();
        for at in [0, body.len() / 2, body.len() - 1] {
            let mut bad = body.to_vec();
            bad[at] ^= 1;
            block_on(storage.put(&key, bad.into())).unwrap();
            assert_eq!(load(), Err(ErrorKind::Corrupt), "byte {at} of {key}");
        }
        block_on(storage.put(&key, body.slice(..body.len() - 1))).unwrap();
        assert_eq!(load(), Err(ErrorKind::Corrupt), "{key} cut short");
        block_on(storage.delete(std::slice::from_ref(&key))).unwrap();
        assert_eq!(load(), Err(ErrorKind::BlobMissing), "{key} gone");
        block_on(storage.put(&key, body)).unwrap();
    }
    load().unwrap();
    let key = &stored.reference.key;
    let body = block_on(storage.get(key, None)).unwrap().unwrap();
    block_on(storage.put(key, body.slice(..body.len() - 1))).unwrap();
    assert_eq!(load(), Err(ErrorKind::Corrupt));
    block_on(storage.delete(std::slice::from_ref(key))).unwrap();
    assert_eq!(load(), Err(ErrorKind::NotFound));
}
