//! Writing a bundle: front to back, nothing patched afterwards, so that it can go into a pipe.

use std::io::{self, Write};
use std::path::Path;

use super::frame::{self, End, Header};
use super::index::{Index, Row};
use crate::digest::Digest;
use crate::error::Error;
use crate::snapshot::blob::Packer;
use crate::snapshot::{Inner, Manifest};

/// Writes `snapshot` to `out`; `path` is for messages.
pub(in crate::snapshot) fn write(snapshot: &Inner, out: &mut dyn Write, path: &Path) -> Result<(), Error> {
    let mut out = Frames { out, at: 0, path };
    out.raw(&frame::file_header())?;
    let store = &snapshot.store;
    let mut buffer = Vec::new();
    let mut rows = Vec::with_capacity(store.blocks().len());
    for (at, block) in store.blocks().iter().enumerate() {
        rows.push(Row { offset: out.at, stored: block.stored, raw: block.raw, crc: block.crc });
        let payload = store.stored(at, &mut buffer)?;
        out.raw(&block.header().encode(block.crc))?;
        out.raw(payload)?;
    }
    let manifest = out.at;
    write_manifest(&mut out, &snapshot.manifest)?;
    let index = out.at;
    let table = Index::encode(&rows, store.blobs());
    out.frame(frame::INDEX, &table, table.len())?;
    let len = out.at + (frame::HEADER_LEN + frame::END_LEN) as u64;
    let index_digest = Digest::of(&table);
    let end = End { manifest, index, len, index_digest, snapshot: snapshot.id.0 };
    out.frame(frame::END, &end.encode(), frame::END_LEN)
}

fn write_manifest(out: &mut Frames<'_>, manifest: &Manifest) -> Result<(), Error> {
    let raw = manifest.to_canonical()?;
    let mut packer = Packer::new().map_err(|why| Error::io("compressing the manifest of", out.path, why))?;
    out.frame(frame::MANIFEST, packer.pack(&raw).unwrap_or(&raw), raw.len())
}

/// Writes to `path` so that it always holds either what it held before or the whole bundle.
pub(in crate::snapshot) fn save(snapshot: &Inner, path: &Path) -> Result<(), Error> {
    let failed = |why: io::Error| Error::io("writing", path, why);
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    if path.file_name().is_none() {
        let why = format!("names no file ({}); name the bundle file to write", path.display());
        return Err(Error::InvalidArgument { argument: "path", why });
    }
    let mut file = tempfile::Builder::new().prefix(".handoff-").tempfile_in(dir).map_err(failed)?;
    // Blocks are large, so only headers gain from the buffer, and larger writes pass it by.
    let mut buffered = io::BufWriter::new(file.as_file_mut());
    write(snapshot, &mut buffered, path)?;
    buffered.flush().map_err(failed)?;
    drop(buffered);
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|why| failed(why.error))?;
    // The new name, too, must survive a power cut.
    std::fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
}

struct Frames<'a> {
    out: &'a mut dyn Write,
    at: u64,
    path: &'a Path,
}

impl Frames<'_> {
    fn raw(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.out.write_all(bytes).map_err(|why| Error::io("writing", self.path, why))?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn frame(&mut self, kind: u8, payload: &[u8], raw: usize) -> Result<(), Error> {
        let len = |len: usize| {
            u32::try_from(len).map_err(|_| Error::Limit {
                what: "the size of a frame in bytes".to_owned(),
                limit: u64::from(u32::MAX),
                found: len as u64,
            })
        };
        let header = Header::new(kind, len(payload.len())?, len(raw)?);
        let crc = frame::checksum(&header.encode_without_crc(), payload);
        self.raw(&header.encode(crc))?;
        self.raw(payload)
    }
}
