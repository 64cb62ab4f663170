//! Captures that end early, and names that move while they are listed.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use handoff_core::snapshot::{OmissionReason, PartialReason, RepoManifest};
use handoff_core::{CaptureOptions, FindingKind, OnCancel, Outcome, Phase, Snapshot, apply, capture, plan};

use super::Stop;
use crate::support::purity::assert_untouched;
use crate::support::repo::{Format, Repo, scratch, undisturbed};

/// Changed files in directories of their own.
fn scene(root: std::path::PathBuf) -> Repo {
    let repo = Repo::init(root, Format::Sha1);
    repo.write("tracked/a.txt", "before\n");
    repo.commit("base");
    repo.write("tracked/a.txt", "after\n");
    for number in 0..200 {
        repo.write(format!("new{:02}/file{number:03}.txt", number % 20), format!("{number}\n"));
    }
    repo
}

/// Whether the path is an entry, or an omission says why it or a directory above it is not.
fn is_accounted_for(repo: &RepoManifest, path: &str, reason: &OmissionReason) -> bool {
    repo.entries.iter().any(|entry| entry.path == path.into())
        || repo.omissions.iter().any(|omission| {
            let above = omission.path.to_string();
            omission.reason == *reason
                && (above == path || above == "./" || (above.ends_with('/') && path.starts_with(&above)))
        })
}

fn assert_accounted_for(snapshot: &Snapshot, reason: &OmissionReason) {
    let repo = &snapshot.manifest().repos[0];
    assert!(is_accounted_for(repo, "tracked/a.txt", reason), "{:?}", repo.omissions);
    for number in 0..200 {
        let path = format!("new{:02}/file{number:03}.txt", number % 20);
        assert!(is_accounted_for(repo, &path, reason), "{path} is missing without a word");
    }
}

/// Sums of times overflowed, which is a panic.
#[test]
fn a_quiet_time_beyond_all_reason_ends_at_the_deadline() {
    let scratch = scratch();
    let repo = scene(scratch.path().join("app"));
    let mut options = CaptureOptions::default();
    (options.quiet, options.deadline) = (Duration::MAX, Some(Duration::from_millis(50)));
    let snapshot = assert_untouched(&[&repo.root], || capture(&repo.workspace(), &options)).unwrap();
    let manifest = snapshot.manifest();
    let unsure = manifest.repos[0].entries.iter().any(|entry| entry.flags.unstable);
    assert!(manifest.partial.is_some() || unsure, "a file of this moment is not taken for quiet");
    options.deadline = Some(Duration::MAX);
    options.quiet = Duration::ZERO;
    assert_eq!(capture(&repo.workspace(), &options).unwrap().manifest().partial, None);
}

#[test]
fn a_deadline_leaves_what_was_read_and_names_the_rest() {
    let scratch = scratch();
    let repo = scene(scratch.path().join("app"));
    let mut options = undisturbed();
    options.deadline = Some(Duration::ZERO);
    let snapshot = assert_untouched(&[&repo.root], || capture(&repo.workspace(), &options)).unwrap();
    assert_eq!(snapshot.manifest().partial, Some(PartialReason::Deadline));
    let manifest = &snapshot.manifest().repos[0];
    assert!(manifest.entries.is_empty());
    assert_accounted_for(&snapshot, &OmissionReason::Deadline);
    let foreseen = plan(&repo.workspace(), &options).unwrap();
    assert!(foreseen.repos[0].omissions.iter().any(|omission| omission.reason == OmissionReason::Deadline));

    // In the middle of reading: some are carried, and nothing is forgotten. A machine that is so busy that the deadline
    // passes before the first file gets another one.
    let in_the_middle = |milliseconds: u64| {
        let mut options = options.clone();
        options.deadline = Some(Duration::from_millis(milliseconds));
        let slept = AtomicBool::new(false);
        options.control.progress = Some(Arc::new(move |progress| {
            if progress.phase == Phase::Read && progress.done > 0 && !slept.swap(true, Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(milliseconds + 100));
            }
        }));
        let snapshot = capture(&repo.workspace(), &options).unwrap();
        assert_accounted_for(&snapshot, &OmissionReason::Deadline);
        snapshot
    };
    let carries = |snapshot: &Snapshot| !snapshot.manifest().repos[0].entries.is_empty();
    let tries = [300, 1_000, 3_000, 10_000, 30_000].into_iter();
    let snapshot = tries.map(in_the_middle).find(carries).expect("no capture ended in the middle of reading");
    assert_eq!(snapshot.manifest().partial, Some(PartialReason::Deadline));
    let target = repo.clone_to(scratch.path().join("target/app"));
    let report = apply(&snapshot, &target.workspace(), &handoff_core::ApplyOptions::default()).unwrap();
    assert!(report.files().any(|(_, file)| file.outcome == Outcome::NotCaptured));
    assert!(report.to_string().contains("deadline"), "{report}");
    assert!(report.repos[0].findings.iter().any(|f| f.kind == FindingKind::Partial), "{report}");
}

