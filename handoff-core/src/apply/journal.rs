//! The journal: what an apply is about to do, written and sealed before the first path is touched, and kept
//! afterwards so that the apply can be undone.
//!
//! `<git common dir>/handoff/` (of a linked work tree `…/handoff/worktrees/<name>/`) holds
//!
//! ```text
//! lock                          held while an apply or undo is at work
//! applies/<apply id>/journal    one record a line, each with its CRC-32
//! applies/<apply id>/new0 new1  new contents before they are published, replaced contents afterwards
//! applies/<apply id>/old        deleted files, and copies of contents where no exchange is possible
//! incoming/<snapshot>/          versions that were not put in place because of a conflict
//! ```
//!
//! A path is published by one rename, so what is on disk tells by itself how far an apply came; the journal
//! need not be written while publishing. A journal without its seal means that no path was touched. A sealed
//! journal without the mark `done` is rolled back by whoever comes next. Nothing here is ever opened through
//! a symlink.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::fail;
use super::state::State;
use crate::error::Error;
use crate::git::{Repo, StagedItem, TreeItem};
use crate::id::{ApplyId, Oid, SnapshotId};
use crate::path::RelPath;
use crate::report::Detail;
use crate::rooted::{Dir, Kind};
use crate::snapshot::{Head, Mode};

/// How long the lock is tried for before the answer is busy.
const PATIENCE: Duration = Duration::from_millis(700);

/// The journal's file, and what it is called where the mark `done` could not be written into it.
const JOURNAL: &[u8] = b"journal";
const DONE: &[u8] = b"journal.done";

/// The format of the records.
const FORMAT: &str = "handoff-journal/1";

/// Everything of ours in one work tree's git directory, locked.
pub(super) struct Home {
    dir: Dir,
    path: PathBuf,
    pub device: u64,
    /// Held open for its lock; `None` when only looked at.
    lock: Option<File>,
}

/// What a home is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Reading, without a lock: for a preview.
    Look,
    /// Undoing: locked, but never made.
    Existing,
    /// Applying: locked, and made where it is missing.
    Make,
}

/// What became of opening the home.
pub(super) enum Opened {
    Ready(Home),
    /// There is none yet, and none was to be made.
    Absent,
    /// Nothing can be written here.
    Unwritable(io::Error),
}

