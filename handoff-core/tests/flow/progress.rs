//! Progress and cancelling: every long operation has phases that begin and end, and can be stopped in each of them;
//! then it leaves nothing behind, and the next call does all of it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use handoff_core::{
    ApplyOptions, ApplyReport, CancelToken, CaptureOptions, Control, Error, Outcome, Phase, Progress,
    Snapshot, apply, capture, plan, preview, undo,
};

use crate::support::oracle;
use crate::support::purity::{assert_untouched, difference, fingerprint};
use crate::support::repo::{Format, Repo, scratch};

/// Enough files that every phase is told of in its middle, too.
const FILES: usize = 300;

/// A control, with everything it is told, that cancels at the step `at` of all that it is told of `phase`.
fn watched(stop: Option<(Phase, usize)>) -> (Control, Arc<Mutex<Vec<Progress>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let (seen, cancel) = (Arc::clone(&told), CancelToken::new());
    let token = cancel.clone();
    let progress = move |progress: &Progress| {
        let mut seen = seen.lock().unwrap();
        seen.push(progress.clone());
        if let Some((phase, at)) = stop {
            let of_phase = seen.iter().filter(|one| one.phase == phase).count();
            if progress.phase == phase && of_phase > at {
                token.cancel();
            }
        }
    };
    let control = Control { progress: Some(Arc::new(progress)), cancel };
    (control, told)
}

struct Scene {
    scratch: tempfile::TempDir,
    source: Repo,
    target: Repo,
    /// Of the target.
    old: oracle::State,
    new: oracle::State,
}

impl Scene {
    fn new() -> Self {
        let scratch = scratch();
        let base = Repo::init(scratch.path().join("base/app"), Format::Sha1);
        for n in 0..FILES {
            base.write(format!("src/{n}.txt"), format!("old {n}\n"));
        }
        base.commit("base");
        let target = base.copy_to(scratch.path().join("target/app"));
        let source = base.copy_to(scratch.path().join("source/app"));
        for n in 0..FILES {
            source.write(format!("src/{n}.txt"), format!("new {n}\n"));
        }
        source
            .write("large.bin", vec![9; 3 << 20])
            .write("staged.txt", "staged\n")
            .git(&["add", "staged.txt"]);
        let (old, new) = (oracle::state(&target), oracle::state(&source));
        Self { scratch, source, target, old, new }
    }

    fn captured(&self) -> Snapshot {
        capture(&self.source.workspace(), &CaptureOptions::default()).unwrap()
    }

    fn applied(&self) -> ApplyReport {
        apply(&self.captured(), &self.target.workspace(), &ApplyOptions::default()).unwrap()
    }

    #[track_caller]
    fn target_is(&self, state: &oracle::State) {
        assert_eq!(oracle::difference(state, &oracle::state(&self.target)), "");
    }
}

/// What is told of each phase begins with nothing done, never goes back, and ends with all of it.
#[track_caller]
fn assert_orderly(told: &[Progress], phases: &[(Phase, Option<u64>)]) {
    let mut found: Vec<Phase> = told.iter().map(|one| one.phase).collect();
    found.dedup();
    assert_eq!(
        found,
        phases.iter().map(|(phase, _)| *phase).collect::<Vec<_>>(),
        "the phases in their order"
    );
    for (phase, total) in phases {
        let of_phase: Vec<&Progress> = told.iter().filter(|one| one.phase == *phase).collect();
        assert_eq!(of_phase.first().map(|one| one.done), Some(0), "{phase:?} begins with nothing done");
        assert!(of_phase.windows(2).all(|pair| pair[0].done <= pair[1].done), "{phase:?} never goes back");
        let last = of_phase.last().unwrap();
        if let Some(total) = total {
            assert_eq!((last.done, last.total), (*total, *total), "{phase:?} ends with all of it");
        }
    }
}

#[test]
fn every_operation_tells_how_far_it_is() {
    let scene = Scene::new();
    let changed = FILES as u64 + 2;
    let of = |told: &Arc<Mutex<Vec<Progress>>>| std::mem::take(&mut *told.lock().unwrap());
    let (control, told) = watched(None);
    let mut options = CaptureOptions::default();
    options.control = control.clone();
    plan(&scene.source.workspace(), &options).unwrap();
    assert_orderly(&of(&told), &[(Phase::Scan, None)]);
    let snapshot = capture(&scene.source.workspace(), &options).unwrap();
    let capturing = of(&told);
    assert_orderly(&capturing, &[(Phase::Scan, None), (Phase::Read, Some(changed))]);
    assert!(
        capturing.iter().any(|one| one.phase == Phase::Read && one.bytes >= 3 << 20),
        "bytes are counted"
    );

    let bundle = scene.scratch.path().join("work.handoff");
    let size = |told: &[Progress]| told.last().map(|one| one.bytes).unwrap_or_default();
    snapshot.save_watched(&bundle, &control).unwrap();
    let saving = of(&told);
    assert_orderly(&saving, &[(Phase::Bundle, Some(saving[0].total))]);
    assert!(size(&saving) > 0);
    let mut stream = Vec::new();
    snapshot.write_to_watched(&mut stream, &control).unwrap();
    assert_orderly(&of(&told), &[(Phase::Bundle, Some(saving[0].total))]);
    let snapshot = Snapshot::read_from_watched(stream.as_slice(), &Default::default(), &control).unwrap();
    let reading = of(&told);
    assert_orderly(&reading, &[(Phase::Bundle, None)]);
    assert_eq!(size(&reading), stream.len() as u64, "every byte is counted");

    let mut options = ApplyOptions::default();
    options.control = control.clone();
    let there = scene.target.workspace();
    preview(&snapshot, &there, &options).unwrap();
    assert_orderly(&of(&told), &[(Phase::Plan, Some(changed))]);
    let report = apply(&snapshot, &there, &options).unwrap();
    assert_orderly(&of(&told), &[(Phase::Plan, Some(changed)), (Phase::Write, Some(changed))]);
    undo(&there, &report.apply_id.unwrap(), &control).unwrap();
    let undoing = of(&told);
    assert_orderly(&undoing, &[(Phase::Scan, None), (Phase::Undo, Some(changed))]);
    assert!(
        undoing.iter().filter(|one| one.phase == Phase::Undo).any(|one| one.path.is_some()),
        "an undo names the file at hand"
    );
}

