//! The index: read in every version, split and sparse; written only to restore staged state.

use std::fs;
use std::io::{self, Read as _, Seek as _};
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use gix::bstr::{BStr, ByteSlice as _};
use gix::index::entry::{Flags, Mode as RawMode, Stage, Stat};

use super::lock::IndexLock;
use super::objects::TreeItem;
use super::{Repo, config, from_gix, mode_of, raw_mode, to_gix};
use crate::error::Error;
use crate::path::RelPath;
use crate::snapshot::Mode;

/// The index as it was when read, with sparse directories expanded to their files.
pub(crate) struct Index {
    state: gix::index::State,
    /// Some path has stages of a conflict.
    unmerged: bool,
}

/// Tells one index file from the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexStamp {
    inode: u64,
    size: u64,
    mtime: (i64, i64),
    /// Its last bytes, which are the checksum of the rest unless git was told not to compute it.
    tail: Vec<u8>,
}

/// One entry of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexItem {
    pub item: TreeItem,
    pub intent_to_add: bool,
    pub assume_unchanged: bool,
    pub skip_worktree: bool,
    /// Bytes of the work-tree file when git last compared it, modulo 2³²; 0 where it did not. A hint, no more.
    pub size_hint: u32,
}

/// What the index says about one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StagedItem {
    /// Nothing.
    Absent,
    /// This file.
    Item(TreeItem),
    /// `git add -N`, with the mode that was noted.
    IntentToAdd(Mode),
    /// A conflict: its stages with what each holds, in order.
    Unmerged(Vec<(u8, TreeItem)>),
}

/// One wanted change of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexChange {
    pub path: RelPath,
    /// The change is made only where the index says this.
    pub expected: StagedItem,
    /// What it shall say.
    pub wanted: StagedItem,
    /// What it shall say of the file on disk.
    pub bits: IndexBits,
}

/// What git was told about looking at the file of an entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct IndexBits {
    pub assume_unchanged: bool,
    pub skip_worktree: bool,
}

impl IndexBits {
    fn flags(self) -> Flags {
        let mut flags = Flags::empty();
        flags.set(Flags::ASSUME_VALID, self.assume_unchanged);
        flags.set(Flags::SKIP_WORKTREE | Flags::EXTENDED, self.skip_worktree);
        flags
    }
}

impl Repo {
    /// What the index file looks like now.
    pub fn index_stamp(&self) -> Option<IndexStamp> {
        let mut file = fs::File::open(self.index_path()).ok()?;
        let meta = file.metadata().ok()?;
        let mut tail = Vec::new();
        file.seek(io::SeekFrom::Start(meta.size().saturating_sub(32))).ok()?;
        file.take(32).read_to_end(&mut tail).ok()?;
        let (inode, size, mtime) = (meta.ino(), meta.size(), (meta.mtime(), meta.mtime_nsec()));
        Some(IndexStamp { inode, size, mtime, tail })
    }

    pub(super) fn index_path(&self) -> PathBuf {
        self.git_dir().join("index")
    }

    fn read_index(&self) -> Result<gix::index::File, Error> {
        // As git itself, the trailing checksum is not computed: it costs as much as all the rest of reading, and
        // the parser refuses what is not an index.
        gix::index::File::at_or_default(self.index_path(), self.hash_kind(), true, Default::default())
            .map_err(|why| self.failed("reading the index", why))
    }

    /// Reads the index. Takes no lock: git replaces the file as a whole, so what is read is always one state.
    pub fn index(&self) -> Result<Index, Error> {
        let (mut state, _) = self.read_index()?.into_parts();
        if state.is_sparse() {
            self.expand(&mut state)?;
        }
        // Known once, so that each path of a tree without conflicts need not be looked up three times.
        let unmerged = state.entries().iter().any(|entry| entry.stage_raw() != 0);
        Ok(Index { state, unmerged })
    }

    /// Replaces each sparse directory by the files of its tree, marked skip-worktree as git would mark them.
    fn expand(&self, state: &mut gix::index::State) -> Result<(), Error> {
        let repo = self.local();
        let mut found = Vec::new();
        for entry in state.entries().iter().filter(|entry| entry.mode.is_sparse()) {
            let mut prefix = entry.path(state).trim_end_with(|c| c == '/').to_vec();
            self.tree_files(&repo, entry.id, &mut prefix, &mut |path, mode, id| {
                found.push((path.to_vec(), mode, id.to_owned()));
            })?;
        }
        state.remove_entries(|_, _, entry| entry.mode.is_sparse());
        for (path, mode, id) in found {
            let mode = RawMode::from_bits_truncate(raw_mode(&mode_of(mode)));
            state.dangerously_push_entry(
                Stat::default(),
                id,
                Flags::EXTENDED | Flags::SKIP_WORKTREE,
                mode,
                path.as_bstr(),
            );
        }
        state.sort_entries();
        // The cached tree counts sparse directories as one entry, so its counts no longer fit.
        state.remove_tree();
        Ok(())
    }

