//! Files that have moved, at the target and in the snapshot. As git does it: nothing is recorded, a file that is gone
//! and a file that is new belong together when their contents are alike.

mod pair;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use self::pair::{One, pairs};
use super::sides::{Reader, Trouble};
use super::state::{HELD, Here, read};
use crate::git::{Found, ScanOptions, StagedItem};
use crate::id::Oid;
use crate::path::RelPath;
use crate::progress::{Control, Until};
use crate::rooted::Root;
use crate::snapshot::{Entry, FileState, RepoManifest};

/// Both kinds of moves, each found when the first path asks for it.
pub(super) struct Renames<'a> {
    manifest: &'a RepoManifest,
    at_target: Mutex<Option<HashMap<RelPath, RelPath>>>,
    in_snapshot: Mutex<Option<HashMap<RelPath, RelPath>>>,
}

impl<'a> Renames<'a> {
    pub(super) fn new(manifest: &'a RepoManifest) -> Self {
        Self { manifest, at_target: Mutex::default(), in_snapshot: Mutex::default() }
    }

    /// The path that the target has given to the entry's file, which is gone from its own. `None` where there is
    /// none, and where the snapshot's commit is not at the target: then what is new here cannot be told.
    pub(super) fn find(
        &self,
        root: &Root,
        reader: &Reader<'_>,
        entry: &Entry,
    ) -> Result<Option<RelPath>, Trouble> {
        if entry.head.as_ref().is_none_or(|head| !head.mode.is_file()) || !reader.same_format {
            return Ok(None);
        }
        let mut known = self.at_target.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() {
            *known = Some(self.moved_here(root, reader)?);
        }
        Ok(known.as_ref().and_then(|known| known.get(&entry.path)).cloned())
    }

    /// The entry that the snapshot has moved the file of `entry` to, which it deletes.
    pub(super) fn moved_to(
        &self,
        root: &Root,
        reader: &mut Reader<'_>,
        entry: &Entry,
    ) -> Result<Option<&'a Entry>, Trouble> {
        Ok(self.in_snapshot(root, reader)?.get(&entry.path).and_then(|to| self.entry(to)))
    }

    /// The entry of the deleted file that the snapshot has moved to `entry`, which is new.
    pub(super) fn moved_from(
        &self,
        root: &Root,
        reader: &mut Reader<'_>,
        entry: &Entry,
    ) -> Result<Option<&'a Entry>, Trouble> {
        let moves = self.in_snapshot(root, reader)?;
        Ok(moves.iter().find(|(_, to)| **to == entry.path).and_then(|(from, _)| self.entry(from)))
    }

    fn entry(&self, path: &RelPath) -> Option<&'a Entry> {
        self.manifest.entries.iter().find(|entry| entry.path == *path)
    }

    fn in_snapshot(
        &self,
        root: &Root,
        reader: &mut Reader<'_>,
    ) -> Result<HashMap<RelPath, RelPath>, Trouble> {
        let mut known = self.in_snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*known {
            return Ok(known.clone());
        }
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        for entry in self.manifest.entries.iter().filter(|entry| entry.flags.raw.is_none()) {
            let one = |oid, size, wanted| One { path: entry.path.clone(), oid, size: Some(size), wanted };
            match (&entry.head, &entry.worktree) {
                (Some(head), None) if head.mode.is_file() => {
                    let changed = changed_here(root, reader, &entry.path, head)?;
                    gone.push(one(head.oid, head.size, changed));
                }
                (None, Some(state)) if state.mode.is_file() && state.size <= HELD => {
                    new.push(one(state.oid, state.size, true));
                }
                _ => {}
            }
        }
        let found = pairs(&gone, &new, |one, old| {
            let Some(entry) = self.entry(&one.path) else { return Ok(None) };
            match (&entry.head, &entry.worktree) {
                (Some(head), _) if old => reader.stored(head),
                (_, Some(state)) => {
                    let bytes = reader.carried(state)?;
                    Ok(Some(reader.incoming_stored(&one.path, state, &bytes)?.unwrap_or(bytes)))
                }
                _ => Ok(None),
            }
        })?;
        *known = Some(found.clone());
        Ok(found)
    }

    /// What the target has moved of the files of the snapshot's commit.
    fn moved_here(&self, root: &Root, reader: &Reader<'_>) -> Result<HashMap<RelPath, RelPath>, Trouble> {
        let repo = reader.repo;
        let Some(source) = self.manifest.head.commit else { return Ok(HashMap::new()) };
        let Some(base) = repo.commit_files(&source).map_err(Trouble::repo)? else {
            return Ok(HashMap::new());
        };
        let (present, sizes) = present(reader)?;
        let entries: HashSet<&RelPath> = self.manifest.entries.iter().map(|entry| &entry.path).collect();
        let empty = repo.blob_oid(b"");
        let size = |oid: Option<Oid>| (oid.is_some() && oid == empty).then_some(0);
        let known: HashSet<&RelPath> = base.iter().map(|(path, _)| path).collect();
        let gone: Vec<One> = base
            .iter()
            .filter(|(path, item)| item.mode.is_file() && !present.contains_key(path))
            .map(|(path, item)| One {
                path: path.clone(),
                oid: Some(item.oid),
                size: size(Some(item.oid)),
                wanted: entries.contains(path),
            })
            .collect();
        let new: Vec<One> = present
            .iter()
            .filter(|(path, _)| !known.contains(path) && !entries.contains(path))
            .map(|(path, oid)| One {
                path: path.clone(),
                oid: *oid,
                size: sizes.get(path).copied().or(size(*oid)),
                wanted: true,
            })
            .collect();
        pairs(&gone, &new, |one, old| {
            // What is compared is the stored form where git has it, else the file.
            if let Some(oid) = &one.oid {
                return match reader.object(oid)? {
                    None if old => match self.entry(&one.path).and_then(|entry| entry.head.as_ref()) {
                        Some(head) => reader.stored(head),
                        None => Ok(None),
                    },
                    found => Ok(found),
                };
            }
            let Ok(dir) = root.dir(one.path.parent().unwrap_or_default()) else { return Ok(None) };
            Ok(match read(&dir, one.path.name(), HELD, None) {
                Ok(Here::Content(content)) => content.bytes,
                _ => None,
            })
        })
    }
}

