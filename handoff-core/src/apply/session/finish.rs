//! How an apply ends: the index and the mark `done`, or everything taken back.

use std::collections::HashSet;
use std::io;
use std::sync::PoisonError;

use super::{Session, by_path};
use crate::apply::incoming::Kept;
use crate::apply::journal::{sweep, sync_file_system};
use crate::apply::undo::{PutBack, put_back};
use crate::apply::{Durability, Staging, branch, fail, staging};
use crate::report::{FileReport, Finding, FindingKind, Outcome};

impl Session<'_> {
    /// Restores the staged state, makes everything durable and marks the journal.
    pub(super) fn finish(&mut self, not_placed: Vec<u64>) {
        let planned = std::mem::take(&mut self.index_plan);
        if self.options.staging == Staging::Restore {
            let files = by_path(&self.files);
            if let Some(home) = self.home() {
                let claim = home.claim();
                self.staging = staging::restore(&self.reader(), self.manifest, planned, &files, &claim);
            }
        }
        fail::point("finish: index");
        self.move_head();
        fail::point("finish: head");
        let durable = self.options.durability == Durability::Full;
        let placed_nothing = not_placed.len() == self.staged.len()
            && self.staging.restored == 0
            && !self.head_moved
            && self.after.is_none();
        let keeps_a_version = self.files.iter().any(|file| {
            file.incoming.as_ref().is_some_and(
                |path| matches!(self.record.get(), Some(Ok(record)) if path.starts_with(&record.path)),
            )
        });
        if placed_nothing && !keeps_a_version {
            self.sealed = None;
            self.discard();
            return;
        }
        let (Some(Ok(record)), Some(mut file)) = (self.record.get(), self.sealed.take()) else { return };
        let synced = if durable { self.sync_all() } else { Ok(()) };
        fail::point("finish: synced");
        if let Err(why) = synced.and_then(|()| record.done(&mut file, not_placed, durable)) {
            self.findings.push(Finding {
                kind: FindingKind::CannotWrite,
                message: format!("everything is in place, but may not survive a power cut: {why}"),
            });
        }
        self.sealed = Some(file);
        fail::point("finish: done");
    }

    /// Moves HEAD, if that is planned and all else went well.
    fn move_head(&mut self) {
        let Some(op) = &self.head_op else { return };
        let in_place = |file: &FileReport| matches!(file.outcome, Outcome::Applied | Outcome::Unchanged);
        let whole = self.files.iter().all(in_place) && self.staging.left_paths.is_empty();
        let Some(home) = self.home().filter(|_| whole) else { return };
        self.head_moved = branch::forward(&self.repo, op, &home.ref_claim());
    }

    fn sync_all(&self) -> io::Result<()> {
        if let Some(home) = self.home() {
            home.sync()?;
        }
        let mut devices = HashSet::new();
        for beside in self.staged.iter().filter_map(|(_, staged)| staged.op.beside.as_ref()) {
            if let Ok(dir) = self.root.dir(beside.as_bytes())
                && devices.insert(dir.own_stat()?.device)
            {
                sync_file_system(&dir)?;
            }
        }
        Ok(())
    }

    /// Removes the record of an apply that wrote nothing.
    pub(super) fn discard(&mut self) {
        if let Some(Ok(record)) = self.record.take() {
            let _ = record.remove();
        }
    }

    fn forget_kept(&mut self) {
        let keeps = std::mem::take(self.keeps.get_mut().unwrap_or_else(PoisonError::into_inner));
        keeps.into_iter().for_each(Kept::remove);
    }

    /// Says of the apply that this one went on from that no other comes after it, where this one has no record.
    pub(in crate::apply) fn settle(&self) {
        let Some((id, home)) = self.after.zip(self.home()).filter(|_| !self.has_record()) else { return };
        if let Ok(Some(record)) = home.record(&id)
            && let Ok(journal) = record.read()
        {
            // Without the mark, the next apply takes the move for one that was cut off, takes it back and says so.
            let _ = record.finish(&journal);
        }
    }

    /// Throws away what was staged and kept. For a cancelled apply before its seal.
    pub(in crate::apply) fn abandon(mut self) {
        self.forget_kept();
        // What a cancelled plan had staged is not in the list yet, but in the record.
        if let (Some(Ok(record)), Some(home)) = (self.record.take(), self.home()) {
            let _ = sweep(home, &record.id);
        }
    }

    /// Takes everything back. For a cancelled apply after its seal.
    pub(in crate::apply) fn roll_back(mut self) {
        self.forget_kept();
        if self.sealed.is_none() {
            return self.abandon();
        }
        let (Some(Ok(record)), Some(home)) = (self.record.take(), self.home()) else { return };
        let Ok(journal) = record.read() else { return };
        let PutBack { incomplete, .. } =
            put_back(Some(&self.repo), &self.root, home, &record, &journal, &mut |_| ());
        // What could not be taken back now is taken back by the next apply or undo, which tells of it.
        if !incomplete {
            let _ = record.remove();
        }
    }
}
