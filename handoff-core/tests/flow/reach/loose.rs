//! Files outside any repository.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use handoff_core::snapshot::{Layer, OmissionReason};
use handoff_core::{
    ApplyOptions, ApplyReport, CancelToken, CaptureOptions, Control, Detail, ErrorKind, FindingKind,
    OnConflict, Outcome, Snapshot, Verdict, Workspace, apply, capture, plan, preview, undo,
};
use serde_json::json;

use super::pair;
use crate::support::oracle;
use crate::support::purity::{self, assert_untouched};
use crate::support::repo::scratch;
use crate::support::snapshot::Parts;

/// Some files outside any repository, and the workspace of them.
fn notes(top: &Path) -> Workspace {
    fs::create_dir_all(top).unwrap();
    fs::write(top.join("todo.md"), "ship it\n").unwrap();
    fs::write(top.join("run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(top.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(top.join("big"), vec![7; 9 << 20]).unwrap();
    Workspace::without_checkouts()
        .with_loose_file("notes/todo.md", top.join("todo.md"))
        .and_then(|workspace| workspace.with_loose_file("run.sh", top.join("run.sh")))
        .and_then(|workspace| workspace.with_loose_file("notes/big", top.join("big")))
        .unwrap()
}

fn inbox(top: &Path) -> (PathBuf, Workspace) {
    let root = top.join("inbox");
    fs::create_dir_all(&root).unwrap();
    let workspace = Workspace::without_checkouts().with_loose_root(&root).unwrap();
    (root, workspace)
}

fn captured(top: &Path, workspace: &Workspace) -> Snapshot {
    let snapshot = assert_untouched(&[top], || capture(workspace, &CaptureOptions::default())).unwrap();
    let bundle = tempfile::NamedTempFile::new().unwrap();
    snapshot.save(bundle.path()).unwrap();
    let opened = Snapshot::open(bundle.path()).unwrap();
    assert_eq!(opened.manifest(), snapshot.manifest());
    snapshot
}

fn decisions(report: &ApplyReport) -> Vec<String> {
    report.files().map(|(repo, f)| format!("{repo}/{} {} {:?}", f.path, f.outcome, f.detail)).collect()
}

fn applied(snapshot: &Snapshot, root: &Path, workspace: &Workspace, options: &ApplyOptions) -> ApplyReport {
    let foreseen = assert_untouched(&[root], || preview(snapshot, workspace, options)).unwrap();
    let report = apply(snapshot, workspace, options).unwrap();
    assert_eq!(decisions(&foreseen), decisions(&report));
    assert_eq!(oracle::unsound(snapshot.manifest(), &report), "");
    report
}

/// Everything in the directory but our own journal.
fn files(root: &Path) -> Vec<String> {
    let mut files: Vec<_> =
        oracle::files(root).keys().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
    files.retain(|path| !path.starts_with(".handoff/"));
    files
}

#[test]
fn loose_files_travel_by_name_and_are_taken_back() {
    let scratch = scratch();
    let source = scratch.path().join("source");
    let snapshot = captured(&source, &notes(&source));
    let text = String::from_utf8(snapshot.manifest().to_canonical().unwrap()).unwrap();
    assert!(!text.contains("source"), "a manifest says nothing of where a file was: {text}");
    let content = snapshot.read("", &"notes/todo.md".into(), Layer::Worktree).unwrap();
    assert_eq!(content.as_deref(), Some(b"ship it\n".as_slice()));

    let (root, there) = inbox(scratch.path());
    fs::write(root.join("mine"), "stays\n").unwrap();
    let report = applied(&snapshot, &root, &there, &ApplyOptions::default());
    assert_eq!((&report.verdict, report.count(&Outcome::Applied)), (&Verdict::Complete, 3), "{report}");
    assert!(report.to_string().contains("files outside any repository"), "{report}");
    assert_eq!(files(&root), ["mine", "notes/big", "notes/todo.md", "run.sh"]);
    assert_eq!(fs::read(root.join("notes/big")).unwrap().len(), 9 << 20);
    assert_ne!(fs::metadata(root.join("run.sh")).unwrap().permissions().mode() & 0o100, 0);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["loose"]["files"].as_array().unwrap().len(), 3);
    assert_eq!(serde_json::from_value::<ApplyReport>(json).unwrap(), report);

    let again = applied(&snapshot, &root, &there, &ApplyOptions::default());
    assert_eq!((again.count(&Outcome::Unchanged), again.apply_id), (3, None));
    let undone = undo(&there, &report.apply_id.unwrap(), &Control::default()).unwrap();
    assert_eq!(undone.count(&Outcome::Applied), 3, "{undone}");
    assert_eq!(files(&root), ["mine"]);
    assert!(!root.join("notes").exists(), "directories that were made go, too");
    let unknown = undo(&there, &report.apply_id.unwrap(), &Control::default()).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::UnknownApply);
}

