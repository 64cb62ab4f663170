//! Ordinary applies: clean, diverged, repeated, undone.

use super::*;
use crate::apply::{OnConflict, Staging};
use crate::report::{Note, Outcome, Verdict};

const TEN: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";

/// A workspace with about every kind of change.
fn changed() -> Pair {
    let pair = Pair::new(&[
        ("mod.txt", "old\n"),
        ("gone.txt", "bye\n"),
        ("dir/only.txt", "alone\n"),
        ("run.sh", "#!/bin/sh\n"),
        ("kind", "a file\n"),
        ("same.txt", "same\n"),
        ("both.txt", "staged\n"),
        ("was/dir/a", "a\n"),
        ("file", "f\n"),
        ("folder/one", "1\n"),
    ]);
    let source = &pair.source;
    source.write("mod.txt", "new\n");
    source.remove("gone.txt");
    source.git(&["rm", "-q", "dir/only.txt"]);
    source.chmod("run.sh", 0o755);
    source.remove("kind");
    source.link("mod.txt", "kind");
    source.write("deep/er/new.txt", "n\n");
    source.write("bin", b"\0\x01\x02");
    source.link("bin", "link");
    source.write("both.txt", "staged\nfirst\n");
    source.git(&["add", "both.txt"]);
    source.write("both.txt", "staged\nfirst\nthen\n");
    source.write("staged.txt", "s\n");
    source.git(&["add", "staged.txt"]);
    source.write("intent.txt", "i\n");
    source.git(&["add", "-N", "intent.txt"]);
    fs::remove_dir_all(source.0.join("was")).unwrap();
    source.write("was", "a file now\n");
    source.remove("file");
    source.write("file/inside", "in\n");
    fs::remove_dir_all(source.0.join("folder")).unwrap();
    source.link("deep", "folder");
    pair
}

#[test]
fn a_clean_clone_becomes_the_source() {
    let pair = changed();
    let preview = pair.target.preview(&pair.capture());
    assert_eq!(pair.target.status(), "", "a preview writes nothing");
    assert!(!pair.target.exists(".git/handoff"));
    let report = pair.apply();
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    pair.assert_same();
    assert_eq!(outcome(&report, "mod.txt"), "applied/modified");
    assert_eq!(outcome(&report, "gone.txt"), "applied/deleted");
    assert_eq!(outcome(&report, "run.sh"), "applied/mode");
    assert_eq!(outcome(&report, "kind"), "applied/type");
    assert_eq!(outcome(&report, "deep/er/new.txt"), "applied/created");
    let shown = |report: &ApplyReport| -> Vec<String> {
        report
            .files()
            .map(|(_, file)| format!("{} {}", file.path, outcome(report, &file.path.to_string_lossy())))
            .collect()
    };
    assert_eq!(shown(&preview), shown(&report));
    assert_eq!(preview.repos[0].staging, report.repos[0].staging);
    for (_, file) in report.files() {
        if file.outcome == Outcome::Applied && pair.target.0.join(&*file.path.to_string_lossy()).is_file() {
            assert!(file.hash.is_some(), "{file:?}");
        }
    }
}

#[test]
fn undo_restores_files_index_and_directories() {
    let pair = changed();
    let (status, files) = (pair.target.status(), pair.target.files());
    let report = pair.apply();
    let undone = pair.target.undo(&report);
    assert_eq!(undone.verdict, Verdict::Complete, "{undone}");
    assert_eq!(pair.target.status(), status);
    assert_eq!(pair.target.files(), files);
    assert_eq!(pair.target.records(), 0);
    let again = undo(&pair.target.workspace(), &report.apply_id.unwrap(), &Control::default());
    assert!(matches!(again, Err(crate::Error::UnknownApply { .. })));
}

#[test]
fn a_second_apply_changes_nothing() {
    let pair = changed();
    let snapshot = pair.capture();
    pair.target.apply(&snapshot, &ApplyOptions::default());
    let before: Vec<_> = walk(&pair.target.0);
    let report = pair.target.apply(&snapshot, &ApplyOptions::default());
    assert_eq!(report.verdict, Verdict::Complete);
    assert_eq!(report.apply_id, None);
    assert!(report.files().all(|(_, file)| file.outcome == Outcome::Unchanged), "{report}");
    assert_eq!(walk(&pair.target.0), before);
    assert_eq!(pair.target.records(), 1);
}

