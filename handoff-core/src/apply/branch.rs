//! Putting a clean checkout on the snapshot's branch and commit: an apply of its own, of the difference between two
//! commits, after which HEAD moves. It is journaled and undone like any other.

use std::path::Path;

use super::inside::Inside;
use super::journal::HeadOp;
use super::session::Session;
use super::target::Match;
use super::undo::undo;
use super::{ApplyHistory, ApplyOptions, OnConflict, Staging, SymlinkPolicy};
use crate::capture::{Bases, CaptureHistory, CaptureOptions, capture};
use crate::error::Error;
use crate::git::{HeadState, Objects, Repo, TreeItem};
use crate::id::{ApplyId, Oid};
use crate::path::RelPath;
use crate::progress::Control;
use crate::report::{HistoryOutcome, HistoryReport, Outcome};
use crate::snapshot::{
    Entry, EntryFlags, Extra, FORMAT, FileState, Head, Manifest, Mode, RepoManifest, Snapshot, Spool,
};
use crate::workspace::Workspace;

/// Why a checkout stays where it is: a stable word, and the same for people.
type Stays = (&'static str, String);

/// What came of it.
pub(super) struct Advanced {
    pub report: HistoryReport,
    /// The apply that did it.
    pub apply: Option<ApplyId>,
}

/// Puts the checkout at `target` on the commit of `manifest`, if it is clean and nothing there would be lost.
///
/// # Errors
/// As [`apply`](super::apply): nothing was done.
pub(super) fn advance(
    snapshot: &Snapshot,
    manifest: &RepoManifest,
    target: &Path,
    options: &ApplyOptions,
    writes: bool,
) -> Result<Option<Advanced>, Error> {
    let Some(commit) = manifest.head.commit.filter(|_| manifest.failed.is_none()) else { return Ok(None) };
    let mut report = {
        let mut session = Session::open(snapshot, manifest, target, options, writes)?;
        session.take_history(writes)?;
        session.history.take()
    };
    let repo = Repo::open_at(target)?;
    let here = repo.head_state()?;
    let branch = manifest.head.branch.as_deref().map(|name| Repo::branch_name(name).ok_or(name));
    let wanted = |branch| HeadState { branch, commit: Some(commit) };
    let (old, new) = match &branch {
        Some(Ok(name)) => (repo.ref_commit(name)?, wanted(Some(name.clone()))),
        Some(Err(_)) | None => (None, wanted(None)),
    };
    if here == new {
        return Ok(None);
    }
    let mut report = report.take().unwrap_or_else(|| HistoryReport::new(0, HistoryOutcome::Present));
    let arrived = matches!(report.outcome, HistoryOutcome::Stored | HistoryOutcome::Present)
        && (!writes || repo.has_object(&commit));
    if !arrived {
        return Ok((report.is_lacking()).then_some(Advanced { report, apply: None }));
    }
    if !repo.has_object(&commit) {
        // A preview stores nothing, so there is nothing yet to look into.
        return Ok(Some(Advanced { report, apply: None }));
    }
    let op = HeadOp { old: here.clone(), new, branch_old: old };
    let done = match may_move(&repo, target, &op, commit, branch.as_ref().is_some_and(Result::is_err)) {
        Ok(()) if !writes => Ok(None),
        Ok(()) => go(&repo, manifest, target, options, &op, commit)?,
        Err(why) => Err(why),
    };
    match done {
        Ok(apply) => {
            report.outcome = HistoryOutcome::Moved;
            report.branch = manifest.head.branch.clone();
            report.message = None;
            Ok(Some(Advanced { report, apply }))
        }
        Err((reason, message)) => {
            report.reason = Some(reason.to_owned());
            report.message = Some(message);
            Ok(Some(Advanced { report, apply: None }))
        }
    }
}

/// Takes moves back whose apply came to nothing.
pub(super) fn take_back(targets: &[Match], advanced: &[Option<Advanced>]) {
    for (target, advanced) in targets.iter().zip(advanced) {
        if let (Match::Root(root), Some(id)) = (target, advanced.as_ref().and_then(|one| one.apply)) {
            let place = [Inside { root: root.clone(), named: true }];
            // What cannot be taken back is still recorded under its id, and nothing of it is lost.
            let _ = undo(&place, None, &id, &Control::default());
        }
    }
}

/// Whether nothing would be lost: no changes, no operation under way, and no commit that only the old place names.
fn may_move(repo: &Repo, target: &Path, op: &HeadOp, commit: Oid, bad_name: bool) -> Result<(), Stays> {
    let no = |reason, message: &str| Err((reason, message.to_owned()));
    if bad_name {
        return no("branch_name", "the branch has a name that git does not accept here");
    }
    if repo.operation().is_ok_and(|operation| operation.is_some()) {
        return no(
            "not_clean",
            "git is in the middle of an operation here; finish or abort it and apply again",
        );
    }
    if let Some(path) = changed(target) {
        return Err((
            "not_clean",
            format!("{path} has changes that are not committed; commit them and apply again"),
        ));
    }
    if let (Some(name), None) = (&op.new.branch, op.branch_old) {
        match repo.ref_in_the_way(name) {
            Ok(None) => {}
            Ok(Some(other)) => {
                let why = format!("git cannot keep {name} beside {other}, which is here; rename one of them");
                return Err(("ref_in_the_way", why));
            }
            Err(_) => return no("ref_in_the_way", "the refs here cannot be read; `git fsck` says why"),
        }
    }
    match (&op.new.branch, op.branch_old) {
        (Some(name), _) if repo.is_checked_out_elsewhere(name) => {
            return no("branch_elsewhere", "another work tree of this repository is on the branch");
        }
        (Some(_), Some(old)) if !repo.is_ahead_of(&commit, &old) => {
            return no(
                "not_fast_forward",
                "the branch here has commits that the source lacks; merge the stored commit yourself",
            );
        }
        _ => {}
    }
    // A branch keeps its commits when HEAD leaves it; a detached HEAD does not.
    match (&op.old.branch, op.old.commit) {
        (None, Some(old)) if !repo.is_ahead_of(&commit, &old) => no(
            "not_fast_forward",
            "HEAD here is detached at a commit that the source lacks; give it a branch and apply again",
        ),
        _ => Ok(()),
    }
}

/// The first tracked path that is not as committed.
fn changed(target: &Path) -> Option<RelPath> {
    let mut options = CaptureOptions::default();
    (options.bases, options.history) = (Bases::Never, CaptureHistory::Never);
    (options.quiet, options.empty_dirs) = (std::time::Duration::ZERO, false);
    let found = Workspace::new([target]).and_then(|workspace| capture(&workspace, &options));
    let Ok(found) = found else { return Some(RelPath::new(".")) };
    let repo = found.manifest().repos.first()?;
    let entry = repo.entries.iter().find(|entry| !entry.flags.untracked).map(|entry| entry.path.clone());
    let omission = || {
        let known = |path: &&crate::snapshot::Omission| path.reason.as_str() == "unreadable";
        repo.omissions.iter().find(known).map(|omission| omission.path.clone())
    };
    entry.or_else(omission)
}

/// The apply itself.
fn go(
    repo: &Repo,
    manifest: &RepoManifest,
    target: &Path,
    options: &ApplyOptions,
    op: &HeadOp,
    commit: Oid,
) -> Result<Result<Option<ApplyId>, Stays>, Error> {
    let snapshot = match difference(repo, manifest, op.old.commit, commit)? {
        Ok(snapshot) => snapshot,
        Err(stays) => return Ok(Err(stays)),
    };
    let Some(difference) = snapshot.manifest().repos.first() else { return Ok(Ok(None)) };
    let mut options = options.clone();
    (options.history, options.staging) = (ApplyHistory::Leave, Staging::Restore);
    (options.on_conflict, options.symlinks) = (OnConflict::Keep, SymlinkPolicy::Anywhere);
    let id = ApplyId::new().map_err(|why| Error::io("choosing an id for the apply to", target, why))?;
    let mut session = Session::open(&snapshot, difference, target, &options, true)?;
    // The lock is held from here on, so this is what will be moved from.
    if session.repo.head_state()? != op.old {
        return Ok(Err(("not_clean", "HEAD moved meanwhile; apply again".into())));
    }
    session.head_op = Some(op.clone());
    if let Err(why) = session.plan(Some(&id)) {
        session.abandon();
        return Err(why);
    }
    let bad = |session: &Session<'_>| {
        let not_there = |file: &&crate::report::FileReport| {
            !matches!(file.outcome, Outcome::Applied | Outcome::Unchanged)
        };
        let file = session.files.iter().find(not_there).map(|file| file.path.clone());
        file.or_else(|| session.staging.left_paths.first().map(|(path, _)| path.clone()))
    };
    if let Some(path) = bad(&session) {
        session.abandon();
        return Ok(Err(("not_clean", format!("{path} is in the way, or cannot be written here"))));
    }
    session.seal(&id);
    if let Err(why) = session.publish() {
        session.roll_back();
        return Err(why);
    }
    if !session.head_moved {
        let path = bad(&session);
        session.roll_back();
        let what = path.map_or_else(|| "HEAD or the branch".to_owned(), |path| path.to_string());
        return Ok(Err(("not_clean", format!("{what} was changed by somebody meanwhile; apply again"))));
    }
    Ok(Ok(session.has_record().then_some(id)))
}

