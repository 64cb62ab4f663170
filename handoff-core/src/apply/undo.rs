//! Putting back what an apply replaced: for `undo`, for an apply that was cancelled or cut off, and for an undo
//! that was cut off. All are one thing: each path that still is as the apply left it becomes what it was.

mod places;
mod recover;

use std::io;

pub(super) use self::places::{Undone, undo};
pub(super) use self::recover::{Recovered, recover};
use super::branch;
use super::entry::skipped;
use super::fail;
use super::journal::{Home, Journal, Op, Record};
use super::sides::Trouble;
use super::staging;
use super::state::{State, look};
use super::write::{copy, exchange, into_io, parent, slot};
use crate::git::Repo;
use crate::path::RelPath;
use crate::report::{Detail, FileReport, Note, Outcome, StagingReport};
use crate::rooted::{Dir, Refusal, Root};

/// What putting back one apply came to.
#[derive(Debug, Default)]
pub(super) struct PutBack {
    /// One for each path that the apply had planned to write.
    pub files: Vec<FileReport>,
    pub staging: StagingReport,
    /// Some paths or index entries could not be put back, so the record is still needed.
    pub incomplete: bool,
}

/// Puts back everything in `journal`, telling `each` path that is done with. May be repeated after any interruption.
pub(super) fn put_back(
    repo: Option<&Repo>,
    root: &Root,
    home: &Home,
    record: &Record,
    journal: &Journal,
    each: &mut dyn FnMut(&RelPath),
) -> PutBack {
    if let (Some(repo), Some(op)) = (repo, &journal.head)
        && !branch::backward(repo, op, &home.ref_claim())
    {
        // Files of another commit under a HEAD that went on would look like edits that nobody made.
        let stays = |op: &Op| {
            each(op.reported());
            skipped(FileReport::new(op.reported().clone(), Outcome::Skipped), "head_moved")
        };
        let files = journal.ops.iter().map(stays).collect();
        return PutBack { files, incomplete: true, ..PutBack::default() };
    }
    fail::point("undo: head");
    let staging = repo.map(|repo| staging::put_back(repo, &journal.index, &home.claim())).unwrap_or_default();
    let mut out = PutBack { staging, ..PutBack::default() };
    fail::point("undo: index");
    let mut files: Vec<(usize, FileReport)> = Vec::with_capacity(journal.ops.len());
    let made = |op: &Op| matches!(op.pre, State::Absent | State::Dir);
    // What was created goes first, so that the directories that were made for it can go, so that what was
    // deleted can come back in their place.
    for (at, op) in journal.ops.iter().enumerate().rev().filter(|(_, op)| made(op)) {
        files.push((at, report(root, home, record, op)));
        each(op.reported());
        fail::point("undo: removed");
    }
    let mut dirs = journal.dirs.clone();
    dirs.sort_by_key(|dir| std::cmp::Reverse(dir.as_bytes().len()));
    for dir in &dirs {
        // Not empty any more, or gone: somebody uses it or has removed it.
        let _ = parent(root, dir).map(|(above, name)| above.remove_dir(name));
    }
    for (at, op) in journal.ops.iter().enumerate().rev().filter(|(_, op)| !made(op)) {
        files.push((at, report(root, home, record, op)));
        each(op.reported());
        fail::point("undo: put back");
    }
    files.sort_by_key(|(at, _)| *at);
    out.files = files.into_iter().map(|(_, file)| file).collect();
    out.incomplete = !out.staging.left.is_empty()
        || out.files.iter().any(|file| !matches!(file.outcome, Outcome::Applied | Outcome::Unchanged));
    out
}

