//! One repository of the snapshot and its target, from the lock to the mark `done`.

mod finish;
pub(super) mod publish;
mod seal;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::incoming::{Kept, keep};
use super::journal::{Access, HeadOp, Home, Op, Opened, Record};
use super::sides::{Reader, Trouble};
use super::state::State;
use super::undo::{Recovered, recover};
use super::write::Staged;
use super::{ApplyOptions, Staging, planner, staging};
use crate::error::Error;
use crate::git::{Index, Repo};
use crate::id::ApplyId;
use crate::path::RelPath;
use crate::report::{Drift, FileReport, Finding, FindingKind, HistoryReport, Outcome, StagingReport};
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
    /// What became of unpushed commits.
    pub history: Option<HistoryReport>,
    /// One per entry, in order.
    pub files: Vec<FileReport>,
    pub staging: StagingReport,
    /// Versions kept because of conflicts, to be taken back if the apply is cancelled.
    keeps: Mutex<Vec<Kept>>,
    staged: Vec<(usize, Staged)>,
    dirs: Vec<RelPath>,
    record: OnceLock<Result<Record, Trouble>>,
    index_plan: staging::Planned,
    /// HEAD moves when all files and the index are in place.
    pub(super) head_op: Option<HeadOp>,
    /// Whether it has moved.
    pub(super) head_moved: bool,
    /// The apply that this one goes on from, to be undone with it.
    pub(super) after: Option<ApplyId>,
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
        Self::open_after(snapshot, manifest, target, options, writes, None)
    }

    /// As [`open`](Self::open), to go on from the apply `after`.
    ///
    /// # Errors
    /// As `open`, and [`Error::Busy`] where somebody else has taken that apply for one that was cut off.
    pub(super) fn open_after(
        snapshot: &'a Snapshot,
        manifest: &'a RepoManifest,
        target: &Path,
        options: &'a ApplyOptions,
        writes: bool,
        after: Option<ApplyId>,
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
            findings.extend(recover(Some(&repo), repo.root(), &root, home, after)?.iter().map(recovered));
            if after.is_some_and(|id| !matches!(home.record(&id), Ok(Some(_)))) {
                return Err(Error::Busy { path: repo.root().to_owned() });
            }
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
            history: None,
            files: Vec::new(),
            staging: StagingReport::default(),
            keeps: Mutex::default(),
            staged: Vec::new(),
            dirs: Vec::new(),
            record: OnceLock::new(),
            index_plan: staging::Planned::default(),
            head_op: None,
            head_moved: false,
            after,
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
        Reader::new(self.snapshot, self.manifest, &self.repo, &self.index)
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

    /// Keeps the incoming version of a conflict, and says where.
    pub(super) fn keep(&self, file: &mut FileReport, state: Option<&FileState>) {
        let (Some(home), Some(state)) = (self.home(), state) else { return };
        match keep(home, self.snapshot, &file.path, state) {
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

    /// Whether the apply's record is kept, so that there is something to undo.
    pub(super) fn has_record(&self) -> bool {
        self.sealed.is_some() && matches!(self.record.get(), Some(Ok(_)))
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

pub(super) fn parents(path: &RelPath) -> impl Iterator<Item = &[u8]> {
    let bytes = path.as_bytes();
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').filter_map(|(at, _)| bytes.get(..at))
}

fn by_path(files: &[FileReport]) -> HashMap<&RelPath, &FileReport> {
    files.iter().map(|file| (&file.path, file)).collect()
}

pub(super) fn cannot_write(trouble: &Trouble) -> Finding {
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
pub(super) fn missing_dirs(root: &Root, paths: &[RelPath]) -> Vec<RelPath> {
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
