//! How two HEADs relate, against `git merge-base` and `git rev-list`.

use handoff_core::{ApplyOptions, Drift, DriftKind, Snapshot, capture, preview};

use crate::support::git;
use crate::support::purity::assert_untouched;
use crate::support::repo::{Format, Repo, scratch, undisturbed};

/// A repository with commits `commits[n]`, whose parents are chosen by a fixed rule: a few roots, lines and merges.
fn history(repo: &Repo, count: usize) -> Vec<String> {
    repo.write("a.txt", "a\n");
    repo.git(&["add", "-A"]);
    let tree = git::line(&repo.root, &["write-tree"]);
    let mut commits: Vec<String> = Vec::new();
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    for number in 0..count {
        let parents = match number {
            0 | 7 => 0,
            _ => 1 + random(2),
        };
        let mut chosen: Vec<usize> = (0..parents).map(|_| number - 1 - random(number.min(5))).collect();
        chosen.sort_unstable();
        chosen.dedup();
        let mut args = vec!["commit-tree".to_owned(), tree.clone(), "-m".to_owned(), number.to_string()];
        for parent in chosen {
            args.extend(["-p".to_owned(), commits[parent].clone()]);
        }
        commits.push(git::line(&repo.root, &args));
    }
    commits
}

/// A snapshot taken with HEAD at `commit`.
fn taken_at(repo: &Repo, commit: &str) -> Snapshot {
    repo.git(&["update-ref", "--no-deref", "HEAD", commit]);
    let snapshot = capture(&repo.workspace(), &undisturbed()).unwrap();
    assert_eq!(snapshot.manifest().repos[0].head.commit.unwrap().to_string(), commit);
    snapshot
}

fn drift(snapshot: &Snapshot, target: &Repo) -> Drift {
    let workspace = target.workspace();
    let report =
        assert_untouched(&[&target.root], || preview(snapshot, &workspace, &ApplyOptions::default()))
            .unwrap();
    report.repos[0].drift.clone()
}

fn expected(repo: &Repo, here: &str, there: &str) -> (DriftKind, u64, u64) {
    let range = format!("{here}...{there}");
    let counts = git::line(&repo.root, &["rev-list", "--left-right", "--count", &range]);
    let counts: Vec<u64> = counts.split_whitespace().map(|count| count.parse().unwrap()).collect();
    let bases = git::output(&repo.root, &["merge-base", here, there], b"");
    let related = bases.status.success();
    let kind = match (counts[0], counts[1]) {
        (0, 0) => DriftKind::Same,
        _ if !related => DriftKind::Unrelated,
        (_, 0) => DriftKind::Ahead,
        (0, _) => DriftKind::Behind,
        _ => DriftKind::Diverged,
    };
    (kind, counts[0], counts[1])
}

#[test]
fn two_heads_relate_as_git_says() {
    for format in [Format::Sha1, Format::Sha256] {
        let scratch = scratch();
        let repo = Repo::init(scratch.path().join("app"), format);
        let commits = history(&repo, 24);
        let target = repo.copy_to(scratch.path().join("target/app"));
        let mut seen = std::collections::BTreeSet::new();
        for (number, there) in commits.iter().enumerate().step_by(2) {
            let snapshot = taken_at(&repo, there);
            for here in commits.iter().skip(number % 3).step_by(3).chain([there]) {
                target.git(&["update-ref", "--no-deref", "HEAD", here]);
                let drift = drift(&snapshot, &target);
                let (kind, ahead, behind) = expected(&repo, here, there);
                assert_eq!(drift.kind, kind, "{here} and {there}: {drift:?}");
                if kind != DriftKind::Same {
                    assert_eq!(
                        (drift.ahead, drift.behind),
                        (Some(ahead), Some(behind)),
                        "{here} and {there}"
                    );
                }
                let needs_nothing = matches!(kind, DriftKind::Same | DriftKind::Ahead);
                assert_eq!(drift.remedy.is_empty(), needs_nothing, "{drift:?}");
                assert!(
                    needs_nothing || drift.remedy.contains(there),
                    "the remedy names the commit: {drift:?}"
                );
                seen.insert(kind.as_str().to_owned());
            }
        }
        assert_eq!(seen.len(), 5, "every relation occurs: {seen:?}");
    }
}

