//! A snapshot whose contents are in a file becomes a bundle by completing that file, where that can be.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use super::*;
use crate::error::ErrorKind;

/// Contents for several blocks, the first of them in memory and small enough to try every bit of the bundle.
pub(super) fn contents() -> Vec<(&'static str, Vec<u8>)> {
    let repeat = |line: &[u8]| line.repeat((130 << 10) / line.len());
    vec![
        ("a", repeat(b"the first of two large contents that shrink to almost nothing\n")),
        ("b", repeat(b"another one\n")),
        ("c", noise(40)),
    ]
}

/// A snapshot of `files` in `dir`, with `memory` for contents.
pub(super) fn snapshot_in(dir: &Path, memory: u64, files: &[(&str, Vec<u8>)]) -> Snapshot {
    let spool = Spool::new_in(memory, Some(dir.to_owned()));
    let entries = files.iter().map(|(path, content)| {
        spool.add(content).unwrap();
        untracked(path, content)
    });
    let entries = entries.collect();
    spool.finish(manifest(vec![repo("app", entries)])).unwrap()
}

pub(super) fn assert_holds(snapshot: &Snapshot, files: &[(&str, Vec<u8>)]) {
    snapshot.verify().unwrap();
    for (path, content) in files {
        let read = snapshot.read("app", &(*path).into(), Layer::Worktree).unwrap();
        assert!(read.as_ref() == Some(content), "{path}");
    }
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

fn spool_inode(snapshot: &Snapshot) -> u64 {
    snapshot.0.store.file().unwrap().metadata().unwrap().ino()
}

fn names(dir: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names
}

/// Memory for no block, for the second only and for the first only: they take 95, 43 and 40 bytes.
const MEMORIES: [u64; 3] = [0, 60, 110];

#[test]
fn what_is_saved_first_is_the_spool_itself_and_then_copies() {
    let files = contents();
    for memory in MEMORIES {
        let dir = tempfile::tempdir().unwrap();
        let snapshot = snapshot_in(dir.path(), memory, &files);
        let unnamed = spool_inode(&snapshot);
        assert_eq!(names(dir.path()), [] as [PathBuf; 0]);
        let [first, second, third] = ["first", "second", "third"].map(|name| dir.path().join(name));
        fs::write(&first, "what was there before").unwrap();
        snapshot.save(&first).unwrap();
        assert_eq!(inode(&first), unnamed, "it was copied");
        assert_holds(&snapshot, &files);
        snapshot.save(&second).unwrap();
        assert_ne!(inode(&second), unnamed, "two names of one file");
        snapshot.clone().save(&first).unwrap();
        assert_ne!(inode(&first), unnamed);
        assert_holds(&snapshot, &files);
        // Another file has that name now, so what happens to it does not reach the snapshot.
        fs::write(&first, "scribbled over").unwrap();
        assert_holds(&snapshot, &files);
        snapshot.save(&third).unwrap();
        assert_eq!(names(dir.path()), [first, second.clone(), third.clone()]);
        for path in [&second, &third] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let streamed = |path: &Path| Snapshot::read_from(fs::File::open(path).unwrap()).unwrap();
        for again in [Snapshot::open(&second).unwrap(), streamed(&second), streamed(&third)] {
            assert_eq!((again.id(), again.manifest()), (snapshot.id(), snapshot.manifest()));
            assert_holds(&again, &files);
        }
    }
}

#[test]
fn a_completed_spool_is_read_either_way_and_written_again_in_order() {
    let files = contents();
    for memory in MEMORIES {
        let dir = tempfile::tempdir().unwrap();
        let snapshot = snapshot_in(dir.path(), memory, &files);
        let path = dir.path().join("x");
        snapshot.save(&path).unwrap();
        let (mut direct, mut again) = (Vec::new(), Vec::new());
        snapshot.write_to(&mut direct).unwrap();
        for read in
            [Snapshot::open(&path).unwrap(), Snapshot::read_from(fs::File::open(&path).unwrap()).unwrap()]
        {
            assert_eq!(read.id(), snapshot.id());
            assert_eq!(read.manifest(), snapshot.manifest());
            assert_holds(&read, &files);
            again.clear();
            read.write_to(&mut again).unwrap();
            assert!(again == direct);
        }
        let completed = fs::read(&path).unwrap();
        assert_eq!(completed.len(), direct.len());
        let lens: Vec<u32> = snapshot.0.store.blocks().iter().map(|block| block.stored).collect();
        assert_eq!(completed == direct, memory == 0, "{memory} {lens:?}: blocks kept in memory come last");
    }
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_completed_spool_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    snapshot_in(dir.path(), 60, &contents()).save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.len() < 2000, "{}", bytes.len());
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Snapshot::read_from(bytes.as_slice()).is_err(), "bit {bit} read from a stream");
        fs::write(&path, &bytes).unwrap();
        let opened = Snapshot::open(&path).and_then(|snapshot| snapshot.verify());
        assert!(opened.is_err(), "bit {bit} read from a file");
    }
    for len in 0..bytes.len() {
        fs::write(&path, &bytes[..len]).unwrap();
        assert_eq!(Snapshot::open(&path).unwrap_err().kind(), ErrorKind::Truncated, "{len}");
        let streamed = Snapshot::read_from(&bytes[..len]);
        assert_eq!(streamed.unwrap_err().kind(), ErrorKind::Truncated, "{len}");
    }
}

