//! Errors of the operating system at the calls of capture, save, apply and undo: a full disk, a broken one, missing
//! rights, too many open files, once or from then on. Whatever fails, what is said is what is on disk, an error means
//! that nothing was done, nothing is lost, and the same call without the trouble completes.
//!
//! A sample of the calls by default; `HANDOFF_KILL_ALL=1` takes every one with every error that it can meet, and
//! `HANDOFF_SEED` moves the sample.

mod capturing;

use std::collections::BTreeMap;
use std::path::Path;

use handoff_core::{ApplyOptions, ApplyReport, Digest, FileReport, Outcome, apply, undo};

use crate::support::driver::{Answer, Job, Operation};
use crate::support::oracle::{self, Disk, State};
use crate::support::repo::Repo;
use crate::support::scene::{Point, Scene, applies, points, wants_all};
use crate::support::trace;

/// What the calls of a name can fail with.
const ERRORS: &[(&[&str], &[&str])] = &[
    (&["open", "openat", "openat2"], &["EACCES", "EMFILE", "EIO", "ENOSPC"]),
    (&["write", "writev", "pwrite64", "pwritev", "pwritev2"], &["ENOSPC", "EIO"]),
    (&["copy_file_range", "sendfile", "fallocate", "ftruncate"], &["ENOSPC", "EIO"]),
    (&["mkdir", "mkdirat", "symlink", "symlinkat", "link", "linkat"], &["ENOSPC", "EACCES", "EIO"]),
    (&["rename", "renameat", "renameat2"], &["ENOSPC", "EACCES", "EIO"]),
    (&["unlink", "unlinkat", "rmdir"], &["EACCES", "EIO"]),
    (&["chmod", "fchmod", "fchmodat", "fchmodat2", "utimensat"], &["EPERM", "EIO"]),
    (&["fsync", "fdatasync", "syncfs"], &["EIO", "ENOSPC"]),
    (&["read", "readv", "pread64", "preadv", "preadv2", "getdents64"], &["EIO"]),
    (&["stat", "lstat", "fstat", "newfstatat", "statx"], &["EACCES", "EIO"]),
    (&["readlink", "readlinkat"], &["EACCES", "EIO"]),
    (&["flock"], &["ENOLCK"]),
    (&["dup", "dup2", "dup3"], &["EMFILE"]),
];

/// Calls that go on failing once a disk is full or broken, and without which a run can still give its answer.
const LASTING: &[&str] = &[
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "copy_file_range",
    "sendfile",
    "fallocate",
    "ftruncate",
    "mkdir",
    "mkdirat",
    "symlink",
    "symlinkat",
    "link",
    "linkat",
    "rename",
    "renameat",
    "renameat2",
    "fsync",
    "fdatasync",
    "syncfs",
];

/// One error to be met.
#[derive(Debug, Clone)]
pub struct Trouble {
    pub point: Point,
    pub errno: &'static str,
    /// From this call on, not only at it.
    pub lasting: bool,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Point { name, nth } = &self.point;
        write!(
            f,
            "{} at {name} number {nth}{}",
            self.errno,
            if self.lasting { " and all that follow" } else { "" }
        )
    }
}

