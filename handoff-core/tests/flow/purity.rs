//! Capture touches nothing and is kept from its work by nothing: not by locks, foreign environments, missing
//! rights, or the form of the index.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use handoff_core::snapshot::{Entry, Mode, RepoManifest};
use handoff_core::{CaptureOptions, PlannedChange, Snapshot, capture, plan};

use crate::support::driver::{Job, Operation};
use crate::support::git;
use crate::support::purity::{assert_untouched, fingerprint};
use crate::support::repo::{Format, Repo, scratch};

/// A capture that is proved to have touched nothing.
#[track_caller]
fn pure_capture(repo: &Repo) -> Snapshot {
    let workspace = repo.workspace();
    assert_untouched(&[&repo.root], || capture(&workspace, &CaptureOptions::default())).unwrap()
}

fn only(snapshot: &Snapshot) -> &RepoManifest {
    assert_eq!(snapshot.manifest().repos.len(), 1);
    &snapshot.manifest().repos[0]
}

fn entry<'a>(snapshot: &'a Snapshot, path: &str) -> &'a Entry {
    only(snapshot)
        .entries
        .iter()
        .find(|entry| entry.path.as_bytes() == path.as_bytes())
        .unwrap_or_else(|| panic!("{path} is not captured: {:?}", paths(snapshot)))
}

fn paths(snapshot: &Snapshot) -> Vec<String> {
    only(snapshot).entries.iter().map(|entry| entry.path.to_string_lossy().into_owned()).collect()
}

/// Four tracked files, one of each change, and an untracked one.
fn changed(root: &Path) -> Repo {
    let repo = Repo::init(root, Format::Sha1);
    repo.write("same.txt", "same\n").write("edited.txt", "before\n").write("staged.txt", "before\n");
    repo.write("gone.txt", "gone\n").write("sub/tool", "tool\n").write(".gitignore", "*.log\n");
    repo.commit("base");
    repo.write("edited.txt", "edited\n").write("staged.txt", "staged\n").remove("gone.txt");
    repo.git(&["add", "staged.txt"]);
    repo.executable("sub/tool", true).write("new.txt", "new\n").write("noise.log", "ignored\n");
    repo
}

const CHANGED: [&str; 5] = ["edited.txt", "gone.txt", "new.txt", "staged.txt", "sub/tool"];

#[test]
fn a_stale_index_is_not_refreshed() {
    let scratch = scratch();
    let repo = changed(&scratch.path().join("app"));
    // Every file looks changed to the index now, which is when git itself would rewrite it.
    let past = SystemTime::now() - Duration::from_secs(86_400);
    for path in ["same.txt", "edited.txt", "staged.txt", "sub/tool"] {
        fs::File::options().read(true).open(repo.at(path)).unwrap().set_modified(past).unwrap();
    }
    assert_eq!(paths(&pure_capture(&repo)), CHANGED);
}

#[test]
fn a_held_index_lock_is_no_obstacle() {
    let scratch = scratch();
    let repo = changed(&scratch.path().join("app"));
    for lock in ["index.lock", "HEAD.lock", "config.lock", "packed-refs.lock", "refs/heads/main.lock"] {
        fs::write(repo.git_dir().join(lock), "").unwrap();
    }
    assert!(!git::output(&repo.root, &["add", "new.txt"], b"").status.success(), "the lock holds");
    assert_eq!(paths(&pure_capture(&repo)), CHANGED);
}

#[test]
fn a_plan_touches_nothing_and_foresees_the_capture() {
    let scratch = scratch();
    let repo = changed(&scratch.path().join("app"));
    let workspace = repo.workspace();
    let foreseen = assert_untouched(&[&repo.root], || plan(&workspace, &CaptureOptions::default())).unwrap();
    assert_eq!(foreseen.repos.len(), 1);
    let of = |path: &str| {
        let file = foreseen.repos[0].files.iter().find(|file| file.path.as_bytes() == path.as_bytes());
        file.map(|file| (file.change, file.bytes))
    };
    assert_eq!(of("new.txt"), Some((PlannedChange::Untracked, 4)));
    assert_eq!(of("gone.txt"), Some((PlannedChange::Deleted, 0)));
    assert_eq!(of("edited.txt").map(|(change, _)| change), Some(PlannedChange::Modified));
    for path in paths(&pure_capture(&repo)) {
        assert!(of(&path).is_some(), "{path} was captured, but not planned");
    }
}