/// Paths with the times of their last changes, git directory included.
fn walk(root: &Path) -> Vec<(PathBuf, std::time::SystemTime)> {
    let mut out = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            if meta.is_dir() {
                waiting.push(path.clone());
            }
            out.push((path, meta.modified().unwrap()));
        }
    }
    out.sort();
    out
}

#[test]
fn what_both_changed_is_merged_or_left_alone() {
    let pair = Pair::new(&[
        ("apart.txt", TEN),
        ("same.txt", TEN),
        ("del.txt", TEN),
        ("kept.txt", TEN),
        ("bin", "\0a"),
    ]);
    let (source, target) = (&pair.source, &pair.target);
    source.write("apart.txt", TEN.replace("2\n", "two\n"));
    target.write("apart.txt", TEN.replace("9\n", "nine\n"));
    source.write("same.txt", TEN.replace("5\n", "five\n"));
    target.write("same.txt", TEN.replace("5\n", "fünf\n"));
    source.remove("del.txt");
    target.write("del.txt", "mine\n");
    source.write("kept.txt", "theirs\n");
    target.remove("kept.txt");
    source.write("bin", "\0b");
    target.write("bin", "\0c");
    source.write("added.txt", "theirs\n");
    target.write("added.txt", "mine\n");
    let report = pair.apply();
    assert_eq!(report.verdict, Verdict::Partial);
    assert_eq!(outcome(&report, "apart.txt"), "merged");
    assert_eq!(target.read("apart.txt"), TEN.replace("2\n", "two\n").replace("9\n", "nine\n"));
    assert_eq!(outcome(&report, "same.txt"), "conflict/content");
    assert_eq!(target.read("same.txt"), TEN.replace("5\n", "fünf\n"));
    assert_eq!(outcome(&report, "del.txt"), "conflict/modified_here");
    assert_eq!(outcome(&report, "kept.txt"), "conflict/deleted_here");
    assert_eq!(outcome(&report, "bin"), "conflict/binary");
    assert_eq!(outcome(&report, "added.txt"), "conflict/exists_here");
    for path in ["same.txt", "kept.txt", "bin", "added.txt"] {
        let kept = file(&report, path).incoming.clone().unwrap();
        assert_eq!(fs::read(&kept).unwrap(), fs::read(source.0.join(path)).unwrap(), "{path}");
        assert!(report.to_string().contains(&*kept.to_string_lossy()));
    }
    assert!(!target.exists("kept.txt"));

    let again = pair.apply();
    assert_eq!(again.apply_id, None, "{again}");
    assert_eq!(outcome(&again, "apart.txt"), "unchanged");
    assert_eq!(outcome(&again, "same.txt"), "conflict/content");
    assert_eq!(file(&again, "same.txt").incoming, file(&report, "same.txt").incoming);

    let undone = target.undo(&report);
    assert_eq!(undone.verdict, Verdict::Complete);
    assert_eq!(target.read("apart.txt"), TEN.replace("9\n", "nine\n"));
}

