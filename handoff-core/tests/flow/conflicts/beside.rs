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

/// Git believes an entry's time stamp only where it is older than the index itself. Writing the index anew makes
/// it young, so whoever does must not let an edit of the same second and size pass for unchanged from then on.
#[test]
fn an_edit_within_the_indexs_own_second_is_not_hidden_from_git() {
    let scene = Scene::new(|base| {
        base.write("edited.txt", "aaaa\n").write("staged.txt", "base\n");
    });
    let target = &scene.target;
    let moment = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
    let stamp = |path: std::path::PathBuf| {
        fs::File::options().read(true).open(path).unwrap().set_modified(moment).unwrap();
    };
    // The change time cannot be set, so it is left out of it, as it is on systems that have none.
    target.git(&["config", "core.trustctime", "false"]);
    stamp(target.at("edited.txt"));
    target.refresh();
    target.write("edited.txt", "bbbb\n");
    stamp(target.at("edited.txt"));
    stamp(target.git_dir().join("index"));
    let edited = |when: &str| {
        let status = oracle::state(target).status;
        let seen = status.iter().any(|line| line.starts_with(b"1 .M") && line.ends_with(b" edited.txt"));
        assert!(seen, "{when}: git does not see the edit of edited.txt: {status:?}");
    };
    edited("before the apply");

    scene.source.write("staged.txt", "staged\n");
    scene.source.git(&["add", "-A"]);
    let report = scene.apply();
    assert_eq!(report.repos[0].staging.restored, 1);
    edited("after the apply");
    handoff_core::undo(&target.workspace(), &report.apply_id.unwrap(), &ApplyOptions::default().control)
        .unwrap();
    edited("after the undo");
    assert_eq!(target.read("edited.txt"), b"bbbb\n");
}

#[test]
fn staged_state_is_restored_into_every_form_of_index() {
    let forms: &[&[&[&str]]] = &[
        &[&["update-index", "--index-version", "4"]],
        &[&["config", "core.untrackedCache", "true"], &["update-index", "--untracked-cache"], &["status"]],
        &[&["config", "index.skipHash", "true"], &["update-index", "--force-write-index"]],
        &[&["config", "feature.manyFiles", "true"], &["update-index", "--force-write-index"]],
        &[&["update-index", "--split-index"]],
        &[&["sparse-checkout", "set", "--cone", "kept"]],
        &[&["sparse-checkout", "set", "--cone", "--sparse-index", "kept"]],
        &[&["update-index", "--assume-unchanged", "assumed.txt"]],
        &[&["update-index", "--skip-worktree", "assumed.txt"]],
    ];
    for form in forms {
        let scene = Scene::new(|base| {
            base.write("kept/staged.txt", "base\n").write("kept/gone.txt", "base\n");
            base.write("left/out.txt", "base\n").write("assumed.txt", "base\n");
        });
        let target = &scene.target;
        for args in *form {
            let done =
                git::command(&target.root).env_remove("GIT_OPTIONAL_LOCKS").args(*args).output().unwrap();
            assert!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
        }
        let sparse = form.iter().any(|args| args.contains(&"--sparse-index"));
        if sparse {
            target.assert_sparse_index();
        }
        scene.source.write("kept/staged.txt", "staged\n").write("kept/added.txt", "added\n");
        scene.source.remove("kept/gone.txt");
        scene.source.git(&["add", "-A"]);
        // Every entry with its flags, before and after.
        let flags =
            || String::from_utf8(git::git(&target.root, &["ls-files", "-v", "-s", "--", "."])).unwrap();
        let before = flags();
        let report = scene.apply();
        assert_eq!(report.verdict, Verdict::Complete, "{form:?}: {report:?}");
        assert_eq!(report.repos[0].staging.restored, 3, "{form:?}");
        // With a sparse index git itself misses trees that it has only thought of, after any `git add`.
        if !sparse {
            target.git(&["fsck", "--strict"]);
        }
        assert_eq!(oracle::state(target).status, oracle::state(&scene.source).status, "{form:?}");
        let untouched = |flags: &str| -> Vec<String> {
            flags.lines().filter(|line| !line.contains("kept/")).map(str::to_owned).collect()
        };
        assert_eq!(untouched(&before), untouched(&flags()), "{form:?}");
        let undone = handoff_core::undo(
            &target.workspace(),
            &report.apply_id.unwrap(),
            &ApplyOptions::default().control,
        );
        undone.unwrap();
        assert_eq!(before, flags(), "{form:?}");
        assert!(oracle::state(target).status.is_empty(), "{form:?}");
    }
}
