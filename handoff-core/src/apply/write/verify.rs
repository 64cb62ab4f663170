//! Looking at a path before and after its rename: is it what was planned on, is it ours.

use std::io;

use super::{Published, Staged};
use crate::apply::journal::Record;
use crate::apply::state::{self, Here, State, is_young, look};
use crate::report::Note;
use crate::rooted::{Dir, Kind};

/// The target is something else than what was planned on.
pub(super) fn now_here(dir: &Dir, name: &[u8]) -> Published {
    let here = look(dir, name).ok().flatten().and_then(|state| state.hash());
    Published::Moved { here, kept: None }
}

/// Whether what is at `name` still is the pre-image. Equal stat data say so, where they are old enough that a
/// write since would show; else the content is hashed.
pub(super) fn is_expected(dir: &Dir, name: &[u8], staged: &Staged, renamed: bool) -> io::Result<bool> {
    let Some(found) = dir.stat(name)? else { return Ok(false) };
    if let Some(planned) = staged.pre_stat {
        // A rename sets the time of change, so after one it proves nothing.
        let same = found.kind == planned.kind
            && (found.device, found.inode, found.size, found.mode, found.mtime)
                == (planned.device, planned.inode, planned.size, planned.mode, planned.mtime)
            && (renamed || found.ctime == planned.ctime);
        if same && !is_young(&planned, state::now()) {
            return Ok(true);
        }
    }
    if found.kind == Kind::Dir {
        return Ok(false);
    }
    Ok(look(dir, name)?.as_ref() == Some(&staged.op.pre))
}

/// Reads the path again and says what is there now.
pub(super) fn verify(dir: &Dir, name: &[u8], staged: &Staged, notes: Vec<Note>) -> Published {
    let op = &staged.op;
    let here = match state::read(dir, name, state::HELD, None) {
        Ok(here) => here,
        Err(why) => return Published::Unsure(why),
    };
    let hash = here.content().map(|content| content.hash);
    let ours = match (&op.post, &here) {
        (State::Absent, Here::Absent) | (State::Dir, Here::EmptyDir | Here::Directory) => true,
        (State::Absent | State::Dir, _) => false,
        (post, Here::Content(content)) => {
            content.stat.inode == staged.inode && here.state().as_ref() == Some(post)
        }
        _ => false,
    };
    if ours { Published::Placed { hash, notes } } else { Published::Overwritten { here: hash } }
}

/// Whether somebody has written to the replaced file through a handle from before.
pub(in crate::apply) fn has_late_write(record: &Record, staged: &Staged) -> bool {
    let Some(planned) = staged.pre_stat else { return false };
    let op = &staged.op;
    if op.beside.is_some() || planned.kind != Kind::File {
        return false;
    }
    let now = match op.post {
        State::Absent | State::Dir => record.old.stat(&op.slot()),
        _ => record.new_dir(op.n).stat(&op.slot()),
    };
    matches!(now, Ok(Some(now)) if now.inode == planned.inode && (now.size, now.mtime) != (planned.size, planned.mtime))
}
