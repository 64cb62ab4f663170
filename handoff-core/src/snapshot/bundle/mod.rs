//! One snapshot in one file, for transport without a store. `docs/wire-format.md` is the reference.

pub(super) mod frame;
mod index;
mod open;
mod stream;
mod write;

#[cfg(test)]
mod tests;

pub(super) use open::{open, verify_optional};
pub(super) use stream::read;
pub(super) use write::{save, write};

/// Optional frames a file may have; there are none yet, and each costs a read.
const MAX_OPTIONAL: u64 = 1024;