#[test]
fn a_commit_that_is_not_here_is_named_with_its_branch() {
    let scratch = scratch();
    let repo = Repo::init(scratch.path().join("app"), Format::Sha1);
    repo.write("a.txt", "a\n");
    repo.commit("base");
    let target = repo.clone_to(scratch.path().join("target/app"));
    repo.git(&["checkout", "-q", "-b", "topic/x"]);
    let commit = repo.commit("only here");
    let snapshot = capture(&repo.workspace(), &undisturbed()).unwrap();
    let drift = drift(&snapshot, &target);
    assert_eq!(drift.kind, DriftKind::BaseMissing);
    assert!(drift.remedy.contains(&commit) && drift.remedy.contains("topic/x"), "{drift:?}");
    assert_eq!((drift.ahead, drift.behind), (None, None), "what is not here cannot be counted");
}

#[test]
fn unborn_branches_have_no_history_to_compare() {
    let scratch = scratch();
    let unborn = Repo::init(scratch.path().join("app"), Format::Sha1);
    unborn.write("new.txt", "new\n");
    let also = Repo::init(scratch.path().join("target/app"), Format::Sha1);
    let snapshot = capture(&unborn.workspace(), &undisturbed()).unwrap();
    assert_eq!(drift(&snapshot, &also).kind, DriftKind::Same);
    also.write("a.txt", "a\n");
    let commit = also.commit("base");
    let apart = drift(&snapshot, &also);
    assert_eq!(apart.kind, DriftKind::Unrelated);
    assert!(apart.remedy.contains("fresh repository"), "{apart:?}");

    let snapshot = capture(&also.workspace(), &undisturbed()).unwrap();
    let apart = drift(&snapshot, &unborn);
    assert_eq!(apart.kind, DriftKind::BaseMissing);
    assert!(apart.remedy.contains(&commit), "{apart:?}");
}

#[test]
fn a_shallow_target_is_not_called_unrelated() {
    let scratch = scratch();
    let repo = Repo::init(scratch.path().join("app"), Format::Sha1);
    repo.write("a.txt", "a\n");
    for number in 0..4 {
        repo.commit(&number.to_string());
    }
    let there = repo.head();
    repo.git(&["checkout", "-q", "-b", "side", "HEAD~2"]);
    let side = repo.commit("side");
    // Both tips, each without its parents.
    let target = Repo::init(scratch.path().join("target/app"), Format::Sha1);
    let url = format!("file://{}", repo.root.display());
    target.git(&["fetch", "-q", "--depth=1", &url, "main", "side"]);
    target.git(&["fetch", "-q", "--depth=1", &url, "+main:refs/heads/m", "+side:refs/heads/s"]);
    target.git(&["checkout", "-q", &side]);
    let snapshot = taken_at(&repo, &there);
    let drift = drift(&snapshot, &target);
    assert_eq!(drift.kind, DriftKind::Diverged, "{drift:?}");
    assert!(drift.remedy.contains("--unshallow"), "{drift:?}");
    // With the histories whole, git says the same and the remedy is another.
    target.git(&["fetch", "-q", "--unshallow", &url, "main", "side"]);
    let whole = self::drift(&snapshot, &target);
    assert_eq!((whole.kind, whole.ahead, whole.behind), (DriftKind::Diverged, Some(1), Some(2)));
}

#[test]
fn another_hash_is_another_repository() {
    let scratch = scratch();
    let snapshot = {
        let repo = Repo::init(scratch.path().join("app"), Format::Sha1);
        repo.write("a.txt", "a\n");
        repo.commit("base");
        repo.write("a.txt", "b\n");
        capture(&repo.workspace(), &undisturbed()).unwrap()
    };
    let target = Repo::init(scratch.path().join("target/app"), Format::Sha256);
    target.write("a.txt", "a\n");
    target.commit("base");
    let options = {
        let mut options = ApplyOptions::default();
        options.map.insert("app".into(), "app".into());
        options
    };
    let report = preview(&snapshot, &target.workspace(), &options).unwrap();
    assert_eq!(report.repos[0].drift.kind, DriftKind::Unrelated);
    assert!(report.repos[0].drift.remedy.contains("another hash"));
}
