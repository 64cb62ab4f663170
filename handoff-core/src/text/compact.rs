//! Moves changed groups of lines to where a reader, and git, expects them.
//!
//! A run of changed lines can often slide: when the line above it equals its last line, or the line below it equals
//! its first, the run describes the same change one line up or down. The rules are those git's documentation of
//! `--indent-heuristic` and the diff-slider-tools study describe: slide each group as far up and then as far down
//! as it goes, joining every group it meets, until it no longer grows; then rest it on the last position where
//! it faces a change on the other side, else where the heuristic likes it best, else at the bottom.

#![expect(clippy::indexing_slicing, reason = "groups lie within the slices they were found in")]

use std::ops::Range;

/// Where a group that faces no change may rest: called with the lines of the file, the group at its lowest position
/// and its end at the highest; returns the chosen end.
pub(super) trait Rest {
    fn end(&mut self, lines: &[u32], lowest: Range<usize>, earliest_end: usize) -> usize;
}

/// Groups rest as low as they can, as in `git merge-file`.
pub(super) struct Lowest;

impl Rest for Lowest {
    fn end(&mut self, _: &[u32], lowest: Range<usize>, _: usize) -> usize {
        lowest.end
    }
}

/// Slides the groups of `changed`, one flag per line of `lines`. `other` is the other file's flags.
///
/// Both files have the same number of unchanged lines, so group number n of one (the possibly empty run of changed
/// lines before its n-th unchanged line) lies opposite group number n of the other.
pub(super) fn slide(lines: &[u32], changed: &mut [bool], other: &[bool], rest: &mut impl Rest) {
    let mut file = Side { lines, changed, group: 0..0 };
    file.group.end = run_end(file.changed, 0);
    let mut facing = 0..run_end(other, 0);
    loop {
        if !file.group.is_empty() {
            settle(&mut file, other, &mut facing, rest);
        }
        if file.group.end >= lines.len() || facing.end >= other.len() {
            return;
        }
        file.group = file.group.end + 1..run_end(file.changed, file.group.end + 1);
        step_down(other, &mut facing);
    }
}

fn settle(file: &mut Side<'_>, other: &[bool], facing: &mut Range<usize>, rest: &mut impl Rest) {
    let mut earliest_end;
    let mut aligned;
    loop {
        let size = file.group.len();
        while file.up() {
            step_up(other, facing);
        }
        earliest_end = file.group.end;
        aligned = !Range::is_empty(facing);
        while file.down() {
            step_down(other, facing);
            aligned |= !Range::is_empty(facing);
        }
        if file.group.len() == size {
            break;
        }
    }
    if file.group.end == earliest_end {
        return;
    }
    if aligned {
        while Range::is_empty(facing) && file.up() {
            step_up(other, facing);
        }
    } else {
        let end = rest.end(file.lines, file.group.clone(), earliest_end);
        while file.group.end > end && file.up() {
            step_up(other, facing);
        }
    }
}

struct Side<'a> {
    lines: &'a [u32],
    changed: &'a mut [bool],
    group: Range<usize>,
}

impl Side<'_> {
    fn up(&mut self) -> bool {
        let Range { start, end } = self.group;
        if start == 0 || self.lines[start - 1] != self.lines[end - 1] {
            return false;
        }
        self.changed[start - 1] = true;
        self.changed[end - 1] = false;
        self.group = run_start(self.changed, start - 1)..end - 1;
        true
    }

    fn down(&mut self) -> bool {
        let Range { start, end } = self.group;
        if end >= self.lines.len() || self.lines[start] != self.lines[end] {
            return false;
        }
        self.changed[start] = false;
        self.changed[end] = true;
        self.group = start + 1..run_end(self.changed, end + 1);
        true
    }
}

fn step_up(flags: &[bool], group: &mut Range<usize>) {
    let end = group.start.saturating_sub(1);
    *group = run_start(flags, end)..end;
}

fn step_down(flags: &[bool], group: &mut Range<usize>) {
    let start = (group.end + 1).min(flags.len());
    *group = start..run_end(flags, start);
}

fn run_end(flags: &[bool], from: usize) -> usize {
    from + flags[from.min(flags.len())..].iter().take_while(|changed| **changed).count()
}

fn run_start(flags: &[bool], to: usize) -> usize {
    to - flags[..to].iter().rev().take_while(|changed| **changed).count()
}