#[test]
fn markers_and_theirs() {
    let pair = Pair::new(&[("a.txt", TEN), ("gone.txt", TEN)]);
    pair.source.write("a.txt", TEN.replace("5\n", "five\n"));
    pair.target.write("a.txt", TEN.replace("5\n", "fünf\n"));
    pair.source.remove("gone.txt");
    pair.target.write("gone.txt", "mine\n");
    let options = ApplyOptions { on_conflict: OnConflict::Markers, ..ApplyOptions::default() };
    let report = pair.apply_with(&options);
    assert_eq!(outcome(&report, "a.txt"), "conflict/content");
    assert!(file(&report, "a.txt").notes.contains(&Note::Markers));
    let marked = pair.target.read("a.txt");
    assert!(
        marked.contains("<<<<<<< here\nfünf\n||||||| base\n5\n=======\nfive\n>>>>>>> snapshot "),
        "{marked}"
    );
    let again = pair.apply_with(&options);
    assert_eq!((outcome(&again, "a.txt"), again.apply_id), ("conflict/content".into(), None));
    assert_eq!(pair.target.read("a.txt"), marked, "markers are not put into markers");
    pair.target.undo(&report);
    assert_eq!(pair.target.read("a.txt"), TEN.replace("5\n", "fünf\n"));

    let options = ApplyOptions { on_conflict: OnConflict::Theirs, ..ApplyOptions::default() };
    let report = pair.apply_with(&options);
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    assert!(file(&report, "a.txt").notes.contains(&Note::TookTheirs));
    pair.assert_same();
    pair.target.undo(&report);
    assert_eq!(pair.target.read("gone.txt"), "mine\n");
    assert_eq!(pair.target.read("a.txt"), TEN.replace("5\n", "fünf\n"));
}

#[test]
fn an_undo_keeps_what_was_edited_since() {
    let pair = Pair::new(&[("a.txt", "old\n"), ("b.txt", "old\n"), ("c.txt", "old\n")]);
    for path in ["a.txt", "b.txt", "new.txt"] {
        pair.source.write(path, "new\n");
    }
    pair.source.remove("c.txt");
    let report = pair.apply();
    pair.target.write("a.txt", "edited\n");
    pair.target.write("new.txt", "edited\n");
    pair.target.write("c.txt", "again\n");
    let undone = pair.target.undo(&report);
    assert_eq!(undone.verdict, Verdict::Partial);
    assert_eq!(outcome(&undone, "b.txt"), "applied/modified");
    for path in ["a.txt", "new.txt", "c.txt"] {
        assert_eq!(outcome(&undone, path), "conflict/modified_here");
    }
    assert_eq!(pair.target.read("a.txt"), "edited\n");
    for path in ["a.txt", "c.txt"] {
        assert_eq!(fs::read(file(&undone, path).incoming.as_ref().unwrap()).unwrap(), b"old\n");
    }
    // Once the edits are out of the way, the same undo finishes.
    pair.target.write("a.txt", "new\n");
    pair.target.remove("new.txt");
    pair.target.remove("c.txt");
    let undone = pair.target.undo(&report);
    assert_eq!(undone.verdict, Verdict::Complete, "{undone}");
    assert_eq!(pair.target.status(), "");
    assert_eq!(pair.target.records(), 0);
}

#[test]
fn staging_is_restored_only_where_the_index_still_is_as_committed() {
    let pair = Pair::new(&[("a.txt", "a\n"), ("b.txt", "b\n"), ("c.txt", "c\n")]);
    for path in ["a.txt", "b.txt"] {
        pair.source.write(path, "staged\n");
        pair.source.git(&["add", path]);
    }
    pair.source.git(&["rm", "-q", "--cached", "c.txt"]);
    pair.target.write("b.txt", "staged\n");
    pair.target.git(&["update-index", "--chmod=+x", "b.txt"]);
    let report = pair.apply();
    let staging = &report.repos[0].staging;
    assert_eq!((staging.restored, staging.left.get("target_differs")), (2, Some(&1)), "{report}");
    assert_eq!(pair.target.git(&["diff", "--cached", "--name-only"]), "a.txt\nb.txt\nc.txt\n");
    assert_eq!(pair.target.git(&["show", ":a.txt"]), "staged\n");
    pair.target.git(&["fsck", "--strict"]);
    // A commit now must commit what is staged, not a stale tree.
    pair.target.git(&["commit", "-qm", "x"]);
    assert_eq!(pair.target.git(&["show", "HEAD:a.txt"]), "staged\n");
}

