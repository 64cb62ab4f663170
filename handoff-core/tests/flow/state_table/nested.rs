//! Repositories in repositories, and git directories in odd places: each is an entry of its own.

use std::fs;

use handoff_core::{DriftKind, Error, FindingKind, Outcome, Verdict, Workspace};

use super::{Pair, carry, entry, listed, of, paths, repo, status, travelled};
use crate::support::repo::{Format, Repo, scratch};
use crate::support::{git, oracle};

/// An app with the submodule `sub`, checked out in both clones.
struct WithSubmodule {
    pair: Pair,
    source: Repo,
    target: Repo,
}

fn with_submodule() -> WithSubmodule {
    let pair = Pair::new(|base| {
        let lib = Repo::init(base.root.parent().unwrap().join("lib"), Format::Sha1);
        lib.write("lib.txt", "lib\n").write("other.txt", "other\n");
        lib.commit("lib");
        base.write("a.txt", "a\n");
        add_submodule(base, &lib, "sub");
    });
    for clone in [&pair.source, &pair.target] {
        clone.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init"]);
    }
    let (source, target) = (Repo { root: pair.source.at("sub") }, Repo { root: pair.target.at("sub") });
    WithSubmodule { pair, source, target }
}

fn add_submodule(to: &Repo, lib: &Repo, path: &str) {
    let url = lib.root.to_str().unwrap();
    to.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", url, path]);
}

#[test]
fn an_untracked_nested_repository() {
    let pair = Pair::new(|base| {
        base.write("a.txt", "a\n");
    });
    let inner = Repo::init(pair.source.at("tools/inner"), Format::Sha1);
    inner.write("one.txt", "one\n");
    inner.commit("inner");
    // The target has a clone of it at the same place.
    inner.clone_to(pair.target.at("tools/inner"));
    inner.write("one.txt", "edited\n").write("two.txt", "two\n");
    inner.git(&["add", "two.txt"]);
    let snapshot = pair.snapshot();
    assert_eq!(paths(repo(&snapshot, "app")), Vec::<String>::new(), "not the outer repository's files");
    assert_eq!(paths(repo(&snapshot, "app/tools/inner")), ["one.txt", "two.txt"]);
    let report = carry(&snapshot, &pair.target);
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    let there = Repo { root: pair.target.at("tools/inner") };
    assert_eq!(oracle::difference(&oracle::state(&inner), &oracle::state(&there)), "");
    assert_eq!(git::git(&pair.target.root, &["ls-files", "-s", "tools"]), b"", "no gitlink is written");
}

#[test]
fn an_untracked_nested_repository_that_the_target_lacks_is_listed_path_by_path() {
    for commits in [true, false] {
        let pair = Pair::new(|base| {
            base.write("a.txt", "a\n");
        });
        let inner = Repo::init(pair.source.at("inner"), Format::Sha1);
        inner.write("one.txt", "one\n");
        if commits {
            inner.commit("inner");
        }
        inner.write("two.txt", "two\n");
        pair.source.write("b.txt", "b\n");
        let snapshot = pair.snapshot();
        let expected: &[&str] = if commits { &["two.txt"] } else { &["one.txt", "two.txt"] };
        assert_eq!(paths(repo(&snapshot, "app/inner")), expected);
        let report = carry(&snapshot, &pair.target);
        assert_eq!(of(&report, "b.txt").outcome, Outcome::Applied);
        let told = &report.repos[1];
        assert_eq!(
            (told.drift.kind.clone(), report.verdict.clone()),
            (DriftKind::NoTarget, Verdict::Partial)
        );
        assert!(told.findings.iter().any(|f| f.kind == FindingKind::NoTarget), "{told:?}");
        assert!(told.files.iter().all(|f| f.reason.as_deref() == Some("no_target")), "{told:?}");
        assert_eq!(told.files.len(), expected.len());
        assert!(!pair.target.exists("inner"), "a repository is never made by an apply");
    }
}

