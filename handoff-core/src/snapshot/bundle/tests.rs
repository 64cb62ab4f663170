#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod lies;

use std::io::{self, Read, Write};

use super::frame::{self, End, Header};
use super::index::{Index, Row};
use crate::digest::Digest;
use crate::error::{Error, ErrorKind};
use crate::snapshot::blob::{MAX_BLOCK, Packer};
use crate::snapshot::store::Blob;
use crate::snapshot::tests::{manifest, noise, repo, snapshot_of, untracked};
use crate::snapshot::{Limits, Snapshot};

fn bytes_of(snapshot: &Snapshot) -> Vec<u8> {
    let mut out = Vec::new();
    snapshot.write_to(&mut out).unwrap();
    out
}

fn small() -> Snapshot {
    snapshot_of(&[("a", b"first"), ("b", &b"second ".repeat(20)), ("empty", b"")])
}

fn open_bytes(bytes: &[u8]) -> Result<Snapshot, Error> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    // The snapshot holds the file open, so the name may go.
    Snapshot::open(file.path())
}

/// Opens and reads all, as far as it goes.
fn open_and_verify(bytes: &[u8]) -> Result<Snapshot, Error> {
    open_bytes(bytes).and_then(|snapshot| snapshot.verify().map(|()| snapshot))
}

fn read(bytes: &[u8]) -> Result<Snapshot, Error> {
    Snapshot::read_from(bytes)
}

/// A bundle of parts that need not fit.
struct Forged {
    bytes: Vec<u8>,
    rows: Vec<Row>,
}

impl Forged {
    fn new() -> Self {
        Self { bytes: frame::file_header().to_vec(), rows: Vec::new() }
    }

    fn frame(&mut self, header: Header, payload: &[u8]) -> u64 {
        let at = self.bytes.len() as u64;
        let crc = frame::checksum(&header.encode_without_crc(), payload);
        self.bytes.extend_from_slice(&header.encode(crc));
        self.bytes.extend_from_slice(payload);
        at
    }

    fn plain(&mut self, kind: u8, payload: &[u8]) -> u64 {
        self.frame(Header::new(kind, payload.len() as u32, payload.len() as u32), payload)
    }

    fn block(&mut self, stored: &[u8], raw: u32) {
        let header = Header::block(stored.len() as u32, raw);
        let crc = frame::checksum(&header.encode_without_crc(), stored);
        let offset = self.frame(header, stored);
        self.rows.push(Row { offset, stored: stored.len() as u32, raw, crc });
    }

    /// Ends it as a writer does, with this blob table.
    fn end(mut self, files: &[(&str, &[u8])], blobs: &[Blob]) -> Vec<u8> {
        let entries = files.iter().map(|(path, content)| untracked(path, content)).collect();
        let bytes = manifest(vec![repo("app", entries)]).to_canonical().unwrap();
        let at = self.plain(frame::MANIFEST, &bytes);
        let rows = std::mem::take(&mut self.rows);
        self.index(&rows, blobs, at, Digest::of(&bytes))
    }

    fn index(mut self, rows: &[Row], blobs: &[Blob], manifest: u64, snapshot: Digest) -> Vec<u8> {
        let table = Index::encode(rows, blobs);
        let index = self.plain(frame::INDEX, &table);
        let len = (self.bytes.len() + frame::HEADER_LEN + frame::END_LEN) as u64;
        let end = End { manifest, index, len, index_digest: Digest::of(&table), snapshot };
        self.plain(frame::END, &end.encode());
        self.bytes
    }
}

fn blob(content: &[u8], start: u64) -> Blob {
    Blob { digest: Digest::of(content), start, len: content.len() as u64 }
}

#[test]
fn a_bundle_is_the_same_snapshot_read_either_way() {
    let mebi = noise((1 << 20) + 5);
    for snapshot in
        [small(), snapshot_of(&[]), snapshot_of(&[("e", b"")]), snapshot_of(&[("a", &mebi), ("b", b"x")])]
    {
        let bytes = bytes_of(&snapshot);
        for again in [open_and_verify(&bytes).unwrap(), read(&bytes).unwrap()] {
            assert_eq!(again.id(), snapshot.id());
            assert_eq!(again.manifest(), snapshot.manifest());
            assert_eq!(bytes_of(&again), bytes);
            for (_, entry) in snapshot.entries() {
                let digest = entry.worktree.as_ref().unwrap().blob.unwrap();
                assert!(again.blob(&digest).unwrap() == snapshot.blob(&digest).unwrap());
            }
        }
    }
}

#[test]
fn the_frames_written_by_hand_are_those_of_the_writer() {
    let mut forged = Forged::new();
    forged.block(b"first", 5);
    assert_eq!(
        read(&forged.end(&[("a", b"first")], &[blob(b"first", 0)])).unwrap().id(),
        snapshot_of(&[("a", b"first")]).id()
    );
}

