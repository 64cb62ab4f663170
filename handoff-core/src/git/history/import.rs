//! Commits that arrive: every id computed here, every name looked at, and nothing stored before what it names is.

use std::collections::{HashMap, HashSet};

use super::{Item, MAX_DEPTH, Objects, items, names_of};
use crate::error::Error;
use crate::git::{BlobHasher, Repo, from_gix, to_gix};
use crate::id::Oid;
use crate::path::{PathLimits, RelPath};
use crate::snapshot::part::{Object, ObjectKind};

/// Why objects that arrived are not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is not what git would make.
    Malformed,
    /// A tree has a name that no checkout may have.
    Unsafe(RelPath),
    /// It names an object that neither came nor is here.
    Incomplete(Oid),
}

/// Takes the objects of one history, part by part.
pub(crate) struct Arrival<'a> {
    repo: &'a Repo,
    objects: Objects<'a>,
    partial: bool,
    writes: bool,
    /// Everything that came and was found to be in order.
    came: HashSet<Oid>,
    /// What came while nothing is written, since later parts build on it.
    held: HashMap<Oid, Vec<u8>>,
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
            came: HashSet::new(),
            held: HashMap::new(),
        }
    }

    /// The content of an object that is here, or came before.
    pub fn base(&self, oid: &Oid) -> Option<Vec<u8>> {
        self.held.get(oid).cloned().or_else(|| self.objects.read(oid).map(|(_, data)| data))
    }

    /// Whether a commit is here, or came.
    pub fn has(&self, oid: &Oid) -> bool {
        self.came.contains(oid) || self.repo.has_object(oid)
    }

    /// Takes the objects of one part: all of them or, after an error, none or some that name nothing absent.
    pub fn take(&mut self, objects: Vec<Object>) -> Result<Result<(), Refused>, Error> {
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
            if self.writes {
                self.store(&oid, &object)?;
            } else {
                self.held.insert(oid, object.data);
            }
            self.came.insert(oid);
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
        let mut todo = vec![(oid, false, depth)];
        while let Some((oid, after, depth)) = todo.pop() {
            if after {
                order.push(oid);
                continue;
            }
            let Some(object) = part.get(&oid) else {
                if self.has(&oid) || self.partial {
                    continue;
                }
                return Err(Refused::Incomplete(oid));
            };
            if !placed.insert(oid) {
                continue;
            }
            if depth > MAX_DEPTH {
                return Err(Refused::Malformed);
            }
            todo.push((oid, true, depth));
            match object.kind {
                ObjectKind::Blob => {}
                ObjectKind::Tree => {
                    for item in self.safe_items(&object.data)? {
                        let (Item::Tree(inner) | Item::Blob(inner)) = item;
                        todo.push((inner, false, depth + 1));
                    }
                }
                ObjectKind::Commit => {
                    let (tree, parents) =
                        names_of(&object.data, self.repo.hash_kind()).ok_or(Refused::Malformed)?;
                    todo.push((tree, false, 0));
                    todo.extend(parents.into_iter().map(|parent| (parent, false, 0)));
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
