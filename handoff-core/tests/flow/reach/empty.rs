//! Directories with nothing in them.

use std::fs;
use std::path::Path;

use handoff_core::{
    ApplyOptions, ApplyReport, Detail, OnConflict, Outcome, PlannedChange, Snapshot, Verdict, apply, capture,
    plan, preview, undo,
};

use super::{pair, taken};
use crate::support::oracle;
use crate::support::purity::assert_untouched;
use crate::support::repo::{Repo, scratch, undisturbed};

/// The carried directories.
fn carried(snapshot: &Snapshot) -> Vec<String> {
    let entries = snapshot.entries().filter(|(_, entry)| entry.flags.empty_dir);
    entries.map(|(_, entry)| entry.path.to_string()).collect()
}

fn is_empty(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir()) && fs::read_dir(path).unwrap().next().is_none()
}

fn apply_to(target: &Repo, snapshot: &Snapshot) -> ApplyReport {
    let workspace = target.workspace();
    let options = ApplyOptions::default();
    let foreseen = assert_untouched(&[&target.root], || preview(snapshot, &workspace, &options)).unwrap();
    let report = apply(snapshot, &workspace, &options).unwrap();
    let decisions = |report: &ApplyReport| -> Vec<_> {
        report.files().map(|(_, f)| (f.path.clone(), f.outcome.clone(), f.detail.clone())).collect()
    };
    assert_eq!(decisions(&foreseen), decisions(&report));
    assert_eq!(oracle::unsound(snapshot.manifest(), &report), "");
    report
}

#[test]
fn empty_directories_travel_and_are_taken_back() {
    let scratch = scratch();
    let (source, target) = pair(scratch.path());
    for path in ["void", "src/a/b/c", "target", "only-ignored", "not-empty/inner"] {
        fs::create_dir_all(source.at(path)).unwrap();
    }
    source.write("only-ignored/x.log", "x").write("not-empty/file", "x");
    let snapshot = taken(&source, &undisturbed());
    // `target` is ignored, and a directory that holds something ignored is not empty.
    assert_eq!(carried(&snapshot), ["not-empty/inner", "src/a/b/c", "void"]);
    let planned = plan(&source.workspace(), &undisturbed()).unwrap();
    let dirs = planned.repos[0].files.iter().filter(|file| file.change == PlannedChange::EmptyDirectory);
    assert_eq!(dirs.count(), 3);
    fs::create_dir(target.at("void")).unwrap();
    let report = apply_to(&target, &snapshot);
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    assert!(is_empty(&target.at("void")) && is_empty(&target.at("src/a/b/c")));
    assert_eq!(report.count(&Outcome::Unchanged), 1, "void was there");
    let again = taken(&target, &undisturbed());
    assert_eq!(again.manifest().repos[0].entries, snapshot.manifest().repos[0].entries);
    undo(&target.workspace(), &report.apply_id.unwrap(), &Default::default()).unwrap();
    assert!(is_empty(&target.at("void")) && !target.exists("src/a") && !target.exists("not-empty"));
}

#[test]
fn a_directory_emptied_of_tracked_files_stays_a_directory() {
    let scratch = scratch();
    let (source, _) = pair(scratch.path());
    source.write("tools/one", "1\n").write("tools/two", "2\n").write("gone/three", "3\n");
    source.commit("more");
    let target = source.clone_to(scratch.path().join("c/app"));
    source.remove("tools/one").remove("tools/two").remove("gone/three");
    fs::remove_dir(source.at("gone")).unwrap();
    let snapshot = taken(&source, &undisturbed());
    assert_eq!(carried(&snapshot), ["tools"]);
    let report = apply_to(&target, &snapshot);
    assert!(is_empty(&target.at("tools")) && !target.exists("gone"), "{report}");
    let tools = report.files().find(|(_, file)| file.path == "tools".into()).unwrap().1;
    assert_eq!(tools.outcome, Outcome::Unchanged, "it was there before and is there still");
    undo(&target.workspace(), &report.apply_id.unwrap(), &Default::default()).unwrap();
    assert_eq!((target.read("tools/two"), target.read("gone/three")), (b"2\n".to_vec(), b"3\n".to_vec()));
}