fn report(root: &Root, home: &Home, record: &Record, op: &Op) -> FileReport {
    let mut report = FileReport::new(op.reported().clone(), Outcome::Unchanged);
    report.at = op.entry.as_ref().map(|_| op.path.clone());
    let back = one(root, home, record, op, &mut report);
    if op.beside.is_some()
        && matches!(back, Ok(Back::Already | Back::Done))
        && let Ok((dir, name)) = slot(root, record, op)
    {
        // A new content that was never published may still wait there.
        let _ = dir.remove_file(&name);
    }
    match back {
        Ok(Back::Already) => {
            report.hash = op.pre.hash();
        }
        Ok(Back::Done) => confirm(root, op, &mut report),
        Ok(Back::Changed(here)) => {
            report.outcome = Outcome::Conflict;
            report.detail = Some(Detail::ModifiedHere);
            report.hash = here.and_then(|state| state.hash());
            if op.pre.hash().is_some() {
                report.incoming = Some(record.kept_path(op));
            }
        }
        Err(why) => unsure(&mut report, &why, is_back(root, op)),
    }
    report
}

/// Whether the path is as it was before the apply, as far as that can be told.
fn is_back(root: &Root, op: &Op) -> bool {
    parent(root, &op.path)
        .map_err(into_io)
        .and_then(|(dir, name)| look(&dir, name))
        .is_ok_and(|now| now.as_ref() == Some(&op.pre))
}

/// Trouble with putting a path back, which may have come after the last step of it.
fn unsure(report: &mut FileReport, why: &io::Error, back: bool) {
    let trouble = Trouble::io(why);
    report.outcome = Outcome::Failed;
    report.detail = None;
    report.hash = None;
    report.reason = Some(trouble.reason);
    report.message = if back {
        Some(format!("it was put back, but could not be read again ({why}); the same undo looks again"))
    } else {
        trouble.message
    };
}

/// Reads again what was put back: the copy that was kept may have been written to meanwhile, through a handle from
/// before the apply.
fn confirm(root: &Root, op: &Op, report: &mut FileReport) {
    match parent(root, &op.path).map_err(into_io).and_then(|(dir, name)| look(&dir, name)) {
        Ok(Some(here)) if here == op.pre => {
            report.outcome = Outcome::Applied;
            report.detail = Some(match (&op.pre, &op.post) {
                (State::Absent | State::Dir, _) => Detail::Deleted,
                (_, State::Absent | State::Dir) => Detail::Created,
                _ => op.detail.clone(),
            });
            report.hash = here.hash();
        }
        // The directory that it was in went with it.
        Err(why) if why.kind() == io::ErrorKind::NotFound && op.pre == State::Absent => {
            report.outcome = Outcome::Applied;
            report.detail = Some(Detail::Deleted);
        }
        Ok(here) => {
            report.hash = here.as_ref().and_then(State::hash);
            // The version from before, and what was written to it through a handle from before.
            let whole = report.hash.is_some() && op.pre.hash().is_some();
            report.outcome = if whole { Outcome::Applied } else { Outcome::Conflict };
            report.detail = Some(if whole { op.detail.clone() } else { Detail::ConcurrentEdit });
            report.notes.push(Note::ConcurrentEdit);
            report.message =
                Some("the version from before was written to meanwhile; it is here as it is now".into());
        }
        Err(why) => unsure(report, &why, true),
    }
}

enum Back {
    /// It is as it was before the apply.
    Already,
    Done,
    /// It is neither as the apply left it nor as it was.
    Changed(Option<State>),
}

