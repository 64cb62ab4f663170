//! Places that refuse: files that may not be read, trees that may not be written, disks that are full.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use handoff_core::snapshot::OmissionReason;
use handoff_core::{CaptureOptions, Outcome, Snapshot, Verdict, capture};

use super::changed;
use crate::support::driver::{Answer, Job, Operation};
use crate::support::oracle;
use crate::support::purity::fingerprint;
use crate::support::repo::{Format, Repo, scratch};
use crate::support::rights::{as_nobody, in_namespace};

fn open_to_all(path: &std::path::Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_file_that_may_not_be_read_is_named_and_the_rest_is_captured() {
    let scratch = scratch();
    open_to_all(scratch.path(), 0o755);
    let repo = changed(&scratch.path().join("app"));
    repo.write("locked.txt", "not for you\n")
        .write("locked/inner.txt", "not for you\n")
        .write("b.txt", "edited\n");
    for path in ["locked.txt", "locked", "b.txt"] {
        open_to_all(&repo.at(path), 0o000);
    }
    let before = fingerprint(&repo.root);
    let answers = scratch.path().join("answers");
    fs::create_dir(&answers).unwrap();
    open_to_all(&answers, 0o777);
    let bundle = answers.join("app.handoff");
    let job = Job::new(Operation::Capture, &repo.root, &answers.join("answer")).with_bundle(&bundle);
    let answer = as_nobody(&job, scratch.path()).unwrap();
    for path in ["locked.txt", "locked", "b.txt"] {
        open_to_all(&repo.at(path), 0o755);
    }
    assert!(answer.error.is_none(), "{:?}", answer.error);
    let unreadable = OmissionReason::Unreadable.as_str();
    let mut named: Vec<_> = answer
        .omissions
        .iter()
        .filter(|(_, reason)| reason == unreadable)
        .map(|(path, _)| path.trim_end_matches('/'))
        .collect();
    named.sort_unstable();
    assert_eq!(named, ["b.txt", "locked", "locked.txt"]);
    let snapshot = Snapshot::open(&bundle).unwrap();
    let paths: Vec<_> = snapshot.manifest().repos[0].entries.iter().map(|e| e.path.to_string()).collect();
    assert_eq!(paths, ["a.txt", "new.txt"]);
    for path in ["locked.txt", "locked", "b.txt"] {
        open_to_all(&repo.at(path), 0o000);
    }
    let mut after = fingerprint(&repo.root);
    for path in ["locked.txt", "locked", "b.txt"] {
        // Our own turning of the permissions is all that may differ.
        after.get_mut(path.as_bytes()).unwrap().ctime = before[path.as_bytes()].ctime;
        open_to_all(&repo.at(path), 0o755);
    }
    assert_eq!(before, after);
}

/// A bundle with one change of each kind, the first of which is large, and a target for it.
struct Scene {
    scratch: tempfile::TempDir,
    source: Repo,
    target: Repo,
    bundle: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let scratch = scratch();
        let base = Repo::init(scratch.path().join("base/app"), Format::Sha1);
        base.write("edited.txt", "before\n").write("gone.txt", "gone\n").write("tool", "tool\n");
        base.commit("base");
        let source = base.copy_to(scratch.path().join("source/app"));
        let noise: Vec<u8> =
            (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        source
            .write("a-large.bin", noise)
            .write("edited.txt", "after\n")
            .remove("gone.txt")
            .executable("tool", true);
        source.write("new/small.txt", "small\n");
        let bundle = scratch.path().join("scene.handoff");
        capture(&source.workspace(), &CaptureOptions::default()).unwrap().save(&bundle).unwrap();
        // A bundle is its owner's alone; here somebody else has to read it.
        open_to_all(&bundle, 0o644);
        Self { scratch, source, target: base, bundle }
    }

    fn job(&self) -> Job {
        Job::new(Operation::Apply, &self.target.root, &self.scratch.path().join("answer"))
            .with_bundle(&self.bundle)
    }

    /// What did not get in place is said, with a reason that names its path or place; what is said to be in place is.
    fn assert_nothing_lost(&self, before: &oracle::State, answer: &Answer, reason: &[&str]) {
        let now = oracle::state(&self.target);
        let wanted = oracle::state(&self.source);
        let paths = before.files.keys().chain(now.files.keys());
        for path in paths {
            let here = now.files.get(path);
            assert!(
                here == before.files.get(path) || here == wanted.files.get(path),
                "{} is neither old nor new: {here:?}",
                path.escape_ascii()
            );
        }
        assert_ne!(now.files, wanted.files, "the place did refuse");
        if let Some(error) = &answer.error {
            assert_eq!(error.kind, "io", "{}", error.message);
            assert!(reason.iter().any(|reason| error.message.contains(reason)), "{}", error.message);
            assert!(error.message.contains("app"), "the place is not named: {}", error.message);
            assert_eq!(now.files, before.files, "an error means that nothing was done");
            return;
        }
        let report = answer.report.as_ref().expect("an error or a report");
        assert_ne!(report.verdict, Verdict::Complete);
        let mut told = 0;
        for (_, file) in report.files() {
            let path = file.path.as_bytes();
            let in_place = now.files.get(path) == wanted.files.get(path);
            let claimed = matches!(file.outcome, Outcome::Applied | Outcome::Unchanged);
            assert_eq!(claimed, in_place, "{file:?}");
            if !claimed {
                assert_eq!(file.outcome, Outcome::Failed, "{file:?}");
                let words = format!("{:?} {:?}", file.reason, file.message);
                assert!(reason.iter().any(|reason| words.contains(reason)), "{words}");
                told += 1;
            }
        }
        assert!(told > 0);
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    let scene = Scene::new();
    let before = oracle::state(&scene.target);
    let root = scene.target.root.to_str().unwrap();
    let aside = scene.scratch.path().join("aside");
    let aside = aside.to_str().unwrap();
    // A file system of 1 MiB, which the large file alone overfills.
    let setup = format!(
        "cp -a '{root}' '{aside}'; mount -t tmpfs -o size=1m none '{root}'; cp -a '{aside}/.' '{root}'"
    );
    let cleanup = format!(
        "rm -rf '{aside}'; cp -a '{root}' '{aside}'; umount '{root}'; rm -rf '{root}'; mv '{aside}' '{root}'"
    );
    let answer = in_namespace(&scene.job(), &setup, &cleanup).unwrap();
    scene.assert_nothing_lost(&before, &answer, &["No space left", "os error 28", "ENOSPC"]);

    // With room, the next run completes.
    let answer = scene.job().run();
    let report = answer.report.unwrap_or_else(|| panic!("{:?}", answer.error));
    assert_eq!(report.verdict, Verdict::Complete, "{report:?}");
    assert_eq!(oracle::difference(&oracle::state(&scene.source), &oracle::state(&scene.target)), "");
}

#[test]
fn a_capture_on_a_full_disk_says_so_and_leaves_nothing_there() {
    let scratch = scratch();
    let repo = changed(&scratch.path().join("app"));
    // Noise for 1,024 pages, less room for the headers of the file and of the blocks and for the small contents,
    // but not for what completes the bundle.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    });
    repo.write("large.bin", noise.take(1024 * 4096 - 400).collect::<Vec<u8>>());
    let (out, left) = (scratch.path().join("out"), scratch.path().join("left"));
    fs::create_dir(&out).unwrap();
    let bundle = out.join("app.handoff");
    let mut job =
        Job::new(Operation::Capture, &repo.root, &scratch.path().join("answer")).with_bundle(&bundle);
    job.spool = Some(out.clone());
    let (out, left_shown) = (out.to_str().unwrap(), left.to_str().unwrap());
    // Room for less than the contents; for little more than that; and for the bundle, but not for two of them.
    for (kib, fits) in [(1000, false), (4096, false), (5000, true)] {
        let setup = format!("mount -t tmpfs -o size={kib}k none '{out}'");
        let cleanup = format!("ls -A '{out}' > '{left_shown}'; umount '{out}'");
        let answer = in_namespace(&job, &setup, &cleanup).unwrap();
        let there = fs::read_to_string(&left).unwrap();
        if fits {
            assert!(answer.error.is_none(), "{kib} KiB: {:?}", answer.error);
            assert_eq!(there, "app.handoff\n");
            continue;
        }
        let error = answer.error.unwrap_or_else(|| panic!("{kib} KiB are not enough"));
        assert_eq!(error.kind, "io", "{}", error.message);
        assert!(error.message.contains("No space left") && error.message.contains(out), "{}", error.message);
        assert_eq!(there, "", "{kib} KiB");
        let completing = error.message.contains("app.handoff");
        assert_eq!(completing, kib == 4096, "{}", error.message);
    }
}

#[test]
fn a_bundle_is_not_saved_where_nothing_may_be_written() {
    let scratch = scratch();
    let repo = changed(&scratch.path().join("app"));
    let [out, spool] = ["out", "spool"].map(|name| scratch.path().join(name));
    for dir in [&out, &spool] {
        fs::create_dir(dir).unwrap();
    }
    let bundle = out.join("app.handoff");
    let mut job =
        Job::new(Operation::Capture, &repo.root, &scratch.path().join("answer")).with_bundle(&bundle);
    // The spool is on the same file system, so only giving it its name fails.
    job.spool = Some(spool);
    let out = out.to_str().unwrap();
    let setup = format!("mount --bind '{out}' '{out}'; mount -o remount,bind,ro '{out}'");
    let error = in_namespace(&job, &setup, "").unwrap().error.expect("nothing may be written there");
    assert_eq!(error.kind, "io", "{}", error.message);
    assert!(error.message.contains("Read-only") && error.message.contains(out), "{}", error.message);
    assert_eq!(fs::read_dir(out).unwrap().count(), 0);
    // Nor is it without the mount, if its spool cannot be made.
    job.spool = Some(scratch.path().join("absent"));
    let error = job.run().error.expect("there is no such directory");
    assert!(error.kind == "io" && error.message.contains("absent"), "{}", error.message);
    job.spool = Some(PathBuf::from(out));
    assert!(job.run().error.is_none());
}

#[test]
fn a_read_only_target_is_told_of() {
    let scene = Scene::new();
    let before = oracle::state(&scene.target);
    let untouched = fingerprint(&scene.target.root);
    let root = scene.target.root.to_str().unwrap();
    let setup = format!("mount --bind '{root}' '{root}'; mount -o remount,bind,ro '{root}'");
    let answer = in_namespace(&scene.job(), &setup, "").unwrap();
    let words = ["Read-only", "os error 30", "EROFS", "cannot_write", "cannot be written"];
    scene.assert_nothing_lost(&before, &answer, &words);
    assert_eq!(untouched, fingerprint(&scene.target.root));
}

#[test]
fn a_target_without_the_right_to_write_is_told_of() {
    let scene = Scene::new();
    open_to_all(scene.scratch.path(), 0o755);
    let before = oracle::state(&scene.target);
    let untouched = fingerprint(&scene.target.root);
    let answers = scene.scratch.path().join("answers");
    fs::create_dir(&answers).unwrap();
    open_to_all(&answers, 0o777);
    let mut job = scene.job();
    job.answer = answers.join("answer");
    if !crate::support::rights::is_root() {
        // The tree is the tester's own, so its owner has to give the right up.
        open_to_all(&scene.target.git_dir(), 0o555);
    }
    let answer = as_nobody(&job, scene.scratch.path()).unwrap();
    if !crate::support::rights::is_root() {
        open_to_all(&scene.target.git_dir(), 0o755);
    }
    scene.assert_nothing_lost(
        &before,
        &answer,
        &["Permission denied", "os error 13", "EACCES", "cannot_write"],
    );
    if crate::support::rights::is_root() {
        assert_eq!(untouched, fingerprint(&scene.target.root));
    }
}

/// One directory of the target that may not be written must not keep the rest from arriving.
#[test]
fn one_locked_directory_costs_only_itself() {
    let scratch = scratch();
    open_to_all(scratch.path(), 0o755);
    let base = Repo::init(scratch.path().join("base/app"), Format::Sha1);
    base.write("free/a.txt", "before\n").write("locked/b.txt", "before\n");
    base.commit("base");
    let source = base.copy_to(scratch.path().join("source/app"));
    source.write("free/a.txt", "after\n").write("locked/b.txt", "after\n");
    let bundle = scratch.path().join("scene.handoff");
    capture(&source.workspace(), &CaptureOptions::default()).unwrap().save(&bundle).unwrap();
    open_to_all(&bundle, 0o644);
    if crate::support::rights::is_root() {
        let owned =
            std::process::Command::new("chown").args(["-R", "65534:65534"]).arg(&base.root).status().unwrap();
        assert!(owned.success());
    }
    let answers = scratch.path().join("answers");
    fs::create_dir(&answers).unwrap();
    open_to_all(&answers, 0o777);
    open_to_all(&base.at("locked"), 0o555);
    let job = Job::new(Operation::Apply, &base.root, &answers.join("answer")).with_bundle(&bundle);
    let answer = as_nobody(&job, scratch.path()).unwrap();
    open_to_all(&base.at("locked"), 0o755);
    let report = answer.report.unwrap_or_else(|| panic!("{:?}", answer.error));
    let of =
        |path: &str| report.files().find(|(_, f)| f.path.as_bytes() == path.as_bytes()).unwrap().1.clone();
    assert_eq!(of("free/a.txt").outcome, Outcome::Applied);
    let locked = of("locked/b.txt");
    assert_eq!(locked.outcome, Outcome::Failed, "{locked:?}");
    assert!(locked.message.as_deref().unwrap_or_default().contains("denied"), "{locked:?}");
    assert_eq!(base.read("free/a.txt"), b"after\n");
    assert_eq!(base.read("locked/b.txt"), b"before\n");
    assert_eq!(report.verdict, Verdict::Partial);
}
