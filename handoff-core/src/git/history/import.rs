//! Commits that arrive: every id computed here, every name looked at, and nothing stored before what it names is.

use std::collections::{HashMap, HashSet};

use super::held::Held;
use super::{Item, MAX_DEPTH, Objects, items, names_of};
use crate::error::Error;
use crate::git::{BlobHasher, Repo, from_gix, to_gix};
use crate::id::Oid;
use crate::path::{PathLimits, RelPath};
use crate::snapshot::part::{Object, ObjectKind};

/// The most objects of one history: its ids are kept in memory.
const MAX_TOTAL: usize = 1_000_000;

/// Why objects that arrived are not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is not what git would make.
    Malformed,
    /// A tree has a name that no checkout may have.
    Unsafe(RelPath),
    /// It names an object that neither came nor is here.
    Incomplete(Oid),
    /// There are more than a million objects.
    TooMany,
}

/// Takes the objects of one history, part by part.
pub(crate) struct Arrival<'a> {
    repo: &'a Repo,
    objects: Objects<'a>,
    partial: bool,
    writes: bool,
    /// Everything that came and was found to be in order.
    came: HashMap<Oid, ObjectKind>,
    /// What came while nothing is written, since later parts build on it.
    held: Held,
}

impl<'a> Arrival<'a> {
    /// Without `writes`, everything is checked and nothing is stored.
    pub fn new(repo: &'a Repo, writes: bool) -> Self {
        let partial = repo.flags().partial_clone;
        Self {
            repo,
            objects: Objects::new(repo),
            partial,
            writes,
            came: HashMap::new(),
            held: Held::default(),
        }
    }

    /// The content of an object that is here, or came before.
    pub fn base(&self, oid: &Oid) -> Option<Vec<u8>> {
        self.held.read(oid).or_else(|| self.objects.read(oid).map(|(_, data)| data))
    }

    /// Whether a commit is here, or came.
    pub fn has(&self, oid: &Oid) -> bool {
        self.came.contains_key(oid) || self.repo.has_object(oid)
    }

    /// Takes the objects of one part: all of them or, after an error, none or some that name nothing absent.
    pub fn take(&mut self, objects: Vec<Object>) -> Result<Result<(), Refused>, Error> {
        if self.came.len() + objects.len() > MAX_TOTAL {
            return Ok(Err(Refused::TooMany));
        }
        let mut part = HashMap::with_capacity(objects.len());
        for object in objects {
            let Some(oid) = self.id(&object) else { return Ok(Err(Refused::Malformed)) };
            part.insert(oid, object);
        }
        // Contents, then trees from their leaves, then commits from the oldest.
        let mut order: Vec<Oid> = Vec::with_capacity(part.len());
        let mut placed = HashSet::new();
        for oid in part.keys() {
            if let Err(refused) = self.place(*oid, &part, &mut placed, &mut order, 0) {
                return Ok(Err(refused));
            }
        }
        for oid in order {
            let Some(object) = part.remove(&oid) else { continue };
            let kind = object.kind;
            if self.writes {
                self.store(&oid, &object)?;
            } else {
                let kept = self.held.keep(oid, &object.data);
                kept.map_err(|why| Error::io("writing", &std::env::temp_dir(), why))?;
            }
            self.came.insert(oid, kind);
        }
        Ok(Ok(()))
    }

    fn place(
        &self,
        oid: Oid,
        part: &HashMap<Oid, Object>,
        placed: &mut HashSet<Oid>,
        order: &mut Vec<Oid>,
        depth: usize,
    ) -> Result<(), Refused> {
        // Ids are hashes, so nothing can name itself; commits of one part may be long chains, see below.
        let mut todo = vec![(oid, false, depth, None)];
        while let Some((oid, after, depth, wanted)) = todo.pop() {
            if after {
                order.push(oid);
                continue;
            }
            let Some(object) = part.get(&oid) else {
                let kind = self.came.get(&oid).copied().or_else(|| self.objects.kind(&oid));
                match (kind, wanted) {
                    (Some(kind), Some(wanted)) if kind != wanted => return Err(Refused::Malformed),
                    (None, _) if !self.partial => return Err(Refused::Incomplete(oid)),
                    _ => continue,
                }
            };
            // What names an object says what it is, and git would believe it.
            if wanted.is_some_and(|wanted| wanted != object.kind) {
                return Err(Refused::Malformed);
            }
            if !placed.insert(oid) {
                continue;
            }
            if depth > MAX_DEPTH {
                return Err(Refused::Malformed);
            }
            todo.push((oid, true, depth, None));
            match object.kind {
                ObjectKind::Blob => {}
                ObjectKind::Tree => {
                    for item in self.safe_items(&object.data)? {
                        let (inner, kind) = match item {
                            Item::Tree(inner) => (inner, ObjectKind::Tree),
                            Item::Blob(inner) => (inner, ObjectKind::Blob),
                        };
                        todo.push((inner, false, depth + 1, Some(kind)));
                    }
                }
                ObjectKind::Commit => {
                    let (tree, parents) =
                        names_of(&object.data, self.repo.hash_kind()).ok_or(Refused::Malformed)?;
                    todo.push((tree, false, 0, Some(ObjectKind::Tree)));
                    let parent = |id| (id, false, 0, Some(ObjectKind::Commit));
                    todo.extend(parents.into_iter().map(parent));
                }
            }
        }
        Ok(())
    }

