//! Death at every step, and what the next apply makes of it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::apply::fail::{Died, arm, disarm, without_exchange};
use crate::report::{FindingKind, Verdict};

/// A pair whose apply takes every kind of step.
pub(super) fn pair() -> Pair {
    let pair = Pair::new(&[
        ("mod.txt", "old\n"),
        ("gone/a.txt", "bye\n"),
        ("kind", "f\n"),
        ("same.txt", "s\n"),
        ("swap", "w\n"),
    ]);
    let source = &pair.source;
    source.write("mod.txt", "new\n");
    source.git(&["add", "mod.txt"]);
    fs::remove_dir_all(source.0.join("gone")).unwrap();
    source.remove("kind");
    source.link("mod.txt", "kind");
    source.write("new/deep/x.txt", "x\n");
    source.remove("swap");
    fs::create_dir(source.0.join("swap")).unwrap();
    fs::create_dir_all(source.0.join("void/inner")).unwrap();
    pair
}

/// Runs `work`, letting it die after so many points. False when it came to its end first.
fn dies(points: u64, work: impl FnOnce()) -> Option<&'static str> {
    arm(points);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = catch_unwind(AssertUnwindSafe(work));
    std::panic::set_hook(hook);
    match result {
        Ok(()) => {
            assert!(disarm(), "it lived, so it was still armed");
            None
        }
        Err(panic) => match panic.downcast::<Died>() {
            Ok(died) => Some(died.0),
            Err(other) => std::panic::resume_unwind(other),
        },
    }
}

/// Each path is exactly as before or exactly as after.
fn assert_whole(tree: &Tree, old: &[String], new: &[String], at: &str) {
    for line in tree.files().iter().filter(|line| !line.ends_with('/')) {
        assert!(old.contains(line) || new.contains(line), "after {at}: {line}");
    }
}

#[test]
fn an_apply_that_dies_anywhere_is_rolled_back_and_done_again() {
    let mut points = 0;
    loop {
        let pair = pair();
        let snapshot = pair.capture();
        let (old, new) = (pair.target.files(), pair.source.files());
        let Some(at) = dies(points, || drop(pair.target.apply(&snapshot, &ApplyOptions::default()))) else {
            break;
        };
        assert_whole(&pair.target, &old, &new, at);
        let report = pair.target.apply(&snapshot, &ApplyOptions::default());
        assert_eq!(report.verdict, Verdict::Complete, "after {at}: {report}");
        pair.assert_same();
        // An apply that had come to its end is found done, and is still there to be undone.
        let id = report.apply_id.unwrap_or_else(|| only_record(&pair.target));
        let undone = undo(&pair.target.workspace(), &id, &Control::default()).unwrap();
        assert_eq!(undone.verdict, Verdict::Complete, "after {at}: {undone}");
        assert_eq!((pair.target.status(), pair.target.files()), (String::new(), old), "after {at}");
        assert_eq!(pair.target.records(), 0, "after {at}");
        points += 1;
    }
    assert!(points > 20, "only {points} points");
}

fn only_record(tree: &Tree) -> crate::ApplyId {
    let mut names = fs::read_dir(tree.0.join(".git/handoff/applies")).unwrap();
    names.next().unwrap().unwrap().file_name().to_string_lossy().parse().unwrap()
}

#[test]
fn an_undo_that_dies_anywhere_is_finished_by_whoever_comes_next() {
    let mut points = 0;
    loop {
        let pair = pair();
        let snapshot = pair.capture();
        let old = pair.target.files();
        let report = pair.target.apply(&snapshot, &ApplyOptions::default());
        let new = pair.target.files();
        let Some(at) = dies(points, || drop(pair.target.undo(&report))) else { break };
        assert_whole(&pair.target, &old, &new, at);
        let id = report.apply_id.unwrap();
        match undo(&pair.target.workspace(), &id, &Control::default()) {
            Ok(undone) => assert_eq!(undone.verdict, Verdict::Complete, "after {at}: {undone}"),
            Err(why) => assert!(matches!(why, crate::Error::UnknownApply { .. }), "after {at}: {why}"),
        }
        assert_eq!((pair.target.status(), pair.target.files()), (String::new(), old), "after {at}");
        assert_eq!(pair.target.records(), 0, "after {at}");
        points += 1;
    }
    assert!(points > 5, "only {points} points");
}

