//! What happened between two states of one workspace, as a snapshot of its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Seek as _, SeekFrom};
use std::path::Path;

use super::manifest::{Entry, EntryFlags, Eol, FileState, RepoManifest};
use super::{AddError, Snapshot, Spool};
use crate::digest::Digest;
use crate::error::Error;
use crate::path::RelPath;
use crate::progress::Control;
use crate::run::NotRestored;

/// Contents up to this length are copied in memory.
const IN_MEMORY: u64 = 8 << 20;

impl Snapshot {
    /// The changes from `base` to this state, where `base` is an earlier state of the same workspace: an agent's
    /// work without what it was given.
    ///
    /// The result is a snapshot whose HEAD layers are the files of `base`. Applied where the work of `base` came from,
    /// it merges three-way against what was there when that was captured, so uncommitted work that was there all
    /// along is no conflict. Its entries are the paths that differ; staged states are left out of paths that `base`
    /// names, too. A path that `base` names and this state does not is as committed now, unless the repository is at
    /// another commit: then nothing is known of it here, and it is left out.
    ///
    /// Linear in the two manifests and the contents that differ.
    ///
    /// # Errors
    /// As [`blob`](Self::blob), for either of the two.
    ///
    /// ```
    /// use handoff_core::{CaptureOptions, Workspace, capture};
    /// # let (dir, laptop, cloud) = handoff_core::testing::laptop_and_cloud()?;
    /// let workspace = Workspace::new([&laptop])?;
    /// let base = capture(&workspace, &CaptureOptions::default())?;
    /// std::fs::write(laptop.join("more.txt"), "more\n")?;
    /// let now = capture(&workspace, &CaptureOptions::default())?;
    ///
    /// assert_eq!(now.entries().count(), 2);
    /// let since: Vec<_> = now.since(&base)?.entries().map(|(_, entry)| entry.path.to_string()).collect();
    /// assert_eq!(since, ["more.txt"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn since(&self, base: &Self) -> Result<Self, Error> {
        self.since_but(base, &BTreeSet::new())
    }

    /// As [`since`](Self::since), for a workspace that never had the paths `but` of `base`: that they are not as in `base`
    /// is nobody's doing, and what is there stands on the commit.
    pub(crate) fn since_but(&self, base: &Self, but: &BTreeSet<NotRestored>) -> Result<Self, Error> {
        let spool = Spool::new(IN_MEMORY * 4);
        let mut weave = Weave { now: self, base, but, spool, copied: HashMap::new() };
        let mut manifest = self.manifest().clone();
        for repo in &mut manifest.repos {
            if let Some(before) = base.manifest().repos.iter().find(|before| before.name == repo.name) {
                repo.entries = weave.entries(repo, before)?;
            }
            // Of the others everything is new.
        }
        manifest.loose_files.retain(|entry| {
            let before = base.manifest().loose_files.iter().find(|before| before.path == entry.path);
            before.is_none_or(|before| !same(before.worktree.as_ref(), entry.worktree.as_ref()))
        });
        for blob in manifest.contents()?.keys() {
            weave.copy(blob)?;
        }
        weave.spool.finish(manifest)
    }
}

struct Weave<'a> {
    now: &'a Snapshot,
    base: &'a Snapshot,
    but: &'a BTreeSet<NotRestored>,
    spool: Spool,
    copied: HashMap<Digest, ()>,
}