/// At the beginning of a phase, and somewhere in it.
const STEPS: [usize; 2] = [0, 1];

fn is_cancelled<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(matches!(result, Err(Error::Cancelled)), "{result:?}");
}

#[test]
fn a_capture_cancelled_anywhere_leaves_nothing() {
    let scene = Scene::new();
    let spool = scene.scratch.path().join("spool");
    std::fs::create_dir(&spool).unwrap();
    let there = scene.source.workspace();
    let whole = scene.captured();
    for phase in [Phase::Scan, Phase::Read] {
        for at in STEPS {
            let mut options = CaptureOptions::default();
            (options.spool_memory, options.spool_dir) = (0, Some(spool.clone()));
            options.control = watched(Some((phase, at))).0;
            assert_untouched(&[&scene.source.root], || is_cancelled(capture(&there, &options)));
            assert_eq!(std::fs::read_dir(&spool).unwrap().count(), 0, "{phase:?} {at}");
            if phase == Phase::Scan {
                options.control = watched(Some((phase, at))).0;
                assert_untouched(&[&scene.source.root], || is_cancelled(plan(&there, &options)));
            }
        }
    }
    assert_eq!(scene.captured().id(), whole.id());
}

/// What is in a directory, by name.
fn names(directory: &Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

#[test]
fn a_save_cancelled_anywhere_leaves_the_old_bundle() {
    let scene = Scene::new();
    let directory = scene.scratch.path().join("out");
    std::fs::create_dir(&directory).unwrap();
    let bundle = directory.join("work.handoff");
    std::fs::write(&bundle, "an older bundle").unwrap();
    for spooled in [false, true] {
        let mut options = CaptureOptions::default();
        if spooled {
            (options.spool_memory, options.spool_dir) = (0, Some(directory.clone()));
        }
        let snapshot = capture(&scene.source.workspace(), &options).unwrap();
        for at in STEPS {
            is_cancelled(snapshot.save_watched(&bundle, &watched(Some((Phase::Bundle, at))).0));
            assert_eq!(names(&directory), ["work.handoff"]);
            assert_eq!(std::fs::read(&bundle).unwrap(), b"an older bundle");
            let control = watched(Some((Phase::Bundle, at))).0;
            is_cancelled(snapshot.write_to_watched(&mut Vec::new(), &control));
        }
        let copy = directory.join("copy.handoff");
        snapshot.save(&copy).unwrap();
        let bytes = std::fs::read(&copy).unwrap();
        for at in STEPS {
            let control = watched(Some((Phase::Bundle, at))).0;
            is_cancelled(Snapshot::read_from_watched(bytes.as_slice(), &Default::default(), &control));
            let control = watched(Some((Phase::Verify, at))).0;
            is_cancelled(Snapshot::open(&copy).unwrap().verify_watched(&control));
        }
        let read = Snapshot::read_from(bytes.as_slice()).unwrap();
        assert_eq!(read.id(), snapshot.id());
        read.verify().unwrap();
        std::fs::remove_file(&copy).unwrap();
    }
}

#[test]
fn an_apply_cancelled_anywhere_takes_everything_back() {
    let scene = Scene::new();
    let (snapshot, there) = (scene.captured(), scene.target.workspace());
    // The directory for journals is made once and stays.
    apply(&snapshot, &there, &{
        let options = ApplyOptions::default();
        options.control.cancel.cancel();
        options
    })
    .unwrap_err();
    for phase in [Phase::Plan, Phase::Write] {
        for at in STEPS {
            let mut options = ApplyOptions::default();
            options.control = watched(Some((phase, at))).0;
            is_cancelled(apply(&snapshot, &there, &options));
            scene.target_is(&scene.old);
            let home = scene.target.git_dir().join("handoff");
            assert!(
                !home.join("applies").exists() || names(&home.join("applies")).is_empty(),
                "{phase:?} {at}"
            );
            if phase == Phase::Plan {
                options.control = watched(Some((phase, at))).0;
                assert_untouched(&[&scene.target.root], || {
                    is_cancelled(preview(&snapshot, &there, &options))
                });
            }
        }
    }
    assert_eq!(scene.applied().verdict.as_str(), "complete");
    scene.target_is(&scene.new);
}

#[test]
fn an_undo_is_cancelled_before_its_first_file_or_not_at_all() {
    let scene = Scene::new();
    let (id, there) = (scene.applied().apply_id.unwrap(), scene.target.workspace());
    let before = fingerprint(&scene.target.root);
    for (phase, at) in [(Phase::Scan, 0), (Phase::Scan, 1), (Phase::Undo, 0)] {
        is_cancelled(undo(&there, &id, &watched(Some((phase, at))).0));
        scene.target_is(&scene.new);
        assert_eq!(difference(&before, &fingerprint(&scene.target.root)), "", "{phase:?} {at}");
    }
    // In its middle, half of it would be a state that nobody asked for.
    let report = undo(&there, &id, &watched(Some((Phase::Undo, 1))).0).unwrap();
    assert_eq!(report.verdict.as_str(), "complete", "{report}");
    assert_eq!(report.count(&Outcome::Applied), FILES + 2);
    scene.target_is(&scene.old);
}
