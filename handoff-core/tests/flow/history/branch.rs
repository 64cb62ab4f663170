//! A clean checkout is put on the handed-off branch and commit, and back.

use handoff_core::{
    ApplyHistory, ApplyOptions, Control, Error, HistoryOutcome, Outcome, Snapshot, Verdict, Workspace, apply,
    capture, preview, undo,
};
use tempfile::TempDir;

use super::{Stage, assert_whole, carried, outcome, stage, work};
use crate::support::git;
use crate::support::purity::fingerprint;
use crate::support::repo::{Format, Repo, scratch, undisturbed};

fn branch() -> ApplyOptions {
    let mut options = ApplyOptions::default();
    options.history = ApplyHistory::Branch;
    options
}

/// What git says of HEAD, branches, index and files.
fn state(repo: &Repo) -> Vec<String> {
    let text = |args: &[&str]| String::from_utf8_lossy(&git::git(&repo.root, args)).into_owned();
    vec![
        text(&["status", "--porcelain=v2", "-z", "-uall"]),
        std::fs::read_to_string(repo.git_dir().join("HEAD")).unwrap(),
        text(&["for-each-ref", "refs/heads"]),
        text(&["ls-files", "-s"]),
        git::line(&repo.root, &["rev-parse", "HEAD"]),
    ]
}

/// State without the branches that only one of the two has.
fn standing(repo: &Repo) -> Vec<String> {
    let mut all = state(repo);
    all.remove(2);
    all
}

#[test]
fn a_fresh_clone_ends_as_the_source_is_and_comes_back() {
    for format in [Format::Sha1, Format::Sha256] {
        let stage = stage(format);
        work(&stage.here);
        stage.here.write("src/0/0.txt", "rewritten\nand not committed\n").write("new.txt", "new\n");
        stage.here.write("staged.txt", "staged\n");
        stage.here.git(&["add", "staged.txt"]);
        let snapshot = carried(&stage);
        let workspace = stage.there.workspace();
        let (before, print) = (state(&stage.there), fingerprint(&stage.there.root));
        preview(&snapshot, &workspace, &branch()).unwrap();
        assert_eq!(fingerprint(&stage.there.root), print, "a preview writes nothing");

        let report = apply(&snapshot, &workspace, &branch()).unwrap();
        assert_eq!(outcome(&report), (HistoryOutcome::Moved, None), "{report}");
        assert_eq!(report.repos[0].history.as_ref().unwrap().branch.as_deref(), Some("main"));
        assert_eq!(report.verdict, Verdict::Complete, "{report}");
        assert_eq!(standing(&stage.there), standing(&stage.here));
        assert_whole(&stage.there, &stage.here.head());
        // The next commit there holds what is staged, and no stale tree.
        let tree = |repo: &Repo| git::line(&repo.root, &["write-tree"]);
        assert_eq!(tree(&stage.there), tree(&stage.here));

        let undone = undo(&workspace, &report.apply_id.unwrap(), &Control::default()).unwrap();
        assert_eq!(undone.verdict, Verdict::Complete, "{undone}");
        assert_eq!(state(&stage.there), before);
        let left = std::fs::read_dir(stage.there.git_dir().join("handoff/applies")).unwrap().count();
        assert_eq!(left, 0, "both records are gone");
    }
}

#[test]
fn a_clean_source_moves_the_checkout_alone_and_that_can_be_undone() {
    let stage = stage(Format::Sha1);
    stage.here.git(&["checkout", "-q", "-b", "feature/x"]);
    work(&stage.here);
    stage.here.git(&["checkout", "-q", "feature/x"]);
    stage.here.commit("on the feature");
    let snapshot = carried(&stage);
    assert_eq!(snapshot.entries().count(), 0);
    let before = state(&stage.there);
    let report = apply(&snapshot, &stage.there.workspace(), &branch()).unwrap();
    assert_eq!(outcome(&report), (HistoryOutcome::Moved, None), "{report}");
    assert_eq!(standing(&stage.there), standing(&stage.here));
    undo(&stage.there.workspace(), &report.apply_id.unwrap(), &Control::default()).unwrap();
    assert_eq!(state(&stage.there), before, "the new branch is gone again, too");
}

