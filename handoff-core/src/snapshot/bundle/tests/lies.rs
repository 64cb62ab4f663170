//! Bundles that say what is not so, and what they may cost.

use super::*;

#[test]
fn an_index_that_lies_is_refused() {
    let content = b"firstsecond".as_slice();
    let (first, second) = (blob(b"first", 0), blob(b"second", 5));
    let bundle = |change: &dyn Fn(&mut Vec<Row>, &mut Vec<Blob>)| {
        let mut forged = Forged::new();
        forged.block(content, 11);
        let bytes = manifest(Vec::new()).to_canonical().unwrap();
        let at = forged.plain(frame::MANIFEST, &bytes);
        let (mut rows, mut blobs) = (forged.rows.clone(), vec![first, second]);
        blobs.sort_by_key(|blob| blob.digest);
        change(&mut rows, &mut blobs);
        forged.index(&rows, &blobs, at, Digest::of(&bytes))
    };
    assert!(open_and_verify(&bundle(&|_, _| {})).is_ok());
    type Lie = dyn Fn(&mut Vec<Row>, &mut Vec<Blob>);
    let lies: &[&Lie] = &[
        &|_, blobs| blobs.reverse(),
        &|_, blobs| blobs[1] = blobs[0],
        &|_, blobs| blobs.truncate(1),
        &|_, blobs| blobs[0].start += 1,
        &|_, blobs| blobs[0].len += 1,
        &|_, blobs| blobs[0].len = u64::MAX,
        &|_, blobs| blobs[1].start = u64::MAX,
        // Two blobs that both want all of the stream.
        &|_, blobs| blobs.iter_mut().for_each(|blob| (blob.start, blob.len) = (0, 11)),
        &|rows, _| rows.clear(),
        &|rows, _| rows.push(rows[0]),
        &|rows, _| rows[0].offset += 1,
        &|rows, _| rows[0].offset = u64::MAX,
        &|rows, _| rows[0].offset = 0,
        &|rows, _| rows[0].crc ^= 1,
        &|rows, _| rows[0].stored -= 1,
        &|rows, _| rows[0].stored = 0,
        &|rows, _| rows[0].raw = 0,
        &|rows, _| rows[0].raw = 12,
        &|rows, _| rows[0].raw = MAX_BLOCK + 1,
    ];
    for (at, lie) in lies.iter().enumerate() {
        let bytes = bundle(lie);
        assert!(open_and_verify(&bytes).is_err(), "lie {at} in a file");
        assert!(read(&bytes).is_err(), "lie {at} in a stream");
    }
}

