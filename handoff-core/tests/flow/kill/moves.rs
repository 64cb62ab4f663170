//! `kill -9` while unpushed commits are stored, while a checkout is put on them, and while that is undone.

use std::fs;

use handoff_core::{
    ApplyHistory, ApplyOptions, Control, Error, HistoryOutcome, Snapshot, Verdict, apply, capture, undo,
};
use tempfile::TempDir;

use super::{Point, points, sample, strike};
use crate::support::driver::{Job, Operation};
use crate::support::git;
use crate::support::oracle::{self, State};
use crate::support::repo::{Format, Repo, copy_tree, scratch_in_memory, undisturbed};
use crate::support::trace;

/// How many kills a test makes when it takes a sample.
const SAMPLE: usize = 60;

/// A source with commits that its target lacks, and changes on top of them.
struct Scene {
    scratch: TempDir,
    target: Repo,
    snapshot: Snapshot,
    /// The source's commit and branch, the target's, and what their trees are.
    new: (String, State),
    old: (String, State),
}

/// Where HEAD is: the branch and its commit.
fn place(repo: &Repo) -> String {
    let branch = git::line(&repo.root, &["symbolic-ref", "HEAD"]);
    format!("{branch} {}", repo.head())
}

impl Scene {
    fn new() -> Self {
        let scratch = scratch_in_memory();
        let origin = Repo::init(scratch.path().join("origin"), Format::Sha1);
        origin.write("both.txt", "old\n".repeat(40)).write("gone.txt", "gone\n").write("same.txt", "same\n");
        origin.commit("pushed");
        let source = origin.clone_to(scratch.path().join("source/app"));
        let target = origin.clone_to(scratch.path().join("target/app"));
        source.git(&["checkout", "-q", "-b", "topic/x"]);
        source
            .write("both.txt", "committed\n".repeat(40))
            .write("dir/new.txt", "committed\n")
            .remove("gone.txt");
        source.commit("not pushed");
        source.write("both.txt", "not committed\n".repeat(40)).write("dir/fresh.txt", "fresh\n");
        source.git(&["add", "dir/fresh.txt"]);
        let snapshot = capture(&source.workspace(), &undisturbed()).unwrap();
        snapshot.save(scratch.path().join("scene.handoff")).unwrap();
        let new = (place(&source), oracle::state(&source));
        let old = (place(&target), oracle::state(&target));
        Self { scratch, target, snapshot, new, old }
    }

    fn fresh(&self, from: &Repo) -> Repo {
        let root = self.scratch.path().join("struck");
        let _ = fs::remove_dir_all(&root);
        copy_tree(&from.root, &root.join("app"));
        Repo { root: root.join("app") }
    }

    fn job(&self, operation: Operation, repo: &Repo) -> Job {
        Job::new(operation, &repo.root, &self.scratch.path().join("answer"))
            .with_bundle(&self.scratch.path().join("scene.handoff"))
    }

    /// What must hold whatever moment it was killed at: every file is one of the three that it may be.
    fn not_torn(&self, repo: &Repo) -> Result<(), String> {
        let now = oracle::files(&repo.root);
        let committed = |path: &[u8]| match path {
            b"both.txt" => Some("committed\n".repeat(40).into_bytes()),
            _ => None,
        };
        for (path, disk) in &now {
            let known = [&self.old.1, &self.new.1].iter().any(|state| state.files.get(path) == Some(disk))
                || matches!(disk, oracle::Disk::File { content, .. } if Some(content) == committed(path).as_ref());
            if !known {
                return Err(format!("{} is {disk:?}", path.escape_ascii()));
            }
        }
        if !now.contains_key(b"same.txt".as_slice()) {
            return Err("a file that nobody changes is gone".into());
        }
        Ok(())
    }

    fn at_every_point(
        &self,
        from: &Repo,
        job: impl Fn(&Repo) -> Job,
        after: impl Fn(&Repo) -> Result<(), String>,
    ) {
        trace::require();
        let all: Vec<Point> = points(&job(&self.fresh(from)), &self.scratch.path().join("trace"));
        let chosen = sample(all.clone(), SAMPLE);
        eprintln!("{} of {} points", chosen.len(), all.len());
        let (mut wrong, mut stopped) = (Vec::new(), 0);
        for point in &chosen {
            let repo = self.fresh(from);
            stopped += usize::from(strike(&job(&repo), point));
            let verdict = self.not_torn(&repo).and_then(|()| after(&repo)).and_then(|()| no_lock(&repo));
            if let Err(why) = verdict {
                wrong.push(format!("killed before {} number {}: {why}", point.name, point.nth));
            }
        }
        assert!(stopped * 10 > chosen.len() * 8, "only {stopped} of {} runs were stopped", chosen.len());
        assert!(
            wrong.is_empty(),
            "{} of {} kills did harm:\n{}",
            wrong.len(),
            chosen.len(),
            wrong.join("\n")
        );
    }
}

