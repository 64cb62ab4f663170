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

/// Up to `count` cases of each kind; every merge and commit of every branch where there are fewer.
pub fn cases(git: &Git, count: usize) -> Result<Vec<Case>> {
    let mut parents: HashMap<String, Vec<String>> = HashMap::new();
    let mut order = Vec::new();
    for line in git.lines(&["rev-list", "--all", "--topo-order", "--parents"])? {
        let mut words = line.split(' ').map(str::to_owned);
        let Some(commit) = words.next() else { continue };
        parents.insert(commit.clone(), words.collect());
        order.push(commit);
    }
    let mut children: HashMap<&str, &str> = HashMap::new();
    for commit in &order {
        if let Some(first) = parents.get(commit).and_then(|all| all.first()) {
            children.insert(first, commit);
        }
    }
    let first = |commit: &str| parents.get(commit).and_then(|all| all.first());
    let mut merges = Vec::new();
    let mut commits = Vec::new();
    for commit in &order {
        match parents.get(commit).map(Vec::as_slice) {
            Some([one, two, ..]) => merges.push((one.clone(), two.clone())),
            Some([parent]) => commits.push((parent.clone(), commit.clone())),
            _ => {}
        }
    }
    let mut out = Vec::new();
    let case = |kind, base: &str, ours: &str, theirs: &str| Case {
        kind,
        base: base.to_owned(),
        ours: ours.to_owned(),
        theirs: theirs.to_owned(),
    };
    for (parent, commit) in spread(commits.clone(), count) {
        out.push(case(Kind::Commit, &parent, &parent, &commit));
    }
    let mut moved = Vec::new();
    for (number, (parent, commit)) in commits.iter().enumerate() {
        for turn in 0..2 {
            let distance = DISTANCES.get((number + turn) % DISTANCES.len()).copied().unwrap_or(1);
            let mut at = if turn == 0 { parent.as_str() } else { commit.as_str() };
            for _ in 0..distance {
                let next = if turn == 0 { first(at).map(String::as_str) } else { children.get(at).copied() };
                at = next.unwrap_or(at);
            }
            if at != parent && at != commit {
                moved.push(case(Kind::Moved, parent, at, commit));
            }
        }
    }
    out.extend(spread(moved, count));
    for (one, two) in spread(merges, count.div_ceil(2)) {
        // Unrelated histories have no base, and with several bases git merges those first.
        let bases = git.output(&["merge-base", "--all", &one, &two])?.stdout;
        let bases = String::from_utf8_lossy(&bases).into_owned();
        let Some(base) = bases.lines().next() else { continue };
        if base != one && base != two {
            out.push(case(Kind::Merge, base, &one, &two));
            out.push(case(Kind::Merge, base, &two, &one));
        }
    }
    Ok(out)
}
