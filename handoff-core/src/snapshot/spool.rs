//! Collecting contents during a capture: each distinct content once, compressed, in bounded memory.
//!
//! Contents are gathered into runs, each a sequence of blocks. Small contents share a run of one block;
//! a large one has a run of its own, so that several threads can add at once without their blocks getting
//! mixed. The runs, one after another, are the snapshot's stream; where in the file a block is does not matter.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use super::Inner;
use super::blob::{LARGE_BLOCK, Packer, SMALL_BLOCK, Unpacker};
use super::bundle::frame;
use super::limits::Limits;
use super::manifest::Manifest;
use super::packed::{self, PackedManifest};
use super::runs::State;
use super::store::{Block, Store};
use super::streak::Streak;
use super::vault::Vault;
use super::{Snapshot, parallel};
use crate::digest::Digest;
use crate::error::Error;
use crate::id::SnapshotId;
use crate::join;
use crate::progress::Control;

/// Contents of at least this length get a run of their own. Half a block, so that every shared block is at
/// least half full.
const LARGE: usize = SMALL_BLOCK / 2;

/// Collects contents during a capture: compressed blocks in memory, then in an unlinked temporary file.
/// Usable from several threads; what they share is locked only to copy small contents and to look things up.
pub(crate) struct Spool {
    vault: Vault,
    state: Mutex<State>,
    packers: Mutex<Vec<Packer>>,
}

/// Why a content could not be added.
#[derive(Debug)]
pub(crate) enum AddError {
    /// Its reader failed: trouble with one file. The spool is as if nothing had been added.
    Source(io::Error),
    /// The spool failed or the caller cancelled: trouble with the whole capture.
    Spool(Error),
}

impl From<Error> for AddError {
    fn from(error: Error) -> Self {
        Self::Spool(error)
    }
}

impl From<AddError> for Error {
    fn from(error: AddError) -> Self {
        match error {
            AddError::Source(why) => Self::io("reading", std::path::Path::new("the content to store"), why),
            AddError::Spool(error) => error,
        }
    }
}

impl Spool {
    /// A spool that keeps about `memory` compressed bytes in memory, and the rest in a file without a name
    /// in the system's directory for temporary files.
    pub(crate) fn new(memory: u64) -> Self {
        Self::new_in(memory, None)
    }

    /// As [`new`](Self::new), with the file in `dir`.
    pub(crate) fn new_in(memory: u64, dir: Option<PathBuf>) -> Self {
        Self { vault: Vault::new(memory, dir), state: Mutex::default(), packers: Mutex::default() }
    }

    /// Adds content already in memory; equal content is stored once. Usable from several threads.
    ///
    /// After an error the spool is incomplete, and [`finish`](Self::finish) fails, too.
    pub(crate) fn add(&self, content: &[u8]) -> Result<Digest, Error> {
        let digest = Digest::of(content);
        if content.len() >= LARGE {
            self.add_large(digest, content)?
        } else {
            self.add_small(digest, content)?
        }
        Ok(digest)
    }

    /// Adds content from a reader until its end, in bounded memory, compressing on as many threads as there
    /// are cores. Returns its digest and length.
    pub(crate) fn add_reader(
        &self,
        reader: &mut (dyn Read + Send),
        control: &Control,
    ) -> Result<(Digest, u64), AddError> {
        control.check()?;
        let first = parallel::Chunk::read(reader, Vec::new()).map_err(AddError::Source)?;
        if first.bytes().len() < LARGE_BLOCK {
            // All of it is there, so nothing is gained by threads.
            return Ok((self.add(first.bytes())?, first.bytes().len() as u64));
        }
        let run = self.lock().reserve(0);
        let streak = Streak::default();
        let store = |at: usize, raw: &[u8], packer: &mut Packer| {
            let block = self.store(raw, streak.worth_trying(at).then_some(&mut *packer))?;
            streak.count(&block);
            self.lock().set(run, at, block);
            Ok(())
        };
        let streamed = parallel::stream(reader, first, control, || self.packer(), &store);
        let mut state = self.lock();
        match streamed {
            Ok((digest, len)) if state.known.insert(digest) => {
                state.name(run, digest, len);
                Ok((digest, len))
            }
            done => {
                // Failed, or stored before under the same digest; the digest is known only at the end.
                state.abandon(run);
                done
            }
        }
    }