impl Home {
    /// Opens the home of `repo`'s work tree.
    ///
    /// # Errors
    /// [`Error::JournalNotSafe`] and [`Error::Busy`].
    pub(super) fn open(repo: &Repo, access: Access) -> Result<Opened, Error> {
        let mut path = repo.common_dir().to_owned();
        let mut dir = Dir::open(&path).map_err(|why| Error::io("opening", &path, why))?;
        let mut parts = vec!["handoff".to_owned()];
        if repo.git_dir() != repo.common_dir() {
            let name = repo.git_dir().file_name().unwrap_or_default().to_string_lossy().into_owned();
            parts.extend(["worktrees".to_owned(), name]);
        }
        for part in parts {
            path.push(&part);
            dir = match enter(&dir, part.as_bytes(), &path, access == Access::Make) {
                Ok(Some(dir)) => dir,
                Ok(None) => return Ok(Opened::Absent),
                Err(Trouble::NotSafe(why)) => return Err(Error::JournalNotSafe { path, why }),
                Err(Trouble::Io(why)) => return Ok(Opened::Unwritable(why)),
            };
        }
        let device = dir.own_stat().map_err(|why| Error::io("reading", &path, why))?.device;
        if access == Access::Look {
            return Ok(Opened::Ready(Self { dir, path, device, lock: None }));
        }
        let lock = match dir.create_new(b"lock", 0o600) {
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => dir.open_file(b"lock"),
            other => other,
        };
        let lock = match lock {
            Ok(lock) => lock,
            Err(why) => match dir.stat(b"lock") {
                Ok(Some(stat)) if stat.kind != Kind::File => {
                    path.push("lock");
                    return Err(Error::JournalNotSafe { path, why: "it is not a plain file".into() });
                }
                _ => return Ok(Opened::Unwritable(why)),
            },
        };
        let start = Instant::now();
        while let Err(errno) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            if errno != rustix::io::Errno::WOULDBLOCK && errno != rustix::io::Errno::INTR {
                return Ok(Opened::Unwritable(errno.into()));
            }
            if start.elapsed() > PATIENCE {
                return Err(Error::Busy { path: repo.root().to_owned() });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let home = Self { dir, path, device, lock: Some(lock) };
        // Whoever made a claim held the lock that we hold now, so it is gone, and its lock of the index is stale.
        let claim = home.claim();
        repo.unlock_index(&claim).map_err(|why| Error::io("removing", &claim, why))?;
        Ok(Opened::Ready(home))
    }

    /// The file by which a lock of git's index is known to be ours.
    pub(super) fn claim(&self) -> PathBuf {
        self.path.join("index.claim")
    }

    /// A directory below the home, made where it is missing.
    fn below(&self, name: &str) -> Result<Dir, Trouble> {
        let path = self.path.join(name);
        enter(&self.dir, name.as_bytes(), &path, true)?
            .ok_or_else(|| Trouble::Io(io::ErrorKind::NotFound.into()))
    }

    /// Whether this is more than a look.
    pub(super) fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// The directory for versions of `snapshot` that are not put in place, and its path.
    pub(super) fn incoming(&self, snapshot: &SnapshotId) -> io::Result<(Dir, PathBuf)> {
        let outer = self.below("incoming").map_err(Trouble::into_io)?;
        let name: String = snapshot.to_string().chars().take(16).collect();
        let path = self.path.join("incoming").join(&name);
        let dir = enter(&outer, name.as_bytes(), &path, true).map_err(Trouble::into_io)?;
        Ok((dir.ok_or(io::ErrorKind::NotFound)?, path))
    }

    /// Starts the directory of a new apply.
    pub(super) fn begin(&self, id: &ApplyId) -> io::Result<Record> {
        let applies = self.below("applies").map_err(Trouble::into_io)?;
        let name = id.to_string();
        applies.mkdir(name.as_bytes())?;
        let dir = applies.subdir(name.as_bytes())?;
        for part in [b"new0".as_slice(), b"new1", b"old"] {
            dir.mkdir(part)?;
        }
        Record::open(applies, dir, *id, self.path.join("applies").join(name))
    }

    /// The ids of all applies recorded here, oldest first.
    pub(super) fn applies(&self) -> Result<Vec<ApplyId>, Error> {
        let path = self.path.join("applies");
        let applies = match enter(&self.dir, b"applies", &path, false) {
            Ok(Some(dir)) => dir,
            Ok(None) => return Ok(Vec::new()),
            Err(Trouble::NotSafe(why)) => return Err(Error::JournalNotSafe { path, why }),
            Err(Trouble::Io(why)) => return Err(Error::io("reading", &path, why)),
        };
        let names = applies.names().map_err(|why| Error::io("reading", &path, why))?;
        let mut ids: Vec<ApplyId> =
            names.iter().filter_map(|name| std::str::from_utf8(name).ok()?.parse().ok()).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Whether there is a journal of `id`, whatever else is missing from its record.
    pub(super) fn has_journal(&self, id: &ApplyId) -> io::Result<bool> {
        let dir = self.below("applies").map_err(Trouble::into_io)?.subdir(id.to_string().as_bytes())?;
        Ok(dir.stat(JOURNAL)?.is_some() || dir.stat(DONE)?.is_some())
    }

    /// Opens the record of `id`; `None` when there is none.
    pub(super) fn record(&self, id: &ApplyId) -> Result<Option<Record>, Error> {
        let name = id.to_string();
        let path = self.path.join("applies").join(&name);
        let open = || -> Result<Option<Record>, Trouble> {
            let Some(applies) = enter(&self.dir, b"applies", &self.path.join("applies"), false)? else {
                return Ok(None);
            };
            let Some(dir) = enter(&applies, name.as_bytes(), &path, false)? else { return Ok(None) };
            Ok(Some(Record::open(applies, dir, *id, path.clone())?))
        };
        match open() {
            Ok(record) => Ok(record),
            Err(Trouble::NotSafe(why)) => Err(Error::JournalNotSafe { path, why }),
            Err(Trouble::Io(why)) => Err(Error::io("reading", &path, why)),
        }
    }

    /// Whether the file system keeps all of `names` apart in one directory.
    pub(super) fn keeps_apart<'n>(&self, names: impl Iterator<Item = &'n Vec<u8>>) -> io::Result<bool> {
        let scratch = self.below("probe").map_err(Trouble::into_io)?;
        let names: Vec<&Vec<u8>> = names.collect();
        let apart = names.iter().enumerate().all(|(at, a)| {
            let others = names.get(at + 1..).unwrap_or_default();
            others.iter().all(|b| scratch.distinguishes(a, b).unwrap_or(false))
        });
        self.dir.remove_dir(b"probe")?;
        Ok(apart)
    }

    /// Makes everything written on the home's file system durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        sync_file_system(&self.dir)
    }
}

