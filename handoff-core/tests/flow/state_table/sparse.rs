//! Sparse checkouts, in cone mode and not: what is absent is not deleted, and what is there counts.

use handoff_core::{Outcome, Verdict};

use super::{Pair, carry, entry, numbered, of, paths, repo};
use crate::support::oracle;
use crate::support::repo::Repo;

const FORMS: [&[&str]; 3] = [
    &["sparse-checkout", "set", "--cone", "kept"],
    &["sparse-checkout", "set", "--cone", "--sparse-index", "kept"],
    &["sparse-checkout", "set", "--no-cone", "/kept/", "/*.txt"],
];

fn pair() -> Pair {
    Pair::new(|base| {
        base.write("kept/in.txt", numbered(&[])).write("out/far.txt", numbered(&[]));
        base.write("out/gone.txt", "gone\n").write("top.txt", "top\n");
    })
}

/// Checks out only a part, with a sparse index where the form says so.
#[track_caller]
fn narrow(repo: &Repo, form: &[&str]) {
    repo.git(form);
    if form.contains(&"--sparse-index") {
        repo.assert_sparse_index();
    }
}

#[test]
fn absent_is_not_deleted() {
    for form in FORMS {
        let pair = pair();
        narrow(&pair.source, form);
        assert!(!pair.source.exists("out/far.txt"));
        pair.source.write("kept/in.txt", numbered(&[(3, "edited")])).write("kept/new.txt", "new\n");
        pair.source.remove("top.txt");
        let snapshot = pair.snapshot();
        assert_eq!(paths(repo(&snapshot, "app")), ["kept/in.txt", "kept/new.txt", "top.txt"], "{form:?}");
        let report = carry(&snapshot, &pair.target);
        assert_eq!(report.verdict, Verdict::Complete, "{report}");
        assert!(pair.target.exists("out/far.txt") && !pair.target.exists("top.txt"), "{form:?}");
        let (ours, theirs) = (oracle::state(&pair.source).status, oracle::state(&pair.target).status);
        assert_eq!(ours, theirs, "{form:?}");
    }
}

#[test]
fn an_edited_file_outside_the_cone() {
    for form in FORMS {
        for same_cone in [false, true] {
            let pair = pair();
            narrow(&pair.source, form);
            if same_cone {
                narrow(&pair.target, form);
            }
            pair.source.write("out/far.txt", numbered(&[(3, "edited")])).write("out/new.txt", "new\n");
            let snapshot = pair.snapshot();
            assert_eq!(paths(repo(&snapshot, "app")), ["out/far.txt", "out/new.txt"], "{form:?}");
            let report = carry(&snapshot, &pair.target);
            assert_eq!(report.verdict, Verdict::Complete, "{report}");
            assert_eq!(pair.target.read("out/far.txt"), pair.source.read("out/far.txt"));
            assert_eq!(pair.target.read("out/new.txt"), b"new\n");
            assert_eq!(pair.target.exists("out/gone.txt"), !same_cone, "{form:?}");
            let (ours, theirs) = (oracle::state(&pair.source).status, oracle::state(&pair.target).status);
            assert_eq!(ours, theirs, "{form:?}");
        }
    }
}

#[test]
fn a_staged_change_outside_the_cone() {
    for form in FORMS {
        let pair = pair();
        narrow(&pair.source, form);
        pair.source.write("out/far.txt", numbered(&[(3, "staged")]));
        pair.source.git(&["add", "--sparse", "out/far.txt"]);
        pair.source.git(&["rm", "-q", "--sparse", "--cached", "out/gone.txt"]);
        let snapshot = pair.snapshot();
        assert_eq!(paths(repo(&snapshot, "app")), ["out/far.txt", "out/gone.txt"], "{form:?}");
        let report = carry(&snapshot, &pair.target);
        assert_eq!(report.verdict, Verdict::Complete, "{report}");
        let staged = |repo: &Repo| repo.git(&["diff", "--cached", "--raw"]);
        assert_eq!(staged(&pair.source), staged(&pair.target), "{form:?}");
    }
}

#[test]
fn a_staged_change_that_is_not_checked_out() {
    let pair = pair();
    pair.source.write("out/far.txt", numbered(&[(3, "staged")]));
    pair.source.git(&["add", "-A"]);
    // The file leaves the work tree, the staged change stays.
    pair.source.git(&["update-index", "--skip-worktree", "out/far.txt"]);
    pair.source.remove("out/far.txt");
    let snapshot = pair.snapshot();
    let far = entry(repo(&snapshot, "app"), "out/far.txt");
    assert!(far.worktree.is_some() && far.flags.skip_worktree, "absent is not deleted: {far:?}");
    let report = carry(&snapshot, &pair.target);
    assert_eq!(of(&report, "out/far.txt").outcome, Outcome::Applied, "{report}");
    assert_eq!(pair.target.read("out/far.txt"), numbered(&[(3, "staged")]).as_bytes());
    let staged = |repo: &Repo| repo.git(&["diff", "--cached", "--raw"]);
    assert_eq!(staged(&pair.source), staged(&pair.target));
}

#[test]
fn a_deletion_at_a_target_that_has_not_checked_the_file_out() {
    for form in FORMS {
        let pair = pair();
        narrow(&pair.target, form);
        pair.source.remove("out/gone.txt");
        let report = pair.carry();
        // Nothing is there to be removed; that git counts it as present has to be said, not passed over.
        let file = of(&report, "out/gone.txt");
        assert_eq!(
            (&file.outcome, file.reason.as_deref()),
            (&Outcome::Skipped, Some("not_checked_out")),
            "{form:?}: {file:?}"
        );
        assert!(file.message.is_some(), "{form:?}: {file:?}");
        assert!(!pair.target.exists("out/gone.txt"));
    }
}