/// All errors at all points, or an even sample of `most`.
pub fn troubles(points: Vec<Point>, most: usize) -> Vec<Trouble> {
    let mut all = Vec::new();
    for point in points {
        let errors = ERRORS.iter().find(|(names, _)| names.contains(&point.name.as_str()));
        for errno in errors.map_or(&[][..], |(_, errors)| errors) {
            all.push(Trouble { point: point.clone(), errno, lasting: false });
            if LASTING.contains(&point.name.as_str()) {
                all.push(Trouble { point: point.clone(), errno, lasting: true });
            }
        }
    }
    if wants_all() {
        return all;
    }
    let seed: usize = std::env::var("HANDOFF_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    // Each name has its share, so that the many looks at files do not crowd out the few changes.
    let mut by_name: BTreeMap<String, Vec<Trouble>> = BTreeMap::new();
    for trouble in all {
        by_name.entry(trouble.point.name.clone()).or_default().push(trouble);
    }
    let share = most.div_ceil(by_name.len().max(1));
    let mut chosen = Vec::new();
    for list in by_name.into_values() {
        let step = list.len().div_ceil(share).max(1);
        chosen.extend(list.into_iter().skip(seed % step).step_by(step));
    }
    chosen
}

/// What became of a run that met an error.
pub enum Met {
    Answer(Box<Answer>),
    /// The error hit the test's own part of the process.
    Nothing,
}

/// Runs `job` with `trouble`.
///
/// # Errors
/// A panic of the library.
pub fn meet(job: &mut Job, trouble: &Trouble) -> Result<Met, String> {
    let Trouble { point, errno, lasting } = trouble;
    job.plain_answer = point.name.starts_with("pwrite");
    let inject =
        format!("inject={}:error={errno}:when={}{}", point.name, point.nth, if *lasting { "+" } else { "" });
    let traced = format!("trace={}", point.name);
    let command = trace::under(&job.command(), &["-e", &traced, "-e", &inject], Path::new("/dev/null"));
    match job.answer_of(command) {
        Ok(answer) => Ok(Met::Answer(Box::new(answer))),
        Err(output) if output.contains("handoff-core/src") || output.contains("panicked at src") => {
            Err(output)
        }
        Err(_) => Ok(Met::Nothing),
    }
}

/// Meets every chosen trouble of `job`, each on a fresh copy of `from`, and checks what `after` checks.
fn at_every_error(
    scene: &Scene,
    from: &Repo,
    most: usize,
    job: impl Fn(&Repo) -> Job,
    after: impl Fn(&Repo, Answer) -> Result<(), String>,
) {
    trace::require();
    let probe = scene.fresh(from);
    let all = points(&job(&probe), &scene.scratch.path().join("trace"));
    let chosen = troubles(all, most);
    let (mut wrong, mut answered) = (Vec::new(), 0);
    for trouble in &chosen {
        let repo = scene.fresh(from);
        let verdict = meet(&mut job(&repo), trouble).and_then(|met| match met {
            Met::Nothing => Ok(()),
            Met::Answer(answer) => {
                answered += 1;
                after(&repo, *answer)
            }
        });
        if let Err(why) = verdict.and_then(|()| {
            scene.neither_torn_nor_lost(&repo).or_else(|why| {
                // After the run that completes and its undo, the old state is all there is.
                if oracle::difference(&scene.old, &oracle::state(&repo)).is_empty() {
                    Ok(())
                } else {
                    Err(why)
                }
            })
        }) {
            wrong.push(format!("{trouble}: {why}"));
        }
    }
    eprintln!("{} errors met, {answered} answers", chosen.len());
    assert!(answered * 10 > chosen.len() * 8, "only {answered} of {} runs gave an answer", chosen.len());
    assert!(wrong.is_empty(), "{} of {} errors did harm:\n{}", wrong.len(), chosen.len(), wrong.join("\n"));
}

fn hash_of(disk: Option<&Disk>) -> Option<Digest> {
    match disk? {
        Disk::File { content, .. } => Some(Digest::of(content)),
        Disk::Link(target) => Some(Digest::of(target)),
        Disk::Special => None,
    }
}

/// Whether `file` says of its path what is on disk: `was` before the call, `wanted` by it, `now` after it.
fn is_true(file: &FileReport, was: &State, wanted: &State, now: &State) -> Result<(), String> {
    let path = file.path.as_bytes();
    let (was, wanted, now) = (was.files.get(path), wanted.files.get(path), now.files.get(path));
    if let Some(hash) = file.hash
        && hash_of(now) != Some(hash)
    {
        return Err(format!("the hash told is not that of the disk: {file:?}, {now:?}"));
    }
    let unsure = file.message.as_deref().is_some_and(|message| message.contains("could not be read again"));
    let holds = match file.outcome {
        Outcome::Applied | Outcome::Merged | Outcome::Unchanged => now == wanted,
        Outcome::Failed if unsure => now == was || now == wanted,
        // Nobody else is at work here, so that is never the reason.
        Outcome::Failed => {
            now == was && file.reason.as_deref().is_some_and(|reason| reason != "resource_busy")
        }
        _ => now == was,
    };
    if holds { Ok(()) } else { Err(format!("told is {file:?}, on disk is {now:?}")) }
}

/// Whether the report as a whole is what is on disk.
fn is_truthful(report: &ApplyReport, was: &State, wanted: &State, now: &State) -> Result<(), String> {
    for (_, file) in report.files() {
        is_true(file, was, wanted, now)?;
    }
    let lines_of = |state: &State, path: &[u8]| -> Vec<Vec<u8>> {
        let of_path = |line: &&Vec<u8>| line.split(|byte| *byte == b'\t').nth(1) == Some(path);
        state.index.iter().filter(of_path).cloned().collect()
    };
    let left: Vec<&[u8]> = report
        .repos
        .iter()
        .flat_map(|repo| repo.staging.left_paths.iter().map(|(path, _)| path.as_bytes()))
        .collect();
    for (_, file) in report.files() {
        let path = file.path.as_bytes();
        let (here, before, after) = (lines_of(now, path), lines_of(was, path), lines_of(wanted, path));
        let expected = if left.contains(&path) { &before } else { &after };
        // A path that failed may have no staged state to speak of: then the index has either.
        if &here != expected && !(here == before && before == after) {
            return Err(format!("the staged state of {} is not as told: {:?}", file.path, report.repos));
        }
    }
    let complete = oracle::difference(wanted, now).is_empty();
    if report.verdict.as_str() == "complete" && !complete {
        return Err("said to be complete, and is not".into());
    }
    Ok(())
}

/// An error means that nothing was done.
fn nothing_was_done(error: &str, was: &State, now: &State) -> Result<(), String> {
    let difference = oracle::difference(was, now);
    if difference.is_empty() { Ok(()) } else { Err(format!("error ({error}), and yet:\n{difference}")) }
}

#[test]
fn an_apply_that_meets_an_error_tells_the_truth_and_the_next_completes_it() {
    let scene = Scene::new();
    let snapshot = scene.snapshot();
    let answer = scene.scratch.path().join("answer");
    let job = |repo: &Repo| Job::new(Operation::Apply, &repo.root, &answer).with_bundle(&scene.bundle);
    at_every_error(&scene, &scene.target, 110, job, |repo, answer| {
        let now = oracle::state(repo);
        match (&answer.report, &answer.error) {
            (Some(report), _) => {
                let unsound = oracle::unsound(snapshot.manifest(), report);
                if !unsound.is_empty() {
                    return Err(unsound);
                }
                is_truthful(report, &scene.old, &scene.new, &now)?;
            }
            (None, Some(error)) => nothing_was_done(&error.message, &scene.old, &now)?,
            (None, None) => return Err("neither report nor error".into()),
        }
        scene.neither_torn_nor_lost(repo)?;
        let workspace = repo.workspace();
        let options = ApplyOptions::default();
        let report = apply(&snapshot, &workspace, &options).map_err(|error| error.to_string())?;
        if report.verdict.as_str() != "complete" {
            return Err(format!("the next run: {report}"));
        }
        scene.complete(repo, &scene.new)?;
        for id in applies(repo) {
            undo(&workspace, &id, &options.control).map_err(|error| error.to_string())?;
        }
        scene.complete(repo, &scene.old).map_err(|why| format!("undone afterwards: {why}"))
    });
}

#[test]
fn an_undo_that_meets_an_error_tells_the_truth_and_the_next_completes_it() {
    let scene = Scene::new();
    let applied = scene.target.copy_to(scene.scratch.path().join("applied/app"));
    let report = apply(&scene.snapshot(), &applied.workspace(), &ApplyOptions::default()).unwrap();
    let id = report.apply_id.expect("something was applied");
    let answer = scene.scratch.path().join("answer");
    let job = |repo: &Repo| {
        let mut job = Job::new(Operation::Undo, &repo.root, &answer);
        job.apply_id = Some(id.to_string());
        job
    };
    at_every_error(&scene, &applied, 80, job, |repo, answer| {
        let now = oracle::state(repo);
        match (&answer.report, &answer.error) {
            (Some(report), _) => is_truthful(report, &scene.new, &scene.old, &now)?,
            (None, Some(error)) => nothing_was_done(&error.message, &scene.new, &now)?,
            (None, None) => return Err("neither report nor error".into()),
        }
        scene.neither_torn_nor_lost(repo)?;
        match undo(&repo.workspace(), &id, &ApplyOptions::default().control) {
            Ok(report) if report.verdict.as_str() != "complete" => {
                return Err(format!("the next undo: {report}"));
            }
            Ok(_) | Err(handoff_core::Error::UnknownApply { .. }) => {}
            Err(error) => return Err(format!("the next undo: {error}")),
        }
        scene.complete(repo, &scene.old)
    });
}
