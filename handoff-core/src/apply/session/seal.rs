//! Writing the journal and its seal, after which a crash is recovered from.

use std::collections::HashSet;
use std::fs::File;
use std::io;

use super::{Session, cannot_write, rank};
use crate::apply::entry::failed;
use crate::apply::journal::{Header, Op, sync_file_system};
use crate::apply::sides::Trouble;
use crate::apply::{Durability, fail, staging};
use crate::id::ApplyId;

impl Session<'_> {
    /// Whether there is anything to write.
    fn is_idle(&self) -> bool {
        let nothing = self.staged.is_empty() && self.index_plan.changes.is_empty();
        // With a move before it, an apply without files is still what that move is undone by.
        nothing && self.head_op.is_none() && self.after.is_none()
    }

    /// Writes the journal and makes it and all new contents durable. From here on a crash is recovered from.
    pub(in crate::apply) fn seal(&mut self, id: &ApplyId) {
        self.staged.sort_by_key(|(_, staged)| rank(&staged.op));
        if self.is_idle() {
            self.discard();
            return;
        }
        match self.try_seal(id) {
            Ok(file) => self.sealed = Some(file),
            Err(trouble) => {
                for (at, _) in std::mem::take(&mut self.staged) {
                    if let Some(file) = self.files.get_mut(at) {
                        *file = failed(file.clone(), &trouble);
                    }
                }
                for change in std::mem::take(&mut self.index_plan.changes) {
                    staging::leave(&mut self.index_plan.report, change.path, "failed");
                }
                self.staging = self.index_plan.report.clone();
                self.findings.push(cannot_write(&trouble));
                self.discard();
            }
        }
    }

    fn try_seal(&self, id: &ApplyId) -> Result<File, Trouble> {
        let io = |why: io::Error| Trouble::io(&why);
        let record = self.record(id)?;
        let home = self.home().ok_or_else(|| Trouble::new("cannot_write"))?;
        let ops: Vec<Op> = self.staged.iter().map(|(_, staged)| staged.op.clone()).collect();
        let header = Header {
            after: self.after,
            leads: self.head_op.is_some(),
            ..Header::new(*id, self.snapshot.id(), &self.manifest.name, &self.manifest.head)
        };
        fail::point("seal: before the plan");
        let mut file = record
            .write(&header, self.dirs.clone(), &ops, &self.index_plan.changes, self.head_op.as_ref())
            .map_err(io)?;
        fail::point("seal: plan written");
        let durable = self.options.durability == Durability::Full;
        if durable {
            home.sync().map_err(io)?;
            // Contents staged beside targets are on file systems of their own.
            let mut devices = HashSet::new();
            for beside in ops.iter().filter_map(|op| op.beside.as_ref()) {
                if let Ok(dir) = self.root.dir(beside.as_bytes())
                    && devices.insert(dir.own_stat().map_err(io)?.device)
                {
                    sync_file_system(&dir).map_err(io)?;
                }
            }
        }
        fail::point("seal: synced");
        record.seal(&mut file, ops.len(), durable).map_err(io)?;
        fail::point("seal: sealed");
        Ok(file)
    }
}
