//! Loading: the record, the manifest, then each pack's part that is needed, in few requests.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_lite::future::block_on;

use super::{Located, Snapshots, StoredRecord};
use crate::digest::Digest;
use crate::error::Error;
use crate::log;
use crate::progress::Control;
use crate::run::SnapshotRef;
use crate::snapshot::pack::expander;
use crate::snapshot::{AddError, Limits, Manifest, Snapshot, Spool};
use crate::storage::{Key, Storage};

/// What is fetched at once.
const WINDOW: u64 = 8 << 20;

/// Contents so near to each other are fetched together with what is between them.
const HOLE: u64 = 256 << 10;

/// What is kept in memory before it goes to a file without a name.
const MEMORY: u64 = 32 << 20;

impl Snapshots {
    /// Loads a state with all its contents, each checked against its hash; beyond 32 MiB they go to a temporary
    /// file without a name.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the record is not there; [`Error::BlobMissing`] when a pack is not; [`Error::Corrupt`];
    /// [`Error::Limit`]; [`Error::Storage`].
    pub async fn load(&self, reference: &SnapshotRef) -> Result<Snapshot, Error> {
        let record = self.record(reference).await?;
        let storage = Arc::clone(&self.storage);
        let id = reference.id;
        // Decompressing and hashing is disk and processor work; the requests between are waited for on that thread.
        let snapshot = blocking::unblock(move || {
            let what = format!("snapshot {id}");
            let fetch = Fetch { storage, record: &record, what: &what };
            let mut bytes = Vec::new();
            let limit = Limits::CEILING.manifest_bytes;
            if record.manifest.len > limit {
                return Err(Error::Limit { what, limit, found: record.manifest.len });
            }
            let piece = fetch.pack(record.manifest.pack, range(&record.manifest), &id.0)?;
            read(&piece, &record.manifest, &mut bytes).map_err(|_| Error::Corrupt { what: what.clone() })?;
            if Digest::of(&bytes) != id.0 {
                return Err(Error::Corrupt { what });
            }
            let manifest = Manifest::from_canonical(&bytes, &Limits::CEILING)?;
            let spool = Spool::new(MEMORY);
            fetch.contents(&manifest, &spool)?;
            spool.finish(manifest)
        })
        .await?;
        if snapshot.id() == reference.id {
            Ok(snapshot)
        } else {
            Err(Error::Corrupt { what: format!("snapshot {}", reference.id) })
        }
    }
}

fn range(at: &Located) -> Range<u64> {
    at.offset..at.offset.saturating_add(at.stored)
}

/// Appends the content that `stored` stands for.
fn read(stored: &[u8], at: &Located, out: &mut Vec<u8>) -> io::Result<()> {
    if at.stored == at.len {
        out.extend_from_slice(stored);
    } else {
        expander(stored, at.len)?.read_to_end(out)?;
    }
    Ok(())
}

struct Fetch<'a> {
    storage: Arc<dyn Storage>,
    record: &'a StoredRecord,
    what: &'a str,
}

impl Fetch<'_> {
    fn damaged(&self) -> Error {
        Error::Corrupt { what: self.what.to_owned() }
    }

    fn key(&self, pack: u32) -> Result<&Key, Error> {
        self.record.packs.get(pack as usize).ok_or_else(|| self.damaged())
    }

    /// A part of a pack; `blob` is named when the pack is gone.
    fn pack(&self, pack: u32, range: Range<u64>, blob: &Digest) -> Result<Bytes, Error> {
        let wanted = range.end - range.start;
        let piece = block_on(log::get_range(&*self.storage, self.key(pack)?, range))?;
        let piece = piece.ok_or(Error::BlobMissing { blob: *blob })?;
        if piece.len() as u64 == wanted { Ok(piece) } else { Err(self.damaged()) }
    }

    fn contents(&self, manifest: &Manifest, spool: &Spool) -> Result<(), Error> {
        let mut wanted = Vec::new();
        for (blob, len) in manifest.contents()? {
            let at = *self.record.blobs.get(&blob).ok_or(Error::BlobMissing { blob })?;
            if at.len != len || at.offset.checked_add(at.stored).is_none() {
                return Err(self.damaged());
            }
            wanted.push((at, blob));
        }
        wanted.sort_unstable_by_key(|(at, _)| (at.pack, at.offset));
        let mut rest = wanted.as_slice();
        while let Some((first, blob)) = rest.first() {
            if first.stored > WINDOW {
                self.large(first, blob, spool)?;
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let mut end = first.offset + first.stored;
            let near = |(at, _): &&(Located, Digest)| {
                let fits = at.pack == first.pack
                    && at.offset <= end.saturating_add(HOLE)
                    && at.offset + at.stored - first.offset <= WINDOW;
                if fits {
                    end = end.max(at.offset + at.stored);
                }
                fits
            };
            let count = rest.iter().take_while(near).count();
            let (group, after) = rest.split_at_checked(count.max(1)).ok_or_else(|| self.damaged())?;
            let piece = self.pack(first.pack, first.offset..end, blob)?;
            let mut content = Vec::new();
            for (at, blob) in group {
                let from = (at.offset - first.offset) as usize;
                let stored = piece.get(from..from + at.stored as usize).ok_or_else(|| self.damaged())?;
                content.clear();
                read(stored, at, &mut content).map_err(|_| self.damaged())?;
                if content.len() as u64 != at.len || spool.add(&content)? != *blob {
                    return Err(Error::Corrupt { what: format!("blob {blob} of {}", self.what) });
                }
            }
            rest = after;
        }
        Ok(())
    }

    /// A content too large to be held: fetched piece by piece.
    fn large(&self, at: &Located, blob: &Digest, spool: &Spool) -> Result<(), Error> {
        let pieces = Pieces { fetch: self, at, blob, next: at.offset, open: Bytes::new() };
        let mut content: Box<dyn Read + Send + '_> = if at.stored == at.len {
            Box::new(pieces)
        } else {
            expander(pieces, at.len).map_err(|_| self.damaged())?
        };
        match spool.add_reader(&mut content, &Control::default()) {
            Ok((digest, len)) if digest == *blob && len == at.len => Ok(()),
            Ok(_) => Err(Error::Corrupt { what: format!("blob {blob} of {}", self.what) }),
            Err(AddError::Source(error)) => Err(match error.downcast::<Error>() {
                Ok(error) => error,
                Err(_) => Error::Corrupt { what: format!("blob {blob} of {}", self.what) },
            }),
            Err(AddError::Spool(error)) => Err(error),
        }
    }
}

/// Reads a stored content piece by piece.
struct Pieces<'a> {
    fetch: &'a Fetch<'a>,
    at: &'a Located,
    blob: &'a Digest,
    next: u64,
    open: Bytes,
}

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.open.is_empty() {
            let end = range(self.at).end.min(self.next.saturating_add(WINDOW));
            if self.next >= end {
                return Ok(0);
            }
            self.open = self.fetch.pack(self.at.pack, self.next..end, self.blob).map_err(io::Error::other)?;
            self.next = end;
        }
        let count = out.len().min(self.open.len());
        let piece = self.open.split_to(count);
        out.get_mut(..count).unwrap_or_default().copy_from_slice(&piece);
        Ok(count)
    }
}
