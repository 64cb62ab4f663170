//! Putting everything staged in place, and saying in the report what became of it.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::{MANY, Session, parents, rank};
use crate::apply::entry::{self, failed};
use crate::apply::fail;
use crate::apply::journal::Record;
use crate::apply::sides::Trouble;
use crate::apply::state::State;
use crate::apply::write::{self, Published, Staged};
use crate::error::Error;
use crate::join;
use crate::path::RelPath;
use crate::progress::{Meter, Phase};
use crate::report::{Detail, FileReport, Note, Outcome};
use crate::rooted::Root;

impl Session<'_> {
    /// Puts every staged path in place and says of each what became of it.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; then [`roll_back`](Self::roll_back) is to be called.
    pub(in crate::apply) fn publish(&mut self) -> Result<(), Error> {
        if self.sealed.is_none() {
            return Ok(());
        }
        let control = self.options.control.clone();
        let meter = Mutex::new(control.phase(Phase::Write, self.staged.len() as u64));
        let Some(Ok(record)) = self.record.get() else { return Ok(()) };
        let groups = self.staged.chunk_by(|a, b| rank(&a.1.op) == rank(&b.1.op));
        let mut outcomes = Vec::with_capacity(self.staged.len());
        for group in groups {
            outcomes.extend(publish_group(&self.root, record, group, &meter)?);
            if group.first().is_some_and(|(_, first)| first.op.post == State::Absent) {
                self.remove_emptied(group);
                fail::point("publish: emptied directories");
            }
        }
        drop(meter);
        let mut not_placed = Vec::new();
        for ((at, staged), published) in self.staged.iter().zip(outcomes) {
            let Some(file) = self.files.get_mut(*at) else { continue };
            if !settle(file, published) {
                not_placed.push(staged.op.n);
            }
        }
        self.clear_slots(&not_placed);
        for (at, staged) in &self.staged {
            if !not_placed.contains(&staged.op.n)
                && write::has_late_write(record, staged)
                && let Some(file) = self.files.get_mut(*at)
            {
                file.notes.push(Note::ConcurrentEdit);
                file.message = Some(format!(
                    "a program wrote to the replaced file afterwards; that version is {}",
                    record.kept_path(&staged.op).display()
                ));
            }
        }
        self.keep_conflicts();
        self.finish(not_placed);
        Ok(())
    }

    /// New contents that were not put in place are of no use any more.
    fn clear_slots(&self, not_placed: &[u64]) {
        let Some(Ok(record)) = self.record.get() else { return };
        for (at, staged) in &self.staged {
            let kept = self.files.get(*at).is_some_and(|file| file.incoming.is_some());
            if not_placed.contains(&staged.op.n)
                && !kept
                && let Ok((dir, name)) = write::slot(&self.root, record, &staged.op)
                // Never anything but what was staged there.
                && matches!(dir.stat(&name), Ok(Some(stat)) if stat.inode == staged.inode)
            {
                let _ = dir.remove_file(&name);
            }
        }
    }

    /// Keeps the incoming versions of paths that turned into conflicts while publishing.
    fn keep_conflicts(&mut self) {
        let mut files = std::mem::take(&mut self.files);
        for (at, _) in &self.staged {
            let (Some(file), Some(entry)) = (files.get_mut(*at), self.manifest.entries.get(*at)) else {
                continue;
            };
            if file.outcome == Outcome::Conflict && file.incoming.is_none() {
                self.keep(file, entry.worktree.as_ref());
            }
        }
        self.files = files;
    }

    /// Directories that deletions have emptied go too, as git does it, unless the snapshot has them empty.
    fn remove_emptied(&self, deleted: &[(usize, Staged)]) {
        let empty = self.manifest.entries.iter().filter(|entry| entry.flags.empty_dir);
        let kept = empty.flat_map(|entry| parents(&entry.path).chain([entry.path.as_bytes()]));
        let needed: HashSet<&[u8]> = self
            .staged
            .iter()
            .filter(|(_, staged)| staged.op.post != State::Absent)
            .flat_map(|(_, staged)| parents(&staged.op.path))
            .chain(kept)
            .collect();
        let mut dirs: Vec<&[u8]> = deleted.iter().flat_map(|(_, staged)| parents(&staged.op.path)).collect();
        dirs.sort_by_key(|dir| (std::cmp::Reverse(dir.len()), *dir));
        dirs.dedup();
        for dir in dirs {
            if !needed.contains(dir) {
                let path = RelPath::from(dir);
                // Fails where something is left in it, which is the usual case and as it should be.
                let _ = write::parent(&self.root, &path).map(|(above, name)| above.remove_dir(name));
            }
        }
    }
}

/// Says in the report what became of a write. Returns whether the record has something to undo.
pub(in crate::apply) fn settle(file: &mut FileReport, published: Published) -> bool {
    let concurrent = |file: &mut FileReport, here| {
        file.outcome = Outcome::Conflict;
        file.detail = Some(Detail::ConcurrentEdit);
        file.hash = here;
    };
    match published {
        Published::Placed { hash, notes } => {
            file.hash = hash;
            file.notes.extend(notes);
            true
        }
        Published::Moved { here, kept } => {
            concurrent(file, here);
            file.message = Some("it was changed while the apply ran, and was left as it is".into());
            if let Some(kept) = kept {
                file.message =
                    Some("it was changed twice while the apply ran; the version in between was kept".into());
                file.incoming = Some(kept);
            }
            false
        }
        Published::Overwritten { here } => {
            concurrent(file, here);
            file.message = Some(
                "it was changed at once after it was written; the version from before is in the record"
                    .into(),
            );
            true
        }
        Published::Refused(reason) => {
            *file = entry::skipped(file.clone(), reason);
            file.detail = None;
            file.hash = None;
            false
        }
        Published::Failed(why) => {
            *file = failed(file.clone(), &Trouble::io(&why));
            false
        }
        Published::Unsure(why) => {
            *file = failed(file.clone(), &Trouble::io(&why));
            file.message = Some(format!(
                "it was written, but could not be read again ({why}); what was there before is in the record, and undo puts it back"
            ));
            true
        }
    }
}

pub(in crate::apply) fn publish_group(
    root: &Root,
    record: &Record,
    group: &[(usize, Staged)],
    meter: &Mutex<Meter<'_>>,
) -> Result<Vec<Published>, Error> {
    let step = |staged: &Staged| {
        let mut meter = meter.lock().unwrap_or_else(PoisonError::into_inner);
        meter.step(1, 0, Some(&staged.op.path))
    };
    let work = |part: &[(usize, Staged)]| -> Result<Vec<Published>, Error> {
        part.iter()
            .map(|(_, staged)| {
                let published = write::publish(root, record, staged);
                step(staged).map(|()| published)
            })
            .collect()
    };
    if group.len() < MANY {
        return work(group);
    }
    let (first, second) = group.split_at(group.len() / 2);
    join::shares(|| work(first), [|| work(second)])
}