#[test]
fn the_same_state_has_the_same_id() {
    let scratch = scratch();
    let repo = changed(&scratch.path().join("app"));
    let first = pure_capture(&repo);
    let second = pure_capture(&repo);
    assert_eq!(first.id(), second.id());
    let copy = repo.copy_to(scratch.path().join("elsewhere/app"));
    assert_eq!(pure_capture(&copy).id(), first.id(), "neither place nor time is part of a state");
    repo.write("edited.txt", "edited again\n");
    assert_ne!(pure_capture(&repo).id(), first.id());
}

#[test]
fn every_form_of_index_is_read() {
    let scratch = scratch();
    let base = changed(&scratch.path().join("base/app"));
    let wanted = pure_capture(&base);
    let forms: &[&[&[&str]]] = &[
        &[&["update-index", "--index-version", "4"]],
        &[&["config", "core.untrackedCache", "true"], &["update-index", "--untracked-cache"], &["status"]],
        &[&["config", "index.skipHash", "true"], &["update-index", "--force-write-index"]],
        &[&["config", "feature.manyFiles", "true"], &["update-index", "--force-write-index"]],
        &[&["config", "index.threads", "2"], &["update-index", "--force-write-index"]],
        &[&["update-index", "--split-index"]],
        &[&["update-index", "--split-index"], &["add", "new.txt"], &["rm", "-q", "--cached", "new.txt"]],
    ];
    for (number, form) in forms.iter().enumerate() {
        let repo = base.copy_to(scratch.path().join(format!("{number}/app")));
        for args in *form {
            let done =
                git::command(&repo.root).env_remove("GIT_OPTIONAL_LOCKS").args(*args).output().unwrap();
            assert!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
        }
        let found = pure_capture(&repo);
        assert_eq!(only(&found).failed, None, "{form:?}");
        assert_eq!(only(&found).entries, only(&wanted).entries, "{form:?}");
    }
}

#[test]
fn edits_that_git_was_told_not_to_see_are_seen() {
    let scratch = scratch();
    let repo = Repo::init(scratch.path().join("app"), Format::Sha1);
    for path in ["assumed.txt", "skipped.txt", "absent.txt", "quiet.txt"] {
        repo.write(path, "before\n");
    }
    repo.commit("base");
    repo.git(&["update-index", "--assume-unchanged", "assumed.txt", "quiet.txt"]);
    repo.git(&["update-index", "--skip-worktree", "skipped.txt", "absent.txt"]);
    repo.write("assumed.txt", "edited\n").write("skipped.txt", "edited\n").remove("absent.txt");
    let snapshot = pure_capture(&repo);
    assert_eq!(
        paths(&snapshot),
        ["assumed.txt", "skipped.txt"],
        "what is absent by skip-worktree is not deleted"
    );
    assert!(entry(&snapshot, "assumed.txt").flags.assume_unchanged);
    assert!(entry(&snapshot, "skipped.txt").flags.skip_worktree);
}

#[test]
fn an_edit_of_the_same_size_in_the_same_instant_is_seen() {
    let scratch = scratch();
    for round in 0..30 {
        let repo = Repo::init(scratch.path().join(format!("{round}/app")), Format::Sha1);
        repo.write("racy.txt", "aaaa\n");
        repo.commit("base");
        repo.write("racy.txt", "bbbb\n");
        let snapshot = pure_capture(&repo);
        assert_eq!(paths(&snapshot), ["racy.txt"], "in round {round}");
        let blob = entry(&snapshot, "racy.txt").worktree.as_ref().unwrap().blob.unwrap();
        assert_eq!(snapshot.blob(&blob).unwrap(), b"bbbb\n");
    }
}

#[test]
fn a_conflict_in_the_index_is_captured_with_its_stages() {
    let scratch = scratch();
    let repo = Repo::init(scratch.path().join("app"), Format::Sha1);
    repo.write("both.txt", "base\n");
    repo.commit("base");
    repo.git(&["checkout", "-q", "-b", "other"]);
    repo.write("both.txt", "theirs\n");
    repo.commit("theirs");
    repo.git(&["checkout", "-q", "main"]);
    repo.write("both.txt", "ours\n");
    repo.commit("ours");
    assert!(!git::output(&repo.root, &["merge", "other"], b"").status.success());
    let snapshot = pure_capture(&repo);
    let stages: Vec<_> = entry(&snapshot, "both.txt").flags.stages.iter().map(|stage| stage.stage).collect();
    assert_eq!(stages, [1, 2, 3]);
    let operation = only(&snapshot).operation.as_ref().expect("a merge is under way");
    assert_eq!(operation.kind, handoff_core::snapshot::OperationKind::Merge);
    assert_eq!(operation.heads.len(), 1);
}

