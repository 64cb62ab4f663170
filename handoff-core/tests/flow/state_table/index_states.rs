//! States of the index beyond staged and not staged.

use handoff_core::{Note, Outcome, Verdict};

use super::{Pair, carry, entry, numbered, of, paths, repo, status};
use crate::support::{git, oracle};

fn pair() -> Pair {
    Pair::new(|base| {
        base.write("a.txt", numbered(&[])).write("b.txt", numbered(&[])).write("tool", "#!/bin/sh\n");
    })
}

#[test]
fn intent_to_add() {
    let pair = pair();
    pair.source.write("new.txt", "new\n").write("tool2", "#!/bin/sh\n").executable("tool2", true);
    pair.source.write("gone.txt", "gone\n").link("link", "a.txt");
    pair.source.git(&["add", "-N", "--", "new.txt", "tool2", "gone.txt", "link"]);
    pair.source.remove("gone.txt");
    assert!(status(&pair.source).iter().any(|line| line.starts_with("1 .A")));
    pair.there_and_back();
}

#[test]
fn edits_of_assume_unchanged_and_skip_worktree_files() {
    for flag in ["--assume-unchanged", "--skip-worktree"] {
        let pair = pair();
        pair.source.git(&["update-index", flag, "--", "a.txt", "b.txt"]);
        pair.source.write("a.txt", numbered(&[(3, "hidden")]));
        assert_eq!(status(&pair.source), Vec::<String>::new(), "git does not see the edit");
        let snapshot = pair.snapshot();
        assert_eq!(paths(repo(&snapshot, "app")), ["a.txt"]);
        let flags = &entry(repo(&snapshot, "app"), "a.txt").flags;
        assert_eq!(
            (flags.assume_unchanged, flags.skip_worktree),
            (flag.contains("assume"), flag.contains("skip"))
        );
        let report = carry(&snapshot, &pair.target);
        assert_eq!(report.verdict, Verdict::Complete, "{report}");
        assert_eq!(pair.target.read("a.txt"), pair.source.read("a.txt"));
        // The flag hides edits from git at the source; at the target they are seen, and the report says why.
        assert!(of(&report, "a.txt").notes.contains(&Note::HiddenAtSource), "{report:?}");
        let plain = String::from_utf8(git::git(&pair.target.root, &["ls-files", "-v"])).unwrap();
        assert!(plain.lines().all(|line| line.starts_with("H ")), "{plain}");
    }
}

#[test]
fn a_deleted_assume_unchanged_file() {
    let pair = pair();
    pair.source.git(&["update-index", "--assume-unchanged", "a.txt"]);
    pair.source.remove("a.txt");
    let report = pair.carry();
    assert_eq!(of(&report, "a.txt").outcome, Outcome::Applied, "{report}");
    assert!(!pair.target.exists("a.txt"));
}

#[test]
fn the_target_has_the_flags_and_keeps_them() {
    let pair = pair();
    pair.target.git(&["update-index", "--assume-unchanged", "a.txt"]);
    pair.target.git(&["update-index", "--skip-worktree", "b.txt"]);
    // Edits that git cannot see there are edits all the same.
    pair.target.write("a.txt", numbered(&[(25, "hidden here")]));
    pair.source
        .write("a.txt", numbered(&[(3, "by the source")]))
        .write("b.txt", numbered(&[(3, "by the source")]));
    let flags = || git::git(&pair.target.root, &["ls-files", "-v"]);
    let before = flags();
    let report = pair.carry();
    assert_eq!(of(&report, "a.txt").outcome, Outcome::Merged, "{report}");
    assert_eq!(of(&report, "b.txt").outcome, Outcome::Applied, "{report}");
    let merged = numbered(&[(3, "by the source"), (25, "hidden here")]);
    assert_eq!(pair.target.read("a.txt"), merged.as_bytes());
    assert_eq!(before, flags());
}

