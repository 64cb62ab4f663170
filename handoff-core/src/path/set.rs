//! What is wrong with paths together that is wrong with none of them alone. Pure; takes time in proportion to the
//! bytes of all paths and memory in proportion to their number, however deep a hostile manifest makes them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::RelPath;
use super::check::PathFault;
use super::fold::fold;

/// One path of a repository's manifest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SetItem<'a> {
    pub path: &'a RelPath,
    pub after: After,
}

/// What is at a path when the snapshot is in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// A file or symlink.
    Leaf,
    /// An empty directory.
    Dir,
    /// Nothing: the snapshot deletes it.
    Gone,
}

/// What [`check_set`] found. Numbers are positions in its input.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SetFaults {
    /// Entries to be refused.
    pub faults: BTreeMap<usize, PathFault>,
    /// Entries whose fate depends on the target's file system.
    pub collisions: Vec<Collision>,
}

/// Names in one directory that some file system takes for one. Where the target does not keep all of `names`
/// apart, every one of `items` is to be refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Collision {
    /// The spellings, single components, at least two.
    pub names: BTreeSet<Vec<u8>>,
    /// Every entry at or below one of the names, in order.
    pub items: Vec<usize>,
}

/// Judges the entries of one repository together. Paths that [`RelPath::check`] refuses are left out by the
/// caller; links that [`check_link`](super::check_link) refuses are not, because what lies below such a link is
/// no better for the link being refused.
pub(crate) fn check_set(items: &[SetItem<'_>]) -> SetFaults {
    let mut found = SetFaults::default();
    let faults = &mut found.faults;
    each_directory(items, Cow::Borrowed, |members, names| {
        for same in names.values() {
            prefix_conflict(same, faults);
        }
        embedded_repository(members, faults);
    });
    let collisions = &mut found.collisions;
    each_directory(items, fold, |_, names| {
        collisions.extend(names.values().filter_map(|same| collision(same)))
    });
    found.collisions.sort_by(|a, b| a.items.cmp(&b.items));
    found
}

/// An entry as it is seen from a directory above it.
#[derive(Clone, Copy)]
struct Member<'a> {
    at: usize,
    after: After,
    /// The component in this directory.
    name: &'a [u8],
    /// What follows it; `None` when the entry is in this directory.
    below: Option<&'a [u8]>,
}

impl<'a> Member<'a> {
    fn new(at: usize, after: After, path: &'a [u8]) -> Self {
        match path.iter().position(|byte| *byte == b'/') {
            Some(slash) => {
                Self { at, after, name: path.get(..slash).unwrap_or(path), below: path.get(slash + 1..) }
            }
            None => Self { at, after, name: path, below: None },
        }
    }

    fn is_leaf(&self) -> bool {
        self.below.is_none() && self.after == After::Leaf
    }
}

/// Calls `visit` for each directory that holds two or more entries at any depth, with its members and with the
/// same grouped by `key` of their names. Deleted paths do not take part: they are gone before anything is
/// written.
fn each_directory<'a>(
    items: &[SetItem<'a>],
    key: impl Fn(&'a [u8]) -> Cow<'a, [u8]>,
    mut visit: impl FnMut(&[Member<'a>], &BTreeMap<Cow<'a, [u8]>, Vec<Member<'a>>>),
) {
    let remaining = items.iter().enumerate().filter(|(_, item)| item.after != After::Gone);
    let mut waiting = vec![
        remaining.map(|(at, item)| Member::new(at, item.after, item.path.as_bytes())).collect::<Vec<_>>(),
    ];
    while let Some(members) = waiting.pop() {
        let mut names: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for member in &members {
            names.entry(key(member.name)).or_default().push(*member);
        }
        visit(&members, &names);
        for same in names.into_values() {
            // One entry alone has nothing to disagree with, so its depth costs nothing.
            if same.len() > 1 {
                waiting.push(
                    same.iter()
                        .filter_map(|member| Some(Member::new(member.at, member.after, member.below?)))
                        .collect(),
                );
            }
        }
    }
}

/// A file or link where other entries need a directory: none of them is written.
fn prefix_conflict(same: &[Member<'_>], faults: &mut BTreeMap<usize, PathFault>) {
    if same.iter().any(Member::is_leaf) && same.iter().any(|member| member.below.is_some()) {
        faults.extend(same.iter().map(|member| (member.at, PathFault::PrefixConflict)));
    }
}

fn collision(same: &[Member<'_>]) -> Option<Collision> {
    let first = same.first()?.name;
    if same.iter().all(|member| member.name == first) {
        return None;
    }
    Some(Collision {
        names: same.iter().map(|member| member.name.to_vec()).collect(),
        items: same.iter().map(|member| member.at).collect(),
    })
}

/// What a git directory is made of. A refusal leaves the directory's other entries alone.
const GIT_DIR_PARTS: &[&str] = &[
    "head",
    "objects",
    "refs",
    "commondir",
    "config",
    "config.worktree",
    "description",
    "gitdir",
    "hooks",
    "index",
    "info",
    "logs",
    "modules",
    "packed-refs",
    "reftable",
    "worktrees",
];

/// A directory that git would take for a repository once the snapshot is in place: `HEAD` with `objects` and
/// `refs`, or `HEAD` with a `commondir` that says where those are. Git reads such a directory's `config`, which
/// can name programs to run.
fn embedded_repository(members: &[Member<'_>], faults: &mut BTreeMap<usize, PathFault>) {
    let parts: Vec<_> = members
        .iter()
        .map(|member| (member, fold(member.name)))
        .filter(|(_, name)| GIT_DIR_PARTS.iter().any(|part| part.as_bytes() == &**name))
        .collect();
    let has = |wanted: &str| parts.iter().any(|(_, name)| wanted.as_bytes() == &**name);
    let has_leaf =
        |wanted: &str| parts.iter().any(|(member, name)| member.is_leaf() && wanted.as_bytes() == &**name);
    if has_leaf("head") && (has_leaf("commondir") || has("objects") && has("refs")) {
        for (member, _) in parts {
            faults.entry(member.at).or_insert(PathFault::EmbeddedBareRepo);
        }
    }
}
