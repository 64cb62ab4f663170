//! Apply: best-effort restore of a snapshot, with a truthful report.
//!
//! `plan` decides about one path, as a pure function. `entry` feeds it with the three `sides` and the target's
//! `state`, follows `rename`s, and calls `merge`. `session` leads one repository through plan, `journal`,
//! `write`, verification and `staging`; `undo` goes the same way back and also clears up after a crash.
//! `target` says which repository is which. Nothing but `rooted` opens a path of the work tree.

mod account;
mod branch;
mod entry;
mod fail;
mod history;
mod incoming;
mod inside;
mod journal;
mod loose;
mod merge;
mod plan;
mod planner;
mod rename;
mod session;
mod sides;
mod staging;
mod state;
mod target;
#[cfg(test)]
mod tests;
mod undo;
mod write;

use std::collections::BTreeMap;
use std::path::Path;

use loose::Loose;
use session::Session;
use target::Match;

use crate::error::Error;
use crate::id::ApplyId;
use crate::progress::Control;
use crate::report::{Action, ApplyReport, RepoReport};
use crate::snapshot::{RepoManifest, Snapshot};
use crate::workspace::Workspace;

/// How to apply.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ApplyOptions {
    /// What to do where the target disagrees.
    pub on_conflict: OnConflict,
    /// Whether staged state is restored.
    pub staging: Staging,
    /// What becomes of commits that were not pushed.
    pub history: ApplyHistory,
    /// How hard a crash or power cut may hit.
    pub durability: Durability,
    /// Whether symlinks may point out of the work tree.
    pub symlinks: SymlinkPolicy,
    /// Snapshot repository name → workspace repository name; overrides matching by identity.
    pub map: BTreeMap<String, String>,
    /// Progress and cancellation.
    pub control: Control,
}

/// What to do with a path on which snapshot and target disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnConflict {
    /// Leave the target untouched and keep the incoming version beside the journal.
    #[default]
    Keep,
    /// Write diff3-style conflict markers into text files; otherwise as `Keep`.
    Markers,
    /// Take the snapshot's version; the target's goes to the journal.
    Theirs,
}

/// Whether the index is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Staging {
    /// Where the target's index entry equals the snapshot's HEAD.
    #[default]
    Restore,
    /// The index is left alone.
    Leave,
}

/// What becomes of the snapshot's unpushed commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ApplyHistory {
    /// Nothing: the report says how many there are.
    #[default]
    Leave,
    /// They become available, named by their ids and by no ref: `git log <commit>`, `git merge <commit>`.
    Objects,
    /// As `Objects`, and a checkout without changes is put on the snapshot's branch at its commit before the files are
    /// applied, if no commit here is lost by that: the branch is new or moves forward. Where that cannot be, the report
    /// says why and the files are applied to what is there. A preview tells whether it can be, and compares files with
    /// what is there now.
    Branch,
}

/// How much is made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// Contents, journal and directories survive a power cut: one sync of the file system before the journal
    /// is sealed and one after the last rename.
    #[default]
    Full,
    /// Survives a crash of the process, not a power cut.
    Process,
}

/// Which symlinks are created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SymlinkPolicy {
    /// Only links whose target stays in the work tree and outside any git directory.
    #[default]
    Inside,
    /// Also absolute targets and targets above the root; never into a git directory.
    Anywhere,
}

/// Applies `snapshot` to `workspace`, path by path: what the target has not touched becomes what the snapshot
/// says, what both have changed is merged or left alone as a conflict, and every path of the manifest is in
/// the report exactly once. Untouched files are not written. HEAD and branches are only touched for [`ApplyHistory::Branch`], stashes never.
///
/// A crash at any moment leaves every path either old or new; the next apply or undo in the work tree rolls the
/// unfinished one back first. A finished one can be [undone](undo).
///
/// # Errors
/// Only when nothing was done: [`Error::Busy`] while another apply or undo is at work,
/// [`Error::JournalNotSafe`], [`Error::InvalidArgument`] for a mapping of what does not exist, and
/// [`Error::Cancelled`], after which everything is as it was. An earlier apply that had been cut off may have been rolled
/// back by then.
///
/// ```
/// # let (_dir, laptop, cloud) = handoff_core::testing::laptop_and_cloud()?;
/// use handoff_core::{ApplyOptions, CaptureOptions, Outcome, Verdict, Workspace, apply, capture};
///
/// let snapshot = capture(&Workspace::new([&laptop])?, &CaptureOptions::default())?;
/// let report = apply(&snapshot, &Workspace::new([&cloud])?, &ApplyOptions::default())?;
/// assert_eq!(report.verdict, Verdict::Complete);
/// assert_eq!(report.repos[0].files[0].outcome, Outcome::Applied);
/// assert_eq!(std::fs::read(cloud.join("notes.txt"))?, b"first\nsecond\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn apply(
    snapshot: &Snapshot,
    workspace: &Workspace,
    options: &ApplyOptions,
) -> Result<ApplyReport, Error> {
    run(snapshot, workspace, options, true)
}