#[test]
fn an_empty_nested_repository_costs_nothing_else() {
    let pair = Pair::new(|base| {
        base.write("a.txt", "a\n");
    });
    Repo::init(pair.source.at("empty"), Format::Sha1);
    pair.source.write("b.txt", "b\n").write("a.txt", "edited\n");
    let snapshot = pair.snapshot();
    assert_eq!(paths(repo(&snapshot, "app")), ["a.txt", "b.txt"]);
    assert_eq!(paths(repo(&snapshot, "app/empty")), Vec::<String>::new());
    let report = carry(&snapshot, &pair.target);
    assert_eq!(report.count(&Outcome::Applied), 2);
}

#[test]
fn dirty_content_of_a_submodule() {
    let scene = with_submodule();
    scene.source.write("lib.txt", "edited\n").write("new.txt", "new\n").remove("other.txt");
    scene.source.git(&["add", "new.txt"]);
    scene.pair.source.write("a.txt", "edited\n");
    let snapshot = scene.pair.snapshot();
    assert!(repo(&snapshot, "app/sub").flags.submodule);
    assert_eq!(paths(repo(&snapshot, "app")), ["a.txt"], "the commit of the submodule is as it was");
    assert_eq!(paths(repo(&snapshot, "app/sub")), ["lib.txt", "new.txt", "other.txt"]);
    let report = scene.pair.there_and_back();
    assert_eq!(report.repos.len(), 2);
}

#[test]
fn local_commits_of_a_submodule_are_listed_and_its_edits_travel() {
    let scene = with_submodule();
    scene.source.write("lib.txt", "committed\n");
    let commit = scene.source.commit("local");
    scene.source.write("lib.txt", "committed\nand edited\n");
    let snapshot = scene.pair.snapshot();
    let link = entry(repo(&snapshot, "app"), "sub");
    assert_eq!(link.worktree.as_ref().unwrap().oid.map(|oid| oid.to_string()), Some(commit.clone()));
    assert_eq!(repo(&snapshot, "app/sub").head.commit.map(|oid| oid.to_string()), Some(commit.clone()));
    let before = scene.target.head();
    let report = carry(&snapshot, &scene.pair.target);
    let file = of(&report, "sub");
    assert_eq!((&file.outcome, file.reason.as_deref()), (&Outcome::Skipped, Some("type_not_allowed")));
    assert!(file.message.as_deref().unwrap_or_default().contains(&commit[..7]), "{file:?}");
    assert_ne!(report.verdict, Verdict::Complete);
    assert_eq!(scene.target.head(), before, "HEAD of the submodule stays");
    // Its file was as committed there, so the edit rests on another version, which travels with it.
    let edit = of(&report, "lib.txt");
    assert_eq!((&edit.outcome, &report.repos[1].drift.kind), (&Outcome::Conflict, &DriftKind::BaseMissing));
    assert!(edit.incoming.is_some());
}

#[test]
fn a_staged_commit_of_a_submodule_is_listed() {
    let scene = with_submodule();
    scene.source.write("lib.txt", "committed\n");
    scene.source.commit("local");
    scene.pair.source.git(&["add", "sub"]);
    let report = scene.pair.carry();
    let file = of(&report, "sub");
    assert_eq!((&file.outcome, file.reason.as_deref()), (&Outcome::Skipped, Some("type_not_allowed")));
    assert!(status(&scene.pair.target).is_empty(), "{:?}", status(&scene.pair.target));
}

#[test]
fn a_submodule_that_is_added_or_removed_is_listed() {
    let scene = with_submodule();
    let lib = Repo { root: scene.pair.origin.root.parent().unwrap().join("lib") };
    add_submodule(&scene.pair.source, &lib, "added");
    scene.pair.source.git(&["rm", "-q", "--cached", "sub"]);
    fs::remove_dir_all(scene.pair.source.at("sub")).unwrap();
    let report = scene.pair.carry();
    for path in ["sub", "added"] {
        let file = of(&report, path);
        assert_eq!(
            (&file.outcome, file.reason.as_deref()),
            (&Outcome::Skipped, Some("type_not_allowed")),
            "{file:?}"
        );
    }
    assert_eq!(of(&report, ".gitmodules").outcome, Outcome::Applied);
    assert!(scene.pair.target.exists("sub/lib.txt"), "a submodule is never removed by an apply");
}

