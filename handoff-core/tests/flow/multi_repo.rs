//! Workspaces of several repositories: each is a result of its own.

use std::fs;

use handoff_core::{
    ApplyOptions, CaptureOptions, Control, DriftKind, FindingKind, Outcome, Snapshot, Verdict, Workspace,
    apply, capture, undo,
};

use crate::support::git;
use crate::support::oracle;
use crate::support::purity::assert_untouched;
use crate::support::repo::{Format, Repo, scratch};

fn repo(root: &std::path::Path, name: &str) -> Repo {
    let repo = Repo::init(root.join(name), Format::Sha1);
    repo.write("name.txt", format!("{name}\n")).write("shared.txt", "shared\n");
    repo.commit(name);
    repo
}

#[track_caller]
fn pure_capture(repos: &[&Repo]) -> Snapshot {
    let roots: Vec<_> = repos.iter().map(|repo| repo.root.as_path()).collect();
    let workspace = Workspace::new(&roots).unwrap();
    assert_untouched(&roots, || capture(&workspace, &CaptureOptions::default())).unwrap()
}

fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.manifest().repos.iter().map(|repo| repo.name.as_str()).collect()
}

#[test]
fn each_repository_finds_its_own() {
    let scratch = scratch();
    let (here, there) = (scratch.path().join("here"), scratch.path().join("there"));
    let sources: Vec<_> = ["app", "lib", "tool"].iter().map(|name| repo(&here, name)).collect();
    // Other names and another order at the target: what a repository is, is not what its directory is called.
    let targets: Vec<_> =
        sources.iter().zip(["c", "b", "a"]).map(|(source, name)| source.copy_to(there.join(name))).collect();
    for (number, source) in sources.iter().enumerate() {
        source.write("name.txt", format!("edited {number}\n")).write("new.txt", format!("new {number}\n"));
    }
    let snapshot = pure_capture(&sources.iter().collect::<Vec<_>>());
    assert_eq!(names(&snapshot), ["app", "lib", "tool"]);
    let workspace = Workspace::new(targets.iter().map(|target| &target.root)).unwrap();
    let report = apply(&snapshot, &workspace, &ApplyOptions::default()).unwrap();
    assert_eq!(oracle::unsound(snapshot.manifest(), &report), "");
    assert_eq!(report.verdict, Verdict::Complete, "{report:?}");
    for (source, target) in sources.iter().zip(&targets) {
        assert_eq!(oracle::difference(&oracle::state(source), &oracle::state(target)), "");
        let told =
            report.repos.iter().find(|r| Some(r.name.as_str()) == source.root.file_name().unwrap().to_str());
        assert_eq!(
            told.unwrap().target.as_deref().map(|t| t.canonicalize().unwrap()),
            Some(target.root.canonicalize().unwrap())
        );
    }
    let id = report.apply_id.expect("one id for all of them");
    let undone = undo(&workspace, &id, &ApplyOptions::default().control).unwrap();
    assert_eq!(undone.repos.len(), 3);
    for target in &targets {
        assert!(oracle::state(target).status.is_empty(), "{:?}", target.root);
    }
}

