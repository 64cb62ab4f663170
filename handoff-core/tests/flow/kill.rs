//! `kill -9` at system calls of apply and undo: always old or new, never torn, and the next run completes.
//!
//! A sample of the calls by default; `HANDOFF_KILL_ALL=1` takes every one, `HANDOFF_SEED` moves the sample.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use handoff_core::{ApplyId, ApplyOptions, CaptureOptions, Outcome, Snapshot, apply, capture, undo};

use crate::support::driver::{Job, Operation};
use crate::support::oracle::{self, Disk, State};
use crate::support::purity::assert_untouched;
use crate::support::repo::{Format, Repo, copy_tree, scratch_in_memory};
use crate::support::trace;

/// How many kills a test makes when it takes a sample.
const SAMPLE: usize = 240;

/// Calls that change something on disk; they make up most of a sample.
const CHANGING: &[&str] = &[
    "chmod",
    "copy_file_range",
    "fallocate",
    "fchmod",
    "fchmodat",
    "fdatasync",
    "fsync",
    "ftruncate",
    "link",
    "linkat",
    "mkdir",
    "mkdirat",
    "pwrite64",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "sendfile",
    "symlink",
    "symlinkat",
    "sync_file_range",
    "syncfs",
    "unlink",
    "unlinkat",
    "utimensat",
    "write",
    "writev",
];

