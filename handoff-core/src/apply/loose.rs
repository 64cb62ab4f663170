//! Files outside any repository, put below the directory that the target's workspace names. The same plan, journal,
//! writes and verification as in a work tree, only without git: there is no base, so nothing is ever merged.

mod decide;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use self::decide::{Step, refusal};
use super::entry::{Change, failed, skipped};
use super::incoming::{Kept, keep};
use super::journal::{Access, Header, Home, Op, Opened, Record, sweep, sync_file_system};
use super::session::publish::{publish_group, settle};
use super::session::{cannot_write, missing_dirs, recovered};
use super::sides::{self, Trouble};
use super::undo::{PutBack, put_back, recover};
use super::write::{self, Staged};
use super::{ApplyOptions, Durability, account, fail, planner};
use crate::error::Error;
use crate::id::ApplyId;
use crate::path::{RelPath, auto_run};
use crate::progress::Phase;
use crate::report::{FileReport, Finding, FindingKind, LooseReport, Note, Outcome};
use crate::rooted::Root;
use crate::snapshot::{Entry, Head, Snapshot};

/// The loose files of a snapshot on their way to a directory, from the lock to the mark `done`.
pub(super) struct Loose<'a> {
    snapshot: &'a Snapshot,
    options: &'a ApplyOptions,
    at: PathBuf,
    root: Root,
    home: Option<Home>,
    unwritable: Option<io::Error>,
    files: Vec<FileReport>,
    findings: Vec<Finding>,
    staged: Vec<(usize, Staged)>,
    dirs: Vec<RelPath>,
    record: Option<Result<Record, Trouble>>,
    sealed: Option<File>,
    kept: Vec<Kept>,
}

impl<'a> Loose<'a> {
    /// Opens the directory `at`. For an apply it is locked, and what an earlier one left unfinished is rolled back.
    pub(super) fn open(
        snapshot: &'a Snapshot,
        at: &Path,
        options: &'a ApplyOptions,
        writes: bool,
    ) -> Result<Self, Error> {
        let access = if writes { Access::Make } else { Access::Look };
        let (home, unwritable) = match Home::open_plain(at, access)? {
            Opened::Ready(home) => (Some(home), None),
            Opened::Absent => (None, None),
            Opened::Unwritable(why) => (None, Some(why)),
        };
        let own: Vec<PathBuf> = home.iter().map(|home| home.path().to_owned()).collect();
        let root = Root::open(at, &own)?;
        let mut findings = Vec::new();
        if let Some(home) = home.as_ref().filter(|_| writes) {
            findings.extend(recover(None, at, &root, home, None)?.iter().map(recovered));
        }
        Ok(Self {
            snapshot,
            options,
            at: at.to_owned(),
            root,
            home,
            unwritable,
            files: Vec::new(),
            findings,
            staged: Vec::new(),
            dirs: Vec::new(),
            record: None,
            sealed: None,
            kept: Vec::new(),
        })
    }

