//! Capture: the uncommitted state of a workspace as a [`Snapshot`], writing nothing anywhere.

mod history;
mod limits;
mod loose;
mod options;
mod pass;
mod plan;
mod read;
mod scan;
mod secrets;
mod settle;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use self::options::{
    AllowSecret, Bases, CaptureHistory, CaptureOptions, CapturePlan, OnCancel, PlannedChange, PlannedFile,
    PlannedHistory, RepoPlan, SecretRules,
};
use self::read::{Outcome, Stop};
use self::scan::candidates;
use self::secrets::Secrets;
use crate::error::Error;
use crate::git::{Patterns, Repo, ScanOptions};
use crate::path::RelPath;
use crate::progress::{CancelToken, Until};
use crate::snapshot::{Extra, FORMAT, Manifest, PartialReason, RepoFailure, RepoManifest, Snapshot, Spool};
use crate::workspace::Workspace;

/// Captures the uncommitted state of every repository of `workspace`, nested repositories included, and its files
/// outside any repository.
///
/// Writes nothing in any work tree or git directory, takes no lock and runs no program. A repository that cannot
/// be read is listed in the manifest with the reason ([`RepoManifest::failed`]) and the others are captured.
/// One pass over the work tree; contents of changed files are read once, in memory bounded by
/// [`CaptureOptions::spool_memory`] and a few megabytes a core.
///
/// Works while others write. A file that was written to a moment ago is read again until it has been quiet
/// ([`CaptureOptions::quiet`]) or flagged `unstable`; a repository in which git was at work is captured again until
/// it held still or flagged `workspace_moving` ([`CaptureOptions::attempts`]). A deadline ends the capture with what
/// it has, marked partial, and so does cancelling with [`OnCancel::Partial`].
///
/// # Errors
/// [`Error::Cancelled`], unless a partial snapshot is wanted; [`Error::InvalidArgument`] for a bad option;
/// [`Error::Io`] when the temporary file for contents cannot be written.
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
    let (options, until) = ending(options);
    let patterns = limits::patterns(&options)?;
    let secrets = Secrets::new(&options)?;
    let mut tight = false;
    loop {
        let mut run = Run {
            workspace,
            options: &options,
            until: &until,
            patterns: patterns.as_ref(),
            secrets: &secrets,
            spool: Spool::new_in(options.spool_memory, options.spool_dir.clone()),
            tight,
            entries: 0,
            bytes: 0,
            cut: None,
            tidying: Tidying::default(),
        };
        let mut repos = Vec::new();
        for repo in workspace.repos() {
            run.repository(&repo.root, repo.name.clone(), &mut repos)?;
        }
        let (loose_files, loose_omissions) = run.loose_files()?;
        if run.bytes > options.max_total_bytes && !tight {
            // What is known only after reading (committed versions) went over the limit.
            tight = true;
            continue;
        }
        repos.sort_by(|a, b| a.name.cmp(&b.name));
        let manifest = Manifest {
            environment: BTreeMap::new(),
            format: FORMAT.to_owned(),
            loose_files,
            loose_omissions,
            partial: run.cut,
            repos,
            extra: Extra::new(),
        };
        return run.spool.finish(manifest);
    }
}

/// Lists what [`capture`] would carry, with sizes, and how many unpushed commits, without reading any content: for
/// consent. A file whose stat data is out of date is listed though it may turn out unchanged.
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
    let (options, until) = ending(options);
    let patterns = limits::patterns(&options)?;
    let secrets = Secrets::new(&options)?;
    let rules = plan::Rules { patterns: patterns.as_ref(), secrets: &secrets };
    let mut repos = Vec::new();
    let mut todo: Vec<_> =
        workspace.repos().iter().map(|repo| (repo.root.clone(), repo.name.clone())).collect();
    let mut bytes = 0_u64;
    while let Some((root, name)) = todo.pop() {
        match plan::repository(&root, &name, &options, &until, rules, &mut bytes) {
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
                history: None,
                failed: Some(failure(&why, &root)),
            }),
        }
    }
    repos.sort_by(|a, b| a.name.cmp(&b.name));
    let (loose_files, loose_omissions) = loose::plan(workspace, &options, &until, rules, &mut bytes)?;
    Ok(CapturePlan { repos, loose_files, loose_omissions })
}

/// With so many candidates, tidying up is worth a thread of its own.
const MANY: usize = 200;

/// The longest quiet time that is asked for of a file; sums with it must not overflow.
const MAX_QUIET: Duration = Duration::from_secs(3600);

/// The options, and when to end with what there is. If that is also to be when the caller cancels, then nothing
/// else heeds the cancelling.
fn ending(options: &CaptureOptions) -> (CaptureOptions, Until) {
    let mut options = options.clone();
    options.quiet = options.quiet.min(MAX_QUIET);
    let deadline = options.deadline.and_then(|after| Instant::now().checked_add(after));
    let cancel = (options.on_cancel == OnCancel::Partial)
        .then(|| std::mem::replace(&mut options.control.cancel, CancelToken::new()));
    (options, Until { deadline, cancel })
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

/// One attempt at a capture.
struct Run<'a> {
    workspace: &'a Workspace,
    options: &'a CaptureOptions,
    until: &'a Until,
    patterns: Option<&'a Patterns>,
    secrets: &'a Secrets<'a>,
    spool: Spool,
    /// The limit for the whole snapshot may be reached, so what fits is decided in order.
    tight: bool,
    /// Entries so far, in all repositories.
    entries: u64,
    /// Bytes of content so far, all layers together.
    bytes: u64,
    /// Why not everything could be read.
    cut: Option<PartialReason>,
    /// What is being freed meanwhile.
    tidying: Tidying,
}

