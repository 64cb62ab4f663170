//! Integration tests: the public API against real repositories, with git as the oracle. One binary, so that
//! it links once. Environment variables: `HANDOFF_GIT` (which git), `HANDOFF_CASES` and `HANDOFF_SEED`
//! (generated states), `HANDOFF_KILL_ALL=1` (kill at every system call, not a sample).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod flow;
mod support;
