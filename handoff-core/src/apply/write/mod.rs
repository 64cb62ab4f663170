//! Staging new contents and putting them in place, one rename a path, as a compare-and-swap: what comes out is
//! compared with what was planned on, and put back when it is something else.

mod publish;
mod stage;
mod verify;

use std::io;
use std::path::PathBuf;

pub(super) use publish::publish;
pub(super) use stage::{beside, stage};
pub(super) use verify::has_late_write;

use super::fail;
use super::journal::{Op, Record};
use super::state::{State, look, stat_of};
use crate::digest::Digest;
use crate::path::RelPath;
use crate::report::Note;
use crate::rooted::{Dir, Refusal, Root, Stat};

/// A write whose new content waits in the record's directory.
#[derive(Debug)]
pub(super) struct Staged {
    pub op: Op,
    pub pre_stat: Option<Stat>,
    /// The staged file or link.
    pub inode: u64,
}

/// What became of one write.
#[derive(Debug)]
pub(super) enum Published {
    /// In place, and hashed there again.
    Placed {
        hash: Option<Digest>,
        notes: Vec<Note>,
    },
    /// The target is not what was planned on. It is as it was; the new content still waits in its slot, unless
    /// `kept` says that a third version is there.
    Moved {
        here: Option<Digest>,
        kept: Option<PathBuf>,
    },
    /// It was in place for a moment, and somebody has changed it since.
    Overwritten {
        here: Option<Digest>,
    },
    Refused(&'static str),
    /// Nothing was changed.
    Failed(io::Error),
    /// The new content may be in place, but that could not be seen to; what was there before is in the record.
    Unsure(io::Error),
}

/// Where the new content of an operation waits: the record's directory, or beside the target where that is on
/// another file system.
pub(super) fn slot(root: &Root, record: &Record, op: &Op) -> Result<(Dir, Vec<u8>), Refusal> {
    match &op.beside {
        None => Ok((record.new_dir(op.n).clone(), op.slot())),
        Some(dir) => Ok((root.dir(dir.as_bytes())?, record.beside(op.n))),
    }
}

/// The directory and name of `path`.
pub(super) fn parent<'p>(root: &Root, path: &'p RelPath) -> Result<(Dir, &'p [u8]), Refusal> {
    Ok((root.dir(path.parent().unwrap_or_default())?, path.name()))
}

pub(super) fn into_io(refusal: Refusal) -> io::Error {
    match refusal {
        Refusal::Io(why) => why,
        Refusal::Missing => io::ErrorKind::NotFound.into(),
        other => io::Error::new(io::ErrorKind::NotADirectory, other.reason()),
    }
}

/// Copies a file or link, and makes sure that the copy is of `state`.
pub(super) fn copy(from: &Dir, name: &[u8], to: &Dir, to_name: &[u8], state: &State) -> io::Result<()> {
    match state {
        State::Absent | State::Dir => return Ok(()),
        State::Symlink { .. } => to.symlink(to_name, &from.read_link(name)?)?,
        State::File { exec, .. } => {
            let mut source = from.open_file(name)?;
            let private = stat_of(&source)?.mode & 0o077 == 0;
            let mode = if private { 0o600 } else { 0o666 } | if *exec { 0o111 } else { 0 };
            let mut file = to.create_new(to_name, if private { mode & 0o700 } else { mode })?;
            io::copy(&mut source, &mut file)?;
        }
    }
    if look(to, to_name)? == Some(state.clone()) {
        return Ok(());
    }
    to.remove_file(to_name)?;
    Err(io::Error::new(io::ErrorKind::ResourceBusy, "it changes while it is copied"))
}

/// [`Dir::exchange`], unless a test forbids it.
pub(super) fn exchange(from: &Dir, slot: &[u8], dir: &Dir, name: &[u8]) -> io::Result<bool> {
    if fail::may_exchange() { from.exchange(slot, dir, name) } else { Ok(false) }
}
