//! Which file that is gone belongs to which file that is new, as git pairs them: the same content first, then the only
//! file of the same name, then what is most alike over all.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Trouble;
use crate::id::Oid;
use crate::path::RelPath;
use crate::text::similarity;

/// How alike two contents must be, in percent; git's default.
const ALIKE: u8 = 50;

/// From how alike on one name decides, as in git's merges.
const NAMESAKE: u8 = 75;

/// Contents compared, at most.
const COMPARISONS: usize = 5_000;

/// Bytes of contents held, at most, so as not to read them again for each comparison.
const MEMORY: usize = 64 << 20;

/// A file that is gone or new.
#[derive(Debug, Clone)]
pub(super) struct One {
    pub path: RelPath,
    /// The id of its content, where it is known.
    pub oid: Option<Oid>,
    pub size: Option<u64>,
    /// The other side has changed it too. The rest only takes part where a content is exactly theirs: git, too, stops
    /// asking about what nobody needs.
    pub wanted: bool,
}

/// New places by old ones; a new file is the new place of one file only.
pub(super) fn pairs(
    gone: &[One],
    new: &[One],
    read: impl FnMut(&One, bool) -> Result<Option<Vec<u8>>, Trouble>,
) -> Result<HashMap<RelPath, RelPath>, Trouble> {
    let mut out = Pairs { to: HashMap::new(), taken: HashSet::new() };
    let mut by_oid: HashMap<Oid, Vec<&One>> = HashMap::new();
    for one in new.iter().filter(|one| !is_empty(one)) {
        if let Some(oid) = one.oid {
            by_oid.entry(oid).or_default().push(one);
        }
    }
    // Namesakes choose before the others, so that of equal files each finds its own.
    for by_name in [true, false] {
        for from in gone.iter().filter(|from| from.oid.is_some()) {
            let same = from.oid.and_then(|oid| by_oid.get(&oid)).into_iter().flatten();
            let mut free = same.filter(|to| !out.taken.contains(&to.path));
            if !out.to.contains_key(&from.path)
                && let Some(to) = free.find(|to| !by_name || namesakes(from, to))
            {
                out.add(from, to);
            }
        }
    }
    let open: Vec<&One> =
        gone.iter().filter(|one| one.wanted && !is_empty(one) && !out.to.contains_key(&one.path)).collect();
    let free: Vec<&One> = new.iter().filter(|one| !is_empty(one) && !out.taken.contains(&one.path)).collect();
    let mut contents = Contents { read, held: HashMap::new(), bytes: 0, compared: 0 };
    by_name(&mut out, &open, &free, &mut contents)?;
    let mut scores = Vec::new();
    for from in open.iter().filter(|from| !out.to.contains_key(&from.path)) {
        let mut free: Vec<&&One> = free.iter().filter(|to| !out.taken.contains(&to.path)).collect();
        free.sort_by_key(|to| !namesakes(from, to));
        for to in free {
            let alike = contents.alike(from, to)?;
            if alike >= ALIKE {
                scores.push((alike, namesakes(from, to), *from, *to));
            }
        }
    }
    scores.sort_by(|a, b| {
        (b.0, b.1).cmp(&(a.0, a.1)).then_with(|| (&a.2.path, &a.3.path).cmp(&(&b.2.path, &b.3.path)))
    });
    for (_, _, from, to) in scores {
        if !out.to.contains_key(&from.path) && !out.taken.contains(&to.path) {
            out.add(from, to);
        }
    }
    Ok(out.to)
}

