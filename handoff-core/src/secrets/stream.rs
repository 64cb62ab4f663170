//! The same search over content that comes in pieces, in bounded memory.

use super::{AFTER, BEFORE, SecretScanner, each};
use crate::digest::Digest;

/// What is kept of the content seen so far, once nothing else needs it.
const KEPT: usize = BEFORE + AFTER;

/// A secret in a file. It knows its value only as a digest, which is for comparing and must not leave the process: a short
/// secret can be guessed by it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub rule: String,
    /// From 1.
    pub line: u64,
    /// Where it begins, in bytes.
    pub offset: u64,
    pub value: Digest,
}

/// A scan in progress.
pub(crate) struct Stream<'a, F> {
    others: &'a [std::sync::Arc<dyn SecretScanner>],
    /// Is asked which findings count; `false` for none of this rule.
    wanted: F,
    /// The most findings to keep.
    most: usize,
    /// The last bytes of what was fed.
    tail: Vec<u8>,
    /// How much of the tail has been searched for triggers.
    decided: usize,
    /// Where the tail begins in the content, and in which line.
    offset: u64,
    line: u64,
    /// Where the last secret ended in the content.
    taken: u64,
    found: Vec<Found>,
}

impl<'a, F: FnMut(&str) -> bool> Stream<'a, F> {
    /// A scan by the built-in rules and those of `others` that keeps the first `most` findings of rules that are
    /// `wanted`.
    pub fn new(others: &'a [std::sync::Arc<dyn SecretScanner>], wanted: F, most: usize) -> Self {
        Self {
            others,
            wanted,
            most,
            tail: Vec::new(),
            decided: 0,
            offset: 0,
            line: 1,
            taken: 0,
            found: Vec::new(),
        }
    }

    /// What it finds in content that is there as a whole.
    pub fn of(mut self, content: &[u8]) -> Vec<Found> {
        self.search(content, 0..content.len());
        self.found
    }

    /// Whether there are as many findings as were asked for.
    pub fn is_full(&self) -> bool {
        self.found.len() >= self.most
    }

    /// The next piece.
    pub fn feed(&mut self, piece: &[u8]) {
        if self.is_full() {
            return;
        }
        // What both the tail and the piece have to do with, then the piece by itself, so that it is not copied.
        if piece.len() < 2 * KEPT {
            self.tail.extend_from_slice(piece);
            if self.tail.len() < self.decided + 3 * KEPT {
                // Small pieces are gathered, so that what rules look at twice stays a small part.
                return;
            }
            let until = self.tail.len().saturating_sub(AFTER).max(self.decided);
            self.search_tail(until);
            self.trim();
            return;
        }
        let old = self.tail.len();
        self.tail.extend_from_slice(piece.get(..KEPT).unwrap_or_default());
        // The piece alone has all that rules may look at from `BEFORE` on.
        self.search_tail(old + BEFORE);
        let lines = newlines(self.tail.get(..old).unwrap_or_default());
        self.offset += old as u64;
        self.line += lines;
        let cut = piece.len() - KEPT;
        self.search(piece, BEFORE..cut + BEFORE);
        self.tail.clear();
        self.tail.extend_from_slice(piece.get(cut..).unwrap_or_default());
        self.offset += cut as u64;
        self.line += newlines(piece.get(..cut).unwrap_or_default());
        self.decided = BEFORE;
    }

    /// All that was found, in order.
    pub fn finish(mut self) -> Vec<Found> {
        self.search_tail(self.tail.len());
        self.found.sort_by_key(|found| found.offset);
        self.found
    }

    fn search_tail(&mut self, until: usize) {
        let tail = std::mem::take(&mut self.tail);
        self.search(&tail, self.decided..until);
        self.tail = tail;
        self.decided = until;
    }

    /// Searches `bytes`, which begin at the tail's place, for secrets that begin within `starts`.
    fn search(&mut self, bytes: &[u8], starts: std::ops::Range<usize>) {
        let (offset, line, most) = (self.offset, self.line, self.most);
        let (wanted, found) = (&mut self.wanted, &mut self.found);
        // Findings mostly come in order, so lines are counted on from the last.
        let mut counted = (0, line);
        let mut keep = |rule: &str, range: std::ops::Range<usize>| {
            if wanted(rule) && found.len() < most {
                if range.start < counted.0 {
                    counted = (0, line);
                }
                counted.1 += newlines(bytes.get(counted.0..range.start).unwrap_or_default());
                counted.0 = range.start;
                found.push(Found {
                    rule: rule.to_owned(),
                    line: counted.1,
                    offset: offset + range.start as u64,
                    value: Digest::of(bytes.get(range).unwrap_or_default()),
                });
            }
            found.len() < most
        };
        let mut taken = self.taken.saturating_sub(offset) as usize;
        each(bytes, starts.clone(), &mut taken, &mut keep);
        self.taken = self.taken.max(offset + taken as u64);
        for other in self.others {
            for finding in other.scan(bytes) {
                // What begins before was in the last piece, what begins after will be in the next.
                if starts.contains(&finding.range.start) {
                    keep(&finding.rule, finding.range);
                }
            }
        }
    }

    /// Forgets what no rule can look at any more.
    fn trim(&mut self) {
        let past = self.decided.saturating_sub(BEFORE);
        self.line += newlines(self.tail.get(..past).unwrap_or_default());
        self.offset += past as u64;
        self.tail.drain(..past);
        self.decided -= past;
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    // Sums of single bytes are added many at a time; 255 of them cannot overflow.
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u8::from(*byte == b'\n')).sum::<u8>();
    bytes.chunks(255).map(|bytes| u64::from(sum(bytes))).sum()
}
