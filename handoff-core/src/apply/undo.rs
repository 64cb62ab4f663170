//! Putting back what an apply replaced: for `undo`, for an apply that was cancelled or cut off, and for an undo
//! that was cut off. All are one thing: each path that still is as the apply left it becomes what it was.

mod recover;

use std::io;
use std::path::{Path, PathBuf};

pub(super) use self::recover::{Recovered, recover};
use super::fail;
use super::journal::{Access, Home, Journal, Op, Opened, Record};
use super::sides::Trouble;
use super::staging;
use super::state::{State, look};
use super::write::{copy, exchange, into_io, parent, slot};
use crate::error::Error;
use crate::git::Repo;
use crate::id::{ApplyId, SnapshotId};
use crate::progress::{Control, Phase};
use crate::report::{Detail, FileReport, LooseReport, Note, Outcome, RepoReport, StagingReport};
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

/// Puts back everything in `journal`. May be repeated after any interruption.
pub(super) fn put_back(
    repo: Option<&Repo>,
    root: &Root,
    home: &Home,
    record: &Record,
    journal: &Journal,
) -> PutBack {
    let staging = repo.map(|repo| staging::put_back(repo, &journal.index, &home.claim())).unwrap_or_default();
    let mut out = PutBack { staging, ..PutBack::default() };
    fail::point("undo: index");
    let mut files: Vec<(usize, FileReport)> = Vec::with_capacity(journal.ops.len());
    let made = |op: &Op| matches!(op.pre, State::Absent | State::Dir);
    // What was created goes first, so that the directories that were made for it can go, so that what was
    // deleted can come back in their place.
    for (at, op) in journal.ops.iter().enumerate().rev().filter(|(_, op)| made(op)) {
        files.push((at, report(root, home, record, op)));
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
        Ok(Back::Done) => {
            report.outcome = Outcome::Applied;
            report.detail = Some(match (&op.pre, &op.post) {
                (State::Absent | State::Dir, _) => Detail::Deleted,
                (_, State::Absent | State::Dir) => Detail::Created,
                _ => op.detail.clone(),
            });
            report.hash = op.pre.hash();
        }
        Ok(Back::Changed(here)) => {
            report.outcome = Outcome::Conflict;
            report.detail = Some(Detail::ModifiedHere);
            report.hash = here.and_then(|state| state.hash());
            if op.pre.hash().is_some() {
                report.incoming = Some(record.kept_path(op));
            }
        }
        Err(why) => {
            let trouble = Trouble::io(&why);
            report.outcome = Outcome::Failed;
            report.reason = Some(trouble.reason);
            report.message = trouble.message;
        }
    }
    report
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
                from.remove_file(&slot)?;
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
        to.remove_file(&slot)?;
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

/// The undo of one apply in all repositories.
pub(super) struct Undone {
    pub repos: Vec<RepoReport>,
    pub loose: Option<LooseReport>,
    pub snapshot: Option<SnapshotId>,
}

/// Finds the records of `id` below `roots` and in the directory for loose files, and puts back what they say.
pub(super) fn undo<'p>(
    roots: impl Iterator<Item = &'p Path>,
    loose: Option<&Path>,
    id: &ApplyId,
    control: &Control,
) -> Result<Undone, Error> {
    // As for an apply, all locks first.
    let mut places = Vec::new();
    for path in roots {
        let repo = Repo::open_at(path)?;
        let root = Root::open(repo.root(), &[repo.git_dir().to_owned(), repo.common_dir().to_owned()])?;
        if let Some(home) = existing(Home::open(&repo, Access::Existing)?, path)? {
            places.push(Place { at: path.to_owned(), repo: Some(repo), root, home });
        }
    }
    if let Some(path) = loose
        && let Some(home) = existing(Home::open_plain(path, Access::Existing)?, path)?
    {
        let root = Root::open(path, &[home.path().to_owned()])?;
        places.push(Place { at: path.to_owned(), repo: None, root, home });
    }
    let mut out = Undone { repos: Vec::new(), loose: None, snapshot: None };
    let mut meter = control.phase(Phase::Undo, places.len() as u64);
    for place in &places {
        let Place { at, repo, root, home } = place;
        // An interrupted apply is rolled back here, which is all that undoing it could mean.
        let mut recovered = recover(repo.as_ref(), at, root, home)?;
        let this = recovered.iter().position(|found| found.id == *id).map(|at| recovered.swap_remove(at));
        let findings = recovered.iter().map(super::session::recovered).collect();
        let done = match this {
            Some(found) => Some((found.journal, found.put_back)),
            None => undo_one(place, id)?,
        };
        if let Some((journal, put_back)) = done
            && let Some(header) = journal.header
        {
            out.snapshot = Some(header.snapshot);
            match repo {
                Some(repo) => out.repos.push(RepoReport {
                    drift: repo.drift(&header.head)?,
                    files: put_back.files,
                    findings,
                    name: header.repo,
                    staging: put_back.staging,
                    target: Some(at.clone()),
                }),
                None => {
                    let files = put_back.files;
                    out.loose = Some(LooseReport { files, findings, target: Some(at.clone()) });
                }
            }
        }
        // One repository is put back whole; a cancelled undo is carried on by the next call.
        meter.step(1, 0, None).or_else(|why| if out.snapshot.is_none() { Err(why) } else { Ok(()) })?;
    }
    if out.snapshot.is_none() {
        return Err(Error::UnknownApply { id: *id });
    }
    out.repos.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(out)
}

/// Somewhere that may have a record: a work tree, or a directory for loose files.
struct Place {
    at: PathBuf,
    repo: Option<Repo>,
    root: Root,
    home: Home,
}

fn existing(opened: Opened, at: &Path) -> Result<Option<Home>, Error> {
    match opened {
        Opened::Ready(home) => Ok(Some(home)),
        Opened::Absent => Ok(None),
        Opened::Unwritable(why) => Err(Error::io("locking", at, why)),
    }
}

fn undo_one(place: &Place, id: &ApplyId) -> Result<Option<(Journal, PutBack)>, Error> {
    let Place { at, repo, root, home } = place;
    let failed = |why: io::Error| Error::io("undoing an apply in", at, why);
    let Some(record) = home.record(id)? else { return Ok(None) };
    let journal = record.read().map_err(failed)?;
    if journal.damaged || journal.header.is_none() {
        return Err(Error::Corrupt {
            what: format!("the journal {}", record.path.join("journal").display()),
        });
    }
    record.undoing(&journal).map_err(failed)?;
    fail::point("undo: marked");
    let put_back = put_back(repo.as_ref(), root, home, &record, &journal);
    home.sync().map_err(failed)?;
    fail::point("undo: synced");
    if put_back.incomplete {
        record.finish(&journal).map_err(failed)?;
    } else {
        record.remove().map_err(failed)?;
    }
    Ok(Some((journal, put_back)))
}