/// Pairs what is the only file of its name on both sides, and of several namesakes the one in the directory that most
/// of its neighbours have moved to.
fn by_name<R: FnMut(&One, bool) -> Result<Option<Vec<u8>>, Trouble>>(
    out: &mut Pairs,
    open: &[&One],
    free: &[&One],
    contents: &mut Contents<R>,
) -> Result<(), Trouble> {
    let (from_names, to_names) = (names(open), names(free));
    let moved = out.directories();
    for from in open {
        let name = from.path.name();
        let to = match (from_names.get(name).map(Vec::as_slice), to_names.get(name).map(Vec::as_slice)) {
            (Some([_]), Some([only])) => Some(*only),
            (_, Some(several)) => moved
                .get(from.path.parent().unwrap_or_default())
                .and_then(|dir| several.iter().find(|to| to.path.parent().unwrap_or_default() == *dir))
                .copied(),
            _ => None,
        };
        if let Some(to) = to.filter(|to| !out.taken.contains(&to.path))
            && contents.alike(from, to)? >= NAMESAKE
        {
            out.add(from, to);
        }
    }
    Ok(())
}

fn names<'a>(ones: &[&'a One]) -> HashMap<&'a [u8], Vec<&'a One>> {
    let mut out: HashMap<&[u8], Vec<&One>> = HashMap::new();
    for one in ones {
        out.entry(one.path.name()).or_default().push(one);
    }
    out
}

fn namesakes(a: &One, b: &One) -> bool {
    a.path.name() == b.path.name()
}

/// Empty files are all alike; git never takes one for another.
fn is_empty(one: &One) -> bool {
    one.size == Some(0)
}

/// What was found so far.
struct Pairs {
    to: HashMap<RelPath, RelPath>,
    taken: HashSet<RelPath>,
}

impl Pairs {
    fn add(&mut self, from: &One, to: &One) {
        self.taken.insert(to.path.clone());
        self.to.insert(from.path.clone(), to.path.clone());
    }

    /// Where most files of a directory have gone.
    fn directories(&self) -> HashMap<Vec<u8>, Vec<u8>> {
        let mut counts: BTreeMap<(&[u8], &[u8]), usize> = BTreeMap::new();
        for (from, to) in &self.to {
            let dirs = (from.parent().unwrap_or_default(), to.parent().unwrap_or_default());
            *counts.entry(dirs).or_default() += 1;
        }
        let mut best: HashMap<&[u8], (usize, &[u8])> = HashMap::new();
        for ((from, to), count) in counts {
            let at = best.entry(from).or_insert((0, to));
            if count > at.0 {
                *at = (count, to);
            }
        }
        best.into_iter().map(|(from, (_, to))| (from.to_vec(), to.to_vec())).collect()
    }
}

/// Contents, read once while there is room.
struct Contents<R> {
    read: R,
    held: HashMap<(RelPath, bool), Option<Vec<u8>>>,
    bytes: usize,
    compared: usize,
}

impl<R: FnMut(&One, bool) -> Result<Option<Vec<u8>>, Trouble>> Contents<R> {
    /// How alike the two are, in percent; 0 where nobody needs to look.
    fn alike(&mut self, from: &One, to: &One) -> Result<u8, Trouble> {
        if self.compared >= COMPARISONS {
            return Ok(0);
        }
        if let (Some(old), Some(new)) = (from.size, to.size)
            && !fits(old, new)
        {
            return Ok(0);
        }
        let old = self.content(from, true)?;
        if let (Some(Some(old)), Some(new)) = (self.held.get(&old), to.size)
            && !fits(old.len() as u64, new)
        {
            return Ok(0);
        }
        let new = self.content(to, false)?;
        self.compared += 1;
        let alike = match (self.held.get(&old), self.held.get(&new)) {
            (Some(Some(old)), Some(Some(new))) if !old.is_empty() && !new.is_empty() => similarity(old, new),
            _ => 0,
        };
        if self.bytes > MEMORY {
            self.held.clear();
            self.bytes = 0;
        }
        Ok(alike)
    }

    fn content(&mut self, one: &One, old: bool) -> Result<(RelPath, bool), Trouble> {
        let key = (one.path.clone(), old);
        if !self.held.contains_key(&key) {
            let content = (self.read)(one, old)?;
            self.bytes += content.as_ref().map_or(0, Vec::len);
            self.held.insert(key.clone(), content);
        }
        Ok(key)
    }
}

