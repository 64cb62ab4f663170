//! Input that is wrong, and places that refuse: a clear error that names the place and the remedy, and nothing lost.

mod bundles;
mod places;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use handoff_core::snapshot::OmissionReason;
use handoff_core::{
    ApplyOptions, CaptureOptions, DriftKind, Error, FindingKind, Outcome, Phase, Verdict, Workspace, apply,
    capture,
};

use crate::support::driver::{Job, Operation, failure};
use crate::support::oracle;
use crate::support::purity::{assert_untouched, fingerprint};
use crate::support::repo::{Format, Repo, scratch};

/// Asserts the kind of an error, that it names `place`, and that it says what to do about it.
#[track_caller]
pub fn names(error: &Error, kind: &str, place: &Path, remedy: &str) {
    let told = failure(error);
    assert_eq!(told.kind, kind, "{}", told.message);
    assert!(told.message.contains(place.to_str().unwrap()), "{place:?} is not named: {}", told.message);
    assert!(told.message.contains(remedy), "no remedy ({remedy:?}): {}", told.message);
}

/// A repository with a commit and one change.
pub fn changed(root: &Path) -> Repo {
    let repo = Repo::init(root, Format::Sha1);
    repo.write("a.txt", "before\n").write("b.txt", "b\n");
    repo.commit("base");
    repo.write("a.txt", "after\n").write("new.txt", "new\n");
    repo
}

#[test]
fn what_is_no_workspace_is_named() {
    let scratch = scratch();
    let root = scratch.path().canonicalize().unwrap();
    let plain = root.join("plain");
    fs::create_dir(&plain).unwrap();
    names(&Workspace::new([&plain]).unwrap_err(), "not_a_repository", &plain, "git init");

    let absent = root.join("absent");
    let error = Workspace::new([&absent]).unwrap_err();
    assert!(["not_a_repository", "io"].contains(&error.kind().as_str()), "{error}");
    assert!(failure(&error).message.contains(absent.to_str().unwrap()), "{error}");

    let bare = root.join("bare.git");
    crate::support::git::git(&root, &["init", "-q", "--bare", "bare.git"]);
    names(&Workspace::new([&bare]).unwrap_err(), "bare_repository", &bare, "checkout");

    let error = Workspace::new::<&Path>([]).unwrap_err();
    assert_eq!(error.kind().as_str(), "invalid_argument");
}

#[test]
fn a_home_directory_is_no_workspace() {
    let scratch = scratch();
    let home = scratch.path().canonicalize().unwrap().join("home");
    changed(&home);
    let job = Job::new(Operation::Capture, &home, &scratch.path().join("answer"));
    let mut command = job.command();
    command.env("HOME", &home);
    let error = job.answer_of(command).unwrap().error.expect("the home directory is refused");
    assert_eq!(error.kind, "unsafe_workspace");
    assert!(error.message.contains(home.to_str().unwrap()), "{}", error.message);
}

/// What a capture of a damaged repository comes to: an error, or a repository marked as failed.
fn trouble(repo: &Repo) -> (String, String) {
    let captured = Workspace::new([&repo.root]).and_then(|workspace| {
        assert_untouched(&[&repo.root], || capture(&workspace, &CaptureOptions::default()))
    });
    match captured {
        Err(error) => {
            let told = failure(&error);
            (told.kind, told.message)
        }
        Ok(snapshot) => {
            let captured = &snapshot.manifest().repos[0];
            assert!(captured.entries.is_empty(), "what is damaged has no entries: {:?}", captured.entries);
            let failed = captured.failed.clone().expect("the damage is told of");
            (failed.kind, format!("{} {}", captured.name, failed.message))
        }
    }
}