#[test]
fn a_loose_file_that_is_here_otherwise_is_a_conflict() {
    let scratch = scratch();
    let source = scratch.path().join("source");
    let snapshot = captured(&source, &notes(&source));
    let (root, there) = inbox(scratch.path());
    fs::create_dir(root.join("notes")).unwrap();
    fs::write(root.join("notes/todo.md"), "mine\n").unwrap();
    fs::create_dir_all(root.join("run.sh/inner")).unwrap();
    for on_conflict in [OnConflict::Keep, OnConflict::Markers] {
        let mut options = ApplyOptions::default();
        options.on_conflict = on_conflict;
        let report = applied(&snapshot, &root, &there, &options);
        let conflicts: Vec<_> = report.files().filter(|(_, f)| f.outcome == Outcome::Conflict).collect();
        assert_eq!(conflicts.len(), 2, "{report}");
        assert!(conflicts.iter().all(|(_, f)| f.detail == Some(Detail::ExistsHere)));
        let kept = conflicts[0].1.incoming.as_ref().unwrap();
        assert_eq!(fs::read(kept).unwrap(), b"ship it\n");
        assert_eq!(fs::read(root.join("notes/todo.md")).unwrap(), b"mine\n");
    }
    let mut options = ApplyOptions::default();
    options.on_conflict = OnConflict::Theirs;
    let report = applied(&snapshot, &root, &there, &options);
    assert_eq!(fs::read(root.join("notes/todo.md")).unwrap(), b"ship it\n");
    undo(&there, &report.apply_id.unwrap(), &Control::default()).unwrap();
    assert_eq!(fs::read(root.join("notes/todo.md")).unwrap(), b"mine\n");
}

#[test]
fn what_was_edited_since_is_not_undone() {
    let scratch = scratch();
    let source = scratch.path().join("source");
    let (root, there) = inbox(scratch.path());
    let report = applied(&captured(&source, &notes(&source)), &root, &there, &ApplyOptions::default());
    fs::write(root.join("run.sh"), "edited\n").unwrap();
    let undone = undo(&there, &report.apply_id.unwrap(), &Control::default()).unwrap();
    assert_eq!((undone.count(&Outcome::Applied), undone.count(&Outcome::Conflict)), (2, 1), "{undone}");
    assert_eq!(files(&root), ["run.sh"]);
}

