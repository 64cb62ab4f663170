//! Renames on either side, names that differ in case, and files and directories that change places; beside
//! `git merge-tree --write-tree` of the same three trees.

use std::collections::BTreeMap;

use handoff_core::{Detail, Outcome, Verdict};

use super::{Pair, carry, numbered, of};
use crate::support::repo::Repo;
use crate::support::{git, oracle};

/// A long text, so that an edit of a line or two leaves it recognisable.
fn long(edits: &[(usize, &str)]) -> String {
    numbered(edits)
}

/// The tree of everything in the work tree, in an index of its own; the repository's index stays.
fn tree(repo: &Repo) -> String {
    let index = repo.git_dir().join("oracle-index");
    std::fs::copy(repo.git_dir().join("index"), &index).unwrap();
    let run = |args: &[&str]| {
        let out = git::command(&repo.root).env("GIT_INDEX_FILE", &index).args(args).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    };
    run(&["add", "-A"]);
    let tree = run(&["write-tree"]);
    std::fs::remove_file(&index).unwrap();
    tree
}

/// Contents that git merges the two sides into, and whether it is clean.
fn merged_by_git(pair: &Pair) -> (bool, BTreeMap<Vec<u8>, Vec<u8>>) {
    let theirs = tree(&pair.source);
    let ours = tree(&pair.target);
    let from = pair.source.git_dir().join("objects");
    let base = git::line(&pair.source.root, &["rev-parse", "HEAD^{tree}"]);
    let merge = format!("--merge-base={base}");
    let run = |args: &[&str]| {
        git::command(&pair.target.root)
            .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", &from)
            .args(args)
            .output()
            .unwrap()
    };
    let out = run(&["merge-tree", "--write-tree", &merge, &ours, &theirs]);
    let result = String::from_utf8(out.stdout).unwrap().lines().next().unwrap().to_owned();
    let mut files = BTreeMap::new();
    for line in
        run(&["ls-tree", "-r", "-z", &result]).stdout.split(|byte| *byte == 0).filter(|l| !l.is_empty())
    {
        let tab = line.iter().position(|byte| *byte == b'\t').unwrap();
        let id = String::from_utf8(line[..tab].to_vec()).unwrap().split(' ').nth(2).unwrap().to_owned();
        files.insert(line[tab + 1..].to_vec(), run(&["cat-file", "blob", &id]).stdout);
    }
    (out.status.success(), files)
}

/// Applies, and finds what git would have merged.
#[track_caller]
fn as_git(pair: &Pair) -> handoff_core::ApplyReport {
    let (clean, wanted) = merged_by_git(pair);
    assert!(clean, "the test means a merge that git finds clean");
    let before = oracle::state(&pair.target);
    let report = pair.carry();
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    let found: BTreeMap<Vec<u8>, Vec<u8>> = oracle::files(&pair.target.root)
        .into_iter()
        .map(|(path, disk)| match disk {
            oracle::Disk::File { content, .. } => (path, content),
            oracle::Disk::Link(target) => (path, target),
            oracle::Disk::Special => panic!("{path:?}"),
        })
        .collect();
    let names = |files: &BTreeMap<Vec<u8>, Vec<u8>>| -> Vec<String> {
        files.keys().map(|path| path.escape_ascii().to_string()).collect()
    };
    assert_eq!(names(&wanted), names(&found), "{report}");
    for (path, content) in &wanted {
        assert!(found[path] == *content, "{} differs from git's merge", path.escape_ascii());
    }
    if let Some(id) = &report.apply_id {
        let again = carry(&pair.snapshot(), &pair.target);
        assert!(again.files().all(|(_, f)| f.outcome == Outcome::Unchanged), "applied twice: {again}");
        let control = handoff_core::Control::default();
        handoff_core::undo(&pair.target.workspace(), id, &control).unwrap();
        assert_eq!(oracle::difference(&before, &oracle::state(&pair.target)), "", "after the undo");
    }
    report
}

fn pair() -> Pair {
    Pair::new(|base| {
        base.write("src/name.txt", long(&[])).write("other.txt", "other\n").write("dir/a.txt", "a\n");
        base.write("dir/b.txt", "b\n").write("README", "readme\n");
    })
}

fn move_file(repo: &Repo, from: &str, to: &str) {
    let content = repo.read(from);
    repo.remove(from).write(to, content);
}

