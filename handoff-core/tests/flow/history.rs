//! Unpushed commits travel, whole or not at all, and git finds nothing wrong with them where they arrive.

mod branch;
mod cut;
mod hostile;
mod inner;

use handoff_core::snapshot::{HistoryCutReason, HistoryPart};
use handoff_core::{
    ApplyHistory, ApplyOptions, ApplyReport, CaptureOptions, DriftKind, HistoryOutcome, Outcome, Snapshot,
    Verdict, apply, capture, plan, preview,
};
use tempfile::TempDir;

use crate::support::git;
use crate::support::purity::{assert_untouched, fingerprint};
use crate::support::repo::{Format, Repo, scratch, undisturbed};

/// An origin, a clone to work in and a clone to arrive in.
struct Stage {
    dir: TempDir,
    here: Repo,
    there: Repo,
}

fn stage(format: Format) -> Stage {
    let dir = scratch();
    let origin = Repo::init(dir.path().join("origin"), format);
    let text = |n: usize| (0..200).map(|line| format!("{n} {}\n", line * 7919 % 1000)).collect::<String>();
    for n in 0..12 {
        origin.write(format!("src/{}/{n}.txt", n % 3), text(n));
    }
    origin.write("top.txt", "top\n").executable("top.txt", true).link("link", "top.txt");
    origin.commit("first");
    origin.git(&["branch", "side"]);
    origin.write("top.txt", "top\nmore\n");
    origin.commit("second");
    let here = origin.clone_to(dir.path().join("here/app"));
    let there = origin.clone_to(dir.path().join("there/app"));
    Stage { dir, here, there }
}

fn objects() -> ApplyOptions {
    let mut options = ApplyOptions::default();
    options.history = ApplyHistory::Objects;
    options
}

/// Captures, checking that nothing is touched, and goes through a bundle file.
fn carried(stage: &Stage) -> Snapshot {
    let workspace = stage.here.workspace();
    let snapshot = assert_untouched(&[&stage.here.root], || capture(&workspace, &undisturbed())).unwrap();
    assert_planned(&stage.here, &undisturbed(), &snapshot);
    let file = stage.dir.path().join("work.handoff");
    snapshot.save(&file).unwrap();
    let opened = Snapshot::open(&file).unwrap();
    assert_eq!(opened.id(), snapshot.id());
    opened.verify().unwrap();
    opened
}

/// A plan tells how many commits would travel as the capture found them, and why none do where that is known without
/// reading any.
#[track_caller]
fn assert_planned(repo: &Repo, options: &CaptureOptions, captured: &Snapshot) {
    let planned = assert_untouched(&[&repo.root], || plan(&repo.workspace(), options)).unwrap();
    for (planned, captured) in planned.repos.iter().zip(&captured.manifest().repos) {
        let (planned, captured) = match (&planned.history, &captured.history) {
            (Some(planned), Some(captured)) => (planned, captured),
            (planned, captured) => {
                assert!(planned.is_none() && captured.is_none(), "{planned:?}, {captured:?}");
                continue;
            }
        };
        assert_eq!(planned.commits, captured.commits);
        let found = captured.cut.as_ref().map(|cut| cut.reason.clone());
        match &planned.left_out {
            Some(reason) => assert_eq!(found.as_ref(), Some(reason)),
            None => assert!(
                !matches!(found, Some(HistoryCutReason::NoRemote | HistoryCutReason::TooManyCommits)),
                "{found:?}"
            ),
        }
    }
}

fn outcome(report: &ApplyReport) -> (HistoryOutcome, Option<&str>) {
    let history = report.repos[0].history.as_ref().unwrap();
    (history.outcome.clone(), history.reason.as_deref())
}

/// Whether git has all of `commit` and finds it in order.
#[track_caller]
fn assert_whole(repo: &Repo, commit: &str) {
    repo.git(&["rev-list", "--objects", commit]);
    repo.git(&["fsck", "--strict", "--no-dangling", commit]);
}