#[test]
fn one_damaged_repository_does_not_cost_the_others() {
    let scratch = scratch();
    let repos: Vec<_> = ["app", "broken", "lib"].iter().map(|name| repo(scratch.path(), name)).collect();
    for repo in &repos {
        repo.write("new.txt", "new\n");
    }
    fs::write(repos[1].git_dir().join("index"), "damaged").unwrap();
    let snapshot = pure_capture(&repos.iter().collect::<Vec<_>>());
    assert_eq!(names(&snapshot), ["app", "broken", "lib"]);
    let manifest = snapshot.manifest();
    for repo in [&manifest.repos[0], &manifest.repos[2]] {
        assert_eq!(repo.failed, None);
        assert_eq!(repo.entries.len(), 1);
    }
    let failed = manifest.repos[1].failed.as_ref().expect("the damage is told of");
    assert_eq!(failed.kind, "repository");
    assert!(
        !failed.message.contains(scratch.path().to_str().unwrap()),
        "no absolute path travels: {failed:?}"
    );

    let targets: Vec<_> = ["app", "lib"]
        .iter()
        .map(|name| {
            let target =
                Repo { root: scratch.path().join(name) }.copy_to(scratch.path().join("there").join(name));
            target.remove("new.txt");
            target
        })
        .collect();
    let workspace = Workspace::new(targets.iter().map(|target| &target.root)).unwrap();
    let report = apply(&snapshot, &workspace, &ApplyOptions::default()).unwrap();
    assert_eq!(oracle::unsound(manifest, &report), "");
    assert_eq!(report.verdict, Verdict::Partial);
    let broken = report.repos.iter().find(|repo| repo.name == "broken").unwrap();
    assert!(broken.findings.iter().any(|finding| finding.kind == FindingKind::CaptureFailed), "{broken:?}");
    for target in &targets {
        assert_eq!(target.read("new.txt"), b"new\n");
    }
}

#[test]
fn a_repository_without_a_match_is_told_of() {
    let scratch = scratch();
    let (app, lib) = (repo(scratch.path(), "app"), repo(scratch.path(), "lib"));
    app.write("new.txt", "new\n");
    lib.write("new.txt", "new\n");
    let snapshot = pure_capture(&[&app, &lib]);
    let target = app.copy_to(scratch.path().join("there/app"));
    target.remove("new.txt");
    let report = apply(&snapshot, &target.workspace(), &ApplyOptions::default()).unwrap();
    assert_eq!(oracle::unsound(snapshot.manifest(), &report), "");
    assert_eq!(report.verdict, Verdict::Partial);
    let told = |name: &str| report.repos.iter().find(|repo| repo.name == name).unwrap();
    assert_eq!(told("app").drift.kind, DriftKind::Same);
    assert_eq!(told("lib").drift.kind, DriftKind::NoTarget);
    assert_eq!(told("lib").target, None);
    assert!(told("lib").files.iter().all(|file| file.outcome == Outcome::Skipped), "{:?}", told("lib").files);
    assert_eq!(target.read("new.txt"), b"new\n");
}

#[test]
fn a_map_decides_where_identity_cannot() {
    let scratch = scratch();
    let source = repo(&scratch.path().join("here"), "app");
    source.write("new.txt", "new\n");
    let snapshot = pure_capture(&[&source]);
    // Two checkouts of the same repository: either could be meant.
    let targets: Vec<_> = ["one", "two"]
        .iter()
        .map(|name| {
            let target = source.copy_to(scratch.path().join("there").join(name));
            target.remove("new.txt");
            target
        })
        .collect();
    let workspace = Workspace::new(targets.iter().map(|target| &target.root)).unwrap();
    let mut options = ApplyOptions::default();
    options.map.insert("app".into(), "two".into());
    let report = apply(&snapshot, &workspace, &options).unwrap();
    assert_eq!(report.verdict, Verdict::Complete, "{report:?}");
    assert!(!targets[0].exists("new.txt"));
    assert_eq!(targets[1].read("new.txt"), b"new\n");

    options.map.insert("app".into(), "three".into());
    match apply(&snapshot, &workspace, &options) {
        Err(error) => {
            assert_eq!(error.kind().as_str(), "invalid_argument");
            assert!(error.to_string().contains("three"), "{error}");
        }
        Ok(report) => assert_eq!(report.verdict, Verdict::NothingApplied, "{report:?}"),
    }
}