    /// What a tree names, if all its names are such that a checkout may have them, in git's order and each once.
    fn safe_items(&self, data: &[u8]) -> Result<Vec<Item>, Refused> {
        let limits = PathLimits::default();
        let mut last: Option<Vec<u8>> = None;
        for entry in gix::objs::TreeRefIter::from_bytes(data, self.repo.hash_kind()) {
            let entry = entry.map_err(|_| Refused::Malformed)?;
            let name = RelPath::new(entry.filename.to_vec());
            if name.as_bytes().contains(&b'/') || name.check(&limits).is_err() {
                return Err(Refused::Unsafe(name));
            }
            // Git orders a directory as if its name ended in a slash.
            let mut key = name.as_bytes().to_vec();
            if entry.mode.is_tree() {
                key.push(b'/');
            }
            if last.as_ref().is_some_and(|last| *last >= key) {
                return Err(Refused::Malformed);
            }
            last = Some(key);
        }
        items(data, self.repo.hash_kind())
            .map(|items| items.into_values().collect())
            .ok_or(Refused::Malformed)
    }

    fn id(&self, object: &Object) -> Option<Oid> {
        let kind = gix_kind(object.kind);
        if object.kind == ObjectKind::Blob {
            return BlobHasher::of(self.repo.format(), &object.data);
        }
        from_gix(gix::objs::compute_hash(self.repo.hash_kind(), kind, &object.data).ok()?)
    }

    fn store(&self, oid: &Oid, object: &Object) -> Result<(), Error> {
        if self.repo.has_object(oid) {
            return Ok(());
        }
        let failed = |why: gix::Error| self.repo.failed("storing an unpushed commit", why);
        let Some(id) = to_gix(oid) else { return Ok(()) };
        gix::objs::Write::write_buf_with_known_id(
            &self.objects.repo.objects,
            gix_kind(object.kind),
            &object.data,
            id,
        )
        .map(drop)
        .map_err(failed)
    }
}

fn gix_kind(kind: ObjectKind) -> gix::objs::Kind {
    match kind {
        ObjectKind::Commit => gix::objs::Kind::Commit,
        ObjectKind::Tree => gix::objs::Kind::Tree,
        ObjectKind::Blob => gix::objs::Kind::Blob,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// An empty repository, written by hand, and what becomes of `objects` in a check and in earnest.
    fn taken(objects: &[Object]) -> [Result<(), Refused>; 2] {
        [false, true].map(|writes| {
            let dir = tempfile::tempdir().unwrap();
            let git = dir.path().join(".git");
            for inner in ["objects", "refs/heads"] {
                std::fs::create_dir_all(git.join(inner)).unwrap();
            }
            std::fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
            std::fs::write(git.join("config"), "[core]\n\trepositoryFormatVersion = 0\n").unwrap();
            let repo = Repo::open_at(dir.path()).unwrap();
            Arrival::new(&repo, writes).take(objects.to_vec()).unwrap()
        })
    }

    fn object(kind: ObjectKind, data: Vec<u8>) -> (Object, Oid) {
        let name = match kind {
            ObjectKind::Commit => gix::objs::Kind::Commit,
            ObjectKind::Tree => gix::objs::Kind::Tree,
            ObjectKind::Blob => gix::objs::Kind::Blob,
        };
        let oid = from_gix(gix::objs::compute_hash(gix::hash::Kind::Sha1, name, &data).unwrap()).unwrap();
        (Object { kind, data }, oid)
    }

    fn tree(mode: &str, inner: &Oid) -> (Object, Oid) {
        object(ObjectKind::Tree, [format!("{mode} name\0").as_bytes(), inner.as_bytes()].concat())
    }

    fn commit(tree: &Oid, parent: Option<&Oid>) -> (Object, Oid) {
        let parent = parent.map_or_else(String::new, |id| format!("parent {id}\n"));
        let who = "A <a@example.com> 1700000000 +0000";
        let text = format!("tree {tree}\n{parent}author {who}\ncommitter {who}\n\nmade up\n");
        object(ObjectKind::Commit, text.into_bytes())
    }

    #[test]
    fn what_names_an_object_must_be_right_about_its_kind() {
        let (blob, blob_id) = object(ObjectKind::Blob, b"content\n".to_vec());
        let (good, good_id) = tree("100644", &blob_id);
        let (first, first_id) = commit(&good_id, None);
        let (second, _) = commit(&good_id, Some(&first_id));
        let whole = [blob.clone(), good.clone(), first.clone(), second];
        assert_eq!(taken(&whole), [Ok(()), Ok(())]);
        let wrong = [
            vec![blob.clone(), tree("40000", &blob_id).0],
            vec![blob.clone(), good.clone(), tree("100644", &good_id).0],
            vec![blob.clone(), commit(&blob_id, None).0],
            vec![blob.clone(), good.clone(), commit(&good_id, Some(&good_id)).0],
            vec![blob, good, first, tree("100644", &first_id).0],
        ];
        for objects in wrong {
            assert_eq!(taken(&objects), [Err(Refused::Malformed), Err(Refused::Malformed)]);
        }
    }

    #[test]
    fn what_is_only_looked_at_can_be_built_upon() {
        let mut held = Held::default();
        let (_, a) = object(ObjectKind::Blob, b"a".to_vec());
        let (_, b) = object(ObjectKind::Blob, b"b".to_vec());
        held.keep(a, b"first").unwrap();
        held.keep(b, b"second").unwrap();
        assert_eq!((held.read(&a), held.read(&b)), (Some(b"first".to_vec()), Some(b"second".to_vec())));
    }
}
