//! One undo in all places that may have a record of it: work trees, and a directory for files outside any.
//!
//! All that can be refused is refused before the first path is touched; from then on trouble is data in the report.

use std::io;
use std::path::{Path, PathBuf};

use super::{PutBack, Recovered, put_back, recover};
use crate::apply::account::unknown_drift;
use crate::apply::fail;
use crate::apply::inside::Inside;
use crate::apply::journal::{Access, Home, Journal, Opened, Record};
use crate::apply::session::recovered;
use crate::error::Error;
use crate::git::Repo;
use crate::id::{ApplyId, SnapshotId};
use crate::progress::{Control, Meter, Phase};
use crate::report::{Drift, DriftKind, Finding, FindingKind, LooseReport, RepoReport};
use crate::rooted::Root;

/// The undo of one apply in all places.
pub(in crate::apply) struct Undone {
    pub repos: Vec<RepoReport>,
    pub loose: Option<LooseReport>,
    pub snapshot: SnapshotId,
    /// Whether every place could be looked into.
    pub whole: bool,
}

/// Somewhere that may have a record: a work tree, or a directory for loose files.
struct Place {
    at: PathBuf,
    repo: Option<Repo>,
    root: Root,
    home: Home,
}

/// A place, and what there is of the apply.
struct Found {
    place: Place,
    findings: Vec<Finding>,
    what: What,
}

enum What {
    Nothing,
    /// It was cut off, so it has been rolled back already.
    RolledBack(Recovered),
    /// Complete, and to be put back now.
    Complete(Record, Journal),
}

/// Finds the records of `id` in `places` and in the directory for loose files, and puts back what they say.
///
/// # Errors
/// Only while nothing has been put back.
pub(in crate::apply) fn undo(
    places: &[Inside],
    loose: Option<&Path>,
    id: &ApplyId,
    control: &Control,
) -> Result<Undone, Error> {
    let (places, mut troubles) = open_all(places, loose, id)?;
    let mut found = Vec::with_capacity(places.len());
    for place in places {
        let at = place.at.clone();
        match look_into(place, id) {
            Ok(one) => found.push(one),
            Err(why) => troubles.push((at, why)),
        }
    }
    let Some(snapshot) = found.iter().find_map(|one| one.what.snapshot()) else {
        let first = troubles.into_iter().next();
        return Err(first.map_or(Error::UnknownApply { id: *id }, |(_, why)| why));
    };
    let rolled_back = found.iter().any(|one| matches!(one.what, What::RolledBack(_)));
    let total = found.iter().map(|one| one.what.paths()).sum::<usize>();
    let mut meter = control.phase(Phase::Undo, total as u64);
    // The last moment to turn back: half an undo is a state that nobody asked for.
    if !rolled_back {
        control.check()?;
    }
    let mut out = Undone { repos: Vec::new(), loose: None, snapshot, whole: troubles.is_empty() };
    for one in found {
        put_back_one(one, &mut meter, &mut out);
    }
    out.repos.extend(troubles.iter().map(|(at, why)| not_looked_into(at, why)));
    out.repos.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(out)
}

impl What {
    fn snapshot(&self) -> Option<SnapshotId> {
        let journal = match self {
            Self::Nothing => return None,
            Self::RolledBack(found) => &found.journal,
            Self::Complete(_, journal) => journal,
        };
        journal.header.as_ref().map(|header| header.snapshot)
    }

    fn paths(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::RolledBack(found) => found.put_back.files.len(),
            Self::Complete(_, journal) => journal.ops.len(),
        }
    }
}

type Trouble = (PathBuf, Error);

/// As for an apply, all locks first. A repository that was only found, not named, cannot fail the others: where it
/// has a record of the apply, its trouble is told of. Nor can one that is not to be opened at all, as it did not fail the
/// apply.
fn open_all(
    inside: &[Inside],
    loose: Option<&Path>,
    id: &ApplyId,
) -> Result<(Vec<Place>, Vec<Trouble>), Error> {
    let (mut places, mut troubles) = (Vec::new(), Vec::new());
    for one in inside {
        let repo = match Repo::open_at(&one.root) {
            Ok(repo) => repo,
            Err(why) => {
                troubles.push((one.root.clone(), why));
                continue;
            }
        };
        match place_of(repo, &one.root) {
            Ok(place) => places.extend(place),
            Err(why) if one.named => return Err(why),
            Err(_) if has_no_record(&one.root, id) => {}
            Err(why @ (Error::Busy { .. } | Error::JournalNotSafe { .. })) => return Err(why),
            Err(why) => troubles.push((one.root.clone(), why)),
        }
    }
    if let Some(path) = loose
        && let Some(home) = existing(Home::open_plain(path, Access::Existing)?, path)?
    {
        let root = Root::open(path, &[home.path().to_owned()])?;
        places.push(Place { at: path.to_owned(), repo: None, root, home });
    }
    Ok((places, troubles))
}

fn place_of(repo: Repo, path: &Path) -> Result<Option<Place>, Error> {
    let root = Root::open(repo.root(), &[repo.git_dir().to_owned(), repo.common_dir().to_owned()])?;
    let home = existing(Home::open(&repo, Access::Existing)?, path)?;
    Ok(home.map(|home| Place { at: path.to_owned(), repo: Some(repo), root, home }))
}

fn existing(opened: Opened, at: &Path) -> Result<Option<Home>, Error> {
    match opened {
        Opened::Ready(home) => Ok(Some(home)),
        Opened::Absent => Ok(None),
        Opened::Unwritable(why) => Err(Error::io("locking the journal of", at, why)),
    }
}

