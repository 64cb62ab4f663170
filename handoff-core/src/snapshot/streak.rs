//! When to give up compressing a content, and when to try again.

use super::store::Block;

/// After this many blocks in a row that did not shrink, compression is given up for a content …
const GIVE_UP: u32 = 2;

/// … except for every so-many-th block, since a file may begin with a picture and go on with text.
const RETRY: usize = 16;

/// How many blocks in a row did not shrink.
#[derive(Default)]
pub(super) struct Streak(std::sync::atomic::AtomicU32);

impl Streak {
    /// Whether the block `at` this place is worth compressing.
    pub(super) fn worth_trying(&self, at: usize) -> bool {
        at.is_multiple_of(RETRY) || self.0.load(std::sync::atomic::Ordering::Relaxed) < GIVE_UP
    }

    /// Notes whether a block shrank.
    pub(super) fn count(&self, block: &Block) {
        use std::sync::atomic::Ordering::Relaxed;
        if block.stored < block.raw {
            self.0.store(0, Relaxed);
        } else {
            self.0.fetch_add(1, Relaxed);
        }
    }
}