impl Weave<'_> {
    fn entries(&mut self, now: &RepoManifest, before: &RepoManifest) -> Result<Vec<Entry>, Error> {
        let mut paths: BTreeMap<&RelPath, (Option<&Entry>, Option<&Entry>)> = BTreeMap::new();
        for entry in &now.entries {
            paths.entry(&entry.path).or_default().0 = Some(entry);
        }
        let had = |entry: &&Entry| {
            // Not worth a copy of every path.
            self.but.is_empty()
                || !self.but.contains(&NotRestored { repo: before.name.clone(), path: entry.path.clone() })
        };
        for entry in before.entries.iter().filter(had) {
            paths.entry(&entry.path).or_default().1 = Some(entry);
        }
        let same_commit = now.head.commit == before.head.commit;
        let mut entries = Vec::new();
        for (path, pair) in paths {
            let (from, to, flags) = match pair {
                (Some(now), None) => {
                    entries.push(now.clone());
                    continue;
                }
                (Some(now), Some(before)) => (before, whole(now, now.worktree.as_ref()), now.flags.clone()),
                (None, Some(before)) if same_commit => {
                    (before, whole(before, before.head.as_ref()), EntryFlags::default())
                }
                (None, _) => continue,
            };
            let before = whole(from, from.worktree.as_ref());
            if same(before.as_ref(), to.as_ref()) {
                continue;
            }
            let before = before.map(|state| self.committed(state)).transpose()?;
            let flags = EntryFlags {
                untracked: false,
                intent_to_add: false,
                stages: Vec::new(),
                empty_dir: flags.empty_dir || from.flags.empty_dir,
                ..flags
            };
            entries.push(Entry {
                flags,
                head: before.clone(),
                index: before,
                path: path.clone(),
                worktree: to,
                extra: BTreeMap::new(),
            });
        }
        Ok(entries)
    }

    /// `state`, of a work tree, as it would be committed: HEAD layers hold normalised content.
    fn committed(&mut self, mut state: FileState) -> Result<FileState, Error> {
        if state.eol.take() == Some(Eol::Native)
            && let Some(blob) = state.blob.filter(|_| state.size <= IN_MEMORY)
        {
            let content = self.base.blob(&blob)?;
            let mut normal = Vec::with_capacity(content.len());
            let mut bytes = content.iter().peekable();
            while let Some(byte) = bytes.next() {
                if *byte != b'\r' || bytes.peek() != Some(&&b'\n') {
                    normal.push(*byte);
                }
            }
            state.size = normal.len() as u64;
            let digest = self.spool.add(&normal)?;
            self.copied.insert(digest, ());
            state.blob = Some(digest);
        }
        Ok(state)
    }

    fn copy(&mut self, blob: &Digest) -> Result<(), Error> {
        if self.copied.insert(*blob, ()).is_some() {
            return Ok(());
        }
        let from = if self.now.has_blob(blob) { self.now } else { self.base };
        match from.blob_size(blob) {
            Some(size) if size > IN_MEMORY => {
                let failed = |error| Error::io("copying into", Path::new("a temporary file"), error);
                let mut file = tempfile::tempfile().map_err(failed)?;
                from.copy_blob(blob, &mut file)?;
                file.seek(SeekFrom::Start(0)).map_err(failed)?;
                match self.spool.add_reader(&mut file, &Control::default()) {
                    Ok(_) => Ok(()),
                    Err(AddError::Source(error)) => Err(failed(error)),
                    Err(AddError::Spool(error)) => Err(error),
                }
            }
            _ => self.spool.add(&from.blob(blob)?).map(|_| ()),
        }
    }
}

/// `state` of `entry` with the blob that another layer with the same content has.
fn whole(entry: &Entry, state: Option<&FileState>) -> Option<FileState> {
    let mut state = state?.clone();
    if state.blob.is_none() && state.oid.is_some() {
        let layers = [&entry.worktree, &entry.index, &entry.head];
        let twin = layers.into_iter().flatten().find(|layer| layer.oid == state.oid && layer.blob.is_some());
        if let Some(twin) = twin {
            state.blob = twin.blob;
            state.size = twin.size;
            state.eol.clone_from(&twin.eol);
        }
    }
    Some(state)
}

/// Whether two states are the same file, as git sees it.
fn same(a: Option<&FileState>, b: Option<&FileState>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            a.mode == b.mode
                && if a.oid.is_some() && b.oid.is_some() { a.oid == b.oid } else { a.blob == b.blob }
        }
        _ => false,
    }
}