#[test]
fn an_uninitialised_submodule_is_no_change_and_files_in_it_are_listed() {
    let scene = with_submodule();
    scene.pair.source.git(&["submodule", "--quiet", "deinit", "-f", "sub"]);
    scene.pair.source.write("a.txt", "edited\n");
    let snapshot = scene.pair.snapshot();
    assert_eq!(paths(repo(&snapshot, "app")), ["a.txt"]);
    assert!(listed(repo(&snapshot, "app")).is_empty());
    scene.pair.source.write("sub/stray.txt", "somebody's work\n");
    let snapshot = scene.pair.snapshot();
    let expected = [("sub/".to_owned(), "submodule_uninitialised".to_owned())];
    assert_eq!(listed(repo(&snapshot, "app")), expected);
    let report = carry(&snapshot, &scene.pair.target);
    assert_eq!(of(&report, "sub/").outcome, Outcome::NotCaptured);
    assert_eq!(report.verdict, Verdict::Partial);
}

#[test]
fn work_in_a_submodule_that_the_target_has_not_checked_out_is_listed() {
    let scene = with_submodule();
    scene.pair.target.git(&["submodule", "--quiet", "deinit", "-f", "sub"]);
    scene.source.write("lib.txt", "edited\n");
    let report = scene.pair.carry();
    let file = of(&report, "lib.txt");
    assert_eq!((&file.outcome, file.reason.as_deref()), (&Outcome::Skipped, Some("no_target")));
    let told = &report.repos[1].findings[0];
    assert!(told.message.contains("git submodule update --init"), "the remedy is named: {told:?}");
    assert!(!scene.pair.target.exists("sub/lib.txt"));
}

#[test]
fn a_submodule_of_a_submodule() {
    let scratch = scratch();
    let at = |name: &str| scratch.path().join(name);
    let leaf = Repo::init(at("origin/leaf"), Format::Sha1);
    leaf.write("leaf.txt", "leaf\n");
    leaf.commit("leaf");
    let mid = Repo::init(at("origin/mid"), Format::Sha1);
    mid.write("mid.txt", "mid\n");
    add_submodule(&mid, &leaf, "leaf");
    mid.commit("mid");
    let app = Repo::init(at("origin/app"), Format::Sha1);
    add_submodule(&app, &mid, "mid");
    app.commit("app");
    let (source, target) = (app.clone_to(at("laptop/app")), app.clone_to(at("cloud/app")));
    for clone in [&source, &target] {
        let update = ["submodule", "--quiet", "update", "--init", "--recursive"];
        clone.git(&[&["-c", "protocol.file.allow=always"][..], &update].concat());
    }
    source.write("mid/leaf/leaf.txt", "edited\n").write("mid/mid.txt", "edited\n");
    let snapshot = travelled(&[&source]);
    let names: Vec<_> = snapshot.manifest().repos.iter().map(|repo| repo.name.as_str()).collect();
    assert_eq!(names, ["app", "app/mid", "app/mid/leaf"]);
    let report = carry(&snapshot, &target);
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    assert_eq!(oracle::difference(&oracle::state(&source), &oracle::state(&target)), "");
}

