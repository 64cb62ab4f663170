//! Capture while git itself works: one state, or said not to be.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use handoff_core::snapshot::{Layer, RepoManifest};
use handoff_core::{CaptureOptions, Snapshot, capture};

use super::Stop;
use crate::support::git;
use crate::support::repo::{Format, Repo, scratch, undisturbed};

const FILES: usize = 60;

/// Writes all files of the repository as those of `branch`.
fn fill(repo: &Repo, branch: &str, version: usize) {
    for file in 0..FILES {
        let text = format!("{branch} {version} of file {file}\n").repeat(file % 7 + 1);
        repo.write(format!("dir{}/file{file:02}.txt", file % 5), text);
    }
}

/// Runs `work` again and again while `captures` snapshots are taken, and gives each to `check`.
fn beside(
    repo: &Repo,
    captures: usize,
    options: &CaptureOptions,
    work: impl Fn(usize) + Sync,
    check: impl Fn(&Snapshot, &RepoManifest),
) {
    let (stop, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                work(rounds.fetch_add(1, Ordering::Relaxed));
            }
        });
        let _stopped = Stop(&stop);
        let mut taken = 0;
        // As many as asked for, and as many as it takes for git to have been at work at all.
        while taken < captures || rounds.load(Ordering::Relaxed) < 4 {
            let snapshot = capture(&repo.workspace(), options).unwrap();
            let manifest = &snapshot.manifest().repos[0];
            assert_eq!(manifest.failed, None, "git at work costs no capture");
            check(&snapshot, manifest);
            taken += 1;
        }
    });
    git::git(&repo.root, &["fsck", "--strict"]);
}

/// What the committed version of an entry is, by git.
fn assert_head_layer(repo: &Repo, snapshot: &Snapshot, manifest: &RepoManifest) {
    let Some(commit) = manifest.head.commit else { return };
    let listed = repo.git(&["ls-tree", "-r", &commit.to_string()]);
    let listed = String::from_utf8(listed).unwrap();
    for entry in &manifest.entries {
        let line = listed.lines().find(|line| line.ends_with(&format!("\t{}", entry.path)));
        let committed = line.map(|line| line.split([' ', '\t']).nth(2).unwrap().to_owned());
        let ours = entry.head.as_ref().and_then(|head| head.oid).map(|oid| oid.to_string());
        assert_eq!(ours, committed, "{} of {commit}", entry.path);
        if entry.head.is_some() {
            let base = snapshot.read(&manifest.name, &entry.path, Layer::Head).unwrap();
            assert!(base.is_some(), "the committed version of {} travels", entry.path);
        }
    }
}

#[test]
fn a_checkout_under_way_is_said_or_retried() {
    let scratch = scratch();
    let repo = Repo::init(scratch.path().join("app"), Format::Sha1);
    fill(&repo, "main", 0);
    repo.commit("main");
    repo.git(&["checkout", "-q", "-b", "other"]);
    fill(&repo, "other", 0);
    repo.commit("other");
    let said = AtomicUsize::new(0);
    let work = |round: usize| {
        repo.git(&["checkout", "-q", if round.is_multiple_of(2) { "main" } else { "other" }]);
        std::thread::sleep(std::time::Duration::from_millis(30));
    };
    // One attempt, so that much is seen, and as many as by default.
    let mut once = undisturbed();
    once.attempts = 1;
    for (options, captures) in [(once, 150), (CaptureOptions::default(), 20)] {
        beside(&repo, captures, &options, work, |_, manifest| {
            if manifest.flags.workspace_moving {
                said.fetch_add(1, Ordering::Relaxed);
                return;
            }
            // Between the index and HEAD being written, everything is staged; never only some of it.
            let staged = manifest.entries.iter().all(|entry| {
                entry.index.as_ref().map(|state| state.oid) == entry.worktree.as_ref().map(|state| state.oid)
            });
            let whole = manifest.entries.is_empty() || (manifest.entries.len() == FILES && staged);
            assert!(whole, "{} of {FILES} files are of the other branch", manifest.entries.len());
        });
    }
    assert!(said.load(Ordering::Relaxed) > 0, "no capture ever met a checkout");
}

#[test]
fn commits_and_adds_are_seen_before_or_after() {
    let scratch = scratch();
    let repo = Repo::init(scratch.path().join("app"), Format::Sha1);
    fill(&repo, "main", 0);
    repo.commit("base");
    let work = |round: usize| {
        fill(&repo, "main", round + 1);
        repo.git(&["add", "-A"]);
        repo.git(&["commit", "-q", "-m", "more"]);
    };
    beside(&repo, 60, &undisturbed(), work, |snapshot, manifest| {
        if !manifest.flags.workspace_moving {
            assert_head_layer(&repo, snapshot, manifest);
        }
    });
}

#[test]
fn packs_that_vanish_cost_no_content() {
    for format in [Format::Sha1, Format::Sha256] {
        let scratch = scratch();
        let repo = Repo::init(scratch.path().join("app"), format);
        for version in 0..3 {
            fill(&repo, "main", version);
            repo.commit("more");
        }
        fill(&repo, "edited", 0);
        let work = |round: usize| {
            let args: &[&str] = match round % 3 {
                0 => &["repack", "-adfq"],
                1 => &["gc", "-q", "--prune=now"],
                _ => &["pack-refs", "--all", "--prune"],
            };
            repo.git(args);
        };
        beside(&repo, 60, &undisturbed(), work, |snapshot, manifest| {
            assert_eq!(manifest.entries.len(), FILES);
            assert_head_layer(&repo, snapshot, manifest);
        });
    }
}

#[test]
fn linked_work_trees_come_and_go() {
    let scratch = scratch();
    let repo = Repo::init(scratch.path().join("app"), Format::Sha1);
    fill(&repo, "main", 0);
    repo.commit("base");
    repo.write("new.txt", "new\n");
    let linked = scratch.path().join("linked");
    let linked = linked.to_str().unwrap();
    let work = |_| {
        repo.git(&["worktree", "add", "-q", "--detach", linked]);
        repo.git(&["worktree", "remove", "--force", linked]);
    };
    beside(&repo, 60, &undisturbed(), work, |_, manifest| {
        let paths: Vec<_> = manifest.entries.iter().map(|entry| entry.path.to_string()).collect();
        assert_eq!(paths, ["new.txt"]);
    });
}

#[test]
fn a_held_lock_of_the_index_is_said() {
    let scratch = scratch();
    let repo = Repo::init(scratch.path().join("app"), Format::Sha1);
    repo.write("a.txt", "a\n");
    repo.commit("base");
    let lock = repo.git_dir().join("index.lock");
    let moving = || {
        let snapshot = capture(&repo.workspace(), &CaptureOptions::default()).unwrap();
        snapshot.manifest().repos[0].flags.workspace_moving
    };
    assert!(!moving());
    fs::write(&lock, "").unwrap();
    assert!(moving(), "git may be in the middle of a checkout");
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3_600);
    fs::File::options().write(true).open(&lock).unwrap().set_modified(long_ago).unwrap();
    assert!(!moving(), "left behind by a git that was killed");
}
