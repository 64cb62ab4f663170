//! Which file that is gone belongs to which file that is new, as git pairs them: the same content first, then what is
//! most alike over all.

use std::collections::{HashMap, HashSet};

use super::Trouble;
use crate::id::Oid;
use crate::path::RelPath;
use crate::text::similarity;

/// How alike two contents must be, in percent; git's default.
const ALIKE: u8 = 50;

/// From how alike on one name decides, as in git's merges.
const NAMESAKE: u8 = 75;

/// Contents compared, at most. Git's own limit is of the same order.
const COMPARISONS: usize = 2_000;

/// A file that is gone or new.
#[derive(Debug, Clone)]
pub(super) struct One {
    pub path: RelPath,
    /// The id of its content, where it is known.
    pub oid: Option<Oid>,
    pub size: Option<u64>,
    /// Somebody will ask for it, so that it is compared first.
    pub wanted: bool,
}

/// New places by old ones; a new file is the new place of one file only.
pub(super) fn pairs(
    gone: &[One],
    new: &[One],
    mut read: impl FnMut(&One, bool) -> Result<Option<Vec<u8>>, Trouble>,
) -> Result<HashMap<RelPath, RelPath>, Trouble> {
    let mut out = HashMap::new();
    let mut taken: HashSet<&RelPath> = HashSet::new();
    let mut by_oid: HashMap<Oid, Vec<&One>> = HashMap::new();
    for one in new {
        if let Some(oid) = one.oid {
            by_oid.entry(oid).or_default().push(one);
        }
    }
    let namesakes = |a: &One, b: &One| a.path.name() == b.path.name();
    // Namesakes choose before the others, so that of equal files each finds its own.
    for by_name in [true, false] {
        for from in gone.iter().filter(|from| from.oid.is_some()) {
            if out.contains_key(&from.path) {
                continue;
            }
            let same = from.oid.and_then(|oid| by_oid.get(&oid)).into_iter().flatten();
            let mut free = same.filter(|to| !taken.contains(&to.path));
            if let Some(to) = free.find(|to| !by_name || namesakes(from, to)) {
                taken.insert(&to.path);
                out.insert(from.path.clone(), to.path.clone());
            }
        }
    }
    let mut scores = Vec::new();
    let mut compared = 0;
    let rest = |wanted: bool| gone.iter().filter(move |one| one.wanted == wanted);
    'all: for from in rest(true).chain(rest(false)) {
        if out.contains_key(&from.path) {
            continue;
        }
        let mut content = None;
        let mut free: Vec<&One> = new.iter().filter(|to| !taken.contains(&to.path)).collect();
        free.sort_by_key(|to| !namesakes(from, to));
        for to in free {
            if compared >= COMPARISONS {
                break 'all;
            }
            if content.is_none() {
                content = Some(read(from, true)?);
            }
            let Some(Some(old)) = &content else { break };
            // Sizes further apart than the least similarity cannot be alike enough.
            let (low, high) = (old.len() as u64 / 2, old.len() as u64 * 2 + 1);
            if to.size.is_some_and(|size| size < low || size > high) {
                continue;
            }
            compared += 1;
            let Some(bytes) = read(to, false)? else { continue };
            let alike = similarity(old, &bytes);
            if alike >= ALIKE {
                let same_name = namesakes(from, to);
                scores.push((same_name && alike >= NAMESAKE, alike, same_name, &from.path, &to.path));
            }
        }
    }
    scores.sort_by(|a, b| (b.0, b.1, b.2).cmp(&(a.0, a.1, a.2)).then_with(|| (a.3, a.4).cmp(&(b.3, b.4))));
    for (_, _, _, from, to) in scores {
        if !out.contains_key(from) && taken.insert(to) {
            out.insert(from.clone(), to.clone());
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
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
}