#[test]
fn an_index_that_is_locked_or_to_be_left_stays() {
    let pair = Pair::new(&[("a.txt", "a\n")]);
    pair.source.write("a.txt", "staged\n");
    pair.source.git(&["add", "a.txt"]);
    let options = ApplyOptions { staging: Staging::Leave, ..ApplyOptions::default() };
    let report = pair.apply_with(&options);
    assert_eq!(pair.target.git(&["diff", "--cached", "--name-only"]), "");
    pair.target.undo(&report);
    pair.target.write(".git/index.lock", "");
    let report = pair.apply();
    assert_eq!(report.repos[0].staging.left.get("index_locked"), Some(&1));
    assert_eq!(pair.target.read("a.txt"), "staged\n");
}

#[test]
fn line_endings_of_the_target_stay() {
    let pair =
        Pair::new(&[(".gitattributes", "* text=auto\n"), ("a.txt", TEN), ("b.txt", TEN), ("c.txt", TEN)]);
    let crlf = |text: &str| text.replace('\n', "\r\n");
    pair.target.git(&["config", "core.autocrlf", "true"]);
    for path in ["a.txt", "b.txt", "c.txt"] {
        pair.target.remove(path);
    }
    pair.target.git(&["checkout", "--", "."]);
    assert_eq!(pair.target.read("a.txt"), crlf(TEN));
    // Clean apply, merge, and no change at all but for the endings.
    pair.source.write("a.txt", TEN.replace("5\n", "five\n"));
    pair.source.write("b.txt", TEN.replace("2\n", "two\n"));
    pair.target.write("b.txt", crlf(&TEN.replace("9\n", "nine\n")));
    pair.source.write("c.txt", TEN.replace("7\n", "seven\n"));
    pair.target.write("c.txt", crlf(&TEN.replace("7\n", "seven\n")));
    pair.source.write("new.txt", "one\ntwo\n");
    let report = pair.apply();
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    assert_eq!(pair.target.read("a.txt"), crlf(&TEN.replace("5\n", "five\n")));
    assert_eq!(outcome(&report, "b.txt"), "merged");
    assert_eq!(pair.target.read("b.txt"), crlf(&TEN.replace("2\n", "two\n").replace("9\n", "nine\n")));
    assert_eq!(outcome(&report, "c.txt"), "unchanged");
    assert_eq!(pair.target.read("new.txt"), "one\r\ntwo\r\n");
    assert!(file(&report, "a.txt").notes.contains(&Note::EolConverted));
}

#[test]
fn a_crlf_checkout_at_the_source_does_not_spread() {
    let pair = Pair::new(&[("a.txt", TEN)]);
    pair.source.git(&["config", "core.autocrlf", "true"]);
    pair.source.write("a.txt", TEN.replace("5\n", "five\n").replace('\n', "\r\n"));
    let report = pair.apply();
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    assert_eq!(pair.target.read("a.txt"), TEN.replace("5\n", "five\n"));
}

#[test]
fn a_change_follows_a_rename_at_the_target() {
    let long: String = (0..40).map(|n| format!("line {n}\n")).collect();
    let pair = Pair::new(&[
        ("old/a.txt", &long),
        ("old/b.txt", &long.replace("line", "row")),
        ("c.txt", &long.replace("line", "col")),
    ]);
    pair.target.git(&["mv", "old/a.txt", "moved.txt"]);
    pair.target.commit("rename");
    pair.target.write("new/b.txt", long.replace("line", "row").replace("row 39\n", "row end\n"));
    pair.target.remove("old/b.txt");
    pair.target.remove("c.txt");
    pair.source.write("old/a.txt", long.replace("line 3\n", "line three\n"));
    pair.source.write("old/b.txt", long.replace("line", "row").replace("row 3\n", "row three\n"));
    pair.source.write("c.txt", "x\n");
    let report = pair.apply();
    assert_eq!(outcome(&report, "old/a.txt"), "applied/modified", "{report}");
    assert_eq!(file(&report, "old/a.txt").at, Some("moved.txt".into()));
    assert_eq!(pair.target.read("moved.txt"), long.replace("line 3\n", "line three\n"));
    assert_eq!(outcome(&report, "old/b.txt"), "merged");
    assert_eq!(
        pair.target.read("new/b.txt"),
        long.replace("line", "row").replace("row 39\n", "row end\n").replace("row 3\n", "row three\n")
    );
    assert_eq!(outcome(&report, "c.txt"), "conflict/deleted_here");
    let again = pair.apply();
    assert_eq!(again.apply_id, None, "{again}");
    pair.target.undo(&report);
    assert_eq!(pair.target.read("moved.txt"), long);
}

