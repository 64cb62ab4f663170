//! Opening a bundle file: the end, the index and the manifest are read, the blobs are left until wanted.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::MAX_OPTIONAL;
use super::frame::{self, END_LEN, End, FILE_HEADER_LEN, HEADER_LEN, Header};
use super::index::{Index, Row};
use crate::digest::Digest;
use crate::error::Error;
use crate::id::SnapshotId;
use crate::snapshot::blob::Unpacker;
use crate::snapshot::limits::{Limits, within};
use crate::snapshot::store::{Block, Place, Store};
use crate::snapshot::{Inner, Manifest};

/// Opens the bundle at `path`.
pub(in crate::snapshot) fn open(path: &Path, limits: &Limits) -> Result<Inner, Error> {
    let limits = limits.clamped();
    let failed = |why| Error::io("reading", path, why);
    // A pipe under that name must not be waited for, so the kind is asked before the file is opened.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        let why = format!("is not a file ({}); read a pipe with read_from", path.display());
        return Err(Error::InvalidArgument { argument: "path", why });
    }
    let file = File::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    let name = format!("bundle {}", path.display());
    let Parts { id, manifest, index, gaps } = Bundle { file: &file, len, what: &name }.open(&limits)?;
    let blocks = index.rows.into_iter().map(block).collect();
    let store = Store::new(blocks, index.blobs, Some(Arc::new(file)), name, limits.blob_bytes);
    Ok(Inner { id, manifest, packed: None, store, gaps })
}

fn block(row: Row) -> Block {
    Block { place: Place::Frame(row.offset), stored: row.stored, raw: row.raw, crc: row.crc }
}

/// Checks the optional frame of `file` that begins at `offset`; its contents mean nothing to this version.
pub(in crate::snapshot) fn verify_optional(file: &File, offset: u64, what: &str) -> Result<(), Error> {
    let mut reader = At { file, offset };
    let (header, crc) = Header::decode(&frame::read_array(&mut reader, what)?);
    frame::skip(&mut reader, &header, crc, what)
}

struct Bundle<'a> {
    file: &'a File,
    len: u64,
    what: &'a str,
}

struct Parts {
    id: SnapshotId,
    manifest: Manifest,
    index: Index,
    /// Where optional frames begin.
    gaps: Vec<u64>,
}

impl Bundle<'_> {
    fn open(&self, limits: &Limits) -> Result<Parts, Error> {
        let what = self.what;
        frame::check_file_header(&frame::read_array(&mut self.at(0), what)?, what)?;
        let end_at = self
            .len
            .checked_sub((HEADER_LEN + END_LEN) as u64)
            .filter(|at| *at >= FILE_HEADER_LEN as u64)
            .ok_or_else(|| Error::Truncated { what: what.to_owned() })?;
        let end = self.read_end(end_at)?;
        if end.len != self.len || end.index >= end_at || end.manifest >= end.index {
            return Err(Error::format(what, "its parts do not lie where its end says"));
        }
        let (table, index_end) = self.payload(end.index, frame::INDEX, Index::max_len(limits))?;
        if index_end != end_at || Digest::of(&table) != end.index_digest {
            return Err(Error::Corrupt { what: format!("the index of {what}") });
        }
        let index = Index::decode(&table, limits, what)?;
        let (manifest, manifest_end) = self.payload(end.manifest, frame::MANIFEST, limits.manifest_bytes)?;
        if Digest::of(&manifest) != end.snapshot {
            return Err(Error::Corrupt { what: format!("the manifest of {what}") });
        }
        let gaps = self.gaps(&index.rows, &end, manifest_end)?;
        let manifest = Manifest::from_canonical(&manifest, limits)?;
        Ok(Parts { id: SnapshotId(end.snapshot), manifest, index, gaps })
    }

    fn at(&self, offset: u64) -> At<'_> {
        At { file: self.file, offset }
    }

    fn read_end(&self, at: u64) -> Result<End, Error> {
        let mut reader = self.at(at);
        let header: [u8; HEADER_LEN] = frame::read_array(&mut reader, self.what)?;
        let payload: [u8; END_LEN] = frame::read_array(&mut reader, self.what)?;
        // Whatever else is there instead: a whole bundle ends in this.
        let end = End::decode(&payload).ok_or_else(|| Error::Truncated { what: self.what.to_owned() })?;
        let (header, crc) = Header::decode(&header);
        if header != Header::new(frame::END, END_LEN as u32, END_LEN as u32)
            || frame::checksum(&header.encode_without_crc(), &payload) != crc
        {
            return Err(Error::Corrupt { what: format!("the end of {}", self.what) });
        }
        Ok(end)
    }

    /// The decompressed payload of the frame at `offset`, and where the frame ends.
    fn payload(&self, offset: u64, kind: u8, limit: u64) -> Result<(Vec<u8>, u64), Error> {
        let what = self.what;
        let mut reader = self.at(offset);
        let (header, crc) = Header::decode(&frame::read_array(&mut reader, what)?);
        if header.kind != kind {
            return Err(Error::Corrupt { what: format!("a frame of {what}") });
        }
        let raw = frame::read_whole(&mut reader, &header, crc, limit, &Unpacker::default(), what)?;
        Ok((raw, reader.offset))
    }

    /// Checks that the blocks' frames lie before the manifest's, in whatever order, without overlapping, and
    /// finds the optional frames between known ones.
    fn gaps(&self, rows: &[Row], end: &End, manifest_end: u64) -> Result<Vec<u64>, Error> {
        let frame = |row: &Row| (row.offset, Some(HEADER_LEN as u64 + u64::from(row.stored)));
        let mut blocks: Vec<_> = rows.iter().map(frame).collect();
        blocks.sort_unstable();
        let manifest = (end.manifest, manifest_end.checked_sub(end.manifest));
        let known = blocks.into_iter().chain([manifest, (end.index, Some(0))]);
        let mut gaps = Vec::new();
        let mut at = FILE_HEADER_LEN as u64;
        for (offset, len) in known {
            while at < offset {
                gaps.push(at);
                within("the number of optional frames", gaps.len() as u64, MAX_OPTIONAL)?;
                let (header, _) = Header::decode(&frame::read_array(&mut self.at(at), self.what)?);
                if !header.is_optional() {
                    header.check(self.what)?;
                    return Err(Error::format(self.what, "a frame is not in its index"));
                }
                at += HEADER_LEN as u64 + u64::from(header.stored);
            }
            let next = len.and_then(|len| offset.checked_add(len));
            at = next
                .filter(|_| at == offset)
                .ok_or_else(|| Error::format(self.what, "its frames do not lie where its index says"))?;
        }
        Ok(gaps)
    }
}

/// Reads a file from an offset without moving its position, which other threads share.
struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
