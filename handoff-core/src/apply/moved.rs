//! Where the snapshot itself has moved a file that the target has changed. A snapshot holds no renames: a file that
//! is gone and a new one belong together when their contents are alike, found in the order in which git finds them.

use std::collections::{HashMap, HashSet};

use super::sides::{Reader, Trouble};
use super::state::HELD;
use crate::snapshot::{Entry, FileState};
use crate::text::similarity;

/// How alike two contents must be, in percent: git's defaults, in general and where the file name alone is the same.
const ALIKE: u8 = 50;
const ALIKE_BY_NAME: u8 = 75;

/// Contents compared for one repository, at most.
const COMPARISONS: usize = 4_000;

/// A file that is gone and its new place, as positions in the entries.
pub(super) type Pairs = HashMap<usize, usize>;

/// Finds the new places of those `gone` entries that are in `wanted`. The others only take part where a content is
/// exactly theirs, because git, too, stops asking about files that the other side has not changed.
pub(super) fn pairs(
    reader: &Reader<'_>,
    entries: &[Entry],
    gone: &[usize],
    wanted: &HashSet<usize>,
) -> Result<Pairs, Trouble> {
    let mut out = Pairs::new();
    if wanted.is_empty() {
        return Ok(out);
    }
    let entry = |at: &usize| entries.get(*at);
    let base =
        |at: &usize| entry(at).and_then(|entry| entry.head.as_ref()).filter(|head| head.mode.is_file());
    let mut free: Vec<usize> =
        (0..entries.len()).filter(|at| entry(at).is_some_and(|entry| new_file(entry).is_some())).collect();
    let name = |at: &usize| entry(at).map(|entry| entry.path.name());
    for at in gone {
        let Some(oid) = base(at).and_then(|base| base.oid) else { continue };
        let same = |to: &&usize| entry(to).and_then(new_file).and_then(|state| state.oid) == Some(oid);
        let place =
            free.iter().filter(same).find(|to| name(to) == name(at)).or_else(|| free.iter().find(same));
        if let Some(to) = place.copied() {
            free.retain(|other| *other != to);
            out.insert(*at, to);
        }
    }
    let mut open: Vec<usize> =
        gone.iter().copied().filter(|at| wanted.contains(at) && !out.contains_key(at)).collect();
    let mut contents = Contents { reader, entries, held: HashMap::new(), compared: 0 };
    // One file of this name gone and one new: git looks at these before any others.
    for at in open.clone() {
        let of_name = |all: &[usize]| all.iter().filter(|other| name(other) == name(&at)).count();
        let only = free.iter().find(|to| name(to) == name(&at)).copied();
        if let Some(to) = only.filter(|_| of_name(&open) == 1 && of_name(&free) == 1)
            && contents.alike(at, to)? >= ALIKE_BY_NAME
        {
            free.retain(|other| *other != to);
            open.retain(|other| *other != at);
            out.insert(at, to);
        }
    }
    let mut scores = Vec::new();
    for at in &open {
        for to in &free {
            let alike = contents.alike(*at, *to)?;
            if alike >= ALIKE {
                scores.push((alike, name(at) == name(to), *at, *to));
            }
        }
    }
    scores.sort_by(|a, b| (b.0, b.1).cmp(&(a.0, a.1)).then((a.2, a.3).cmp(&(b.2, b.3))));
    let mut taken = HashSet::new();
    for (_, _, at, to) in scores {
        if !out.contains_key(&at) && taken.insert(to) {
            out.insert(at, to);
        }
    }
    out.retain(|at, _| wanted.contains(at));
    Ok(out)
}

/// The file that an entry creates.
fn new_file(entry: &Entry) -> Option<&FileState> {
    entry.worktree.as_ref().filter(|state| entry.head.is_none() && state.mode.is_file())
}

/// Contents, read once.
struct Contents<'a, 'r> {
    reader: &'a Reader<'r>,
    entries: &'a [Entry],
    held: HashMap<usize, Option<Vec<u8>>>,
    compared: usize,
}

impl Contents<'_, '_> {
    fn alike(&mut self, gone: usize, new: usize) -> Result<u8, Trouble> {
        let sizes = [gone, new].map(|at| self.entries.get(at).and_then(state).map_or(0, |state| state.size));
        let [low, high] = [sizes[0].min(sizes[1]), sizes[0].max(sizes[1])];
        // Sizes further apart than the least similarity cannot be alike enough; line endings may add to one.
        if low == 0 || high > HELD || low < high / 3 || self.compared >= COMPARISONS {
            return Ok(0);
        }
        self.compared += 1;
        for at in [gone, new] {
            if !self.held.contains_key(&at) {
                let content = self.read(at)?;
                self.held.insert(at, content);
            }
        }
        Ok(match (self.held.get(&gone), self.held.get(&new)) {
            (Some(Some(a)), Some(Some(b))) => similarity(a, b),
            _ => 0,
        })
    }

    fn read(&self, at: usize) -> Result<Option<Vec<u8>>, Trouble> {
        let Some(entry) = self.entries.get(at) else { return Ok(None) };
        match new_file(entry) {
            Some(new) => self.reader.carried(new).map(Some),
            None => entry.head.as_ref().map_or(Ok(None), |head| self.reader.stored(head)),
        }
    }
}

/// What is compared of an entry: what it creates, or what it takes away.
fn state(entry: &Entry) -> Option<&FileState> {
    new_file(entry).or(entry.head.as_ref())
}
