//! Rolling back what an earlier apply or undo left unfinished.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use super::{PutBack, put_back};
use crate::apply::journal::{Home, Journal, Record, sweep};
use crate::apply::write::parent;
use crate::error::Error;
use crate::git::Repo;
use crate::id::ApplyId;
use crate::rooted::Root;

/// What was found and done about an apply that had not come to its end.
#[derive(Debug)]
pub(in crate::apply) struct Recovered {
    pub id: ApplyId,
    pub journal: Journal,
    pub put_back: PutBack,
}

/// Rolls back whatever an earlier apply or undo in this work tree left unfinished. What was applied partly is
/// taken back rather than completed: the work tree may have moved on since it was planned, and the caller is
/// about to plan anew anyway.
///
/// `at` is where the target is, and `repo` its repository, if it has one. `goes_on` is the apply that the caller is
/// about to go on from: a move of HEAD that is done, and whose files come next. Any other such move without the files
/// was cut off between the two, and is taken back.
pub(in crate::apply) fn recover(
    repo: Option<&Repo>,
    at: &Path,
    root: &Root,
    home: &Home,
    goes_on: Option<ApplyId>,
) -> Result<Vec<Recovered>, Error> {
    let mut out = Vec::new();
    let mut leading = Vec::new();
    let mut followed: HashSet<ApplyId> = goes_on.into_iter().collect();
    for id in home.applies()? {
        let failed = |why: io::Error| Error::io("recovering an interrupted apply in", at, why);
        let record = match home.record(&id) {
            Ok(Some(record)) => record,
            Ok(None) => continue,
            // It died while its directories were being made or removed.
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                // With a journal, somebody else has removed parts of it; hands off what is left.
                if !home.has_journal(&id).map_err(failed)? {
                    sweep(home, &id).map_err(failed)?;
                }
                continue;
            }
            Err(why) => return Err(why),
        };
        let journal = record.read().map_err(failed)?;
        if journal.damaged || (journal.done && !journal.undoing) {
            followed.extend(journal.header.as_ref().and_then(|header| header.after));
            let half = journal.header.as_ref().is_some_and(|header| header.leads);
            if half && !journal.damaged && !journal.settled {
                leading.push((record, journal));
            }
            continue;
        }
        remove_beside(root, &record, &journal);
        if !journal.sealed {
            sweep(home, &id).map_err(failed)?;
            continue;
        }
        if journal.undone {
            // The files are of other versions by now, if the undo had come to the move that was before them.
            record.remove().map_err(failed)?;
            out.push(Recovered { id, journal, put_back: PutBack::default() });
            continue;
        }
        let recovered = roll_back(repo, root, home, record, journal).map_err(failed)?;
        if recovered.put_back.incomplete {
            followed.extend(recovered.journal.header.as_ref().and_then(|header| header.after));
        }
        out.push(recovered);
    }
    for (record, journal) in leading {
        if !followed.contains(&record.id) {
            let failed = |why: io::Error| Error::io("recovering an interrupted apply in", at, why);
            out.push(roll_back(repo, root, home, record, journal).map_err(failed)?);
        }
    }
    Ok(out)
}

fn roll_back(
    repo: Option<&Repo>,
    root: &Root,
    home: &Home,
    record: Record,
    journal: Journal,
) -> io::Result<Recovered> {
    let id = record.id;
    let put_back = put_back(repo, root, home, &record, &journal, &mut |_| ());
    home.sync()?;
    if put_back.incomplete {
        // What could not be put back stays where it is, named in the report. Marked as done, so that it is
        // not tried again behind the person's back; an undo tries again.
        record.finish(&journal)?;
    } else {
        record.remove()?;
    }
    Ok(Recovered { id, journal, put_back })
}

/// Removes temporary files beside targets on other file systems that no sealed operation speaks of.
fn remove_beside(root: &Root, record: &Record, journal: &Journal) {
    if journal.sealed {
        return;
    }
    for path in &journal.beside {
        let ours = path.name().starts_with(format!(".handoff-{}-", record.id).as_bytes());
        if let (true, Ok((dir, name))) = (ours, parent(root, path)) {
            let _ = dir.remove_file(name);
        }
    }
}
