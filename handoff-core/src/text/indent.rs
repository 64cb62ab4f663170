//! Where a group of changed lines rests when it can slide freely: the indent heuristic of `git diff`, as published
//! with the diff-slider-tools study (whose corpus gave the weights).
//!
//! Each resting place has two splits, one above and one below the group. Splits score well beside blank lines and
//! where little indented blocks begin, badly inside blocks.

use std::cmp::Ordering;
use std::ops::Range;

use super::compact::Rest;

/// Columns per tab stop, and the indentation above which lines count as equally deep.
const TAB: i32 = 8;
const DEEPEST: i32 = 200;
/// Blank lines looked at around a split, and places tried.
const MOST_BLANKS: i32 = 20;
const MOST_PLACES: usize = 100;

const START_OF_FILE: i32 = 1;
const END_OF_FILE: i32 = 21;
const PER_BLANK: i32 = -30;
const PER_BLANK_BELOW: i32 = 6;
const DEEPER: i32 = -4;
const DEEPER_AFTER_BLANK: i32 = 10;
const BETWEEN: i32 = 24;
const BETWEEN_AFTER_BLANK: i32 = 17;
const SHALLOWER: i32 = 23;
const SHALLOWER_AFTER_BLANK: i32 = 17;
/// What a smaller indentation of the splits weighs against all of the above.
const INDENTATION: i32 = 60;

/// Rests groups by the indentation of the lines around them; `text` gives a line by its id.
pub(super) struct ByIndent<F> {
    pub(super) text: F,
}

#[derive(Clone, Copy, Default)]
struct Score {
    indent: i32,
    penalty: i32,
}

impl<'a, F: Fn(u32) -> &'a [u8]> Rest for ByIndent<F> {
    fn end(&mut self, lines: &[u32], lowest: Range<usize>, earliest_end: usize) -> usize {
        let size = lowest.len();
        // Nearer places show the same contexts again, so a group need not go further up than its own length.
        let first =
            earliest_end.max(lowest.start.saturating_sub(1)).max(lowest.end.saturating_sub(MOST_PLACES));
        let mut best: Option<(Score, usize)> = None;
        for end in first..=lowest.end {
            let mut score = Score::default();
            self.add_split(lines, end, &mut score);
            self.add_split(lines, end - size, &mut score);
            if best.is_none_or(|(least, _)| score.compared_to(least) <= 0) {
                best = Some((score, end));
            }
        }
        best.map_or(lowest.end, |(_, end)| end)
    }
}

impl Score {
    /// Negative when this one is better, zero when the two are equally good.
    fn compared_to(self, other: Self) -> i32 {
        let indent = match self.indent.cmp(&other.indent) {
            Ordering::Less => -INDENTATION,
            Ordering::Equal => 0,
            Ordering::Greater => INDENTATION,
        };
        indent + self.penalty - other.penalty
    }
}

impl<'a, F: Fn(u32) -> &'a [u8]> ByIndent<F> {
    /// Adds what a split above line `at` costs.
    fn add_split(&self, lines: &[u32], at: usize, score: &mut Score) {
        let (above, from) = lines.split_at(at.min(lines.len()));
        let here = from.first().and_then(|line| indent((self.text)(*line)));
        let (blanks_above, indent_above) = self.look(above.iter().rev());
        let (blanks_below, indent_below) = self.look(from.iter().skip(1));

        if indent_above.is_none() && blanks_above == 0 {
            score.penalty += START_OF_FILE;
        }
        if from.is_empty() {
            score.penalty += END_OF_FILE;
        }
        // Blank lines below count only when the split itself is at one.
        let below = if here.is_none() { 1 + blanks_below } else { 0 };
        let blanks = blanks_above + below;
        score.penalty += PER_BLANK * blanks + PER_BLANK_BELOW * below;

        let Some(depth) = here.or(indent_below) else {
            score.indent -= 1;
            return;
        };
        score.indent += depth;
        let Some(indent_above) = indent_above else { return };
        let (plain, after_blank) = match depth.cmp(&indent_above) {
            Ordering::Equal => return,
            Ordering::Greater => (DEEPER, DEEPER_AFTER_BLANK),
            // Such as an `else` between two blocks.
            Ordering::Less if indent_below.is_some_and(|below| below > depth) => {
                (BETWEEN, BETWEEN_AFTER_BLANK)
            }
            Ordering::Less => (SHALLOWER, SHALLOWER_AFTER_BLANK),
        };
        score.penalty += if blanks > 0 { after_blank } else { plain };
    }

    /// How many blank lines come first in `lines`, and the indentation of the line after them.
    fn look<'l>(&self, lines: impl Iterator<Item = &'l u32>) -> (i32, Option<i32>) {
        let mut blanks = 0;
        for line in lines {
            if let Some(depth) = indent((self.text)(*line)) {
                return (blanks, Some(depth));
            }
            blanks += 1;
            if blanks == MOST_BLANKS {
                return (blanks, Some(0));
            }
        }
        (blanks, None)
    }
}

/// The column at which `line` begins; `None` if it is blank.
fn indent(line: &[u8]) -> Option<i32> {
    let mut column = 0;
    for byte in line {
        match byte {
            b' ' => column += 1,
            b'\t' => column += TAB - column % TAB,
            b'\n' | b'\r' => {}
            _ => return Some(column),
        }
        if column >= DEEPEST {
            return Some(DEEPEST);
        }
    }
    None
}
