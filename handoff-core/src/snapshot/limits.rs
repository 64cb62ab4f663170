//! How much a snapshot from elsewhere may ask for.

use crate::error::Error;

/// Most files outside any repository in one snapshot, carried or not.
pub(crate) const LOOSE_FILES: u64 = 4096;

/// Most parts of unpushed commits in one snapshot.
pub(crate) const HISTORY_PARTS: u64 = 4096;

/// What is read of a snapshot before it is refused. The defaults are those of a default capture; raise a
/// field to read a larger snapshot of a source you trust. A field above its ceiling counts as the ceiling.
///
/// Limits on single paths are not here: a path that is too long or too deep is refused on its own when the
/// snapshot is applied, and the rest is applied.
///
/// ```
/// let mut limits = handoff_core::snapshot::Limits::default();
/// limits.blob_bytes = 4 << 30;
/// limits.total_bytes = 8 << 30;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of the manifest, uncompressed. Default 32 MiB, which holds 50,000 entries of
    /// three layers; ceiling 256 MiB.
    pub manifest_bytes: u64,
    /// Arrays and objects within one another in the manifest. Default 32, ceiling 64.
    pub json_depth: u64,
    /// Repositories. Default 1,000, ceiling 10,000.
    pub repos: u64,
    /// Entries of all repositories together. Default 50,000, ceiling 1,000,000.
    pub entries: u64,
    /// Omissions of all repositories together. Default 50,000, ceiling 1,000,000.
    pub omissions: u64,
    /// Bytes of one blob. A larger one is refused when it is read; the others are not affected.
    /// Default 100 MiB, ceiling 64 GiB.
    pub blob_bytes: u64,
    /// Bytes of all blobs together, uncompressed. Default 1 GiB, ceiling 64 GiB.
    pub total_bytes: u64,
}

impl Limits {
    /// The most this version reads, whoever asks. A capture never makes a snapshot beyond it.
    pub const CEILING: Self = Self {
        manifest_bytes: 256 << 20,
        json_depth: 64,
        repos: 10_000,
        entries: 1_000_000,
        omissions: 1_000_000,
        blob_bytes: 64 << 30,
        total_bytes: 64 << 30,
    };

    /// These limits, none above its ceiling.
    pub(super) fn clamped(&self) -> Self {
        let top = Self::CEILING;
        Self {
            manifest_bytes: self.manifest_bytes.min(top.manifest_bytes),
            json_depth: self.json_depth.min(top.json_depth),
            repos: self.repos.min(top.repos),
            entries: self.entries.min(top.entries),
            omissions: self.omissions.min(top.omissions),
            blob_bytes: self.blob_bytes.min(top.blob_bytes),
            total_bytes: self.total_bytes.min(top.total_bytes),
        }
    }

    /// Most blobs: each entry has three layers and three stages at most.
    pub(super) fn blobs(&self) -> u64 {
        self.entries.saturating_mul(6).saturating_add(HISTORY_PARTS)
    }

    /// Most blocks: a full block holds 128 KiB or more, and a blob adds at most one that is not; the last few may hold anything.
    pub(super) fn blocks(&self) -> u64 {
        self.total_bytes / (128 << 10) + self.blobs() + 8
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            manifest_bytes: 32 << 20,
            json_depth: 32,
            repos: 1_000,
            entries: 50_000,
            omissions: 50_000,
            blob_bytes: 100 << 20,
            total_bytes: 1 << 30,
        }
    }
}

/// [`Error::Limit`] when `found` is more than `limit`.
pub(super) fn within(what: &str, found: u64, limit: u64) -> Result<(), Error> {
    if found > limit { Err(Error::Limit { what: what.to_owned(), limit, found }) } else { Ok(()) }
}