/// Makes everything written on the file system of `dir` durable: one call instead of one for every file.
pub(super) fn sync_file_system(dir: &Dir) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    return Ok(rustix::fs::syncfs(dir)?);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = dir;
        rustix::fs::sync();
        Ok(())
    }
}

enum Trouble {
    NotSafe(String),
    Io(io::Error),
}

impl Trouble {
    fn into_io(self) -> io::Error {
        match self {
            Self::NotSafe(why) => io::Error::new(io::ErrorKind::PermissionDenied, why),
            Self::Io(why) => why,
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(why: io::Error) -> Self {
        Self::Io(why)
    }
}

/// Enters `name` below `parent`, never through a symlink, and only where nobody else can write into it.
fn enter(parent: &Dir, name: &[u8], path: &Path, make: bool) -> Result<Option<Dir>, Trouble> {
    let opened = match parent.subdir(name) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            if !make {
                return Ok(None);
            }
            match parent.mkdir(name) {
                Err(why) if why.kind() != io::ErrorKind::AlreadyExists => return Err(why.into()),
                _ => {}
            }
            let made = parent.subdir(name);
            if let Ok(dir) = &made {
                rustix::fs::fchmod(dir, rustix::fs::Mode::RWXU).map_err(io::Error::from)?;
            }
            made
        }
        other => other,
    };
    let dir = match opened {
        Ok(dir) => dir,
        Err(why) => {
            return Err(match parent.stat(name) {
                Ok(Some(stat)) if stat.kind == Kind::Symlink => Trouble::NotSafe("it is a symlink".into()),
                Ok(Some(stat)) if stat.kind != Kind::Dir => Trouble::NotSafe("it is not a directory".into()),
                _ => Trouble::Io(why),
            });
        }
    };
    let stat = rustix::fs::fstat(&dir).map_err(io::Error::from)?;
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(Trouble::NotSafe(format!("{} belongs to another user", path.display())));
    }
    if stat.st_mode & 0o002 != 0 {
        return Err(Trouble::NotSafe(format!("{} may be written by everybody", path.display())));
    }
    Ok(Some(dir))
}

/// The directory of one apply.
pub(super) struct Record {
    applies: Dir,
    pub dir: Dir,
    pub id: ApplyId,
    pub path: PathBuf,
    new: [Dir; 2],
    pub old: Dir,
}

/// One planned write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Op {
    /// Its position, which names its files in the record's directory.
    pub n: u64,
    /// Where, in the work tree.
    pub path: RelPath,
    /// The manifest's path, where the change follows a rename.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<RelPath>,
    pub pre: State,
    pub post: State,
    pub detail: Detail,
    /// The post-image holds conflict markers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub markers: bool,
    /// Set where the parent directory is on another file system: the directory there in which the new content
    /// is staged, under the name of [`Record::beside`]. The pre-image is then a copy in `old`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<RelPath>,
}

impl Op {
    /// The path that reports name.
    pub(super) fn reported(&self) -> &RelPath {
        self.entry.as_ref().unwrap_or(&self.path)
    }

