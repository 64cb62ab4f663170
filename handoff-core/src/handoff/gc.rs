//! Taking away what nothing reaches any more.

use std::time::Duration;

use super::Handoff;
use crate::error::Error;

/// What a collection keeps.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GcOptions {
    /// Unreached objects younger than this stay, by the storage's clock. Default 24 hours; at least 1 hour.
    pub grace: Duration,
    /// How long a candidate of an earlier pass must have been one. Default 4 hours.
    pub second_look: Duration,
    /// Snapshots kept per run, newest first; the one it began with and the latest are always kept. Default 20.
    pub snapshots_per_run: usize,
}

impl Default for GcOptions {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(24 * 3600),
            second_look: Duration::from_secs(4 * 3600),
            snapshots_per_run: 20,
        }
    }
}

/// What a pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GcReport {
    /// Objects that something reaches.
    pub reached: u64,
    /// Objects that nothing reaches and that a later pass may delete.
    pub candidates: u64,
    /// Objects deleted by this pass.
    pub deleted: u64,
    /// Their bytes.
    pub deleted_bytes: u64,
}

impl Handoff {
    /// One pass: marks everything that runs, conversations and leases reach, deletes candidates of earlier passes
    /// that are still unreached, and notes new candidates. Safe beside everything else, in any number at once.
    pub async fn collect_garbage(&self, options: &GcOptions) -> Result<GcReport, Error> {
        let _ = options;
        todo!()
    }
}
