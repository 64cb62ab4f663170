#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use futures_lite::future::block_on;

use super::{DirOptions, DirStorage};
use crate::storage::{Key, PutNew, Storage as _};

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

fn store() -> (tempfile::TempDir, DirStorage) {
    let dir = tempfile::tempdir().unwrap();
    let storage = DirStorage::open(dir.path().join("store")).unwrap();
    (dir, storage)
}

fn temporary(storage: &DirStorage) -> usize {
    std::fs::read_dir(storage.path().join(".tmp")).unwrap().count()
}

#[test]
fn objects_are_plain_files_for_their_owner_alone() {
    let (_dir, storage) = store();
    block_on(storage.put_new(&key("c/x/l/000000000007"), "seven".into())).unwrap();
    let file = storage.path().join("c/x/l/000000000007");
    assert_eq!(std::fs::read(&file).unwrap(), b"seven");
    assert_eq!(std::fs::metadata(&file).unwrap().nlink(), 1, "the temporary name is gone");
    for folder in ["", "c", "c/x", "c/x/l", ".tmp"] {
        let mode = std::fs::metadata(storage.path().join(folder)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{folder}");
    }
    assert_eq!(temporary(&storage), 0);
}

#[test]
fn a_store_of_a_newer_format_or_of_another_kind_is_refused() {
    let (_dir, storage) = store();
    let path = storage.path().to_owned();
    DirStorage::open(&path).unwrap();
    for (marker, word) in [
        (r#"{"format":2}"#, "format 2"),
        (r#"{"format":1,"features":["sealed"]}"#, "sealed"),
        ("rubbish", "handoff.json"),
        ("", "handoff.json"),
    ] {
        std::fs::write(path.join("handoff.json"), marker).unwrap();
        let refused = DirStorage::open(&path).unwrap_err();
        assert!(refused.to_string().contains(word), "{marker}: {refused}");
        assert!(!refused.retryable);
    }
    std::fs::write(path.join("handoff.json"), r#"{"format":1,"new":"field"}"#).unwrap();
    DirStorage::open(&path).unwrap();
}

#[test]
fn only_old_temporary_files_are_swept() {
    let (_dir, storage) = store();
    let tmp = storage.path().join(".tmp");
    let old = SystemTime::now() - Duration::from_secs(7_200);
    for (name, at) in [("tmp-old", old), ("tmp-new", SystemTime::now()), ("mine", old)] {
        let file = std::fs::File::create(tmp.join(name)).unwrap();
        file.set_modified(at).unwrap();
    }
    DirStorage::open(storage.path()).unwrap();
    let left = |name: &str| tmp.join(name).exists();
    assert!(!left("tmp-old") && left("tmp-new") && left("mine"));
}

#[test]
fn links_in_the_store_lead_nowhere() {
    let (dir, storage) = store();
    let outside = dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(&outside, storage.path().join("folder")).unwrap();
    std::os::unix::fs::symlink(outside.join("secret"), storage.path().join("file")).unwrap();
    for name in ["folder/secret", "file"] {
        assert!(block_on(storage.get(&key(name), None)).is_err(), "{name}");
    }
    assert!(block_on(storage.put_new(&key("folder/new"), "x".into())).is_err());
    assert!(block_on(storage.put(&key("folder/new"), "x".into())).is_err());
    assert!(block_on(storage.delete(&[key("folder/secret")])).is_err());
    assert!(block_on(storage.list(&key("folder"), None, 10)).is_err());
    assert_eq!(block_on(storage.put_new(&key("file"), "x".into())).unwrap(), PutNew::Exists);
    block_on(storage.put(&key("file"), "new".into())).unwrap();
    assert_eq!(
        std::fs::read(outside.join("secret")).unwrap(),
        b"secret",
        "the link was replaced, not written"
    );
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(temporary(&storage), 0);
}

#[test]
fn what_others_put_in_the_folder_is_not_listed() {
    let (_dir, storage) = store();
    block_on(storage.put_new(&key("a/object"), "x".into())).unwrap();
    let folder = storage.path().join("a");
    std::fs::write(folder.join("Upper"), "").unwrap();
    std::fs::write(folder.join(".hidden"), "").unwrap();
    std::fs::create_dir(folder.join("empty")).unwrap();
    std::os::unix::fs::symlink("object", folder.join("link")).unwrap();
    let listed = block_on(storage.list(&key("a"), None, 10)).unwrap();
    assert_eq!(listed.iter().map(|meta| meta.key.as_str()).collect::<Vec<_>>(), ["a/object"]);
}

#[test]
fn an_object_above_others_is_refused_and_says_why() {
    let (_dir, storage) = store();
    block_on(storage.put_new(&key("a/b"), "x".into())).unwrap();
    let refused = block_on(storage.put_new(&key("a"), "x".into())).unwrap_err();
    assert!(refused.to_string().contains("objects below it"), "{refused}");
    assert!(block_on(storage.put(&key("a"), "x".into())).is_err());
    assert!(block_on(storage.put_new(&key("a/b/c"), "x".into())).is_err());
    assert_eq!(block_on(storage.get(&key("a"), None)).unwrap(), None);
    assert_eq!(block_on(storage.get(&key("a/b"), None)).unwrap().unwrap(), "x");
    assert_eq!(temporary(&storage), 0);
}

#[test]
fn a_folder_that_somebody_removes_is_made_again() {
    let (_dir, storage) = store();
    for round in 0..3 {
        let key = key(&format!("a/b/{round}"));
        assert_eq!(block_on(storage.put_new(&key, "x".into())).unwrap(), PutNew::Created);
        std::fs::remove_dir_all(storage.path().join("a")).unwrap();
    }
}

#[test]
fn a_lock_file_means_that_all_take_the_lock() {
    let (_dir, storage) = store();
    assert!(!format!("{storage:?}").contains("Lock"));
    std::fs::write(storage.path().join(".lock"), "").unwrap();
    let locking = DirStorage::open(storage.path()).unwrap();
    assert!(format!("{locking:?}").contains("Lock"));
    assert_eq!(block_on(locking.put_new(&key("a"), "one".into())).unwrap(), PutNew::Created);
    assert_eq!(block_on(locking.put_new(&key("a"), "two".into())).unwrap(), PutNew::Exists);
    assert_eq!(temporary(&locking), 0);
}

/// Empty objects `00000` and so on in `folder`.
fn touch(folder: &Path, count: usize) {
    std::fs::create_dir_all(folder).unwrap();
    for number in 0..count {
        std::fs::write(folder.join(format!("{number:05}")), "").unwrap();
    }
}

#[test]
fn the_newest_of_many_are_listed_by_their_folders() {
    let (_dir, storage) = store();
    for day in 0..50 {
        touch(&storage.path().join(format!("x/scope/{day:05}")), 200);
    }
    let newest = block_on(storage.list(&key("x/scope"), None, 20)).unwrap();
    assert_eq!(newest.len(), 20);
    assert_eq!(newest[19].key.as_str(), "x/scope/00000/00019");
    let after = key("x/scope/00048/00199");
    let rest = block_on(storage.list(&key("x/scope"), Some(&after), 1_000)).unwrap();
    assert_eq!(rest.len(), 200);
    assert_eq!(rest[0].key.as_str(), "x/scope/00049/00000");
}

#[test]
fn a_folder_larger_than_what_is_held_at_once_is_listed_whole() {
    let (_dir, storage) = store();
    touch(&storage.path().join("flat"), 3_000);
    for number in 0..600 {
        std::fs::create_dir_all(storage.path().join(format!("flat/0-{number:03}"))).unwrap();
    }
    let mut found: Vec<Key> = Vec::new();
    loop {
        let some = block_on(storage.list(&key("flat"), found.last(), 70)).unwrap();
        found.extend(some.iter().map(|meta| meta.key.clone()));
        if some.len() < 70 {
            break;
        }
    }
    assert_eq!(found.len(), 3_000, "empty folders cost a look and give nothing");
    assert!(found.is_sorted());
}

#[test]
fn without_waiting_for_the_disk_everything_else_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let fast =
        DirStorage::open_with(dir.path(), &DirOptions { sync: false, ..DirOptions::default() }).unwrap();
    let full = DirStorage::open(dir.path()).unwrap();
    assert_eq!(block_on(fast.put_new(&key("a/b"), "x".into())).unwrap(), PutNew::Created);
    assert_eq!(block_on(full.put_new(&key("a/b"), "y".into())).unwrap(), PutNew::Exists);
}