/// Sizes further apart than the least similarity cannot be alike enough; line endings may add to one.
fn fits(a: u64, b: u64) -> bool {
    a.min(b) >= a.max(b) / 3
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn one(path: &str, content: &str) -> One {
        let oid = Oid::from_bytes(&crate::digest::Digest::of(content.as_bytes()).as_bytes()[..20]);
        One { path: path.into(), oid, size: None, wanted: true }
    }

    fn found(gone: &[(&str, &str)], new: &[(&str, &str)]) -> Vec<(String, String)> {
        let ones =
            |list: &[(&str, &str)]| list.iter().map(|(path, text)| one(path, text)).collect::<Vec<_>>();
        let read = |one: &One, old: bool| {
            let list = if old { gone } else { new };
            let text = list.iter().find(|(path, _)| one.path == RelPath::from(*path)).unwrap().1;
            Ok(Some(text.as_bytes().to_vec()))
        };
        let pairs = pairs(&ones(gone), &ones(new), read).unwrap();
        let mut out: Vec<_> = pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        out.sort();
        out
    }

    const A: &str = "one\ntwo\nthree\nfour\n";
    const B: &str = "one\ntwo\nthree\nfive\n";

    #[test]
    fn the_same_content_comes_before_the_most_alike() {
        assert_eq!(found(&[("a", B), ("b", A)], &[("moved", A)]), [("b".into(), "moved".into())]);
        let both = found(&[("a", A), ("b", B)], &[("y", B), ("x", "one\ntwo\nthree\nsix\n")]);
        assert_eq!(both, [("a".into(), "x".into()), ("b".into(), "y".into())]);
    }

    #[test]
    fn of_equal_files_each_finds_its_own_name() {
        let moved = found(&[("old/a", A), ("old/b", A)], &[("new/b", A), ("new/a", A)]);
        assert_eq!(moved, [("old/a".into(), "new/a".into()), ("old/b".into(), "new/b".into())]);
    }

    #[test]
    fn what_is_not_alike_is_not_paired() {
        assert!(found(&[("a", A)], &[("b", "something\nelse\naltogether\n")]).is_empty());
    }

    #[test]
    fn the_only_file_of_a_name_comes_before_what_is_more_alike() {
        let (old, near, edited) = (A.repeat(4), A.repeat(4) + "5\n", A.repeat(4) + "one more line\n");
        let moved = found(&[("old/a", &old)], &[("new/b", &near), ("new/a", &edited)]);
        assert_eq!(moved, [("old/a".into(), "new/a".into())]);
    }

    #[test]
    fn of_several_namesakes_the_one_where_the_neighbours_went() {
        let (x, y) = (A.repeat(4) + "x\n", A.repeat(4) + "y\n");
        let (old, same) = (A.repeat(4), B.repeat(4));
        let moved = found(
            &[("old/mod", &old), ("old/neighbour", &same)],
            &[("aside/mod", &x), ("new/mod", &y), ("new/neighbour", &same)],
        );
        assert_eq!(moved[0], ("old/mod".into(), "new/mod".into()));
    }

    #[test]
    fn what_the_other_side_has_not_changed_is_only_paired_by_content() {
        let mut gone = [one("a", A), one("b", B)];
        gone[1].wanted = false;
        let new = [one("x", "one\ntwo\nthree\nsix\n")];
        let read = |one: &One, _: bool| {
            let text = match one.path.as_bytes() {
                b"a" => A,
                b"b" => B,
                _ => "one\ntwo\nthree\nsix\n",
            };
            Ok(Some(text.as_bytes().to_vec()))
        };
        assert_eq!(pairs(&gone, &new, read).unwrap().get(&gone[0].path), Some(&new[0].path));
        gone[0].wanted = false;
        assert!(pairs(&gone, &new, read).unwrap().is_empty());
    }

    #[test]
    fn empty_files_are_never_paired() {
        let empty = |path| One { size: Some(0), ..one(path, "") };
        let read = |_: &One, _: bool| Ok(Some(Vec::new()));
        assert!(pairs(&[empty("a")], &[empty("b")], read).unwrap().is_empty());
    }
}
