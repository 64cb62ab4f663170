//! Hunks in the unified format, as `git diff` prints them.

use std::ops::Range;

use super::diff::{File, Hunk, Lines, hunks};
use super::indent::ByIndent;

/// Git drops a common tail in blocks of this size before it looks for changes, where no context is wanted.
const TAIL_BLOCK: usize = 1_024;

const NO_NEWLINE: &[u8] = b"\\ No newline at end of file\n";

pub(super) fn unified(old: &[u8], new: &[u8], context: usize) -> Vec<u8> {
    let (old, new) = if context == 0 { without_tail(old, new) } else { (old, new) };
    let (mut lines, old) = Lines::new(old);
    let new = lines.file(new, &old);
    let changes = hunks(&old.ids, &new.ids, lines.distinct(), &mut ByIndent { text: |id| lines.line(id) });

    let mut out = Vec::new();
    let mut rest = changes.as_slice();
    while let Some(first) = rest.first() {
        // Changes whose context would touch share a hunk.
        let apart = |pair: &[Hunk]| match pair {
            [before, after] => after.old.start - before.old.end > context.saturating_mul(2),
            _ => false,
        };
        let count = rest.windows(2).position(apart).map_or(rest.len(), |at| at + 1);
        let (group, others) = rest.split_at(count);
        write_hunk(group, first, group.last().unwrap_or(first), context, (&old, &new), &mut out);
        rest = others;
    }
    out
}

/// Both texts without whole equal blocks at their end, cut after the first line end in the equal part.
fn without_tail<'a>(old: &'a [u8], new: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let blocks =
        old.rchunks_exact(TAIL_BLOCK).zip(new.rchunks_exact(TAIL_BLOCK)).take_while(|(a, b)| a == b).count();
    let tail = blocks * TAIL_BLOCK;
    let (kept, equal) = old.split_at(old.len() - tail);
    let line = equal.iter().position(|byte| *byte == b'\n').map_or(tail, |at| at + 1);
    (old.get(..kept.len() + line).unwrap_or(old), new.get(..new.len() - tail + line).unwrap_or(new))
}

fn write_hunk(
    changes: &[Hunk],
    first: &Hunk,
    last: &Hunk,
    context: usize,
    (old, new): (&File<'_>, &File<'_>),
    out: &mut Vec<u8>,
) {
    let before = context.min(first.old.start);
    let after = context.min(old.lines.len() - last.old.end);
    out.extend_from_slice(b"@@ -");
    write_range(first.old.start - before..last.old.end + after, out);
    out.extend_from_slice(b" +");
    write_range(first.new.start - before..last.new.end + after, out);
    out.extend_from_slice(b" @@\n");
    let mut done = first.old.start - before;
    for change in changes {
        write_lines(b' ', old, done..change.old.start, out);
        write_lines(b'-', old, change.old.clone(), out);
        write_lines(b'+', new, change.new.clone(), out);
        done = change.old.end;
    }
    write_lines(b' ', old, done..done + after, out);
}

/// `first,count`, counting from 1; a count of 1 is left out, and an empty range names the line before it.
fn write_range(lines: Range<usize>, out: &mut Vec<u8>) {
    let first = if lines.is_empty() { lines.start } else { lines.start + 1 };
    out.extend_from_slice(first.to_string().as_bytes());
    if lines.len() != 1 {
        out.push(b',');
        out.extend_from_slice(lines.len().to_string().as_bytes());
    }
}

fn write_lines(sign: u8, file: &File<'_>, lines: Range<usize>, out: &mut Vec<u8>) {
    for line in file.lines.get(lines).unwrap_or_default() {
        out.push(sign);
        out.extend_from_slice(line);
        if !line.ends_with(b"\n") {
            out.push(b'\n');
            out.extend_from_slice(NO_NEWLINE);
        }
    }
}