/// What differs between two commits, as a snapshot of the one against the other.
fn difference(
    repo: &Repo,
    manifest: &RepoManifest,
    from: Option<Oid>,
    to: Oid,
) -> Result<Result<Snapshot, Stays>, Error> {
    let missing =
        || Ok(Err(("incomplete", "objects of the commit are missing here; fetch it and apply again".into())));
    let before = match from {
        Some(from) => repo.commit_files(&from)?,
        None => Some(Vec::new()),
    };
    let (Some(before), Some(after)) = (before, repo.commit_files(&to)?) else { return missing() };
    let mut paths: std::collections::BTreeMap<RelPath, (Option<TreeItem>, Option<TreeItem>)> =
        Default::default();
    for (path, item) in before {
        paths.entry(path).or_default().0 = Some(item);
    }
    for (path, item) in after {
        paths.entry(path).or_default().1 = Some(item);
    }
    let spool = Spool::new(32 << 20);
    let objects = Objects::new(repo);
    let mut entries = Vec::new();
    for (path, (old, new)) in paths {
        if old == new {
            continue;
        }
        let of_module =
            |item: &Option<TreeItem>| item.as_ref().is_some_and(|item| item.mode == Mode::Gitlink);
        if of_module(&old) || of_module(&new) {
            let why = format!("the commit moves the submodule {path}; check out the branch yourself");
            return Ok(Err(("submodule", why)));
        }
        let state = |item: &TreeItem, blob, size| FileState {
            blob,
            eol: None,
            mode: item.mode.clone(),
            oid: Some(item.oid),
            size,
            extra: Extra::new(),
        };
        let mut worktree = None;
        if let Some(item) = &new {
            let Some((_, content)) = objects.read(&item.oid) else { return missing() };
            worktree = Some(state(item, Some(spool.add(&content)?), content.len() as u64));
        }
        let head = old.as_ref().map(|item| state(item, None, objects.size(&item.oid).unwrap_or(0)));
        let index = worktree.clone();
        entries.push(Entry {
            flags: EntryFlags::default(),
            head,
            index,
            path,
            worktree,
            extra: Extra::new(),
        });
    }
    let head = Head { commit: from, ..Head::default() };
    let repo = RepoManifest {
        entries,
        head,
        name: manifest.name.clone(),
        object_format: manifest.object_format,
        ..RepoManifest::default()
    };
    let manifest = Manifest {
        environment: Default::default(),
        format: FORMAT.to_owned(),
        loose_files: Vec::new(),
        loose_omissions: Vec::new(),
        partial: None,
        repos: vec![repo],
        extra: Extra::new(),
    };
    spool.finish(manifest).map(Ok)
}

