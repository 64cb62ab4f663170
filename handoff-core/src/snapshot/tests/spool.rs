use std::io;

use super::*;
use crate::error::ErrorKind;
use crate::progress::Control;

fn finish(spool: Spool, files: &[(&str, &[u8])]) -> Result<Snapshot, Error> {
    spool.finish(manifest(vec![repo(
        "app",
        files.iter().map(|(path, content)| untracked(path, content)).collect(),
    )]))
}

/// The size of the bundle, which shows how often contents are stored.
fn bundle_len(snapshot: &Snapshot) -> usize {
    let mut out = Vec::new();
    snapshot.write_to(&mut out).unwrap();
    out.len()
}

#[test]
fn contents_of_every_size_come_back_from_memory_and_from_the_file() {
    let noise = noise(5 << 20);
    let sizes =
        [0, 1, 1000, (128 << 10) - 1, 128 << 10, 256 << 10, (256 << 10) + 1, 1 << 20, (1 << 20) + 1, 5 << 20];
    for memory in [0, 1 << 20, u64::MAX] {
        let spool = Spool::new(memory);
        let names: Vec<String> = (0..sizes.len() * 2).map(|i| format!("{i:02}")).collect();
        let text: Vec<u8> = b"twelve bytes".iter().copied().cycle().take(5 << 20).collect();
        let mut files: Vec<(&str, &[u8])> = Vec::new();
        for (at, size) in sizes.iter().enumerate() {
            files.push((&names[at * 2], &noise[..*size]));
            files.push((&names[at * 2 + 1], &text[..*size]));
        }
        for (at, (_, content)) in files.iter().enumerate() {
            if at % 3 == 0 {
                let added = spool.add_reader(&mut &**content, &Control::default()).unwrap();
                assert_eq!(added, (Digest::of(content), content.len() as u64));
            } else {
                assert_eq!(spool.add(content).unwrap(), Digest::of(content));
            }
        }
        let snapshot = finish(spool, &files).unwrap();
        snapshot.verify().unwrap();
        for (path, content) in &files {
            assert!(
                snapshot.read("app", &(*path).into(), Layer::Worktree).unwrap().unwrap() == *content,
                "{path}"
            );
            let mut copied = Vec::new();
            assert_eq!(snapshot.copy_blob(&Digest::of(content), &mut copied).unwrap(), content.len() as u64);
            assert!(copied == *content);
        }
    }
}

#[test]
fn threads_may_add_at_once_and_equal_contents_are_stored_once() {
    let spool = Spool::new(64 << 10);
    let small: Vec<Vec<u8>> = (0..400_u32).map(|i| i.to_le_bytes().repeat(500)).collect();
    let large: Vec<Vec<u8>> = (0..4).map(|i| noise((1 << 20) + (i << 18))).collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (spool, small, large) = (&spool, &small, &large);
            scope.spawn(move || {
                for at in 0..small.len() {
                    let content = &small[(at + thread * 100) % small.len()];
                    assert_eq!(spool.add(content).unwrap(), Digest::of(content));
                    if at % 100 == 7 {
                        let content = &large[(at / 100 + thread) % large.len()];
                        let added = if thread % 2 == 0 {
                            spool.add_reader(&mut content.as_slice(), &Control::default()).unwrap().0
                        } else {
                            spool.add(content).unwrap()
                        };
                        assert_eq!(added, Digest::of(content));
                    }
                }
            });
        }
    });
    let names: Vec<String> = (0..small.len() + large.len()).map(|i| format!("{i:04}")).collect();
    let contents = small.iter().chain(&large).map(Vec::as_slice);
    let files: Vec<(&str, &[u8])> = names.iter().map(String::as_str).zip(contents).collect();
    let snapshot = finish(spool, &files).unwrap();
    snapshot.verify().unwrap();
    let once: usize = large.iter().map(Vec::len).sum();
    let len = bundle_len(&snapshot);
    assert!(len < once + once / 8, "{len} bytes for {once}");
}

#[test]
fn what_the_manifest_does_not_name_is_not_in_the_bundle() {
    let secret = noise(3000);
    let large_secret = noise(400 << 10);
    let spool = Spool::new(u64::MAX);
    spool.add(b"before").unwrap();
    spool.add(&secret).unwrap();
    spool.add(&large_secret).unwrap();
    spool.add(b"after").unwrap();
    let snapshot = finish(spool, &[("a", b"before"), ("b", b"after")]).unwrap();
    assert!(!snapshot.has_blob(&Digest::of(&secret)));
    assert_eq!(snapshot.read("app", &"b".into(), Layer::Worktree).unwrap().unwrap(), b"after");
    let mut bundle = Vec::new();
    snapshot.write_to(&mut bundle).unwrap();
    // Noise is stored as it is, so it would be there to see.
    assert!(!bundle.windows(16).any(|part| part == &secret[..16]));
    assert!(bundle.len() < 1500, "{}", bundle.len());
    Snapshot::read_from(bundle.as_slice()).unwrap();
}