    /// The name of its files in the record's directory.
    pub(super) fn slot(&self) -> Vec<u8> {
        self.n.to_string().into_bytes()
    }
}

/// One planned change of the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IndexOp {
    pub path: RelPath,
    pub old: IndexState,
    pub new: IndexState,
}

/// An index entry in a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum IndexState {
    Absent,
    IntentToAdd { mode: Mode },
    Item { mode: Mode, oid: Oid },
}

impl From<&IndexState> for StagedItem {
    fn from(state: &IndexState) -> Self {
        match state {
            IndexState::Absent => Self::Absent,
            IndexState::IntentToAdd { mode } => Self::IntentToAdd(mode.clone()),
            IndexState::Item { mode, oid } => Self::Item(TreeItem { mode: mode.clone(), oid: *oid }),
        }
    }
}

impl IndexState {
    /// `None` for a conflict.
    pub(super) fn of(item: &StagedItem) -> Option<Self> {
        match item {
            StagedItem::Absent => Some(Self::Absent),
            StagedItem::IntentToAdd(mode) => Some(Self::IntentToAdd { mode: mode.clone() }),
            StagedItem::Item(item) => Some(Self::Item { mode: item.mode.clone(), oid: item.oid }),
            StagedItem::Unmerged => None,
        }
    }
}

/// What the journal says about the apply as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub format: String,
    pub apply: ApplyId,
    pub snapshot: SnapshotId,
    /// The repository's name in the snapshot.
    pub repo: String,
    /// The snapshot's HEAD, for the drift line of an undo's report.
    pub head: Head,
}