#[test]
fn a_hard_link_elsewhere_keeps_its_bytes_and_private_files_stay_private() {
    let pair = Pair::new(&[("a.txt", "old\n"), ("key", "old\n")]);
    let outside = pair.target.0.parent().unwrap().join("outside");
    fs::hard_link(pair.target.0.join("a.txt"), &outside).unwrap();
    pair.target.chmod("key", 0o600);
    pair.source.write("a.txt", "new\n");
    pair.source.write("key", "new\n");
    let report = pair.apply();
    assert_eq!(fs::read(&outside).unwrap(), b"old\n");
    assert!(file(&report, "a.txt").notes.contains(&Note::HardlinkBroken));
    let mode = |path: &str| fs::metadata(pair.target.0.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("key"), 0o600);
    assert_eq!(mode("a.txt"), mode(".git/HEAD"));
    pair.target.undo(&report);
    assert_eq!(pair.target.read("a.txt"), "old\n");
}

#[test]
fn many_files_take_two_threads_to_the_same_end() {
    let names: Vec<String> = (0..300).map(|n| format!("d{}/f{n}", n % 7)).collect();
    let files: Vec<(&str, &str)> = names.iter().take(150).map(|name| (name.as_str(), "old\n")).collect();
    let pair = Pair::new(&files);
    for (n, name) in names.iter().enumerate() {
        match n % 3 {
            0 if n < 150 => pair.source.remove(name),
            _ => pair.source.write(name, format!("new {n}\n")),
        }
    }
    let report = pair.apply();
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    pair.assert_same();
    let undone = pair.target.undo(&report);
    assert_eq!(undone.verdict, Verdict::Complete);
    assert_eq!(pair.target.status(), "");
}

#[test]
fn large_files_are_streamed() {
    let big: Vec<u8> = (0..(9_u32 << 20)).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let pair = Pair::new(&[("small", "s\n")]);
    pair.source.write("big", &big);
    pair.source.commit("big");
    pair.target.git(&["pull", "-q"]);
    let mut changed = big.clone();
    changed[5] ^= 1;
    pair.source.write("big", &changed);
    pair.source.write("new", &changed);
    let report = pair.apply();
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    pair.assert_same();
    pair.target.write("big", &big[..big.len() - 1]);
    let report = pair.apply();
    assert_eq!(outcome(&report, "big"), "conflict/binary");
}

