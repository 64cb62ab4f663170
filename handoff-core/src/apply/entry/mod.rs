//! From one entry of the manifest to what will be done about it: policy first, then the three sides, then the
//! decision, then the bytes to write. Writes nothing.

mod act;
mod facts;
mod look;
mod moved;

use std::collections::{HashMap, HashSet};

use super::plan::{Decision, decide};
use super::rename::Renames;
use super::sides::{Reader, Trouble};
use super::state::{Here, State};
use super::{ApplyOptions, OnConflict, SymlinkPolicy};
use crate::path::{LinkReach, PathLimits, Platform, RelPath, auto_run, check_link};
use crate::report::{Detail, FileReport, Note, Outcome};
use crate::rooted::{Root, Stat};
use crate::snapshot::{Entry, FileState, Mode};

/// One write, decided but not done.
#[derive(Debug)]
pub(super) struct Change {
    /// Where, in the work tree.
    pub path: RelPath,
    /// The manifest's path, where the change follows a rename.
    pub entry: Option<RelPath>,
    pub pre: State,
    pub pre_stat: Option<Stat>,
    pub post: Post,
    pub detail: Detail,
    pub markers: bool,
    /// The parent directory does not exist yet.
    pub needs_dirs: bool,
}

/// What will be there.
#[derive(Debug)]
pub(super) enum Post {
    Nothing,
    Dir,
    File {
        exec: bool,
        /// Only the owner may read the file it replaces.
        private: bool,
        content: Source,
    },
    Link(Vec<u8>),
}

/// Where the bytes come from.
#[derive(Debug)]
pub(super) enum Source {
    Bytes(Vec<u8>),
    /// Streamed from the snapshot.
    Carried(FileState),
    /// Streamed from the target's present file.
    Here,
}

/// What becomes of one entry, as far as planning can say.
#[derive(Debug)]
pub(super) struct Planned {
    pub report: FileReport,
    pub change: Option<Change>,
    /// The incoming version is to be kept beside the journal.
    pub keep: Option<FileState>,
}

impl Planned {
    fn done(report: FileReport) -> Self {
        Self { report, change: None, keep: None }
    }
}

/// What every entry of one repository is judged by.
pub(super) struct Context<'a> {
    pub root: &'a Root,
    pub options: &'a ApplyOptions,
    /// Entries that are refused because of what other entries are.
    pub faults: HashMap<RelPath, &'static str>,
    /// Paths at which the snapshot has symlinks.
    pub links: HashSet<RelPath>,
    /// Paths that will be gone before anything else is written.
    pub vacated: HashSet<RelPath>,
    /// What earlier applies of this very snapshot left at its paths.
    pub earlier: HashMap<RelPath, Earlier>,
    pub renames: Renames<'a>,
    /// New paths of files that the snapshot has moved and the target has changed, with the old ones.
    pub followed: HashMap<RelPath, RelPath>,
}

/// What an earlier apply of the same snapshot wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Earlier {
    pub at: RelPath,
    pub post: State,
    pub markers: bool,
}

/// Plans one entry.
pub(super) fn plan(context: &Context<'_>, reader: &mut Reader<'_>, entry: &Entry) -> Planned {
    let mut report = FileReport::new(entry.path.clone(), Outcome::Unchanged);
    report.auto_run = entry.flags.auto_run || auto_run(&entry.path);
    if entry.flags.unstable {
        report.notes.push(Note::Unstable);
    }
    if entry.flags.raw.is_some() {
        report.notes.push(Note::Raw);
    }
    if is_hidden(entry) {
        report.notes.push(Note::HiddenAtSource);
    }
    if let Some(reason) = refusal(context, entry) {
        report.message = submodule_message(entry);
        return Planned::done(skipped(report, reason));
    }
    if entry.path.portability().is_some() {
        report.notes.push(Note::Portability);
    }
    let plan = Plan { context, reader, entry, path: entry.path.clone() };
    match plan.run(report.clone()) {
        Ok(planned) => planned,
        Err(trouble) => Planned::done(failed(report, &trouble)),
    }
}

pub(super) fn skipped(mut report: FileReport, reason: impl Into<String>) -> FileReport {
    report.outcome = Outcome::Skipped;
    report.reason = Some(reason.into());
    report
}

pub(super) fn failed(mut report: FileReport, trouble: &Trouble) -> FileReport {
    report.outcome = Outcome::Failed;
    report.detail = None;
    report.hash = None;
    report.reason = Some(trouble.reason.clone());
    report.message = trouble.message.clone();
    report
}

/// Whether git at the source was told not to look, and would have seen a change.
fn is_hidden(entry: &Entry) -> bool {
    let told = entry.flags.assume_unchanged || entry.flags.skip_worktree;
    let of = |state: &Option<FileState>| state.as_ref().map(|state| (state.mode.clone(), state.oid));
    told && of(&entry.index) != of(&entry.worktree)
}

