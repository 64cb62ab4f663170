//! What an apply or undo does to a target that is somebody's.

use std::fs;
use std::sync::{Arc, Mutex};

use handoff_core::{ApplyOptions, CancelToken, Detail, Error, Outcome, Phase, Progress, Verdict, apply};

use super::{Pair, applied, carry, numbered, of, travelled, undone, worked_on};
use crate::support::purity::fingerprint;
use crate::support::repo::Repo;
use crate::support::{git, oracle};

/// Undo threw the user's staging away: openai/codex#8214, #9203.
#[test]
fn failure_03_the_staging_area_is_destroyed_on_undo() {
    let pair = worked_on();
    pair.target.write("same.txt", "staged here\n").write("mine.txt", "staged here\n");
    pair.target.git(&["add", "same.txt", "mine.txt"]);
    pair.target.write("same.txt", "and edited\n");
    let staged = |repo: &Repo| (repo.git(&["diff", "--cached"]), repo.git(&["ls-files", "-s"]));
    let source = fs::read(pair.source.git_dir().join("index")).unwrap();
    let before = staged(&pair.target);
    let report = pair.carry();
    assert!(fs::read(pair.source.git_dir().join("index")).unwrap() == source);
    let with = String::from_utf8(staged(&pair.target).0).unwrap();
    assert!(with.contains("staged here") && with.contains("+staged\n"), "both sides' staged changes: {with}");
    undone(&report, &pair.target);
    assert!(before == staged(&pair.target));
}

/// Work was stashed and reset away unasked: anthropics/claude-code#68315, #85879 (170 files), openai/codex#38541.
#[test]
fn failure_04_silent_stash_and_reset_by_the_tool() {
    let pair = worked_on();
    pair.target.write("b.txt", numbered(&[(25, "stashed")]));
    pair.target.git(&["stash", "-q"]);
    pair.target.write("same.txt", "edited here\n");
    let logs = |repo: &Repo| {
        (fingerprint(&repo.git_dir().join("logs")), git::git(&repo.root, &["stash", "list"]), repo.head())
    };
    let before = (logs(&pair.source), logs(&pair.target));
    // Two sessions at one tree at the same time: one works, the other is told to wait or finds the work done.
    let snapshot = travelled(&[&pair.source]);
    let workspace = pair.target.workspace();
    let done: Vec<_> = std::thread::scope(|scope| {
        let run = || scope.spawn(|| apply(&snapshot, &workspace, &ApplyOptions::default()));
        [run(), run()].map(|thread| thread.join().unwrap()).into_iter().collect()
    });
    assert!(done.iter().any(Result::is_ok));
    for other in done.iter().filter_map(|one| one.as_ref().err()) {
        assert!(matches!(other, Error::Busy { .. }), "{other}");
    }
    for report in done.into_iter().flatten().filter(|report| report.apply_id.is_some()) {
        undone(&report, &pair.target);
    }
    assert!(before == (logs(&pair.source), logs(&pair.target)));
    assert_eq!(pair.target.read("same.txt"), b"edited here\n");
}

/// `git clean` on restore took files of nobody's: github/copilot-cli#1675, google-gemini/gemini-cli#13331.
#[test]
fn failure_05_git_clean_on_restore() {
    let pair = worked_on();
    // The ignore rules go first, as in cline/cline#14367.
    pair.source.remove(".gitignore");
    for number in 0..500 {
        pair.target.write(format!("mine/{number}.txt"), format!("{number}\n"));
        pair.target.write(format!("dir/{number}.log"), format!("{number}\n"));
    }
    let foreign = |repo: &Repo| -> Vec<_> {
        let all = fingerprint(&repo.root).into_iter();
        let kept = |path: &Vec<u8>| path.ends_with(b".log") || path.starts_with(b"mine/");
        all.filter(|(path, print)| kept(path) && print.content.is_some()).collect()
    };
    let before = foreign(&pair.target);
    assert_eq!(before.len(), 1_000);
    let report = applied(&travelled(&[&pair.source]), &pair.target);
    assert!(before == foreign(&pair.target));
    undone(&report, &pair.target);
    assert!(before == foreign(&pair.target));
}