#[test]
fn a_clone_is_known_by_its_remote_or_its_first_commit() {
    let scratch = scratch();
    let origin = repo(scratch.path(), "origin");
    let clones: Vec<_> =
        ["one", "two"].iter().map(|name| origin.clone_to(scratch.path().join(name))).collect();
    for clone in &clones {
        clone.git(&["remote", "set-url", "origin", "https://user:secret@example.com/team/app.git"]);
    }
    clones[1].git(&["remote", "set-url", "origin", "git@example.com:team/app"]);
    clones[0].write("new.txt", "new\n");
    let snapshot = pure_capture(&[&clones[0]]);
    let text = serde_json::to_string(snapshot.manifest()).unwrap();
    assert!(!text.contains("secret") && !text.contains("user"), "credentials do not travel: {text}");
    assert_eq!(snapshot.manifest().repos[0].id.remotes, ["example.com/team/app"]);
    let report = apply(&snapshot, &clones[1].workspace(), &ApplyOptions::default()).unwrap();
    assert_eq!(report.verdict, Verdict::Complete, "{report:?}");
    assert_eq!(clones[1].read("new.txt"), b"new\n");
}

#[test]
fn a_nested_repository_is_never_mistaken_for_files() {
    let scratch = scratch();
    let outer = repo(scratch.path(), "outer");
    let nested = repo(&outer.root, "nested");
    nested.write("inner-new.txt", "new\n");
    outer.write("new.txt", "new\n");
    let snapshot = pure_capture(&[&outer]);
    let manifest = &snapshot.manifest().repos[0];
    let paths: Vec<_> = manifest.entries.iter().map(|entry| entry.path.to_string()).collect();
    assert_eq!(paths, ["new.txt"], "the files of another repository are not this one's");
    // It is a repository of its own, or it is named as left out; it is never passed over.
    let told = names(&snapshot).contains(&"outer/nested")
        || manifest.omissions.iter().any(|omission| omission.path.as_bytes().starts_with(b"nested"));
    assert!(told, "{:?} {:?}", names(&snapshot), manifest.omissions);

    let target = repo(&scratch.path().join("there"), "unused");
    drop(target);
    let target = outer.copy_to(scratch.path().join("there/outer"));
    target.remove("new.txt");
    fs::remove_file(target.at("nested/inner-new.txt")).unwrap();
    let report = apply(&snapshot, &target.workspace(), &ApplyOptions::default()).unwrap();
    assert_eq!(oracle::unsound(snapshot.manifest(), &report), "");
    assert_eq!(target.read("new.txt"), b"new\n");
    let git_link = git::git(&target.root, &["ls-files", "-s", "nested"]);
    assert!(git_link.is_empty(), "no gitlink is ever written");
    // The apply reached the inner one by its name; the undo has to find it.
    assert_eq!(target.read("nested/inner-new.txt"), b"new\n");
    let undone = undo(&target.workspace(), &report.apply_id.unwrap(), &Control::default()).unwrap();
    assert_eq!(undone.repos.len(), 2);
    assert!(!target.exists("new.txt") && !target.exists("nested/inner-new.txt"));
}

#[test]
fn an_apply_that_wrote_in_a_nested_repository_only_can_be_undone() {
    let scratch = scratch();
    let outer = repo(scratch.path(), "outer");
    let nested = repo(&outer.root, "nested");
    let target = outer.copy_to(scratch.path().join("there/outer"));
    nested.write("inner-new.txt", "new\n");
    let report = apply(&pure_capture(&[&outer]), &target.workspace(), &ApplyOptions::default()).unwrap();
    assert_eq!(target.read("nested/inner-new.txt"), b"new\n");
    undo(&target.workspace(), &report.apply_id.unwrap(), &Control::default()).unwrap();
    assert!(!target.exists("nested/inner-new.txt"));
}

