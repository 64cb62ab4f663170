//! Reads one candidate: its content into the spool, and the entry that describes it. A path that turns out to
//! be unchanged yields nothing.

mod file;
mod outcome;
mod secret;

use std::io;

pub(super) use self::outcome::{Outcome, Read, Stop};
use self::secret::Secret;
use super::CaptureOptions;
use super::pass::{Source, not_read};
use super::scan::{Candidate, Disk};
use super::secrets::Secrets;
use super::settle::Watch;
use crate::digest::Digest;
use crate::git::{Blobs, Index, IndexItem, Normaliser, Repo, TreeItem, os_path};
use crate::id::Oid;
use crate::path::auto_run;
use crate::progress::Until;
use crate::rooted::{Dir, Kind, Refusal, Root, errno_name};
use crate::snapshot::{Entry, EntryFlags, Extra, FileState, Mode, Omission, OmissionReason, Spool, Stage};

/// Bytes below which a committed version is read without looking at its size first.
const SMALL: u32 = 1 << 20;

/// What one thread needs to read candidates of one repository.
pub(super) struct Reader<'a> {
    repo: &'a Repo,
    repo_name: &'a str,
    index: &'a Index,
    root: &'a Root,
    spool: &'a Spool,
    options: &'a CaptureOptions,
    secrets: &'a Secrets<'a>,
    until: &'a Until,
    blobs: Blobs,
    /// Made when first needed: building attribute stacks costs as much as reading many files.
    normaliser: Option<Normaliser>,
    attributes_as_staged: bool,
    last_parent: Option<(Vec<u8>, Dir)>,
    /// Bytes of content that may still be added.
    left: u64,
    /// Bytes of content added so far, all layers together.
    added: u64,
    /// Set by reading a file that was not quiet.
    watch: Option<Watch>,
    /// What was found in the candidate at hand.
    secret: Secret,
}

/// The work-tree layer of a candidate, read.
enum OnDisk {
    Absent,
    State { state: FileState, notes: Notes },
    Omit { reason: OmissionReason, rule: Option<String>, size: Option<u64> },
}

#[derive(Default)]
struct Notes {
    raw: Option<String>,
    /// The content is in the spool and equals the stored form byte for byte.
    verbatim: bool,
}

impl<'a> Reader<'a> {
    pub fn new(
        source: &Source<'a>,
        spool: &'a Spool,
        options: &'a CaptureOptions,
        secrets: &'a Secrets<'a>,
        until: &'a Until,
        left: u64,
    ) -> Self {
        let &Source { repo, name: repo_name, index, root, attributes_as_staged } = source;
        Self {
            repo,
            repo_name,
            index,
            root,
            spool,
            options,
            secrets,
            until,
            blobs: repo.blobs(),
            normaliser: None,
            attributes_as_staged,
            last_parent: None,
            left,
            added: 0,
            watch: None,
            secret: Secret::default(),
        }
    }

    /// Lets `bytes` be added once more, whose content will not be kept.
    pub fn give_back(&mut self, bytes: u64) {
        self.left = self.left.saturating_add(bytes);
    }

    /// Reads `candidate`, whose name the caller has `allowed` in spite of these rules. Content that no longer fits is
    /// left out, and so is all of a candidate that has a secret in any layer that is not committed.
    pub fn read(&mut self, candidate: &Candidate, allowed: Vec<String>) -> Result<Read, Stop> {
        let before = self.added;
        self.watch = None;
        self.secret = Secret::default();
        let on_disk = self.on_disk(candidate)?;
        let gone = matches!(on_disk, OnDisk::Absent) && candidate.was_there();
        let outcome = self.outcome(candidate, on_disk)?;
        let outcome = self.without_secrets(candidate, allowed, before, outcome);
        // What is as committed is whole.
        let watch = self.watch.take().filter(|_| matches!(outcome, Outcome::Entry(_)));
        let ended = matches!(&outcome, Outcome::Omission(Omission { reason, .. })
            if matches!(reason, OmissionReason::Deadline | OmissionReason::Cancelled));
        let cut = self.until.reached().filter(|_| ended);
        Ok(Read { outcome, bytes: self.added - before, watch, gone, cut })
    }