#[test]
fn cancelling_leaves_nothing_or_what_was_read() {
    let scratch = scratch();
    let repo = scene(scratch.path().join("app"));
    for phase in [Phase::Scan, Phase::Read] {
        for on_cancel in [OnCancel::Fail, OnCancel::Partial] {
            let mut options = undisturbed();
            options.on_cancel = on_cancel;
            let cancel = options.control.cancel.clone();
            options.control.progress = Some(Arc::new(move |progress| {
                if progress.phase == phase {
                    cancel.cancel();
                }
            }));
            let outcome = assert_untouched(&[&repo.root], || capture(&repo.workspace(), &options));
            if on_cancel == OnCancel::Fail {
                assert_eq!(outcome.unwrap_err().kind().as_str(), "cancelled");
                continue;
            }
            let snapshot = outcome.unwrap();
            assert_eq!(snapshot.manifest().partial, Some(PartialReason::Cancelled));
            assert_accounted_for(&snapshot, &OmissionReason::Cancelled);
            let saved = scratch.path().join("partial.handoff");
            snapshot.save(&saved).unwrap();
            assert_eq!(Snapshot::open(&saved).unwrap().id(), snapshot.id());
        }
    }
}

#[test]
fn a_large_file_does_not_outlast_the_deadline() {
    let scratch = scratch();
    let repo = Repo::init(scratch.path().join("app"), Format::Sha1);
    repo.commit("base");
    let large = fs::File::create(repo.at("large.bin")).unwrap();
    // Minutes of reading, if it were read to its end.
    large.set_len(200 << 30).unwrap();
    let mut options = undisturbed();
    (options.max_file_bytes, options.max_total_bytes) = (1 << 40, 1 << 40);
    options.deadline = Some(Duration::from_millis(200));
    let snapshot = capture(&repo.workspace(), &options).unwrap();
    assert_eq!(snapshot.manifest().partial, Some(PartialReason::Deadline));
    let omitted = &snapshot.manifest().repos[0].omissions;
    assert_eq!(omitted.iter().map(|o| o.reason.clone()).collect::<Vec<_>>(), [OmissionReason::Deadline]);
}

/// A file goes to and fro between two directories, one listed early and one late.
#[test]
fn a_file_that_is_moved_while_names_are_listed_is_not_missed() {
    let scratch = scratch();
    let repo = Repo::init(scratch.path().join("app"), Format::Sha1);
    repo.write("committed.txt", "content\n");
    repo.commit("base");
    for number in 0..150 {
        repo.write(format!("m{number:03}/filler.txt"), "filler\n");
    }
    repo.write("a/moved.txt", "where am I\n");
    fs::create_dir_all(repo.at("z")).unwrap();
    let (stop, missed, said) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                fs::rename(repo.at("a/moved.txt"), repo.at("z/moved.txt")).unwrap();
                std::thread::sleep(Duration::from_micros(700));
                fs::rename(repo.at("z/moved.txt"), repo.at("a/moved.txt")).unwrap();
                std::thread::sleep(Duration::from_micros(900));
            }
        });
        let _stopped = Stop(&stop);
        let mut once = undisturbed();
        once.attempts = 1;
        for options in [once, CaptureOptions::default()] {
            for _ in 0..40 {
                let snapshot = capture(&repo.workspace(), &options).unwrap();
                let manifest = &snapshot.manifest().repos[0];
                let seen = manifest.entries.iter().any(|entry| entry.path.name() == b"moved.txt");
                let omitted = manifest.omissions.iter().any(|omission| omission.path.name() == b"moved.txt");
                missed.fetch_add(usize::from(!seen), Ordering::Relaxed);
                said.fetch_add(usize::from(manifest.flags.workspace_moving), Ordering::Relaxed);
                assert!(seen || omitted || manifest.flags.workspace_moving, "missed without a word");
            }
        }
    });
    let (missed, said) = (missed.into_inner(), said.into_inner());
    assert!(said > 0, "no capture ever met the move; {missed} missed");
}
