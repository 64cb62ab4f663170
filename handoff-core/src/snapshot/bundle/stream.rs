//! Reading a bundle from a stream that cannot seek, such as a pipe: nothing is believed before it has
//! arrived and was checked.

use std::io::Read;

use super::MAX_OPTIONAL;
use super::frame::{self, END_LEN, End, FILE_HEADER_LEN, HEADER_LEN, Header};
use super::index::{Index, Row};
use crate::digest::Digest;
use crate::error::Error;
use crate::id::SnapshotId;
use crate::progress::{Control, Meter, Phase};
use crate::snapshot::blob::{MAX_BLOCK, Unpacker};
use crate::snapshot::limits::{Limits, within};
use crate::snapshot::store::{Block, Store};
use crate::snapshot::vault::Vault;
use crate::snapshot::{Inner, Manifest};

/// Compressed bytes kept in memory before they go to an unlinked temporary file.
const MEMORY: u64 = 32 << 20;

/// Reads one bundle and not a byte beyond it, then checks every blob.
pub(in crate::snapshot) fn read(
    reader: &mut dyn Read,
    limits: &Limits,
    control: &Control,
) -> Result<Inner, Error> {
    let limits = limits.clamped();
    let mut meter = control.phase(Phase::Bundle, 0);
    let mut stream = Stream {
        reader: Counted { reader, at: 0 },
        vault: Vault::new(MEMORY, None),
        unpacker: Unpacker::default(),
        limits: &limits,
        blocks: Vec::new(),
        total: 0,
        optional: (0, 0),
        counted: 0,
    };
    let (id, manifest, index) = stream.run(&mut meter)?;
    meter.step(0, stream.reader.at.saturating_sub(stream.counted), None)?;
    let Stream { vault, blocks, .. } = stream;
    let blocks = in_order(blocks, index.rows).ok_or_else(not_listed)?;
    let store = Store::of_vault(blocks, index.blobs, vault, WHAT, limits.blob_bytes);
    store.verify(&mut |_| control.check())?;
    Ok(Inner { id, manifest, packed: None, store, gaps: Vec::new() })
}

const WHAT: &str = "the bundle";

/// The blocks in the order of the index, which is that of the stream; `None` unless it lists each of them once and
/// nothing else.
fn in_order(blocks: Vec<(Row, Block)>, index: Vec<Row>) -> Option<Vec<Block>> {
    if blocks.len() != index.len() {
        return None;
    }
    let (rows, mut blocks): (Vec<Row>, Vec<Option<Block>>) =
        blocks.into_iter().map(|(row, block)| (row, Some(block))).unzip();
    let mut found = |row: Row| {
        // They came in order of their places.
        let at = rows.binary_search_by_key(&row.offset, |row| row.offset).ok()?;
        if rows.get(at) == Some(&row) { blocks.get_mut(at)?.take() } else { None }
    };
    index.into_iter().map(&mut found).collect()
}

fn not_listed() -> Error {
    Error::format(WHAT, "its index does not list the blocks that it has")
}

struct Stream<'a> {
    reader: Counted<'a>,
    vault: Vault,
    unpacker: Unpacker,
    limits: &'a Limits,
    /// In the order of the file.
    blocks: Vec<(Row, Block)>,
    /// Raw bytes of all blocks.
    total: u64,
    /// Number and bytes of optional frames.
    optional: (u64, u64),
    /// Bytes that the meter knows of.
    counted: u64,
}