#[test]
fn pipes_and_sockets_are_named_and_do_not_block() {
    let scratch = scratch();
    let repo = changed(&scratch.path().join("app"));
    let made = std::process::Command::new("mkfifo").arg(repo.at("pipe")).status().unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(repo.at("socket")).unwrap();
    let snapshot = pure_capture(&repo);
    assert_eq!(paths(&snapshot), CHANGED);
    let special: Vec<_> = only(&snapshot)
        .omissions
        .iter()
        .filter(|omission| omission.reason == handoff_core::snapshot::OmissionReason::SpecialFile)
        .map(|omission| omission.path.to_string())
        .collect();
    assert_eq!(special, ["pipe", "socket"]);
}

#[test]
fn a_foreign_environment_leads_nowhere_else() {
    let scratch = scratch();
    let repo = changed(&scratch.path().join("app"));
    let other = Repo::init(scratch.path().join("other"), Format::Sha1);
    other.write("other.txt", "other\n");
    other.commit("other");
    let wanted = pure_capture(&repo);
    let bundle = scratch.path().join("app.handoff");
    let job = Job::new(Operation::Capture, &repo.root, &scratch.path().join("answer")).with_bundle(&bundle);
    let mut command = job.command();
    command
        .env("GIT_DIR", other.git_dir())
        .env("GIT_WORK_TREE", &other.root)
        .env("GIT_INDEX_FILE", other.git_dir().join("index"))
        .env("GIT_COMMON_DIR", other.git_dir())
        .env("GIT_OBJECT_DIRECTORY", other.git_dir().join("objects"))
        .env("GIT_CEILING_DIRECTORIES", scratch.path())
        .env("GIT_NAMESPACE", "elsewhere")
        .env("GIT_LITERAL_PATHSPECS", "0")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "core.fileMode")
        .env("GIT_CONFIG_VALUE_0", "false");
    let before = fingerprint(&repo.root);
    let answer = job.answer_of(command).unwrap();
    assert!(answer.error.is_none(), "{:?}", answer.error);
    assert_eq!(before, fingerprint(&repo.root));
    assert_eq!(Snapshot::open(&bundle).unwrap().id(), wanted.id());
}

#[test]
fn captures_beside_a_busy_git_neither_fail_nor_disturb_it() {
    let scratch = scratch();
    let repo = changed(&scratch.path().join("app"));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let captures: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut count = 0;
                    while !done.load(Ordering::Relaxed) {
                        let snapshot = capture(&repo.workspace(), &CaptureOptions::default()).unwrap();
                        assert_eq!(only(&snapshot).failed, None);
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        for number in 0..15 {
            repo.write(format!("busy-{number}.txt"), format!("{number}\n"));
            repo.git(&["add", "-A"]);
            repo.git(&["commit", "-q", "-m", "busy"]);
        }
        done.store(true, Ordering::Relaxed);
        for capture in captures {
            assert!(capture.join().unwrap() > 0, "no capture came to its end beside git");
        }
    });
    repo.git(&["fsck", "--strict"]);
    assert_eq!(git::line(&repo.root, &["rev-list", "--count", "HEAD"]), "16");
}

#[test]
fn someone_who_may_only_read_can_capture() {
    let scratch = scratch();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let repo = changed(&scratch.path().join("app"));
    let before = fingerprint(&repo.root);
    let answers = scratch.path().join("answers");
    fs::create_dir(&answers).unwrap();
    fs::set_permissions(&answers, fs::Permissions::from_mode(0o777)).unwrap();
    let bundle = answers.join("app.handoff");
    let job = Job::new(Operation::Capture, &repo.root, &answers.join("answer")).with_bundle(&bundle);
    let answer = crate::support::rights::as_nobody(&job, scratch.path()).unwrap();
    assert!(answer.error.is_none(), "{:?}", answer.error);
    assert_eq!(before, fingerprint(&repo.root));
    assert_eq!(paths(&Snapshot::open(&bundle).unwrap()), CHANGED);
}

#[test]
fn file_kinds_are_what_lstat_says() {
    let scratch = scratch();
    let repo = Repo::init(scratch.path().join("app"), Format::Sha1);
    repo.write("file", "content\n");
    repo.commit("base");
    repo.link("to-file", "file")
        .link("to-nothing", "nothing")
        .write("dir/inner", "inner\n")
        .link("to-dir", "dir");
    let snapshot = pure_capture(&repo);
    assert_eq!(paths(&snapshot), ["dir/inner", "to-dir", "to-file", "to-nothing"]);
    for path in ["to-dir", "to-file", "to-nothing"] {
        assert_eq!(entry(&snapshot, path).worktree.as_ref().unwrap().mode, Mode::Symlink);
    }
}
