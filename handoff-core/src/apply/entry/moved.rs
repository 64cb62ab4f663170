//! Files that the snapshot has moved, where the target has changed or moved them too.

use super::{Plan, Planned, Post, Source};
use crate::apply::merge::{self, Outcome as Merge};
use crate::apply::plan::Shape;
use crate::apply::sides::Trouble;
use crate::apply::state::{Content, Here};
use crate::path::RelPath;
use crate::report::{Detail, FileReport, Note, Outcome};
use crate::snapshot::{Entry, FileState, Mode};
use crate::text::similarity;

use super::look::Found;

/// From how alike on a file is the same one under another name, in percent.
const ALIKE: u8 = 50;

impl Plan<'_, '_, '_> {
    /// The snapshot deletes what the target has changed. Where it has moved the file, and the change fits in there,
    /// the change follows: this path goes, and the new one is merged when its turn comes.
    pub(super) fn moved_away(
        &mut self,
        report: &FileReport,
        found: &Found,
    ) -> Result<Option<Planned>, Trouble> {
        let Some(to) = self.context.renames.moved_to(self.context.root, self.reader, self.entry)? else {
            return Ok(None);
        };
        if self.context.faults.contains_key(&to.path) || to.path.check(&Default::default()).is_err() {
            return Ok(None);
        }
        let free = matches!(self.look(&to.path)?, Ok(there) if matches!(there.here, Here::Absent));
        if !free || self.merged_into(to, self.entry, &found.here)?.is_none() {
            return Ok(None);
        }
        let mut report = report.clone();
        report.outcome = Outcome::Applied;
        report.detail = Some(Detail::Deleted);
        report.hash = None;
        report.at = Some(to.path.clone());
        report.message = Some(format!("moved to {}, where the changes of both sides are merged", to.path));
        let change = self.change(found, Post::Nothing, Detail::Deleted);
        Ok(Some(Planned { report, change: Some(change), keep: None }))
    }

    /// Says of a conflict about a file that the snapshot has moved where it was moved to.
    pub(super) fn name_new_place(&mut self, report: &mut FileReport) -> Result<(), Trouble> {
        if report.outcome == Outcome::Conflict
            && report.detail == Some(Detail::ModifiedHere)
            && let Some(to) = self.context.renames.moved_to(self.context.root, self.reader, self.entry)?
        {
            report.at = Some(to.path.clone());
            report.message = Some(format!("the snapshot has moved it to {}; both sides changed it", to.path));
        }
        Ok(())
    }

    /// A new file of the snapshot that has come from `followed`, whose change at the target it takes along.
    pub(super) fn moved_in(
        &mut self,
        report: &FileReport,
        found: &Found,
    ) -> Result<Option<Planned>, Trouble> {
        let Some(from) = self.context.followed.get(&self.entry.path) else { return Ok(None) };
        if !matches!(found.here, Here::Absent) {
            return Ok(None);
        }
        let Some(from) = self
            .context
            .renames
            .moved_from(self.context.root, self.reader, self.entry)?
            .filter(|one| one.path == *from)
        else {
            return Ok(None);
        };
        let Ok(old) = self.look(&from.path)? else { return Ok(None) };
        let Some((bytes, exec)) = self.merged_into(self.entry, from, &old.here)? else { return Ok(None) };
        Ok(Some(self.merged(report, found, bytes, exec, private(old.here.content()))))
    }

    /// Both sides have the file at this path and neither where it came from: both have moved it alike.
    pub(super) fn moved_alike(
        &mut self,
        report: &FileReport,
        found: &Found,
    ) -> Result<Option<Planned>, Trouble> {
        let Some(from) = self.context.renames.moved_from(self.context.root, self.reader, self.entry)? else {
            return Ok(None);
        };
        if !matches!(self.look(&from.path)?, Ok(Found { here: Here::Absent, .. })) {
            return Ok(None);
        }
        let Some(base) = from.head.as_ref() else { return Ok(None) };
        let (Some(old), Some(here)) =
            (self.reader.stored(base)?, found.here.content().and_then(|content| content.bytes.as_ref()))
        else {
            return Ok(None);
        };
        if similarity(&old, here) < ALIKE {
            return Ok(None);
        }
        let Some((bytes, exec)) = self.merged_into(self.entry, from, &found.here)? else { return Ok(None) };
        let content = found.here.content();
        if content.is_some_and(|now| now.bytes.as_ref() == Some(&bytes) && now.exec() == exec) {
            return Ok(Some(Planned::done(report.clone())));
        }
        Ok(Some(self.merged(report, found, bytes, exec, private(content))))
    }

    fn merged(
        &self,
        report: &FileReport,
        found: &Found,
        bytes: Vec<u8>,
        exec: bool,
        private: bool,
    ) -> Planned {
        let mut report = report.clone();
        report.outcome = Outcome::Merged;
        if found.here.content().is_some_and(|content| content.stat.links > 1) {
            report.notes.push(Note::HardlinkBroken);
        }
        let post = Post::File { exec, private, content: Source::Bytes(bytes) };
        let change = self.change(found, post, Detail::Modified);
        Planned { report, change: Some(change), keep: None }
    }

    /// What the target has of `from` merged with what the snapshot has made of it at `to`; `None` where it is not
    /// clean.
    fn merged_into(
        &mut self,
        to: &Entry,
        from: &Entry,
        here: &Here,
    ) -> Result<Option<(Vec<u8>, bool)>, Trouble> {
        let (Some(base), Some(incoming)) = (from.head.as_ref(), to.worktree.as_ref()) else {
            return Ok(None);
        };
        let Shape::File { exec: ours } = here.shape() else { return Ok(None) };
        let (old, theirs) = (is_executable(base), is_executable(incoming));
        let exec = if ours == old { theirs } else { ours };
        let path: &RelPath = &to.path;
        Ok(match merge::three_way(self.reader, path, Some(base), incoming, here)? {
            Merge::Clean(bytes) => Some((bytes, exec)),
            _ => None,
        })
    }
}

fn is_executable(state: &FileState) -> bool {
    state.mode == Mode::Executable
}

fn private(content: Option<&Content>) -> bool {
    content.is_some_and(|content| content.stat.mode & 0o077 == 0)
}
