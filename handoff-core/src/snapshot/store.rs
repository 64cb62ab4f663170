//! The sealed contents of a snapshot: blocks, and where in their stream each blob lies.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::blob::{SMALL_BLOCK, UNPROVEN, Unpacker};
use super::bundle::frame;
use super::limits::within;
use super::nameless::Nameless;
use super::vault::{Spill, Vault};
use crate::digest::{Digest, Hasher};
use crate::error::Error;

/// Small blocks kept decompressed, since neighbouring files are mostly read one after another.
const CACHED: usize = 8;

/// Where a block's stored bytes are.
pub(super) enum Place {
    Memory(Box<[u8]>),
    /// In the file, in the frame at this offset.
    Frame(u64),
}

pub(super) struct Block {
    pub place: Place,
    /// Bytes as stored; equal to `raw` when not compressed.
    pub stored: u32,
    pub raw: u32,
    /// Checksum of the block's frame in a bundle, header included.
    pub crc: u32,
}

impl Block {
    pub(super) fn header(&self) -> frame::Header {
        frame::Header::block(self.stored, self.raw)
    }
}

/// The file of a snapshot that was not saved yet: the beginning of a bundle, which may be completed and named.
pub(super) struct Draft {
    pub file: Arc<Nameless>,
    /// Bytes it has: the file header and the frames of blocks.
    pub len: u64,
}

/// A blob's range of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blob {
    pub digest: Digest,
    pub start: u64,
    pub len: u64,
}

/// Whether a file of `len` bytes is its header and the frames of `blocks`, in whatever order.
fn has_nothing_else(blocks: &[Block], len: u64) -> bool {
    // They do not overlap, since the vault wrote each after the others, so lengths are enough.
    let frames = blocks.iter().filter(|block| matches!(block.place, Place::Frame(_)));
    let used: u64 = frames.map(|block| (frame::HEADER_LEN + block.stored as usize) as u64).sum();
    frame::FILE_HEADER_LEN as u64 + used == len
}

pub(super) struct Store {
    blocks: Vec<Block>,
    /// Where in the stream each block begins.
    starts: Vec<u64>,
    /// In order of digest; their ranges cover the stream exactly once.
    blobs: Vec<Blob>,
    file: Option<Arc<File>>,
    draft: Mutex<Option<Draft>>,
    /// What messages call it, as in "bundle work.handoff".
    name: String,
    blob_limit: u64,
    unpacker: Unpacker,
    cache: Mutex<VecDeque<(usize, Arc<Vec<u8>>)>>,
}

impl Store {
    /// `blobs` must be in order of digest and cover the blocks' stream exactly once.
    pub(super) fn new(
        blocks: Vec<Block>,
        blobs: Vec<Blob>,
        file: Option<Arc<File>>,
        name: String,
        blob_limit: u64,
    ) -> Self {
        let mut end = 0;
        let starts = blocks
            .iter()
            .map(|block| {
                let start = end;
                end += u64::from(block.raw);
                start
            })
            .collect();
        Self {
            blocks,
            starts,
            blobs,
            file,
            draft: Mutex::default(),
            name,
            blob_limit,
            unpacker: Unpacker::default(),
            cache: Mutex::default(),
        }
    }

    /// As [`new`](Self::new), of blocks that a vault keeps.
    pub(super) fn of_vault(
        blocks: Vec<Block>,
        blobs: Vec<Blob>,
        vault: Vault,
        name: &str,
        blob_limit: u64,
    ) -> Self {
        let (file, draft) = match vault.into_spill().map(Spill::into_parts) {
            Some((file, len)) => {
                let opened = Arc::clone(file.file());
                // What else is in there must not get into a bundle: it was left out on purpose.
                let whole = file.is_nameable() && has_nothing_else(&blocks, len);
                (Some(opened), whole.then_some(Draft { file, len }))
            }
            None => (None, None),
        };
        let store = Self::new(blocks, blobs, file, name.to_owned(), blob_limit);
        Self { draft: Mutex::new(draft), ..store }
    }

    /// The draft, if there is one, for as long as somebody completes it.
    pub(super) fn draft(&self) -> MutexGuard<'_, Option<Draft>> {
        self.draft.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    pub(super) fn blobs(&self) -> &[Blob] {
        &self.blobs
    }