    fn outcome(&mut self, candidate: &Candidate, on_disk: OnDisk) -> Result<Outcome, Stop> {
        let (worktree, notes) = match on_disk {
            OnDisk::Absent if matches!(candidate.disk, Disk::EmptyDir) => {
                let entry = self.entry(candidate, None, Notes::default())?;
                return Ok(Outcome::Entry(Box::new(entry)));
            }
            OnDisk::Absent
                if candidate.index.is_none() && candidate.head.is_none() && candidate.stages.is_empty() =>
            {
                // New to git when it was found, and gone now.
                return Ok(Outcome::Omission(omission(candidate, OmissionReason::Vanished, None, None)));
            }
            OnDisk::Absent => (None, Notes::default()),
            OnDisk::State { state, notes } => (Some(state), notes),
            OnDisk::Omit { reason, rule, size } => {
                return Ok(Outcome::Omission(omission(candidate, reason, rule, size)));
            }
        };
        let item = candidate.index.as_ref();
        let staged = item.filter(|item| !item.intent_to_add).map(|item| &item.item);
        let plain = candidate.stages.is_empty() && item.is_none_or(|item| !item.intent_to_add);
        if plain && staged == candidate.head.as_ref() && same(worktree.as_ref(), staged) {
            return Ok(Outcome::Unchanged);
        }
        self.entry(candidate, worktree, notes).map(|entry| Outcome::Entry(Box::new(entry)))
    }

    /// Adds content to the spool.
    fn add(&mut self, content: &[u8]) -> Result<Digest, Stop> {
        let digest = self.spool.add(content).map_err(Stop::Capture)?;
        self.count(content.len() as u64);
        Ok(digest)
    }

    fn count(&mut self, bytes: u64) {
        self.added = self.added.saturating_add(bytes);
        self.left = self.left.saturating_sub(bytes);
    }

    fn entry(
        &mut self,
        candidate: &Candidate,
        worktree: Option<FileState>,
        notes: Notes,
    ) -> Result<Entry, Stop> {
        let item = candidate.index.as_ref();
        let staged = item.filter(|item| !item.intent_to_add).map(|item| &item.item);
        let bases = self.options.bases == super::Bases::Always;
        let small = item.is_some_and(|item| (1..SMALL).contains(&item.size_hint));
        let head = match &candidate.head {
            Some(head) => Some(self.stored(None, head, bases, small)?),
            None => None,
        };
        let index = match staged {
            Some(staged) if Some(staged) == candidate.head.as_ref() => {
                head.clone().map(|head| FileState { blob: None, ..head })
            }
            Some(staged) => match &worktree {
                // The work-tree layer already holds the same bytes.
                Some(state) if notes.verbatim && state.oid == Some(staged.oid) => {
                    Some(FileState { mode: staged.mode.clone(), eol: None, ..state.clone() })
                }
                _ => Some(self.stored(Some(candidate), staged, true, small)?),
            },
            // Nothing is staged but the intent, and the mode that was noted with it.
            None => item.map(|item| file_state(item.item.mode.clone(), Some(item.item.oid), 0)),
        };
        let mut stages = Vec::with_capacity(candidate.stages.len());
        for (stage, item) in &candidate.stages {
            let new = (candidate.head.as_ref() != Some(item)).then_some(candidate);
            stages.push(Stage {
                stage: *stage,
                state: self.stored(new, item, true, false)?,
                extra: Extra::new(),
            });
        }
        let flags = EntryFlags {
            assume_unchanged: item.is_some_and(|item| item.assume_unchanged),
            auto_run: auto_run(&candidate.path),
            empty_dir: matches!(candidate.disk, Disk::EmptyDir),
            ignored: candidate.ignored,
            intent_to_add: item.is_some_and(|item| item.intent_to_add),
            raw: notes.raw,
            skip_worktree: item.is_some_and(|item| item.skip_worktree),
            stages,
            untracked: !candidate.is_tracked() && candidate.head.is_none(),
            ..EntryFlags::default()
        };
        Ok(Entry { flags, head, index, path: candidate.path.clone(), worktree, extra: Extra::new() })
    }