#[test]
fn limits_exclusions_and_what_is_gone_are_listed() {
    let scratch = scratch();
    let source = scratch.path().join("source");
    let mut workspace = notes(&source);
    for name in ["gone", "locked", "pipe"] {
        fs::write(source.join(name), "x").unwrap();
        workspace = workspace.with_loose_file(name, source.join(name)).unwrap();
    }
    fs::remove_file(source.join("gone")).unwrap();
    fs::remove_file(source.join("pipe")).unwrap();
    symlink("run.sh", source.join("pipe")).unwrap();
    let mut options = CaptureOptions::default();
    options.max_file_bytes = 1000;
    options.exclude = vec!["*.md".into()];
    let snapshot = capture(&workspace, &options).unwrap();
    let left: Vec<_> =
        snapshot.manifest().loose_omissions.iter().map(|o| (o.path.to_string(), &o.reason)).collect();
    let wanted = [
        ("gone", OmissionReason::Vanished),
        ("notes/big", OmissionReason::TooLarge),
        ("notes/todo.md", OmissionReason::Excluded),
        ("pipe", OmissionReason::SpecialFile),
    ];
    let wanted: Vec<_> = wanted.iter().map(|(path, reason)| ((*path).to_owned(), reason)).collect();
    assert_eq!(left, wanted);
    let planned = plan(&workspace, &options).unwrap();
    assert_eq!(planned.loose_omissions, snapshot.manifest().loose_omissions);
    assert_eq!(planned.loose_files.len(), 2);

    let (root, there) = inbox(scratch.path());
    let report = applied(&snapshot, &root, &there, &ApplyOptions::default());
    assert_eq!((&report.verdict, report.count(&Outcome::NotCaptured)), (&Verdict::Partial, 4), "{report}");
    options.max_entries = 1;
    let snapshot = capture(&workspace, &options).unwrap();
    assert_eq!(snapshot.manifest().loose_files.len(), 1);
    options.deadline = Some(std::time::Duration::ZERO);
    options.max_entries = 100;
    let snapshot = capture(&workspace, &options).unwrap();
    assert!(snapshot.manifest().partial.is_some() && snapshot.manifest().loose_files.is_empty());
}

#[test]
fn without_a_directory_loose_files_are_skipped_and_said_to_be() {
    let scratch = scratch();
    let (source, target) = pair(scratch.path());
    source.write("new", "x\n");
    let file = scratch.path().join("todo.md");
    fs::write(&file, "ship it\n").unwrap();
    let here = source.workspace().with_loose_file("todo.md", &file).unwrap();
    let snapshot = captured(&source.root, &here);
    let report = applied(&snapshot, &target.root, &target.workspace(), &ApplyOptions::default());
    assert_eq!(report.verdict, Verdict::Partial, "{report}");
    let loose = report.loose.as_ref().unwrap();
    assert_eq!(loose.files[0].reason.as_deref(), Some("no_target"));
    assert_eq!(loose.findings[0].kind, FindingKind::NoTarget);
    // With one, one id undoes both.
    let (root, _) = inbox(scratch.path());
    let there = target.workspace().with_loose_root(&root).unwrap();
    undo(&there, &report.apply_id.unwrap(), &Control::default()).unwrap();
    let report = applied(&snapshot, &root, &there, &ApplyOptions::default());
    assert_eq!((files(&root), target.exists("new")), (vec!["todo.md".to_owned()], true), "{report}");
    let undone = undo(&there, &report.apply_id.unwrap(), &Control::default()).unwrap();
    assert_eq!(undone.count(&Outcome::Applied), 2);
    assert!(files(&root).is_empty() && !target.exists("new"));
    assert_eq!(undone.files().map(|(repo, _)| repo).collect::<Vec<_>>(), ["app", ""]);
}