/// Commits of every kind: new, changed, moved, deleted, merged, empty, binary, executable, links.
fn work(repo: &Repo) {
    repo.write("src/0/0.txt", "rewritten\n").remove("src/1/1.txt");
    repo.commit("change and delete");
    repo.write("blob.bin", (0..=255_u8).cycle().take(9000).collect::<Vec<_>>());
    repo.git(&["mv", "src/2", "moved"]);
    repo.executable("src/0/3.txt", true).link("moved/link", "../top.txt");
    repo.commit("move and add");
    repo.git(&["checkout", "-q", "-b", "topic", "origin/side"]);
    repo.write("topic.txt", "topic\n");
    repo.commit("topic");
    repo.git(&["checkout", "-q", "main"]);
    repo.git(&["merge", "-q", "--no-ff", "-m", "merge", "topic"]);
    repo.commit("empty");
    repo.write(b"n\xFFame.txt", "not UTF-8\n");
    repo.commit("names");
}

#[test]
fn unpushed_commits_travel_beside_uncommitted_work() {
    for format in [Format::Sha1, Format::Sha256] {
        let stage = stage(format);
        work(&stage.here);
        stage.here.write("src/0/0.txt", "rewritten\nand not committed\n").write("new.txt", "new\n");
        let snapshot = carried(&stage);
        let history = snapshot.manifest().repos[0].history.as_ref().unwrap();
        let listed = git::git(&stage.here.root, &["rev-list", "HEAD", "--not", "--remotes"]);
        assert_eq!(history.commits as usize, listed.split(|byte| *byte == b'\n').count() - 1);
        assert!(history.cut.is_none() && !history.parts.is_empty());

        let head = stage.here.head();
        let workspace = stage.there.workspace();
        let before = fingerprint(&stage.there.root);
        let foreseen = preview(&snapshot, &workspace, &objects()).unwrap();
        assert_eq!(fingerprint(&stage.there.root), before, "a preview writes nothing");
        assert_eq!(outcome(&foreseen), (HistoryOutcome::Stored, None));

        let report = apply(&snapshot, &workspace, &objects()).unwrap();
        assert_eq!(outcome(&report), (HistoryOutcome::Stored, None), "{report}");
        assert_eq!(report.repos[0].drift.kind, DriftKind::Behind);
        let told = format!(
            "not pushed at the source were stored here: `git merge {head}` brings them into this branch"
        );
        assert!(report.to_string().contains(&told), "{report}");
        assert_whole(&stage.there, &head);
        let ours = git::git(&stage.here.root, &["log", "--format=%H %T %an %s", &head]);
        assert_eq!(git::git(&stage.there.root, &["log", "--format=%H %T %an %s", &head]), ours);

        let again = apply(&snapshot, &workspace, &objects()).unwrap();
        assert_eq!(outcome(&again), (HistoryOutcome::Present, None));
    }
}

#[test]
fn nothing_is_stored_that_was_not_asked_for() {
    let stage = stage(Format::Sha1);
    work(&stage.here);
    let snapshot = carried(&stage);
    let report = apply(&snapshot, &stage.there.workspace(), &ApplyOptions::default()).unwrap();
    assert_eq!(outcome(&report), (HistoryOutcome::NotAsked, None));
    assert!(report.to_string().contains("apply with history to have them"), "{report}");
    assert!(!git::output(&stage.there.root, &["cat-file", "-e", &stage.here.head()], b"").status.success());
}

#[test]
fn pushed_commits_and_repositories_without_a_remote_have_no_history() {
    let stage = stage(Format::Sha1);
    let none = |repo: &Repo| {
        capture(&repo.workspace(), &undisturbed()).unwrap().manifest().repos[0].history.is_none()
    };
    assert!(none(&stage.here));
    stage.here.commit("unpushed");
    assert!(!none(&stage.here));
    stage.here.git(&["update-ref", "refs/remotes/elsewhere/topic", "HEAD"]);
    assert!(none(&stage.here), "any remote will do");
    let alone = Repo::init(stage.dir.path().join("alone"), Format::Sha1);
    alone.write("a", "a");
    assert!(none(&alone), "no commit at all");
}