impl Header {
    pub(super) fn new(apply: ApplyId, snapshot: SnapshotId, repo: &str, head: &Head) -> Self {
        Self { format: FORMAT.into(), apply, snapshot, repo: repo.into(), head: head.clone() }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
enum Line {
    Header(Header),
    /// Directories that will be made for new files.
    Dirs {
        paths: Vec<RelPath>,
    },
    /// Names beside targets that may be left behind by a crash.
    Beside {
        paths: Vec<RelPath>,
    },
    Op(Op),
    Index(IndexOp),
    /// Everything planned is above this line, and durable.
    Sealed {
        ops: u64,
    },
    /// These operations were not done after all; their targets are somebody else's.
    NotPlaced {
        ops: Vec<u64>,
    },
    /// The apply, or an undo that could not put back everything, has come to its end.
    Done,
    /// An undo has begun.
    Undoing,
}

/// A journal as read.
#[derive(Debug, Default)]
pub(super) struct Journal {
    pub header: Option<Header>,
    pub dirs: Vec<RelPath>,
    pub beside: Vec<RelPath>,
    pub ops: Vec<Op>,
    pub index: Vec<IndexOp>,
    pub sealed: bool,
    pub done: bool,
    pub undoing: bool,
    /// A line in the middle is damaged, which no crash does.
    pub damaged: bool,
    /// Bytes up to the end of the last whole line.
    pub len: u64,
}

/// Where new contents wait, and where replaced ones are kept.
impl Record {
    fn open(applies: Dir, dir: Dir, id: ApplyId, path: PathBuf) -> io::Result<Self> {
        let new = [dir.subdir(b"new0")?, dir.subdir(b"new1")?];
        let old = dir.subdir(b"old")?;
        Ok(Self { applies, dir, id, path, new, old })
    }

    /// The directory for the new content of operation `n`. Two of them, so that two threads do not wait for
    /// each other's lock on one directory.
    pub(super) fn new_dir(&self, n: u64) -> &Dir {
        let [even, odd] = &self.new;
        if n.is_multiple_of(2) { even } else { odd }
    }

    /// The path of the file of operation `op` among the new contents, for people.
    pub(super) fn path_of_new(&self, op: &Op) -> PathBuf {
        self.path.join(if op.n.is_multiple_of(2) { "new0" } else { "new1" }).join(op.n.to_string())
    }

    /// The path of the slot of operation `op` that holds its pre-image, for people.
    pub(super) fn kept_path(&self, op: &Op) -> PathBuf {
        match self.old.stat(&op.slot()) {
            Ok(Some(_)) => self.path.join("old").join(op.n.to_string()),
            _ => self.path_of_new(op),
        }
    }

    /// The name beside a target on another file system.
    pub(super) fn beside(&self, n: u64) -> Vec<u8> {
        format!(".handoff-{}-{n}.tmp", self.id).into_bytes()
    }

    /// Writes the plan. It counts only once [`seal`](Self::seal) has been written too.
    pub(super) fn write(
        &self,
        header: &Header,
        dirs: Vec<RelPath>,
        ops: &[Op],
        index: &[IndexOp],
    ) -> io::Result<File> {
        let mut text = Vec::with_capacity(256 * ops.len() + 1024);
        push(&mut text, &Line::Header(header.clone()))?;
        if !dirs.is_empty() {
            push(&mut text, &Line::Dirs { paths: dirs })?;
        }
        for op in ops {
            push(&mut text, &Line::Op(op.clone()))?;
        }
        for change in index {
            push(&mut text, &Line::Index(change.clone()))?;
        }
        let mut file = self.journal()?;
        file.write_all(&text)?;
        Ok(file)
    }

    /// Says that temporary names may appear beside these targets, before they do.
    pub(super) fn announce(&self, paths: Vec<RelPath>) -> io::Result<()> {
        let mut file = self.journal()?;
        append(&mut file, &Line::Beside { paths }, true)
    }

    pub(super) fn seal(&self, file: &mut File, ops: usize, durable: bool) -> io::Result<()> {
        append(file, &Line::Sealed { ops: ops as u64 }, durable)
    }

    pub(super) fn done(&self, file: &mut File, not_placed: Vec<u64>, durable: bool) -> io::Result<()> {
        if !not_placed.is_empty() {
            // Without it, an undo takes their targets for files that were edited since, which is safe.
            let _ = append(file, &Line::NotPlaced { ops: not_placed }, false);
        }
        match append(file, &Line::Done, durable) {
            // A full disk has no room for a line, but a rename needs none.
            Err(_) => {
                self.dir.rename_new(JOURNAL, &self.dir, DONE)?;
                if durable { self.dir.sync() } else { Ok(()) }
            }
            Ok(()) => Ok(()),
        }
    }

    /// What the journal is called by now.
    fn name(&self) -> io::Result<&'static [u8]> {
        Ok(if self.dir.stat(DONE)?.is_some() { DONE } else { JOURNAL })
    }

    /// Says that an undo begins; whoever comes next carries it on.
    pub(super) fn undoing(&self, journal: &Journal) -> io::Result<()> {
        self.mark(journal, &Line::Undoing)
    }

    /// Says that a recovery or undo has done what it could.
    pub(super) fn finish(&self, journal: &Journal) -> io::Result<()> {
        self.mark(journal, &Line::Done)
    }

    fn mark(&self, journal: &Journal, line: &Line) -> io::Result<()> {
        let mut file = self.journal()?;
        // A torn line at the end would damage what follows it.
        file.set_len(journal.len)?;
        append(&mut file, line, true)
    }

    /// The journal file, for appending.
    fn journal(&self) -> io::Result<File> {
        let name = self.name()?;
        match self.dir.create_new(name, 0o600) {
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => self.dir.append_file(name),
            other => other,
        }
    }

    /// Whether this is an apply of `snapshot` to the repository `name`, told by the journal's beginning.
    pub(super) fn is_of(&self, snapshot: &SnapshotId, name: &str) -> io::Result<bool> {
        let mut text = Vec::new();
        let file = self.dir.open_file(self.name()?)?;
        io::Read::read_to_end(&mut io::Read::take(file, 16 << 10), &mut text)?;
        Ok(match text.split_inclusive(|byte| *byte == b'\n').next().and_then(checked) {
            Some(Line::Header(header)) => header.snapshot == *snapshot && header.repo == name,
            // Temporary names come first where there are any; the header is further down.
            Some(_) => {
                self.read()?.header.is_some_and(|header| header.snapshot == *snapshot && header.repo == name)
            }
            None => false,
        })
    }

    /// Reads the journal. A torn end is what a crash leaves; it is cut off.
    pub(super) fn read(&self) -> io::Result<Journal> {
        let mut text = Vec::new();
        let name = self.name()?;
        match self.dir.open_file(name) {
            Ok(mut file) => io::Read::read_to_end(&mut file, &mut text).map(drop)?,
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => return Err(why),
        }
        let mut journal = parse(&text);
        journal.done |= name == DONE;
        Ok(journal)
    }

    /// Removes the whole directory. The journal goes first, so that whatever a crash leaves reads as "no path
    /// was touched" and is cleared away later.
    pub(super) fn remove(self) -> io::Result<()> {
        ignore_absent(self.dir.remove_file(self.name()?))?;
        fail::point("remove: journal gone");
        let [even, odd] = &self.new;
        for (dir, name) in [(even, b"new0".as_slice()), (odd, b"new1"), (&self.old, b"old")] {
            for file in dir.names()? {
                ignore_absent(dir.remove_file(&file))?;
            }
            self.dir.remove_dir(name)?;
        }
        for name in self.dir.names()? {
            ignore_absent(self.dir.remove_file(&name))?;
        }
        self.applies.remove_dir(self.id.to_string().as_bytes())
    }
}

/// Clears away what is left of an apply that touched nothing, however little of its directory there is.
pub(super) fn sweep(home: &Home, id: &ApplyId) -> io::Result<()> {
    let applies = home.below("applies").map_err(Trouble::into_io)?;
    let name = id.to_string();
    let dir = applies.subdir(name.as_bytes())?;
    ignore_absent(dir.remove_file(JOURNAL))?;
    for part in dir.names()? {
        if let Ok(inner) = dir.subdir(&part) {
            for file in inner.names()? {
                ignore_absent(inner.remove_file(&file))?;
            }
            dir.remove_dir(&part)?;
        } else {
            ignore_absent(dir.remove_file(&part))?;
        }
    }
    applies.remove_dir(name.as_bytes())
}

fn ignore_absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn push(text: &mut Vec<u8>, line: &Line) -> io::Result<()> {
    let json = serde_json::to_vec(line).map_err(io::Error::other)?;
    write!(text, "{:08x} ", crc32fast::hash(&json))?;
    text.extend_from_slice(&json);
    text.push(b'\n');
    Ok(())
}

fn append(file: &mut File, line: &Line, durable: bool) -> io::Result<()> {
    let mut text = Vec::new();
    push(&mut text, line)?;
    file.write_all(&text)?;
    if durable { file.sync_data() } else { Ok(()) }
}

fn parse(text: &[u8]) -> Journal {
    let mut journal = Journal::default();
    let mut broken = false;
    for text in text.split_inclusive(|byte| *byte == b'\n') {
        let Some(line) = checked(text) else {
            broken = true;
            continue;
        };
        if broken {
            journal.damaged = true;
            return journal;
        }
        journal.len += text.len() as u64;
        match line {
            Line::Header(header) if header.format == FORMAT => journal.header = Some(header),
            // Written by a version that does things we know nothing of: hands off.
            Line::Header(_) => journal.damaged = true,
            Line::Dirs { paths } => journal.dirs.extend(paths),
            Line::Beside { paths } => journal.beside.extend(paths),
            Line::Op(op) => journal.ops.push(op),
            Line::Index(change) => journal.index.push(change),
            Line::Sealed { ops } => {
                journal.sealed = true;
                journal.damaged |= ops != journal.ops.len() as u64 || journal.header.is_none();
            }
            Line::NotPlaced { ops } => journal.ops.retain(|op| !ops.contains(&op.n)),
            Line::Done => {
                journal.done = true;
                journal.undoing = false;
            }
            Line::Undoing => journal.undoing = true,
        }
    }
    journal
}

fn checked(line: &[u8]) -> Option<Line> {
    let line = line.strip_suffix(b"\n")?;
    let (sum, json) = line.split_at_checked(8)?;
    let json = json.strip_prefix(b" ")?;
    let sum = u32::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
    if crc32fast::hash(json) != sum {
        return None;
    }
    serde_json::from_slice(json).ok()
}