#[test]
fn a_stream_is_read_to_its_end_and_not_beyond_whatever_its_pieces() {
    struct Dribble<'a>(&'a [u8]);
    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = buffer.len().min(3);
            self.0.read(&mut buffer[..len])
        }
    }
    let snapshot = small();
    let mut twice = bytes_of(&snapshot).repeat(2);
    twice.extend_from_slice(b"and more");
    let mut stream = Dribble(&twice);
    assert_eq!(Snapshot::read_from(&mut stream).unwrap().id(), snapshot.id());
    assert_eq!(Snapshot::read_from(&mut stream).unwrap().id(), snapshot.id());
    assert_eq!(stream.0, b"and more");
}

#[test]
fn every_flipped_bit_is_found() {
    let bytes = bytes_of(&small());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("flipped");
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&bytes).is_err(), "bit {bit} read from a stream");
        std::fs::write(&path, &bytes).unwrap();
        let opened = Snapshot::open(&path).and_then(|snapshot| snapshot.verify());
        assert!(opened.is_err(), "bit {bit} read from a file");
    }
}

#[test]
fn every_truncation_is_found() {
    let bytes = bytes_of(&small());
    for len in 0..bytes.len() {
        let kind = |result: Result<Snapshot, Error>| result.unwrap_err().kind();
        assert_eq!(kind(read(&bytes[..len])), ErrorKind::Truncated, "{len} from a stream");
        assert_eq!(kind(open_bytes(&bytes[..len])), ErrorKind::Truncated, "{len} from a file");
    }
    let longer = [bytes.as_slice(), b"x"].concat();
    assert!(open_bytes(&longer).is_err());
}

#[test]
fn a_damaged_block_costs_only_its_blobs() {
    let noise = noise(600 << 10);
    let (one, two) = noise.split_at(300 << 10);
    let mut bytes = bytes_of(&snapshot_of(&[("one", one), ("small", b"text"), ("two", two)]));
    let at = bytes.windows(16).position(|part| part == &two[..16]).unwrap();
    bytes[at + 5] ^= 0x10;
    let snapshot = open_bytes(&bytes).unwrap();
    assert!(snapshot.blob(&Digest::of(one)).unwrap() == one);
    assert_eq!(snapshot.blob(&Digest::of(b"text")).unwrap(), b"text");
    let kind = |result: Result<_, Error>| result.unwrap_err().kind();
    assert_eq!(kind(snapshot.blob(&Digest::of(two)).map(drop)), ErrorKind::Corrupt);
    assert_eq!(kind(snapshot.copy_blob(&Digest::of(two), &mut io::sink()).map(drop)), ErrorKind::Corrupt);
    assert_eq!(kind(snapshot.verify()), ErrorKind::Corrupt);
    assert_eq!(kind(snapshot.write_to(io::sink())), ErrorKind::Corrupt);
    assert_eq!(kind(read(&bytes).map(drop)), ErrorKind::Corrupt);
}