fn one(root: &Root, home: &Home, record: &Record, op: &Op, report: &mut FileReport) -> io::Result<Back> {
    let path = op.path.parent().unwrap_or_default();
    let (dir, now) = match root.dir(path) {
        Ok(dir) => {
            let now = look(&dir, op.path.name())?;
            (Some(dir), now)
        }
        Err(Refusal::Io(why)) => return Err(why),
        Err(Refusal::Missing | Refusal::ParentIsFile) => (None, Some(State::Absent)),
        // A link or a repository is where a directory was.
        Err(_) => return Ok(Back::Changed(None)),
    };
    if now.as_ref() == Some(&op.pre) {
        return Ok(Back::Already);
    }
    // A directory that takes a file's place is made only after the file has gone, so a crash may leave neither.
    let halfway = op.post == State::Dir && now == Some(State::Absent);
    if now.as_ref() != Some(&op.post) && !halfway {
        return Ok(Back::Changed(now));
    }
    let name = op.path.name();
    let pre = match (&op.pre, &op.post) {
        (State::Absent | State::Dir, State::Dir) => {
            let Some(dir) = dir.filter(|_| !halfway) else { return Ok(Back::Already) };
            return match dir.remove_dir(name) {
                Ok(()) => Ok(Back::Done),
                Err(why) if why.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(Back::Changed(None)),
                Err(why) => Err(why),
            };
        }
        (State::Absent | State::Dir, _) => {
            let Some(dir) = dir else { return Ok(Back::Already) };
            if !take_away(root, home, record, op, &dir, name)? {
                return Ok(Back::Changed(look(&dir, name)?));
            }
            if op.pre == State::Dir {
                dir.mkdir(name)?;
            }
            return Ok(Back::Done);
        }
        (pre, _) => pre,
    };
    // Deletions may have taken the directory away, too.
    let dir = match dir {
        Some(dir) => dir,
        None => root.dir_create(path, &mut Vec::new()).map_err(into_io)?,
    };
    let (from, slot) = bring(root, record, op, pre)?;
    if op.post == State::Absent || op.post == State::Dir {
        if op.post == State::Dir && !halfway {
            dir.remove_dir(name)?;
        }
        return match from.rename_new(&slot, &dir, name) {
            Ok(()) => Ok(Back::Done),
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => Ok(Back::Changed(look(&dir, name)?)),
            Err(why) => Err(why),
        };
    }
    if exchange(&from, &slot, &dir, name)? {
        if look(&from, &slot)?.as_ref() == Some(&op.post) {
            if op.beside.is_some() {
                let _ = from.remove_file(&slot);
            }
            return Ok(Back::Done);
        }
        // Written to in that instant: it goes back where it was.
        exchange(&from, &slot, &dir, name)?;
        return Ok(Back::Changed(look(&dir, name)?));
    }
    report.notes.push(Note::WeakCas);
    if look(&dir, name)?.as_ref() != Some(&op.post) {
        return Ok(Back::Changed(look(&dir, name)?));
    }
    from.rename_over(&slot, &dir, name)?;
    Ok(Back::Done)
}

/// Moves what the apply created out of the tree. False when it has been changed in that instant; it is then
/// back in its place.
fn take_away(root: &Root, home: &Home, record: &Record, op: &Op, dir: &Dir, name: &[u8]) -> io::Result<bool> {
    let beside = op.beside.is_some() || dir.own_stat()?.device != home.device;
    let (to, slot) = if beside {
        (slot(root, record, op).map_err(into_io)?.0, record.beside(op.n))
    } else {
        (record.old.clone(), op.slot())
    };
    dir.rename_new(name, &to, &slot)?;
    if look(&to, &slot)?.as_ref() == Some(&op.post) {
        // It is out of the tree; the record clears its slots away in the end.
        let _ = to.remove_file(&slot);
        return Ok(true);
    }
    to.rename_new(&slot, dir, name)?;
    Ok(false)
}

/// Where the pre-image is, on the file system of the target.
fn bring(root: &Root, record: &Record, op: &Op, pre: &State) -> io::Result<(Dir, Vec<u8>)> {
    let name = op.slot();
    let old = record.old.stat(&name)?.is_some();
    if op.beside.is_none() {
        return Ok(if old { (record.old.clone(), name) } else { (record.new_dir(op.n).clone(), name) });
    }
    let (dir, temporary) = slot(root, record, op).map_err(into_io)?;
    match dir.remove_file(&temporary) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    copy(&record.old, &name, &dir, &temporary, pre)?;
    Ok((dir, temporary))
}
