//! Capture: the uncommitted state of a workspace as a [`Snapshot`], writing nothing anywhere.

mod limits;
mod loose;
mod options;
mod plan;
mod read;
mod scan;
mod secrets;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

pub use self::options::{
    AllowSecret, Bases, CaptureOptions, CapturePlan, PlannedChange, PlannedFile, RepoPlan, SecretRules,
};
use self::read::{Outcome, Reader, Source, Stop, omission};
use self::scan::{Candidate, candidates};
use self::secrets::{Named, Secrets};
use crate::error::Error;
use crate::git::{Index, Patterns, Repo, ScanOptions};
use crate::path::RelPath;
use crate::progress::Phase;
use crate::rooted::Root;
use crate::snapshot::{
    Extra, FORMAT, Manifest, OmissionReason, PartialReason, RepoFailure, RepoManifest, Snapshot, Spool,
};
use crate::workspace::Workspace;

/// Candidates a thread takes at once.
const BATCH: usize = 16;

/// Times the whole capture is repeated when HEAD or an index changes meanwhile.
const RETRIES: usize = 3;

/// Captures the uncommitted state of every repository of `workspace`, nested repositories included, and its files
/// outside any repository.
///
/// Writes nothing in any work tree or git directory, takes no lock and runs no program. A repository that cannot
/// be read is listed in the manifest with the reason ([`RepoManifest::failed`]) and the others are captured.
/// One pass over the work tree; contents of changed files are read once, in memory bounded by
/// [`CaptureOptions::spool_memory`] and a few megabytes a core.
///
/// # Errors
/// [`Error::Cancelled`]; [`Error::InvalidArgument`] for a bad option; [`Error::Io`] when the temporary file for
/// contents cannot be written.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let app = dir.path().join("app");
/// # std::process::Command::new("git").args(["init", "-q"]).arg(&app).status()?;
/// use handoff_core::{CaptureOptions, Workspace, capture};
///
/// std::fs::write(app.join("draft.txt"), "not committed yet")?;
/// let snapshot = capture(&Workspace::new([&app])?, &CaptureOptions::default())?;
/// let repo = &snapshot.manifest().repos[0];
/// assert_eq!(repo.entries[0].path, "draft.txt".into());
/// assert!(repo.omissions.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn capture(workspace: &Workspace, options: &CaptureOptions) -> Result<Snapshot, Error> {
    let deadline = options.deadline.and_then(|after| Instant::now().checked_add(after));
    let patterns = limits::patterns(options)?;
    let secrets = Secrets::new(options)?;
    let (mut attempt, mut tight) = (0, false);
    loop {
        let mut run = Run {
            workspace,
            options,
            deadline,
            patterns: patterns.as_ref(),
            secrets: &secrets,
            spool: Spool::new(options.spool_memory),
            tight,
            entries: 0,
            bytes: 0,
            moved: false,
            cut: false,
        };
        let mut repos = Vec::new();
        for repo in workspace.repos() {
            run.repository(&repo.root, repo.name.clone(), &mut repos)?;
        }
        let (loose_files, loose_omissions) = run.loose_files()?;
        let expired = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if run.bytes > options.max_total_bytes && !tight {
            // What is known only after reading (committed versions) went over the limit.
            tight = true;
            continue;
        }
        if run.moved && attempt < RETRIES && !expired {
            attempt += 1;
            continue;
        }
        repos.sort_by(|a, b| a.name.cmp(&b.name));
        let manifest = Manifest {
            environment: BTreeMap::new(),
            format: FORMAT.to_owned(),
            loose_files,
            loose_omissions,
            partial: run.cut.then_some(PartialReason::Deadline),
            repos,
            extra: Extra::new(),
        };
        return run.spool.finish(manifest);
    }
}