#[test]
fn a_change_follows_a_file_that_the_target_has_renamed() {
    for committed in [true, false] {
        for edited in [true, false] {
            let pair = pair();
            pair.source.write("src/name.txt", long(&[(3, "by the source")]));
            move_file(&pair.target, "src/name.txt", "lib/moved.txt");
            if edited {
                pair.target.write("lib/moved.txt", long(&[(25, "by the target")]));
            }
            if committed {
                pair.target.commit("rename");
            }
            let report = as_git(&pair);
            let file = of(&report, "src/name.txt");
            assert_eq!(file.at.as_ref().map(|at| at.to_string()).as_deref(), Some("lib/moved.txt"));
        }
    }
}

#[test]
fn a_rename_in_the_snapshot_meets_edits_at_the_target() {
    for staged in [true, false] {
        for edited in [true, false] {
            let pair = pair();
            move_file(&pair.source, "src/name.txt", "lib/moved.txt");
            if edited {
                pair.source.write("lib/moved.txt", long(&[(3, "by the source")]));
            }
            if staged {
                pair.source.git(&["add", "-A"]);
            }
            pair.target.write("src/name.txt", long(&[(25, "by the target")]));
            let (clean, wanted) = merged_by_git(&pair);
            assert!(clean);
            let before = oracle::state(&pair.target);
            let report = pair.carry();
            let moved = of(&report, "lib/moved.txt");
            assert_eq!(moved.outcome, Outcome::Merged, "{report}");
            let old = of(&report, "src/name.txt");
            assert_eq!((&old.outcome, &old.detail), (&Outcome::Applied, &Some(Detail::Deleted)), "{old:?}");
            assert_eq!(old.at.as_ref().map(|at| at.to_string()).as_deref(), Some("lib/moved.txt"));
            assert_eq!(pair.target.read("lib/moved.txt"), wanted[&b"lib/moved.txt"[..]]);
            assert!(!pair.target.exists("src/name.txt"));
            let again = carry(&pair.snapshot(), &pair.target);
            assert!(again.files().all(|(_, f)| f.outcome == Outcome::Unchanged), "applied twice: {again}");
            let id = report.apply_id.unwrap();
            handoff_core::undo(&pair.target.workspace(), &id, &handoff_core::Control::default()).unwrap();
            assert_eq!(oracle::difference(&before, &oracle::state(&pair.target)), "", "after the undo");
        }
    }
}

#[test]
fn a_rename_in_the_snapshot_that_overlaps_an_edit_at_the_target_is_one_conflict() {
    let pair = pair();
    move_file(&pair.source, "src/name.txt", "lib/moved.txt");
    pair.source.write("lib/moved.txt", long(&[(3, "by the source")]));
    pair.target.write("src/name.txt", long(&[(3, "by the target")]));
    assert!(!merged_by_git(&pair).0);
    let report = pair.carry();
    assert_eq!(report.count(&Outcome::Conflict), 1, "{report}");
    assert_eq!(pair.target.read("src/name.txt"), long(&[(3, "by the target")]).as_bytes(), "nothing is lost");
}

#[test]
fn both_sides_rename_alike() {
    for staged in [true, false] {
        let pair = pair();
        for side in [&pair.source, &pair.target] {
            move_file(side, "src/name.txt", "lib/moved.txt");
        }
        pair.source.write("lib/moved.txt", long(&[(3, "by the source")]));
        pair.target.write("lib/moved.txt", long(&[(25, "by the target")]));
        if staged {
            pair.target.git(&["add", "-A"]);
        }
        let report = as_git(&pair);
        assert_eq!(of(&report, "lib/moved.txt").outcome, Outcome::Merged, "{report}");
    }
}

#[test]
fn renames_without_edits_on_the_other_side() {
    let pair = pair();
    move_file(&pair.source, "src/name.txt", "lib/moved.txt");
    move_file(&pair.source, "dir/a.txt", "dir/c.txt");
    as_git(&pair);
}

#[test]
fn a_name_that_changes_in_case_only() {
    for ignore_case in ["false", "true"] {
        for staged in [true, false] {
            let pair = pair();
            for side in [&pair.source, &pair.target] {
                side.git(&["config", "core.ignoreCase", ignore_case]);
            }
            move_file(&pair.source, "README", "ReadMe");
            move_file(&pair.source, "dir/a.txt", "Dir/a.txt");
            if staged {
                pair.source.git(&["rm", "-q", "--cached", "README", "dir/a.txt"]);
                pair.source.git(&["-c", "core.ignoreCase=false", "add", "ReadMe", "Dir/a.txt"]);
            }
            let report = pair.carry();
            assert_eq!(report.verdict, Verdict::Complete, "ignoreCase={ignore_case}: {report}");
            assert_eq!(oracle::files(&pair.source.root), oracle::files(&pair.target.root));
        }
    }
}