#[test]
fn blocks_may_lie_in_any_order_and_each_is_listed_once() {
    let content = b"firstsecond".as_slice();
    let bundle = |order: &[usize]| {
        let mut forged = Forged::new();
        forged.block(b"second", 6);
        forged.block(b"first", 5);
        let bytes = manifest(vec![repo("app", vec![untracked("a", content)])]).to_canonical().unwrap();
        let at = forged.plain(frame::MANIFEST, &bytes);
        let rows: Vec<Row> = order.iter().map(|row| forged.rows[*row]).collect();
        let total = rows.iter().map(|row| u64::from(row.raw)).sum();
        let blob = Blob { digest: Digest::of(content), start: 0, len: total };
        forged.index(&rows, &[blob], at, Digest::of(&bytes))
    };
    let good = bundle(&[1, 0]);
    for snapshot in [open_and_verify(&good).unwrap(), read(&good).unwrap()] {
        assert_eq!(snapshot.blob(&Digest::of(content)).unwrap(), content);
        assert_eq!(open_and_verify(&bytes_of(&snapshot)).unwrap().id(), snapshot.id());
    }
    // In the order of the file the stream is another, and no longer what the digest says.
    let swapped = bundle(&[0, 1]);
    assert_eq!(open_and_verify(&swapped).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(read(&swapped).unwrap_err().kind(), ErrorKind::Corrupt);
    for order in [&[0][..], &[1], &[1, 1], &[0, 0], &[1, 0, 0], &[1, 0, 1], &[]] {
        let bytes = bundle(order);
        assert_eq!(open_bytes(&bytes).unwrap_err().kind(), ErrorKind::Format, "{order:?}");
        assert_eq!(read(&bytes).unwrap_err().kind(), ErrorKind::Format, "{order:?}");
    }
}

#[test]
fn ends_that_lie_are_refused() {
    let good = bytes_of(&small());
    let at = good.len() - frame::END_LEN;
    let end = End::decode(good[at..].first_chunk().unwrap()).unwrap();
    let lies = [
        End { manifest: end.index, ..end },
        End { manifest: 16, ..end },
        End { manifest: u64::MAX, ..end },
        End { index: end.manifest, ..end },
        End { index: u64::MAX - 8, ..end },
        End { index: 0, ..end },
        End { len: end.len + 1, ..end },
        End { index_digest: end.snapshot, ..end },
        End { snapshot: end.index_digest, ..end },
    ];
    for lie in lies {
        let mut bytes = good.clone();
        bytes.truncate(at - frame::HEADER_LEN);
        let mut forged = Forged { bytes, rows: Vec::new() };
        forged.plain(frame::END, &lie.encode());
        assert!(open_bytes(&forged.bytes).is_err(), "{lie:?}");
        assert!(read(&forged.bytes).is_err(), "{lie:?}");
    }
}

#[test]
fn bombs_stop_at_what_they_declare_and_at_the_limits() {
    let zeros = vec![0; MAX_BLOCK as usize];
    let bomb = Packer::new().unwrap().pack(&zeros).unwrap().to_vec();
    assert!(bomb.len() < 2000);
    // A block that is more than it says, and one that is less.
    for declared in [100_000, MAX_BLOCK - 1] {
        let mut forged = Forged::new();
        forged.block(&bomb, declared);
        let content = &zeros[..declared as usize];
        let bytes = forged.end(&[("a", content)], &[blob(content, 0)]);
        assert_eq!(read(&bytes).unwrap_err().kind(), ErrorKind::Corrupt);
        let opened = open_bytes(&bytes).unwrap();
        assert_eq!(opened.blob(&Digest::of(content)).unwrap_err().kind(), ErrorKind::Corrupt);
    }
    // 2 GiB of zeros in 512 KiB, everything true: over the limit for all blobs, found without unpacking.
    let mut forged = Forged::new();
    for _ in 0..256 {
        forged.block(&bomb, MAX_BLOCK);
    }
    let all = Blob { digest: Digest::of(b"whatever"), start: 0, len: u64::from(MAX_BLOCK) * 256 };
    let bytes = forged.end(&[], &[all]);
    for error in [read(&bytes).unwrap_err(), open_bytes(&bytes).unwrap_err()] {
        assert!(matches!(error, Error::Limit { limit: 0x4000_0000, .. }), "{error}");
    }
    // Within that, but one blob of 512 MiB.
    let mut forged = Forged::new();
    for _ in 0..64 {
        forged.block(&bomb, MAX_BLOCK);
    }
    let one = Blob { len: u64::from(MAX_BLOCK) * 64, ..all };
    let opened = open_bytes(&forged.end(&[], &[one])).unwrap();
    assert_eq!(opened.blob(&one.digest).unwrap_err().kind(), ErrorKind::Limit);
    assert_eq!(opened.copy_blob(&one.digest, &mut io::sink()).unwrap_err().kind(), ErrorKind::Limit);
    // A frame that declares far more than it has, of every kind.
    for kind in [frame::BLOCK, frame::MANIFEST, frame::INDEX, frame::END, 0x80] {
        let mut bytes = frame::file_header().to_vec();
        bytes.extend_from_slice(
            &Header { kind, flags: 0, reserved: 0, stored: u32::MAX, raw: u32::MAX }.encode(0),
        );
        let error = read(&bytes).unwrap_err();
        assert!(!matches!(error.kind(), ErrorKind::Io), "{error}");
    }
    // One-byte blocks without end.
    struct Endless(Vec<u8>, usize);
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            for byte in &mut *buffer {
                *byte = self.0[self.1];
                self.1 += 1;
                if self.1 == self.0.len() {
                    self.1 = frame::FILE_HEADER_LEN;
                }
            }
            Ok(buffer.len())
        }
    }
    let mut forged = Forged::new();
    forged.block(b"x", 1);
    let limits = Limits { entries: 100, ..Limits::default() };
    let endless = Snapshot::read_from_with(Endless(forged.bytes, 0), &limits);
    assert_eq!(endless.unwrap_err().kind(), ErrorKind::Limit);
}

#[test]
fn a_raised_limit_reads_what_the_default_refuses() {
    let content = noise(3 << 20);
    let bytes = bytes_of(&snapshot_of(&[("a", &content)]));
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&bytes).unwrap();
    let mut limits = Limits { blob_bytes: 1 << 20, ..Limits::default() };
    let opened = Snapshot::open_with(file.path(), &limits).unwrap();
    assert_eq!(opened.blob(&Digest::of(&content)).unwrap_err().kind(), ErrorKind::Limit);
    limits.total_bytes = 2 << 20;
    assert_eq!(Snapshot::open_with(file.path(), &limits).unwrap_err().kind(), ErrorKind::Limit);
    assert_eq!(Snapshot::read_from_with(bytes.as_slice(), &limits).unwrap_err().kind(), ErrorKind::Limit);
    assert!(Snapshot::open(file.path()).unwrap().blob(&Digest::of(&content)).unwrap() == content);
}