#[test]
fn a_blob_that_does_not_have_its_digest_or_size_is_found_alone() {
    // The checksums are right: this is what a hostile writer makes.
    let mut forged = Forged::new();
    forged.block(b"firstwrongthird", 15);
    let mut wrong = blob(b"right", 5);
    wrong.len = 5;
    let mut blobs = [blob(b"first", 0), wrong, blob(b"third", 10)];
    blobs.sort_by_key(|blob| blob.digest);
    let bytes = forged.end(&[("a", b"first"), ("b", b"right"), ("c", b"third"), ("d", b"absent")], &blobs);
    let snapshot = open_bytes(&bytes).unwrap();
    assert_eq!(snapshot.blob(&Digest::of(b"third")).unwrap(), b"third");
    assert_eq!(snapshot.blob(&Digest::of(b"right")).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(snapshot.blob(&Digest::of(b"absent")).unwrap_err().kind(), ErrorKind::BlobMissing);
    assert_eq!(read(&bytes).unwrap_err().kind(), ErrorKind::Corrupt);
    // A manifest that lies about a size.
    let mut forged = Forged::new();
    forged.block(b"first", 5);
    let mut entry = untracked("a", b"first");
    entry.worktree.as_mut().unwrap().size = 6;
    let bytes = manifest(vec![repo("app", vec![entry])]).to_canonical().unwrap();
    let at = forged.plain(frame::MANIFEST, &bytes);
    let rows = forged.rows.clone();
    let bundle = forged.index(&rows, &[blob(b"first", 0)], at, Digest::of(&bytes));
    let layer = crate::snapshot::Layer::Worktree;
    for snapshot in [open_bytes(&bundle).unwrap(), read(&bundle).unwrap()] {
        assert_eq!(snapshot.read("app", &"a".into(), layer).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn optional_frames_are_skipped_and_required_ones_refused() {
    let build = |kinds: [u8; 3]| {
        let mut forged = Forged::new();
        let mut header = Header { kind: kinds[0], flags: 7, reserved: 9, stored: 3, raw: 1 };
        forged.frame(header, b"abc");
        forged.block(b"first", 5);
        header.kind = kinds[1];
        forged.frame(header, b"def");
        let bytes = manifest(vec![repo("app", vec![untracked("a", b"first")])]).to_canonical().unwrap();
        let at = forged.plain(frame::MANIFEST, &bytes);
        header.kind = kinds[2];
        forged.frame(header, b"ghi");
        let rows = forged.rows.clone();
        forged.index(&rows, &[blob(b"first", 0)], at, Digest::of(&bytes))
    };
    let bytes = build([0x80, 0xff, 0x90]);
    let id = snapshot_of(&[("a", b"first")]).id();
    assert_eq!(open_and_verify(&bytes).unwrap().id(), id);
    assert_eq!(read(&bytes).unwrap().id(), id);
    // They do not survive being written again.
    assert_eq!(bytes_of(&read(&bytes).unwrap()), bytes_of(&snapshot_of(&[("a", b"first")])));
    // Damage in one does not keep the snapshot from being opened, but verifying finds it.
    let mut damaged = bytes.clone();
    let at = damaged.windows(3).position(|part| part == b"def").unwrap();
    damaged[at] ^= 1;
    assert_eq!(open_bytes(&damaged).unwrap().verify().unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(read(&damaged).unwrap_err().kind(), ErrorKind::Corrupt);
    for kinds in [[0x10, 0x80, 0x80], [0x80, 0x05, 0x80], [0x80, 0x80, 0x7f]] {
        let bytes = build(kinds);
        assert_eq!(open_bytes(&bytes).unwrap_err().kind(), ErrorKind::UnsupportedVersion, "{kinds:?}");
        assert_eq!(read(&bytes).unwrap_err().kind(), ErrorKind::UnsupportedVersion, "{kinds:?}");
    }
    let mut many = Forged::new();
    for _ in 0..2000 {
        many.frame(Header { kind: 0x80, flags: 0, reserved: 0, stored: 0, raw: 0 }, b"");
    }
    let bytes = many.end(&[], &[]);
    assert_eq!(open_bytes(&bytes).unwrap_err().kind(), ErrorKind::Limit);
    assert_eq!(read(&bytes).unwrap_err().kind(), ErrorKind::Limit);
}

#[test]
fn another_version_is_told_from_damage() {
    let mut bytes = bytes_of(&small());
    bytes[8] = 2;
    assert_eq!(read(&bytes).unwrap_err().kind(), ErrorKind::Corrupt, "the checksum is not that of version 2");
    let crc = crc32fast::hash(&bytes[..12]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    for error in [read(&bytes).unwrap_err(), open_bytes(&bytes).unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::UnsupportedVersion);
        assert!(error.to_string().contains("handoff-bundle/2"), "{error}");
    }
    for not_ours in [b"PK\x03\x04 some other file format".as_slice(), b"{\"format\":\"handoff-snapshot/1\"}"]
    {
        assert_eq!(read(not_ours).unwrap_err().kind(), ErrorKind::Format);
        assert_eq!(open_bytes(not_ours).unwrap_err().kind(), ErrorKind::Format);
    }
}

#[test]
fn saving_replaces_in_one_step_and_leaves_nothing_else() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("work.handoff");
    std::fs::write(&path, b"something else").unwrap();
    small().save(&path).unwrap();
    let opened = Snapshot::open(&path).unwrap();
    // Onto itself, while it is read from.
    opened.save(&path).unwrap();
    opened.verify().unwrap();
    assert_eq!(Snapshot::open(&path).unwrap().id(), small().id());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let kind = |result: Result<(), Error>| result.unwrap_err().kind();
    assert_eq!(kind(small().save(dir.path().join("absent/x"))), ErrorKind::Io);
    assert_eq!(kind(small().save(dir.path())), ErrorKind::Io);
    assert_eq!(kind(small().save("..")), ErrorKind::InvalidArgument);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(Snapshot::open(dir.path()).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(Snapshot::open(dir.path().join("absent")).unwrap_err().kind(), ErrorKind::Io);
}

#[test]
fn a_failing_writer_is_named() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0 -= 1;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for writes in 0..9 {
        assert_eq!(small().write_to(Full(writes)).unwrap_err().kind(), ErrorKind::Io, "{writes}");
    }
    assert!(small().write_to(Full(9)).is_ok());
    let copied = small().copy_blob(&Digest::of(b"first"), &mut Full(0));
    assert_eq!(copied.unwrap_err().kind(), ErrorKind::Io);
}
