//! One repository of the snapshot and its target, from the lock to the mark `done`.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::entry::{self, failed};
use super::incoming::{Kept, keep};
use super::journal::{Access, Header, Home, Op, Opened, Record};
use super::sides::{Reader, Trouble};
use super::state::State;
use super::undo::{PutBack, Recovered, put_back, recover};
use super::write::{self, Published, Staged};
use super::{ApplyOptions, Durability, Staging, fail, planner, staging};
use crate::error::Error;
use crate::git::{Index, Repo};
use crate::id::ApplyId;
use crate::path::RelPath;
use crate::progress::{Meter, Phase};
use crate::report::{Detail, Drift, FileReport, Finding, FindingKind, Note, Outcome, StagingReport};
use crate::rooted::Root;
use crate::snapshot::{FileState, RepoManifest, Snapshot};

/// From how many paths on a second thread pays for itself.
pub(super) const MANY: usize = 64;

/// Where the home is.
enum Place {
    Ready(Home),
    /// A preview where there is no home yet.
    None,
    Unwritable(io::Error),
}

pub(super) struct Session<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) manifest: &'a RepoManifest,
    pub(super) options: &'a ApplyOptions,
    pub(super) repo: Repo,
    pub(super) root: Root,
    index: Index,
    place: Place,
    pub drift: Drift,
    pub findings: Vec<Finding>,
    /// One per entry, in order.
    pub files: Vec<FileReport>,
    pub staging: StagingReport,
    /// Versions kept because of conflicts, to be taken back if the apply is cancelled.
    keeps: Mutex<Vec<Kept>>,
    staged: Vec<(usize, Staged)>,
    dirs: Vec<RelPath>,
    record: OnceLock<Result<Record, Trouble>>,
    index_plan: staging::Planned,
    sealed: Option<File>,
}

impl<'a> Session<'a> {
    /// Opens the target. For an apply it is locked, and what an earlier one left unfinished is rolled back.
    pub(super) fn open(
        snapshot: &'a Snapshot,
        manifest: &'a RepoManifest,
        target: &Path,
        options: &'a ApplyOptions,
        writes: bool,
    ) -> Result<Self, Error> {
        let repo = Repo::open_at(target)?;
        let root = Root::open(repo.root(), &[repo.git_dir().to_owned(), repo.common_dir().to_owned()])?;
        let access = if writes { Access::Make } else { Access::Look };
        let place = match Home::open(&repo, access)? {
            Opened::Ready(home) => Place::Ready(home),
            Opened::Absent => Place::None,
            Opened::Unwritable(why) if writes => Place::Unwritable(why),
            Opened::Unwritable(_) => Place::None,
        };
        let mut findings = Vec::new();
        if let Place::Ready(home) = &place
            && writes
        {
            findings.extend(recover(&repo, &root, home)?.iter().map(recovered));
        }
        let index = repo.index()?;
        let drift = repo.drift(&manifest.head)?;
        Ok(Self {
            snapshot,
            manifest,
            options,
            repo,
            root,
            index,
            place,
            drift,
            findings,
            files: Vec::new(),
            staging: StagingReport::default(),
            keeps: Mutex::default(),
            staged: Vec::new(),
            dirs: Vec::new(),
            record: OnceLock::new(),
            index_plan: staging::Planned::default(),
            sealed: None,
        })
    }

    pub(super) fn target(&self) -> PathBuf {
        self.repo.root().to_owned()
    }

    pub(super) fn home(&self) -> Option<&Home> {
        match &self.place {
            Place::Ready(home) => Some(home),
            _ => None,
        }
    }

