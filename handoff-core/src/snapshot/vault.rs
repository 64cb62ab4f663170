//! Compressed blocks kept in memory up to a limit, then in a temporary file without a name, so that a crash
//! leaves nothing. The file is laid out as the beginning of a bundle: see [`bundle::save`](super::bundle::save).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::bundle::frame::{FILE_HEADER_LEN, HEADER_LEN, file_header};
use super::nameless::Nameless;
use super::store::{Block, Place};
use crate::error::Error;

/// After so many bytes the system is told to begin writing them to the disk: enough for long sequential writes,
/// and little enough that what is left at the end is written in no time.
const FLUSH: u64 = 32 << 20;

/// Usable from several threads at once.
pub(super) struct Vault {
    /// Bytes that may still be kept in memory.
    memory: AtomicU64,
    dir: PathBuf,
    /// Writers take turns: the file systems that matter let only one write to a file at a time, and waiting
    /// there costs processor time.
    spill: Mutex<Option<Spill>>,
}

/// The file of a [`Vault`]: the file header, and then frames of blocks.
pub(super) struct Spill {
    file: Arc<Nameless>,
    /// Where the next frame begins.
    end: u64,
    /// Up to here the system was told to write to the disk.
    flushed: u64,
}

impl Spill {
    /// The file, and the length that it has.
    pub(super) fn into_parts(self) -> (Arc<Nameless>, u64) {
        (self.file, self.end)
    }
}

impl Vault {
    /// A vault whose file, should there be one, is in `dir`.
    pub(super) fn new(memory: u64, dir: Option<PathBuf>) -> Self {
        let dir = match dir {
            // What the parent of a bare file name is.
            Some(dir) if dir.as_os_str().is_empty() => PathBuf::from("."),
            Some(dir) => dir,
            None => std::env::temp_dir(),
        };
        Self { memory: AtomicU64::new(memory), dir, spill: Mutex::default() }
    }

    /// Keeps the frame of a block: its header and its payload.
    pub(super) fn keep(&self, header: &[u8; HEADER_LEN], payload: &[u8]) -> Result<Place, Error> {
        let len = payload.len() as u64;
        let in_memory = self
            .memory
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(len))
            .is_ok();
        if in_memory {
            return Ok(Place::Memory(payload.into()));
        }
        let failed = |why| Error::io("writing the spool in", &self.dir, why);
        let mut guard = self.spill.lock().unwrap_or_else(PoisonError::into_inner);
        let spill = match &mut *guard {
            Some(spill) => spill,
            empty => {
                let file = Arc::new(Nameless::create(&self.dir).map_err(failed)?);
                file.write_at(&file_header(), &[], 0).map_err(failed)?;
                empty.insert(Spill { file, end: FILE_HEADER_LEN as u64, flushed: 0 })
            }
        };
        let offset = spill.end;
        spill.file.write_at(header, payload, offset).map_err(failed)?;
        spill.end += HEADER_LEN as u64 + len;
        if spill.end - spill.flushed >= FLUSH {
            let (file, from, to) = (Arc::clone(&spill.file), spill.flushed, spill.end);
            spill.flushed = to;
            // Finding room on the disk takes a while, in which others may write.
            drop(guard);
            file.begin_writing(from, to);
        }
        Ok(Place::Frame(offset))
    }

    /// Reads back a block's payload before the vault is sealed.
    pub(super) fn read(&self, block: &Block) -> Result<Vec<u8>, Error> {
        match &block.place {
            Place::Memory(bytes) => Ok(bytes.to_vec()),
            Place::Frame(offset) => {
                let mut bytes = vec![0; block.stored as usize];
                let file = self.file().ok_or_else(|| Error::Truncated { what: "the spool".to_owned() })?;
                file.read_exact_at(&mut bytes, offset + HEADER_LEN as u64)
                    .map_err(|why| Error::io("reading the spool in", &self.dir, why))?;
                Ok(bytes)
            }
        }
    }

    fn file(&self) -> Option<Arc<File>> {
        let spill = self.spill.lock().unwrap_or_else(PoisonError::into_inner);
        spill.as_ref().map(|spill| Arc::clone(spill.file.file()))
    }

    /// The file, if anything is in one.
    pub(super) fn into_spill(self) -> Option<Spill> {
        self.spill.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