/// Two sides of a merge that conflict on `a.txt`, in both clones; `b.txt` merges, `theirs.txt` is new.
pub fn conflicting() -> Pair {
    Pair::new(|base| {
        base.write("a.txt", numbered(&[])).write("b.txt", numbered(&[])).write("deleted.txt", numbered(&[]));
        base.commit("first");
        base.git(&["checkout", "-q", "-b", "theirs"]);
        base.write("a.txt", numbered(&[(3, "theirs")])).write("b.txt", numbered(&[(3, "theirs")]));
        base.write("theirs.txt", "theirs\n").write("deleted.txt", numbered(&[(9, "theirs")]));
        base.write("both-new", "theirs\n");
        base.commit("theirs");
        base.git(&["checkout", "-q", "main"]);
        base.write("a.txt", numbered(&[(3, "ours")])).remove("deleted.txt").write("both-new", "ours\n");
    })
}

#[test]
fn an_unmerged_index() {
    let pair = conflicting();
    let merge = git::output(&pair.source.root, &["merge", "-q", "origin/theirs"], b"");
    assert!(!merge.status.success());
    let unmerged = status(&pair.source);
    assert_eq!(unmerged.iter().filter(|line| line.starts_with("u ")).count(), 3, "{unmerged:?}");
    let snapshot = pair.snapshot();
    let stages = |path: &str| -> Vec<u8> {
        entry(repo(&snapshot, "app"), path).flags.stages.iter().map(|stage| stage.stage).collect()
    };
    assert_eq!(
        (stages("a.txt"), stages("deleted.txt"), stages("both-new")),
        (vec![1, 2, 3], vec![1, 3], vec![2, 3])
    );
    // Contents and all stages: git at the target sees the same conflicts.
    let report = pair.there_and_back();
    assert_eq!(report.repos[0].staging.restored, 5, "{:?}", report.repos[0].staging);
    let text = report.to_string();
    assert!(text.contains("in the middle of a merge"), "{text}");
}

#[test]
fn an_unmerged_index_without_an_operation() {
    let pair = pair();
    pair.source.write("a.txt", numbered(&[(3, "stashed")]));
    pair.source.git(&["stash", "-q"]);
    pair.source.write("a.txt", numbered(&[(3, "committed")]));
    let applied = {
        pair.source.git(&["add", "-A"]);
        pair.source.git(&["stash", "-q"]);
        pair.source.git(&["stash", "apply", "-q", "stash@{1}"]);
        pair.source.git(&["add", "-A"]);
        git::output(&pair.source.root, &["stash", "apply", "-q"], b"")
    };
    if applied.status.success() || !status(&pair.source).iter().any(|line| line.starts_with("u ")) {
        // This git refuses to apply over an edit; then by hand.
        let oid = |text: String| {
            let out = git::git_with(&pair.source.root, &["hash-object", "-w", "--stdin"], text.as_bytes());
            String::from_utf8(out).unwrap().trim().to_owned()
        };
        let stages = format!(
            "0 {}\ta.txt\n100644 {} 1\ta.txt\n100644 {} 2\ta.txt\n100644 {} 3\ta.txt\n",
            "0".repeat(40),
            oid(numbered(&[])),
            oid(numbered(&[(3, "one")])),
            oid(numbered(&[(3, "two")])),
        );
        git::git_with(&pair.source.root, &["update-index", "--index-info"], stages.as_bytes());
    }
    assert!(status(&pair.source).iter().any(|line| line.starts_with("u UU")), "{:?}", status(&pair.source));
    let report = pair.there_and_back();
    assert!(
        report.repos[0].findings.is_empty() || !report.to_string().contains("in the middle of"),
        "{report}"
    );
}

#[test]
fn conflict_stages_never_replace_what_the_target_has_staged() {
    let pair = conflicting();
    git::output(&pair.source.root, &["merge", "-q", "origin/theirs"], b"");
    pair.target.write("a.txt", numbered(&[(20, "staged here")]));
    pair.target.git(&["add", "a.txt"]);
    pair.target.write("a.txt", numbered(&[(3, "ours")]));
    let before = oracle::state(&pair.target).index.into_iter().find(|line| line.ends_with(b"\ta.txt"));
    let report = pair.carry();
    let left = &report.repos[0].staging.left_paths;
    assert_eq!(left, &[("a.txt".into(), "target_differs".to_owned())]);
    assert_eq!(report.verdict, Verdict::Partial);
    let after = oracle::state(&pair.target).index;
    assert!(after.contains(&before.unwrap()), "{after:?}");
}
