//! What a journal says: its records, one a line, and how they are written and read.

use std::fs::File;
use std::io::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::apply::state::State;
use crate::git::{HeadState, StagedItem, TreeItem};
use crate::id::{ApplyId, Oid, SnapshotId};
use crate::path::RelPath;
use crate::report::Detail;
use crate::snapshot::{Head, Mode};

/// The format of the records.
const FORMAT: &str = "handoff-journal/1";

/// One planned write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::apply) struct Op {
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
    /// is staged, under the name of [`Record::beside`](super::Record::beside). The pre-image is then a copy in `old`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<RelPath>,
}

impl Op {
    /// The path that reports name.
    pub(in crate::apply) fn reported(&self) -> &RelPath {
        self.entry.as_ref().unwrap_or(&self.path)
    }

    /// The name of its files in the record's directory.
    pub(in crate::apply) fn slot(&self) -> Vec<u8> {
        self.n.to_string().into_bytes()
    }
}

/// One planned change of the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::apply) struct IndexOp {
    pub path: RelPath,
    pub old: IndexState,
    pub new: IndexState,
    /// The old entry had `skip-worktree`; put back without it, an absent file would count as deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skipped: bool,
    /// The old entry had `assume-unchanged`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumed: bool,
}

/// The planned move of HEAD, after everything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::apply) struct HeadOp {
    pub old: HeadState,
    pub new: HeadState,
    /// Where the new branch was before; absent when it was not there, or HEAD will be detached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch_old: Option<Oid>,
}

/// An index entry in a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(in crate::apply) enum IndexState {
    Absent,
    IntentToAdd { mode: Mode },
    Item { mode: Mode, oid: Oid },
    Unmerged { stages: Vec<StageState> },
}

/// One side of a conflict in a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::apply) struct StageState {
    pub stage: u8,
    pub mode: Mode,
    pub oid: Oid,
}

impl From<&IndexState> for StagedItem {
    fn from(state: &IndexState) -> Self {
        match state {
            IndexState::Absent => Self::Absent,
            IndexState::IntentToAdd { mode } => Self::IntentToAdd(mode.clone()),
            IndexState::Item { mode, oid } => Self::Item(TreeItem { mode: mode.clone(), oid: *oid }),
            IndexState::Unmerged { stages } => Self::Unmerged(
                stages
                    .iter()
                    .map(|one| (one.stage, TreeItem { mode: one.mode.clone(), oid: one.oid }))
                    .collect(),
            ),
        }
    }
}

impl IndexState {
    /// `None` for a conflict.
    pub(in crate::apply) fn of(item: &StagedItem) -> Option<Self> {
        match item {
            StagedItem::Absent => Some(Self::Absent),
            StagedItem::IntentToAdd(mode) => Some(Self::IntentToAdd { mode: mode.clone() }),
            StagedItem::Item(item) => Some(Self::Item { mode: item.mode.clone(), oid: item.oid }),
            StagedItem::Unmerged(_) => None,
        }
    }
}

/// What the journal says about the apply as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::apply) struct Header {
    pub format: String,
    pub apply: ApplyId,
    pub snapshot: SnapshotId,
    /// The repository's name in the snapshot.
    pub repo: String,
    /// The snapshot's HEAD, for the drift line of an undo's report.
    pub head: Head,
    /// The apply that put the checkout on the snapshot's commit before, to be undone with this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ApplyId>,
    /// The apply of the files comes after this one, and without it this one is only half.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leads: bool,
}

impl Header {
    pub(in crate::apply) fn new(apply: ApplyId, snapshot: SnapshotId, repo: &str, head: &Head) -> Self {
        Self {
            format: FORMAT.into(),
            apply,
            snapshot,
            repo: repo.into(),
            head: head.clone(),
            after: None,
            leads: false,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub(super) enum Line {
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
    Head(HeadOp),
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
    /// It has put back all of this, and goes on with the apply that this one came after.
    Undone,
}

/// A journal as read.
#[derive(Debug, Default)]
pub(in crate::apply) struct Journal {
    pub header: Option<Header>,
    pub dirs: Vec<RelPath>,
    pub beside: Vec<RelPath>,
    pub ops: Vec<Op>,
    pub index: Vec<IndexOp>,
    pub head: Option<HeadOp>,
    pub sealed: bool,
    pub done: bool,
    pub undoing: bool,
    /// All of this is put back, and what this came after is being put back.
    pub undone: bool,
    /// After its end somebody has looked again and let it be.
    pub settled: bool,
    /// A line in the middle is damaged, which no crash does.
    pub damaged: bool,
    /// Bytes up to the end of the last whole line.
    pub len: u64,
}

pub(super) fn push(text: &mut Vec<u8>, line: &Line) -> io::Result<()> {
    let json = serde_json::to_vec(line).map_err(io::Error::other)?;
    write!(text, "{:08x} ", crc32fast::hash(&json))?;
    text.extend_from_slice(&json);
    text.push(b'\n');
    Ok(())
}

pub(super) fn append(file: &mut File, line: &Line, durable: bool) -> io::Result<()> {
    let mut text = Vec::new();
    push(&mut text, line)?;
    file.write_all(&text)?;
    if durable { file.sync_data() } else { Ok(()) }
}

pub(super) fn parse(text: &[u8]) -> Journal {
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
            Line::Head(head) => journal.head = Some(head),
            Line::Sealed { ops } => {
                journal.sealed = true;
                journal.damaged |= ops != journal.ops.len() as u64 || journal.header.is_none();
            }
            Line::NotPlaced { ops } => journal.ops.retain(|op| !ops.contains(&op.n)),
            Line::Done => {
                journal.settled |= journal.done;
                journal.done = true;
                (journal.undoing, journal.undone) = (false, false);
            }
            Line::Undoing => journal.undoing = true,
            Line::Undone => (journal.undoing, journal.undone) = (true, true),
        }
    }
    journal
}

pub(super) fn checked(line: &[u8]) -> Option<Line> {
    let line = line.strip_suffix(b"\n")?;
    let (sum, json) = line.split_at_checked(8)?;
    let json = json.strip_prefix(b" ")?;
    let sum = u32::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
    if crc32fast::hash(json) != sum {
        return None;
    }
    serde_json::from_slice(json).ok()
}
