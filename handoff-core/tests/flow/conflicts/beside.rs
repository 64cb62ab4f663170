//! What lies beside the files: the index, its lock, and another apply at the same time.

use std::fs;
use std::sync::Arc;

use handoff_core::{ApplyOptions, Outcome, Phase, Staging, Verdict, apply};

use super::{Scene, of};
use crate::support::{git, oracle};

#[test]
fn staged_state_is_restored_only_where_nothing_else_is_staged() {
    let scene = Scene::new(|base| {
        base.write("free.txt", "base\n").write("taken.txt", "base\n");
    });
    for path in ["free.txt", "taken.txt"] {
        scene.source.write(path, "staged by the source\n");
    }
    scene.source.git(&["add", "-A"]);
    for path in ["free.txt", "taken.txt"] {
        scene.source.write(path, "staged by the source\nand more\n");
    }
    scene.target.write("taken.txt", "staged by the target\n");
    scene.target.git(&["add", "-A"]);
    scene.target.write("taken.txt", "base\n");
    let report = scene.apply();
    let show = |path: &str| git::git(&scene.target.root, &["show", &format!(":{path}")]);
    assert_eq!(show("free.txt"), b"staged by the source\n");
    assert_eq!(show("taken.txt"), b"staged by the target\n");
    let staging = &report.repos[0].staging;
    assert_eq!(staging.restored, 1, "{staging:?}");
    assert_eq!(staging.left_paths, [("taken.txt".into(), "target_differs".to_owned())]);
    assert_eq!(of(&report, "taken.txt").outcome, Outcome::Applied, "the work tree is another matter");
}

#[test]
fn the_index_is_left_alone_when_asked() {
    let scene = Scene::new(|base| {
        base.write("a.txt", "base\n");
    });
    scene.source.write("a.txt", "staged\n");
    scene.source.git(&["add", "-A"]);
    let index = fs::read(scene.target.git_dir().join("index")).unwrap();
    let mut options = ApplyOptions::default();
    options.staging = Staging::Leave;
    let report = scene.apply_with(&options);
    assert_eq!(of(&report, "a.txt").outcome, Outcome::Applied);
    assert_eq!(fs::read(scene.target.git_dir().join("index")).unwrap(), index);
    assert_eq!(scene.target.read("a.txt"), b"staged\n");
}

#[test]
fn a_held_index_lock_costs_only_the_staged_state() {
    let scene = Scene::new(|base| {
        base.write("a.txt", "base\n");
    });
    scene.source.write("a.txt", "staged\n");
    scene.source.git(&["add", "-A"]);
    let lock = scene.target.git_dir().join("index.lock");
    fs::write(&lock, "somebody's\n").unwrap();
    let report = scene.apply();
    assert_eq!(of(&report, "a.txt").outcome, Outcome::Applied);
    assert_eq!(report.repos[0].staging.left_paths, [("a.txt".into(), "index_locked".to_owned())]);
    assert_eq!(fs::read(&lock).unwrap(), b"somebody's\n");

    // Once it is free, the same call restores the rest.
    fs::remove_file(&lock).unwrap();
    let report = scene.apply();
    assert_eq!(report.repos[0].staging.restored, 1);
    assert_eq!(oracle::difference(&oracle::state(&scene.source), &oracle::state(&scene.target)), "");
}

#[test]
fn a_second_apply_at_the_same_time_is_told_to_wait() {
    let scene = Scene::new(|base| {
        base.write("a.txt", "base\n");
    });
    scene.source.write("a.txt", "edited\n").write("new.txt", "new\n");
    let snapshot = Arc::new(scene.snapshot());
    let workspace = scene.target.workspace();
    let met = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut options = ApplyOptions::default();
    let (inner, met_inner, workspace_inner) = (snapshot.clone(), met.clone(), workspace.clone());
    options.control.progress = Some(Arc::new(move |progress: &handoff_core::Progress| {
        if progress.phase == Phase::Write {
            let (snapshot, workspace) = (inner.clone(), workspace_inner.clone());
            let second = std::thread::spawn(move || {
                apply(&snapshot, &workspace, &ApplyOptions::default()).map(|_| ())
            });
            met_inner.lock().unwrap().push(second.join().unwrap());
        }
    }));
    let report = apply(&snapshot, &workspace, &options).unwrap();
    assert_eq!(report.verdict, Verdict::Complete);
    let met = met.lock().unwrap();
    assert!(!met.is_empty(), "an apply has a writing phase");
    for second in met.iter() {
        let error = second.as_ref().unwrap_err();
        assert_eq!(error.kind().as_str(), "busy");
        assert!(error.is_retryable());
        assert!(error.to_string().contains(scene.target.root.to_str().unwrap()), "{error}");
    }
}
