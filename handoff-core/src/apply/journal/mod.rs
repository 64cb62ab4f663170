//! The journal: what an apply is about to do, written and sealed before the first path is touched, and kept
//! afterwards so that the apply can be undone.
//!
//! `<git common dir>/handoff/` (of a linked work tree `…/handoff/worktrees/<name>/`; of a directory for files
//! outside any repository, `.handoff/` in it) holds
//!
//! ```text
//! lock                          held while an apply or undo is at work
//! applies/<apply id>/journal    one record a line, each with its CRC-32
//! applies/<apply id>/new0 new1  new contents before they are published, replaced contents afterwards
//! applies/<apply id>/old        deleted files, and copies of contents where no exchange is possible
//! incoming/<snapshot>/          versions that were not put in place because of a conflict
//! ```
//!
//! A path is published by one rename, so what is on disk tells by itself how far an apply came; the journal
//! need not be written while publishing. A journal without its seal means that no path was touched. A sealed
//! journal without the mark `done` is rolled back by whoever comes next. Nothing here is ever opened through
//! a symlink.

mod home;
mod line;
mod record;

pub(super) use home::{Access, Home, Opened, PLAIN, sync_file_system};
pub(super) use line::{HeadOp, Header, IndexOp, IndexState, Journal, Op, StageState};
pub(super) use record::{Record, sweep};

/// The journal's file, and what it is called where the mark `done` could not be written into it.
const JOURNAL: &[u8] = b"journal";
const DONE: &[u8] = b"journal.done";