    /// A layer that git stores; its content goes to the spool if `carry`, unless it is absent or over the limit, or
    /// it is `new` and has a secret.
    /// What is probably `small` is read without asking for its size first, which costs a quarter of reading it.
    fn stored(
        &mut self,
        new: Option<&Candidate>,
        item: &TreeItem,
        carry: bool,
        small: bool,
    ) -> Result<FileState, Stop> {
        let mut state = file_state(item.mode.clone(), Some(item.oid), 0);
        if item.mode == Mode::Gitlink {
            return Ok(state);
        }
        let size = if carry && small { None } else { self.blobs.size(&item.oid) };
        state.size = size.unwrap_or(0);
        let limit = self.options.max_file_bytes.min(self.left);
        if carry && (small || size.is_some_and(|size| size <= limit)) {
            // An object that cannot be read is a layer without content, not the end of the capture.
            if let Ok(Some(content)) = self.blobs.read(&item.oid) {
                state.size = content.len() as u64;
                if state.size <= limit && new.is_none_or(|candidate| self.may_travel(candidate, &content)) {
                    state.blob = Some(self.add(&content)?);
                }
            }
        }
        Ok(state)
    }

    fn on_disk(&mut self, candidate: &Candidate) -> Result<OnDisk, Stop> {
        let omit = |reason| Ok(OnDisk::Omit { reason, rule: None, size: None });
        match &candidate.disk {
            Disk::Absent | Disk::Dir | Disk::EmptyDir => Ok(OnDisk::Absent),
            Disk::Special => omit(OmissionReason::SpecialFile),
            Disk::Unreadable(why) => Ok(unreadable(why)),
            Disk::Unread => omit(self.until.reached().as_ref().map_or(OmissionReason::Deadline, not_read)),
            Disk::Uninitialised => omit(OmissionReason::SubmoduleUninitialised),
            Disk::Submodule { present } => Ok(self.submodule(candidate, *present)),
            Disk::File(_) if let Some(file) = self.root.open_found(candidate.path.as_bytes()) => {
                self.file(candidate, Some(file))
            }
            Disk::Look | Disk::File(_) | Disk::Symlink(_) => {
                let parent = match self.parent(candidate) {
                    Ok(parent) => parent,
                    Err(Refusal::Io(why)) => return Ok(unreadable(&why)),
                    Err(Refusal::Missing | Refusal::ParentIsFile | Refusal::ParentIsSymlink) => {
                        return self.absent(candidate);
                    }
                    Err(refusal) => {
                        let rule = Some(refusal.reason().to_owned());
                        return Ok(OnDisk::Omit { reason: OmissionReason::Unreadable, rule, size: None });
                    }
                };
                // The walk has looked already; only what it did not look at is looked at now.
                let kind = match &candidate.disk {
                    Disk::File(_) => Kind::File,
                    Disk::Symlink(_) => Kind::Symlink,
                    _ => match parent.stat(candidate.path.name()) {
                        Ok(None) => return self.absent(candidate),
                        Ok(Some(stat)) => stat.kind,
                        Err(why) => return Ok(unreadable(&why)),
                    },
                };
                match kind {
                    Kind::File => self.file(candidate, None),
                    Kind::Symlink => self.symlink(candidate, &parent),
                    Kind::Dir => Ok(OnDisk::Absent),
                    Kind::Special => omit(OmissionReason::SpecialFile),
                }
            }
        }
    }