    /// Changes index entries under git's own `index.lock`, each only where the present entry is as expected.
    /// Returns for each whether it was made. The cached tree is dropped, because it would say that the old
    /// tree is still what is staged.
    ///
    /// `claim` is a path of the caller's own on the same file system, by which [`unlock_index`](Self::unlock_index)
    /// knows a lock that this process left behind when it was killed.
    ///
    /// # Errors
    /// [`Error::Busy`] when the lock is held by somebody else for two seconds.
    pub fn write_index(&self, changes: &[IndexChange], claim: &Path) -> Result<Vec<bool>, Error> {
        let mut lock = IndexLock::take(self, claim)?;
        // Read under the lock, so that nothing comes between the comparison and the change.
        let mut file = self.read_index()?;
        let mut done = Vec::with_capacity(changes.len());
        let mut edits = Vec::new();
        for change in changes {
            let fits = staged_in(&file, &change.path) == change.expected;
            done.push(fits);
            if fits && change.expected != change.wanted {
                edits.push(change);
            }
        }
        if edits.is_empty() {
            return Ok(done);
        }
        // The index becomes young by being written, and with that git would believe stat data that only the
        // old index's age made suspect (git's `Documentation/technical/racy-git`).
        let options = self
            .local()
            .stat_options()
            .map_err(|why| self.failed("reading core.checkStat", config::without_values(&why)))?;
        let taken = file.timestamp();
        for entry in file.entries_mut().iter_mut().filter(|entry| entry.stat.is_racy(taken, options)) {
            entry.stat = Stat::default();
        }
        let mut paths: Vec<&[u8]> = edits.iter().map(|change| change.path.as_bytes()).collect();
        paths.sort_unstable();
        let affected = |path: &BStr| paths.binary_search(&path.as_bytes()).is_ok();
        file.remove_entries(|_, path, _| affected(path));
        for change in edits {
            let items = match &change.wanted {
                StagedItem::Item(item) => vec![(item.clone(), change.bits.flags())],
                StagedItem::IntentToAdd(mode) => {
                    // Git reads the empty object when it compares such an entry, so it has to be there.
                    let oid = self.write_blob(b"")?;
                    vec![(TreeItem { mode: mode.clone(), oid }, Flags::EXTENDED | Flags::INTENT_TO_ADD)]
                }
                StagedItem::Unmerged(stages) => stages
                    .iter()
                    .map(|(stage, item)| (item.clone(), Flags::from_bits_retain(u32::from(*stage & 3) << 12)))
                    .collect(),
                StagedItem::Absent => continue,
            };
            for (item, flags) in items {
                let Some(id) = to_gix(&item.oid) else { continue };
                let mode = RawMode::from_bits_truncate(raw_mode(&item.mode));
                // A zeroed stat makes git look at the file once, instead of believing us.
                let path = change.path.as_bytes().as_bstr();
                file.dangerously_push_entry(Stat::default(), id, flags, mode, path);
            }
        }
        file.sort_entries();
        file.remove_tree();
        let mut buffer = Vec::new();
        file.write_to(&mut buffer, Default::default())
            .map_err(|why| self.failed("writing the index", why))?;
        lock.commit(&buffer)?;
        Ok(done)
    }
}

fn staged_in(state: &gix::index::State, path: &RelPath) -> StagedItem {
    let path = path.as_bytes().as_bstr();
    let found = state.entry_by_path_and_stage(path, Stage::Unconflicted);
    match found {
        Some(entry) if entry.flags.contains(Flags::INTENT_TO_ADD) => {
            StagedItem::IntentToAdd(mode_of(entry.mode.bits()))
        }
        Some(entry) => match from_gix(entry.id) {
            Some(oid) => StagedItem::Item(TreeItem { mode: mode_of(entry.mode.bits()), oid }),
            None => StagedItem::Absent,
        },
        None => match stages_in(state, path) {
            stages if stages.is_empty() => StagedItem::Absent,
            stages => StagedItem::Unmerged(stages),
        },
    }
}

