//! Commits that no remote has: finding them, and what is new in them.

mod held;
mod import;

use std::collections::{HashMap, HashSet};

pub(crate) use import::{Arrival, Refused};

use super::{Repo, from_gix, to_gix};
use crate::error::Error;
use crate::id::Oid;
use crate::path::RelPath;
use crate::snapshot::part::{MAX_OBJECT, ObjectKind};

/// Trees within one another that are followed; what git itself checks out is less deep.
const MAX_DEPTH: usize = 512;

/// Commits that HEAD has and no remote-tracking ref has.
#[derive(Debug, Default)]
pub(crate) struct Unpushed {
    /// Parents first, and always in the same order.
    pub commits: Vec<Oid>,
    /// What they build on, sorted.
    pub prerequisites: Vec<Oid>,
    /// There are more than were asked for; `commits` is then not to be used.
    pub too_many: bool,
}

/// Which commits are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those that no remote-tracking ref has.
    Unpushed,
    All,
}

/// The commits that are to travel, as far as they can be told.
pub(crate) enum Commits {
    /// There are none.
    None,
    /// There is no remote-tracking ref: nothing says what is anywhere else.
    NoRemote,
    These(Unpushed),
}

/// What the walk through commits meets.
pub(crate) enum Met {
    New(NewObject),
    /// A content that is carried already, where no parent of the commit has a file.
    Name {
        commit: Oid,
        path: RelPath,
    },
}

/// An object that came with an unpushed commit.
pub(crate) struct NewObject {
    pub kind: ObjectKind,
    pub oid: Oid,
    pub data: Vec<u8>,
    /// The commit that brought it.
    pub commit: Oid,
    /// Where the commit has it; empty for commits and their root trees.
    pub path: RelPath,
    /// What the commit's first parent has there.
    pub base: Option<Oid>,
}

/// Why the objects of unpushed commits cannot be listed to the end.
pub(crate) enum Broken<E> {
    /// An object is absent or damaged.
    Missing { commit: Oid, path: RelPath },
    /// An object is longer than what is carried.
    TooLarge { commit: Oid, path: RelPath },
    /// The caller wants no more.
    Stopped(E),
}

impl Repo {
    /// The commits that `head` reaches, and for [`Reach::Unpushed`] no remote-tracking ref does, up to `most`.
    ///
    /// Linear in those commits, and in those that remotes have and HEAD has not, as far as they are younger.
    pub fn unpushed(&self, head: &Oid, reach: Reach, most: u64) -> Result<Commits, Error> {
        let failed = |why: gix::Error| self.failed("looking for unpushed commits", why);
        let repo = self.local();
        let Some(head_id) = to_gix(head) else { return Ok(Commits::None) };
        let mut pushed = HashSet::new();
        if reach == Reach::Unpushed {
            let platform = repo.references().map_err(failed)?;
            for reference in platform.remote_branches().map_err(failed)? {
                // A ref that is broken, or names another ref (`origin/HEAD`), says nothing that others do not.
                let Ok(reference) = reference else { continue };
                if let Some(id) = reference.target().try_id() {
                    pushed.insert(id.to_owned());
                }
            }
            if pushed.is_empty() {
                return Ok(Commits::NoRemote);
            }
            if pushed.contains(&head_id) {
                return Ok(Commits::None);
            }
        }
        let known = pushed.into_iter().filter(|id| repo.has_object(*id));
        let walk = repo.rev_walk([head_id]).with_hidden(known).all().map_err(failed)?;
        let mut parents: HashMap<gix::ObjectId, Vec<gix::ObjectId>> = HashMap::new();
        for commit in walk {
            let commit = commit.map_err(failed)?;
            if parents.len() as u64 >= most {
                return Ok(Commits::These(Unpushed { too_many: true, ..Unpushed::default() }));
            }
            parents.insert(commit.id, commit.parent_ids.iter().copied().collect());
        }
        if parents.is_empty() {
            return Ok(Commits::None);
        }
        self.add_parents_cut_off(&repo, &mut parents)?;
        Ok(Commits::These(in_order(head_id, &parents)))
    }

    /// Where a shallow clone ends, a commit still names the parents that are not here.
    fn add_parents_cut_off(
        &self,
        repo: &gix::Repository,
        parents: &mut HashMap<gix::ObjectId, Vec<gix::ObjectId>>,
    ) -> Result<(), Error> {
        let cut_off = repo.shallow_commits().map_err(|why| self.failed("reading where history ends", why))?;
        let objects = Objects::new(self);
        for id in cut_off.iter().flat_map(|ends| ends.iter()) {
            let (Some(known), Some(oid)) = (parents.get_mut(id), from_gix(*id)) else { continue };
            if let Some((_, above)) = objects.read(&oid).and_then(|(_, data)| names_of(&data, objects.hash()))
            {
                *known = above.iter().filter_map(to_gix).collect();
            }
        }
        Ok(())
    }

