//! What is replayed of a history: its merges, and its commits onto others near them.

use std::collections::HashMap;

use crate::git::{Git, Result};

/// One handoff: the work of `theirs` since `base`, uncommitted, brought to `ours`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Case {
    pub kind: Kind,
    pub base: String,
    pub ours: String,
    pub theirs: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A commit onto its own parent.
    Commit,
    /// A commit onto another commit near it.
    Moved,
    /// One side of a merge onto the other.
    Merge,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Commit, Self::Moved, Self::Merge];

    pub fn name(self) -> &'static str {
        match self {
            Self::Commit => "commits onto their parents",
            Self::Moved => "commits onto others near them",
            Self::Merge => "merges, in both directions",
        }
    }
}

/// How far away the other commits are, along first parents.
const DISTANCES: [usize; 6] = [1, 3, 8, 20, 50, 120];

/// `count` of `all`, evenly spread.
fn spread<T>(all: Vec<T>, count: usize) -> Vec<T> {
    let total = all.len();
    if total <= count {
        return all;
    }
    let chosen = |at: usize| at * count / total != (at + 1) * count / total;
    all.into_iter().enumerate().filter(|(at, _)| chosen(*at)).map(|(_, one)| one).collect()
}

fn case(kind: Kind, base: &str, ours: &str, theirs: &str) -> Case {
    Case { kind, base: base.to_owned(), ours: ours.to_owned(), theirs: theirs.to_owned() }
}

/// Which commit is on which.
struct Graph {
    order: Vec<String>,
    parents: HashMap<String, Vec<String>>,
    /// By first parents.
    children: HashMap<String, String>,
}

impl Graph {
    fn of(git: &Git) -> Result<Self> {
        let mut graph = Self { order: Vec::new(), parents: HashMap::new(), children: HashMap::new() };
        for line in git.lines(&["rev-list", "--all", "--topo-order", "--parents"])? {
            let mut words = line.split(' ').map(str::to_owned);
            let Some(commit) = words.next() else { continue };
            let parents: Vec<String> = words.collect();
            if let Some(first) = parents.first() {
                graph.children.insert(first.clone(), commit.clone());
            }
            graph.parents.insert(commit.clone(), parents);
            graph.order.push(commit);
        }
        Ok(graph)
    }

    /// Every commit that is no merge, with its parent.
    fn commits(&self) -> Vec<(&str, &str)> {
        let parent = |commit: &String| match self.parents.get(commit).map(Vec::as_slice) {
            Some([parent]) => Some(parent.as_str()),
            _ => None,
        };
        self.order.iter().filter_map(|commit| Some((parent(commit)?, commit.as_str()))).collect()
    }

    /// `commit` brought to the commit `distance` before its parent, or after itself.
    fn moved(&self, parent: &str, commit: &str, distance: usize, before: bool) -> Option<Case> {
        let mut at = if before { parent } else { commit };
        for _ in 0..distance {
            let next =
                if before { self.parents.get(at).and_then(|all| all.first()) } else { self.children.get(at) };
            at = next.map_or(at, String::as_str);
        }
        (at != parent && at != commit).then(|| case(Kind::Moved, parent, at, commit))
    }
}

/// Every commit onto others at every distance: more than are handed off, for the texts in them.
pub fn distant(git: &Git) -> Result<Vec<Case>> {
    let graph = Graph::of(git)?;
    let mut out = Vec::new();
    for distance in DISTANCES {
        for (parent, commit) in graph.commits() {
            out.extend(
                [true, false].iter().filter_map(|before| graph.moved(parent, commit, distance, *before)),
            );
        }
    }
    Ok(out)
}

/// Up to `count` cases of each kind; every merge and commit of every branch where there are fewer.
pub fn cases(git: &Git, count: usize) -> Result<Vec<Case>> {
    let graph = Graph::of(git)?;
    let commits = graph.commits();
    let merges: Vec<(&str, &str)> = graph
        .order
        .iter()
        .filter_map(|commit| match graph.parents.get(commit).map(Vec::as_slice) {
            Some([one, two, ..]) => Some((one.as_str(), two.as_str())),
            _ => None,
        })
        .collect();
    let mut out = Vec::new();
    for (parent, commit) in spread(commits.clone(), count) {
        out.push(case(Kind::Commit, parent, parent, commit));
    }
    let mut moved = Vec::new();
    for (number, (parent, commit)) in commits.iter().enumerate() {
        for (turn, before) in [(0, true), (1, false)] {
            let distance = DISTANCES.get((number + turn) % DISTANCES.len()).copied().unwrap_or(1);
            moved.extend(graph.moved(parent, commit, distance, before));
        }
    }
    out.extend(spread(moved, count));
    for (one, two) in spread(merges, count.div_ceil(2)) {
        // Unrelated histories have no base, and with several bases git merges those first.
        let bases = git.output(&["merge-base", "--all", one, two])?.stdout;
        let bases = String::from_utf8_lossy(&bases).into_owned();
        let Some(base) = bases.lines().next() else { continue };
        if base != one && base != two {
            out.push(case(Kind::Merge, base, one, two));
            out.push(case(Kind::Merge, base, two, one));
        }
    }
    Ok(out)
}