/// Whether the repository certainly has nothing of this apply, as far as reading without a lock tells.
fn has_no_record(path: &Path, id: &ApplyId) -> bool {
    let looked = Repo::open_at(path).and_then(|repo| match Home::open(&repo, Access::Look)? {
        Opened::Ready(home) => Ok(home.applies()?.contains(id)),
        Opened::Absent => Ok(false),
        Opened::Unwritable(why) => Err(Error::io("reading the journal of", path, why)),
    });
    matches!(looked, Ok(false))
}

/// Rolls back what an earlier apply left unfinished, which is all that undoing an interrupted one could mean, and
/// reads the record of a finished one.
fn look_into(place: Place, id: &ApplyId) -> Result<Found, Error> {
    let Place { at, repo, root, home } = &place;
    let mut rolled_back = recover(repo.as_ref(), at, root, home, None)?;
    let this = rolled_back.iter().position(|found| found.id == *id).map(|at| rolled_back.swap_remove(at));
    let findings = rolled_back.iter().map(recovered).collect();
    let what = match this {
        Some(found) => What::RolledBack(found),
        None => match home.record(id)? {
            None => What::Nothing,
            Some(record) => {
                let journal = record.read().map_err(|why| Error::io("reading the journal of", at, why))?;
                if journal.damaged || journal.header.is_none() {
                    let what = format!("the journal {}", record.path.join("journal").display());
                    return Err(Error::Corrupt { what });
                }
                What::Complete(record, journal)
            }
        },
    };
    Ok(Found { place, findings, what })
}

fn put_back_one(found: Found, meter: &mut Meter<'_>, out: &mut Undone) {
    let Found { place, mut findings, what } = found;
    let Place { at, repo, root, home } = &place;
    let (journal, put_back) = match what {
        What::Nothing => return,
        What::RolledBack(found) => {
            meter.count(found.put_back.files.len() as u64, None);
            (found.journal, found.put_back)
        }
        What::Complete(record, journal) => {
            // Without the mark, an undo that is cut off is carried on only by the next undo, not by the next apply:
            // no reason to refuse it where there is no room for a line.
            let _ = record.undoing(&journal);
            fail::point("undo: marked");
            let mut each = |path: &crate::path::RelPath| meter.count(1, Some(path));
            let mut done = put_back(repo.as_ref(), root, home, &record, &journal, &mut each);
            let before = journal.header.as_ref().and_then(|header| header.after).filter(|_| !done.incomplete);
            if let Some(before) = before {
                // Without the mark, an undo that is cut off from here on calls these files edited since, and keeps them.
                let _ = record.undone(&journal);
                fail::point("undo: of the files");
                findings.extend(put_back_before(&place, &before, &mut each, &mut done));
            }
            // Last: until all is put back, this record is what leads to the other.
            findings.extend(close(home, record, &journal, &done));
            (journal, done)
        }
    };
    let Some(header) = journal.header else { return };
    let PutBack { files, staging, .. } = put_back;
    match repo {
        Some(repo) => out.repos.push(RepoReport {
            drift: repo.drift(&header.head).unwrap_or_else(|_| untold()),
            files,
            findings,
            history: None,
            name: header.repo,
            staging,
            target: Some(at.clone()),
        }),
        None => out.loose = Some(LooseReport { files, findings, target: Some(at.clone()) }),
    }
}

/// Puts back the move of HEAD that came before an apply. What it has to say of paths that the apply had written too
/// comes last and counts.
fn put_back_before(
    place: &Place,
    id: &ApplyId,
    each: &mut dyn FnMut(&crate::path::RelPath),
    done: &mut PutBack,
) -> Option<Finding> {
    let Place { repo, root, home, .. } = place;
    let record = home.record(id).ok().flatten()?;
    let journal = record.read().ok().filter(|journal| !journal.damaged)?;
    let _ = record.undoing(&journal);
    let before = put_back(repo.as_ref(), root, home, &record, &journal, each);
    let trouble = close(home, record, &journal, &before);
    done.files.retain(|file| before.files.iter().all(|other| other.path != file.path));
    done.files.extend(before.files);
    done.files.sort_by(|a, b| a.path.cmp(&b.path));
    done.incomplete |= before.incomplete;
    trouble
}

/// Makes what was put back durable and removes the record, where nothing needs it any more.
fn close(home: &Home, record: Record, journal: &Journal, done: &PutBack) -> Option<Finding> {
    let cannot = |message: String| Finding { kind: FindingKind::CannotWrite, message };
    let path = record.path.display().to_string();
    if let Err(why) = home.sync() {
        // The record stays, so that the same undo can be called again after a power cut.
        let _ = record.finish(journal);
        return Some(cannot(format!(
            "what was put back may not survive a power cut ({why}); call the same undo again"
        )));
    }
    fail::point("undo: synced");
    let closed = if done.incomplete { record.finish(journal) } else { record.remove() };
    let what = if done.incomplete { "marked as done" } else { "removed" };
    closed.err().map(|why: io::Error| {
        cannot(format!(
            "the record {path} could not be {what} ({why}); the next apply or undo here tries again"
        ))
    })
}

fn untold() -> Drift {
    unknown_drift(None, DriftKind::BaseMissing, String::new())
}

/// A place that could not be looked into, while others could: nothing was put back there.
fn not_looked_into(at: &Path, why: &Error) -> RepoReport {
    let mut message = format!("nothing was put back here: {why}");
    if let Some(source) = std::error::Error::source(why) {
        message.push_str(&format!(": {source}"));
    }
    RepoReport {
        drift: untold(),
        files: Vec::new(),
        findings: vec![Finding { kind: FindingKind::CannotWrite, message }],
        history: None,
        name: at.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        staging: Default::default(),
        target: Some(at.to_owned()),
    }
}