/// A restore of the whole tree overwrote newer work beside it: anomalyco/opencode#39513, #49732.
#[test]
fn failure_07_a_whole_tree_restore_overwrites_newer_sibling_work() {
    let pair = worked_on();
    let snapshot = travelled(&[&pair.source]);
    let root = pair.target.root.clone();
    let once = Arc::new(Mutex::new(false));
    let mut options = ApplyOptions::default();
    options.control.progress = Some(Arc::new(move |progress: &Progress| {
        let mut done = once.lock().unwrap();
        if progress.phase == Phase::Write && !*done {
            *done = true;
            // Between plan and execution: files beside, and two that are to be replaced and deleted.
            for path in ["same.txt", "sibling.txt", "dir/new.txt", "gone.txt"] {
                fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
                fs::write(root.join(path), "newer\n").unwrap();
            }
        }
    }));
    pair.target.write("b.txt", numbered(&[(25, "newer")]));
    let report = apply(&snapshot, &pair.target.workspace(), &options).unwrap();
    for path in ["same.txt", "sibling.txt", "dir/new.txt", "gone.txt"] {
        assert_eq!(pair.target.read(path), b"newer\n", "{path}: {report}");
    }
    for path in ["dir/new.txt", "gone.txt"] {
        assert_eq!(of(&report, path).outcome, Outcome::Conflict, "{report}");
    }
    assert_eq!(of(&report, "b.txt").outcome, Outcome::Merged, "{report}");
    undone(&report, &pair.target);
    for path in ["same.txt", "gone.txt"] {
        assert_eq!(pair.target.read(path), b"newer\n", "an undo is of what was applied");
    }
    assert_eq!(pair.target.read("b.txt"), numbered(&[(25, "newer")]).as_bytes());
}

/// Files that were not changed got new times: zed-industries/zed#59099, anomalyco/opencode#44724 (1,012 files).
#[test]
fn failure_08_mtime_churn() {
    let pair = worked_on();
    for number in 0..200 {
        pair.source.write(format!("n/{number}"), format!("{number}\n"));
        pair.target.write(format!("n/{number}"), format!("{number}\n"));
    }
    pair.target.write("a.txt", pair.source.read("a.txt"));
    let before = fingerprint(&pair.target.root);
    let report = pair.carry();
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    let after = fingerprint(&pair.target.root);
    let changed: Vec<String> = before
        .iter()
        .filter(|(path, print)| {
            !path.starts_with(b".git/") && print.content.is_some() && after.get(*path) != Some(*print)
        })
        .map(|(path, _)| path.escape_ascii().to_string())
        .collect();
    assert_eq!(changed, ["b.txt", "gone.txt"]);
}

/// A handoff that failed left both sides half done: openai/codex#40877, #31719. Every system call that can fail is made
/// to in `flow::errno`: `an_apply_that_meets_an_error_tells_the_truth_and_the_next_completes_it`.
#[test]
fn failure_10_opaque_failure_and_half_done_state() {
    let pair = worked_on();
    for number in 0..50 {
        pair.source.write(format!("n/{number:02}"), format!("{number}\n"));
    }
    let source = fingerprint(&pair.source.root);
    let before = oracle::state(&pair.target);
    let snapshot = travelled(&[&pair.source]);
    let token = CancelToken::new();
    let mut options = ApplyOptions::default();
    options.control.cancel = token.clone();
    options.control.progress = Some(Arc::new(move |progress: &Progress| {
        if progress.phase == Phase::Write {
            token.cancel();
        }
    }));
    let stopped = apply(&snapshot, &pair.target.workspace(), &options);
    assert!(matches!(stopped, Err(Error::Cancelled)), "{:?}", stopped.map(|report| report.to_string()));
    assert_eq!(oracle::difference(&before, &oracle::state(&pair.target)), "", "rolled back");
    assert!(source == fingerprint(&pair.source.root), "the source is never written");
    // The same call again does it.
    let report = carry(&snapshot, &pair.target);
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    assert_eq!(oracle::difference(&oracle::state(&pair.source), &oracle::state(&pair.target)), "");
}