    pub(super) fn reader(&self) -> Reader<'_> {
        let same = self.manifest.object_format.is_none_or(|format| format == self.repo.format());
        Reader::new(self.snapshot, &self.repo, &self.index, same)
    }

    /// Decides for every entry and, given an `id`, stages what is to be written. Nothing in the tree is touched.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; then [`abandon`](Self::abandon) is to be called.
    pub(super) fn plan(&mut self, id: Option<&ApplyId>) -> Result<(), Error> {
        let (rows, finding) = planner::rows(self, id)?;
        let mut files = Vec::with_capacity(rows.len());
        let (mut staged, mut orphans) = (Vec::new(), Vec::new());
        for row in rows {
            files.push(row.report);
            if let Some((one, needs_dirs)) = row.staged {
                if needs_dirs && one.op.post != State::Absent {
                    orphans.push(one.op.path.clone());
                }
                staged.push((row.at, one));
            }
        }
        let dirs = missing_dirs(&self.root, &orphans);
        self.findings.extend(finding);
        if let Some(Err(trouble)) = self.record.get() {
            self.findings.push(cannot_write(trouble));
        }
        (self.files, self.staged, self.dirs) = (files, staged, dirs);
        if self.options.staging == Staging::Restore {
            let files = by_path(&self.files);
            self.index_plan = staging::plan(&self.reader(), self.manifest, &files);
            // Until the changes are made, the report says what they would come to.
            self.staging = self.index_plan.report.clone();
            self.staging.restored += self.index_plan.changes.len() as u64;
        }
        Ok(())
    }

    pub(super) fn record(&self, id: &ApplyId) -> Result<&Record, Trouble> {
        let record = self.record.get_or_init(|| match &self.place {
            Place::Ready(home) => home.begin(id).map_err(|why| Trouble::io(&why)),
            Place::Unwritable(why) => Err(Trouble::io(why)),
            Place::None => Err(Trouble::new("cannot_write")),
        });
        record.as_ref().map_err(Clone::clone)
    }

    /// Whether there is anything to write.
    fn is_idle(&self) -> bool {
        self.staged.is_empty() && self.index_plan.changes.is_empty()
    }

    /// Writes the journal and makes it and all new contents durable. From here on a crash is recovered from.
    pub(super) fn seal(&mut self, id: &ApplyId) {
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
        let header = Header::new(*id, self.snapshot.id(), &self.manifest.name, &self.manifest.head);
        fail::point("seal: before the plan");
        let mut file =
            record.write(&header, self.dirs.clone(), &ops, &self.index_plan.changes).map_err(io)?;
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
                    super::journal::sync_file_system(&dir).map_err(io)?;
                }
            }
        }
        fail::point("seal: synced");
        record.seal(&mut file, ops.len(), durable).map_err(io)?;
        fail::point("seal: sealed");
        Ok(file)
    }

    /// Removes the record of an apply that wrote nothing.
    fn discard(&mut self) {
        if let Some(Ok(record)) = self.record.take() {
            let _ = record.remove();
        }
    }

    /// Puts every staged path in place and says of each what became of it.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; then [`roll_back`](Self::roll_back) is to be called.
    pub(super) fn publish(&mut self) -> Result<(), Error> {
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
        let reader = self.reader();
        for (at, _) in &self.staged {
            let (Some(file), Some(entry)) = (files.get_mut(*at), self.manifest.entries.get(*at)) else {
                continue;
            };
            if file.outcome == Outcome::Conflict && file.incoming.is_none() {
                self.keep(&reader, file, entry.worktree.as_ref());
            }
        }
        drop(reader);
        self.files = files;
    }

    /// Directories that deletions have emptied go too, as git does it.
    fn remove_emptied(&self, deleted: &[(usize, Staged)]) {
        let needed: HashSet<&[u8]> = self
            .staged
            .iter()
            .filter(|(_, staged)| staged.op.post != State::Absent)
            .flat_map(|(_, staged)| parents(&staged.op.path))
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

    /// Restores the staged state, makes everything durable and marks the journal.
    fn finish(&mut self, not_placed: Vec<u64>) {
        let planned = std::mem::take(&mut self.index_plan);
        if self.options.staging == Staging::Restore {
            let files = by_path(&self.files);
            if let Some(home) = self.home() {
                let claim = home.claim();
                self.staging = staging::restore(&self.reader(), self.manifest, planned, &files, &claim);
            }
        }
        fail::point("finish: index");
        let durable = self.options.durability == Durability::Full;
        let placed_nothing = not_placed.len() == self.staged.len() && self.staging.restored == 0;
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

    fn sync_all(&self) -> io::Result<()> {
        if let Some(home) = self.home() {
            home.sync()?;
        }
        let mut devices = HashSet::new();
        for beside in self.staged.iter().filter_map(|(_, staged)| staged.op.beside.as_ref()) {
            if let Ok(dir) = self.root.dir(beside.as_bytes())
                && devices.insert(dir.own_stat()?.device)
            {
                super::journal::sync_file_system(&dir)?;
            }
        }
        Ok(())
    }

    /// Keeps the incoming version of a conflict, and says where.
    pub(super) fn keep(&self, reader: &Reader<'_>, file: &mut FileReport, state: Option<&FileState>) {
        let (Some(home), Some(state)) = (self.home(), state) else { return };
        match keep(home, reader, &file.path, state) {
            Ok(kept) => {
                file.incoming = Some(kept.path.clone());
                self.keeps.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
            }
            Err(trouble) => {
                let why = trouble.message.unwrap_or(trouble.reason);
                file.message = Some(format!("the incoming version could not be kept here: {why}"));
            }
        }
    }

    fn forget_kept(&mut self) {
        let keeps = std::mem::take(self.keeps.get_mut().unwrap_or_else(PoisonError::into_inner));
        keeps.into_iter().for_each(Kept::remove);
    }

    /// Whether the apply's record is kept, so that there is something to undo.
    pub(super) fn has_record(&self) -> bool {
        self.sealed.is_some() && matches!(self.record.get(), Some(Ok(_)))
    }

    /// Throws away what was staged and kept. For a cancelled apply before its seal.
    pub(super) fn abandon(mut self) {
        self.forget_kept();
        // What a cancelled plan had staged is not in the list yet, but in the record.
        if let (Some(Ok(record)), Some(home)) = (self.record.take(), self.home()) {
            let _ = super::journal::sweep(home, &record.id);
        }
    }

    /// Takes everything back. For a cancelled apply after its seal.
    pub(super) fn roll_back(mut self) {
        self.forget_kept();
        if self.sealed.is_none() {
            return self.abandon();
        }
        let (Some(Ok(record)), Some(home)) = (self.record.take(), self.home()) else { return };
        let Ok(journal) = record.read() else { return };
        let PutBack { incomplete, .. } = put_back(&self.repo, &self.root, home, &record, &journal);
        if incomplete {
            let _ = record.finish(&journal);
        } else {
            let _ = record.remove();
        }
    }
}

/// Deletions, then files and directories, then links: a link is never there while files are written.
fn rank(op: &Op) -> u8 {
    match op.post {
        State::Absent => 0,
        State::File { .. } | State::Dir => 1,
        State::Symlink { .. } => 2,
    }
}

fn parents(path: &RelPath) -> impl Iterator<Item = &[u8]> {
    let bytes = path.as_bytes();
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').filter_map(|(at, _)| bytes.get(..at))
}

fn by_path(files: &[FileReport]) -> HashMap<&RelPath, &FileReport> {
    files.iter().map(|file| (&file.path, file)).collect()
}

fn cannot_write(trouble: &Trouble) -> Finding {
    let why = trouble.message.as_deref().unwrap_or_default();
    Finding {
        kind: FindingKind::CannotWrite,
        message: format!("no journal can be written here, so no file was touched: {} {why}", trouble.reason),
    }
}

/// What a reader should know about a recovery.
pub(super) fn recovered(found: &Recovered) -> Finding {
    let kept: Vec<String> = found
        .put_back
        .files
        .iter()
        .filter(|file| file.outcome == Outcome::Conflict)
        .map(|file| file.path.to_string())
        .collect();
    let mut message = format!("the interrupted apply or undo {} was rolled back first", found.id);
    if !kept.is_empty() {
        message.push_str(&format!(
            "; {} changed since and stayed, the versions from before are in its record (undo {} tries again)",
            kept.join(", "),
            found.id
        ));
    }
    Finding { kind: FindingKind::Recovered, message }
}

/// Directories above `paths` that do not exist.
fn missing_dirs(root: &Root, paths: &[RelPath]) -> Vec<RelPath> {
    let mut out: HashSet<&[u8]> = HashSet::new();
    for path in paths {
        let mut above: Vec<&[u8]> = parents(path).collect();
        while let Some(dir) = above.pop() {
            if out.contains(dir) || root.dir(dir).is_ok() {
                break;
            }
            out.insert(dir);
        }
    }
    let mut out: Vec<RelPath> = out.into_iter().map(RelPath::from).collect();
    out.sort();
    out
}

/// Says in the report what became of a write. Returns whether the record has something to undo.
fn settle(file: &mut FileReport, published: Published) -> bool {
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

fn publish_group(
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
    std::thread::scope(|scope| {
        let other = scope.spawn(|| work(second));
        let mut done = work(first);
        let rest = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        if let Ok(done) = &mut done {
            done.extend(rest?);
        }
        done
    })
}
