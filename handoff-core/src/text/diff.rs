//! Line diffs as git computes them, and their unified form.

use std::collections::HashMap;
use std::ops::Range;

use super::{compact, histogram};

/// Files cut into lines, each line replaced by a number that is equal exactly for equal lines.
pub(super) struct Lines<'a> {
    ids: HashMap<&'a [u8], u32>,
    /// Per id its line, and where in its file the line first stood.
    first: Vec<(&'a [u8], usize)>,
}

/// One file of a [`Lines`].
pub(super) struct File<'a> {
    /// Each line with its terminator.
    pub(super) lines: Vec<&'a [u8]>,
    pub(super) ids: Vec<u32>,
}

impl<'a> Lines<'a> {
    /// Cuts the first file; the others are expected to resemble it.
    pub(super) fn new(content: &'a [u8]) -> (Self, File<'a>) {
        // 32 bytes is the length of a common line of code; a wrong guess costs a reallocation.
        let about = content.len() / 32;
        let mut lines = Self { ids: HashMap::with_capacity(about), first: Vec::with_capacity(about) };
        let file = lines.file(content, &File { lines: Vec::new(), ids: Vec::new() });
        (lines, file)
    }

    /// Cuts another file, which probably shares long stretches with `like`, the first.
    pub(super) fn file(&mut self, content: &'a [u8], like: &File<'a>) -> File<'a> {
        let about = content.len() / 32;
        let mut file = File { lines: Vec::with_capacity(about), ids: Vec::with_capacity(about) };
        // Where `like` has the line to expect next. Comparing with it is cheaper than hashing.
        let mut expected = 0;
        for line in split(content) {
            let id = match (like.lines.get(expected), like.ids.get(expected)) {
                (Some(same), Some(id)) if *same == line => *id,
                _ => {
                    let id = self.intern(line, file.lines.len());
                    // Only a hint: a line first seen in another file points at some line that will not match.
                    expected = self.first.get(id as usize).map_or(expected, |(_, at)| *at);
                    id
                }
            };
            expected += 1;
            file.lines.push(line);
            file.ids.push(id);
        }
        file
    }

    fn intern(&mut self, line: &'a [u8], at: usize) -> u32 {
        *self.ids.entry(line).or_insert_with(|| {
            self.first.push((line, at));
            self.first.len() as u32 - 1
        })
    }

    /// How many distinct lines there are.
    pub(super) fn distinct(&self) -> usize {
        self.first.len()
    }

    pub(super) fn line(&self, id: u32) -> &'a [u8] {
        self.first.get(id as usize).map_or(&[], |(line, _)| line)
    }
}

/// The lines of `content`, each with its terminator, which only the last may lack.
pub(super) fn split(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.split_inclusive(|byte| *byte == b'\n')
}

/// Which lines differ: one flag per line of the old and of the new file. The unflagged lines of the two are equal.
pub(super) struct Changes {
    pub(super) old: Vec<bool>,
    pub(super) new: Vec<bool>,
}

impl Changes {
    /// Flags the lines of both ranges; a range outside its file flags nothing.
    pub(super) fn mark(&mut self, old: Range<usize>, new: Range<usize>) {
        if let Some(flags) = self.old.get_mut(old) {
            flags.fill(true);
        }
        if let Some(flags) = self.new.get_mut(new) {
            flags.fill(true);
        }
    }

    fn hunks(&self) -> Vec<Hunk> {
        let run = |flags: &[bool], from: usize| {
            flags.get(from..).unwrap_or_default().iter().take_while(|changed| **changed).count()
        };
        let (mut hunks, mut old, mut new) = (Vec::new(), 0, 0);
        while old < self.old.len() || new < self.new.len() {
            let hunk = Hunk { old: old..old + run(&self.old, old), new: new..new + run(&self.new, new) };
            (old, new) = (hunk.old.end + 1, hunk.new.end + 1);
            if !hunk.old.is_empty() || !hunk.new.is_empty() {
                hunks.push(hunk);
            }
        }
        hunks
    }
}

/// The steps one diff may take before it reports what remains as replaced as a whole.
///
/// Both algorithms, git's as well, are slower than linear on hostile input: the histogram takes the square of the
/// number of separate changes, the fallback the 1.5th power of the lines. The allowance is one to a few seconds of
/// work; half a million random lines of four kinds, or 15,000 separate changes, stay within it. Past it a diff is
/// coarser than git's, so that a merge finds more conflicts than git, not fewer.
pub(super) struct Budget {
    left: u64,
}

impl Budget {
    const FREE: u64 = 1_000_000_000;
    const PER_LINE: u64 = 1_000;

    fn for_lines(lines: usize) -> Self {
        Self::of(Self::FREE + Self::PER_LINE * lines as u64)
    }

    pub(super) fn of(steps: u64) -> Self {
        Self { left: steps }
    }

    pub(super) fn spend(&mut self, steps: u64) {
        self.left = self.left.saturating_sub(steps);
    }

    pub(super) fn is_spent(&self) -> bool {
        self.left == 0
    }
}

/// A range of old lines and the range of new lines that replaces it; one of the two may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hunk {
    pub(super) old: Range<usize>,
    pub(super) new: Range<usize>,
}

/// The hunks from `old` to `new`, at least one unchanged line between any two.
pub(super) fn hunks(old: &[u32], new: &[u32], distinct: usize, rest: &mut impl compact::Rest) -> Vec<Hunk> {
    let mut changes = Changes { old: vec![false; old.len()], new: vec![false; new.len()] };
    let mut budget = Budget::for_lines(old.len() + new.len());
    histogram::diff(old, new, distinct, &mut budget, &mut changes);
    compact::slide(old, &mut changes.old, &changes.new, rest);
    compact::slide(new, &mut changes.new, &changes.old, rest);
    changes.hunks()
}
