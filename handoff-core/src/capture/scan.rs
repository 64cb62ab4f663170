//! Which paths are to be looked at, and what is known of each before any content is read: the walk of the work
//! tree joined with what is staged.

use super::CaptureOptions;
use crate::error::Error;
use crate::git::{Found, FoundStat, Index, IndexItem, Repo, ScanOptions, Scanned, TICK, TreeItem};
use crate::path::RelPath;
use crate::snapshot::PartialReason;

/// Everything to be looked at in one repository.
pub(super) struct Candidates {
    /// In order of path.
    pub paths: Vec<Candidate>,
    /// Repositories inside this one, by path: submodules that are checked out and untracked repositories.
    pub nested: Vec<Nested>,
    /// Paths that git ignores and nobody asked for, where they are to be named; a directory ends in a slash.
    pub ignored: Vec<RelPath>,
    /// Why the walk was cut short.
    pub cut: Option<PartialReason>,
    /// Names came and went during every walk, so that one that moved may be missing.
    pub stirred: bool,
    /// Every `.gitattributes` that matters is as staged.
    pub attributes_as_staged: bool,
}

/// A repository inside another.
pub(super) struct Nested {
    pub path: RelPath,
    /// Git tracks it as a commit.
    pub is_submodule: bool,
}

/// One path that may be changed.
pub(super) struct Candidate {
    pub path: RelPath,
    pub head: Option<TreeItem>,
    pub index: Option<IndexItem>,
    /// Stages of a conflict.
    pub stages: Vec<(u8, TreeItem)>,
    pub disk: Disk,
    /// Git ignores it, and it was asked for.
    pub ignored: bool,
}

/// What is on disk, as far as the walk could tell.
#[derive(Debug)]
pub(super) enum Disk {
    /// Not said by the walk: as staged by the proof of stat data, or gone from the index and ignored or absent.
    Look,
    Absent,
    File(FoundStat),
    Symlink(FoundStat),
    /// A directory where a file was.
    Dir,
    /// A directory with nothing in it.
    EmptyDir,
    Special,
    Submodule {
        present: bool,
    },
    /// Files where a submodule is tracked and no repository is.
    Uninitialised,
    Unreadable(std::io::Error),
    /// A directory that the walk did not come to.
    Unread,
}

impl Candidate {
    /// Whether git knows the path at all.
    pub fn is_tracked(&self) -> bool {
        self.index.is_some() || !self.stages.is_empty()
    }

    /// Whether the walk saw a file or link here.
    pub fn was_there(&self) -> bool {
        match &self.disk {
            Disk::File(_) | Disk::Symlink(_) => true,
            // The walk says nothing of what is tracked and unchanged.
            Disk::Look => self.index.as_ref().is_some_and(|item| !item.skip_worktree),
            _ => false,
        }
    }

    /// Bytes that reading it takes at most, bases included where their size is known without reading.
    pub fn bytes(&self) -> u64 {
        match &self.disk {
            Disk::File(stat) | Disk::Symlink(stat) => stat.size,
            _ => 0,
        }
    }
}

