//! For tests outside this crate: snapshots that no capture would make. Not part of the public interface.

use crate::error::Error;
use crate::snapshot::{Manifest, Snapshot, Spool};

/// A snapshot of `manifest_json` with `blobs` as its contents, whether or not the two agree. Nothing but the
/// shape of the manifest is checked here: refusing the rest is what the tests are about.
pub fn snapshot_from_parts(manifest_json: &[u8], blobs: &[&[u8]]) -> Result<Snapshot, Error> {
    let manifest: Manifest = serde_json::from_slice(manifest_json)
        .map_err(|why| Error::format("the manifest", why.to_string()))?;
    let spool = Spool::new(1 << 20);
    for blob in blobs {
        spool.add(blob)?;
    }
    spool.seal(manifest)
}
