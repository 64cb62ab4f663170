//! Writing new contents to where they wait for their rename.

use std::fs::File;
use std::io::{self, Write};

use super::{Staged, copy, into_io, parent, slot};
use crate::apply::entry::{Change, Post, Source};
use crate::apply::journal::{Op, Record};
use crate::apply::sides::{self, Trouble};
use crate::apply::state::{State, stat_of};
use crate::digest::{Digest, Hasher};
use crate::path::RelPath;
use crate::rooted::{Dir, Refusal, Root};
use crate::snapshot::Snapshot;

/// Where the target's directory is, as far as renaming into it goes.
pub(in crate::apply) fn beside(root: &Root, device: u64, path: &RelPath) -> io::Result<Option<RelPath>> {
    let mut parent = path.parent().unwrap_or_default();
    loop {
        match root.dir(parent) {
            Ok(dir) => {
                return Ok((dir.own_stat()?.device != device).then(|| RelPath::from(parent)));
            }
            // It will be made on its parent's file system. Anything else is met again when publishing.
            Err(Refusal::Io(why)) => return Err(why),
            Err(_) if parent.is_empty() => return Ok(None),
            Err(_) => {
                let slash = parent.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                parent = parent.get(..slash).unwrap_or_default();
            }
        }
    }
}

/// Writes the new content of `change` where it waits to be published.
pub(in crate::apply) fn stage(
    root: &Root,
    snapshot: &Snapshot,
    record: &Record,
    n: u64,
    change: Change,
    beside: Option<RelPath>,
) -> Result<Staged, Trouble> {
    let mut op = Op {
        n,
        path: change.path,
        entry: change.entry,
        pre: change.pre,
        post: State::Absent,
        detail: change.detail,
        markers: change.markers,
        beside,
    };
    let io = |why: io::Error| Trouble::io(&why);
    if op.beside.is_some() && !matches!(op.pre, State::Absent | State::Dir) {
        // What is replaced cannot be moved into the record, so a copy goes there first.
        copy_out(root, record, &op).map_err(io)?;
    }
    let (dir, name) = slot(root, record, &op).map_err(|refusal| refused(&refusal))?;
    let staged = match change.post {
        Post::Nothing => Ok((State::Absent, 0)),
        Post::Dir => Ok((State::Dir, 0)),
        Post::Link(target) => dir
            .symlink(&name, &target)
            .and_then(|()| dir.stat(&name))
            .map(|stat| (State::Symlink { hash: Digest::of(&target) }, stat.map_or(0, |stat| stat.inode)))
            .map_err(io),
        Post::File { exec, private, content } => {
            let mode = match (private, exec) {
                (false, false) => 0o666,
                (false, true) => 0o777,
                (true, false) => 0o600,
                (true, true) => 0o700,
            };
            stage_file(root, snapshot, &dir, &name, mode, &content, &op)
        }
    };
    match staged {
        Ok((post, inode)) => {
            op.post = post;
            Ok(Staged { op, pre_stat: change.pre_stat, inode })
        }
        Err(trouble) => {
            // Half a file is of no use; a whole one of the same name may follow.
            let _ = dir.remove_file(&name);
            let _ = record.old.remove_file(&op.slot());
            Err(trouble)
        }
    }
}

fn stage_file(
    root: &Root,
    snapshot: &Snapshot,
    dir: &Dir,
    name: &[u8],
    mode: u32,
    content: &Source,
    op: &Op,
) -> Result<(State, u64), Trouble> {
    let io = |why: io::Error| Trouble::io(&why);
    let mut file = dir.create_new(name, mode).map_err(io)?;
    let hash = match content {
        Source::Bytes(bytes) => {
            file.write_all(bytes).map_err(io)?;
            Digest::of(bytes)
        }
        Source::Carried(state) => {
            let mut out = Hashing { file: &mut file, hasher: Hasher::new(), failed: None };
            let copied = sides::copy(snapshot, state, &mut out);
            if let Some(why) = out.failed {
                return Err(Trouble::io(&why));
            }
            copied?;
            out.hasher.finish()
        }
        Source::Here => {
            let mut from = open(root, &op.path).map_err(io)?;
            let mut out = Hashing { file: &mut file, hasher: Hasher::new(), failed: None };
            io::copy(&mut from, &mut out).map_err(io)?;
            out.hasher.finish()
        }
    };
    let stat = stat_of(&file).map_err(io)?;
    // The bit as the file system took it: a umask or a mount may have its own mind.
    Ok((State::File { exec: stat.mode & 0o100 != 0, hash }, stat.inode))
}

/// A file being written, with the hash of what was written and the first error of the writing itself.
struct Hashing<'a> {
    file: &'a mut File,
    hasher: Hasher,
    failed: Option<io::Error>,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.file.write(bytes) {
            Ok(count) => {
                self.hasher.update(bytes.get(..count).unwrap_or_default());
                Ok(count)
            }
            Err(why) => {
                if why.kind() != io::ErrorKind::Interrupted {
                    self.failed = Some(io::Error::from(why.kind()));
                    if let Some(code) = why.raw_os_error() {
                        self.failed = Some(io::Error::from_raw_os_error(code));
                    }
                }
                Err(why)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn open(root: &Root, path: &RelPath) -> io::Result<File> {
    let (dir, name) = parent(root, path).map_err(into_io)?;
    dir.open_file(name)
}

fn refused(refusal: &Refusal) -> Trouble {
    match refusal {
        Refusal::Io(why) => Trouble::io(why),
        other => Trouble::new(other.reason()),
    }
}

/// Copies what is at the target into the record's `old`.
fn copy_out(root: &Root, record: &Record, op: &Op) -> io::Result<()> {
    let (dir, name) = parent(root, &op.path).map_err(into_io)?;
    copy(&dir, name, &record.old, &op.slot(), &op.pre)
}