    /// Seals the collected contents under `manifest`. Contents that it does not name are left out.
    ///
    /// # Errors
    /// [`Error::Format`] and [`Error::Limit`] when the manifest is not one that could be read back;
    /// [`Error::BlobMissing`] when it names a content that was not added.
    pub(crate) fn finish(self, manifest: Manifest) -> Result<Snapshot, Error> {
        self.close(manifest, |store, named| {
            for (blob, size) in named {
                match store.find(blob).map(|found| found.len) {
                    None => return Err(Error::BlobMissing { blob: *blob }),
                    Some(found) if found != *size => {
                        return Err(Error::format(
                            "the manifest",
                            format!("blob {blob} is {found} bytes and not {size}"),
                        ));
                    }
                    Some(_) => {}
                }
            }
            Ok(())
        })
    }

    /// As [`finish`](Self::finish), whether or not the contents are those that the manifest names.
    pub(crate) fn seal(self, manifest: Manifest) -> Result<Snapshot, Error> {
        self.close(manifest, |_, _| Ok(()))
    }

    /// Seals what is named, once `complete` has seen what there is and what is named.
    fn close(
        self,
        manifest: Manifest,
        complete: impl FnOnce(&Store, &HashMap<Digest, u64>) -> Result<(), Error>,
    ) -> Result<Snapshot, Error> {
        let tidy = || {
            let named = manifest.contents()?;
            manifest.check(&Limits::CEILING)?;
            self.flush()?;
            self.drop_unnamed(&named)?;
            self.flush()?;
            Ok::<_, Error>(named)
        };
        let text = || manifest.to_canonical();
        let many = packed::is_large(&manifest);
        let (named, text) = if many { join::pair(tidy, text) } else { (tidy(), text()) };
        let (named, text) = (named?, text?);
        let seal = || {
            let store = self.into_store()?;
            complete(&store, &named)?;
            Ok::<_, Error>((SnapshotId(Digest::of(&text)), store))
        };
        let (sealed, packed) = if many {
            let (sealed, packed) = join::pair(seal, || PackedManifest::of(&text));
            (sealed, Some(packed))
        } else {
            (seal(), None)
        };
        let (id, store) = sealed?;
        let packed = packed.transpose().map_err(no_packer)?;
        Ok(Snapshot::from_inner(Inner { id, manifest, packed, store, gaps: Vec::new() }))
    }

    /// All that was collected, in the order in which it was begun.
    fn into_store(self) -> Result<Store, Error> {
        let Self { vault, state, .. } = self;
        let state = state.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (blocks, blobs) = state.into_stream()?;
        Ok(Store::of_vault(blocks, blobs, vault, "the spool", u64::MAX))
    }

    fn add_small(&self, digest: Digest, content: &[u8]) -> Result<(), Error> {
        let full = {
            let mut state = self.lock();
            if !state.known.insert(digest) {
                return Ok(());
            }
            let full = (state.open.raw.len() + content.len() > SMALL_BLOCK).then(|| state.close());
            if state.open.raw.capacity() == 0 {
                state.open.raw = state.spare.pop().unwrap_or_default();
            }
            state.open.raw.extend_from_slice(content);
            state.open.blobs.push((digest, content.len()));
            full
        };
        let Some((run, mut raw)) = full else { return Ok(()) };
        self.store_batch(run, &raw)?;
        raw.clear();
        self.lock().spare.push(raw);
        Ok(())
    }