/// Moves the branch, then HEAD. False when one of them is not where it was.
pub(super) fn forward(repo: &Repo, op: &HeadOp, claim: &Path) -> bool {
    let branch = match &op.new.branch {
        Some(name) if op.branch_old != op.new.commit => {
            repo.move_branch(name, op.branch_old, op.new.commit, claim)
        }
        _ => Ok(true),
    };
    if !branch.unwrap_or(false) {
        return false;
    }
    let stays = op.old.branch.is_some() && op.old.branch == op.new.branch;
    stays || repo.move_head(&op.old, &op.new, claim).unwrap_or(false)
}

/// Takes back what of the move has happened, however little. False when HEAD or the branch went on since.
pub(super) fn backward(repo: &Repo, op: &HeadOp, claim: &Path) -> bool {
    repo.unlock_refs(op.new.branch.as_deref(), claim);
    let at = |name: &str| repo.ref_commit(name).ok();
    // Looked at first, so that nothing is moved where not all can be.
    let branch = op.new.branch.as_deref().filter(|_| op.branch_old != op.new.commit);
    if branch.is_some_and(|name| at(name).is_none_or(|now| now != op.new.commit && now != op.branch_old)) {
        return false;
    }
    let Ok(here) = repo.head_state() else { return false };
    let moved = here.branch == op.new.branch && here.branch != op.old.branch
        || op.new.branch.is_none() && here == op.new;
    let back = here.branch == op.old.branch && (here.branch.is_some() || here.commit == op.old.commit);
    if moved {
        if !repo.move_head(&op.new, &op.old, claim).unwrap_or(false) {
            return false;
        }
    } else if !back {
        return false;
    }
    match branch {
        Some(name) if at(name).flatten() != op.branch_old => {
            repo.move_branch(name, op.new.commit, op.branch_old, claim).unwrap_or(false)
        }
        _ => true,
    }
}
