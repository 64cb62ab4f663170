//! Writing a bundle: front to back, nothing patched afterwards, so that it can go into a pipe.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use tempfile::NamedTempFile;

use super::frame::{self, End, Header};
use super::index::{Index, Row};
use crate::digest::Digest;
use crate::error::Error;
use crate::join;
use crate::progress::{Control, Phase};
use crate::snapshot::nameless::Nameless;
use crate::snapshot::packed::{self, PackedManifest};
use crate::snapshot::store::{Block, Draft, Place, Store};
use crate::snapshot::{Inner, Manifest};

/// Writes `snapshot` to `out`; `path` is for messages.
pub(in crate::snapshot) fn write(
    snapshot: &Inner,
    out: &mut dyn Write,
    path: &Path,
    control: &Control,
) -> Result<(), Error> {
    let mut out = Frames { out, at: 0, path };
    out.raw(&frame::file_header())?;
    write_rest(&mut out, snapshot, control, |_| None)
}

/// Writes what follows the file header and those blocks that are in place already: `placed` says where.
fn write_rest(
    out: &mut Frames<'_>,
    snapshot: &Inner,
    control: &Control,
    placed: impl Fn(&Block) -> Option<u64>,
) -> Result<(), Error> {
    let (manifest, path) = (&snapshot.manifest, out.path);
    let mut blocks = || write_blocks(out, &snapshot.store, control, &placed);
    let made;
    let (rows, packed) = match &snapshot.packed {
        Some(packed) => (blocks()?, packed),
        None => {
            let pack = || pack_manifest(manifest, path);
            let (rows, packed) =
                if packed::is_large(manifest) { join::pair(blocks, pack) } else { (blocks(), pack()) };
            let rows = rows?;
            made = packed?;
            (rows, &made)
        }
    };
    write_end(out, snapshot, packed, &rows)
}

/// Writes the blocks that are not in place, and says where each is.
fn write_blocks(
    out: &mut Frames<'_>,
    store: &Store,
    control: &Control,
    placed: impl Fn(&Block) -> Option<u64>,
) -> Result<Vec<Row>, Error> {
    let mut meter = control.phase(Phase::Bundle, store.blocks().len() as u64);
    let mut buffer = Vec::new();
    let mut rows = Vec::with_capacity(store.blocks().len());
    for (at, block) in store.blocks().iter().enumerate() {
        let offset = placed(block);
        rows.push(Row {
            offset: offset.unwrap_or(out.at),
            stored: block.stored,
            raw: block.raw,
            crc: block.crc,
        });
        if offset.is_none() {
            let payload = store.stored(at, &mut buffer)?;
            out.raw(&block.header().encode(block.crc))?;
            out.raw(payload)?;
        }
        let bytes = if offset.is_none() { u64::from(block.stored) } else { 0 };
        meter.step(1, bytes, None)?;
    }
    control.check()?;
    Ok(rows)
}

fn pack_manifest(manifest: &Manifest, path: &Path) -> Result<PackedManifest, Error> {
    PackedManifest::of(&manifest.to_canonical()?)
        .map_err(|why| Error::io("compressing the manifest of", path, why))
}

/// Writes the manifest, the index and the end.
fn write_end(
    out: &mut Frames<'_>,
    snapshot: &Inner,
    packed: &PackedManifest,
    rows: &[Row],
) -> Result<(), Error> {
    let manifest = out.at;
    out.frame(frame::MANIFEST, &packed.payload, packed.raw)?;
    let index = out.at;
    let table = Index::encode(rows, snapshot.store.blobs());
    out.frame(frame::INDEX, &table, table.len())?;
    let len = out.at + (frame::HEADER_LEN + frame::END_LEN) as u64;
    let index_digest = Digest::of(&table);
    let end = End { manifest, index, len, index_digest, snapshot: snapshot.id.0 };
    out.frame(frame::END, &end.encode(), frame::END_LEN)
}

/// Writes to `path` so that it always holds either what it held before or the whole bundle.
pub(in crate::snapshot) fn save(snapshot: &Inner, path: &Path, control: &Control) -> Result<(), Error> {
    let failed = |why: io::Error| Error::io("writing", path, why);
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    if path.file_name().is_none() {
        let why = format!("names no file ({}); name the bundle file to write", path.display());
        return Err(Error::InvalidArgument { argument: "path", why });
    }
    let mut draft = snapshot.store.draft();
    let completed = match draft.as_ref() {
        Some(whole) => complete(snapshot, whole, dir, path, control)?,
        None => None,
    };
    match completed {
        Some(named) => {
            // Its second name would be a second way to change it, so whatever is saved from now on is a copy.
            *draft = None;
            drop(draft);
            publish(named, path)
        }
        None => {
            drop(draft);
            let mut file = beside().tempfile_in(dir).map_err(failed)?;
            // Blocks are large, so only headers gain from the buffer, and larger writes pass it by.
            let mut buffered = io::BufWriter::new(file.as_file_mut());
            write(snapshot, &mut buffered, path, control)?;
            buffered.flush().map_err(failed)?;
            drop(buffered);
            let (file, name) = file.into_parts();
            publish(NamedTempFile::from_parts(Arc::new(file), name), path)
        }
    }
    .and_then(|()| {
        // The new name, too, must survive a power cut.
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
    })
}

fn beside() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".handoff-");
    builder
}

/// Gives a whole bundle its name, once it is sure to be on the disk.
fn publish(file: NamedTempFile<Arc<File>>, path: &Path) -> Result<(), Error> {
    let failed = |why: io::Error| Error::io("writing", path, why);
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map(drop).map_err(|why| failed(why.error))
}

/// Makes the snapshot's own file a bundle by writing what is missing after its blocks, and gives it a name in
/// `dir`; `None` where that is not possible, and the file is then as before.
fn complete(
    snapshot: &Inner,
    draft: &Draft,
    dir: &Path,
    path: &Path,
    control: &Control,
) -> Result<Option<NamedTempFile<Arc<File>>>, Error> {
    let there = |meta: std::fs::Metadata| meta.dev();
    match (draft.file.file().metadata().map(there), std::fs::metadata(dir).map(there)) {
        (Ok(spool), Ok(target)) if spool == target => {}
        _ => return Ok(None),
    }
    let mut tail = io::BufWriter::new(Tail { file: &draft.file, at: draft.len });
    let mut out = Frames { out: &mut tail, at: draft.len, path };
    let placed = |block: &Block| match block.place {
        Place::Frame(offset) => Some(offset),
        Place::Memory(_) => None,
    };
    let written = write_rest(&mut out, snapshot, control, placed)
        .and_then(|()| tail.flush().map_err(|why| Error::io("writing", path, why)));
    // The buffer would write what it still has when it is dropped.
    let _ = tail.into_parts();
    let named = written.map(|()| {
        let named =
            beside().make_in(dir, |name| draft.file.name(name).map(|()| Arc::clone(draft.file.file())));
        // Whatever there is against it: copying either works or says what is wrong.
        named.ok()
    });
    if !matches!(named, Ok(Some(_))) {
        // Only room is at stake; nothing refers to what is cut off.
        let _ = draft.file.cut(draft.len);
    }
    named
}

/// Writes to a file from an offset on.
struct Tail<'a> {
    file: &'a Nameless,
    at: u64,
}

impl Write for Tail<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(bytes, &[], self.at)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