/// What to do about a submodule whose commit changed; `None` for any other entry.
fn submodule_message(entry: &Entry) -> Option<String> {
    let link = |state: &Option<FileState>| {
        state.as_ref().filter(|state| state.mode == Mode::Gitlink).map(|state| state.oid)
    };
    let (head, now) = (link(&entry.head), link(&entry.worktree).or(link(&entry.index)));
    match (head, now) {
        (_, Some(Some(commit))) => Some(format!(
            "the commit of a submodule is never written; there it was at {commit}, to check out here with \
             `git submodule update --init` and `git -C {path} checkout {commit}`",
            path = entry.path
        )),
        (Some(_), _) => Some("a submodule is never removed; there it was taken out".into()),
        (None, _) => None,
    }
}

/// Why the entry is refused whatever the target holds.
fn refusal(context: &Context<'_>, entry: &Entry) -> Option<&'static str> {
    if let Err(fault) = entry.path.check(&PathLimits::default()) {
        return Some(fault.reason());
    }
    for state in [&entry.worktree, &entry.head].into_iter().flatten() {
        match &state.mode {
            Mode::Regular | Mode::Executable | Mode::Symlink => {}
            Mode::Unknown(text) if is_number(text) => return Some("mode_not_allowed"),
            _ => return Some("type_not_allowed"),
        }
    }
    context.faults.get(&entry.path).copied()
}

/// Whether `text` looks like a mode in figures.
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// One entry, at one path of the target.
struct Plan<'a, 'c, 'r> {
    context: &'a Context<'c>,
    reader: &'a mut Reader<'r>,
    entry: &'a Entry,
    /// Where at the target: the entry's own path or where the target has moved it.
    path: RelPath,
}

impl Plan<'_, '_, '_> {
    fn run(mut self, mut report: FileReport) -> Result<Planned, Trouble> {
        let found = match self.look(&self.path)? {
            Ok(found) => found,
            Err(reason) => return Ok(Planned::done(skipped(report, reason))),
        };
        if self.entry.flags.empty_dir {
            return self.empty_dir(report, found);
        }
        let incoming = self.entry.worktree.clone();
        if let Some(state) = incoming.as_ref().filter(|state| state.mode == Mode::Symlink)
            && !self.same_layers()
            && let Err(reason) = self.check_link(state)?
        {
            return Ok(Planned::done(skipped(report, reason)));
        }
        if let Some(done) = self.as_earlier(&report, &found.here)? {
            return Ok(done);
        }
        if let Some(done) = self.moved_in(&report, &found)? {
            return Ok(done);
        }
        let facts = self.facts(&found.here)?;
        let moved = match decide(&facts) {
            Decision::Conflict(Detail::ModifiedHere) => self.moved_away(&report, &found)?,
            Decision::Conflict(Detail::ExistsHere) => self.moved_alike(&report, &found)?,
            _ => None,
        };
        if let Some(done) = moved {
            return Ok(done);
        }
        if decide(&facts) == Decision::Conflict(Detail::DeletedHere)
            && let Some(at) = self.context.renames.find(self.context.root, self.reader, self.entry)?
        {
            self.path = at.clone();
            let moved = match self.look(&at)? {
                Ok(moved) => moved,
                Err(reason) => return Ok(Planned::done(skipped(report, reason))),
            };
            if moved.here.content().is_some() {
                report.at = Some(at);
                if let Some(done) = self.as_earlier(&report, &moved.here)? {
                    return Ok(done);
                }
                let facts = self.facts(&moved.here)?;
                return self.act(report, moved, &facts);
            }
            self.path = self.entry.path.clone();
        }
        let mut planned = self.act(report, found, &facts)?;
        self.name_new_place(&mut planned.report)?;
        Ok(planned)
    }

    fn same_layers(&self) -> bool {
        match (&self.entry.head, &self.entry.worktree) {
            (Some(head), Some(worktree)) => head.mode == worktree.mode && head.oid == worktree.oid,
            _ => false,
        }
    }

    fn check_link(&self, state: &FileState) -> Result<Result<(), &'static str>, Trouble> {
        let reach = match self.context.options.symlinks {
            SymlinkPolicy::Inside => LinkReach::Inside,
            SymlinkPolicy::Anywhere => LinkReach::Anywhere,
        };
        // Longer than any system allows; it need not be read to be refused.
        if state.size > 1 << 16 {
            return Ok(Err("symlink_too_long"));
        }
        let target = self.reader.carried(state)?;
        Ok(check_link(&self.path, &target, reach, Platform::HOST).map_err(|fault| fault.reason()))
    }

    /// Whether the path still is as an earlier apply of this snapshot left it: then there is nothing to do, and
    /// a merge is not merged again.
    fn as_earlier(&self, report: &FileReport, here: &Here) -> Result<Option<Planned>, Trouble> {
        let Some(earlier) = self.context.earlier.get(&self.entry.path) else { return Ok(None) };
        if earlier.at != self.path || here.state().as_ref() != Some(&earlier.post) {
            return Ok(None);
        }
        let mut report = report.clone();
        report.hash = earlier.post.hash();
        if earlier.markers {
            if self.context.options.on_conflict == OnConflict::Theirs {
                return Ok(None);
            }
            report.outcome = Outcome::Conflict;
            report.detail = Some(Detail::Content);
            report.notes.push(Note::Markers);
            return Ok(Some(Planned { report, change: None, keep: self.entry.worktree.clone() }));
        }
        Ok(Some(Planned::done(report)))
    }
}
