//! Bytes kept in memory up to a limit, then in an unlinked temporary file, so that a crash leaves nothing.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::store::Place;
use crate::error::Error;

/// Usable from several threads at once: a place is reserved first, and writers do not wait for each other.
pub(super) struct Vault {
    /// Bytes that may still be kept in memory.
    memory: AtomicU64,
    file: OnceLock<Arc<File>>,
    end: AtomicU64,
}

impl Vault {
    pub(super) fn new(memory: u64) -> Self {
        Self { memory: AtomicU64::new(memory), file: OnceLock::new(), end: AtomicU64::new(0) }
    }

    /// Keeps `bytes`.
    pub(super) fn keep(&self, bytes: &[u8]) -> Result<Place, Error> {
        let len = bytes.len() as u64;
        let in_memory = self
            .memory
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(len))
            .is_ok();
        if in_memory {
            return Ok(Place::Memory(bytes.into()));
        }
        let failed = |why| Error::io("writing the spool in", &std::env::temp_dir(), why);
        let file = match self.file.get() {
            Some(file) => file,
            None => {
                // Two threads may both make one; the loser's vanishes, being unlinked and empty.
                let file = Arc::new(tempfile::tempfile().map_err(failed)?);
                self.file.get_or_init(|| file)
            }
        };
        let offset = self.end.fetch_add(len, Ordering::Relaxed);
        file.write_all_at(bytes, offset).map_err(failed)?;
        Ok(Place::Spool(offset))
    }

    /// Reads back what is at `place` before the spool is sealed.
    pub(super) fn read(&self, place: &Place, len: usize) -> Result<Vec<u8>, Error> {
        match place {
            Place::Memory(bytes) => Ok(bytes.to_vec()),
            Place::Spool(offset) | Place::Bundle(offset) => {
                let mut bytes = vec![0; len];
                let file =
                    self.file.get().ok_or_else(|| Error::Truncated { what: "the spool".to_owned() })?;
                file.read_exact_at(&mut bytes, *offset)
                    .map_err(|why| Error::io("reading the spool in", &std::env::temp_dir(), why))?;
                Ok(bytes)
            }
        }
    }

    /// The file, if anything is in one.
    pub(super) fn into_file(self) -> Option<Arc<File>> {
        self.file.into_inner()
    }
}