    /// Calls `each` with every object that `unpushed` brings, contents before what names them, and with every new name
    /// of a content that came before. Objects that a parent has at the same path are not new; nor are those of a
    /// partial clone that are only at its remote.
    pub fn new_objects<E>(
        &self,
        unpushed: &Unpushed,
        each: &mut dyn FnMut(Met) -> Result<(), E>,
    ) -> Result<(), Broken<E>> {
        let partial = self.flags().partial_clone;
        let (seen, places) = (HashSet::new(), HashSet::new());
        let mut walk = Walk { objects: Objects::new(self), partial, seen, places, commit: None, each };
        unpushed.commits.iter().try_for_each(|commit| walk.commit(*commit))
    }
}

/// Parents before children, by going down from the tip along parents in their order.
fn in_order(tip: gix::ObjectId, parents: &HashMap<gix::ObjectId, Vec<gix::ObjectId>>) -> Unpushed {
    let (mut commits, mut done, mut prerequisites) = (Vec::new(), HashSet::new(), HashSet::new());
    let mut todo = vec![(tip, false)];
    while let Some((id, after)) = todo.pop() {
        let Some(above) = parents.get(&id) else {
            prerequisites.extend(from_gix(id));
            continue;
        };
        if after {
            commits.extend(from_gix(id));
        } else if done.insert(id) {
            todo.push((id, true));
            todo.extend(above.iter().rev().map(|parent| (*parent, false)));
        }
    }
    let mut prerequisites: Vec<Oid> = prerequisites.into_iter().collect();
    prerequisites.sort_unstable();
    Unpushed { commits, prerequisites, too_many: false }
}

/// Reads objects of every kind with one handle.
pub(crate) struct Objects<'a> {
    repo: gix::Repository,
    of: &'a Repo,
}

impl<'a> Objects<'a> {
    pub fn new(of: &'a Repo) -> Self {
        Self { repo: of.local(), of }
    }

    /// An object; `None` when it is absent, damaged or of no kind that is carried.
    pub fn read(&self, oid: &Oid) -> Option<(ObjectKind, Vec<u8>)> {
        if oid.format() != self.of.format() {
            return None;
        }
        let mut object = self.repo.try_find_object(to_gix(oid)?).ok()??;
        let kind = kind_of(object.kind)?;
        Some((kind, std::mem::take(&mut object.data)))
    }

    /// An object's kind without its content; `None` when it is absent or of no kind that is carried.
    pub fn kind(&self, oid: &Oid) -> Option<ObjectKind> {
        kind_of(self.repo.try_find_header(to_gix(oid)?).ok()??.kind())
    }

    /// An object's length without its content; `None` when it is absent.
    pub fn size(&self, oid: &Oid) -> Option<u64> {
        Some(self.repo.try_find_header(to_gix(oid)?).ok()??.size())
    }

    fn hash(&self) -> gix::hash::Kind {
        self.of.hash_kind()
    }
}

fn kind_of(kind: gix::objs::Kind) -> Option<ObjectKind> {
    match kind {
        gix::objs::Kind::Commit => Some(ObjectKind::Commit),
        gix::objs::Kind::Tree => Some(ObjectKind::Tree),
        gix::objs::Kind::Blob => Some(ObjectKind::Blob),
        gix::objs::Kind::Tag => None,
    }
}

/// One item of a tree.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Item {
    Tree(Oid),
    Blob(Oid),
}

/// What a tree holds, by name; commits of other repositories are left out.
fn items(data: &[u8], hash: gix::hash::Kind) -> Option<HashMap<Vec<u8>, Item>> {
    let mut out = HashMap::new();
    for entry in gix::objs::TreeRefIter::from_bytes(data, hash) {
        let entry = entry.ok()?;
        let oid = from_gix(entry.oid)?;
        let item = match entry.mode.kind() {
            gix::objs::tree::EntryKind::Commit => continue,
            gix::objs::tree::EntryKind::Tree => Item::Tree(oid),
            _ => Item::Blob(oid),
        };
        out.insert(entry.filename.to_vec(), item);
    }
    Some(out)
}

/// The tree and the parents that a commit names.
fn names_of(data: &[u8], hash: gix::hash::Kind) -> Option<(Oid, Vec<Oid>)> {
    let commit = gix::objs::CommitRef::from_bytes(data, hash).ok()?;
    let parents: Option<Vec<Oid>> = commit.parents().map(from_gix).collect();
    Some((from_gix(commit.tree())?, parents?))
}

struct Walk<'a, E> {
    objects: Objects<'a>,
    partial: bool,
    seen: HashSet<Oid>,
    /// Where trees were met, so that each is gone through once at each place.
    places: HashSet<(Oid, Vec<u8>)>,
    commit: Option<Oid>,
    each: &'a mut dyn FnMut(Met) -> Result<(), E>,
}