/// The report that [`apply`] would give, without writing anything.
///
/// # Errors
/// As [`apply`], without [`Error::Busy`].
///
/// ```
/// # let (_dir, laptop, cloud) = handoff_core::testing::laptop_and_cloud()?;
/// use handoff_core::{ApplyOptions, CaptureOptions, Workspace, capture, preview};
///
/// let snapshot = capture(&Workspace::new([&laptop])?, &CaptureOptions::default())?;
/// let report = preview(&snapshot, &Workspace::new([&cloud])?, &ApplyOptions::default())?;
/// assert!(report.to_string().contains("1 applied"));
/// assert_eq!(std::fs::read(cloud.join("notes.txt"))?, b"first\n", "nothing was written");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn preview(
    snapshot: &Snapshot,
    workspace: &Workspace,
    options: &ApplyOptions,
) -> Result<ApplyReport, Error> {
    run(snapshot, workspace, options, false)
}

/// Puts back what the apply `id` replaced, file by file, where the file still is as the apply left it. A file
/// that was edited since is kept and reported as a conflict, with the place of its old version; the same call
/// can be repeated then. After a complete undo, the apply is forgotten.
///
/// What is put back is what `workspace` names, with the submodules and repositories inside: a checkout that it leaves out keeps what was applied there, and so do
/// loose files unless it has their directory ([`Workspace::with_loose_root`]). They can be undone later by the same id.
///
/// # Errors
/// All of them before anything is put back: [`Error::UnknownApply`] when no checkout of `workspace` has a record of
/// it; [`Error::Busy`]; [`Error::JournalNotSafe`]; [`Error::Io`] for a checkout that `workspace` names and that cannot
/// be written; [`Error::Corrupt`] for a damaged record; [`Error::Cancelled`]. One of several that cannot be opened as a
/// repository is in the report, and the others are put back. Once the first path is being put back,
/// the undo runs to its end, and trouble is in the report.
///
/// ```
/// # let (_dir, laptop, cloud) = handoff_core::testing::laptop_and_cloud()?;
/// use handoff_core::{ApplyOptions, CaptureOptions, Control, Workspace, apply, capture, undo};
///
/// let there = Workspace::new([&cloud])?;
/// let snapshot = capture(&Workspace::new([&laptop])?, &CaptureOptions::default())?;
/// let report = apply(&snapshot, &there, &ApplyOptions::default())?;
/// undo(&there, &report.apply_id.expect("something was written"), &Control::default())?;
/// assert_eq!(std::fs::read(cloud.join("notes.txt"))?, b"first\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn undo(workspace: &Workspace, id: &ApplyId, control: &Control) -> Result<ApplyReport, Error> {
    control.check()?;
    let roots = workspace.repos().iter().map(|repo| repo.root.as_path());
    let places = inside::with_nested(roots, control)?;
    let undone = undo::undo(&places, workspace.loose_root(), id, control)?;
    let undo::Undone { repos, loose, snapshot, whole } = undone;
    Ok(ApplyReport::new(Action::Undo, Some(*id), repos, loose, snapshot, whole))
}

fn run(
    snapshot: &Snapshot,
    workspace: &Workspace,
    options: &ApplyOptions,
    writes: bool,
) -> Result<ApplyReport, Error> {
    options.control.check()?;
    let manifest = snapshot.manifest();
    let repos = workspace.repos().iter().map(|repo| (repo.name.as_str(), repo.root.as_path()));
    let candidates = target::candidates(repos, &manifest.repos);
    let targets = target::find(&manifest.repos, &candidates, &options.map)?;
    let mut advanced = Vec::with_capacity(targets.len());
    let done = advance_all(snapshot, &targets, options, writes, &mut advanced)
        .and_then(|()| run_on(snapshot, workspace, options, writes, &targets, &mut advanced));
    if done.is_err() {
        branch::take_back(&targets, &advanced);
    }
    done
}

