//! The histogram diff, after the public description of JGit's `HistogramDiff`.
//!
//! A region pair is split at its best common block: the block that contains the line rarest in the old region and,
//! among equally rare ones, the longest, and among those the first found. The parts before and after are handled
//! the same way. Lines that occur more than [`CHAIN_LIMIT`] times are not considered; where nothing rarer is
//! common, the region goes to the fallback.

#![expect(clippy::indexing_slicing, reason = "positions come from loops bounded by the slices they index")]

use std::ops::Range;

use super::diff::{Budget, Changes};
use super::myers;

/// Occurrences of a line in the old region above which it cannot anchor a split.
const CHAIN_LIMIT: u32 = 64;

/// No line: ends a chain of occurrences.
const NONE: u32 = u32::MAX;

/// A common block found by the scan.
#[derive(Clone, Copy)]
struct Block {
    old: usize,
    new: usize,
    len: usize,
}

enum Split {
    At(Block),
    NothingCommon,
    OnlyFrequent,
}

/// Marks in `changes` the lines that differ between `old` and `new`. `lines` is one more than the largest line id.
pub(super) fn diff(old: &[u32], new: &[u32], lines: usize, budget: &mut Budget, changes: &mut Changes) {
    let mut search = Search {
        old,
        new,
        first: vec![NONE; lines],
        count: vec![0; lines],
        next: vec![NONE; old.len()],
        budget,
    };
    // The regions are independent of each other, so their order is free; a stack of our own cannot overflow.
    let mut pending = vec![(0..old.len(), 0..new.len())];
    while let Some((in_old, in_new)) = pending.pop() {
        if in_old.is_empty() || in_new.is_empty() || search.budget.is_spent() {
            changes.mark(in_old, in_new);
            continue;
        }
        match search.split(in_old.clone(), in_new.clone()) {
            Split::NothingCommon => changes.mark(in_old, in_new),
            Split::OnlyFrequent => myers::diff(old, new, in_old, in_new, lines, search.budget, changes),
            Split::At(block) => {
                pending.push((block.old + block.len..in_old.end, block.new + block.len..in_new.end));
                pending.push((in_old.start..block.old, in_new.start..block.new));
            }
        }
    }
}

struct Search<'a> {
    old: &'a [u32],
    new: &'a [u32],
    /// Per line id: its first occurrence in the old region, and how often it occurs there.
    first: Vec<u32>,
    count: Vec<u32>,
    /// Per old line: the next occurrence of the same line in the old region.
    next: Vec<u32>,
    budget: &'a mut Budget,
}

impl Search<'_> {
    fn split(&mut self, in_old: Range<usize>, in_new: Range<usize>) -> Split {
        for at in in_old.clone().rev() {
            let line = self.old[at] as usize;
            self.next[at] = self.first[line];
            self.first[line] = at as u32;
            self.count[line] += 1;
        }
        let found = self.best_block(&in_old, &in_new);
        for &line in &self.old[in_old.clone()] {
            self.first[line as usize] = NONE;
            self.count[line as usize] = 0;
        }
        self.budget.spend((in_old.len() + in_new.len()) as u64);
        found
    }

    fn best_block(&mut self, in_old: &Range<usize>, in_new: &Range<usize>) -> Split {
        let mut best = Block { old: in_old.start, new: in_new.start, len: 0 };
        let mut rarest = CHAIN_LIMIT + 1;
        let mut common = false;
        let mut at_new = in_new.start;
        while at_new < in_new.end {
            let line = self.new[at_new] as usize;
            let occurrences = self.count[line];
            if occurrences == 0 || occurrences > rarest {
                common |= occurrences > 0;
                at_new += 1;
                continue;
            }
            common = true;
            let mut resume = at_new + 1;
            let mut at_old = self.first[line];
            while at_old != NONE {
                let (block, rarity) = self.extend(at_old as usize, at_new, in_old, in_new, occurrences);
                resume = resume.max(block.new + block.len);
                self.budget.spend(block.len as u64);
                // The next occurrence worth trying is one outside the block just seen.
                let block_end = block.old + block.len;
                if best.len < block.len || rarity < rarest {
                    best = block;
                    rarest = rarity;
                }
                while at_old != NONE && (at_old as usize) < block_end {
                    at_old = self.next[at_old as usize];
                }
            }
            at_new = resume;
        }
        if !common {
            Split::NothingCommon
        } else if rarest > CHAIN_LIMIT {
            Split::OnlyFrequent
        } else {
            Split::At(best)
        }
    }

    /// The longest common block through `at_old` and `at_new`, and the count of its rarest line.
    fn extend(
        &self,
        at_old: usize,
        at_new: usize,
        in_old: &Range<usize>,
        in_new: &Range<usize>,
        mut rarity: u32,
    ) -> (Block, u32) {
        let (mut start_old, mut start_new) = (at_old, at_new);
        while start_old > in_old.start
            && start_new > in_new.start
            && self.old[start_old - 1] == self.new[start_new - 1]
        {
            start_old -= 1;
            start_new -= 1;
            rarity = rarity.min(self.count[self.old[start_old] as usize]);
        }
        let (mut end_old, mut end_new) = (at_old + 1, at_new + 1);
        while end_old < in_old.end && end_new < in_new.end && self.old[end_old] == self.new[end_new] {
            rarity = rarity.min(self.count[self.old[end_old] as usize]);
            end_old += 1;
            end_new += 1;
        }
        (Block { old: start_old, new: start_new, len: end_old - start_old }, rarity)
    }
}