#[test]
fn one_more_commit_leaves_the_earlier_parts_as_they_were() {
    let stage = stage(Format::Sha1);
    let mut seed = 1_u64;
    let mut noise = || {
        let mut bytes = Vec::new();
        while bytes.len() < 900_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bytes.extend_from_slice(&seed.to_le_bytes());
        }
        bytes
    };
    for n in 0..6 {
        stage.here.write(format!("noise{n}"), noise());
        stage.here.commit("noise");
    }
    let parts = |snapshot: &Snapshot| -> Vec<HistoryPart> {
        snapshot.manifest().repos[0].history.as_ref().unwrap().parts.clone()
    };
    let before = parts(&carried(&stage));
    stage.here.write("small", "small\n");
    stage.here.commit("small");
    let after = parts(&carried(&stage));
    assert!(before.len() >= 3, "{}", before.len());
    assert_eq!(after[..before.len() - 1], before[..before.len() - 1]);
    let report = apply(&carried(&stage), &stage.there.workspace(), &objects()).unwrap();
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    assert_whole(&stage.there, &stage.here.head());
}

#[test]
fn a_target_without_what_they_build_on_keeps_to_the_files_and_says_so() {
    let stage = stage(Format::Sha1);
    work(&stage.here);
    stage.here.write("new.txt", "new\n");
    let snapshot = carried(&stage);
    let other = Repo::init(stage.dir.path().join("other/app"), Format::Sha1);
    other.write("a", "a");
    other.commit("a");
    let mut options = objects();
    options.map.insert("app".into(), "app".into());
    let report = apply(&snapshot, &other.workspace(), &options).unwrap();
    assert_eq!(outcome(&report), (HistoryOutcome::Failed, Some("prerequisite_missing")));
    assert_eq!(report.verdict, Verdict::Partial);
    assert_eq!(other.read("new.txt"), b"new\n");
    assert!(report.to_string().contains("fetch it and apply again"), "{report}");
}

#[test]
fn a_shallow_clone_of_the_same_commit_is_enough() {
    let stage = stage(Format::Sha1);
    stage.here.write("top.txt", "top\nmore\nand more\n");
    stage.here.commit("unpushed");
    let snapshot = carried(&stage);
    let shallow = stage.dir.path().join("shallow/app");
    let url = format!("file://{}", stage.dir.path().join("origin").display());
    git::git(stage.dir.path(), &["clone", "-q", "--depth=1", "--template=", &url, shallow.to_str().unwrap()]);
    let shallow = Repo { root: shallow };
    let report = apply(&snapshot, &shallow.workspace(), &objects()).unwrap();
    assert_eq!(outcome(&report), (HistoryOutcome::Stored, None), "{report}");
    assert_whole(&shallow, &stage.here.head());
}

/// Of another commit, it lacks the one that they build on, and the files are applied all the same.
#[test]
fn a_shallow_clone_of_another_commit_keeps_to_the_files_and_says_so() {
    let stage = stage(Format::Sha1);
    stage.here.write("top.txt", "top\nmore\nand more\n");
    stage.here.commit("unpushed");
    stage.here.write("src/0/0.txt", "not committed\n").write("new.txt", "new\n");
    let snapshot = carried(&stage);
    let origin = Repo { root: stage.dir.path().join("origin") };
    origin.write("later.txt", "later\n");
    origin.commit("later");
    let root = stage.dir.path().join("shallow/app");
    let url = format!("file://{}", origin.root.display());
    git::git(stage.dir.path(), &["clone", "-q", "--depth=1", "--template=", &url, root.to_str().unwrap()]);
    let shallow = Repo { root };
    for history in [ApplyHistory::Objects, ApplyHistory::Branch] {
        let head = shallow.head();
        let mut options = ApplyOptions::default();
        options.history = history;
        let report = apply(&snapshot, &shallow.workspace(), &options).unwrap();
        assert_eq!(outcome(&report), (HistoryOutcome::Failed, Some("prerequisite_missing")), "{report}");
        assert_eq!(report.repos[0].drift.kind, DriftKind::BaseMissing);
        assert!(report.files().all(|(_, file)| file.outcome == Outcome::Applied), "{report}");
        assert_eq!(shallow.read("src/0/0.txt"), b"not committed\n");
        assert_eq!(shallow.read("new.txt"), b"new\n");
        assert_eq!((shallow.head(), report.verdict), (head, Verdict::Partial), "HEAD stays");
        let id = report.apply_id.unwrap();
        handoff_core::undo(&shallow.workspace(), &id, &options.control).unwrap();
    }
}

