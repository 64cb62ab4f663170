//! The frames of a bundle file; all numbers are little-endian. `docs/wire-format.md` is the reference.

use std::io::{self, Read};

use crate::digest::Digest;
use crate::error::Error;
use crate::snapshot::blob::Unpacker;
use crate::snapshot::limits::within;

/// Not text, in that the first byte is not ASCII and line endings are in it: a transfer that "mends" line
/// endings is found out at once.
pub(super) const MAGIC: [u8; 8] = *b"\x89HOFF\r\n\x1a";

/// The last bytes of a whole file.
const END_MAGIC: [u8; 8] = *b"HOFFend\n";

pub(super) const VERSION: u16 = 1;

/// What messages call the version that this code reads.
pub(super) const SUPPORTED: &str = "handoff-bundle/1";

pub(in crate::snapshot) const FILE_HEADER_LEN: usize = 16;
pub(in crate::snapshot) const HEADER_LEN: usize = 16;
pub(super) const END_LEN: usize = 96;

pub(super) const BLOCK: u8 = 1;
pub(super) const MANIFEST: u8 = 2;
pub(super) const INDEX: u8 = 3;
pub(super) const END: u8 = 4;

/// A frame whose type has this bit may be skipped by who does not know it.
const OPTIONAL: u8 = 0x80;

/// The payload is one zstd frame.
const COMPRESSED: u8 = 1;

/// The first bytes of a file.
pub(in crate::snapshot) fn file_header() -> [u8; FILE_HEADER_LEN] {
    let mut header = [0; FILE_HEADER_LEN];
    put(&mut header, 0, &MAGIC);
    put(&mut header, 8, &VERSION.to_le_bytes());
    let crc = crc32fast::hash(header.get(..12).unwrap_or_default());
    put(&mut header, 12, &crc.to_le_bytes());
    header
}

/// Checks the first bytes of a file.
pub(super) fn check_file_header(header: &[u8; FILE_HEADER_LEN], what: &str) -> Result<(), Error> {
    let mut fields = Fields(header);
    if fields.take::<8>() != Some(MAGIC) {
        return Err(Error::format(what, "it does not begin as a handoff bundle does"));
    }
    let version = fields.u16();
    if crc32fast::hash(header.get(..12).unwrap_or_default()) != u32::from_le_bytes(last_four(header)) {
        return Err(Error::Corrupt { what: format!("the header of {what}") });
    }
    if version != VERSION {
        let found = format!("handoff-bundle/{version}");
        return Err(Error::UnsupportedVersion { what: what.to_owned(), found, supported: SUPPORTED });
    }
    if header != &file_header() {
        return Err(Error::format(what, "a reserved field of its header is not zero"));
    }
    Ok(())
}

/// What precedes a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::snapshot) struct Header {
    pub kind: u8,
    pub flags: u8,
    pub reserved: u16,
    /// Bytes of payload.
    pub stored: u32,
    /// Bytes the payload stands for.
    pub raw: u32,
}

impl Header {
    /// The header of a payload that is compressed exactly when that made it shorter.
    pub(super) fn new(kind: u8, stored: u32, raw: u32) -> Self {
        let flags = if stored < raw { COMPRESSED } else { 0 };
        Self { kind, flags, reserved: 0, stored, raw }
    }

    pub(in crate::snapshot) fn block(stored: u32, raw: u32) -> Self {
        Self::new(BLOCK, stored, raw)
    }

    pub(in crate::snapshot) fn encode_without_crc(&self) -> [u8; 12] {
        let mut bytes = [0; 12];
        put(&mut bytes, 0, &[self.kind, self.flags]);
        put(&mut bytes, 2, &self.reserved.to_le_bytes());
        put(&mut bytes, 4, &self.stored.to_le_bytes());
        put(&mut bytes, 8, &self.raw.to_le_bytes());
        bytes
    }

    pub(in crate::snapshot) fn encode(&self, crc: u32) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        put(&mut bytes, 0, &self.encode_without_crc());
        put(&mut bytes, 12, &crc.to_le_bytes());
        bytes
    }

    /// A header and the checksum after it; not checked in any way.
    pub(super) fn decode(bytes: &[u8; HEADER_LEN]) -> (Self, u32) {
        let mut fields = Fields(bytes);
        let [kind, flags] = fields.take().unwrap_or_default();
        let header = Self { kind, flags, reserved: fields.u16(), stored: fields.u32(), raw: fields.u32() };
        (header, fields.u32())
    }

    pub(super) fn is_optional(&self) -> bool {
        self.kind & OPTIONAL != 0
    }

    /// Refuses what no writer of version 1 writes in a frame of a known type.
    pub(super) fn check(&self, what: &str) -> Result<(), Error> {
        if !matches!(self.kind, BLOCK | MANIFEST | INDEX | END) {
            let found = format!("a frame of type {}", self.kind);
            return Err(Error::UnsupportedVersion { what: what.to_owned(), found, supported: SUPPORTED });
        }
        if *self != Self::new(self.kind, self.stored, self.raw) || self.stored > self.raw || self.raw == 0 {
            return Err(Error::format(what, "a frame's flags and lengths do not agree"));
        }
        Ok(())
    }
}