/// Lists what [`capture`] would carry, with sizes, without reading any content: for consent. A file whose stat
/// data is out of date is listed though it may turn out unchanged.
///
/// # Errors
/// As [`capture`].
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let app = dir.path().join("app");
/// # std::process::Command::new("git").args(["init", "-q"]).arg(&app).status()?;
/// use handoff_core::{CaptureOptions, Workspace, plan};
///
/// std::fs::write(app.join("draft.txt"), "not committed yet")?;
/// let plan = plan(&Workspace::new([&app])?, &CaptureOptions::default())?;
/// assert_eq!(plan.repos[0].files[0].bytes, 17);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn plan(workspace: &Workspace, options: &CaptureOptions) -> Result<CapturePlan, Error> {
    let deadline = options.deadline.and_then(|after| Instant::now().checked_add(after));
    let patterns = limits::patterns(options)?;
    let secrets = Secrets::new(options)?;
    let mut repos = Vec::new();
    let mut todo: Vec<_> =
        workspace.repos().iter().map(|repo| (repo.root.clone(), repo.name.clone())).collect();
    let mut bytes = 0_u64;
    while let Some((root, name)) = todo.pop() {
        match plan::repository(&root, options, deadline, &name, patterns.as_ref(), &secrets, &mut bytes) {
            Ok((mut found, nested)) => {
                found.name.clone_from(&name);
                repos.push(found);
                let inner = nested.into_iter().map(|path| nested_repo(&root, &name, &path));
                todo.extend(
                    inner.filter(|(root, _)| workspace.repos().iter().all(|repo| repo.root != *root)),
                );
            }
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(why) => repos.push(RepoPlan {
                name,
                files: Vec::new(),
                omissions: Vec::new(),
                failed: Some(failure(&why, &root)),
            }),
        }
    }
    repos.sort_by(|a, b| a.name.cmp(&b.name));
    let (loose_files, loose_omissions) =
        loose::plan(workspace, options, patterns.as_ref(), &secrets, &mut bytes);
    Ok(CapturePlan { repos, loose_files, loose_omissions })
}

/// Root and name of a repository found at `path` in another.
fn nested_repo(root: &Path, name: &str, path: &RelPath) -> (PathBuf, String) {
    (root.join(crate::git::os_path(path.as_bytes())), format!("{name}/{path}"))
}

/// An error as data, without this machine's paths.
fn failure(why: &Error, root: &Path) -> RepoFailure {
    let mut message = why.to_string();
    let mut source = std::error::Error::source(why);
    while let Some(inner) = source {
        message = format!("{message}: {inner}");
        source = inner.source();
    }
    let message = message.replace(&*root.to_string_lossy(), "the repository");
    RepoFailure { kind: why.kind().as_str().to_owned(), message, extra: Extra::new() }
}

/// What one thread has read.
struct Share {
    /// Outcomes with the position of their candidate.
    out: Vec<(usize, Outcome)>,
    bytes: u64,
    cut: bool,
}

/// One attempt at a capture.
struct Run<'a> {
    workspace: &'a Workspace,
    options: &'a CaptureOptions,
    deadline: Option<Instant>,
    patterns: Option<&'a Patterns>,
    secrets: &'a Secrets<'a>,
    spool: Spool,
    /// The limit for the whole snapshot may be reached, so what fits is decided in order.
    tight: bool,
    /// Entries so far, in all repositories.
    entries: u64,
    /// Bytes of content so far, all layers together.
    bytes: u64,
    /// HEAD or an index changed meanwhile.
    moved: bool,
    cut: bool,
}