    pub(super) fn file(&self) -> Option<&File> {
        self.file.as_deref()
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn find(&self, digest: &Digest) -> Option<&Blob> {
        let at = self.blobs.binary_search_by(|blob| blob.digest.cmp(digest)).ok()?;
        self.blobs.get(at)
    }

    /// A blob's content, checked.
    pub(super) fn read(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let blob = self.wanted(digest)?;
        let mut content = Vec::with_capacity((blob.len as usize).min(UNPROVEN));
        self.pieces(blob, &mut |piece| {
            content.extend_from_slice(piece);
            Ok(())
        })?;
        if Digest::of(&content) == *digest { Ok(content) } else { Err(self.corrupt_blob(digest)) }
    }

    /// Streams a blob's content to `out`; the digest is known to be wrong only after the last byte.
    pub(super) fn copy(&self, digest: &Digest, out: &mut dyn Write) -> Result<u64, Error> {
        let blob = self.wanted(digest)?;
        let mut hasher = Hasher::new();
        self.pieces(blob, &mut |piece| {
            hasher.update(piece);
            out.write_all(piece).map_err(|why| Error::io("writing", Path::new("the content of a blob"), why))
        })?;
        if hasher.finish() == *digest { Ok(blob.len) } else { Err(self.corrupt_blob(digest)) }
    }

    /// Reads every block once and checks every blob; `each` is told the bytes of each block.
    pub(super) fn verify(&self, each: &mut dyn FnMut(u64) -> Result<(), Error>) -> Result<(), Error> {
        let mut in_order: Vec<&Blob> = self.blobs.iter().collect();
        in_order.sort_unstable_by_key(|blob| (blob.start, blob.len));
        let mut in_order = in_order.into_iter();
        let mut current = in_order.next().map(|blob| (blob, Hasher::new(), blob.len));
        let (mut stored, mut raw) = (Vec::new(), Vec::new());
        let mut blocks = 0..self.blocks.len();
        let mut used = 0;
        while let Some((blob, mut hasher, mut left)) = current.take() {
            while left > 0 {
                if used == raw.len() {
                    let at = blocks.next().ok_or_else(|| self.corrupt_blob(&blob.digest))?;
                    self.read_block(at, &mut stored, &mut raw)?;
                    each(raw.len() as u64)?;
                    used = 0;
                }
                let now = (raw.len() - used).min(usize::try_from(left).unwrap_or(usize::MAX));
                hasher.update(raw.get(used..used + now).unwrap_or_default());
                left -= now as u64;
                used += now;
            }
            if hasher.finish() != blob.digest {
                return Err(self.corrupt_blob(&blob.digest));
            }
            current = in_order.next().map(|blob| (blob, Hasher::new(), blob.len));
        }
        Ok(())
    }

    /// The stored bytes of a block, checked against its checksum, as the payload of its frame.
    pub(super) fn stored<'a>(&'a self, at: usize, buffer: &'a mut Vec<u8>) -> Result<&'a [u8], Error> {
        let block = self.blocks.get(at).ok_or_else(|| self.corrupt_block(at))?;
        let header = block.header().encode_without_crc();
        let payload: &[u8] = match &block.place {
            Place::Memory(bytes) => bytes,
            Place::Frame(offset) => {
                buffer.resize(frame::HEADER_LEN + block.stored as usize, 0);
                self.read_at(buffer, *offset)?;
                let expected = block.header().encode(block.crc);
                buffer.strip_prefix(&expected).ok_or_else(|| self.corrupt_block(at))?
            }
        };
        if frame::checksum(&header, payload) == block.crc { Ok(payload) } else { Err(self.corrupt_block(at)) }
    }

    fn wanted(&self, digest: &Digest) -> Result<&Blob, Error> {
        let blob = self.find(digest).ok_or(Error::BlobMissing { blob: *digest })?;
        within("the size of a blob in bytes", blob.len, self.blob_limit)?;
        Ok(blob)
    }

    /// Calls `each` with the parts of a blob in order.
    fn pieces(&self, blob: &Blob, each: &mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        let (mut stored, mut raw) = (Vec::new(), Vec::new());
        let mut from = blob.start;
        let end = blob.start + blob.len;
        // The last block that begins at or before the blob.
        let first = self.starts.partition_point(|start| *start <= from).saturating_sub(1);
        for (at, (block, start)) in self.blocks.iter().zip(&self.starts).enumerate().skip(first) {
            if from >= end {
                break;
            }
            let block_end = start + u64::from(block.raw);
            let range = (from - start) as usize..(end.min(block_end) - start) as usize;
            if block.raw as usize <= SMALL_BLOCK {
                let cached = self.small_block(at)?;
                each(cached.get(range).ok_or_else(|| self.corrupt_block(at))?)?;
            } else {
                self.read_block(at, &mut stored, &mut raw)?;
                each(raw.get(range).ok_or_else(|| self.corrupt_block(at))?)?;
            }
            from = block_end;
        }
        Ok(())
    }

    fn small_block(&self, at: usize) -> Result<Arc<Vec<u8>>, Error> {
        let lock = || self.cache.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((_, block)) = lock().iter().find(|(cached, _)| *cached == at) {
            return Ok(Arc::clone(block));
        }
        let (mut stored, mut raw) = (Vec::new(), Vec::new());
        self.read_block(at, &mut stored, &mut raw)?;
        let block = Arc::new(raw);
        let mut cache = lock();
        if cache.len() >= CACHED {
            cache.pop_front();
        }
        cache.push_back((at, Arc::clone(&block)));
        Ok(block)
    }

    fn read_block(&self, at: usize, stored: &mut Vec<u8>, raw: &mut Vec<u8>) -> Result<(), Error> {
        let len = self.blocks.get(at).map_or(0, |block| block.raw as usize);
        let payload = self.stored(at, stored)?;
        self.unpacker.unpack(payload, len, raw).map_err(|_| self.corrupt_block(at))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), Error> {
        let failed = |why: io::Error| match why.kind() {
            io::ErrorKind::UnexpectedEof => Error::Truncated { what: self.name.clone() },
            _ => Error::io("reading", Path::new(&self.name), why),
        };
        let file = self.file.as_ref().ok_or_else(|| Error::Truncated { what: self.name.clone() })?;
        file.read_exact_at(buffer, offset).map_err(failed)
    }

    fn corrupt_block(&self, at: usize) -> Error {
        Error::Corrupt { what: format!("block {at} of {}", self.name) }
    }

    fn corrupt_blob(&self, digest: &Digest) -> Error {
        Error::Corrupt { what: format!("blob {digest} in {}", self.name) }
    }
}
