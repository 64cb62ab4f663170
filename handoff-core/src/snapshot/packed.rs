//! A manifest in the form in which a bundle holds it.

use std::io;

use super::Manifest;
use super::blob::Packer;

/// The payload of the manifest's frame, and the length that it stands for.
pub(super) struct PackedManifest {
    pub payload: Vec<u8>,
    pub raw: usize,
}

impl PackedManifest {
    /// Compresses a manifest's canonical bytes.
    pub fn of(raw: &[u8]) -> io::Result<Self> {
        let mut packer = Packer::new()?;
        let payload = packer.pack(raw).unwrap_or(raw).to_vec();
        Ok(Self { payload, raw: raw.len() })
    }
}

/// Whether writing and compressing the text of `manifest` is worth a thread of its own.
pub(super) fn is_large(manifest: &Manifest) -> bool {
    manifest.repos.iter().map(|repo| repo.entries.len()).sum::<usize>() > 200
}
