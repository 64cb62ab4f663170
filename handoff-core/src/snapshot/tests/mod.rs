//! Tests of the snapshot as a whole, and what the tests of its parts share.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod codec;
mod golden;
mod save;
mod spool;

use super::*;
use crate::id::Oid;

/// A manifest of these repositories, otherwise empty.
pub(super) fn manifest(repos: Vec<RepoManifest>) -> Manifest {
    Manifest {
        environment: Default::default(),
        format: FORMAT.to_owned(),
        loose_files: Vec::new(),
        loose_omissions: Vec::new(),
        partial: None,
        repos,
        extra: Extra::new(),
    }
}

/// A repository with these entries, otherwise empty.
pub(super) fn repo(name: &str, entries: Vec<Entry>) -> RepoManifest {
    RepoManifest {
        entries,
        failed: None,
        flags: RepoFlags::default(),
        head: Head { commit: Some(oid(b"a commit")), ..Head::default() },
        history: None,
        id: RepoIdentity::default(),
        name: name.to_owned(),
        object_format: Some(crate::ObjectFormat::Sha1),
        omissions: Vec::new(),
        operation: None,
        stashes: 0,
        extra: Extra::new(),
    }
}

/// An entry that is nowhere yet.
pub(super) fn entry(path: impl Into<RelPath>) -> Entry {
    Entry {
        flags: EntryFlags::default(),
        head: None,
        index: None,
        path: path.into(),
        worktree: None,
        extra: Extra::new(),
    }
}

/// An untracked file.
pub(super) fn untracked(path: &str, content: &[u8]) -> Entry {
    let flags = EntryFlags { untracked: true, ..EntryFlags::default() };
    Entry { flags, worktree: Some(file(content)), ..entry(path) }
}

/// A regular file of this content, which travels.
pub(super) fn file(content: &[u8]) -> FileState {
    FileState {
        blob: Some(Digest::of(content)),
        eol: None,
        mode: Mode::Regular,
        oid: Some(oid(content)),
        size: content.len() as u64,
        extra: Extra::new(),
    }
}

pub(super) fn omission(path: &str, reason: OmissionReason) -> Omission {
    Omission {
        count: None,
        line: None,
        path: path.into(),
        reason,
        rule: None,
        size: None,
        extra: Extra::new(),
    }
}

/// A made-up git id.
pub(super) fn oid(content: &[u8]) -> Oid {
    Oid::from_bytes(&Digest::of(content).as_bytes()[..20]).unwrap()
}

/// A snapshot of untracked files, one repository.
pub(super) fn snapshot_of(files: &[(&str, &[u8])]) -> Snapshot {
    let spool = Spool::new(1 << 20);
    let mut entries: Vec<Entry> =
        files.iter().map(|(path, content)| (spool.add(content), untracked(path, content)).1).collect();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    spool.finish(manifest(vec![repo("app", entries)])).unwrap()
}

/// Bytes that do not compress, the same on every run.
pub(super) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut words = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    });
    let mut out: Vec<u8> = words.by_ref().take(len.div_ceil(8)).flat_map(u64::to_le_bytes).collect();
    out.truncate(len);
    out
}

#[test]
fn a_snapshot_may_be_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Snapshot>();
}

#[test]
fn contents_are_read_by_repository_path_and_layer() {
    let spool = Spool::new(0);
    for content in [b"one".as_slice(), b"two", b"three"] {
        spool.add(content).unwrap();
    }
    let mut changed = entry("a");
    changed.head = Some(file(b"one"));
    // Nothing is staged, so the content of the index is that of HEAD.
    changed.index = Some(FileState { blob: None, ..file(b"one") });
    changed.worktree = Some(file(b"two"));
    let snapshot =
        spool.finish(manifest(vec![repo("app", vec![changed]), repo("lib", vec![untracked("a", b"three")])]));
    let snapshot = snapshot.unwrap();
    let read = |repo: &str, path: &str, layer| snapshot.read(repo, &path.into(), layer).unwrap();
    assert_eq!(read("app", "a", Layer::Head).unwrap(), b"one");
    assert_eq!(read("app", "a", Layer::Index).unwrap(), b"one");
    assert_eq!(read("app", "a", Layer::Worktree).unwrap(), b"two");
    assert_eq!(read("lib", "a", Layer::Worktree).unwrap(), b"three");
    assert_eq!(read("lib", "a", Layer::Head), None);
    assert_eq!(read("lib", "b", Layer::Worktree), None);
    assert_eq!(read("none", "a", Layer::Worktree), None);
    assert_eq!(snapshot.entries().map(|(repo, _)| repo.name.as_str()).collect::<Vec<_>>(), ["app", "lib"]);
    assert_eq!(snapshot.blob_size(&Digest::of(b"three")), Some(5));
    assert!(!snapshot.has_blob(&Digest::of(b"four")));
    let missing = snapshot.blob(&Digest::of(b"four")).unwrap_err();
    assert!(matches!(missing, Error::BlobMissing { .. }), "{missing}");
}

#[test]
fn the_same_state_has_the_same_id_whatever_the_order_of_adding() {
    let files: [(&str, &[u8]); 3] = [("a", b"1"), ("b", b"2"), ("c", b"3")];
    let mut reversed = files;
    reversed.reverse();
    assert_eq!(snapshot_of(&files).id(), snapshot_of(&reversed).id());
    assert_ne!(snapshot_of(&files).id(), snapshot_of(&files[1..]).id());
}
