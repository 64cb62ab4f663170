//! The judge is judged: it is shown handoffs that are right, and the same ones after something in them was made wrong.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use handoff_core::{Detail, Outcome};
use tempfile::TempDir;

use super::*;
use crate::git::Git;
use crate::oracle;
use crate::stage::Stage;

/// A repository with one base and two commits on it.
struct Scene {
    scratch: TempDir,
    git: Git,
}

type Files<'a> = &'a [(&'a str, &'a str)];

/// Files that no test touches, by which git knows a directory again.
const LINES: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n";

impl Scene {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let repo = scratch.path().join("repo");
        fs::create_dir(&repo).unwrap();
        let git = Git::new(repo);
        git.run(&["init", "-q", "-b", "main"]).unwrap();
        Self { scratch, git }
    }

    /// A commit of exactly these files, on `parent`.
    fn commit(&self, parent: Option<&str>, files: Files<'_>) -> String {
        if let Some(parent) = parent {
            self.git.run(&["checkout", "-q", "-f", "--detach", parent]).unwrap();
            self.git.run(&["rm", "-q", "-r", "-f", "--ignore-unmatch", "."]).unwrap();
        }
        for (path, content) in files {
            let at = self.git.dir.join(path);
            fs::create_dir_all(at.parent().unwrap_or(Path::new("/"))).unwrap();
            fs::write(at, content).unwrap();
        }
        self.git.run(&["add", "-A", "-f"]).unwrap();
        self.git.run(&["commit", "-q", "--allow-empty", "-m", "files"]).unwrap();
        let commit = self.git.lines(&["rev-parse", "HEAD"]).unwrap().concat();
        self.git.run(&["branch", "-f", &format!("keep-{commit}")]).unwrap();
        commit
    }

    /// What a handoff of `theirs` to `ours` comes to, here and in git.
    fn play(self, base: Files<'_>, ours: Files<'_>, theirs: Files<'_>) -> Played {
        let base = self.commit(None, base);
        let (ours, theirs) = (self.commit(Some(&base), ours), self.commit(Some(&base), theirs));
        let case = Case { kind: Kind::Merge, base, ours, theirs };
        let stage = Stage::new(&self.git.dir, self.scratch.path()).unwrap();
        let empty = oracle::empty_tree(&stage.mirror).unwrap();
        let tree = |commit: &str| stage.mirror.tree(commit).unwrap();
        Played {
            trees: [tree(&case.base), tree(&case.ours), tree(&case.theirs)],
            git: oracle::merge(&stage.mirror, &empty, &case).unwrap(),
            handed: stage.hand_over(&case).unwrap(),
            case,
            _scratch: self.scratch,
        }
    }
}

struct Played {
    case: Case,
    trees: [Tree; 3],
    git: Merged,
    handed: Handed,
    _scratch: TempDir,
}

impl Played {
    fn judged(&self) -> Vec<(Category, String)> {
        let [base, ours, theirs] = &self.trees;
        judge(&self.case, [base, ours, theirs], &self.git, &self.handed)
            .into_iter()
            .map(|found| (found.category, String::from_utf8(found.path).unwrap()))
            .collect()
    }

    fn file(&mut self, path: &str) -> &mut FileReport {
        let files = &mut self.handed.report.repos.first_mut().unwrap().files;
        files.iter_mut().find(|file| file.path.as_bytes() == path.as_bytes()).unwrap()
    }

    /// Puts other bytes on the disk than the handoff did.
    fn spoil(&mut self, path: &str) {
        let other = ("100644".to_owned(), "f".repeat(40));
        self.handed.tree.insert(path.as_bytes().to_vec(), other);
        self.handed.id = "f".repeat(40);
    }
}

fn lines(change: &str, to: &str) -> String {
    LINES.replace(change, to)
}

/// Both sides edit one file, each another of its lines, and one side each of two others.
fn merged() -> Played {
    let (ours, theirs) = (lines("two", "TWO"), lines("nine", "NINE"));
    let base = [("both", LINES), ("here", "a\n"), ("incoming", "b\n"), ("nobody", "c\n")];
    Scene::new().play(
        &base,
        &[("both", &ours), ("here", "aa\n"), ("incoming", "b\n"), ("nobody", "c\n")],
        &[("both", &theirs), ("here", "a\n"), ("incoming", "bb\n"), ("nobody", "c\n")],
    )
}

/// Both sides edit the same line.
fn conflicting() -> Played {
    let (ours, theirs) = (lines("two", "TWO"), lines("two", "zwei"));
    Scene::new().play(&[("both", LINES)], &[("both", &ours)], &[("both", &theirs)])
}

fn found(category: Category, path: &str) -> Vec<(Category, String)> {
    vec![(category, path.to_owned())]
}

#[test]
fn a_handoff_that_came_to_what_gits_merge_does_is_found_right() {
    assert_eq!(merged().judged(), []);
    assert_eq!(conflicting().judged(), []);
}

