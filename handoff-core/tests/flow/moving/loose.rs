//! Files outside any repository obey the rules that files in one do.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use handoff_core::snapshot::{OmissionReason, PartialReason};
use handoff_core::{
    ApplyOptions, CaptureOptions, FindingKind, OnCancel, Outcome, Snapshot, Verdict, Workspace, apply,
    capture, plan,
};

use super::{FILES, Stop, race_of, version};
use crate::support::purity::assert_untouched;
use crate::support::repo::{Format, Repo, scratch, undisturbed};

/// The files of the race, in no repository.
fn scene(root: &Path) -> Workspace {
    fs::create_dir_all(root).unwrap();
    let mut workspace = Workspace::without_checkouts();
    for file in &FILES {
        let path = root.join(file.name);
        fs::write(&path, version(file.name, 0)).unwrap();
        workspace = workspace.with_loose_file(file.name, path).unwrap();
    }
    workspace
}

fn omitted(snapshot: &Snapshot) -> Vec<OmissionReason> {
    snapshot.manifest().loose_omissions.iter().map(|omission| omission.reason.clone()).collect()
}

#[test]
fn no_loose_file_is_torn_without_a_word() {
    let scratch = scratch();
    let root = scratch.path().join("notes");
    race_of(40, 1, &root, &scene(&root));
}

#[test]
fn a_loose_file_that_is_never_quiet_is_flagged_and_the_others_are_not() {
    let scratch = scratch();
    let root = scratch.path().join("notes");
    let workspace = scene(&root);
    let stop = AtomicBool::new(false);
    let snapshot = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut out = File::options().append(true).open(root.join("append.log")).unwrap();
            while !stop.load(Ordering::Relaxed) {
                out.write_all(b"more\n").unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let _stopped = Stop(&stop);
        // On a busy machine the writer may be kept waiting for so long that the file is quiet.
        let taken = (0..50).map(|_| capture(&workspace, &CaptureOptions::default()).unwrap());
        let flagged =
            |snapshot: &Snapshot| snapshot.manifest().loose_files.iter().any(|entry| entry.flags.unstable);
        taken.into_iter().find(flagged).expect("a file that is never quiet is flagged")
    });
    let files = &snapshot.manifest().loose_files;
    assert_eq!(files.len(), FILES.len());
    let flagged: Vec<_> =
        files.iter().filter(|file| file.flags.unstable).map(|f| f.path.to_string()).collect();
    assert_eq!(flagged, ["append.log"]);
}

#[test]
fn a_deadline_names_the_loose_files_it_did_not_come_to() {
    let scratch = scratch();
    let root = scratch.path().join("notes");
    let workspace = scene(&root);
    let mut options = undisturbed();
    options.deadline = Some(Duration::ZERO);
    let snapshot = assert_untouched(&[&root], || capture(&workspace, &options)).unwrap();
    assert_eq!(snapshot.manifest().partial, Some(PartialReason::Deadline));
    assert_eq!(omitted(&snapshot), vec![OmissionReason::Deadline; FILES.len()]);
    assert_eq!(plan(&workspace, &options).unwrap().loose_omissions, snapshot.manifest().loose_omissions);

    let inbox = scratch.path().join("inbox");
    fs::create_dir(&inbox).unwrap();
    let there = Workspace::without_checkouts().with_loose_root(&inbox).unwrap();
    let report = apply(&snapshot, &there, &ApplyOptions::default()).unwrap();
    assert_eq!(
        (&report.verdict, report.count(&Outcome::NotCaptured)),
        (&Verdict::NothingApplied, FILES.len())
    );
    let findings = &report.loose.as_ref().unwrap().findings;
    assert!(findings.iter().any(|finding| finding.kind == FindingKind::Partial), "{report}");
}

#[test]
fn a_large_loose_file_does_not_outlast_the_deadline() {
    let scratch = scratch();
    let path = scratch.path().join("large.bin");
    // Minutes of reading, if it were read to its end.
    File::create(&path).unwrap().set_len(200 << 30).unwrap();
    let workspace = Workspace::without_checkouts().with_loose_file("large.bin", &path).unwrap();
    let mut options = undisturbed();
    (options.max_file_bytes, options.max_total_bytes) = (1 << 40, 1 << 40);
    options.deadline = Some(Duration::from_millis(200));
    let snapshot = capture(&workspace, &options).unwrap();
    assert_eq!(snapshot.manifest().partial, Some(PartialReason::Deadline));
    assert_eq!(omitted(&snapshot), [OmissionReason::Deadline]);
}

#[test]
fn cancelling_before_loose_files_leaves_nothing_or_names_them() {
    let scratch = scratch();
    let repo = Repo::init(scratch.path().join("app"), Format::Sha1);
    repo.write("new.txt", "new\n");
    let root = scratch.path().join("notes");
    scene(&root);
    let workspace = repo.workspace().with_loose_file("append.log", root.join("append.log")).unwrap();
    for on_cancel in [OnCancel::Fail, OnCancel::Partial] {
        let mut options = undisturbed();
        options.on_cancel = on_cancel;
        let cancel = options.control.cancel.clone();
        options.control.progress = Some(Arc::new(move |_| cancel.cancel()));
        let outcome = assert_untouched(&[scratch.path()], || capture(&workspace, &options));
        if on_cancel == OnCancel::Fail {
            assert_eq!(outcome.unwrap_err().kind().as_str(), "cancelled");
            continue;
        }
        let snapshot = outcome.unwrap();
        assert_eq!(snapshot.manifest().partial, Some(PartialReason::Cancelled));
        assert_eq!(omitted(&snapshot), [OmissionReason::Cancelled]);
    }
}
