//! fallback
use std::ops::Range;
use super::diff::Changes;
use imara_diff::{Algorithm, Diff, Token};
pub(super) fn diff(old: &[u32], new: &[u32], in_old: Range<usize>, in_new: Range<usize>, lines: usize, changes: &mut Changes) {
    let o: Vec<Token> = old[in_old.clone()].iter().map(|l| Token(*l)).collect();
    let n: Vec<Token> = new[in_new.clone()].iter().map(|l| Token(*l)).collect();
    let mut d = Diff::default();
    d.compute_with(Algorithm::Myers, &o, &n, lines as u32);
    for i in 0..o.len() { changes.old[in_old.start + i] = d.is_removed(i as u32); }
    for i in 0..n.len() { changes.new[in_new.start + i] = d.is_added(i as u32); }
}