#[test]
fn other_bytes_than_gits_are_wrong() {
    for path in ["both", "incoming"] {
        let mut played = merged();
        played.spoil(path);
        assert_eq!(played.judged(), found(Category::Wrong, path));
    }
}

#[test]
fn a_commit_onto_its_parent_has_to_come_to_the_commit() {
    let scene = Scene::new();
    let mut played = scene.play(&[("f", "a\n")], &[("f", "a\n")], &[("f", "b\n")]);
    played.case.kind = Kind::Commit;
    assert_eq!(played.judged(), []);
    played.spoil("f");
    // Though git had merged to the same.
    played.git.tree = played.handed.tree.clone();
    played.git.id = played.handed.id.clone();
    assert_eq!(played.judged(), found(Category::Wrong, "f"));
}

#[test]
fn a_change_that_the_report_does_not_tell_of_is_silent() {
    let mut played = merged();
    played.spoil("nobody");
    assert!(played.judged().contains(&(Category::Silent, "nobody".into())));
    let mut played = merged();
    played.handed.tree.remove(b"here".as_slice());
    assert!(played.judged().contains(&(Category::Silent, "here".into())));
}

#[test]
fn a_path_that_the_report_leaves_out_or_has_twice_is_silent() {
    let mut played = merged();
    played.handed.report.repos.first_mut().unwrap().files.retain(|file| file.path.as_bytes() != b"incoming");
    assert_eq!(played.judged(), found(Category::Silent, "incoming"));
    let mut played = merged();
    let again = played.file("incoming").clone();
    played.handed.report.repos.first_mut().unwrap().files.push(again);
    assert_eq!(played.judged(), found(Category::Silent, "incoming"));
}

#[test]
fn a_change_that_the_snapshot_never_had_is_silent() {
    let mut played = merged();
    let [_, _, theirs] = &mut played.trees;
    theirs.insert(b"never".to_vec(), ("100644".into(), "e".repeat(40)));
    assert_eq!(played.judged(), found(Category::Silent, "never"));
}

#[test]
fn applied_and_still_as_it_was_is_silent() {
    let mut played = merged();
    let [_, ours, _] = &played.trees;
    let before = ours.get(b"incoming".as_slice()).unwrap().clone();
    played.handed.tree.insert(b"incoming".to_vec(), before);
    assert!(played.judged().contains(&(Category::Silent, "incoming".into())));
}

#[test]
fn a_conflict_that_git_does_not_have_is_wrong() {
    let mut played = merged();
    let [_, ours, _] = &played.trees;
    let before = ours.get(b"both".as_slice()).unwrap().clone();
    played.handed.tree.insert(b"both".to_vec(), before);
    played.file("both").outcome = Outcome::Conflict;
    assert_eq!(played.judged(), found(Category::Wrong, "both"));
}

#[test]
fn a_merge_where_git_has_a_conflict_is_wrong() {
    let mut played = conflicting();
    played.spoil("both");
    played.file("both").outcome = Outcome::Merged;
    assert_eq!(played.judged(), found(Category::Wrong, "both"));
}

#[test]
fn a_file_that_stays_where_its_directory_was_is_on_the_list_and_other_bytes_there_are_not() {
    let play = || {
        Scene::new().play(
            &[("old/a", LINES), ("old/b", "bbbb\nbbb\nbb\n")],
            &[("new/a", LINES), ("new/b", "bbbb\nbbb\nbb\n")],
            &[("old/a", LINES), ("old/b", "bbbb\nbbb\nbb\n"), ("old/c", "fresh\n")],
        )
    };
    assert_eq!(play().judged(), found(Category::DirectoryRename, "new/c"));
    let mut played = play();
    played.spoil("old/c");
    assert_eq!(played.judged(), found(Category::Wrong, "new/c"));
}

#[test]
fn a_path_that_both_sides_made_is_on_the_list_where_one_of_them_is_empty_and_the_targets_was_kept() {
    let play = |theirs: &str| {
        let theirs = [("f", "a\n"), ("new", theirs)];
        Scene::new().play(&[("f", "a\n")], &[("f", "a\n"), ("new", "here\n")], &theirs)
    };
    let mut played = play("");
    assert_eq!(played.file("new").detail, Some(Detail::ExistsHere));
    assert_eq!(played.judged(), found(Category::CreatedOnBothSides, "new"));
    played.spoil("new");
    assert!(played.judged().contains(&(Category::Wrong, "new".into())));
    // With something in both, git has the conflict as well.
    let mut played = play("incoming\n");
    assert_eq!(played.judged(), []);
    // And if it had none, nothing on the list would allow ours.
    played.git.conflicts.clear();
    played.git.staged.clear();
    assert_eq!(played.judged(), found(Category::Wrong, "new"));
}