    /// Decides for every file and, given an `id`, stages what is to be written.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; then [`roll_back`](Self::roll_back) is to be called.
    pub(super) fn plan(&mut self, id: Option<&ApplyId>) -> Result<(), Error> {
        let snapshot = self.snapshot;
        let entries = &snapshot.manifest().loose_files;
        let (faults, finding) = planner::set_faults(entries, self.home.as_ref(), false);
        self.findings.extend(finding);
        let control = self.options.control.clone();
        let mut meter = control.phase(Phase::Plan, entries.len() as u64);
        let mut orphans = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            let mut report = FileReport::new(entry.path.clone(), Outcome::Unchanged);
            report.auto_run = entry.flags.auto_run || auto_run(&entry.path);
            if entry.flags.unstable {
                report.notes.push(Note::Unstable);
            }
            let step = match refusal(entry, &faults) {
                Some(reason) => {
                    report = skipped(report, reason);
                    Ok(Step::Nothing)
                }
                None => self.decide(entry, &mut report),
            };
            match (step, id) {
                (Ok(Step::Write(change)), Some(id)) => {
                    if change.needs_dirs {
                        orphans.push(change.path.clone());
                    }
                    match self.stage(id, at as u64, *change) {
                        Ok(staged) => self.staged.push((at, staged)),
                        Err(trouble) => report = failed(report, &trouble),
                    }
                }
                (Ok(Step::Write(_)), None) => {
                    // A preview reads what an apply would write, so that it tells what that would meet.
                    let state = entry.worktree.as_ref();
                    let read = state.map(|state| sides::copy(snapshot, state, &mut io::sink()));
                    if let Some(Err(trouble)) = read {
                        report = failed(report, &trouble);
                    }
                }
                (Ok(Step::Keep), Some(_)) => self.keep(entry, &mut report),
                (Ok(_), _) => {}
                (Err(trouble), _) => report = failed(report, &trouble),
            }
            self.files.push(report);
            meter.step(1, 0, Some(&entry.path))?;
        }
        self.dirs = missing_dirs(&self.root, &orphans);
        if let Some(Err(trouble)) = &self.record {
            self.findings.push(cannot_write(trouble));
        }
        Ok(())
    }

    fn begin(&mut self, id: &ApplyId) -> Result<(), Trouble> {
        let (home, unwritable) = (self.home.as_ref(), self.unwritable.as_ref());
        let record = self.record.get_or_insert_with(|| match (home, unwritable) {
            (Some(home), _) => home.begin(id).map_err(|why| Trouble::io(&why)),
            (None, Some(why)) => Err(Trouble::io(why)),
            (None, None) => Err(Trouble::new("cannot_write")),
        });
        record.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    fn stage(&mut self, id: &ApplyId, n: u64, change: Change) -> Result<Staged, Trouble> {
        self.begin(id)?;
        let Some(Ok(record)) = &self.record else { return Err(Trouble::new("cannot_write")) };
        let device = self.home.as_ref().map_or(0, |home| home.device);
        let io = |why: io::Error| Trouble::io(&why);
        let beside = write::beside(&self.root, device, &change.path).map_err(io)?;
        if let Some(dir) = &beside {
            record.announce(vec![record.beside_path(dir, n)]).map_err(io)?;
        }
        write::stage(&self.root, self.snapshot, record, n, change, beside)
    }

    fn keep(&mut self, entry: &Entry, report: &mut FileReport) {
        let (Some(home), Some(state)) = (&self.home, &entry.worktree) else { return };
        match keep(home, self.snapshot, &entry.path, state) {
            Ok(kept) => {
                report.incoming = Some(kept.path.clone());
                self.kept.push(kept);
            }
            Err(trouble) => {
                let why = trouble.message.unwrap_or(trouble.reason);
                report.message = Some(format!("the incoming version could not be kept here: {why}"));
            }
        }
    }

    /// Writes the journal and makes it and all new contents durable. From here on a crash is recovered from.
    pub(super) fn seal(&mut self, id: &ApplyId) {
        if self.staged.is_empty() {
            return self.discard();
        }
        match self.try_seal(id) {
            Ok(file) => self.sealed = Some(file),
            Err(why) => {
                let trouble = Trouble::io(&why);
                for (at, _) in std::mem::take(&mut self.staged) {
                    if let Some(file) = self.files.get_mut(at) {
                        *file = failed(file.clone(), &trouble);
                    }
                }
                self.findings.push(cannot_write(&trouble));
                self.discard();
            }
        }
    }

    fn try_seal(&self, id: &ApplyId) -> io::Result<File> {
        let Some(Ok(record)) = &self.record else { return Err(io::ErrorKind::NotFound.into()) };
        let ops: Vec<Op> = self.staged.iter().map(|(_, staged)| staged.op.clone()).collect();
        let header = Header::new(*id, self.snapshot.id(), "", &Head::default());
        let mut file = record.write(&header, self.dirs.clone(), &ops, &[], None)?;
        fail::point("loose: plan written");
        self.sync()?;
        record.seal(&mut file, ops.len(), self.options.durability == Durability::Full)?;
        fail::point("loose: sealed");
        Ok(file)
    }

    fn sync(&self) -> io::Result<()> {
        if self.options.durability != Durability::Full {
            return Ok(());
        }
        if let Some(home) = &self.home {
            home.sync()?;
        }
        // Contents staged beside targets are on file systems of their own.
        for beside in self.staged.iter().filter_map(|(_, staged)| staged.op.beside.as_ref()) {
            if let Ok(dir) = self.root.dir(beside.as_bytes()) {
                sync_file_system(&dir)?;
            }
        }
        Ok(())
    }

    /// Puts every staged file in place and says of each what became of it.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; then [`roll_back`](Self::roll_back) is to be called.
    pub(super) fn publish(&mut self) -> Result<(), Error> {
        let (Some(mut sealed), Some(Ok(record))) = (self.sealed.take(), &self.record) else { return Ok(()) };
        let control = self.options.control.clone();
        let meter = Mutex::new(control.phase(Phase::Write, self.staged.len() as u64));
        let outcomes = match publish_group(&self.root, record, &self.staged, &meter) {
            Ok(outcomes) => outcomes,
            Err(why) => {
                self.sealed = Some(sealed);
                return Err(why);
            }
        };
        drop(meter);
        let (mut not_placed, mut conflicts) = (Vec::new(), Vec::new());
        let mut keeps_a_version = false;
        for ((at, staged), published) in self.staged.iter().zip(outcomes) {
            let Some(file) = self.files.get_mut(*at) else { continue };
            if settle(file, published) {
                if write::has_late_write(record, staged) {
                    file.notes.push(Note::ConcurrentEdit);
                    let kept = record.kept_path(&staged.op);
                    file.message = Some(format!(
                        "a program wrote to the replaced file afterwards; that version is {}",
                        kept.display()
                    ));
                }
                continue;
            }
            not_placed.push(staged.op.n);
            keeps_a_version |= file.incoming.is_some();
            if file.incoming.is_none() {
                if let Ok((dir, name)) = write::slot(&self.root, record, &staged.op)
                    && matches!(dir.stat(&name), Ok(Some(stat)) if stat.inode == staged.inode)
                {
                    let _ = dir.remove_file(&name);
                }
                conflicts.push(*at);
            }
        }
        fail::point("loose: published");
        if not_placed.len() == self.staged.len() && !keeps_a_version {
            self.discard();
        } else {
            let durable = self.options.durability == Durability::Full;
            if let Err(why) = self.sync().and_then(|()| record.done(&mut sealed, not_placed, durable)) {
                self.findings.push(Finding {
                    kind: FindingKind::CannotWrite,
                    message: format!("everything is in place, but may not survive a power cut: {why}"),
                });
            }
            self.sealed = Some(sealed);
        }
        for at in conflicts {
            let entry = self.snapshot.manifest().loose_files.get(at);
            let report = self.files.get(at).filter(|file| file.outcome == Outcome::Conflict).cloned();
            if let (Some(entry), Some(mut report)) = (entry, report) {
                self.keep(entry, &mut report);
                if let Some(file) = self.files.get_mut(at) {
                    *file = report;
                }
            }
        }
        Ok(())
    }

    /// Whether there is something to undo.
    pub(super) fn has_record(&self) -> bool {
        self.sealed.is_some()
    }

    fn discard(&mut self) {
        if let Some(Ok(record)) = self.record.take() {
            let _ = record.remove();
        }
    }

    /// Takes everything back, for a cancelled apply.
    pub(super) fn roll_back(mut self) {
        self.kept.drain(..).for_each(Kept::remove);
        let (Some(Ok(record)), Some(home)) = (self.record.take(), &self.home) else { return };
        if self.sealed.is_none() {
            let _ = sweep(home, &record.id);
            return;
        }
        let Ok(journal) = record.read() else { return };
        let PutBack { incomplete, .. } = put_back(None, &self.root, home, &record, &journal, &mut |_| ());
        // What could not be taken back now is taken back by the next apply or undo, which tells of it.
        if !incomplete {
            let _ = record.remove();
        }
    }

    /// The report, with what the snapshot does not carry.
    pub(super) fn into_report(self) -> LooseReport {
        let mut report = LooseReport { files: self.files, findings: self.findings, target: Some(self.at) };
        account::add_omissions(&self.snapshot.manifest().loose_omissions, &mut report.files);
        report
    }
}