#[test]
fn a_file_edited_after_the_crash_is_kept() {
    for points in 0.. {
        let pair = pair();
        let snapshot = pair.capture();
        let Some(at) = dies(points, || drop(pair.target.apply(&snapshot, &ApplyOptions::default()))) else {
            break;
        };
        pair.target.write("mod.txt", "edited\n");
        let report = pair.target.apply(&snapshot, &ApplyOptions::default());
        assert_eq!(pair.target.read("mod.txt"), "edited\n", "after {at}");
        assert_eq!(outcome(&report, "mod.txt"), "conflict/content", "after {at}");
        if report.repos[0].findings.iter().any(|finding| finding.message.contains("mod.txt")) {
            assert_eq!(report.repos[0].findings[0].kind, FindingKind::Recovered);
            assert!(pair.target.records() == 2, "the version from before is kept");
        }
    }
}

#[test]
fn a_torn_or_foreign_journal_is_handled_with_care() {
    let pair = pair();
    let snapshot = pair.capture();
    let report = pair.target.apply(&snapshot, &ApplyOptions::default());
    let id = report.apply_id.unwrap();
    let journal = pair.target.0.join(format!(".git/handoff/applies/{id}/journal"));
    let whole = fs::read(&journal).unwrap();
    // A damaged line in the middle: hands off.
    let mut damaged = whole.clone();
    damaged[40] ^= 1;
    fs::write(&journal, &damaged).unwrap();
    let new = pair.target.files();
    pair.target.apply(&snapshot, &ApplyOptions::default());
    assert_eq!(pair.target.files(), new);
    let result = undo(&pair.target.workspace(), &id, &Control::default());
    assert!(matches!(result, Err(crate::Error::Corrupt { .. })));
    // A torn end is what a crash leaves: the mark `done` is missing, so it is rolled back.
    fs::write(&journal, &whole[..whole.len() - 3]).unwrap();
    let undone = undo(&pair.target.workspace(), &id, &Control::default()).unwrap();
    assert_eq!(undone.verdict, Verdict::Complete, "{undone}");
    assert_eq!(pair.target.status(), "");
}

#[test]
fn death_with_the_journal_on_another_file_system_leaves_nothing_behind() {
    for points in 0.. {
        let Some((pair, elsewhere)) = rivals::apart() else { return };
        let snapshot = pair.capture();
        let (old, new) = (pair.target.files(), pair.source.files());
        let Some(at) = dies(points, || drop(pair.target.apply(&snapshot, &ApplyOptions::default()))) else {
            break;
        };
        let whole: Vec<String> =
            pair.target.files().into_iter().filter(|line| !line.starts_with(".handoff-")).collect();
        for line in &whole {
            assert!(old.contains(line) || new.contains(line), "after {at}: {line}");
        }
        let report = pair.target.apply(&snapshot, &ApplyOptions::default());
        assert_eq!(report.verdict, Verdict::Complete, "after {at}: {report}");
        pair.assert_same();
        drop(elsewhere);
    }
}

#[test]
fn death_without_an_exchange_is_recovered_from() {
    for points in 0.. {
        let pair = pair();
        let snapshot = pair.capture();
        let (old, new) = (pair.target.files(), pair.source.files());
        let died = without_exchange(|| {
            dies(points, || drop(pair.target.apply(&snapshot, &ApplyOptions::default())))
        });
        let Some(at) = died else { break };
        assert_whole(&pair.target, &old, &new, at);
        let report = pair.target.apply(&snapshot, &ApplyOptions::default());
        assert_eq!(report.verdict, Verdict::Complete, "after {at}: {report}");
        pair.assert_same();
    }
}

/// Files outside any repository beside a work tree: what a directory holds, without our own record.
fn loose_files(root: &Path) -> Vec<String> {
    let mut files: Vec<_> = Tree(root.to_owned()).files();
    files.retain(|line| !line.starts_with(".handoff"));
    files
}