/// Finds the candidates of `repo`. Walks up to [`CaptureOptions::attempts`] times where names come and go meanwhile.
/// Directories with nothing in them are left out unless [`CaptureOptions::empty_dirs`]. `other` is done once the walk has
/// begun.
pub(super) fn candidates<T>(
    repo: &Repo,
    index: &Index,
    options: &ScanOptions<'_>,
    capture: &CaptureOptions,
    other: impl FnOnce() -> T,
) -> Result<(Candidates, T), Error> {
    let (scanned, (staged, beside)) =
        calm_scan(repo, index, options, capture.attempts, || (repo.staged(index), other()))?;
    let staged = staged?;
    let (cut, stirred) = (scanned.cut, scanned.stirred);
    let has_own_attributes = scanned.has_own_attributes;
    let mut out = Candidates {
        paths: Vec::new(),
        nested: Vec::new(),
        ignored: Vec::new(),
        cut,
        stirred,
        attributes_as_staged: false,
    };
    let mut staged = staged.into_iter().peekable();
    let mut scanned_paths = scanned.paths.into_iter().peekable();
    loop {
        let order = match (scanned_paths.peek(), staged.peek()) {
            (None, None) => break,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(a), Some(b)) => a.path.cmp(&b.path),
        };
        let from_disk = if order.is_le() { scanned_paths.next() } else { None };
        let from_head = if order.is_ge() { staged.next() } else { None };
        let Some(path) = from_disk.as_ref().map(|a| &a.path).or(from_head.as_ref().map(|b| &b.path)) else {
            break;
        };
        let path = path.clone();
        if let Some(Found::NestedRepo) = from_disk.as_ref().map(|a| &a.found) {
            out.nested.push(Nested { path: without_slash(&path), is_submodule: false });
            if from_head.is_none() {
                continue;
            }
        }
        if let Some(Found::Ignored) = from_disk.as_ref().map(|a| &a.found)
            && from_head.is_none()
        {
            out.ignored.push(path);
            continue;
        }
        let tracked = from_head.is_some() || from_disk.as_ref().is_some_and(|a| a.index.is_some());
        if let Some(Found::EmptyDir) = from_disk.as_ref().map(|a| &a.found)
            && !(capture.empty_dirs || tracked)
        {
            continue;
        }
        let stages = index.stages(&path);
        let position = from_disk.as_ref().and_then(|a| a.index);
        let item = match position {
            Some(at) if stages.is_empty() => index.item(at),
            // The walk knows that it is not tracked.
            None if from_disk.is_some() && from_head.is_none() => None,
            _ if stages.is_empty() => index.find(&path),
            _ => None,
        };
        let head = match (&from_head, &item) {
            (Some(staged), _) => staged.head.clone(),
            // Not staged: HEAD has what the index has.
            (None, item) => item.as_ref().map(|item| item.item.clone()),
        };
        let ignored = from_head.is_none() && from_disk.as_ref().is_some_and(|a| a.ignored);
        let disk = match from_disk.map(|a| a.found) {
            Some(Found::Absent) => Disk::Absent,
            Some(Found::File(stat)) => Disk::File(stat),
            Some(Found::Symlink(stat)) => Disk::Symlink(stat),
            Some(Found::Dir) => Disk::Dir,
            Some(Found::EmptyDir) if capture.empty_dirs => Disk::EmptyDir,
            Some(Found::EmptyDir) => Disk::Dir,
            Some(Found::Special) => Disk::Special,
            Some(Found::Submodule { present }) => {
                if present {
                    out.nested.push(Nested { path: path.clone(), is_submodule: true });
                }
                Disk::Submodule { present }
            }
            Some(Found::Uninitialised) => Disk::Uninitialised,
            Some(Found::Unreadable(why)) => Disk::Unreadable(why),
            Some(Found::Unread) => Disk::Unread,
            Some(Found::NestedRepo) => Disk::Dir,
            // What HEAD has is looked at, ignored or not.
            Some(Found::Ignored) | None => Disk::Look,
        };
        out.paths.push(Candidate { path, head, index: item, stages, disk, ignored });
    }
    // The walk does not enter every directory in which something is looked at that only HEAD has.
    let unsure = |one: &Candidate| {
        one.path.name() == b".gitattributes" || (matches!(one.disk, Disk::Look) && one.index.is_none())
    };
    // Asked last, because it looks at the whole index.
    out.attributes_as_staged = !has_own_attributes
        && out.cut.is_none()
        && !out.paths.iter().any(unsure)
        && !out.paths.is_empty()
        && repo.can_take_attributes_from(index);
    Ok((out, beside))
}

/// Walks until no directory changed meanwhile. A name that is moved from a directory that is still to be listed to
/// one that was listed already is seen in neither.
fn calm_scan<T>(
    repo: &Repo,
    index: &Index,
    options: &ScanOptions<'_>,
    attempts: u32,
    other: impl FnOnce() -> T,
) -> Result<(Scanned, T), Error> {
    let (mut scanned, beside) = repo.scan_beside(index, options, other)?;
    for _ in 1..attempts {
        if !scanned.stirred || scanned.cut.is_some() {
            break;
        }
        // What changed just before the walk began cannot be told from what changed after; a moment later it can.
        std::thread::sleep(TICK);
        scanned = repo.scan(index, options)?;
    }
    Ok((scanned, beside))
}

fn without_slash(path: &RelPath) -> RelPath {
    RelPath::new(path.as_bytes().strip_suffix(b"/").unwrap_or(path.as_bytes()))
}
