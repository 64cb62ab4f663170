//! Rolling back what an earlier apply or undo left unfinished.

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
/// `at` is where the target is, and `repo` its repository, if it has one.
pub(in crate::apply) fn recover(
    repo: Option<&Repo>,
    at: &Path,
    root: &Root,
    home: &Home,
) -> Result<Vec<Recovered>, Error> {
    let mut out = Vec::new();
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
            continue;
        }
        remove_beside(root, &record, &journal);
        if !journal.sealed {
            sweep(home, &id).map_err(failed)?;
            continue;
        }
        let put_back = put_back(repo, root, home, &record, &journal, &mut |_| ());
        home.sync().map_err(failed)?;
        if put_back.incomplete {
            // What could not be put back stays where it is, named in the report. Marked as done, so that it is
            // not tried again behind the person's back; an undo tries again.
            record.finish(&journal).map_err(failed)?;
        } else {
            record.remove().map_err(failed)?;
        }
        out.push(Recovered { id, journal, put_back });
    }
    Ok(out)
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
