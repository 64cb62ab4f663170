//! Bundles that are damaged, cut, forged or not there.

use std::fs;

use handoff_core::{ApplyOptions, CaptureOptions, Snapshot, apply, capture};

use super::{changed, names};
use crate::support::driver::failure;
use crate::support::oracle;
use crate::support::purity::fingerprint;
use crate::support::repo::{Repo, scratch};

struct Scene {
    scratch: tempfile::TempDir,
    source: Repo,
    target: Repo,
    bundle: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let scratch = scratch();
        let source = changed(&scratch.path().join("source/app"));
        let target = source.copy_to(scratch.path().join("target/app"));
        target.write("a.txt", "before\n").remove("new.txt");
        let file = scratch.path().join("whole.handoff");
        capture(&source.workspace(), &CaptureOptions::default()).unwrap().save(&file).unwrap();
        let bundle = fs::read(file).unwrap();
        Self { scratch, source, target, bundle }
    }

    /// Opens these bytes and applies what they hold; `Err` with the kind of error when they are refused.
    fn try_bytes(&self, bytes: &[u8]) -> Result<handoff_core::ApplyReport, String> {
        let file = self.scratch.path().join("tried.handoff");
        fs::write(&file, bytes).unwrap();
        let refused = |error: handoff_core::Error| {
            let told = failure(&error);
            assert!(
                ["format", "truncated", "corrupt", "unsupported_version", "limit", "blob_missing"]
                    .contains(&told.kind.as_str()),
                "{}: {}",
                told.kind,
                told.message
            );
            told.kind
        };
        let snapshot = Snapshot::open(&file).map_err(refused)?;
        apply(&snapshot, &self.target.workspace(), &ApplyOptions::default()).map_err(refused)
    }

    /// Every file of the target is as it was or as the snapshot has it, and the report claims no more.
    fn assert_truthful(
        &self,
        what: &str,
        before: &oracle::State,
        result: &Result<handoff_core::ApplyReport, String>,
    ) {
        let wanted = oracle::state(&self.source);
        let now = oracle::state(&self.target);
        let changed = oracle::difference(before, &now);
        let Ok(report) = result else {
            assert!(changed.is_empty(), "{what}: refused, but written:\n{changed}");
            return;
        };
        for (path, disk) in &now.files {
            let known = before.files.get(path) == Some(disk) || wanted.files.get(path) == Some(disk);
            assert!(known, "{what}: {} is neither old nor new: {disk:?}", path.escape_ascii());
        }
        for (_, file) in report.files() {
            let (path, there) = (file.path.as_bytes(), now.files.get(file.path.as_bytes()));
            if file.outcome == handoff_core::Outcome::Applied {
                assert_eq!(there, wanted.files.get(path), "{what}: {} is said to be applied", file.path);
            }
        }
    }
}

#[test]
fn a_bundle_cut_anywhere_is_refused() {
    let scene = Scene::new();
    let before = fingerprint(&scene.target.root);
    for length in 0..scene.bundle.len() {
        let result = scene.try_bytes(&scene.bundle[..length]);
        let kind = result.expect_err(&format!("cut to {length} of {} bytes", scene.bundle.len()));
        assert!(["truncated", "format", "corrupt"].contains(&kind.as_str()), "cut to {length}: {kind}");
    }
    assert_eq!(before, fingerprint(&scene.target.root));
    assert!(scene.try_bytes(&scene.bundle).is_ok(), "whole, it is fine");
}

#[test]
fn a_flipped_bit_anywhere_never_becomes_another_file() {
    let scene = Scene::new();
    let before = oracle::state(&scene.target);
    let clean = scene.scratch.path().join("clean");
    crate::support::repo::copy_tree(&scene.target.root, &clean);
    for at in 0..scene.bundle.len() {
        let mut bytes = scene.bundle.clone();
        bytes[at] ^= 1 << (at % 8);
        let result = scene.try_bytes(&bytes);
        if result.is_err() {
            continue;
        }
        scene.assert_truthful(&format!("bit {} of byte {at}", at % 8), &before, &result);
        fs::remove_dir_all(&scene.target.root).unwrap();
        crate::support::repo::copy_tree(&clean, &scene.target.root);
    }
    scene.assert_truthful("at the end", &before, &Err("nothing was written".into()));
}

#[test]
fn bytes_after_the_end_are_noticed() {
    let scene = Scene::new();
    let longer = [scene.bundle.as_slice(), b"and more"].concat();
    assert!(scene.try_bytes(&longer).is_err());
}

#[test]
fn what_is_no_bundle_is_named() {
    let scene = Scene::new();
    let root = scene.scratch.path();
    let absent = root.join("absent.handoff");
    names(&Snapshot::open(&absent).unwrap_err(), "io", &absent, "No such file");
    let error = Snapshot::open(root).unwrap_err();
    assert!(failure(&error).message.contains(root.to_str().unwrap()), "{error}");
    for (name, content) in [
        ("empty", &b""[..]),
        ("text", b"just some text, long enough to be looked at\n"),
        ("zip", b"PK\x03\x04"),
    ] {
        let file = root.join(name);
        fs::write(&file, content).unwrap();
        let told = failure(&Snapshot::open(&file).unwrap_err());
        assert!(
            ["format", "truncated"].contains(&told.kind.as_str()),
            "{name}: {}: {}",
            told.kind,
            told.message
        );
        assert!(told.message.contains(file.to_str().unwrap()), "{name} is not named: {}", told.message);
    }
}

#[test]
fn a_bundle_that_cannot_be_saved_leaves_the_old_one() {
    let scene = Scene::new();
    let snapshot = capture(&scene.source.workspace(), &CaptureOptions::default()).unwrap();
    let nowhere = scene.scratch.path().join("no/such/directory/x.handoff");
    let told = failure(&snapshot.save(&nowhere).unwrap_err());
    assert_eq!(told.kind, "io");
    assert!(told.message.contains("no/such/directory"), "{}", told.message);

    // Saving over a bundle replaces it whole.
    let file = scene.scratch.path().join("again.handoff");
    fs::write(&file, "an older bundle").unwrap();
    snapshot.save(&file).unwrap();
    assert_eq!(Snapshot::open(&file).unwrap().id(), snapshot.id());
    let names: Vec<_> = fs::read_dir(scene.scratch.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4, "no temporary file is left: {names:?}");
}
