//! `kill -9` at system calls of apply and undo: always old or new, never torn, and the next run completes.
//!
//! A sample of the calls by default; `HANDOFF_KILL_ALL=1` takes every one, `HANDOFF_SEED` moves the sample.

mod moves;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use handoff_core::{ApplyOptions, Outcome, apply, undo};

use crate::support::driver::{Job, Operation};
use crate::support::oracle;
use crate::support::repo::Repo;
use crate::support::scene::{CHANGING, Point, Scene, applies, points, wants_all};
use crate::support::trace;

/// How many kills a test makes when it takes a sample.
const SAMPLE: usize = 240;

/// All points, or an even sample of them in which changing calls have three quarters.
fn sample(points: Vec<Point>, most: usize) -> Vec<Point> {
    if wants_all() {
        return points;
    }
    let seed: usize = std::env::var("HANDOFF_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let (changing, other): (Vec<_>, Vec<_>) =
        points.into_iter().partition(|point| CHANGING.contains(&point.name.as_str()));
    let every = |points: Vec<Point>, most: usize| -> Vec<Point> {
        let step = points.len().div_ceil(most).max(1);
        points.into_iter().skip(seed % step).step_by(step).collect()
    };
    let mut chosen = every(changing, most * 3 / 4);
    chosen.extend(every(other, most / 4));
    chosen
}

/// Runs `job` and kills it at `point`. Whether it was stopped before its end.
fn strike(job: &Job, point: &Point) -> bool {
    let inject = format!("inject={}:signal=KILL:when={}", point.name, point.nth);
    let trace = format!("trace={}", point.name);
    let mut command = trace::under(&job.command(), &["-e", &trace, "-e", &inject], Path::new("/dev/null"));
    command.output().unwrap();
    fs::remove_file(&job.answer).is_err()
}

/// Kills `job` at every chosen point, each time on a fresh copy of `from`, and checks what `after` checks.
fn at_every_point(
    scene: &Scene,
    from: &Repo,
    job: impl Fn(&Repo) -> Job,
    after: impl Fn(&Repo) -> Result<(), String>,
) {
    trace::require();
    let probe = scene.fresh(from);
    let all = points(&job(&probe), &scene.scratch.path().join("trace"));
    let chosen = sample(all.clone(), SAMPLE);
    eprintln!("{} of {} points", chosen.len(), all.len());
    let mut wrong = Vec::new();
    let mut stopped = 0;
    for point in &chosen {
        let repo = scene.fresh(from);
        stopped += usize::from(strike(&job(&repo), point));
        let verdict = scene
            .neither_torn_nor_lost(&repo)
            .and_then(|()| scene.index_is_whole(&repo))
            .and_then(|()| after(&repo));
        if let Err(why) = verdict {
            wrong.push(format!("killed before {} number {}: {why}", point.name, point.nth));
        }
    }
    // Counts differ a little from run to run, so a few of the last calls may not be reached.
    assert!(stopped * 10 > chosen.len() * 8, "only {stopped} of {} runs were stopped at all", chosen.len());
    assert!(wrong.is_empty(), "{} of {} kills did harm:\n{}", wrong.len(), chosen.len(), wrong.join("\n"));
}

fn answer_at(scene: &Scene) -> PathBuf {
    scene.scratch.path().join("answer")
}

#[test]
fn an_apply_killed_anywhere_is_completed_by_the_next() {
    let scene = Scene::new();
    let snapshot = scene.snapshot();
    let job =
        |repo: &Repo| Job::new(Operation::Apply, &repo.root, &answer_at(&scene)).with_bundle(&scene.bundle);
    at_every_point(&scene, &scene.target, job, |repo| {
        let workspace = repo.workspace();
        let report =
            apply(&snapshot, &workspace, &ApplyOptions::default()).map_err(|error| error.to_string())?;
        let unsound = oracle::unsound(snapshot.manifest(), &report);
        if !unsound.is_empty() {
            return Err(unsound);
        }
        scene.complete(repo, &scene.new)?;
        // And the way back is still open.
        for id in applies(repo) {
            undo(&workspace, &id, &ApplyOptions::default().control).map_err(|error| error.to_string())?;
        }
        scene.complete(repo, &scene.old).map_err(|why| format!("undone afterwards: {why}"))
    });
}

#[test]
fn an_undo_killed_anywhere_is_completed_by_the_next() {
    let scene = Scene::new();
    let applied = scene.target.copy_to(scene.scratch.path().join("applied/app"));
    let report = apply(&scene.snapshot(), &applied.workspace(), &ApplyOptions::default()).unwrap();
    let id = report.apply_id.expect("something was applied");
    let job = |repo: &Repo| {
        let mut job = Job::new(Operation::Undo, &repo.root, &answer_at(&scene));
        job.apply_id = Some(id.to_string());
        job
    };
    at_every_point(&scene, &applied, job, |repo| {
        match undo(&repo.workspace(), &id, &ApplyOptions::default().control) {
            Ok(report) => {
                let left: Vec<_> = report
                    .files()
                    .filter(|(_, file)| !matches!(file.outcome, Outcome::Applied | Outcome::Unchanged))
                    .map(|(_, file)| format!("{file:?}"))
                    .collect();
                if !left.is_empty() {
                    return Err(left.join("\n"));
                }
            }
            // The killed run had come to its end, so there is nothing left to undo.
            Err(handoff_core::Error::UnknownApply { .. }) => {}
            Err(error) => return Err(error.to_string()),
        }
        scene.complete(repo, &scene.old)
    });
}

/// The harness itself: a writer that is not careful must be caught.
#[test]
fn a_careless_writer_is_caught() {
    trace::require();
    let scene = Scene::new();
    let repo = scene.fresh(&scene.target);
    let careless = |script: &str| {
        let repo = scene.fresh(&scene.target);
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script).current_dir(&repo.root);
        assert!(shell.status().unwrap().success());
        scene.neither_torn_nor_lost(&repo).and_then(|()| scene.index_is_whole(&repo))
    };
    assert_eq!(scene.neither_torn_nor_lost(&repo), Ok(()), "an untouched target is fine");
    assert!(careless("head -c 100 modified.txt > t && mv t modified.txt").is_err(), "torn");
    assert!(careless("rm deleted.txt").is_err(), "deleted without a copy");
    assert!(careless("echo x > .modified.txt.tmp").is_err(), "a stray temporary file");
    assert!(careless("echo x >> .git/config").is_err(), "git's own file");
    assert!(careless("git rm -q --cached staged.txt").is_err(), "an index of its own");
}
