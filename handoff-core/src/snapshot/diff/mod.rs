//! What differs between two states: between two snapshots, or between HEAD and the work tree of one.

mod render;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::{Entry, FileState, Layer, Manifest, Mode, RepoManifest, Snapshot};
use crate::error::Error;
use crate::path::RelPath;

/// What changed from an older state to a newer one, by repository and path.
///
/// `Display` and [`to_unified`](Self::to_unified) show it as `git diff --no-renames --full-index` does.
/// Shares the snapshots it was made from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SnapshotDiff {
    /// Repositories with at least one change or unknown path, in order of name.
    pub repos: Vec<RepoDiff>,
    old: Snapshot,
    new: Snapshot,
}

/// What changed in one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepoDiff {
    /// The repository's name; empty for the files outside any.
    pub repo: String,
    /// Changed paths, in order.
    pub changes: Vec<Change>,
    /// Paths that one side did not capture, so that nothing can be said of them, in order.
    pub unknown: Vec<RelPath>,
    /// Whether HEAD is the same commit on both sides. Where it is not, a path that only one snapshot names is
    /// compared with that snapshot's own HEAD, and what only commits changed is not seen.
    pub same_head: bool,
}

/// One changed path.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The path.
    pub path: RelPath,
    /// What happened to it.
    pub kind: ChangeKind,
    /// The file before; `None` when there was none.
    pub old: Option<FileState>,
    /// The file after; `None` when there is none.
    pub new: Option<FileState>,
    old_from: Origin,
    new_from: Origin,
}

/// What happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChangeKind {
    /// It is new.
    Created,
    /// It is gone.
    Deleted,
    /// Its content or its executable bit changed.
    Modified,
    /// It became another kind of file, such as a symlink.
    TypeChanged,
}

impl ChangeKind {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Deleted => "deleted",
            Self::Modified => "modified",
            Self::TypeChanged => "type_changed",
        }
    }

    fn of(old: Option<&FileState>, new: Option<&FileState>) -> Option<Self> {
        match (old, new) {
            (None, None) => None,
            (None, Some(_)) => Some(Self::Created),
            (Some(_), None) => Some(Self::Deleted),
            (Some(old), Some(new)) if same(old, new) => None,
            (Some(old), Some(new)) if old.mode == new.mode || old.mode.is_file() && new.mode.is_file() => {
                Some(Self::Modified)
            }
            (Some(_), Some(_)) => Some(Self::TypeChanged),
        }
    }
}

/// Which snapshot and layer a side of a change is from, to find its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Origin {
    newer: bool,
    layer: Layer,
}

/// Whether two states are the same file to git: the same normalised content, whatever the line endings.
fn same(old: &FileState, new: &FileState) -> bool {
    let content = match (old.blob, new.blob, old.oid, new.oid) {
        (Some(old), Some(new), ..) if old == new => true,
        (_, _, Some(old), Some(new)) => old == new,
        _ => false,
    };
    old.mode == new.mode && content
}

impl Snapshot {
    /// What changed from this snapshot's work trees to those of `newer`.
    ///
    /// A path that only one of the two names was unchanged in the other, which means: as in HEAD. A
    /// repository that only one of the two has is compared with its own HEAD. Reads no contents.
    ///
    /// ```
    /// # let (_dir, laptop, _) = handoff_core::testing::laptop_and_cloud()?;
    /// use handoff_core::{CaptureOptions, Workspace, capture};
    ///
    /// let workspace = Workspace::new([&laptop])?;
    /// let before = capture(&workspace, &CaptureOptions::default())?;
    /// std::fs::write(laptop.join("notes.txt"), "first\nsecond\nthird\n")?;
    /// let after = capture(&workspace, &CaptureOptions::default())?;
    /// assert!(before.diff(&after).to_string().contains("+third"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn diff(&self, newer: &Self) -> SnapshotDiff {
        let mut names: BTreeMap<&str, (Option<&RepoManifest>, Option<&RepoManifest>)> = BTreeMap::new();
        for repo in &self.manifest().repos {
            names.entry(&repo.name).or_default().0 = Some(repo);
        }
        for repo in &newer.manifest().repos {
            names.entry(&repo.name).or_default().1 = Some(repo);
        }
        let (old, new) = (loose(self), loose(newer));
        let files = old.is_some() || new.is_some();
        let files =
            files.then(|| between("", Some(&old.unwrap_or_default()), Some(&new.unwrap_or_default())));
        let repos = names.into_iter().map(|(name, (old, new))| between(name, old, new));
        let repos = files.into_iter().chain(repos);
        SnapshotDiff { repos: repos.filter(says_something).collect(), old: self.clone(), new: newer.clone() }
    }

    /// What is uncommitted: from HEAD to the work tree, like `git diff HEAD` with untracked files. Reads no
    /// contents.
    ///
    /// ```
    /// # use handoff_core::Snapshot;
    /// let review = Snapshot::open("tests/golden/small.handoff")?.diff_base();
    /// assert!(review.to_string().contains("diff --git "));
    /// # Ok::<(), handoff_core::Error>(())
    /// ```
    pub fn diff_base(&self) -> SnapshotDiff {
        let files = loose(self).map(|files| between("", None, Some(&files)));
        let repos = self.manifest().repos.iter().map(|repo| between(&repo.name, None, Some(repo)));
        let repos = files.into_iter().chain(repos);
        SnapshotDiff { repos: repos.filter(says_something).collect(), old: self.clone(), new: self.clone() }
    }
}