impl Run<'_> {
    /// Captures the repository at `root` and those inside it.
    fn repository(&mut self, root: &Path, name: String, out: &mut Vec<RepoManifest>) -> Result<(), Error> {
        self.options.control.check()?;
        let mut manifest = RepoManifest { name: name.clone(), ..RepoManifest::default() };
        match self.contents(root, &mut manifest) {
            Ok(nested) => {
                out.push(manifest);
                for path in nested {
                    let (root, name) = nested_repo(root, &name, &path);
                    // One that the caller named is captured under its own name.
                    if self.workspace.repos().iter().any(|repo| repo.root == root) {
                        continue;
                    }
                    self.repository(&root, name, out)?;
                }
                Ok(())
            }
            Err(Stop::Capture(why)) => Err(why),
            Err(Stop::Repository(why)) => {
                manifest.entries.clear();
                manifest.omissions.clear();
                manifest.failed = Some(failure(&why, root));
                out.push(manifest);
                Ok(())
            }
        }
    }

    fn contents(&mut self, root: &Path, manifest: &mut RepoManifest) -> Result<Vec<RelPath>, Stop> {
        let repo = Repo::open_at(root)?;
        let before = repo.moment()?;
        manifest.object_format = Some(repo.format());
        manifest.flags = repo.flags();
        manifest.operation = repo.operation();
        manifest.stashes = repo.stashes();
        let index = repo.index()?;
        let include = repo.include(&self.options.include_ignored, self.options.worktree_include);
        let scan = ScanOptions {
            control: &self.options.control,
            deadline: self.deadline,
            include: Some(&include),
            list_ignored: self.options.list_ignored,
        };
        // HEAD's upstream and the identity may need a walk through history, which runs beside the walk of the tree.
        let (found, head, id) = std::thread::scope(|scope| {
            let about = scope.spawn(|| (repo.head(), repo.identity()));
            let found = candidates(&repo, &index, &scan, self.options.empty_dirs);
            let (head, id) = about.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (found, head, id)
        });
        let mut found = found?;
        manifest.head = head?;
        manifest.id = id?;
        self.cut |= found.cut;
        let mut outcomes = self.read(&repo, &manifest.name, &index, found.paths)?;
        limits::cap_entries(&mut outcomes, self.entries, self.options.max_entries);
        for (_, outcome) in outcomes {
            match outcome {
                Outcome::Unchanged => {}
                Outcome::Entry(entry) => manifest.entries.push(*entry),
                Outcome::Omission(omission) => manifest.omissions.push(omission),
            }
        }
        manifest.omissions.extend(limits::excluded_repositories(&mut found.nested, self.patterns));
        manifest.omissions.extend(limits::ignored(std::mem::take(&mut found.ignored)));
        manifest.omissions.extend(self.secrets.repositories(&manifest.name, &mut found.nested));
        self.entries += manifest.entries.len() as u64;
        manifest.omissions = limits::aggregate(std::mem::take(&mut manifest.omissions));
        if repo.moment()? != before {
            self.moved = true;
            manifest.flags.workspace_moving = true;
        }
        Ok(found.nested.into_iter().map(|nested| nested.path).collect())
    }

    /// Reads all candidates, on all cores where the limit for the whole snapshot cannot be reached.
    fn read(
        &mut self,
        repo: &Repo,
        name: &str,
        index: &Index,
        candidates: Vec<Candidate>,
    ) -> Result<Vec<(RelPath, Outcome)>, Stop> {
        let git_dirs = [repo.git_dir().to_owned(), repo.common_dir().to_owned()];
        let root = Root::open(repo.root(), &git_dirs)?.entering_repositories();
        let most = candidates.iter().fold(self.bytes, |sum, candidate| sum.saturating_add(candidate.bytes()));
        let tight = self.tight || most > self.options.max_total_bytes;
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get).min(8);
        // Near the limit the order decides what still fits, so that the same state always gives the same snapshot.
        let threads = if tight { 1 } else { cores.min(candidates.len() / BATCH + 1) };
        let next = AtomicUsize::new(0);
        let meter = Mutex::new(self.options.control.phase(Phase::Read, candidates.len() as u64));
        let shared = &*self;
        let work = || -> Result<Share, Stop> {
            let left =
                if tight { shared.options.max_total_bytes.saturating_sub(shared.bytes) } else { u64::MAX };
            let about = Source { repo, name, index, root: &root };
            let mut reader = Reader::new(about, &shared.spool, shared.options, shared.secrets, left);
            let (mut out, mut cut) = (Vec::new(), false);
            let (mut turn, mut counted) = (0..0, 0);
            loop {
                if turn.is_empty() {
                    // A few neighbours at a time, because they are mostly in one directory.
                    let start = next.fetch_add(BATCH, Ordering::Relaxed);
                    turn = start..start.saturating_add(BATCH);
                }
                let Some(at) = turn.next() else { continue };
                let Some(candidate) = candidates.get(at) else {
                    return Ok(Share { out, bytes: reader.added, cut });
                };
                let expired = shared.deadline.is_some_and(|deadline| Instant::now() >= deadline);
                let outcome = if let Some(omission) = limits::excluded(candidate, shared.patterns) {
                    Outcome::Omission(omission)
                } else if expired {
                    cut = true;
                    Outcome::Omission(omission(candidate, OmissionReason::Deadline, None, None))
                } else {
                    match shared.secrets.by_name(name, candidate) {
                        Named::Omitted(omission) => Outcome::Omission(omission),
                        Named::Travels(allowed) => reader.read(candidate, allowed)?,
                    }
                };
                let bytes = std::mem::replace(&mut counted, reader.added);
                meter.lock().unwrap_or_else(PoisonError::into_inner).step(
                    1,
                    reader.added - bytes,
                    Some(&candidate.path),
                )?;
                out.push((at, outcome));
            }
        };
        let mut found = if threads == 1 {
            vec![work()?]
        } else {
            std::thread::scope(|scope| {
                let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
                workers
                    .into_iter()
                    .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                    .collect::<Result<Vec<_>, Stop>>()
            })?
        };
        drop(meter);
        let mut outcomes = Vec::with_capacity(candidates.len());
        for share in &mut found {
            outcomes.append(&mut share.out);
            self.bytes = self.bytes.saturating_add(share.bytes);
            self.cut |= share.cut;
        }
        outcomes.sort_unstable_by_key(|(at, _)| *at);
        Ok(candidates
            .into_iter()
            .zip(outcomes)
            .map(|(candidate, (_, outcome))| (candidate.path, outcome))
            .collect())
    }
}