    /// The directory of a candidate. Candidates come in order of path, so it is mostly the last one's.
    fn parent(&mut self, candidate: &Candidate) -> Result<Dir, Refusal> {
        let path = candidate.path.parent().unwrap_or_default();
        match &self.last_parent {
            Some((last, dir)) if last.as_slice() == path => Ok(dir.clone()),
            _ => {
                let dir = self.root.dir(path)?;
                self.last_parent = Some((path.to_vec(), dir.clone()));
                Ok(dir)
            }
        }
    }

    /// Nothing is there: a deletion, unless the path is not meant to be checked out.
    fn absent(&mut self, candidate: &Candidate) -> Result<OnDisk, Stop> {
        match &candidate.index {
            Some(IndexItem { skip_worktree: true, item, .. }) => {
                let state =
                    self.stored(Some(candidate), item, candidate.head.as_ref() != Some(item), false)?;
                Ok(OnDisk::State { state, notes: Notes::default() })
            }
            _ => Ok(OnDisk::Absent),
        }
    }

    fn submodule(&self, candidate: &Candidate, present: bool) -> OnDisk {
        let staged = candidate.index.as_ref().map(|item| &item.item);
        let state = |oid| OnDisk::State { state: file_state(Mode::Gitlink, oid, 0), notes: Notes::default() };
        // One that is not checked out is as it was committed, as far as git is concerned.
        let untouched = staged.map(|item| item.oid);
        if !present {
            return state(untouched);
        }
        let at = self.repo.root().join(os_path(candidate.path.as_bytes()));
        match Repo::open_at(&at).and_then(|repo| repo.head()) {
            Ok(head) => state(head.commit.or(untouched)),
            Err(_) => state(untouched),
        }
    }

    fn symlink(&mut self, candidate: &Candidate, parent: &Dir) -> Result<OnDisk, Stop> {
        match parent.read_link(candidate.path.name()) {
            Ok(target) => {
                let mut state = file_state(Mode::Symlink, self.repo.blob_oid(&target), target.len() as u64);
                if !self.is_as_committed(candidate, &state) && self.may_travel(candidate, &target) {
                    state.blob = Some(self.add(&target)?);
                }
                Ok(OnDisk::State { state, notes: Notes { verbatim: true, ..Notes::default() } })
            }
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(OnDisk::Absent),
            Err(why) => Ok(unreadable(&why)),
        }
    }

    /// Whether all three layers are the same, so that no content needs to travel.
    fn is_as_committed(&self, candidate: &Candidate, state: &FileState) -> bool {
        let staged = candidate.index.as_ref().filter(|item| !item.intent_to_add).map(|item| &item.item);
        candidate.stages.is_empty() && staged == candidate.head.as_ref() && same(Some(state), staged)
    }
}

/// Whether the work-tree layer is what is staged.
fn same(worktree: Option<&FileState>, staged: Option<&TreeItem>) -> bool {
    match (worktree, staged) {
        (None, None) => true,
        (Some(state), Some(item)) => state.oid == Some(item.oid) && state.mode == item.mode,
        _ => false,
    }
}

fn file_state(mode: Mode, oid: Option<Oid>, size: u64) -> FileState {
    FileState { blob: None::<Digest>, eol: None, mode, oid, size, extra: Extra::new() }
}

pub(super) fn omission(
    candidate: &Candidate,
    reason: OmissionReason,
    rule: Option<String>,
    size: Option<u64>,
) -> Omission {
    Omission {
        count: None,
        line: None,
        path: candidate.path.clone(),
        reason,
        rule,
        size,
        extra: Extra::new(),
    }
}

fn unreadable(why: &io::Error) -> OnDisk {
    OnDisk::Omit { reason: OmissionReason::Unreadable, rule: Some(errno_name(why)), size: None }
}