#[test]
fn loose_files_are_recovered_like_a_work_tree() {
    let mut points = 0;
    loop {
        let pair = pair();
        let dir = tempfile::tempdir().unwrap();
        let inbox = dir.path().join("inbox");
        fs::create_dir(&inbox).unwrap();
        fs::write(inbox.join("mine"), "mine\n").unwrap();
        fs::write(dir.path().join("a"), "a\n").unwrap();
        let mut here = pair.source.workspace();
        for name in ["mine", "new/deep/a"] {
            here = here.with_loose_file(name, dir.path().join("a")).unwrap();
        }
        let snapshot = capture(&here, &CaptureOptions::default()).unwrap();
        let there = pair.target.workspace().with_loose_root(&inbox).unwrap();
        let (old, old_loose) = (pair.target.files(), loose_files(&inbox));
        let options =
            ApplyOptions { on_conflict: crate::apply::OnConflict::Theirs, ..ApplyOptions::default() };
        let died = dies(points, || drop(apply(&snapshot, &there, &options)));
        let Some(at) = died else { break };
        let report = apply(&snapshot, &there, &options).unwrap();
        assert_eq!(report.verdict, Verdict::Complete, "after {at}: {report}");
        assert_eq!(fs::read(inbox.join("mine")).unwrap(), b"a\n", "after {at}");
        assert_eq!(fs::read(inbox.join("new/deep/a")).unwrap(), b"a\n", "after {at}");
        // Whatever was done by which of the two, all of it can be undone.
        let mut ids: Vec<crate::ApplyId> = Vec::new();
        for records in [pair.target.0.join(".git/handoff/applies"), inbox.join(".handoff/applies")] {
            for name in fs::read_dir(records).unwrap() {
                ids.push(name.unwrap().file_name().to_string_lossy().parse().unwrap());
            }
        }
        ids.sort_unstable();
        ids.dedup();
        for id in ids.iter().rev() {
            let undone = undo(&there, id, &Control::default()).unwrap();
            assert_eq!(undone.verdict, Verdict::Complete, "after {at}: {undone}");
        }
        assert_eq!((pair.target.files(), loose_files(&inbox)), (old, old_loose), "after {at}");
        points += 1;
    }
    assert!(points > 40, "only {points} points");
}

/// A pair whose source has commits that the target lacks, and changes on top of them.
fn ahead() -> Pair {
    let pair = pair();
    pair.source.git(&["add", "-A"]);
    pair.source.git(&["commit", "-q", "-m", "unpushed"]);
    pair.source.write("mod.txt", "newer\n");
    pair.source.remove("new/deep/x.txt");
    pair.source.git(&["update-ref", "refs/remotes/origin/main", "HEAD~1"]);
    pair
}

/// HEAD's commit, for which there is no telling file by file.
fn head(tree: &Tree) -> String {
    tree.git(&["rev-parse", "HEAD"])
}

#[test]
fn a_move_to_another_commit_that_dies_anywhere_is_rolled_back_and_done_again() {
    let options = ApplyOptions { history: crate::ApplyHistory::Branch, ..ApplyOptions::default() };
    let mut points = 0;
    loop {
        let pair = ahead();
        let snapshot = pair.capture();
        let (old, new) = (head(&pair.target), head(&pair.source));
        let Some(at) = dies(points, || drop(pair.target.apply(&snapshot, &options))) else { break };
        let report = pair.target.apply(&snapshot, &options);
        assert_eq!(report.verdict, Verdict::Complete, "after {at}: {report}");
        assert_eq!((head(&pair.target), pair.target.status()), (new, pair.source.status()), "after {at}");
        // One undo, of the latest, goes back to where it all began.
        let applies = pair.target.0.join(".git/handoff/applies");
        let mut ids: Vec<crate::ApplyId> = fs::read_dir(applies)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().parse().unwrap())
            .collect();
        ids.sort_unstable();
        let undone = undo(&pair.target.workspace(), ids.last().unwrap(), &Control::default()).unwrap();
        assert_eq!(undone.verdict, Verdict::Complete, "after {at}: {undone}");
        assert_eq!((head(&pair.target), pair.target.status()), (old, String::new()), "after {at}");
        for lock in ["HEAD.lock", "index.lock", "refs/heads/main.lock"] {
            assert!(!pair.target.0.join(".git").join(lock).exists(), "{lock} after {at}");
        }
        points += 1;
    }
    assert!(points > 30, "only {points} points");
}
