//! The fallback where every common line is too frequent for the histogram: Myers' linear-space diff
//! (E. W. Myers, "An O(ND) Difference Algorithm and its Variations", 1986) with the two heuristics that GNU diff
//! introduced and the crate `imara-diff` documents: lines that cannot or hardly match are set aside first, and an
//! expensive search for the middle of a path is cut short.

#![expect(clippy::indexing_slicing, reason = "positions come from loops bounded by the slices they index")]

use std::ops::Range;

use super::diff::{Budget, Changes};

/// The search may stop early only above this cost, and must at the largest of it and the diagonals' square root.
const MIN_COST_LIMIT: i64 = 256;
/// Equal lines in a row that count as a good stretch.
const GOOD_STRETCH: i64 = 20;
/// How far beyond the cost a path has to reach to be worth taking.
const REACH: i64 = 4;
/// A line is frequent when the other side has the square root of the file's lines of it, and at most this many.
const MOST_FREQUENT: usize = 1_024;
/// Lines looked at on either side of a frequent line.
const WINDOW: usize = 100;

/// Marks in `changes` what differs between `old[in_old]` and `new[in_new]`.
pub(super) fn diff(
    old: &[u32],
    new: &[u32],
    in_old: Range<usize>,
    in_new: Range<usize>,
    lines: usize,
    budget: &mut Budget,
    changes: &mut Changes,
) {
    let (old, new) = (&old[in_old.clone()], &new[in_new.clone()]);
    let (old_flags, new_flags) = (&mut changes.old[in_old], &mut changes.new[in_new]);
    let (old_counts, new_counts) = (counts(old, lines), counts(new, lines));
    let trim = common_edges(old, new);
    let old = Kept::new(old, &trim, &new_counts, old_flags);
    let new = Kept::new(new, &trim, &old_counts, new_flags);

    let mut search = Search::new(old.lines.len(), new.lines.len());
    let mut pending = vec![(0..old.lines.len(), 0..new.lines.len(), false)];
    while let Some((mut a, mut b, minimal)) = pending.pop() {
        let (head, tail) = common_edges(&old.lines[a.clone()], &new.lines[b.clone()]);
        a = a.start + head..a.end - tail;
        b = b.start + head..b.end - tail;
        let split = if a.is_empty() || b.is_empty() || budget.is_spent() {
            None
        } else {
            search.split(&old.lines[a.clone()], &new.lines[b.clone()], minimal, budget)
        };
        match split {
            None => {
                old.at[a].iter().for_each(|&at| old_flags[at] = true);
                new.at[b].iter().for_each(|&at| new_flags[at] = true);
            }
            Some(split) => {
                let (x, y) = (a.start + split.x, b.start + split.y);
                pending.push((a.start..x, b.start..y, split.minimal_before));
                pending.push((x..a.end, y..b.end, split.minimal_after));
            }
        }
    }
}

fn counts(lines: &[u32], distinct: usize) -> Vec<usize> {
    let mut counts = vec![0; distinct];
    for &line in lines {
        counts[line as usize] += 1;
    }
    counts
}