fn stages_in(state: &gix::index::State, path: &BStr) -> Vec<(u8, TreeItem)> {
    [(1, Stage::Base), (2, Stage::Ours), (3, Stage::Theirs)]
        .into_iter()
        .filter_map(|(number, stage)| {
            let entry = state.entry_by_path_and_stage(path, stage)?;
            Some((number, TreeItem { mode: mode_of(entry.mode.bits()), oid: from_gix(entry.id)? }))
        })
        .collect()
}

/// A name in one directory of the index: the stages of a file, or the entries below a directory.
pub(super) struct Child<'a> {
    pub name: &'a [u8],
    pub range: Range<usize>,
    pub is_dir: bool,
}

impl Index {
    /// The names of the directory whose entries are `range` and whose path, with its slash, is `prefix_len` long;
    /// sorted by name alone, where the index sorts directories as if their names ended in a slash. A file and a
    /// directory may have one name while a conflict is open.
    pub(super) fn children(&self, range: Range<usize>, prefix_len: usize) -> Vec<Child<'_>> {
        let state = &self.state;
        let mut out: Vec<Child<'_>> = Vec::new();
        let mut sorted = true;
        let mut at = range.start;
        while at < range.end {
            let Some(entry) = state.entries().get(at) else { break };
            let rest = entry.path(state).as_bytes().get(prefix_len..).unwrap_or_default();
            let (name, is_dir) = match rest.find_byte(b'/') {
                Some(slash) => (rest.get(..slash).unwrap_or_default(), true),
                None => (rest, false),
            };
            let end = child_end(state, at..range.end, prefix_len, name, is_dir);
            sorted &= out.last().is_none_or(|last| last.name < name);
            out.push(Child { name, range: at..end, is_dir });
            at = end;
        }
        if !sorted {
            out.sort_by(|a, b| a.name.cmp(b.name).then(a.is_dir.cmp(&b.is_dir)));
        }
        out
    }

    pub(super) fn state(&self) -> &gix::index::State {
        &self.state
    }

    /// What the index says about `path`.
    pub fn staged(&self, path: &RelPath) -> StagedItem {
        staged_in(&self.state, path)
    }

    /// What git was told about looking at the file at `path`.
    pub fn bits(&self, path: &RelPath) -> IndexBits {
        self.find(path).map_or_else(IndexBits::default, |item| IndexBits {
            assume_unchanged: item.assume_unchanged,
            skip_worktree: item.skip_worktree,
        })
    }

    /// Whether the index says to leave `path` out of the work tree (sparse checkout).
    pub fn is_skipped(&self, path: &RelPath) -> bool {
        self.state
            .entry_by_path(path.as_bytes().as_bstr())
            .is_some_and(|entry| entry.flags.contains(Flags::SKIP_WORKTREE))
    }

    /// The entry at position `at` of the sorted index.
    pub fn item(&self, at: usize) -> Option<IndexItem> {
        let entry = self.state.entries().get(at)?;
        Some(IndexItem {
            item: TreeItem { mode: mode_of(entry.mode.bits()), oid: from_gix(entry.id)? },
            intent_to_add: entry.flags.contains(Flags::INTENT_TO_ADD),
            assume_unchanged: entry.flags.contains(Flags::ASSUME_VALID),
            skip_worktree: entry.flags.contains(Flags::SKIP_WORKTREE),
            size_hint: entry.stat.size,
        })
    }

    /// The entry at `path`, unless there is none or a conflict.
    pub fn find(&self, path: &RelPath) -> Option<IndexItem> {
        self.item(self.state.entry_index_by_path_and_stage(path.as_bytes().as_bstr(), Stage::Unconflicted)?)
    }

    /// The conflict stages at `path`: number and what each holds.
    pub fn stages(&self, path: &RelPath) -> Vec<(u8, TreeItem)> {
        if self.unmerged { stages_in(&self.state, path.as_bytes().as_bstr()) } else { Vec::new() }
    }
}

/// Where the entries of the child `name` end, which start at `range.start`. A directory's are found by halving,
/// the stages of a file one by one.
fn child_end(
    state: &gix::index::State,
    range: Range<usize>,
    prefix: usize,
    name: &[u8],
    is_dir: bool,
) -> usize {
    let entries = state.entries().get(range.clone()).unwrap_or_default();
    let belongs = |entry: &gix::index::Entry| {
        let rest = entry.path(state).get(prefix..).unwrap_or_default();
        rest.starts_with(name)
            && if is_dir { rest.get(name.len()) == Some(&b'/') } else { rest.len() == name.len() }
    };
    let count = if is_dir {
        entries.partition_point(belongs)
    } else {
        entries.iter().take(4).take_while(|entry| belongs(entry)).count()
    };
    range.start + count.max(1)
}