    fn add_large(&self, digest: Digest, content: &[u8]) -> Result<(), Error> {
        let run = {
            let mut state = self.lock();
            if !state.known.insert(digest) {
                return Ok(());
            }
            let run = state.reserve(content.len().div_ceil(LARGE_BLOCK));
            state.name(run, digest, content.len() as u64);
            run
        };
        let mut packer = self.packer()?;
        let streak = Streak::default();
        for (at, raw) in content.chunks(LARGE_BLOCK).enumerate() {
            let block = self.store(raw, streak.worth_trying(at).then_some(&mut packer))?;
            streak.count(&block);
            self.lock().set(run, at, block);
        }
        self.give_back(packer);
        Ok(())
    }

    /// Compresses and keeps what is still being gathered.
    fn flush(&self) -> Result<(), Error> {
        let full = {
            let mut state = self.lock();
            (!state.open.blobs.is_empty()).then(|| state.close())
        };
        full.map_or(Ok(()), |(run, raw)| self.store_batch(run, &raw))
    }

    fn store_batch(&self, run: usize, raw: &[u8]) -> Result<(), Error> {
        if raw.is_empty() {
            // Nothing but the empty content: a range of the stream, and no block.
            self.lock().set_blocks(run, Vec::new());
            return Ok(());
        }
        let mut packer = self.packer()?;
        let block = self.store(raw, Some(&mut packer))?;
        self.give_back(packer);
        self.lock().set(run, 0, block);
        Ok(())
    }

    /// Keeps one block, compressed if there is a packer and it helps.
    fn store(&self, raw: &[u8], packer: Option<&mut Packer>) -> Result<Block, Error> {
        let stored = packer.and_then(|packer| packer.pack(raw)).unwrap_or(raw);
        // Blocks are 1 MiB at most.
        let (len, raw_len) = (stored.len() as u32, raw.len() as u32);
        let header = frame::Header::block(len, raw_len);
        let crc = frame::checksum(&header.encode_without_crc(), stored);
        Ok(Block { place: self.vault.keep(&header.encode(crc), stored)?, stored: len, raw: raw_len, crc })
    }

    /// Removes what `named` does not name. A capture may have stored a file before it decided that the file
    /// must not travel, so this is more than saving room: shared blocks are written anew without it.
    fn drop_unnamed(&self, named: &HashMap<Digest, u64>) -> Result<(), Error> {
        let unpacker = Unpacker::default();
        let runs = std::mem::take(&mut self.lock().runs);
        for mut run in runs {
            let live = run.blobs.iter().filter(|(digest, _)| named.contains_key(digest)).count();
            if live == run.blobs.len() {
                self.lock().runs.push(run);
                continue;
            }
            for (digest, _) in &run.blobs {
                self.lock().known.remove(digest);
            }
            if live == 0 {
                continue;
            }
            // More than one blob, so this is a batch, and it has one block.
            let Some(Some(block)) = run.blocks.pop() else {
                return Err(Error::Truncated { what: "the spool".to_owned() });
            };
            let stored = self.vault.read(&block)?;
            let mut raw = Vec::new();
            unpacker
                .unpack(&stored, block.raw as usize, &mut raw)
                .map_err(|_| Error::Corrupt { what: "a block of the spool".to_owned() })?;
            let mut rest = raw.as_slice();
            for (digest, len) in run.blobs {
                let (content, later) = rest.split_at_checked(len as usize).unwrap_or((rest, &[]));
                rest = later;
                if named.contains_key(&digest) {
                    self.add_small(digest, content)?;
                }
            }
        }
        Ok(())
    }

    fn packer(&self) -> Result<Packer, Error> {
        let pooled = self.packers.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop();
        match pooled {
            Some(packer) => Ok(packer),
            None => Packer::new().map_err(no_packer),
        }
    }

    fn give_back(&self, packer: Packer) {
        self.packers.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(packer);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held that would leave the state half changed.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn no_packer(why: io::Error) -> Error {
    Error::io("compressing for the spool in", &std::env::temp_dir(), why)
}