/// A restore dropped commits or deleted before it could write: cline/cline#13550, NousResearch/hermes-agent#95610.
/// Killed at every step: `flow::kill`, `an_apply_killed_anywhere_is_completed_by_the_next`.
#[test]
fn failure_29_restore_moves_commits_or_deletes_before_writing() {
    let pair = worked_on();
    let head = pair.target.commit("a commit that only the target has");
    // No identity is configured anywhere: none is needed.
    assert!(!git::output(&pair.target.root, &["config", "user.name"], b"").status.success());
    // A file that cannot be written costs no other its life: `dir` is a file here, so `dir/new.txt` cannot be made.
    pair.target.write("dir", "a file here\n");
    let report = pair.carry();
    assert!(!matches!(of(&report, "dir/new.txt").outcome, Outcome::Applied), "{report}");
    assert_eq!(pair.target.read("dir"), b"a file here\n");
    assert_eq!(pair.target.head(), head, "HEAD stays");
    assert_eq!(of(&report, "gone.txt").detail, Some(Detail::Deleted));
    // What was replaced is not in git's hands, so that git cannot tidy it away.
    pair.target.git(&["reflog", "expire", "--expire=now", "--all"]);
    pair.target.git(&["gc", "-q", "--prune=now"]);
    undone(&report, &pair.target);
    assert_eq!(pair.target.read("gone.txt"), b"gone\n");
    assert_eq!(pair.target.read("a.txt"), numbered(&[]).as_bytes());
}

/// An older state came back over newer work: anthropics/claude-code#65847, #67211, #89868. Where the newer work is gone
/// again, see [`an_older_snapshot_is_applied_where_the_target_is_back_at_head`]; seeded keys are in `flow::secrets`.
#[test]
fn failure_30_older_state_overwrites_newer() {
    let pair = Pair::new(|base| {
        base.write("a.txt", "1\n").write("b.txt", numbered(&[]));
    });
    pair.source.write("a.txt", "2\n").write("b.txt", numbered(&[(3, "old")])).write("new.txt", "old\n");
    let old = travelled(&[&pair.source]);
    carry(&old, &pair.target);
    // Work goes on at the target.
    pair.target.write("a.txt", "3\n").write("b.txt", numbered(&[(3, "newer")])).write("new.txt", "newer\n");
    let before = oracle::files(&pair.target.root);
    let report = carry(&old, &pair.target);
    assert_eq!(report.count(&Outcome::Conflict), 3, "{report}");
    assert!(before == oracle::files(&pair.target.root), "nothing newer is overwritten");
    assert_ne!(report.verdict, Verdict::Complete);
}

/// The other half of failure 30. A snapshot holds no generation, so nothing tells that a newer state had been there:
/// a file that is as committed takes any snapshot's state. It is said, and an undo takes it back (docs/limits.md).
#[test]
fn an_older_snapshot_is_applied_where_the_target_is_back_at_head() {
    let pair = Pair::new(|base| {
        base.write("a.txt", "1\n").write("b.txt", numbered(&[]));
    });
    pair.source.write("a.txt", "2\n").write("b.txt", numbered(&[(3, "old")]));
    let old = travelled(&[&pair.source]);
    pair.source.write("a.txt", "3\n").write("b.txt", numbered(&[(3, "newer")]));
    let newer = travelled(&[&pair.source]);
    carry(&newer, &pair.target);
    // One file goes back to what HEAD has; the other stays as the newer state has it.
    pair.target.git(&["checkout", "-q", "--", "a.txt"]);
    let report = carry(&old, &pair.target);
    assert_eq!(of(&report, "a.txt").outcome, Outcome::Applied, "{report}");
    assert_eq!(of(&report, "a.txt").detail, Some(Detail::Modified));
    assert_eq!(pair.target.read("a.txt"), b"2\n");
    assert_eq!(of(&report, "b.txt").outcome, Outcome::Conflict, "{report}");
    assert_eq!(pair.target.read("b.txt"), numbered(&[(3, "newer")]).as_bytes());
    undone(&report, &pair.target);
    assert_eq!(pair.target.read("a.txt"), b"1\n");
    // The newer snapshot is as good as before.
    let report = carry(&newer, &pair.target);
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    assert_eq!(pair.target.read("a.txt"), b"3\n");
}