/// The apply itself, on checkouts that are where they are to be.
fn run_on(
    snapshot: &Snapshot,
    workspace: &Workspace,
    options: &ApplyOptions,
    writes: bool,
    targets: &[Match],
    advanced: &mut [Option<branch::Advanced>],
) -> Result<ApplyReport, Error> {
    let manifest = snapshot.manifest();
    // All locks are taken before anything is planned: busy must mean that nothing was done.
    let mut sessions: Vec<Result<Session<'_>, RepoReport>> = Vec::with_capacity(targets.len());
    for ((repo, target), advanced) in manifest.repos.iter().zip(targets).zip(&*advanced) {
        sessions.push(match target {
            Match::None(why) => Err(account::without_target(repo, why.clone())),
            Match::Root(root) => match Session::open_after(
                snapshot,
                repo,
                root,
                options,
                writes,
                advanced.as_ref().and_then(|advanced| advanced.apply),
            ) {
                Ok(session) => Ok(session),
                Err(why @ (Error::Busy { .. } | Error::JournalNotSafe { .. } | Error::Cancelled)) => {
                    return Err(why);
                }
                Err(why) => Err(account::unreadable(repo, root, &why)),
            },
        });
    }
    let has_loose = !manifest.loose_files.is_empty() || !manifest.loose_omissions.is_empty();
    let mut loose = match workspace.loose_root().filter(|_| has_loose) {
        None => Err(has_loose.then(|| account::loose_without_target(snapshot))),
        Some(root) => match Loose::open(snapshot, root, options, writes) {
            Ok(loose) => Ok(loose),
            Err(why @ (Error::Busy { .. } | Error::JournalNotSafe { .. } | Error::Cancelled)) => {
                return Err(why);
            }
            Err(why) => Err(Some(account::loose_unreadable(snapshot, &why))),
        },
    };
    let id = if writes { Some(ApplyId::new().map_err(|why| no_randomness(workspace, why))?) } else { None };
    let done = carry_out(&mut sessions, loose.as_mut().ok(), id.as_ref());
    if let Err(why) = done {
        loose.into_iter().for_each(Loose::roll_back);
        for session in sessions.into_iter().flatten() {
            session.roll_back();
        }
        return Err(why);
    }
    // Where no record could be written, the move of HEAD is what there is to undo.
    let moved = advanced.iter().flatten().find_map(|advanced| advanced.apply);
    sessions.iter().flatten().for_each(Session::settle);
    let recorded =
        sessions.iter().flatten().any(Session::has_record) || loose.as_ref().is_ok_and(Loose::has_record);
    let mut loose = loose.map_or_else(|report| report, |loose| Some(loose.into_report()));
    if let Some(report) = &mut loose {
        report.findings.splice(0..0, account::ended_early(&manifest.loose_omissions));
    }
    let mut reports = Vec::with_capacity(sessions.len());
    for ((repo, session), advanced) in manifest.repos.iter().zip(sessions).zip(advanced) {
        let mut report = match session {
            Ok(session) => of_session(repo, session),
            Err(report) => report,
        };
        report.history = advanced.take().map(|advanced| advanced.report).or(report.history);
        account::add_omissions(&repo.omissions, &mut report.files);
        report.findings.splice(0..0, account::about_source(repo));
        reports.push(report);
    }
    let action = if writes { Action::Apply } else { Action::Preview };
    let whole = manifest.partial.is_none() && manifest.repos.iter().all(|repo| repo.failed.is_none());
    Ok(ApplyReport::new(action, id.filter(|_| recorded).or(moved), reports, loose, snapshot.id(), whole))
}

/// Puts checkouts on the snapshot's commits, where that is asked for. What was done before an error is in `advanced`.
fn advance_all(
    snapshot: &Snapshot,
    targets: &[Match],
    options: &ApplyOptions,
    writes: bool,
    advanced: &mut Vec<Option<branch::Advanced>>,
) -> Result<(), Error> {
    for (repo, target) in snapshot.manifest().repos.iter().zip(targets) {
        let one = match target {
            Match::Root(root) if options.history == ApplyHistory::Branch => {
                match branch::advance(snapshot, repo, root, options, writes) {
                    Err(why @ (Error::Busy { .. } | Error::JournalNotSafe { .. } | Error::Cancelled)) => {
                        return Err(why);
                    }
                    // The same trouble is told of when the files are applied.
                    Err(_) => None,
                    Ok(advanced) => advanced,
                }
            }
            _ => None,
        };
        advanced.push(one);
    }
    Ok(())
}

/// Plans all, then writes all.
fn carry_out(
    sessions: &mut [Result<Session<'_>, RepoReport>],
    mut loose: Option<&mut Loose<'_>>,
    id: Option<&ApplyId>,
) -> Result<(), Error> {
    for session in sessions.iter_mut().flatten() {
        session.take_history(id.is_some())?;
        session.plan(id)?;
    }
    if let Some(loose) = &mut loose {
        loose.plan(id)?;
    }
    let Some(id) = id else { return Ok(()) };
    for session in sessions.iter_mut().flatten() {
        session.seal(id);
        session.publish()?;
    }
    if let Some(loose) = loose {
        loose.seal(id);
        loose.publish()?;
    }
    Ok(())
}

fn no_randomness(workspace: &Workspace, why: std::io::Error) -> Error {
    let path = workspace.repos().first().map_or(Path::new("."), |repo| repo.root.as_path());
    Error::io("choosing an id for the apply to", path, why)
}

fn of_session(repo: &RepoManifest, mut session: Session<'_>) -> RepoReport {
    RepoReport {
        drift: session.drift.clone(),
        files: std::mem::take(&mut session.files),
        findings: std::mem::take(&mut session.findings),
        history: session.history.take(),
        name: repo.name.clone(),
        staging: std::mem::take(&mut session.staging),
        target: Some(session.target()),
    }
}
