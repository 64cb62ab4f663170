//! Commits that somebody made up: what no git would have written is not stored.

use handoff_core::{HistoryOutcome, apply, capture};

use super::{objects, outcome, stage};
use crate::support::git;
use crate::support::repo::{Format, undisturbed};

/// Makes a commit with a tree of these raw entries, as git itself never would, and carries it.
fn carried_tree(entries: &[(&str, &[u8])], loose: bool) -> (HistoryOutcome, Option<String>, bool) {
    let stage = stage(Format::Sha1);
    let blob = git::git_with(&stage.here.root, &["hash-object", "-w", "--stdin"], b"payload\n");
    let blob: Vec<u8> = (0..20)
        .map(|at| u8::from_str_radix(std::str::from_utf8(&blob[at * 2..at * 2 + 2]).unwrap(), 16).unwrap())
        .collect();
    let mut tree = Vec::new();
    for (mode, name) in entries {
        tree.extend_from_slice(format!("{mode} ").as_bytes());
        tree.extend_from_slice(name);
        tree.push(0);
        tree.extend_from_slice(&blob);
    }
    let made = git::git_with(
        &stage.here.root,
        &["hash-object", "-t", "tree", "--literally", "-w", "--stdin"],
        &tree,
    );
    let made = String::from_utf8(made).unwrap().trim().to_owned();
    let args = ["commit-tree", &made, "-p", "HEAD", "-m", "made up"];
    let commit = git::line(&stage.here.root, &args);
    stage.here.git(&["update-ref", "refs/heads/main", &commit]);
    if loose {
        stage.here.git(&["read-tree", "--reset", "origin/main"]);
    }
    let snapshot = capture(&stage.here.workspace(), &undisturbed()).unwrap();
    let report = apply(&snapshot, &stage.there.workspace(), &objects()).unwrap();
    let (outcome, reason) = outcome(&report);
    let stored = git::output(&stage.there.root, &["cat-file", "-e", &commit], b"").status.success();
    (outcome, reason.map(str::to_owned), stored)
}

#[test]
fn trees_with_names_that_leave_the_work_tree_or_enter_git_are_refused() {
    for name in [&b".git"[..], b"..", b".GIT", b"git~1", b"a/b", b".g\xE2\x80\x8Cit"] {
        let (outcome, reason, stored) = carried_tree(&[("100644", name)], true);
        assert_eq!(outcome, HistoryOutcome::Failed, "{name:?}");
        assert_eq!(reason.as_deref(), Some("unsafe_path"), "{name:?}");
        assert!(!stored, "{name:?}");
    }
    let (outcome, reason, stored) = carried_tree(&[("100644", b"fine.txt")], true);
    assert_eq!((outcome, reason, stored), (HistoryOutcome::Stored, None, true));
}

#[test]
fn trees_out_of_order_or_with_a_name_twice_are_refused() {
    for entries in [[("100644", &b"b"[..]), ("100644", b"a")], [("100644", b"a"), ("100644", b"a")]] {
        let (outcome, reason, stored) = carried_tree(&entries, true);
        assert_eq!((outcome, reason.as_deref(), stored), (HistoryOutcome::Failed, Some("malformed"), false));
    }
}
