//! Somebody else at work in the same files, and file systems that can do less.

use super::*;
use crate::apply::fail::{at, without_exchange};
use crate::report::{Note, Verdict};

/// A pair whose apply replaces, deletes and creates one file each.
fn pair() -> Pair {
    let pair = Pair::new(&[("mod.txt", "old\n"), ("del.txt", "old\n"), ("calm.txt", "old\n")]);
    pair.source.write("mod.txt", "new\n");
    pair.source.write("calm.txt", "new\n");
    pair.source.remove("del.txt");
    pair.source.write("add.txt", "new\n");
    pair
}

/// Applies while `path` is written to in place at the point `when`.
fn with_edit(pair: &Pair, when: &'static str, path: &str, replace: bool) -> ApplyReport {
    let snapshot = pair.capture();
    let (root, path) = (pair.target.0.clone(), path.to_owned());
    let mut once = Some(());
    let edit = move || {
        if once.take().is_some() {
            let path = root.join(&path);
            if replace {
                fs::write(root.join("aside"), "theirs\n").unwrap();
                fs::rename(root.join("aside"), path).unwrap();
            } else {
                fs::write(path, "theirs\n").unwrap();
            }
        }
    };
    at(when, edit, || pair.target.apply(&snapshot, &ApplyOptions::default()))
}

#[test]
fn an_edit_in_between_wins_and_nothing_is_lost() {
    for replace in [false, true] {
        for (when, path) in [
            ("seal: sealed", "mod.txt"),
            ("seal: sealed", "del.txt"),
            ("seal: sealed", "add.txt"),
            ("replace: compared", "mod.txt"),
            ("delete: compared", "del.txt"),
        ] {
            let pair = pair();
            // The order of files is that of their numbers, so the edit may hit a neighbour's turn.
            let report = with_edit(&pair, when, path, replace);
            assert_eq!(outcome(&report, path), "conflict/concurrent_edit", "{when} {path}: {report}");
            assert_eq!(pair.target.read(path), "theirs\n", "{when} {path}");
            if path != "del.txt" {
                let kept = file(&report, path).incoming.clone().unwrap();
                assert_eq!(fs::read(kept).unwrap(), b"new\n");
            }
            assert_eq!(pair.target.read("calm.txt"), "new\n");
            assert_eq!(report.verdict, Verdict::Partial);
            let undone = pair.target.undo(&report);
            assert_eq!(undone.verdict, Verdict::Complete, "{undone}");
            assert_eq!(pair.target.read(path), "theirs\n");
            assert_eq!(pair.target.read("calm.txt"), "old\n");
        }
    }
}

#[test]
fn two_edits_in_between_are_both_kept() {
    let pair = pair();
    let snapshot = pair.capture();
    let root = pair.target.0.clone();
    let mut count = 0;
    let edit = move || {
        count += 1;
        let path = root.join("calm.txt");
        fs::write(root.join("aside"), format!("theirs {count}\n")).unwrap();
        fs::rename(root.join("aside"), path).unwrap();
    };
    // Once before the exchange, and again after it: the second one replaces our file.
    let mut edits = 0;
    let again = std::rc::Rc::new(std::cell::RefCell::new(edit));
    let report = at(
        "replace: exchanged",
        move || {
            edits += 1;
            if edits == 1 {
                again.borrow_mut()();
            }
        },
        || pair.target.apply(&snapshot, &ApplyOptions::default()),
    );
    // The first replaced path may be either file; whichever calm.txt met, their version stands.
    assert_eq!(pair.target.read("calm.txt"), "theirs 1\n");
    assert_eq!(outcome(&report, "calm.txt"), "conflict/concurrent_edit", "{report}");
}

#[test]
fn a_write_through_an_old_handle_is_kept_and_told_of() {
    let pair = pair();
    let snapshot = pair.capture();
    let mut old = fs::OpenOptions::new().append(true).open(pair.target.0.join("mod.txt")).unwrap();
    let late = move || std::io::Write::write_all(&mut old, b"late\n").unwrap();
    let report = at(
        "publish: emptied directories",
        || (),
        || at("publish: after", late, || pair.target.apply(&snapshot, &ApplyOptions::default())),
    );
    let told = file(&report, "mod.txt");
    if told.notes.contains(&Note::ConcurrentEdit) {
        assert_eq!(pair.target.read("mod.txt"), "new\n");
    } else {
        assert_eq!(outcome(&report, "mod.txt"), "conflict/concurrent_edit", "{report}");
        assert!(pair.target.read("mod.txt").starts_with("old\nlate\n"));
    }
}

