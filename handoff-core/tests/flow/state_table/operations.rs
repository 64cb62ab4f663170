//! Operations of git that are half done: what is in files and index travels, the operation itself is listed.

use handoff_core::snapshot::OperationKind;
use handoff_core::{FindingKind, Verdict};

use super::index_states::conflicting;
use super::{Pair, carry, repo};
use crate::support::{git, oracle};

/// Starts `command` at the source, which stops half way, and carries what it left.
#[track_caller]
fn half_way(pair: &Pair, command: &[&str], kind: OperationKind, heads: usize) {
    let args = [
        &["-c", "core.editor=true", "-c", "sequence.editor=true", "-c", "advice.mergeConflict=false"][..],
        command,
    ]
    .concat();
    git::output(&pair.source.root, &args, b"");
    let snapshot = pair.snapshot();
    let told = repo(&snapshot, "app");
    let operation = told.operation.clone().unwrap_or_else(|| panic!("{command:?} is not told of"));
    assert_eq!(operation.kind, kind, "{command:?}");
    assert!(operation.heads.len() >= heads, "{command:?}: {operation:?}");
    let git_dir: Vec<_> =
        std::fs::read_dir(pair.target.git_dir()).unwrap().map(|e| e.unwrap().file_name()).collect();
    let report = carry(&snapshot, &pair.target);
    let finding = report.repos[0].findings.iter().find(|f| f.kind == FindingKind::Operation);
    let finding = finding.unwrap_or_else(|| panic!("{command:?}: {report:?}"));
    assert!(finding.message.contains(&kind.to_string().replace('_', "-")), "{finding:?}");
    for head in &operation.heads {
        assert!(finding.message.contains(&head.to_string()[..10]), "{finding:?} names {head}");
    }
    // Nothing of the operation itself is at the target.
    for name in [
        "MERGE_HEAD",
        "CHERRY_PICK_HEAD",
        "REVERT_HEAD",
        "BISECT_LOG",
        "rebase-merge",
        "rebase-apply",
        "sequencer",
    ] {
        assert!(git_dir.contains(&name.into()) || !pair.target.git_dir().join(name).exists(), "{name}");
    }
}

/// The same where source and target stand on the same commit, so that the whole state can be compared.
#[track_caller]
fn half_way_in_place(pair: &Pair, command: &[&str], kind: OperationKind, heads: usize) {
    half_way(pair, command, kind, heads);
    assert_eq!(
        oracle::difference(&oracle::state(&pair.source), &oracle::state(&pair.target)),
        "",
        "{command:?}"
    );
    assert_eq!(pair.carry().verdict, Verdict::Complete);
}

#[test]
fn a_merge_in_progress() {
    half_way_in_place(&conflicting(), &["merge", "-q", "origin/theirs"], OperationKind::Merge, 1);
    // One that only waits for its commit.
    let pair = Pair::new(|base| {
        base.write("a", "a\n");
        base.commit("first");
        base.git(&["checkout", "-q", "-b", "theirs"]);
        base.write("b", "b\n");
        base.commit("theirs");
        base.git(&["checkout", "-q", "main"]);
        base.write("c", "c\n");
    });
    half_way_in_place(&pair, &["merge", "-q", "--no-commit", "origin/theirs"], OperationKind::Merge, 1);
}

#[test]
fn a_cherry_pick_in_progress() {
    half_way_in_place(&conflicting(), &["cherry-pick", "origin/theirs"], OperationKind::CherryPick, 1);
}

#[test]
fn a_cherry_pick_of_several_commits_in_progress() {
    let pair = conflicting();
    let range = "origin/theirs~1..origin/theirs";
    half_way_in_place(&pair, &["cherry-pick", range, "origin/theirs~1"], OperationKind::CherryPick, 1);
    // The conflict is resolved and committed, the rest of the sequence waits.
    let pair = conflicting();
    git::output(&pair.source.root, &["cherry-pick", "origin/theirs", "origin/theirs~1"], b"");
    pair.source.git(&["add", "-A"]);
    pair.source.git(&["commit", "-q", "-m", "resolved"]);
    if pair.source.git_dir().join("sequencer").exists() {
        let snapshot = pair.snapshot();
        let operation = repo(&snapshot, "app").operation.clone().expect("the sequence is told of");
        assert_eq!(operation.kind, OperationKind::CherryPick);
    }
}

#[test]
fn a_revert_in_progress() {
    let pair = Pair::new(|base| {
        base.write("a.txt", "1\n");
        base.commit("one");
        base.write("a.txt", "2\n");
        base.commit("two");
        base.write("a.txt", "3\n");
    });
    half_way_in_place(&pair, &["revert", "--no-edit", "HEAD~1"], OperationKind::Revert, 1);
}

#[test]
fn a_rebase_in_progress_by_either_backend_and_interactive() {
    for args in [
        &["rebase", "-q", "--merge", "origin/theirs"][..],
        &["rebase", "-q", "--apply", "origin/theirs"],
        &["rebase", "-q", "-i", "origin/theirs"],
    ] {
        half_way(&conflicting(), args, OperationKind::Rebase, 2);
    }
}

#[test]
fn a_rebase_that_stopped_to_edit() {
    let pair = conflicting();
    let edit = "sequence.editor=sed -i s/^pick/edit/";
    let args = ["-c", edit, "rebase", "-q", "-i", "HEAD~1"];
    git::output(&pair.source.root, &args, b"");
    pair.source.write("a.txt", "being edited\n");
    let snapshot = pair.snapshot();
    let operation = repo(&snapshot, "app").operation.clone().expect("the rebase is told of");
    assert_eq!(operation.kind, OperationKind::Rebase);
    assert_eq!(repo(&snapshot, "app").head.branch, None, "HEAD is detached meanwhile");
    carry(&snapshot, &pair.target);
    assert_eq!(pair.target.read("a.txt"), b"being edited\n");
}

#[test]
fn an_am_in_progress() {
    let pair = conflicting();
    let patch = git::git(&pair.source.root, &["format-patch", "--stdout", "-1", "origin/theirs"]);
    let file = pair.scratch.path().join("patch.mbox");
    std::fs::write(&file, patch).unwrap();
    half_way_in_place(&pair, &["am", "-q", "-3", file.to_str().unwrap()], OperationKind::Am, 0);
}

#[test]
fn a_bisect_in_progress() {
    let pair = Pair::new(|base| {
        for number in 0..8 {
            base.write("a.txt", format!("{number}\n"));
            base.commit("one more");
        }
    });
    pair.source.git(&["bisect", "start", "HEAD", "HEAD~7"]);
    pair.source.write("probe.txt", "added while looking\n");
    let snapshot = pair.snapshot();
    let operation = repo(&snapshot, "app").operation.clone().expect("the bisect is told of");
    assert_eq!(operation.kind, OperationKind::Bisect);
    let report = carry(&snapshot, &pair.target);
    assert!(report.to_string().contains("in the middle of a bisect"), "{report}");
    assert_eq!(pair.target.read("probe.txt"), b"added while looking\n");
}
