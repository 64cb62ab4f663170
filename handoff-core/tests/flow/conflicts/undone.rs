//! The way back: what an apply replaced, and nothing that came after it.

use std::fs;

use handoff_core::OnConflict;
use handoff_core::{ApplyId, ApplyOptions, Control, Outcome, apply, undo};

use super::{Scene, of, table, with};
use crate::support::oracle;
use crate::support::purity::fingerprint;

#[test]
fn whatever_the_policy_undo_restores_the_target() {
    for policy in [OnConflict::Keep, OnConflict::Markers, OnConflict::Theirs] {
        let (scene, _) = table();
        scene.source.git(&["add", "-A"]);
        let before = oracle::state(&scene.target);
        let report = scene.apply_with(&with(policy));
        let id = report.apply_id.unwrap();
        let undone = undo(&scene.target.workspace(), &id, &Control::default()).unwrap();
        assert_eq!(undone.action, handoff_core::Action::Undo);
        let difference = oracle::difference(&before, &oracle::state(&scene.target));
        assert!(difference.is_empty(), "{policy:?}:\n{difference}\n{undone:#?}");
    }
}

#[test]
fn what_was_edited_after_the_apply_is_kept() {
    let scene = Scene::new(|base| {
        base.write("edited-later.txt", "base\n").write("left.txt", "base\n").write("gone.txt", "base\n");
    });
    scene
        .source
        .write("edited-later.txt", "applied\n")
        .write("left.txt", "applied\n")
        .write("new.txt", "applied\n");
    scene
        .source
        .write("new-and-edited.txt", "applied\n")
        .remove("gone.txt")
        .write("removed-later.txt", "applied\n");
    let report = scene.apply();
    let target = &scene.target;
    target
        .write("edited-later.txt", "later\n")
        .write("new-and-edited.txt", "later\n")
        .write("gone.txt", "later\n");
    target.remove("removed-later.txt");
    let undone = undo(&target.workspace(), &report.apply_id.unwrap(), &Control::default()).unwrap();
    assert_eq!(target.read("edited-later.txt"), b"later\n");
    assert_eq!(target.read("new-and-edited.txt"), b"later\n");
    assert_eq!(target.read("gone.txt"), b"later\n");
    assert_eq!(target.read("left.txt"), b"base\n");
    assert!(!target.exists("new.txt") && !target.exists("removed-later.txt"));
    for path in ["edited-later.txt", "new-and-edited.txt", "gone.txt"] {
        assert_eq!(of(&undone, path).outcome, Outcome::Conflict, "{path}");
    }
    for path in ["left.txt", "new.txt"] {
        assert_eq!(of(&undone, path).outcome, Outcome::Applied, "{path}");
    }
}

#[test]
fn an_apply_is_undone_once() {
    let scene = Scene::new(|base| {
        base.write("a.txt", "base\n");
    });
    scene.source.write("a.txt", "edited\n");
    let workspace = scene.target.workspace();
    let id = scene.apply().apply_id.unwrap();
    undo(&workspace, &id, &Control::default()).unwrap();
    let before = fingerprint(&scene.target.root);
    match undo(&workspace, &id, &Control::default()) {
        Err(error) => assert_eq!(error.kind().as_str(), "unknown_apply", "{error}"),
        Ok(report) => {
            assert!(report.files().all(|(_, file)| file.outcome == Outcome::Unchanged), "{report:?}")
        }
    }
    assert_eq!(scene.target.read("a.txt"), b"base\n");
    let changed = |path: &[u8]| !path.is_empty() && !path.starts_with(b".git");
    let after = fingerprint(&scene.target.root);
    for (path, print) in before.iter().filter(|(path, _)| changed(path)) {
        assert_eq!(after.get(path), Some(print));
    }
}

#[test]
fn an_unknown_apply_is_told_of() {
    let scene = Scene::new(|base| {
        base.write("a.txt", "base\n");
    });
    let id: ApplyId = format!("a{}", "07".repeat(16)).parse().unwrap();
    let error = undo(&scene.target.workspace(), &id, &Control::default()).unwrap_err();
    assert_eq!(error.kind().as_str(), "unknown_apply");
    assert!(error.to_string().contains(&id.to_string()), "{error}");
}

#[test]
fn two_applies_are_undone_in_either_order() {
    for newest_first in [true, false] {
        let scene = Scene::new(|base| {
            base.write("a.txt", "base\n").write("b.txt", "base\n");
        });
        let before = oracle::state(&scene.target);
        scene.source.write("a.txt", "first\n");
        let first = scene.apply().apply_id.unwrap();
        scene.source.write("a.txt", "base\n").write("b.txt", "second\n");
        let second = scene.apply().apply_id.unwrap();
        let order = if newest_first { [second, first] } else { [first, second] };
        for id in order {
            let report = undo(&scene.target.workspace(), &id, &Control::default()).unwrap();
            assert!(
                report.files().all(|(_, file)| matches!(file.outcome, Outcome::Applied | Outcome::Unchanged)),
                "{report:?}"
            );
        }
        assert_eq!(oracle::difference(&before, &oracle::state(&scene.target)), "");
    }
}

#[test]
fn neither_apply_nor_undo_moves_head_refs_or_logs() {
    let (scene, _) = table();
    let interesting = |path: &Vec<u8>| {
        ["HEAD", "ORIG_HEAD", "config", "packed-refs", "refs", "logs", "info", "hooks"]
            .iter()
            .any(|name| path.starts_with(format!(".git/{name}").as_bytes()))
    };
    let prints = || {
        let mut prints = fingerprint(&scene.target.root);
        prints.retain(|path, _| interesting(path));
        prints
    };
    fs::write(scene.target.git_dir().join("packed-refs"), "# pack-refs with: peeled fully-peeled sorted \n")
        .unwrap();
    let before = prints();
    let snapshot = scene.snapshot();
    let report = apply(&snapshot, &scene.target.workspace(), &ApplyOptions::default()).unwrap();
    undo(&scene.target.workspace(), &report.apply_id.unwrap(), &Control::default()).unwrap();
    assert_eq!(before, prints());
}
