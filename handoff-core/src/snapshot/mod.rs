//! The immutable result of a capture: a manifest and the contents it names.

pub mod manifest;

use std::path::Path;

pub use manifest::*;

use crate::digest::Digest;
use crate::error::Error;
use crate::id::SnapshotId;
use crate::progress::Control;

/// A captured workspace state.
#[derive(Debug)]
pub struct Snapshot {}

impl Snapshot {
    pub fn id(&self) -> SnapshotId {
        todo!()
    }
    pub fn manifest(&self) -> &Manifest {
        todo!()
    }
    /// A blob's content, verified against its digest. `limit` bytes at most.
    pub fn blob(&self, blob: &Digest) -> Result<Vec<u8>, Error> {
        todo!()
    }
    /// Streams a blob's content to `out`, verifying size and digest (error at the end on mismatch).
    pub fn copy_blob(&self, blob: &Digest, out: &mut dyn std::io::Write) -> Result<u64, Error> {
        todo!()
    }
    pub fn has_blob(&self, blob: &Digest) -> bool {
        todo!()
    }
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        todo!()
    }
    pub fn open(path: &Path) -> Result<Self, Error> {
        todo!()
    }
}

/// Collects contents during a capture: compressed blocks in memory, then in an unlinked temporary file.
pub(crate) struct Spool {}

impl Spool {
    pub fn new(memory: u64) -> Self {
        todo!()
    }
    /// Adds content already in memory; equal content is stored once. Usable from several threads.
    pub fn add(&self, content: &[u8]) -> Result<Digest, Error> {
        todo!()
    }
    /// Adds content from a reader, in bounded memory, compressing on several cores.
    pub fn add_reader(
        &self,
        reader: &mut dyn std::io::Read,
        control: &Control,
    ) -> Result<(Digest, u64), Error> {
        todo!()
    }
    /// Seals the collected contents under `manifest`.
    pub fn finish(self, manifest: Manifest) -> Result<Snapshot, Error> {
        todo!()
    }
}