/// Threads that are waited for, so that nothing of a capture goes on when it has returned.
#[derive(Default)]
struct Tidying(Vec<JoinHandle<()>>);

impl Drop for Tidying {
    fn drop(&mut self) {
        for thread in self.0.drain(..) {
            // It freed memory; whatever it had to say of that, it has said.
            let _ = thread.join();
        }
    }
}

/// What an attempt at one repository tells besides its manifest.
struct Captured {
    /// The repositories inside it, by path.
    nested: Vec<RelPath>,
    /// It changed meanwhile in a way that another attempt may not see.
    moved: bool,
}

impl Run<'_> {
    /// Captures the repository at `root` and those inside it.
    fn repository(&mut self, root: &Path, name: String, out: &mut Vec<RepoManifest>) -> Result<(), Error> {
        let (entries, bytes, cut) = (self.entries, self.bytes, self.cut.clone());
        let mut attempt = 1;
        loop {
            self.options.control.check()?;
            let mut manifest = RepoManifest { name: name.clone(), ..RepoManifest::default() };
            let last = attempt >= self.options.attempts || self.until.reached().is_some();
            match self.contents(root, &mut manifest) {
                Ok(captured) if last || !captured.moved => {
                    manifest.flags.workspace_moving |= captured.moved;
                    out.push(manifest);
                    for path in captured.nested {
                        let (root, name) = nested_repo(root, &name, &path);
                        // One that the caller named is captured under its own name.
                        if self.workspace.repos().iter().all(|repo| repo.root != root) {
                            self.repository(&root, name, out)?;
                        }
                    }
                    return Ok(());
                }
                Err(Stop::Capture(why)) => return Err(why),
                Err(Stop::Repository(why)) if last || !is_passing(&why) => {
                    manifest.entries.clear();
                    manifest.omissions.clear();
                    manifest.history = None;
                    manifest.failed = Some(failure(&why, root));
                    out.push(manifest);
                    return Ok(());
                }
                Ok(_) | Err(Stop::Repository(_)) => {}
            }
            // From the start, and not at once: whoever is at work there needs a moment, too.
            self.wait(Instant::now() + self.options.quiet)?;
            (self.entries, self.bytes, self.cut) = (entries, bytes, cut.clone());
            attempt += 1;
        }
    }

    fn contents(&mut self, root: &Path, manifest: &mut RepoManifest) -> Result<Captured, Stop> {
        // Opened anew for each attempt, so that nothing is remembered of packs and refs that are gone.
        let repo = Repo::open_at(root)?;
        let locked = repo.is_locked();
        let before = repo.moment()?;
        manifest.object_format = Some(repo.format());
        manifest.flags = repo.flags();
        manifest.operation = repo.operation()?;
        manifest.stashes = repo.stashes()?;
        let index = repo.index()?;
        let include = repo.include(&self.options.include_ignored, self.options.worktree_include);
        let scan = ScanOptions {
            control: &self.options.control,
            until: self.until,
            include: Some(&include),
            list_ignored: self.options.list_ignored,
        };
        // HEAD's upstream and the identity may need a walk through history, which runs beside the walk of the tree.
        let (mut found, (head, id)) =
            candidates(&repo, &index, &scan, self.options, || (repo.head(), repo.identity()))?;
        manifest.head = head?;
        manifest.id = id?;
        manifest.history = self.history(&repo, &manifest.name, &manifest.head)?;
        self.cut = self.cut.take().or(found.cut);
        let mut moved = locked;
        let mut outcomes =
            self.read(&repo, &manifest.name, &index, (found.paths, found.attributes_as_staged), &mut moved)?;
        limits::cap_entries(&mut outcomes, self.entries, self.options.max_entries);
        moved |= repo.is_locked() || repo.moment()? != before;
        if outcomes.len() > MANY {
            // Unmapping packs and freeing an index take about as long as what is still to be done.
            self.tidying.0.extend(std::thread::Builder::new().spawn(move || drop((repo, index))));
        }
        keep(outcomes, manifest);
        manifest.omissions.extend(limits::excluded_repositories(&mut found.nested, self.patterns));
        manifest.omissions.extend(self.secrets.repositories(&manifest.name, &mut found.nested));
        manifest.omissions.extend(limits::ignored(std::mem::take(&mut found.ignored)));
        self.entries += manifest.entries.len() as u64;
        manifest.omissions = limits::aggregate(std::mem::take(&mut manifest.omissions));
        // The walk has been repeated already; to capture all over again would not make it any quieter.
        manifest.flags.workspace_moving = found.stirred;
        Ok(Captured { nested: found.nested.into_iter().map(|nested| nested.path).collect(), moved })
    }
}

/// Sorts what became of candidates into entries and omissions.
fn keep(outcomes: Vec<(RelPath, Outcome)>, manifest: &mut RepoManifest) {
    manifest.entries.reserve_exact(outcomes.len());
    for (_, outcome) in outcomes {
        match outcome {
            Outcome::Unchanged => {}
            Outcome::Entry(entry) => manifest.entries.push(*entry),
            Outcome::Omission(omission) => manifest.omissions.push(omission),
        }
    }
}

/// Whether an error may be gone in a moment, because git was replacing what we read.
fn is_passing(why: &Error) -> bool {
    matches!(why, Error::Repository { .. } | Error::Io { .. })
}