#[test]
fn another_file_system_gets_a_copy_and_the_spool_stays_a_draft() {
    let files = contents();
    let dir = tempfile::tempdir().unwrap();
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else { return };
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    if device(dir.path()) == device(elsewhere.path()) {
        return;
    }
    let snapshot = snapshot_in(dir.path(), 60, &files);
    let (far, near) = (elsewhere.path().join("far"), dir.path().join("near"));
    snapshot.save(&far).unwrap();
    assert_holds(&Snapshot::open(&far).unwrap(), &files);
    assert_eq!(names(elsewhere.path()), [far]);
    snapshot.save(&near).unwrap();
    assert_eq!(inode(&near), spool_inode(&snapshot));
    assert_holds(&Snapshot::open(&near).unwrap(), &files);
}

#[test]
fn what_was_left_out_is_not_in_the_saved_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let (secret, kept) = (noise(300 << 10), b"kept".to_vec());
    let spool = Spool::new_in(0, Some(dir.path().to_owned()));
    spool.add(&secret).unwrap();
    spool.add(&kept).unwrap();
    let snapshot = spool.finish(manifest(vec![repo("app", vec![untracked("a", &kept)])])).unwrap();
    snapshot.save(&path).unwrap();
    assert_ne!(inode(&path), spool_inode(&snapshot));
    let bytes = fs::read(&path).unwrap();
    assert!(!bytes.windows(16).any(|part| part == &secret[..16]), "the secret is in the file");
    assert_holds(&Snapshot::open(&path).unwrap(), &[("a", kept)]);
}

#[test]
fn a_save_that_fails_leaves_the_snapshot_as_it_was() {
    let files = contents();
    for memory in MEMORIES {
        let dir = tempfile::tempdir().unwrap();
        let snapshot = snapshot_in(dir.path(), memory, &files);
        let (taken, path) = (dir.path().join("taken"), dir.path().join("x"));
        fs::create_dir(&taken).unwrap();
        let len = || snapshot.0.store.file().unwrap().metadata().unwrap().len();
        let before = len();
        assert_eq!(snapshot.save(dir.path().join("absent/x")).unwrap_err().kind(), ErrorKind::Io);
        assert_eq!(len(), before);
        assert_eq!(snapshot.save(&taken).unwrap_err().kind(), ErrorKind::Io);
        assert_eq!(snapshot.save(dir.path().join("..")).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(names(dir.path()), std::slice::from_ref(&taken));
        assert_holds(&snapshot, &files);
        snapshot.save(&path).unwrap();
        assert_holds(&Snapshot::open(&path).unwrap(), &files);
        assert_eq!(names(dir.path()), [taken, path]);
    }
}

#[test]
fn threads_may_save_at_once() {
    let files = contents();
    let dir = tempfile::tempdir().unwrap();
    let snapshot = snapshot_in(dir.path(), 60, &files);
    let paths: Vec<PathBuf> = (0..8).map(|n| dir.path().join(n.to_string())).collect();
    std::thread::scope(|scope| {
        for path in &paths {
            let snapshot = &snapshot;
            scope.spawn(move || snapshot.save(path).unwrap());
        }
    });
    let itself = paths.iter().filter(|path| inode(path) == spool_inode(&snapshot)).count();
    assert_eq!(itself, 1);
    assert_eq!(names(dir.path()), paths);
    for path in &paths {
        assert_holds(&Snapshot::open(path).unwrap(), &files);
    }
}

#[test]
fn a_directory_for_the_spool_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::new_in(0, Some(dir.path().join("absent")));
    let error = spool.add(&noise(1 << 20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("absent"), "{error}");
}