#[test]
fn a_damaged_index_is_told_of() {
    let scratch = scratch();
    type Damage = fn(Vec<u8>) -> Vec<u8>;
    let damages: [(&str, Damage); 5] = [
        ("empty", |_| Vec::new()),
        ("cut in half", |index| index[..index.len() / 2].to_vec()),
        ("cut by one", |index| index[..index.len() - 1].to_vec()),
        ("noise", |_| b"this is no index at all, but it is long enough to be one".repeat(4)),
        ("too many entries", |mut index| {
            index[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
            index
        }),
    ];
    for (number, (what, damage)) in damages.into_iter().enumerate() {
        let repo = changed(&scratch.path().join(format!("{number}/app")));
        let index = repo.git_dir().join("index");
        fs::write(&index, damage(fs::read(&index).unwrap())).unwrap();
        let (kind, message) = trouble(&repo);
        assert_eq!(kind, "repository", "{what}: {message}");
        assert!(message.contains("app"), "{what}: the repository is not named: {message}");
        assert!(message.contains("index"), "{what}: the index is not named: {message}");
        assert!(message.contains("git fsck"), "{what}: no remedy: {message}");
    }
}

#[test]
fn a_damaged_head_is_told_of() {
    let scratch = scratch();
    for (number, content) in ["", "ref: ", "noise\n", "0000\n"].into_iter().enumerate() {
        let repo = changed(&scratch.path().join(format!("{number}/app")));
        fs::write(repo.git_dir().join("HEAD"), content).unwrap();
        let (kind, message) = trouble(&repo);
        // Without a readable HEAD there may be no repository to speak of.
        assert!(
            ["repository", "not_a_repository"].contains(&kind.as_str()),
            "{content:?}: {kind}: {message}"
        );
        assert!(message.contains("app"), "{content:?}: {message}");
    }
}

#[test]
fn a_missing_commit_is_told_of() {
    let scratch = scratch();
    let repo = changed(&scratch.path().join("app"));
    let head = repo.head();
    fs::remove_file(repo.git_dir().join("objects").join(&head[..2]).join(&head[2..])).unwrap();
    let (kind, message) = trouble(&repo);
    assert_eq!(kind, "repository", "{message}");
    assert!(message.contains("git fsck"), "{message}");
}

#[test]
fn a_file_that_vanishes_while_it_is_captured_costs_nothing_else() {
    let scratch = scratch();
    let repo = changed(&scratch.path().join("app"));
    let doomed = repo.at("new.txt");
    let mut options = CaptureOptions::default();
    options.control.progress = Some(Arc::new(move |progress: &handoff_core::Progress| {
        if progress.phase == Phase::Read {
            let _ = fs::remove_file(&doomed);
        }
    }));
    let snapshot = capture(&repo.workspace(), &options).unwrap();
    assert!(!repo.exists("new.txt"), "the capture has a reading phase");
    let captured = &snapshot.manifest().repos[0];
    let omitted: Vec<_> = captured.omissions.iter().map(|o| (o.path.to_string(), o.reason.clone())).collect();
    assert!(
        omitted.is_empty() || omitted == [("new.txt".to_owned(), OmissionReason::Vanished)],
        "an untracked file that is gone is either named or was never there: {omitted:?}"
    );
    let paths: Vec<_> = captured.entries.iter().map(|entry| entry.path.to_string()).collect();
    assert_eq!(paths, ["a.txt"]);
}

#[test]
fn a_cancelled_call_says_so_and_leaves_nothing() {
    let scratch = scratch();
    let repo = changed(&scratch.path().join("app"));
    let workspace = repo.workspace();
    let options = CaptureOptions::default();
    let snapshot = capture(&workspace, &options).unwrap();
    let cancelled = CaptureOptions::default();
    cancelled.control.cancel.cancel();
    let error = assert_untouched(&[&repo.root], || capture(&workspace, &cancelled)).unwrap_err();
    assert_eq!(error.kind().as_str(), "cancelled");

    let target = Repo::init(scratch.path().join("target/app"), Format::Sha1);
    target.write("a.txt", "before\n").write("b.txt", "b\n");
    target.commit("base");
    let apply_options = ApplyOptions::default();
    apply_options.control.cancel.cancel();
    let before = oracle::state(&target);
    let error = apply(&snapshot, &target.workspace(), &apply_options).unwrap_err();
    assert_eq!(error.kind().as_str(), "cancelled");
    assert!(oracle::difference(&before, &oracle::state(&target)).is_empty());
}

#[test]
fn limits_leave_out_files_and_say_so() {
    let scratch = scratch();
    let repo = changed(&scratch.path().join("app"));
    repo.write("large.bin", vec![1; 5000]).write("small.txt", "small\n").write("skip/me.txt", "excluded\n");
    let mut options = CaptureOptions::default();
    options.max_file_bytes = 4096;
    options.exclude = vec!["skip/".to_owned()];
    let workspace = repo.workspace();
    let snapshot = assert_untouched(&[&repo.root], || capture(&workspace, &options)).unwrap();
    let captured = &snapshot.manifest().repos[0];
    let omitted: Vec<_> = captured.omissions.iter().map(|o| (o.path.to_string(), o.reason.clone())).collect();
    assert!(omitted.contains(&("large.bin".to_owned(), OmissionReason::TooLarge)), "{omitted:?}");
    assert!(
        omitted.iter().any(|(path, reason)| path.starts_with("skip") && *reason == OmissionReason::Excluded),
        "{omitted:?}"
    );
    let paths: Vec<_> = captured.entries.iter().map(|entry| entry.path.to_string()).collect();
    assert_eq!(paths, ["a.txt", "new.txt", "small.txt"]);

    options.max_file_bytes = 1 << 20;
    options.max_total_bytes = 64;
    let snapshot = capture(&workspace, &options).unwrap();
    let over = snapshot.manifest().repos[0].omissions.iter().any(|o| o.reason == OmissionReason::OverBudget);
    assert!(over, "what does not fit is named: {:?}", snapshot.manifest().repos[0].omissions);
}

/// Row 95 of the corpus: a target that shares no history with the source.
#[test]
fn a_target_with_another_history_keeps_what_it_has() {
    let scratch = scratch();
    let source = changed(&scratch.path().join("source/app"));
    let snapshot = capture(&source.workspace(), &CaptureOptions::default()).unwrap();

    let target = Repo::init(scratch.path().join("target/other"), Format::Sha1);
    target.write("a.txt", "the target's own\n").write("c.txt", "c\n");
    target.commit("another beginning");
    let workspace = target.workspace();

    // Nothing says that this is the same repository, so nothing is written.
    let before = fingerprint(&target.root);
    let report = apply(&snapshot, &workspace, &ApplyOptions::default()).unwrap();
    assert_eq!(report.verdict, Verdict::NothingApplied);
    assert_eq!(report.repos[0].drift.kind, DriftKind::NoTarget);
    let finding = report.repos[0].findings.iter().find(|finding| finding.kind == FindingKind::NoTarget);
    assert!(finding.is_some_and(|finding| finding.message.contains("app")), "{:?}", report.repos[0].findings);
    assert_eq!(oracle::unsound(snapshot.manifest(), &report), "");
    assert_eq!(before, fingerprint(&target.root));

    // Told that it is, what does not collide arrives.
    let mut options = ApplyOptions::default();
    options.map.insert("app".into(), "other".into());
    let report = apply(&snapshot, &workspace, &options).unwrap();
    assert_eq!(oracle::unsound(snapshot.manifest(), &report), "");
    let drift = &report.repos[0].drift;
    assert!(matches!(drift.kind, DriftKind::BaseMissing | DriftKind::Unrelated), "{drift:?}");
    assert!(!drift.remedy.is_empty(), "the remedy is told");
    let of = |path: &str| {
        report
            .files()
            .find(|(_, file)| file.path.as_bytes() == path.as_bytes())
            .map(|(_, file)| file.outcome.clone())
    };
    assert_eq!(of("a.txt"), Some(Outcome::Conflict));
    assert_eq!(of("new.txt"), Some(Outcome::Applied));
    assert_eq!(target.read("a.txt"), b"the target's own\n");
    assert_eq!(target.read("new.txt"), b"new\n");
    assert_eq!(report.verdict, Verdict::Partial);
}