/// How many lines are equal at the beginning, and of the rest at the end.
fn common_edges(a: &[u32], b: &[u32]) -> (usize, usize) {
    let head = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let tail = a[head..].iter().rev().zip(b[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    (head, tail)
}

/// Two to the number of base-4 digits of `n`.
fn rough_root(n: usize) -> usize {
    1 << (usize::BITS - n.leading_zeros()).div_ceil(2)
}

/// The lines of one side that take part in the search, and where in their region they stand.
struct Kept {
    lines: Vec<u32>,
    at: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Match {
    Never,
    Some,
    Frequent,
}

impl Kept {
    /// Flags as changed the lines that have no counterpart, and frequent lines amid such lines.
    fn new(lines: &[u32], (head, tail): &(usize, usize), other: &[usize], flags: &mut [bool]) -> Self {
        let limit = rough_root(lines.len()).min(MOST_FREQUENT);
        let inner = *head..lines.len() - tail;
        let matches: Vec<Match> = lines[inner.clone()]
            .iter()
            .map(|&line| match other[line as usize] {
                0 => Match::Never,
                n if n >= limit => Match::Frequent,
                _ => Match::Some,
            })
            .collect();
        let mut kept = Self { lines: Vec::new(), at: Vec::new() };
        for (index, at) in inner.enumerate() {
            let drop = match matches[index] {
                Match::Never => true,
                Match::Some => false,
                Match::Frequent => among_unmatched(&matches, index),
            };
            if drop {
                flags[at] = true;
            } else {
                kept.lines.push(lines[at]);
                kept.at.push(at);
            }
        }
        kept
    }
}

/// Whether the frequent line at `index` stands among so many lines without counterpart that matching it would only
/// tear a change apart.
fn among_unmatched(matches: &[Match], index: usize) -> bool {
    fn tally<'a>(around: impl Iterator<Item = &'a Match>) -> (usize, usize) {
        let (mut never, mut frequent) = (0, 1);
        for found in around.take(WINDOW).take_while(|found| **found != Match::Some) {
            match found {
                Match::Never => never += 1,
                _ => frequent += 1,
            }
        }
        (never, frequent)
    }
    let (never_before, frequent_before) = tally(matches[..index].iter().rev());
    let (never_after, frequent_after) = tally(matches[index + 1..].iter());
    let (never, frequent) = (never_before + never_after, frequent_before + frequent_after);
    never_before > 0 && never_after > 0 && frequent * 4 < frequent + never
}

/// Where a region pair is cut in two, and whether the parts need an exact answer.
struct Split {
    x: usize,
    y: usize,
    minimal_before: bool,
    minimal_after: bool,
}

/// The furthest point reached on each diagonal (old position minus new position), from one corner.
struct Frontier {
    reached: Vec<i64>,
    /// Index of diagonal 0 in `reached`.
    zero: i64,
    low: i64,
    high: i64,
    middle: i64,
}

impl Frontier {
    fn restart(&mut self, zero: i64, middle: i64, reached: i64) {
        (self.zero, self.low, self.high, self.middle) = (zero, middle, middle, middle);
        self.set(middle, reached);
    }

    fn get(&self, diagonal: i64) -> i64 {
        self.reached[(diagonal + self.zero) as usize]
    }

    fn set(&mut self, diagonal: i64, reached: i64) {
        self.reached[(diagonal + self.zero) as usize] = reached;
    }

    /// Allows one more edit: one diagonal more on either side, or one less where the box ends. A diagonal never
    /// reached holds `unreached`.
    fn widen(&mut self, lowest: i64, highest: i64, unreached: i64) {
        if self.low > lowest {
            self.low -= 1;
            self.set(self.low - 1, unreached);
        } else {
            self.low += 1;
        }
        if self.high < highest {
            self.high += 1;
            self.set(self.high + 1, unreached);
        } else {
            self.high -= 1;
        }
    }

    fn covers(&self, diagonal: i64) -> bool {
        (self.low..=self.high).contains(&diagonal)
    }

    /// The diagonals in reach at this cost, highest first.
    fn diagonals(&self) -> impl Iterator<Item = i64> + use<> {
        let low = self.low;
        std::iter::successors(Some(self.high), |diagonal| Some(diagonal - 2)).take_while(move |d| *d >= low)
    }
}

struct Search {
    forward: Frontier,
    backward: Frontier,
    cost_limit: i64,
}

impl Search {
    fn new(old: usize, new: usize) -> Self {
        let diagonals = old + new + 3;
        let frontier = || Frontier { reached: vec![0; diagonals], zero: 0, low: 0, high: 0, middle: 0 };
        let cost_limit = MIN_COST_LIMIT.max(rough_root(diagonals) as i64);
        Self { forward: frontier(), backward: frontier(), cost_limit }
    }

    /// A point on a shortest, or at high cost merely good, path through the box. Neither side is empty and their
    /// first lines and their last lines differ. `None` if no point parts the box or the budget is spent.
    fn split(&mut self, old: &[u32], new: &[u32], minimal: bool, budget: &mut Budget) -> Option<Split> {
        let (width, height) = (old.len() as i64, new.len() as i64);
        let odd = (width - height) % 2 != 0;
        self.forward.restart(height + 1, 0, 0);
        self.backward.restart(height + 1, width - height, width);
        let mut cost: i64 = 0;
        loop {
            cost += 1;
            let mut stretch = false;
            let mut steps: i64 = 0;
            self.forward.widen(-height, width, -1);
            for diagonal in self.forward.diagonals() {
                let (below, above) = (self.forward.get(diagonal - 1), self.forward.get(diagonal + 1));
                let from = if below >= above { below + 1 } else { above };
                let mut x = from;
                while x < width && x - diagonal < height && old[x as usize] == new[(x - diagonal) as usize] {
                    x += 1;
                }
                steps += x - from + 1;
                stretch |= x - from > GOOD_STRETCH;
                self.forward.set(diagonal, x);
                if odd && self.backward.covers(diagonal) && self.backward.get(diagonal) <= x {
                    return part(x, x - diagonal, true, true, old, new);
                }
            }
            self.backward.widen(-height, width, i64::MAX);
            for diagonal in self.backward.diagonals() {
                let (below, above) = (self.backward.get(diagonal - 1), self.backward.get(diagonal + 1));
                let from = if below < above { below } else { above - 1 };
                let mut x = from;
                while x > 0 && x > diagonal && old[x as usize - 1] == new[(x - diagonal) as usize - 1] {
                    x -= 1;
                }
                steps += from - x + 1;
                stretch |= from - x > GOOD_STRETCH;
                self.backward.set(diagonal, x);
                if !odd && self.forward.covers(diagonal) && x <= self.forward.get(diagonal) {
                    return part(x, x - diagonal, true, true, old, new);
                }
            }
            budget.spend(steps.unsigned_abs());
            if budget.is_spent() {
                return None;
            }
            if minimal {
                continue;
            }
            if stretch && cost > MIN_COST_LIMIT {
                if let Some((x, y)) = self.good_forward(cost, old, new) {
                    return part(x, y, true, false, old, new);
                }
                if let Some((x, y)) = self.good_backward(cost, old, new) {
                    return part(x, y, false, true, old, new);
                }
            }
            if cost >= self.cost_limit {
                return self.furthest(old, new);
            }
        }
    }

    /// The end of a good stretch far along a path from the beginning.
    fn good_forward(&self, cost: i64, old: &[u32], new: &[u32]) -> Option<(i64, i64)> {
        let mut best = 0;
        let mut point = None;
        for diagonal in self.forward.diagonals() {
            let x = self.forward.get(diagonal);
            let y = x - diagonal;
            let value = x + y - (diagonal - self.forward.middle).abs();
            if value > REACH * cost
                && value > best
                && (GOOD_STRETCH..old.len() as i64).contains(&x)
                && (GOOD_STRETCH..new.len() as i64).contains(&y)
            {
                let (x_at, y_at, stretch) = (x as usize, y as usize, GOOD_STRETCH as usize);
                if old[x_at - stretch..x_at] == new[y_at - stretch..y_at] {
                    best = value;
                    point = Some((x, y));
                }
            }
        }
        point
    }

    /// The beginning of a good stretch far along a path from the end.
    fn good_backward(&self, cost: i64, old: &[u32], new: &[u32]) -> Option<(i64, i64)> {
        let (width, height) = (old.len() as i64, new.len() as i64);
        let mut best = 0;
        let mut point = None;
        for diagonal in self.backward.diagonals() {
            let x = self.backward.get(diagonal);
            let y = x.saturating_sub(diagonal);
            let value = (width - x) + (height - y) - (diagonal - self.backward.middle).abs();
            if value > REACH * cost
                && value > best
                && (1..=width - GOOD_STRETCH).contains(&x)
                && (1..=height - GOOD_STRETCH).contains(&y)
            {
                let (x_at, y_at, stretch) = (x as usize, y as usize, GOOD_STRETCH as usize);
                if old[x_at..x_at + stretch] == new[y_at..y_at + stretch] {
                    best = value;
                    point = Some((x, y));
                }
            }
        }
        point
    }

    /// The point furthest from its corner on any path.
    fn furthest(&self, old: &[u32], new: &[u32]) -> Option<Split> {
        let (width, height) = (old.len() as i64, new.len() as i64);
        let mut ahead = (-1, -1);
        for diagonal in self.forward.diagonals() {
            let x = self.forward.get(diagonal).min(width).min(height + diagonal);
            let sum = 2 * x - diagonal;
            if sum > ahead.0 {
                ahead = (sum, x);
            }
        }
        let mut behind = (i64::MAX, i64::MAX);
        for diagonal in self.backward.diagonals() {
            let x = self.backward.get(diagonal).max(0).max(diagonal);
            let sum = 2 * x - diagonal;
            if sum < behind.0 {
                behind = (sum, x);
            }
        }
        if width + height - behind.0 < ahead.0 {
            part(ahead.1, ahead.0 - ahead.1, true, false, old, new)
        } else {
            part(behind.1, behind.0 - behind.1, false, true, old, new)
        }
    }
}

/// The split at a point, unless the point is a corner that leaves the whole box on one side.
fn part(
    x: i64,
    y: i64,
    minimal_before: bool,
    minimal_after: bool,
    old: &[u32],
    new: &[u32],
) -> Option<Split> {
    let (x, y) = (usize::try_from(x).ok()?, usize::try_from(y).ok()?);
    let inside = x <= old.len() && y <= new.len();
    let corner = (x, y) == (0, 0) || (x, y) == (old.len(), new.len());
    (inside && !corner).then_some(Split { x, y, minimal_before, minimal_after })
}