#[test]
fn a_file_that_gives_way_to_a_directory_is_not_lost_to_a_rival() {
    let pair = pair();
    fs::remove_file(pair.source.0.join("mod.txt")).unwrap();
    fs::create_dir(pair.source.0.join("mod.txt")).unwrap();
    let snapshot = pair.capture();
    let (place, mut once) = (pair.target.0.join("mod.txt"), Some(()));
    let rival = move || {
        if once.take().is_some() {
            fs::write(&place, "theirs\n").unwrap();
        }
    };
    let report =
        at("delete: for a directory", rival, || pair.target.apply(&snapshot, &ApplyOptions::default()));
    assert_eq!(outcome(&report, "mod.txt"), "conflict/concurrent_edit", "{report}");
    assert_eq!(pair.target.read("mod.txt"), "theirs\n");
    let kept = file(&report, "mod.txt").incoming.clone().expect("the version in between is kept");
    assert_eq!(fs::read_to_string(kept).unwrap(), "old\n");
}

#[test]
fn an_undo_tells_the_hash_of_what_it_put_back() {
    let pair = pair();
    let mut old = fs::OpenOptions::new().append(true).open(pair.target.0.join("mod.txt")).unwrap();
    let report = pair.apply();
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    // The replaced file lives on in the record, and whoever has it open may still write to it.
    std::io::Write::write_all(&mut old, b"late\n").unwrap();
    let undone = pair.target.undo(&report);
    let now = pair.target.read("mod.txt");
    assert_eq!(now, "old\nlate\n");
    let told = file(&undone, "mod.txt");
    assert_eq!(told.hash, Some(crate::Digest::of(now.as_bytes())), "{told:?}");
    assert!(told.notes.contains(&Note::ConcurrentEdit), "{told:?}");
}

#[test]
fn without_an_exchange_it_works_and_says_that_it_is_weaker() {
    let pair = pair();
    let snapshot = pair.capture();
    let report = without_exchange(|| pair.target.apply(&snapshot, &ApplyOptions::default()));
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    assert!(file(&report, "mod.txt").notes.contains(&Note::WeakCas));
    pair.assert_same();
    let undone = without_exchange(|| pair.target.undo(&report));
    assert_eq!(undone.verdict, Verdict::Complete, "{undone}");
    assert_eq!(pair.target.status(), "");
    assert_eq!(pair.target.records(), 0);
}

/// A pair whose target has its git directory on another file system, where there is one.
pub(super) fn apart() -> Option<(Pair, TempDir)> {
    use std::os::unix::fs::MetadataExt as _;
    let pair = pair();
    let elsewhere = tempfile::tempdir_in("/dev/shm").ok()?;
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    if device(elsewhere.path()) == device(&pair.target.0) {
        return None;
    }
    let git_dir = elsewhere.path().join("git");
    let own = pair.target.0.join(".git");
    assert!(Command::new("cp").arg("-a").args([&own, &git_dir]).status().unwrap().success());
    fs::remove_dir_all(&own).unwrap();
    fs::write(own, format!("gitdir: {}\n", git_dir.display())).unwrap();
    pair.target.git(&["config", "core.worktree", pair.target.0.to_str().unwrap()]);
    Some((pair, elsewhere))
}

#[test]
fn a_journal_on_another_file_system_serves_as_well() {
    let Some((pair, elsewhere)) = apart() else { return };
    let report = pair.apply();
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    pair.assert_same();
    let undone = pair.target.undo(&report);
    assert_eq!(undone.verdict, Verdict::Complete, "{undone}");
    assert_eq!(pair.target.status(), "");
    assert_eq!(pair.target.files().len(), 3);
    assert_eq!(fs::read_dir(elsewhere.path().join("git/handoff/applies")).unwrap().count(), 0);
}