#[test]
fn hostile_names_and_kinds_are_refused_one_by_one() {
    let scratch = scratch();
    let (root, there) = inbox(scratch.path());
    let outside = scratch.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, root.join("link")).unwrap();
    let (source, _) = pair(&scratch.path().join("repos"));
    let mut parts = Parts::of(&captured(&source.root, &source.workspace()));
    let content = parts.layer("regular", b"evil\n");
    let link = parts.layer("symlink", b"/etc/passwd");
    let mut rows = vec![
        (".GIT/config", content.clone(), "path_git_dir"),
        (".handoff/applies/x", content.clone(), "path_reserved_name"),
        (".git/hooks/pre-commit", content.clone(), "path_git_dir"),
        ("../escape", content.clone(), "path_traversal"),
        ("/absolute", content.clone(), "path_absolute"),
        ("a", content.clone(), "path_prefix_conflict"),
        ("a/b", content.clone(), "path_prefix_conflict"),
        ("dir/", content.clone(), "path_not_normalized"),
        ("fine", content.clone(), ""),
        ("link/through", content.clone(), "parent_is_symlink"),
        ("some-link", link, "type_not_allowed"),
        ("some-submodule", json!({"mode": "gitlink", "size": 0}), "type_not_allowed"),
    ];
    rows.sort_by_key(|(path, ..)| *path);
    let entries: Vec<_> =
        rows.iter().map(|(path, worktree, _)| json!({"path": path, "worktree": worktree})).collect();
    parts.manifest["loose_files"] = entries.into();
    let snapshot = parts.snapshot().unwrap();
    let report = applied(&snapshot, &root, &there, &ApplyOptions::default());
    for ((path, _, reason), file) in rows.iter().zip(&report.loose.as_ref().unwrap().files) {
        assert_eq!(file.path, (*path).into());
        let wanted = (!reason.is_empty()).then_some(*reason);
        assert_eq!(file.reason.as_deref(), wanted, "{path}: {}", file.outcome);
    }
    assert_eq!(files(&root), ["fine", "link"]);
    assert!(fs::read_dir(&outside).unwrap().next().is_none());
    assert!(!scratch.path().join("escape").exists());
}

#[test]
fn a_damaged_content_fails_alone_and_a_cancelled_apply_leaves_nothing() {
    let scratch = scratch();
    let source = scratch.path().join("source");
    let snapshot = captured(&source, &notes(&source));
    let mut parts = Parts { manifest: serde_json::to_value(snapshot.manifest()).unwrap(), blobs: Vec::new() };
    for entry in snapshot.manifest().loose_files.iter().filter(|entry| entry.path != "run.sh".into()) {
        parts.blobs.push(snapshot.blob(entry.worktree.as_ref().unwrap().blob.as_ref().unwrap()).unwrap());
    }
    let (root, there) = inbox(scratch.path());
    let report = applied(&parts.snapshot().unwrap(), &root, &there, &ApplyOptions::default());
    assert_eq!((report.count(&Outcome::Failed), report.count(&Outcome::Applied)), (1, 2), "{report}");
    undo(&there, &report.apply_id.unwrap(), &Control::default()).unwrap();

    let before = purity::fingerprint(&root.join(".handoff/applies"));
    for stop_at in 1..=6 {
        let token = CancelToken::new();
        let seen = std::sync::atomic::AtomicU64::new(0);
        let mut options = ApplyOptions::default();
        options.control.cancel = token.clone();
        options.control.progress = Some(std::sync::Arc::new(move |_| {
            if seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1 == stop_at {
                token.cancel();
            }
        }));
        if let Err(why) = apply(&snapshot, &there, &options) {
            assert_eq!(why.kind(), ErrorKind::Cancelled);
            assert!(files(&root).is_empty(), "stopped at {stop_at}");
            let after = purity::fingerprint(&root.join(".handoff/applies"));
            assert_eq!(before.len(), after.len(), "no record is left");
        } else {
            return;
        }
    }
}

#[test]
fn loose_files_take_part_in_a_diff() {
    let scratch = scratch();
    let source = scratch.path().join("source");
    let workspace = notes(&source);
    let before = captured(&source, &workspace);
    fs::write(source.join("todo.md"), "ship it now\n").unwrap();
    let after = captured(&source, &workspace);
    assert_ne!(before.id(), after.id());
    let diff = before.diff(&after).to_string();
    assert!(diff.contains("# files outside any repository\n") && diff.contains("+ship it now"), "{diff}");
    assert!(before.diff_base().to_string().contains("notes/todo.md"));
    assert!(after.diff(&after).is_empty());
}
