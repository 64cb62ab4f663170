//! From one entry of the manifest to what will be done about it: policy first, then the three sides, then the
//! decision, then the bytes to write. Writes nothing.

use std::collections::{HashMap, HashSet};

use super::merge::{self, Outcome as Merge};
use super::plan::{Decision, Facts, Pick, Shape, decide, take_incoming};
use super::rename::Renames;
use super::sides::{Reader, Trouble};
use super::state::{self, HELD, Here, State};
use super::{ApplyOptions, OnConflict, SymlinkPolicy};
use crate::path::{LinkReach, PathLimits, Platform, RelPath, auto_run, check_link};
use crate::report::{Detail, FileReport, Note, Outcome};
use crate::rooted::{Refusal, Root, Stat};
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
    pub renames: Renames,
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
    if let Some(reason) = refusal(context, entry) {
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

/// Whether one of the directories above `path` is among `paths`.
fn is_below(path: &RelPath, paths: &HashSet<RelPath>) -> bool {
    let bytes = path.as_bytes();
    !paths.is_empty()
        && bytes.iter().enumerate().any(|(at, byte)| {
            *byte == b'/' && bytes.get(..at).is_some_and(|above| paths.contains(&RelPath::from(above)))
        })
}

/// What was found at the target.
struct Found {
    here: Here,
    needs_dirs: bool,
}

impl Plan<'_, '_, '_> {
    fn run(mut self, mut report: FileReport) -> Result<Planned, Trouble> {
        let found = match self.look(&self.path)? {
            Ok(found) => found,
            Err(reason) => return Ok(Planned::done(skipped(report, reason))),
        };
        if self.entry.flags.empty_dir {
            return Ok(self.empty_dir(report, found));
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
        let facts = self.facts(&found.here)?;
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
        self.act(report, found, &facts)
    }

    /// What is at `path` now, or why it cannot be reached.
    fn look(&self, path: &RelPath) -> Result<Result<Found, &'static str>, Trouble> {
        let parent = path.parent().unwrap_or_default();
        let dir = match self.context.root.dir(parent) {
            Ok(dir) => dir,
            Err(Refusal::Missing) => return Ok(Ok(Found { here: Here::Absent, needs_dirs: true })),
            Err(Refusal::ParentIsFile | Refusal::ParentIsSymlink)
                if is_below(path, &self.context.vacated) || self.is_gone_below_link(path) =>
            {
                return Ok(Ok(Found { here: Here::Absent, needs_dirs: true }));
            }
            // Where a file is, nothing is below it.
            Err(Refusal::ParentIsFile) if self.entry.worktree.is_none() => {
                return Ok(Ok(Found { here: Here::Absent, needs_dirs: true }));
            }
            Err(Refusal::Io(why)) => return Err(Trouble::io(&why)),
            Err(refusal) => return Ok(Err(refusal.reason())),
        };
        let format = self.reader.repo.format();
        let mut here = state::read(&dir, path.name(), HELD, Some(format)).map_err(|why| Trouble::io(&why))?;
        if matches!(here, Here::Directory) && self.will_be_empty(path) {
            here = Here::Absent;
        }
        Ok(Ok(Found { here, needs_dirs: false }))
    }

    /// Whether the snapshot has nothing at `path`, and either never had or has a link above it itself. To git,
    /// nothing is beyond a link, so such a path is gone already.
    fn is_gone_below_link(&self, path: &RelPath) -> bool {
        self.entry.worktree.is_none() && (self.entry.head.is_none() || is_below(path, &self.context.links))
    }

    /// Whether everything in the directory at `path` will be gone.
    fn will_be_empty(&self, path: &RelPath) -> bool {
        let mut waiting = vec![path.as_bytes().to_vec()];
        while let Some(path) = waiting.pop() {
            let Ok(dir) = self.context.root.dir(&path) else { return false };
            let Ok(names) = dir.names() else { return false };
            for name in names {
                let below = RelPath::new([path.as_slice(), b"/", &name].concat());
                if self.context.vacated.contains(&below) {
                    continue;
                }
                match dir.stat(&name) {
                    Ok(Some(stat)) if stat.kind == crate::rooted::Kind::Dir => {
                        waiting.push(below.as_bytes().to_vec());
                    }
                    _ => return false,
                }
            }
        }
        !self.context.vacated.is_empty()
    }

    fn empty_dir(&self, mut report: FileReport, found: Found) -> Planned {
        match found.here {
            Here::EmptyDir | Here::Directory => Planned::done(report),
            Here::Absent => {
                report.outcome = Outcome::Applied;
                report.detail = Some(Detail::Created);
                let change = self.change(&found, Post::Dir, Detail::Created);
                Planned { report, change: Some(change), keep: None }
            }
            Here::Special => Planned::done(skipped(report, "target_is_special")),
            Here::Content(content) => {
                report.outcome = Outcome::Conflict;
                report.detail = Some(Detail::ExistsHere);
                report.hash = Some(content.hash);
                Planned::done(report)
            }
        }
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

    fn facts(&mut self, here: &Here) -> Result<Facts, Trouble> {
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
                facts.here_is_base = self.reader.same(&self.path, content, base)?
                    || (self.entry.flags.raw.is_some() && self.reader.is_lfs_of(base, content)?);
            }
        } else if facts.here == Shape::Absent
            && facts.incoming != Shape::Absent
            && self.reader.index.is_skipped(&self.path)
            && let Some(base) = base
            && self.is_staged(base)
        {
            // Not checked out here (sparse checkout), which is not the same as deleted.
            facts.here = facts.base;
            facts.here_is_base = true;
        }
        if facts.here == Shape::Directory && facts.incoming == Shape::Absent {
            // The file is gone on both sides.
            facts.here = Shape::Absent;
        }
        Ok(facts)
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

    fn change(&self, found: &Found, post: Post, detail: Detail) -> Change {
        Change {
            path: self.path.clone(),
            entry: (self.path != self.entry.path).then(|| self.entry.path.clone()),
            pre: found.here.state().unwrap_or(State::Absent),
            pre_stat: found.here.content().map(|content| content.stat),
            post,
            detail,
            markers: false,
            needs_dirs: found.needs_dirs,
        }
    }

    fn act(&mut self, mut report: FileReport, found: Found, facts: &Facts) -> Result<Planned, Trouble> {
        report.hash = found.here.content().map(|content| content.hash);
        match decide(facts) {
            Decision::Unchanged => {
                if facts.incoming_is_base && facts.here != facts.incoming {
                    report.message =
                        Some("the snapshot does not change it; the target's own version stays".into());
                }
                Ok(Planned::done(report))
            }
            Decision::Refuse(reason) => Ok(Planned::done(skipped(report, reason))),
            Decision::Apply { detail, content, exec } => {
                self.write(report, &found, facts, Outcome::Applied, detail, content, exec)
            }
            Decision::Combine { content, exec } => {
                self.write(report, &found, facts, Outcome::Merged, Detail::Modified, content, exec)
            }
            Decision::Merge { exec } => self.merge(report, found, facts, exec),
            Decision::Conflict(detail) => self.conflict(report, found, facts, detail, None),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "all of them are the decision, spelled out")]
    fn write(
        &mut self,
        mut report: FileReport,
        found: &Found,
        facts: &Facts,
        outcome: Outcome,
        detail: Detail,
        content: Pick,
        exec: bool,
    ) -> Result<Planned, Trouble> {
        let private = found.here.content().is_some_and(|content| content.stat.mode & 0o077 == 0);
        let post = match (&self.entry.worktree, content) {
            (None, _) => Post::Nothing,
            (Some(_), Pick::Here) => {
                let content = match found.here.content().and_then(|content| content.bytes.clone()) {
                    Some(bytes) => Source::Bytes(bytes),
                    None => Source::Here,
                };
                Post::File { exec, private, content }
            }
            (Some(state), Pick::Incoming) if facts.incoming == Shape::Symlink => {
                Post::Link(self.reader.carried(state)?)
            }
            (Some(state), Pick::Incoming) => {
                let content = if state.size <= HELD {
                    let (bytes, converted) = self.reader.incoming(&self.path, state)?;
                    if converted {
                        report.notes.push(Note::EolConverted);
                    }
                    Source::Bytes(bytes)
                } else {
                    Source::Carried(state.clone())
                };
                Post::File { exec, private, content }
            }
        };
        let links = found.here.content().map_or(0, |content| content.stat.links);
        if links > 1 && !matches!(post, Post::Nothing) {
            report.notes.push(Note::HardlinkBroken);
        }
        report.detail = (outcome == Outcome::Applied).then(|| detail.clone());
        report.outcome = outcome;
        let change = self.change(found, post, detail);
        Ok(Planned { report, change: Some(change), keep: None })
    }

    fn merge(
        &mut self,
        mut report: FileReport,
        found: Found,
        facts: &Facts,
        exec: bool,
    ) -> Result<Planned, Trouble> {
        let (Some(base), Some(incoming)) = (self.entry.head.clone(), self.entry.worktree.clone()) else {
            return self.conflict(report, found, facts, Detail::Content, None);
        };
        match merge::three_way(self.reader, &self.path, Some(&base), &incoming, &found.here)? {
            Merge::Clean(bytes) => {
                let here = found.here.content();
                let same_mode = facts.here.exec() == Some(exec);
                if same_mode && here.and_then(|content| content.bytes.as_deref()) == Some(&bytes) {
                    return Ok(Planned::done(report));
                }
                let private = here.is_some_and(|content| content.stat.mode & 0o077 == 0);
                if here.is_some_and(|content| content.stat.links > 1) {
                    report.notes.push(Note::HardlinkBroken);
                }
                report.outcome = Outcome::Merged;
                let post = Post::File { exec, private, content: Source::Bytes(bytes) };
                let change = self.change(&found, post, Detail::Modified);
                Ok(Planned { report, change: Some(change), keep: None })
            }
            Merge::Conflict(text) => self.conflict(report, found, facts, Detail::Content, Some(text)),
            Merge::NotText => self.conflict(report, found, facts, Detail::Binary, None),
            Merge::NoBase => {
                report.reason = Some("base_missing".into());
                report.message = Some(
                    "the committed version is neither in the snapshot nor here, so nothing can be merged"
                        .into(),
                );
                self.conflict(report, found, facts, Detail::Content, None)
            }
        }
    }

    fn conflict(
        &mut self,
        mut report: FileReport,
        found: Found,
        facts: &Facts,
        detail: Detail,
        mut markers: Option<Vec<u8>>,
    ) -> Result<Planned, Trouble> {
        let replaceable = found.here.state().is_some();
        if found.here.shape() == Shape::Directory {
            report.reason = Some("target_diverged".into());
        }
        if self.context.options.on_conflict == OnConflict::Theirs && replaceable {
            report.notes.push(Note::TookTheirs);
            report.reason = None;
            report.message = None;
            let Decision::Apply { detail, content, exec } = take_incoming(facts) else {
                return Ok(Planned::done(report));
            };
            return self.write(report, &found, facts, Outcome::Applied, detail, content, exec);
        }
        report.outcome = Outcome::Conflict;
        report.detail = Some(detail.clone());
        let keep = self.entry.worktree.clone();
        if self.context.options.on_conflict != OnConflict::Markers {
            return Ok(Planned { report, change: None, keep });
        }
        if markers.is_none()
            && detail == Detail::ExistsHere
            && let Some(incoming) = &keep
            && facts.incoming.same_kind(facts.here)
            && facts.here != Shape::Symlink
            && let Merge::Conflict(text) =
                merge::three_way(self.reader, &self.path, None, incoming, &found.here)?
        {
            markers = Some(text);
        }
        let Some(text) = markers else { return Ok(Planned { report, change: None, keep }) };
        report.notes.push(Note::Markers);
        let here = found.here.content();
        let post = Post::File {
            exec: here.is_some_and(state::Content::exec),
            private: here.is_some_and(|content| content.stat.mode & 0o077 == 0),
            content: Source::Bytes(text),
        };
        let mut change = self.change(&found, post, Detail::Modified);
        change.markers = true;
        Ok(Planned { report, change: Some(change), keep })
    }
}