/// What is to be told of a tree.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tell {
    Objects,
    /// It is somewhere else already: only the names that its contents have here.
    Names,
}

impl<E> Walk<'_, E> {
    fn commit(&mut self, id: Oid) -> Result<(), Broken<E>> {
        self.commit = Some(id);
        let missing = || Broken::Missing { commit: id, path: RelPath::new("") };
        let (kind, data) = self.objects.read(&id).ok_or_else(missing)?;
        let (tree, parents) = names_of(&data, self.objects.hash()).ok_or_else(missing)?;
        let before: Vec<Oid> = parents
            .iter()
            .filter_map(|parent| Some(names_of(&self.objects.read(parent)?.1, self.objects.hash())?.0))
            .collect();
        self.tree(tree, &mut Vec::new(), &before, Tell::Objects)?;
        self.emit(NewObject {
            kind,
            oid: id,
            data,
            commit: id,
            path: RelPath::new(""),
            base: parents.first().copied(),
        })
    }

    /// `before`: what the commit's parents have at `path`.
    fn tree(&mut self, id: Oid, path: &mut Vec<u8>, before: &[Oid], tell: Tell) -> Result<(), Broken<E>> {
        if before.contains(&id) {
            return Ok(());
        }
        let met_here = !self.places.insert((id, path.clone()));
        let tell = if tell == Tell::Objects && self.seen.insert(id) { Tell::Objects } else { Tell::Names };
        if tell == Tell::Names && met_here {
            return Ok(());
        }
        let depth = path.iter().filter(|byte| **byte == b'/').count();
        let Some((_, data)) = self.objects.read(&id).filter(|_| depth < MAX_DEPTH) else {
            return self.absent(path);
        };
        let Some(mut now) =
            items(&data, self.objects.hash()).map(|items| items.into_iter().collect::<Vec<_>>())
        else {
            return self.absent(path);
        };
        now.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let then: Vec<HashMap<Vec<u8>, Item>> = before
            .iter()
            .filter_map(|tree| items(&self.objects.read(tree)?.1, self.objects.hash()))
            .collect();
        for (name, item) in now {
            let old = then.iter().filter_map(|items| items.get(&name));
            let len = path.len();
            if len > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(&name);
            match item {
                Item::Tree(tree) => {
                    let old: Vec<Oid> = old.filter_map(Item::tree).collect();
                    self.tree(tree, path, &old, tell)?;
                }
                Item::Blob(blob) => {
                    let old: Vec<Oid> = old.filter_map(Item::blob).collect();
                    if !old.contains(&blob) {
                        if tell == Tell::Objects && self.seen.insert(blob) {
                            self.blob(blob, path, old.first().copied())?;
                        } else if old.is_empty() {
                            self.name(path)?;
                        }
                    }
                }
            }
            path.truncate(len);
        }
        if tell == Tell::Names {
            return Ok(());
        }
        let commit = self.commit.unwrap_or(id);
        let (path, base) = (RelPath::new(path.as_slice()), before.first().copied());
        self.emit(NewObject { kind: ObjectKind::Tree, oid: id, data, commit, path, base })
    }

    fn blob(&mut self, oid: Oid, path: &[u8], base: Option<Oid>) -> Result<(), Broken<E>> {
        let commit = self.commit.unwrap_or(oid);
        if self.objects.size(&oid).is_some_and(|size| size > MAX_OBJECT as u64) {
            return Err(Broken::TooLarge { commit, path: RelPath::new(path) });
        }
        let Some((kind, data)) = self.objects.read(&oid) else { return self.absent(path) };
        self.emit(NewObject { kind, oid, data, commit, path: RelPath::new(path), base })
    }

    fn emit(&mut self, object: NewObject) -> Result<(), Broken<E>> {
        if object.data.len() > MAX_OBJECT {
            return Err(Broken::TooLarge { commit: object.commit, path: object.path });
        }
        (self.each)(Met::New(object)).map_err(Broken::Stopped)
    }

    fn name(&mut self, path: &[u8]) -> Result<(), Broken<E>> {
        let Some(commit) = self.commit else { return Ok(()) };
        (self.each)(Met::Name { commit, path: RelPath::new(path) }).map_err(Broken::Stopped)
    }

    /// In a partial clone, what is absent is at the remote, and so nothing new.
    fn absent(&self, path: &[u8]) -> Result<(), Broken<E>> {
        match self.commit {
            Some(commit) if !self.partial => Err(Broken::Missing { commit, path: RelPath::new(path) }),
            _ => Ok(()),
        }
    }
}

impl Item {
    fn tree(&self) -> Option<Oid> {
        match self {
            Self::Tree(oid) => Some(*oid),
            Self::Blob(_) => None,
        }
    }

    fn blob(&self) -> Option<Oid> {
        match self {
            Self::Blob(oid) => Some(*oid),
            Self::Tree(_) => None,
        }
    }
}