#[test]
fn a_directory_takes_the_place_of_a_tracked_file() {
    let scratch = scratch();
    let (source, target) = pair(scratch.path());
    source.remove("src/main.rs");
    fs::create_dir(source.at("src/main.rs")).unwrap();
    let snapshot = taken(&source, &undisturbed());
    assert_eq!(carried(&snapshot), ["src/main.rs"]);
    let report = apply_to(&target, &snapshot);
    assert!(is_empty(&target.at("src/main.rs")), "{report}");
    assert_eq!(report.repos[0].files[0].detail, Some(Detail::Type));
    assert_eq!(oracle::state(&target).status, oracle::state(&source).status);
    undo(&target.workspace(), &report.apply_id.unwrap(), &Default::default()).unwrap();
    assert_eq!(target.read("src/main.rs"), b"main\n");
    // A file that was changed here is not lost to a directory.
    target.write("src/main.rs", "changed here\n");
    let report = apply_to(&target, &snapshot);
    assert_eq!(report.repos[0].files[0].detail, Some(Detail::ModifiedHere));
    assert_eq!(target.read("src/main.rs"), b"changed here\n");
    let mut options = ApplyOptions::default();
    options.on_conflict = OnConflict::Theirs;
    let report = apply(&snapshot, &target.workspace(), &options).unwrap();
    assert!(is_empty(&target.at("src/main.rs")), "{report}");
    undo(&target.workspace(), &report.apply_id.unwrap(), &Default::default()).unwrap();
    assert_eq!(target.read("src/main.rs"), b"changed here\n");
}

#[test]
fn a_file_in_the_place_of_a_directory_is_a_conflict() {
    let scratch = scratch();
    let (source, target) = pair(scratch.path());
    fs::create_dir(source.at("void")).unwrap();
    target.write("void", "a file\n");
    let report = apply_to(&target, &taken(&source, &undisturbed()));
    assert_eq!(report.repos[0].files[0].detail, Some(Detail::ExistsHere));
    assert_eq!(target.read("void"), b"a file\n");
    target.remove("void").write("void/inner", "x");
    let report = apply_to(&target, &taken(&source, &undisturbed()));
    assert_eq!(report.repos[0].files[0].outcome, Outcome::Unchanged, "a directory is there");
}

#[test]
fn what_was_put_into_a_directory_since_is_not_undone() {
    let scratch = scratch();
    let (source, target) = pair(scratch.path());
    fs::create_dir(source.at("void")).unwrap();
    let report = apply_to(&target, &taken(&source, &undisturbed()));
    target.write("void/since", "x");
    let undone = undo(&target.workspace(), &report.apply_id.unwrap(), &Default::default()).unwrap();
    assert_eq!(undone.count(&Outcome::Conflict), 1);
    assert_eq!(target.read("void/since"), b"x");
}

#[test]
fn empty_directories_stay_behind_when_told_to() {
    let scratch = scratch();
    let (source, _) = pair(scratch.path());
    fs::create_dir(source.at("void")).unwrap();
    fs::create_dir(source.at("kept")).unwrap();
    source.remove("src/main.rs");
    fs::create_dir(source.at("src/main.rs")).unwrap();
    let mut options = undisturbed();
    options.exclude = vec!["void/".into()];
    let snapshot = taken(&source, &options);
    assert_eq!(carried(&snapshot), ["kept", "src/main.rs"]);
    assert_eq!(snapshot.omissions().count(), 1);
    options.empty_dirs = false;
    let snapshot = capture(&source.workspace(), &options).unwrap();
    assert!(carried(&snapshot).is_empty());
    assert_eq!(snapshot.entries().count(), 1, "the deletion of the file remains");
}

#[test]
fn directories_that_a_sparse_checkout_leaves_are_none_of_ours() {
    let scratch = scratch();
    let (source, _) = pair(scratch.path());
    source.write("left/out", "x\n");
    source.commit("more");
    source.git(&["sparse-checkout", "set", "--no-cone", "/src/"]);
    fs::create_dir_all(source.at("left")).unwrap();
    assert!(!source.exists("left/out"));
    assert!(carried(&taken(&source, &undisturbed())).is_empty());
}