#[test]
fn a_detached_source_detaches() {
    let stage = stage(Format::Sha1);
    stage.here.git(&["checkout", "-q", "--detach"]);
    stage.here.write("d.txt", "d\n");
    stage.here.commit("detached");
    let before = state(&stage.there);
    let report = apply(&carried(&stage), &stage.there.workspace(), &branch()).unwrap();
    assert_eq!(outcome(&report), (HistoryOutcome::Moved, None), "{report}");
    assert_eq!(standing(&stage.there), standing(&stage.here));
    undo(&stage.there.workspace(), &report.apply_id.unwrap(), &Control::default()).unwrap();
    assert_eq!(state(&stage.there), before);
}

/// The checkout stays, the commits are stored, the files are applied, and the reason is said.
#[track_caller]
fn stays(stage: &Stage, reason: &str) {
    stage.here.write("new.txt", "new\n");
    let snapshot = carried(stage);
    let standing = |repo: &Repo| git::git(&repo.root, &["for-each-ref", "refs/heads"]);
    let (head, refs) = (stage.there.head(), standing(&stage.there));
    let report = apply(&snapshot, &stage.there.workspace(), &branch()).unwrap();
    let (what, why) = outcome(&report);
    assert!(matches!(what, HistoryOutcome::Stored | HistoryOutcome::Present), "{report}");
    assert_eq!(why, Some(reason), "{report}");
    assert_eq!((stage.there.head(), standing(&stage.there)), (head, refs));
    assert_eq!(stage.there.read("new.txt"), b"new\n");
    assert_eq!(report.verdict, Verdict::Partial);
    git::git(&stage.there.root, &["cat-file", "-e", &stage.here.head()]);
}

#[test]
fn changes_at_the_target_keep_it_where_it_is() {
    let stage = stage(Format::Sha1);
    work(&stage.here);
    stage.there.write("src/1/4.txt", "edited\n");
    stays(&stage, "not_clean");
    assert_eq!(stage.there.read("src/1/4.txt"), b"edited\n");
}

#[test]
fn an_untracked_file_in_the_way_keeps_it_where_it_is() {
    let stage = stage(Format::Sha1);
    work(&stage.here);
    stage.there.write("blob.bin", "mine\n");
    stays(&stage, "not_clean");
    assert_eq!(stage.there.read("blob.bin"), b"mine\n");
}

#[test]
fn commits_of_the_target_are_never_left_behind() {
    let stage = stage(Format::Sha1);
    work(&stage.here);
    stage.there.write("own.txt", "own\n");
    stage.there.commit("own");
    stays(&stage, "not_fast_forward");
    stage.there.git(&["checkout", "-q", "--detach"]);
    stage.there.git(&["branch", "-q", "-f", "main", "origin/main"]);
    stays(&stage, "not_fast_forward");
}

#[test]
fn a_branch_that_another_work_tree_is_on_stays() {
    let stage = stage(Format::Sha1);
    stage.here.git(&["checkout", "-q", "-b", "topic"]);
    stage.here.commit("topic");
    let other = stage.dir.path().join("other");
    stage.there.git(&["worktree", "add", "-q", "-b", "topic", other.to_str().unwrap()]);
    stays(&stage, "branch_elsewhere");
}

/// Git itself refuses the branch, too.
#[track_caller]
fn in_the_way(stage: &Stage, branch: &str) {
    let refused = git::output(&stage.there.root, &["branch", branch], b"");
    assert!(!refused.status.success(), "git makes {branch}");
    stays(stage, "ref_in_the_way");
    let heads = stage.there.git_dir().join("refs/heads");
    assert!(!heads.join(format!("{branch}.lock")).exists());
}

#[test]
fn a_branch_that_cannot_be_beside_another_ref_is_not_made() {
    for packed in [false, true] {
        for (here, there) in [("a/b", "a"), ("a/b/c", "a"), ("a", "a/b"), ("a", "a/b/c")] {
            let stage = stage(Format::Sha1);
            stage.here.git(&["checkout", "-q", "-b", here]);
            stage.here.commit("on the branch");
            stage.there.git(&["branch", there]);
            if packed {
                stage.there.git(&["pack-refs", "--all"]);
            }
            in_the_way(&stage, here);
        }
    }
}

