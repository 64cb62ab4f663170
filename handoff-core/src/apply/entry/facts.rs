//! What the decision is made on: the shapes of the three sides, and which of them are the same.

use super::Plan;
use crate::apply::Staging;
use crate::apply::plan::{Facts, Shape};
use crate::apply::sides::Trouble;
use crate::apply::state::Here;
use crate::snapshot::{FileState, Mode};

impl Plan<'_, '_, '_> {
    pub(super) fn facts(&mut self, here: &Here) -> Result<Facts, Trouble> {
        let (base, incoming) = (self.entry.head.as_ref(), self.entry.worktree.as_ref());
        let mut facts = Facts {
            base: self.shape_of(base),
            incoming: self.shape_of(incoming),
            here: here.shape(),
            here_is_base: false,
            here_is_incoming: false,
            incoming_is_base: false,
            mergeable: true,
        };
        if let (Some(base), Some(incoming)) = (base, incoming)
            && facts.base.same_kind(facts.incoming)
        {
            facts.incoming_is_base = (base.oid.is_some() && base.oid == incoming.oid)
                || (base.blob.is_some() && base.blob == incoming.blob);
        }
        if let Some(content) = here.content() {
            if !self.reader.repo.trusts_mode() && matches!(facts.here, Shape::File { .. }) {
                // The bit on disk means nothing here, so it cannot have been changed.
                let exec = facts.base.exec().or(facts.incoming.exec()).unwrap_or(false);
                facts.here = Shape::File { exec };
            }
            if let Some(incoming) = incoming.filter(|_| facts.incoming.same_kind(facts.here)) {
                facts.here_is_incoming = self.reader.same(&self.path, content, incoming)?;
            }
            if let Some(base) = base.filter(|_| facts.base.same_kind(facts.here)) {
                // A filter's work cannot be done again here; but its pointer, or the index, may tell whose it is.
                facts.here_is_base = self.reader.same(&self.path, content, base)?
                    || (self.entry.flags.raw.is_some()
                        && (self.reader.is_lfs_of(base, content)?
                            || (self.is_staged(base)
                                && self.reader.repo.is_as_staged(self.reader.index, &self.path))));
            }
        } else if facts.here == Shape::Absent
            && facts.incoming != Shape::Absent
            && self.reader.index.is_skipped(&self.path)
            && let Some(base) = base
            && self.is_staged(base)
        {
            // Not checked out here (sparse checkout), which is not the same as deleted.
            if facts.incoming_is_base && facts.incoming == facts.base && self.will_stage() {
                // Once something else is staged, the file would count as deleted if it stayed away.
                facts.base = Shape::Absent;
                facts.incoming_is_base = false;
            } else {
                facts.here = facts.base;
                facts.here_is_base = true;
            }
        }
        if facts.here == Shape::Directory && facts.incoming == Shape::Absent {
            // The file is gone on both sides.
            facts.here = Shape::Absent;
        }
        Ok(facts)
    }

    /// Whether the target's index will hold something else than the snapshot's HEAD has.
    fn will_stage(&self) -> bool {
        let same = match (&self.entry.head, &self.entry.index) {
            (Some(head), Some(index)) => head.mode == index.mode && head.oid == index.oid,
            (head, index) => head.is_none() && index.is_none(),
        };
        !same && self.context.options.staging == Staging::Restore
    }

    /// Whether the target's index holds `layer`.
    fn is_staged(&self, layer: &FileState) -> bool {
        match self.reader.index.staged(&self.path) {
            crate::git::StagedItem::Item(item) => {
                self.reader.same_format && Some(item.oid) == layer.oid && item.mode == layer.mode
            }
            _ => false,
        }
    }

    fn shape_of(&self, state: Option<&FileState>) -> Shape {
        match state.map(|state| &state.mode) {
            None => Shape::Absent,
            Some(Mode::Executable) => Shape::File { exec: true },
            Some(Mode::Symlink) if self.reader.repo.has_symlinks() => Shape::Symlink,
            // Without symlinks, git keeps their targets in plain files.
            Some(_) => Shape::File { exec: false },
        }
    }
}