/// The checksum of a frame: its header up to the checksum, then its payload.
pub(in crate::snapshot) fn checksum(header: &[u8; 12], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(payload);
    hasher.finalize()
}

/// The payload of the last frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// Where the manifest's frame begins.
    pub manifest: u64,
    /// Where the index's frame begins.
    pub index: u64,
    /// Bytes of the whole file, this frame included.
    pub len: u64,
    pub index_digest: Digest,
    pub snapshot: Digest,
}

impl End {
    pub(super) fn encode(&self) -> [u8; END_LEN] {
        let mut bytes = [0; END_LEN];
        put(&mut bytes, 0, &self.manifest.to_le_bytes());
        put(&mut bytes, 8, &self.index.to_le_bytes());
        put(&mut bytes, 16, &self.len.to_le_bytes());
        put(&mut bytes, 24, self.index_digest.as_bytes());
        put(&mut bytes, 56, self.snapshot.as_bytes());
        put(&mut bytes, 88, &END_MAGIC);
        bytes
    }

    /// `None` when the bytes are not the end of a bundle.
    pub(super) fn decode(bytes: &[u8; END_LEN]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let end = Self {
            manifest: fields.u64(),
            index: fields.u64(),
            len: fields.u64(),
            index_digest: Digest::from_bytes(fields.take()?),
            snapshot: Digest::from_bytes(fields.take()?),
        };
        (fields.take() == Some(END_MAGIC)).then_some(end)
    }
}

/// Little-endian fields, one after another. Past the end it yields zeros, so lengths are checked before.
pub(super) struct Fields<'a>(pub &'a [u8]);

impl Fields<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    pub(super) fn u16(&mut self) -> u16 {
        self.take().map_or(0, u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> u32 {
        self.take().map_or(0, u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> u64 {
        self.take().map_or(0, u64::from_le_bytes)
    }
}

fn put(target: &mut [u8], at: usize, bytes: &[u8]) {
    for (to, from) in target.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}

fn last_four(bytes: &[u8; FILE_HEADER_LEN]) -> [u8; 4] {
    bytes.last_chunk().copied().unwrap_or_default()
}

/// Reads a file header, a frame header or the like.
pub(super) fn read_array<const N: usize>(reader: &mut dyn Read, what: &str) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes).map_err(|why| reading(what, why))?;
    Ok(bytes)
}

/// Reads a payload into `buffer`, reserving no more than about twice what has arrived.
pub(super) fn read_payload(
    reader: &mut dyn Read,
    len: u32,
    buffer: &mut Vec<u8>,
    what: &str,
) -> Result<(), Error> {
    buffer.clear();
    buffer.reserve((len as usize).min(crate::snapshot::blob::UNPROVEN));
    reader.take(u64::from(len)).read_to_end(buffer).map_err(|why| reading(what, why))?;
    if buffer.len() == len as usize { Ok(()) } else { Err(Error::Truncated { what: what.to_owned() }) }
}

/// The error for a failed read of `what`.
pub(super) fn reading(what: &str, why: io::Error) -> Error {
    match why.kind() {
        io::ErrorKind::UnexpectedEof => Error::Truncated { what: what.to_owned() },
        _ => Error::io("reading", std::path::Path::new(what), why),
    }
}

/// Reads the payload that belongs to `header` and returns what it stands for, at most `limit` bytes.
pub(super) fn read_whole(
    reader: &mut dyn Read,
    header: &Header,
    crc: u32,
    limit: u64,
    unpacker: &Unpacker,
    what: &str,
) -> Result<Vec<u8>, Error> {
    header.check(what)?;
    within("the size of a frame in bytes", u64::from(header.raw), limit)?;
    let (mut stored, mut raw) = (Vec::new(), Vec::new());
    read_payload(reader, header.stored, &mut stored, what)?;
    let damaged = || Error::Corrupt { what: format!("a frame of {what}") };
    if checksum(&header.encode_without_crc(), &stored) != crc {
        return Err(damaged());
    }
    unpacker.unpack(&stored, header.raw as usize, &mut raw).map_err(|_| damaged())?;
    Ok(raw)
}

/// Passes over the payload of an optional frame, checking it.
pub(super) fn skip(reader: &mut dyn Read, header: &Header, crc: u32, what: &str) -> Result<(), Error> {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header.encode_without_crc());
    let mut left = header.stored as usize;
    let mut buffer = vec![0; left.min(64 << 10)];
    while left > 0 {
        let Some(part) = buffer.get_mut(..left.min(64 << 10)) else { break };
        reader.read_exact(part).map_err(|why| reading(what, why))?;
        hasher.update(part);
        left -= part.len();
    }
    if hasher.finalize() == crc { Ok(()) } else { Err(Error::Corrupt { what: format!("a frame of {what}") }) }
}