/// Whether the target has something else than `head` at `path`.
fn changed_here(
    root: &Root,
    reader: &mut Reader<'_>,
    path: &RelPath,
    head: &FileState,
) -> Result<bool, Trouble> {
    let Ok(dir) = root.dir(path.parent().unwrap_or_default()) else { return Ok(true) };
    Ok(match read(&dir, path.name(), HELD, None) {
        Ok(Here::Content(content)) => !reader.same(path, &content, head)?,
        _ => true,
    })
}

/// Files by path, with the id of their content where it is known.
type Files = BTreeMap<RelPath, Option<Oid>>;

/// The files that the target has: committed, staged or untracked, each with the id of its content where it is
/// committed or staged; and the sizes of the untracked ones.
fn present(reader: &Reader<'_>) -> Result<(Files, HashMap<RelPath, u64>), Trouble> {
    let repo = reader.repo;
    let (mut out, mut sizes) = (Files::new(), HashMap::new());
    for (path, item) in repo.head_files().map_err(Trouble::repo)? {
        if item.mode.is_file() {
            out.insert(path, Some(item.oid));
        }
    }
    for staged in repo.staged(reader.index).map_err(Trouble::repo)? {
        match reader.index.staged(&staged.path) {
            StagedItem::Item(item) if item.mode.is_file() => {
                out.insert(staged.path, Some(item.oid));
            }
            _ => {
                out.remove(&staged.path);
            }
        }
    }
    let control = Control::default();
    let until = Until::default();
    let options = ScanOptions { control: &control, until: &until, include: None, list_ignored: false };
    for scanned in repo.scan(reader.index, &options).map_err(Trouble::repo)?.paths {
        match scanned.found {
            Found::File(stat) if scanned.index.is_none() => {
                sizes.insert(scanned.path.clone(), stat.size);
                out.insert(scanned.path, None);
            }
            Found::File(_) => {}
            _ => {
                out.remove(&scanned.path);
            }
        }
    }
    Ok((out, sizes))
}
