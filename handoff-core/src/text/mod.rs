//! Unified diffs and three-way merge of bytes, line by line. Pure: no files, no git.

mod compact;
mod diff;
mod histogram;
mod indent;
mod merge;
mod myers;
mod similarity;
#[cfg(test)]
mod tests;
mod unified;

/// Whether git would treat `content` as binary: a NUL among the first 8,000 bytes.
pub(crate) fn is_binary(content: &[u8]) -> bool {
    content.iter().take(8000).any(|byte| *byte == 0)
}

/// Labels on conflict markers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Labels<'a> {
    pub ours: &'a str,
    pub base: &'a str,
    pub theirs: &'a str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Merged {
    /// Byte-identical to what `git merge-file -p --diff-algorithm=histogram` prints.
    Clean(Vec<u8>),
    /// `text` has diff3-style markers, byte-identical to `git merge-file -p --diff3 --diff-algorithm=histogram` where feasible.
    Conflict { text: Vec<u8>, conflicts: usize },
}

/// Three-way merge. None of the inputs is binary. Deterministic; O(lines) memory.
pub(crate) fn merge(base: &[u8], ours: &[u8], theirs: &[u8], labels: Labels<'_>) -> Merged {
    merge::merge(base, ours, theirs, labels)
}

/// Similarity for rename detection, 0..=100 percent rounded down, as `git diff -M` estimates it: the bytes in lines (or
/// 64-byte pieces of long lines) that both contents have, in any order, over the larger size. 100 only for equal
/// content. O(bytes) time and memory.
pub(crate) fn similarity(a: &[u8], b: &[u8]) -> u8 {
    similarity::similarity(a, b)
}

/// Hunks of a unified diff (no file header), `context` lines around; empty when equal. "\ No newline at end of file" as git.
pub(crate) fn unified(old: &[u8], new: &[u8], context: usize) -> Vec<u8> {
    unified::unified(old, new, context)
}
