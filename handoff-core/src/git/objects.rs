//! Objects: blobs, trees, ids. Objects that are absent stay absent; nothing is ever fetched.

use super::{Repo, from_gix, mode_of, to_gix};
use crate::error::Error;
use crate::id::{ObjectFormat, Oid};
use crate::path::RelPath;
use crate::snapshot::Mode;

/// Bytes of decoded objects kept for others that are deltas against them, for each thread.
const DELTA_CACHE: usize = 8 << 20;

/// What a tree or the index holds at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TreeItem {
    pub mode: Mode,
    pub oid: Oid,
}

/// Computes the id git gives a blob of known size whose bytes arrive in pieces.
pub(crate) struct BlobHasher(gix::hash::Hasher);

impl BlobHasher {
    pub fn new(format: ObjectFormat, size: u64) -> Self {
        let kind = match format {
            ObjectFormat::Sha1 => gix::hash::Kind::Sha1,
            ObjectFormat::Sha256 => gix::hash::Kind::Sha256,
        };
        let mut hasher = gix::hash::hasher(kind);
        hasher.update(&gix::objs::encode::loose_header(gix::objs::Kind::Blob, size));
        Self(hasher)
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// `None` where SHA-1 found a collision attack in the content.
    pub fn finish(self) -> Option<Oid> {
        from_gix(self.0.try_finalize().ok()?)
    }

    /// The id of a blob of exactly `bytes`.
    pub fn of(format: ObjectFormat, bytes: &[u8]) -> Option<Oid> {
        let mut hasher = Self::new(format, bytes.len() as u64);
        hasher.update(bytes);
        hasher.finish()
    }
}

impl Repo {
    /// Whether the object is here.
    pub fn has_object(&self, oid: &Oid) -> bool {
        oid.format() == self.format() && to_gix(oid).is_some_and(|id| self.local().has_object(id))
    }

    /// Reads many blobs with one handle.
    pub fn blobs(&self) -> Blobs {
        let mut repo = self.local();
        // Objects of one pack are deltas against each other; without a cache each would be rebuilt from its root.
        repo.objects
            .set_pack_cache(|| Box::new(gix::odb::pack::cache::lru::MemoryCappedHashmap::new(DELTA_CACHE)));
        Blobs { repo, format: self.format() }
    }

    /// The id git gives a blob of these bytes.
    pub fn blob_oid(&self, bytes: &[u8]) -> Option<Oid> {
        BlobHasher::of(self.format(), bytes)
    }

    /// Stores a blob in the object database. Content that is there already is not written again.
    pub fn write_blob(&self, bytes: &[u8]) -> Result<Oid, Error> {
        let repo = self.local();
        let id = repo.write_blob(bytes).map_err(|why| self.failed("storing a staged blob", why))?;
        from_gix(id.detach())
            .ok_or_else(|| self.failed("storing a staged blob", "the id has an unknown length"))
    }

    /// The tree of HEAD's commit; `None` while the branch is unborn.
    pub(super) fn head_tree(&self, repo: &gix::Repository) -> Result<Option<gix::ObjectId>, Error> {
        let mut head = repo.head().map_err(|why| self.failed("reading HEAD", why))?;
        let Some(commit) = head.try_peel_to_id().map_err(|why| self.failed("reading HEAD", why))? else {
            return Ok(None);
        };
        let object = commit.object().map_err(|why| self.failed("reading HEAD's commit", why))?;
        let tree = object.peel_to_tree().map_err(|why| self.failed("reading HEAD's tree", why))?;
        Ok(Some(tree.id))
    }

    /// Every file of HEAD's tree, in git's order of paths. Reads each tree object once; for rename detection.
    pub fn head_files(&self) -> Result<Vec<(RelPath, TreeItem)>, Error> {
        let repo = self.local();
        let mut out = Vec::new();
        if let Some(tree) = self.head_tree(&repo)? {
            self.tree_files(&repo, tree, &mut Vec::new(), &mut |path, mode, id| {
                if let Some(oid) = from_gix(id) {
                    out.push((RelPath::new(path), TreeItem { mode: mode_of(mode), oid }));
                }
            })?;
        }
        Ok(out)
    }

    /// Every file of a commit's tree, in git's order of paths; `None` when the commit or its tree is not here.
    pub fn commit_files(&self, commit: &Oid) -> Result<Option<Vec<(RelPath, TreeItem)>>, Error> {
        let repo = self.local();
        let Some(id) = to_gix(commit).filter(|_| self.has_object(commit)) else { return Ok(None) };
        let found = repo.find_object(id).ok().and_then(|object| object.peel_to_tree().ok());
        let Some(tree) = found.map(|tree| tree.id) else { return Ok(None) };
        let mut out = Vec::new();
        self.tree_files(&repo, tree, &mut Vec::new(), &mut |path, mode, id| {
            if let Some(oid) = from_gix(id) {
                out.push((RelPath::new(path), TreeItem { mode: mode_of(mode), oid }));
            }
        })?;
        Ok(Some(out))
    }

    /// Calls `found` with path, raw mode and id of every file below `tree`, whose own path is `prefix`.
    pub(super) fn tree_files(
        &self,
        repo: &gix::Repository,
        tree: gix::ObjectId,
        prefix: &mut Vec<u8>,
        found: &mut dyn FnMut(&[u8], u32, &gix::hash::oid),
    ) -> Result<(), Error> {
        let object = repo.find_tree(tree).map_err(|why| self.failed("reading a tree", why))?;
        for entry in object.iter() {
            let entry = entry.map_err(|why| self.failed("reading a tree", why))?;
            let len = prefix.len();
            if !prefix.is_empty() {
                prefix.push(b'/');
            }
            prefix.extend_from_slice(entry.filename());
            if entry.mode().is_tree() {
                self.tree_files(repo, entry.object_id(), prefix, found)?;
            } else {
                found(prefix, u32::from(entry.mode().value()), entry.oid());
            }
            prefix.truncate(len);
        }
        Ok(())
    }
}

/// A handle for reading many blobs on one thread.
pub(crate) struct Blobs {
    repo: gix::Repository,
    format: ObjectFormat,
}

impl Blobs {
    /// A blob's bytes; `None` when the object is absent or is no blob.
    pub fn read(&self, oid: &Oid) -> Result<Option<Vec<u8>>, gix::Error> {
        let Some(id) = self.id(oid) else { return Ok(None) };
        let mut object = self.repo.try_find_object(id)?;
        // A repack may take packs away under a look-up, also the second one that the library makes by itself.
        for _ in 0..3 {
            if object.is_some() {
                break;
            }
            object = self.repo.try_find_object(id)?;
        }
        Ok(object
            .filter(|object| object.kind == gix::objs::Kind::Blob)
            .map(|mut object| std::mem::take(&mut object.data)))
    }

    /// A blob's size without its bytes; `None` when the object is absent.
    pub fn size(&self, oid: &Oid) -> Option<u64> {
        let header = self.repo.try_find_header(self.id(oid)?).ok().flatten()?;
        (header.kind() == gix::objs::Kind::Blob).then(|| header.size())
    }

    fn id(&self, oid: &Oid) -> Option<gix::ObjectId> {
        (oid.format() == self.format).then(|| to_gix(oid)).flatten()
    }
}