#[test]
fn a_linked_worktree() {
    let pair = Pair::new(|base| {
        base.write("a.txt", "a\n");
    });
    // One inside the main work tree and one beside it.
    for at in [pair.source.at(".trees/inside"), pair.scratch.path().join("laptop/beside")] {
        let linked = Repo { root: at };
        pair.source.git(&["worktree", "add", "-q", "--detach", linked.root.to_str().unwrap()]);
        linked.write("a.txt", "edited\n").write("new.txt", "new\n");
        linked.git(&["add", "new.txt"]);
        let there = Repo { root: pair.scratch.path().join("cloud").join(linked.root.file_name().unwrap()) };
        pair.target.git(&["worktree", "add", "-q", "--detach", there.root.to_str().unwrap()]);
        let snapshot = travelled(&[&linked]);
        assert!(snapshot.manifest().repos[0].flags.linked_worktree);
        let report = carry(&snapshot, &there);
        assert_eq!(report.verdict, Verdict::Complete, "{report}");
        assert_eq!(oracle::difference(&oracle::state(&linked), &oracle::state(&there)), "");
    }
    // From the main work tree, the one inside is a repository of its own and the one beside is another's business.
    let snapshot = pair.snapshot();
    assert_eq!(paths(repo(&snapshot, "app")), Vec::<String>::new());
    assert_eq!(paths(repo(&snapshot, "app/.trees/inside")), ["a.txt", "new.txt"]);
    assert_eq!(snapshot.manifest().repos.len(), 2);
}

#[test]
fn a_worktree_of_a_bare_repository() {
    let pair = Pair::new(|base| {
        base.write("a.txt", "a\n");
    });
    let bare = pair.scratch.path().join("laptop/store.git");
    let parent = bare.parent().unwrap();
    let (from, to) = (pair.origin.root.to_str().unwrap(), bare.to_str().unwrap());
    git::git(parent, &["clone", "-q", "--bare", "--no-local", "--template=", from, to]);
    let linked = Repo { root: pair.scratch.path().join("laptop/tree/app") };
    git::git(&bare, &["worktree", "add", "-q", linked.root.to_str().unwrap(), "main"]);
    linked.write("a.txt", "edited\n").write("new.txt", "new\n");
    let snapshot = travelled(&[&linked]);
    let told = repo(&snapshot, "app");
    assert!(told.flags.linked_worktree);
    assert_eq!(told.head.branch.as_deref(), Some("main"));
    let report = carry(&snapshot, &pair.target);
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    assert_eq!(oracle::difference(&oracle::state(&linked), &oracle::state(&pair.target)), "");
    let refused = Workspace::new([&bare]).unwrap_err();
    assert!(matches!(refused, Error::BareRepository { .. }), "{refused}");
}

#[test]
fn a_separate_git_directory_and_core_worktree() {
    let pair = Pair::new(|base| {
        base.write("a.txt", "a\n");
    });
    let meta = pair.scratch.path().join("meta.git");
    let separate = ["init", "-q", "--separate-git-dir", meta.to_str().unwrap()];
    pair.source.git(&separate);
    pair.source.write("a.txt", "edited\n").write("new.txt", "new\n");
    pair.there_and_back();

    // `core.worktree` that names the very directory is what git writes for submodules.
    let root = pair.source.root.to_str().unwrap();
    git::git(&meta, &["config", "core.worktree", root]);
    pair.there_and_back();
    // Without a link in the work tree only the git directory knows where it is, as with repositories of dotfiles. Who
    // names that directory is told what to do, and is not led to files elsewhere by a setting.
    pair.source.remove(".git");
    let refused = Workspace::new([&meta]).unwrap_err();
    assert_eq!(refused.kind().as_str(), "unsupported", "{refused}");
    assert!(refused.to_string().contains("gitdir: "), "{refused}");
    pair.source.write(".git", format!("gitdir: {}\n", meta.display()));
    pair.there_and_back();
}

#[test]
fn core_worktree_elsewhere_is_refused_by_name() {
    let pair = Pair::new(|base| {
        base.write("a.txt", "a\n");
    });
    let elsewhere = pair.scratch.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    pair.source.git(&["config", "core.worktree", elsewhere.to_str().unwrap()]);
    let refused = Workspace::new([&pair.source.root]).unwrap_err();
    assert_eq!(refused.kind().as_str(), "unsupported", "{refused}");
    assert!(refused.to_string().contains("core.worktree"), "{refused}");
}