#[test]
fn partial_clones_send_and_receive() {
    let stage = stage(Format::Sha1);
    let origin = stage.dir.path().join("origin");
    git::git(&origin, &["config", "uploadpack.allowFilter", "true"]);
    for filter in ["blob:none", "tree:0"] {
        let partial = |name: &str| {
            let root = stage.dir.path().join(filter.replace(':', "-")).join(name).join("app");
            std::fs::create_dir_all(root.parent().unwrap()).unwrap();
            let url = format!("file://{}", origin.display());
            let filter = format!("--filter={filter}");
            git::git(
                stage.dir.path(),
                &["clone", "-q", &filter, "--template=", &url, root.to_str().unwrap()],
            );
            Repo { root }
        };
        let (from, to) = (partial("from"), partial("to"));
        from.write("top.txt", "top\nmore\nand more\n").write("src/0/0.txt", "new\n");
        from.commit("unpushed");
        // Whatever would be fetched from here on is gone.
        git::git(&to.root, &["remote", "set-url", "origin", "file:///nonexistent"]);
        git::git(&from.root, &["remote", "set-url", "origin", "file:///nonexistent"]);
        let snapshot = capture(&from.workspace(), &undisturbed()).unwrap();
        let history = snapshot.manifest().repos[0].history.clone().unwrap();
        assert_eq!((history.commits, history.cut), (1, None), "{filter}");
        let mut options = objects();
        options.map.insert("app".into(), "app".into());
        let report = apply(&snapshot, &to.workspace(), &options).unwrap();
        assert_eq!(outcome(&report), (HistoryOutcome::Stored, None), "{filter}: {report}");
        git::git(&to.root, &["cat-file", "-e", &format!("{}:src/0/0.txt", from.head())]);
    }
}

#[test]
fn generated_histories_list_what_git_lists() {
    for seed in 1..=12_u64 {
        let stage = stage(Format::Sha1);
        let repo = &stage.here;
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut random = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let mut branches = vec!["main".to_owned()];
        for n in 0..12 {
            let at = branches[random(branches.len() as u64) as usize].clone();
            repo.git(&["checkout", "-q", &at]);
            match random(6) {
                0 => {
                    let name = format!("b{n}");
                    repo.git(&["checkout", "-q", "-b", &name]);
                    branches.push(name);
                }
                1 => {
                    let other = branches[random(branches.len() as u64) as usize].clone();
                    repo.git(&["merge", "-q", "--no-ff", "-X", "ours", "-m", "merge", &other]);
                }
                2 => {
                    repo.git(&["update-ref", &format!("refs/remotes/origin/r{n}"), "HEAD~0"]);
                }
                _ => {}
            }
            repo.write(format!("src/{}/{}.txt", random(4), random(6)), format!("{seed} {n} {}\n", random(3)));
            repo.commit("step");
        }
        let snapshot = capture(&repo.workspace(), &undisturbed()).unwrap();
        let listed = git::git(&repo.root, &["rev-list", "HEAD", "--not", "--remotes"]);
        let count = listed.iter().filter(|byte| **byte == b'\n').count() as u64;
        let history = snapshot.manifest().repos[0].history.clone();
        assert_eq!(history.as_ref().map_or(0, |history| history.commits), count, "seed {seed}");
        // What only a ref that was never fetched has is unknown there.
        let mut wanted = Vec::new();
        for id in history.iter().flat_map(|history| &history.prerequisites) {
            wanted.push(id.to_string());
        }
        let bundle = stage.dir.path().join("base.bundle");
        repo.git(&["bundle", "create", "-q", bundle.to_str().unwrap(), "--remotes"]);
        stage.there.git(&["fetch", "-q", bundle.to_str().unwrap(), "refs/remotes/origin/*:refs/remotes/x/*"]);
        let report = apply(&snapshot, &stage.there.workspace(), &objects()).unwrap();
        assert_whole(&stage.there, &repo.head());
        assert_eq!(report.verdict, Verdict::Complete, "seed {seed}: {report}");
    }
}