#[test]
fn naming_a_repository_twice_is_naming_it_once() {
    let scratch = scratch();
    let app = repo(scratch.path(), "app");
    app.write("sub/file.txt", "x\n");
    let workspace = Workspace::new([app.root.clone(), app.at("sub"), app.root.join(".")]).unwrap();
    assert_eq!(workspace.repos().len(), 1);
    assert_eq!(workspace.repos()[0].name, "app");
    // Two of one name are told apart.
    let other = repo(&scratch.path().join("elsewhere"), "app");
    let workspace = Workspace::new([&app.root, &other.root]).unwrap();
    let mut names: Vec<_> = workspace.repos().iter().map(|repo| repo.name.clone()).collect();
    names.dedup();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn a_linked_work_tree_is_a_checkout_like_any_other() {
    let scratch = scratch();
    let main = repo(scratch.path(), "main");
    let linked = Repo { root: scratch.path().join("linked") };
    main.git(&["worktree", "add", "-q", "-b", "side", linked.root.to_str().unwrap()]);
    linked.write("name.txt", "edited\n").write("new.txt", "new\n");
    let workspace = Workspace::new([&linked.root]).unwrap();
    let snapshot =
        assert_untouched(&[&main.root, &linked.root], || capture(&workspace, &CaptureOptions::default()))
            .unwrap();
    let captured = &snapshot.manifest().repos[0];
    assert!(captured.flags.linked_worktree);
    assert_eq!(captured.head.branch.as_deref(), Some("side"));
    assert_eq!(captured.entries.len(), 2);

    let other = Repo { root: scratch.path().join("other") };
    main.git(&["worktree", "add", "-q", "-b", "other", other.root.to_str().unwrap()]);
    let report = apply(&snapshot, &Workspace::new([&other.root]).unwrap(), &ApplyOptions::default()).unwrap();
    assert_eq!(report.verdict, Verdict::Complete, "{report:?}");
    assert_eq!(other.read("new.txt"), b"new\n");
    assert!(oracle::state(&main).status.is_empty(), "the other checkouts are not touched");
    let undone = undo(
        &Workspace::new([&other.root]).unwrap(),
        &report.apply_id.unwrap(),
        &ApplyOptions::default().control,
    )
    .unwrap();
    assert_eq!(undone.count(&Outcome::Applied), 2);
    assert!(oracle::state(&other).status.is_empty());
}

#[test]
fn shallow_and_sparse_checkouts_are_captured_as_they_are() {
    let scratch = scratch();
    let origin = repo(scratch.path(), "origin");
    origin.write("kept/in.txt", "in\n").write("left/out.txt", "out\n");
    origin.commit("second");
    let clone = Repo { root: scratch.path().join("clone") };
    let url = format!("file://{}", origin.root.display());
    git::git(
        scratch.path(),
        &["clone", "-q", "--depth=1", "--template=", &url, clone.root.to_str().unwrap()],
    );
    clone.git(&["sparse-checkout", "set", "--cone", "kept"]);
    assert!(!clone.exists("left/out.txt"));
    clone.write("kept/in.txt", "edited\n");
    let snapshot = pure_capture(&[&clone]);
    let captured = &snapshot.manifest().repos[0];
    assert!(captured.flags.shallow && captured.flags.sparse, "{:?}", captured.flags);
    let paths: Vec<_> = captured.entries.iter().map(|entry| entry.path.to_string()).collect();
    assert_eq!(paths, ["kept/in.txt"], "what is not checked out is not deleted");

    // A sparse index holds whole directories as one entry.
    clone.git(&["sparse-checkout", "reapply", "--sparse-index"]);
    clone.assert_sparse_index();
    assert_eq!(pure_capture(&[&clone]).manifest().repos[0].entries, captured.entries);
}

/// A checkout with a repository inside, both changed by one apply.
fn with_one_inside(scratch: &std::path::Path) -> (Repo, handoff_core::ApplyReport) {
    let base = Repo::init(scratch.join("base/app"), Format::Sha1);
    base.write("a.txt", "before\n").write("b.txt", "before\n").commit("base");
    let inner = Repo::init(base.at("inner"), Format::Sha1);
    inner.write("c.txt", "before\n").write("d.txt", "before\n").commit("inner");
    let (source, target) = (scratch.join("source/app"), scratch.join("target/app"));
    let [source, target] = [source, target].map(|root| base.copy_to(root));
    for (path, content) in [("a.txt", "after\n"), ("b.txt", "after\n"), ("inner/c.txt", "after\n")] {
        source.write(path, content);
    }
    source.write("inner/d.txt", "after\n");
    let snapshot = capture(&source.workspace(), &CaptureOptions::default()).unwrap();
    let report = apply(&snapshot, &target.workspace(), &ApplyOptions::default()).unwrap();
    assert_eq!(report.count(&Outcome::Applied), 4, "{report}");
    (target, report)
}

#[test]
fn the_progress_of_an_undo_counts_files_not_repositories() {
    let scratch = scratch();
    let (target, report) = with_one_inside(scratch.path());
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&told);
    let progress = move |progress: &handoff_core::Progress| {
        if progress.phase == handoff_core::Phase::Undo {
            seen.lock().unwrap().push((progress.done, progress.total));
        }
    };
    let control = Control { progress: Some(std::sync::Arc::new(progress)), ..Control::default() };
    undo(&target.workspace(), &report.apply_id.unwrap(), &control).unwrap();
    let told = told.lock().unwrap();
    assert_eq!((told.first(), told.last()), (Some(&(0, 4)), Some(&(4, 4))));
}

