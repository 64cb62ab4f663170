//! How much of one content another holds, for rename detection.

use std::collections::HashMap;

use super::is_binary;

/// Longer lines are compared in pieces of this many bytes.
const PIECE: usize = 64;

/// A line, or a piece of a long one, and whether the line ends with it.
type Piece<'a> = (&'a [u8], bool);

pub(super) fn similarity(a: &[u8], b: &[u8]) -> u8 {
    if a == b {
        return 100;
    }
    let (smaller, larger) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let mut unmatched: HashMap<Piece<'_>, usize> = HashMap::new();
    for piece in pieces(smaller) {
        *unmatched.entry(piece).or_default() += 1;
    }
    let mut common = 0;
    for piece in pieces(larger) {
        if let Some(count) = unmatched.get_mut(&piece).filter(|count| **count > 0) {
            *count -= 1;
            common += piece.0.len() + usize::from(piece.1);
        }
    }
    // `common` counts a part of `larger`, which is not empty; the rounding is downwards, and different contents
    // that only order their lines differently are not the same.
    let percent = common as u128 * 100 / larger.len() as u128;
    u8::try_from(percent).map_or(99, |percent| percent.min(99))
}

fn pieces(content: &[u8]) -> impl Iterator<Item = Piece<'_>> {
    let text = !is_binary(content);
    content.split_inclusive(|byte| *byte == b'\n').flat_map(move |line| {
        let (line, ended) = match line.strip_suffix(b"\n") {
            Some(rest) => (rest, true),
            None => (line, false),
        };
        // A text that only changed its line endings is the same text.
        let line = match line.strip_suffix(b"\r") {
            Some(rest) if ended && text => rest,
            _ => line,
        };
        let (full, last) = line.as_chunks::<PIECE>();
        let last = Some((last, ended)).filter(|(last, ended)| *ended || !last.is_empty());
        full.iter().map(|piece| (piece.as_slice(), false)).chain(last)
    })
}
