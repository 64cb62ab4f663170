//! Where the target has moved a file that the snapshot changes. As git does it: nothing is recorded, a file that
//! is gone and a file that is new belong together when their contents are alike.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::sides::{Reader, Trouble};
use super::state::{HELD, Here, read};
use crate::git::{Found, ScanOptions, StagedItem, TreeItem};
use crate::id::Oid;
use crate::path::RelPath;
use crate::progress::{Control, Until};
use crate::rooted::Root;
use crate::snapshot::{Entry, RepoManifest};
use crate::text::similarity;

/// How alike two contents must be, in percent; git's default.
const ALIKE: u8 = 50;

/// Contents compared for one repository, at most. Git's own limit is of the same order.
const COMPARISONS: usize = 2_000;

/// New files of the target, found when the first missing path asks for them.
pub(super) struct Renames {
    source: Option<Oid>,
    entries: HashSet<RelPath>,
    found: OnceLock<Vec<Candidate>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    compared: usize,
    /// Where each entry's file was found; a new file is the new place of one file only.
    taken: HashMap<RelPath, RelPath>,
}

struct Candidate {
    path: RelPath,
    /// The id of its content, where it is committed or staged.
    oid: Option<Oid>,
    size: Option<u64>,
}

impl Renames {
    pub(super) fn new(manifest: &RepoManifest) -> Self {
        Self {
            source: manifest.head.commit,
            entries: manifest.entries.iter().map(|entry| entry.path.clone()).collect(),
            found: OnceLock::new(),
            state: Mutex::default(),
        }
    }

    /// The path that the target has given to the entry's file, which is gone from its own. `None` where there is
    /// none, and where the snapshot's commit is not at the target: then what is new here cannot be told.
    pub(super) fn find(
        &self,
        root: &Root,
        reader: &Reader<'_>,
        entry: &Entry,
    ) -> Result<Option<RelPath>, Trouble> {
        let Some(base) = entry.head.as_ref().filter(|head| head.mode.is_file()) else { return Ok(None) };
        if !reader.same_format {
            return Ok(None);
        }
        let candidates = match self.found.get() {
            Some(found) => found,
            None => {
                let found = self.candidates(reader)?;
                self.found.get_or_init(|| found)
            }
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = state.taken.get(&entry.path) {
            return Ok(Some(at.clone()));
        }
        let free: Vec<&Candidate> = candidates
            .iter()
            .filter(|candidate| !state.taken.values().any(|taken| *taken == candidate.path))
            .collect();
        let exact: Vec<&&Candidate> =
            free.iter().filter(|one| one.oid.is_some() && one.oid == base.oid).collect();
        let same_name = |one: &Candidate| one.path.name() == entry.path.name();
        let mut best =
            exact.iter().find(|one| same_name(one)).or_else(|| exact.first()).map(|one| one.path.clone());
        if best.is_none()
            && let Some(content) = reader.stored(base)?
        {
            let mut score = (ALIKE - 1, false);
            for candidate in free {
                if state.compared >= COMPARISONS {
                    break;
                }
                // Sizes further apart than the least similarity cannot be alike enough.
                let (low, high) = (content.len() as u64 / 2, content.len() as u64 * 2 + 1);
                if candidate.size.is_some_and(|size| size < low || size > high) {
                    continue;
                }
                state.compared += 1;
                let Some(bytes) = content_of(root, reader, candidate)? else { continue };
                let alike = (similarity(&content, &bytes), same_name(candidate));
                if alike.0 >= ALIKE && alike > score {
                    score = alike;
                    best = Some(candidate.path.clone());
                }
            }
        }
        if let Some(at) = &best {
            state.taken.insert(entry.path.clone(), at.clone());
        }
        Ok(best)
    }

    /// Files that the target has and the snapshot's commit has not: committed, staged or untracked.
    fn candidates(&self, reader: &Reader<'_>) -> Result<Vec<Candidate>, Trouble> {
        let repo = reader.repo;
        let Some(source) = self.source else { return Ok(Vec::new()) };
        let Some(base) = repo.commit_files(&source).map_err(Trouble::repo)? else { return Ok(Vec::new()) };
        let base: HashSet<RelPath> = base.into_iter().map(|(path, _)| path).collect();
        let is_new = |path: &RelPath| !base.contains(path) && !self.entries.contains(path);
        let mut out: HashMap<RelPath, Candidate> = HashMap::new();
        for (path, TreeItem { mode, oid }) in repo.head_files().map_err(Trouble::repo)? {
            if mode.is_file() && is_new(&path) {
                out.insert(path.clone(), Candidate { path, oid: Some(oid), size: None });
            }
        }
        for staged in repo.staged(reader.index).map_err(Trouble::repo)? {
            let path = staged.path;
            if !is_new(&path) {
                continue;
            }
            match reader.index.staged(&path) {
                StagedItem::Item(item) if item.mode.is_file() => {
                    out.insert(path.clone(), Candidate { path, oid: Some(item.oid), size: None });
                }
                _ => {
                    out.remove(&path);
                }
            }
        }
        let control = Control::default();
        let until = Until::default();
        let options = ScanOptions { control: &control, until: &until, include: None, list_ignored: false };
        for scanned in repo.scan(reader.index, &options).map_err(Trouble::repo)?.paths {
            match scanned.found {
                Found::File(stat) if scanned.index.is_none() && is_new(&scanned.path) => {
                    let path = scanned.path;
                    out.insert(path.clone(), Candidate { path, oid: None, size: Some(stat.size) });
                }
                Found::Absent => {
                    out.remove(&scanned.path);
                }
                _ => {}
            }
        }
        let mut out: Vec<Candidate> = out.into_values().collect();
        out.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(out)
    }
}

/// What is compared: the stored form where git has it, else the file.
fn content_of(root: &Root, reader: &Reader<'_>, candidate: &Candidate) -> Result<Option<Vec<u8>>, Trouble> {
    if let Some(oid) = &candidate.oid {
        return reader.object(oid);
    }
    let Ok(dir) = root.dir(candidate.path.parent().unwrap_or_default()) else { return Ok(None) };
    Ok(match read(&dir, candidate.path.name(), HELD, None) {
        Ok(Here::Content(content)) => content.bytes,
        _ => None,
    })
}