#[test]
fn a_manifest_that_does_not_fit_the_contents_is_refused() {
    let spool = Spool::new(0);
    let kind = |result: Result<Snapshot, Error>| result.unwrap_err().kind();
    assert_eq!(kind(finish(spool, &[("a", b"never added")])), ErrorKind::BlobMissing);
    let spool = Spool::new(0);
    spool.add(b"one").unwrap();
    let mut wrong = untracked("a", b"one");
    wrong.worktree.as_mut().unwrap().size = 4;
    assert_eq!(kind(spool.finish(manifest(vec![repo("app", vec![wrong])]))), ErrorKind::Format);
    let spool = Spool::new(0);
    spool.add(b"one").unwrap();
    assert_eq!(kind(finish(spool, &[("b", b"one"), ("a", b"one")])), ErrorKind::Format);
}

/// Many entries are sealed by several threads, few by one.
#[test]
fn many_entries_are_sealed_as_few_are() {
    let content = |at: u32| format!("content {at}").into_bytes();
    let sealed = |count: u32, left_out: Option<u32>| {
        let spool = Spool::new(1 << 20);
        let added: Vec<Vec<u8>> = (0..count).map(content).collect();
        for (at, content) in (0..).zip(&added) {
            if Some(at) != left_out {
                spool.add(content).unwrap();
            }
        }
        spool.add(b"named by nothing").unwrap();
        let entries = (0..)
            .zip(&added)
            .map(|(at, content): (u32, _)| untracked(&format!("{at:04}"), content))
            .collect();
        spool.finish(manifest(vec![repo("app", entries)]))
    };
    for count in [100, 1000] {
        let snapshot = sealed(count, None).unwrap();
        assert_eq!(snapshot.id(), snapshot.manifest().id().unwrap(), "{count}");
        assert!(!snapshot.has_blob(&Digest::of(b"named by nothing")), "{count}");
        let mut saved = Vec::new();
        snapshot.write_to(&mut saved).unwrap();
        let read = Snapshot::read_from(saved.as_slice()).unwrap();
        assert_eq!(read.manifest(), snapshot.manifest(), "{count}");
        let mut again = Vec::new();
        read.write_to(&mut again).unwrap();
        assert!(again == saved, "{count}");
        assert_eq!(sealed(count, Some(count / 2)).unwrap_err().kind(), ErrorKind::BlobMissing, "{count}");
    }
}

#[test]
fn a_reader_that_fails_or_is_cancelled_leaves_the_spool_as_it_was() {
    struct Failing(usize);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.checked_sub(buffer.len()) {
                Some(left) => {
                    self.0 = left;
                    buffer.fill(7);
                    Ok(buffer.len())
                }
                None => Err(io::Error::from_raw_os_error(5)),
            }
        }
    }
    let spool = Spool::new(0);
    for len in [0, 100, 3 << 20] {
        let failed = spool.add_reader(&mut Failing(len), &Control::default()).unwrap_err();
        assert!(matches!(&failed, AddError::Source(why) if why.raw_os_error() == Some(5)), "{failed:?}");
    }
    /// Cancels once it is read from.
    struct Cancelling(Control);
    impl Read for Cancelling {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.cancel.cancel();
            Ok(buffer.len())
        }
    }
    let control = Control::default();
    let cancelled = spool.add_reader(&mut Cancelling(control.clone()), &control).unwrap_err();
    assert!(matches!(cancelled, AddError::Spool(Error::Cancelled)), "{cancelled:?}");
    spool.add(b"one").unwrap();
    let snapshot = finish(spool, &[("a", b"one")]).unwrap();
    assert_eq!(snapshot.0.store.blobs().len(), 1);
    assert_eq!(snapshot.0.store.blocks().len(), 1);
}

#[test]
fn text_after_noise_is_compressed() {
    let text = b"a line of text that repeats itself\n".repeat(1 << 20);
    let content = [noise(8 << 20), text].concat();
    let spool = Spool::new(u64::MAX);
    spool.add_reader(&mut content.as_slice(), &Control::default()).unwrap();
    let snapshot = finish(spool, &[("a", &content)]).unwrap();
    let len = bundle_len(&snapshot);
    assert!(len < content.len() * 3 / 4, "{len} of {}", content.len());
}