/// A target, what it was, and what it becomes.
struct Scene {
    scratch: tempfile::TempDir,
    /// Copied for each kill.
    target: Repo,
    bundle: PathBuf,
    old: State,
    new: State,
    /// The git directory's files (without the index and ours) by content.
    git: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Files of a directory by path, contents only.
fn contents(directory: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    fn visit(root: &Path, directory: &Path, found: &mut BTreeMap<Vec<u8>, Vec<u8>>) {
        let Ok(entries) = fs::read_dir(directory) else { return };
        for entry in entries {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let key = path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
            if meta.is_dir() {
                visit(root, &path, found);
            } else if meta.is_symlink() {
                found.insert(key, fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec());
            } else {
                found.insert(key, fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    visit(directory, directory, &mut found);
    found
}

/// What of the git directory must not change: everything but the index, its lock, and our journal.
fn foreign(repo: &Repo) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut files = contents(&repo.git_dir());
    files.retain(|path, _| !path.starts_with(b"handoff") && path != b"index" && path != b"index.lock");
    files
}

impl Scene {
    /// Eleven changes of every kind, staged and not.
    fn new() -> Self {
        let scratch = scratch_in_memory();
        let base = Repo::init(scratch.path().join("base/app"), Format::Sha1);
        base.write("modified.txt", "old content\n".repeat(50)).write("staged.txt", "old\n");
        base.write("deleted.txt", "to be deleted\n").write("sub/deleted-too.txt", "as well\n");
        base.write("tool.sh", "#!/bin/sh\n").write("becomes-link", "a file\n").link("link", "modified.txt");
        base.write("untouched.txt", "nobody's business\n");
        base.commit("base");
        let source = base.copy_to(scratch.path().join("source/app"));
        source.write("modified.txt", "new content\n".repeat(70)).write("staged.txt", "new\n");
        source.git(&["add", "staged.txt"]);
        source.write("staged.txt", "newer\n").write("added.txt", "added\n");
        source.git(&["add", "added.txt"]);
        source.remove("deleted.txt");
        source.git(&["rm", "-q", "sub/deleted-too.txt"]);
        source.executable("tool.sh", true).remove("becomes-link").link("becomes-link", "tool.sh");
        source.remove("link").link("link", "staged.txt");
        source.write("untracked.bin", vec![7; 100_000]).write("deep/er/untracked.txt", "deep\n");

        let workspace = source.workspace();
        let snapshot =
            assert_untouched(&[&source.root], || capture(&workspace, &CaptureOptions::default())).unwrap();
        let bundle = scratch.path().join("scene.handoff");
        snapshot.save(&bundle).unwrap();
        let (old, new) = (oracle::state(&base), oracle::state(&source));
        let git = foreign(&base);
        Self { scratch, target: base, bundle, old, new, git }
    }

    /// A fresh copy of `from` at the place that every copy has in turn.
    fn fresh(&self, from: &Repo) -> Repo {
        let place = self.scratch.path().join("struck");
        let _ = fs::remove_dir_all(&place);
        let root = place.join("app");
        copy_tree(&from.root, &root);
        Repo { root }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::open(&self.bundle).unwrap()
    }

    /// What must hold however far the killed run came.
    fn neither_torn_nor_lost(&self, repo: &Repo) -> Result<(), String> {
        let files = oracle::files(&repo.root);
        let journal: BTreeSet<Vec<u8>> = contents(&repo.git_dir().join("handoff")).into_values().collect();
        let paths: BTreeSet<_> =
            self.old.files.keys().chain(self.new.files.keys()).chain(files.keys()).collect();
        for path in paths {
            let (old, new, now) = (self.old.files.get(path), self.new.files.get(path), files.get(path));
            let shown = path.escape_ascii();
            if now != old && now != new {
                return Err(format!("{shown} is neither old nor new: {now:?}"));
            }
            let lost = match old {
                Some(Disk::File { content, .. }) => {
                    !matches!(now, Some(Disk::File { content: here, .. }) if here == content)
                        && !journal.contains(content)
                }
                Some(Disk::Link(target)) => now != old && !journal.contains(target),
                Some(Disk::Special) | None => false,
            };
            if lost {
                return Err(format!("the old content of {shown} is neither in the tree nor in the journal"));
            }
        }
        let git = foreign(repo);
        for (path, content) in &self.git {
            if git.get(path) != Some(content) {
                return Err(format!(".git/{} changed", path.escape_ascii()));
            }
        }
        for path in git.keys().filter(|path| !self.git.contains_key(*path)) {
            if !path.starts_with(b"objects/") {
                return Err(format!(".git/{} was left behind", path.escape_ascii()));
            }
        }
        let index = oracle::state(repo).index;
        if index != self.old.index && index != self.new.index {
            return Err("the index is neither old nor new".into());
        }
        Ok(())
    }

    /// After the run that completes: exactly this state, and nothing left over.
    fn complete(&self, repo: &Repo, wanted: &State) -> Result<(), String> {
        let difference = oracle::difference(wanted, &oracle::state(repo));
        if !difference.is_empty() {
            return Err(format!("the next run did not complete it:\n{difference}"));
        }
        if repo.git_dir().join("index.lock").exists() {
            return Err("index.lock was left behind".into());
        }
        Ok(())
    }
}

/// One place to strike: before the `nth` call of `name` in any thread.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    name: String,
    nth: usize,
}

/// The places at which `job` can be struck, found by running it once on a copy.
fn points(job: &Job, log: &Path) -> Vec<Point> {
    let traced = trace::under(&job.command(), &["-e", "trace=%file,%desc,%process"], log);
    let answer = job.answer_of(traced).unwrap();
    assert!(answer.error.is_none(), "without a kill: {:?}", answer.error);
    let inside: BTreeSet<Point> = trace::calls(log)
        .into_iter()
        .filter(|call| call.inside && !matches!(call.name.as_str(), "exit" | "exit_group" | "execve"))
        .map(|call| Point { name: call.name, nth: call.nth })
        .collect();
    let points: Vec<_> = inside.into_iter().collect();
    assert!(
        points.iter().any(|point| CHANGING.contains(&point.name.as_str())),
        "the trace shows no change at all; is strace able to follow?"
    );
    points
}

/// All points, or an even sample of them in which changing calls have three quarters.
fn sample(points: Vec<Point>) -> Vec<Point> {
    if std::env::var_os("HANDOFF_KILL_ALL").is_some_and(|value| value == "1") {
        return points;
    }
    let seed: usize = std::env::var("HANDOFF_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let (changing, other): (Vec<_>, Vec<_>) =
        points.into_iter().partition(|point| CHANGING.contains(&point.name.as_str()));
    let every = |points: Vec<Point>, most: usize| -> Vec<Point> {
        let step = points.len().div_ceil(most).max(1);
        points.into_iter().skip(seed % step).step_by(step).collect()
    };
    let mut chosen = every(changing, SAMPLE * 3 / 4);
    chosen.extend(every(other, SAMPLE / 4));
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
    let chosen = sample(all.clone());
    eprintln!("{} of {} points", chosen.len(), all.len());
    let mut wrong = Vec::new();
    let mut stopped = 0;
    for point in &chosen {
        let repo = scene.fresh(from);
        stopped += usize::from(strike(&job(&repo), point));
        let verdict = scene.neither_torn_nor_lost(&repo).and_then(|()| after(&repo));
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

/// The applies that a repository's journal records, newest first.
fn applies(repo: &Repo) -> Vec<ApplyId> {
    let mut found = BTreeSet::new();
    let mut directories = vec![repo.git_dir().join("handoff")];
    while let Some(directory) = directories.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries {
            let entry = entry.unwrap();
            if let Some(id) = entry.file_name().to_str().and_then(|name| name.split('.').next()?.parse().ok())
            {
                found.insert(id);
            }
            if entry.file_type().unwrap().is_dir() {
                directories.push(entry.path());
            }
        }
    }
    found.into_iter().rev().collect()
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
        scene.neither_torn_nor_lost(&repo)
    };
    assert_eq!(scene.neither_torn_nor_lost(&repo), Ok(()), "an untouched target is fine");
    assert!(careless("head -c 100 modified.txt > t && mv t modified.txt").is_err(), "torn");
    assert!(careless("rm deleted.txt").is_err(), "deleted without a copy");
    assert!(careless("echo x > .modified.txt.tmp").is_err(), "a stray temporary file");
    assert!(careless("echo x >> .git/config").is_err(), "git's own file");
    assert!(careless("git rm -q --cached staged.txt").is_err(), "an index of its own");
}