#[test]
fn busy_while_another_apply_holds_the_lock() {
    let pair = Pair::new(&[("a.txt", "old\n")]);
    pair.source.write("a.txt", "new\n");
    pair.apply();
    let lock = fs::File::open(pair.target.0.join(".git/handoff/lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let busy = apply(&pair.capture(), &pair.target.workspace(), &ApplyOptions::default());
    assert!(matches!(busy, Err(crate::Error::Busy { .. })));
}

#[test]
fn cancelled_before_and_while_writing() {
    let names: Vec<String> = (0..200).map(|n| format!("f{n}")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "old\n")).collect();
    let pair = Pair::new(&files);
    for name in &names {
        pair.source.write(name, "new\n");
    }
    pair.target.write("f7", "mine\n");
    let snapshot = pair.capture();
    let (status, files) = (pair.target.status(), pair.target.files());
    for phase in [crate::Phase::Plan, crate::Phase::Write] {
        let control = Control::default();
        let cancel = control.cancel.clone();
        let progress: crate::ProgressFn = std::sync::Arc::new(move |progress: &crate::Progress| {
            if progress.phase == phase {
                cancel.cancel();
            }
        });
        let options = ApplyOptions {
            control: Control { progress: Some(progress), ..control },
            ..ApplyOptions::default()
        };
        let result = apply(&snapshot, &pair.target.workspace(), &options);
        assert!(matches!(result, Err(crate::Error::Cancelled)));
        assert_eq!((pair.target.status(), pair.target.files()), (status.clone(), files.clone()));
        assert_eq!(pair.target.records(), 0);
    }
}

#[test]
fn a_base_that_neither_side_has_is_a_conflict() {
    let pair = Pair::new(&[("a.txt", TEN)]);
    pair.source.write("a.txt", TEN.replace("3\n", "III\n"));
    pair.source.commit("unpushed");
    pair.source.write("a.txt", TEN.replace("3\n", "III\n").replace("9\n", "IX\n"));
    let options = CaptureOptions { bases: crate::capture::Bases::Never, ..CaptureOptions::default() };
    let snapshot = capture(&pair.source.workspace(), &options).unwrap();
    let report = pair.target.apply(&snapshot, &ApplyOptions::default());
    assert_eq!(outcome(&report, "a.txt"), "conflict/content");
    assert_eq!(file(&report, "a.txt").reason.as_deref(), Some("base_missing"));
    assert_eq!(pair.target.read("a.txt"), TEN);
}

/// A pair whose source has moved `a.txt` to `b.txt` and changed a line, and whose target has `here` at `a.txt`.
fn moved(here: &str) -> Pair {
    let pair = Pair::new(&[("a.txt", TEN), ("other.txt", "other\n")]);
    pair.source.remove("a.txt");
    pair.source.write("dir/b.txt", TEN.replace("9\n", "nine\n"));
    pair.source.write("unlike.txt", "nothing of the kind\n".repeat(3));
    pair.target.write("a.txt", here);
    pair
}

#[test]
fn a_change_here_follows_a_file_that_the_snapshot_has_moved() {
    let pair = moved(&TEN.replace("2\n", "two\n"));
    let snapshot = pair.capture();
    let foreseen = pair.target.preview(&snapshot);
    let report = pair.apply();
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    assert_eq!(outcome(&report, "a.txt"), "applied/deleted");
    assert_eq!(outcome(&report, "dir/b.txt"), "merged");
    assert_eq!(outcome(&foreseen, "dir/b.txt"), "merged");
    assert_eq!(outcome(&report, "unlike.txt"), "applied/created");
    assert!(!pair.target.exists("a.txt"));
    let both = TEN.replace("2\n", "two\n").replace("9\n", "nine\n");
    assert_eq!(pair.target.read("dir/b.txt"), both);
    let again = pair.apply();
    assert_eq!(outcome(&again, "dir/b.txt"), "unchanged");
    pair.target.undo(&report);
    assert_eq!(pair.target.read("a.txt"), TEN.replace("2\n", "two\n"));
    assert!(!pair.target.exists("dir"));
}

#[test]
fn a_moved_file_that_both_sides_changed_is_a_conflict_and_stays_where_it_is() {
    let pair = moved(&TEN.replace("9\n", "neun\n"));
    let report = pair.apply();
    assert_eq!(outcome(&report, "a.txt"), "conflict/modified_here");
    assert_eq!(file(&report, "a.txt").at, Some("dir/b.txt".into()));
    assert_eq!(outcome(&report, "dir/b.txt"), "applied/created");
    assert_eq!(pair.target.read("a.txt"), TEN.replace("9\n", "neun\n"));
    assert_eq!(pair.target.read("dir/b.txt"), TEN.replace("9\n", "nine\n"));
    // Taking the snapshot's side takes both halves of the move.
    let options = ApplyOptions { on_conflict: OnConflict::Theirs, ..ApplyOptions::default() };
    pair.apply_with(&options);
    assert!(!pair.target.exists("a.txt"));
    assert_eq!(pair.target.read("dir/b.txt"), TEN.replace("9\n", "nine\n"));
}

#[test]
fn an_empty_file_is_not_taken_for_another_empty_one() {
    let pair = Pair::new(&[("empty", ""), ("other", "other\n")]);
    pair.source.write("empty", "no longer\n");
    pair.target.remove("empty");
    pair.target.write("new", "");
    pair.target.commit("another empty file");
    let report = pair.apply();
    assert_eq!(outcome(&report, "empty"), "conflict/deleted_here");
    assert_eq!(pair.target.read("new"), "");
}
