//! Line diffs as git computes them, and their unified form.

use std::ops::Range;

use imara_diff::{Interner, Token};

use super::{compact, histogram};

/// Files cut into lines, each line replaced by a number that is equal exactly for equal lines.
pub(super) struct Lines<'a> {
    interner: Interner<&'a [u8]>,
}

/// One file of a [`Lines`].
pub(super) struct File<'a> {
    /// Each line with its terminator.
    pub(super) lines: Vec<&'a [u8]>,
    pub(super) ids: Vec<u32>,
}

impl<'a> Lines<'a> {
    /// For about `bytes` bytes of text.
    pub(super) fn new(bytes: usize) -> Self {
        // 40 bytes is the length of a common line of code; a wrong guess costs a reallocation.
        Self { interner: Interner::new(bytes / 40) }
    }

    pub(super) fn file(&mut self, content: &'a [u8]) -> File<'a> {
        let mut file = File {
            lines: Vec::with_capacity(content.len() / 32),
            ids: Vec::with_capacity(content.len() / 32),
        };
        for line in split(content) {
            file.lines.push(line);
            file.ids.push(self.interner.intern(line).0);
        }
        file
    }

    /// How many distinct lines there are.
    pub(super) fn distinct(&self) -> usize {
        self.interner.num_tokens() as usize
    }

    pub(super) fn line(&self, id: u32) -> &'a [u8] {
        self.interner[Token(id)]
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

/// A range of old lines and the range of new lines that replaces it; one of the two may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hunk {
    pub(super) old: Range<usize>,
    pub(super) new: Range<usize>,
}

/// The hunks from `old` to `new`, at least one unchanged line between any two.
pub(super) fn hunks(old: &[u32], new: &[u32], distinct: usize, rest: &mut impl compact::Rest) -> Vec<Hunk> {
    let mut changes = Changes { old: vec![false; old.len()], new: vec![false; new.len()] };
    histogram::diff(old, new, distinct, &mut changes);
    compact::slide(old, &mut changes.old, &changes.new, rest);
    compact::slide(new, &mut changes.new, &changes.old, rest);
    changes.hunks()
}