#[test]
fn two_names_that_some_file_systems_take_for_one() {
    let pair = pair();
    pair.source
        .write("Same", "one\n")
        .write("same", "two\n")
        .write("\u{e9}", "nfc\n")
        .write("e\u{301}", "nfd\n");
    // This file system keeps them apart, and so does git, whatever its setting says.
    let report = pair.there_and_back();
    assert_eq!(report.count(&Outcome::Applied), 4);
}

#[test]
fn files_and_directories_change_places() {
    let pair = pair();
    // A directory becomes a file, a file a directory, and both at once by one name.
    pair.source.remove("dir/a.txt").remove("dir/b.txt");
    std::fs::remove_dir(pair.source.at("dir")).unwrap();
    pair.source.write("dir", "a file now\n");
    pair.source.remove("README").write("README/part.txt", "a directory now\n");
    as_git(&pair);
    pair.source.git(&["add", "-A"]);
    pair.there_and_back();
}

#[test]
fn a_directory_that_becomes_a_file_meets_a_new_file_in_it() {
    let pair = pair();
    pair.source.remove("dir/a.txt").remove("dir/b.txt");
    std::fs::remove_dir(pair.source.at("dir")).unwrap();
    pair.source.write("dir", "a file now\n");
    pair.target.write("dir/mine.txt", "mine\n");
    assert!(!merged_by_git(&pair).0);
    let report = pair.carry();
    assert_eq!(of(&report, "dir").outcome, Outcome::Conflict, "{report}");
    assert_eq!(pair.target.read("dir/mine.txt"), b"mine\n");
}

#[test]
fn kinds_of_file_change() {
    let pair = Pair::new(|base| {
        base.write("to-link", "to-link\n").link("to-file", "to-link").write("tool", "#!/bin/sh\n");
        base.link("both", "tool").write("clash", "clash\n");
    });
    pair.source.remove("to-link").link("to-link", "tool").remove("to-file").write("to-file", "a file\n");
    pair.source.executable("tool", true);
    pair.target.executable("tool", true);
    as_git(&pair);
    pair.source.remove("clash").link("clash", "tool");
    pair.target.write("clash", "edited here\n");
    let report = pair.carry();
    let file = of(&report, "clash");
    assert_eq!((&file.outcome, &file.detail), (&Outcome::Conflict, &Some(Detail::Type)), "{report}");
    assert_eq!(pair.target.read("clash"), b"edited here\n");
}

#[test]
fn a_file_that_the_target_has_moved_and_the_snapshot_deletes_stays_and_is_listed() {
    let pair = pair();
    pair.source.remove("src/name.txt");
    move_file(&pair.target, "src/name.txt", "lib/moved.txt");
    // Git calls it a conflict; the first difference in docs/limits.md.
    assert!(!merged_by_git(&pair).0);
    let report = pair.carry();
    assert_eq!(of(&report, "src/name.txt").outcome, Outcome::Unchanged, "{report}");
    assert!(pair.target.exists("lib/moved.txt"));
}

#[test]
fn both_sides_rename_differently() {
    let pair = pair();
    move_file(&pair.source, "src/name.txt", "lib/there.txt");
    move_file(&pair.target, "src/name.txt", "lib/here.txt");
    // Git calls it a conflict and leaves both names; so do we, without the conflict: docs/limits.md.
    assert!(!merged_by_git(&pair).0);
    let report = pair.carry();
    assert_eq!(of(&report, "lib/there.txt").outcome, Outcome::Applied, "{report}");
    assert!(pair.target.exists("lib/here.txt"));
}

#[test]
fn a_new_file_in_a_directory_that_the_target_has_renamed_stays_where_the_snapshot_says() {
    let pair = pair();
    pair.source.write("dir/new.txt", "new\n");
    move_file(&pair.target, "dir/a.txt", "moved/a.txt");
    move_file(&pair.target, "dir/b.txt", "moved/b.txt");
    let report = pair.carry();
    assert_eq!(of(&report, "dir/new.txt").outcome, Outcome::Applied, "{report}");
    assert!(pair.target.exists("dir/new.txt") && pair.target.exists("moved/a.txt"));
}