fn no_lock(repo: &Repo) -> Result<(), String> {
    for lock in ["HEAD.lock", "index.lock", "refs/heads/main.lock", "refs/heads/topic/x.lock"] {
        if repo.git_dir().join(lock).exists() {
            return Err(format!("{lock} was left behind"));
        }
    }
    Ok(())
}

/// Exactly this commit, branch, index and tree.
fn is(repo: &Repo, (head, wanted): &(String, State)) -> Result<(), String> {
    let difference = oracle::difference(wanted, &oracle::state(repo));
    match place(repo) == *head && difference.is_empty() {
        true => Ok(()),
        false => Err(format!("at {} and not at {head}: {difference}", place(repo))),
    }
}

fn with(history: ApplyHistory) -> ApplyOptions {
    let mut options = ApplyOptions::default();
    options.history = history;
    options
}

/// The latest apply that the target has a record of.
fn latest(repo: &Repo) -> Option<handoff_core::ApplyId> {
    crate::support::scene::applies(repo).into_iter().next()
}

#[test]
fn a_move_killed_anywhere_is_completed_by_the_next_apply_and_one_undo_takes_all_back() {
    let scene = Scene::new();
    let job = |repo: &Repo| Job { branch: true, ..scene.job(Operation::Apply, repo) };
    scene.at_every_point(&scene.target, job, |repo| {
        let report = apply(&scene.snapshot, &repo.workspace(), &with(ApplyHistory::Branch))
            .map_err(|why| why.to_string())?;
        if report.verdict != Verdict::Complete {
            return Err(report.to_string());
        }
        is(repo, &scene.new)?;
        let id = latest(repo).ok_or("nothing to undo")?;
        undo(&repo.workspace(), &id, &Control::default()).map_err(|why| why.to_string())?;
        is(repo, &scene.old).map_err(|why| format!("undone: {why}"))?;
        latest(repo).map_or(Ok(()), |id| Err(format!("the record {id} is left")))
    });
}

#[test]
fn an_undo_of_a_move_killed_anywhere_is_completed_by_the_next() {
    let scene = Scene::new();
    let applied = scene.target.copy_to(scene.scratch.path().join("applied/app"));
    let report = apply(&scene.snapshot, &applied.workspace(), &with(ApplyHistory::Branch)).unwrap();
    assert_eq!(is(&applied, &scene.new), Ok(()));
    let id = report.apply_id.unwrap();
    let job = |repo: &Repo| Job { apply_id: Some(id.to_string()), ..scene.job(Operation::Undo, repo) };
    scene.at_every_point(&applied, job, |repo| {
        match undo(&repo.workspace(), &id, &Control::default()) {
            Ok(undone) if undone.verdict != Verdict::Complete => return Err(undone.to_string()),
            // The killed run had come to its end, so there is nothing left to undo.
            Ok(_) | Err(Error::UnknownApply { .. }) => {}
            Err(why) => return Err(why.to_string()),
        }
        is(repo, &scene.old)
    });
}

#[test]
fn commits_that_were_being_stored_when_it_was_killed_are_whole_or_absent() {
    let scene = Scene::new();
    let job = |repo: &Repo| Job { objects: true, ..scene.job(Operation::Apply, repo) };
    let tip = scene.new.0.split(' ').next_back().unwrap().to_owned();
    scene.at_every_point(&scene.target, job, |repo| {
        if place(repo) != scene.old.0 {
            return Err("HEAD moved".into());
        }
        if git::output(&repo.root, &["cat-file", "-e", &tip], b"").status.success() {
            git::git(&repo.root, &["rev-list", "--objects", &tip]);
        }
        let report = apply(&scene.snapshot, &repo.workspace(), &with(ApplyHistory::Objects))
            .map_err(|why| why.to_string())?;
        let history = report.repos[0].history.as_ref().ok_or("nothing is said of the commits")?;
        if !matches!(history.outcome, HistoryOutcome::Stored | HistoryOutcome::Present) {
            return Err(report.to_string());
        }
        git::git(&repo.root, &["fsck", "--strict", "--no-dangling", &tip]);
        Ok(())
    });
}