impl Stream<'_> {
    fn run(&mut self, meter: &mut Meter<'_>) -> Result<(SnapshotId, Manifest, Index), Error> {
        let header: [u8; FILE_HEADER_LEN] = frame::read_array(&mut self.reader, WHAT)?;
        frame::check_file_header(&header, WHAT)?;
        let mut header = self.next_header()?;
        while header.1.kind == frame::BLOCK {
            self.block(header)?;
            meter.step(1, self.reader.at.saturating_sub(self.counted), None)?;
            self.counted = self.reader.at;
            header = self.next_header()?;
        }
        let manifest_at = header.0;
        let manifest = self.whole(header, frame::MANIFEST, self.limits.manifest_bytes)?;
        let id = Digest::of(&manifest);
        let manifest = Manifest::from_canonical(&manifest, self.limits)?;
        let header = self.next_header()?;
        let index_at = header.0;
        let table = self.whole(header, frame::INDEX, Index::max_len(self.limits))?;
        let index_digest = Digest::of(&table);
        let index = Index::decode(&table, self.limits, WHAT)?;
        // Nothing may stand between the index and the end, since a reader that seeks goes from one to the other.
        let header = self.read_header()?;
        if header.1.kind == frame::END && header.1.stored != END_LEN as u32 {
            return Err(Error::format(WHAT, "its end has another length than an end has"));
        }
        let end = self.whole(header, frame::END, END_LEN as u64)?;
        let end = end.first_chunk().and_then(End::decode);
        let len = self.reader.at;
        if end != Some(End { manifest: manifest_at, index: index_at, len, index_digest, snapshot: id }) {
            return Err(Error::format(WHAT, "its end does not fit what precedes it"));
        }
        Ok((SnapshotId(id), manifest, index))
    }

    /// Where the next frame begins, its header and its checksum.
    fn read_header(&mut self) -> Result<(u64, Header, u32), Error> {
        let at = self.reader.at;
        let bytes: [u8; HEADER_LEN] = frame::read_array(&mut self.reader, WHAT)?;
        let (header, crc) = Header::decode(&bytes);
        Ok((at, header, crc))
    }

    /// As [`read_header`](Self::read_header), after skipping optional frames.
    fn next_header(&mut self) -> Result<(u64, Header, u32), Error> {
        loop {
            let (at, header, crc) = self.read_header()?;
            if !header.is_optional() {
                return Ok((at, header, crc));
            }
            self.optional.0 += 1;
            self.optional.1 += u64::from(header.stored);
            within("the number of optional frames", self.optional.0, MAX_OPTIONAL)?;
            within("the size of optional frames in bytes", self.optional.1, self.limits.total_bytes)?;
            frame::skip(&mut self.reader, &header, crc, WHAT)?;
        }
    }

    fn block(&mut self, (offset, header, crc): (u64, Header, u32)) -> Result<(), Error> {
        header.check(WHAT)?;
        let Header { stored, raw, .. } = header;
        if raw > MAX_BLOCK || stored == 0 {
            return Err(Error::format(WHAT, "a block's lengths are out of range"));
        }
        self.total += u64::from(raw);
        within("the size of all blobs in bytes", self.total, self.limits.total_bytes)?;
        within("the number of blocks", self.blocks.len() as u64 + 1, self.limits.blocks())?;
        let mut payload = Vec::new();
        frame::read_payload(&mut self.reader, stored, &mut payload, WHAT)?;
        if frame::checksum(&header.encode_without_crc(), &payload) != crc {
            let what = format!("block {} of {WHAT}", self.blocks.len());
            return Err(Error::Corrupt { what });
        }
        let place = self.vault.keep(&header.encode(crc), &payload)?;
        self.blocks.push((Row { offset, stored, raw, crc }, Block { place, stored, raw, crc }));
        Ok(())
    }

    fn whole(
        &mut self,
        (_, header, crc): (u64, Header, u32),
        kind: u8,
        limit: u64,
    ) -> Result<Vec<u8>, Error> {
        header.check(WHAT)?;
        if header.kind != kind {
            return Err(Error::format(WHAT, "its frames are not in order"));
        }
        frame::read_whole(&mut self.reader, &header, crc, limit, &self.unpacker, WHAT)
    }
}

struct Counted<'a> {
    reader: &'a mut dyn Read,
    at: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}