#[test]
fn names_that_only_look_alike_are_no_hindrance_nor_are_directories_of_refs_that_are_gone() {
    for there in ["ab", "a-b/c", "a.b"] {
        let stage = stage(Format::Sha1);
        stage.here.git(&["checkout", "-q", "-b", "a"]);
        stage.here.commit("on the branch");
        stage.there.git(&["branch", there]);
        std::fs::create_dir_all(stage.there.git_dir().join("refs/heads/a/b/c")).unwrap();
        let before = state(&stage.there);
        let report = apply(&carried(&stage), &stage.there.workspace(), &branch()).unwrap();
        assert_eq!(outcome(&report), (HistoryOutcome::Moved, None), "{there}: {report}");
        assert_eq!(standing(&stage.there), standing(&stage.here));
        undo(&stage.there.workspace(), &report.apply_id.unwrap(), &Control::default()).unwrap();
        assert_eq!(state(&stage.there), before);
    }
}

#[test]
fn an_undo_after_further_commits_leaves_everything_as_it_is() {
    let stage = stage(Format::Sha1);
    work(&stage.here);
    let report = apply(&carried(&stage), &stage.there.workspace(), &branch()).unwrap();
    stage.there.write("later.txt", "later\n");
    stage.there.commit("later");
    let before = state(&stage.there);
    let id = report.apply_id.unwrap();
    let undone = undo(&stage.there.workspace(), &id, &Control::default()).unwrap();
    assert_eq!(state(&stage.there), before);
    assert!(undone.files().all(|(_, file)| file.outcome == Outcome::Skipped && file.reason.as_deref() == Some("head_moved")));
    assert!(undone.to_string().contains("move HEAD and the branch back first"), "{undone}");
    // Done as it says, the same undo goes through.
    stage.there.git(&["reset", "-q", "--hard", "HEAD~1"]);
    assert_eq!(undo(&stage.there.workspace(), &id, &Control::default()).unwrap().verdict, Verdict::Complete);
    assert_eq!(stage.there.head(), git::line(&stage.there.root, &["rev-parse", "origin/main"]));
}

/// Two repositories, the first with files to apply and the second with a commit only, and their targets.
fn two() -> (TempDir, Snapshot, [Repo; 2]) {
    let dir = scratch();
    let [first, second] = ["alpha", "beta"].map(|name| {
        let origin = Repo::init(dir.path().join("origin").join(name), Format::Sha1);
        origin.write("a.txt", format!("{name}\n"));
        origin.commit("first");
        let here = origin.clone_to(dir.path().join("here").join(name));
        here.write("b.txt", "b\n");
        here.commit("unpushed");
        (here, origin.clone_to(dir.path().join("there").join(name)))
    });
    first.0.write("c.txt", "not committed\n");
    let workspace = Workspace::new([&first.0.root, &second.0.root]).unwrap();
    (dir, capture(&workspace, &undisturbed()).unwrap(), [first.1, second.1])
}

fn both(repos: &[Repo; 2]) -> Workspace {
    Workspace::new([&repos[0].root, &repos[1].root]).unwrap()
}

#[test]
fn one_undo_takes_every_repository_back() {
    let (_dir, snapshot, there) = two();
    let before = there.each_ref().map(state);
    let report = apply(&snapshot, &both(&there), &branch()).unwrap();
    for repo in &report.repos {
        assert_eq!(repo.history.as_ref().unwrap().outcome, HistoryOutcome::Moved, "{report}");
    }
    let undone = undo(&both(&there), &report.apply_id.unwrap(), &Control::default()).unwrap();
    assert_eq!(undone.verdict, Verdict::Complete, "{undone}");
    assert_eq!(there.each_ref().map(state), before);
}

#[test]
fn a_refused_apply_leaves_no_repository_moved() {
    let (_dir, snapshot, there) = two();
    // Makes the place of the lock, and takes it.
    std::fs::create_dir_all(there[1].git_dir().join("handoff")).unwrap();
    let lock = std::fs::File::create(there[1].git_dir().join("handoff/lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let before = there.each_ref().map(state);
    let refused = apply(&snapshot, &both(&there), &branch());
    assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
    assert_eq!(there.each_ref().map(state), before);
    drop(lock);
    assert_eq!(apply(&snapshot, &both(&there), &branch()).unwrap().verdict, Verdict::Complete);
}