/// The files outside any repository, as those of a repository without a name and without commits.
fn loose(snapshot: &Snapshot) -> Option<RepoManifest> {
    let Manifest { loose_files, loose_omissions, .. } = snapshot.manifest();
    (!loose_files.is_empty() || !loose_omissions.is_empty()).then(|| RepoManifest {
        entries: loose_files.clone(),
        omissions: loose_omissions.clone(),
        ..RepoManifest::default()
    })
}

fn says_something(diff: &RepoDiff) -> bool {
    !diff.changes.is_empty() || !diff.unknown.is_empty()
}

/// The diff of one repository. Where a side has no manifest, it is taken to be at the other side's HEAD.
fn between(name: &str, old: Option<&RepoManifest>, new: Option<&RepoManifest>) -> RepoDiff {
    let mut paths: BTreeMap<&RelPath, (Option<&Entry>, Option<&Entry>)> = BTreeMap::new();
    for entry in old.into_iter().flat_map(|repo| &repo.entries) {
        paths.entry(&entry.path).or_default().0 = Some(entry);
    }
    for entry in new.into_iter().flat_map(|repo| &repo.entries) {
        paths.entry(&entry.path).or_default().1 = Some(entry);
    }
    // Without a second manifest, what was not captured is unknown in the one there is, and listed there.
    let mut unknown: Vec<RelPath> = Vec::new();
    if old.is_none() || new.is_none() {
        let only = old.or(new).into_iter().flat_map(|repo| &repo.omissions);
        unknown.extend(only.map(|omission| omission.path.clone()));
    }
    let mut changes = Vec::new();
    for (path, (in_old, in_new)) in paths {
        if in_old.is_none() && old.is_some_and(|repo| omits(repo, path))
            || in_new.is_none() && new.is_some_and(|repo| omits(repo, path))
        {
            unknown.push(path.clone());
            continue;
        }
        let side = |entry: Option<&Entry>, other: Option<&Entry>, newer: bool| match (entry, other) {
            (Some(entry), _) => (entry.worktree.clone(), Origin { newer, layer: Layer::Worktree }),
            (None, other) => {
                let head = other.and_then(|entry| entry.head.clone());
                (head, Origin { newer: !newer, layer: Layer::Head })
            }
        };
        let (old, old_from) = side(in_old, in_new, false);
        let (new, new_from) = side(in_new, in_old, true);
        let directory = [in_old, in_new].into_iter().flatten().any(|entry| entry.flags.empty_dir);
        // Git knows no directories, and a diff has no way to show an empty one.
        if let Some(kind) = ChangeKind::of(old.as_ref(), new.as_ref()).filter(|_| !directory) {
            changes.push(Change { path: path.clone(), kind, old, new, old_from, new_from });
        }
    }
    unknown.sort_unstable();
    unknown.dedup();
    let commit = |repo: &RepoManifest| repo.head.commit;
    let same_head = old.zip(new).is_none_or(|(old, new)| commit(old) == commit(new));
    RepoDiff { repo: name.to_owned(), changes, unknown, same_head }
}

/// Whether `path`, or a directory it is in, is among the omissions.
fn omits(repo: &RepoManifest, path: &RelPath) -> bool {
    let listed =
        |path: &[u8]| repo.omissions.binary_search_by(|omission| omission.path.as_bytes().cmp(path)).is_ok();
    let bytes = path.as_bytes();
    let slashes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    listed(bytes) || slashes.into_iter().any(|(at, _)| bytes.get(..=at).is_some_and(listed))
}

impl SnapshotDiff {
    /// Whether nothing changed and nothing is unknown.
    pub fn is_empty(&self) -> bool {
        self.repos.is_empty()
    }

    /// The diff as text, with three lines of context: what `git diff --no-renames --full-index` prints,
    /// which `git apply` takes. With more than one repository, a line `# repository NAME` precedes each.
    /// What cannot be shown is said in a line that begins with `#`. Holds one file at a time in memory,
    /// besides the result.
    ///
    /// # Errors
    /// As [`Snapshot::blob`], naming the first content that cannot be read.
    pub fn to_unified(&self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        self.render(&mut out, |_, _, error| Err(error))?;
        Ok(out)
    }

    fn content(&self, entry_of: Origin, repo: &str, path: &RelPath) -> Result<Option<Vec<u8>>, Error> {
        let snapshot = if entry_of.newer { &self.new } else { &self.old };
        snapshot.read(repo, path, entry_of.layer)
    }
}

impl std::fmt::Display for SnapshotDiff {
    /// As [`to_unified`](SnapshotDiff::to_unified), with invalid UTF-8 replaced; a content that cannot be
    /// read is said so in its place.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = Vec::new();
        let shown = self.render(&mut out, |out, name, error| {
            render::note(out, name, &error.to_string());
            Ok(())
        });
        // Errors became notes.
        let _ = shown;
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

/// The mode as git writes it.
fn git_mode(mode: &Mode) -> &str {
    match mode {
        Mode::Regular => "100644",
        Mode::Executable => "100755",
        Mode::Symlink => "120000",
        Mode::Gitlink => "160000",
        Mode::Unknown(_) => "100000",
    }
}