#[test]
fn an_unwritable_repository_inside_keeps_no_undo_from_the_rest() {
    use crate::support::driver::{Job, Operation};
    use crate::support::rights::in_namespace;
    let scratch = scratch();
    let (target, report) = with_one_inside(scratch.path());
    let id = report.apply_id.unwrap();
    let inner = target.at("inner/.git");
    let read_only = |root: &std::path::Path, id: &handoff_core::ApplyId| {
        let mut job = Job::new(Operation::Undo, root, &scratch.path().join("answer"));
        job.apply_id = Some(id.to_string());
        let place = inner.display();
        let setup = format!("mount --bind '{place}' '{place}'; mount -o remount,bind,ro '{place}'");
        in_namespace(&job, &setup, "").unwrap()
    };
    // Its record is there and cannot be locked: what is outside is put back, and what is inside is told of.
    fs::remove_file(target.at("inner/.git/handoff/lock")).unwrap();
    let answer = read_only(&target.root, &id);
    let told = answer.report.unwrap_or_else(|| panic!("{:?}", answer.error));
    assert_eq!(told.verdict, Verdict::Partial, "{told}");
    assert_eq!(
        (target.read("a.txt"), target.read("inner/c.txt")),
        (b"before\n".to_vec(), b"after\n".to_vec())
    );
    let inside = told.repos.iter().find(|repo| repo.name == "inner").expect("what is inside is told of");
    assert!(inside.findings[0].message.contains("inner"), "{:?}", inside.findings);
    // With the right to write, the same undo does the rest.
    let told = undo(&target.workspace(), &id, &Control::default()).unwrap();
    assert_eq!(told.verdict, Verdict::Complete, "{told}");
    assert_eq!(target.read("inner/c.txt"), b"before\n");

    // Where it has no part in the apply, nobody asks it.
    let source = target.copy_to(scratch.path().join("another/app"));
    source.write("a.txt", "again\n");
    let snapshot = capture(&source.workspace(), &CaptureOptions::default()).unwrap();
    let report = apply(&snapshot, &target.workspace(), &ApplyOptions::default()).unwrap();
    fs::remove_file(target.at("inner/.git/handoff/lock")).unwrap();
    let answer = read_only(&target.root, &report.apply_id.unwrap());
    let told = answer.report.unwrap_or_else(|| panic!("{:?}", answer.error));
    assert_eq!(told.verdict, Verdict::Complete, "{told}");
    assert_eq!(target.read("a.txt"), b"before\n");
}
