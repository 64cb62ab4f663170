//! Staging new contents and putting them in place, one rename a path, as a compare-and-swap: what comes out is
//! compared with what was planned on, and put back when it is something else.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use super::entry::{Change, Post, Source};
use super::fail;
use super::journal::{Op, Record};
use super::sides::{Reader, Trouble};
use super::state::{self, Here, State, is_young, look, stat_of};
use crate::digest::{Digest, Hasher};
use crate::path::RelPath;
use crate::report::Note;
use crate::rooted::{Dir, Kind, Refusal, Root, Stat};

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

/// Where the target's directory is, as far as renaming into it goes.
pub(super) fn beside(root: &Root, device: u64, path: &RelPath) -> io::Result<Option<RelPath>> {
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
pub(super) fn stage(
    root: &Root,
    reader: &Reader<'_>,
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
            stage_file(root, reader, &dir, &name, mode, &content, &op)
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
    reader: &Reader<'_>,
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
            let copied = reader.copy(state, &mut out);
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

/// The directory and name of `path`.
pub(super) fn parent<'p>(root: &Root, path: &'p RelPath) -> Result<(Dir, &'p [u8]), Refusal> {
    Ok((root.dir(path.parent().unwrap_or_default())?, path.name()))
}

fn open(root: &Root, path: &RelPath) -> io::Result<File> {
    let (dir, name) = parent(root, path).map_err(into_io)?;
    dir.open_file(name)
}

pub(super) fn into_io(refusal: Refusal) -> io::Error {
    match refusal {
        Refusal::Io(why) => why,
        Refusal::Missing => io::ErrorKind::NotFound.into(),
        other => io::Error::new(io::ErrorKind::NotADirectory, other.reason()),
    }
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

/// Puts one staged operation in place.
pub(super) fn publish(root: &Root, record: &Record, staged: &Staged) -> Published {
    match try_publish(root, record, staged) {
        Ok(published) => published,
        Err(Refusal::Io(why)) => Published::Failed(why),
        Err(Refusal::Missing) => Published::Moved { here: None, kept: None },
        Err(refusal) => Published::Refused(refusal.reason()),
    }
}

fn try_publish(root: &Root, record: &Record, staged: &Staged) -> Result<Published, Refusal> {
    let op = &staged.op;
    let mut notes = Vec::new();
    let name = op.path.name();
    let path = op.path.parent().unwrap_or_default();
    let dir = match op.post {
        State::Absent => root.dir(path)?,
        _ => root.dir_create(path, &mut Vec::new())?,
    };
    fail::point("publish: before");
    let moved = match (&op.pre, &op.post) {
        (_, State::Dir) => make_dir(&dir, name).map_err(Refusal::Io)?,
        (State::Absent | State::Dir, _) => {
            if op.pre == State::Dir {
                match dir.remove_dir(name) {
                    Ok(()) => {}
                    Err(why) if is_changed(&why) => return Ok(Published::Moved { here: None, kept: None }),
                    Err(why) => return Err(Refusal::Io(why)),
                }
            }
            let (from, slot) = slot(root, record, op)?;
            match from.rename_new(&slot, &dir, name) {
                Ok(()) => None,
                Err(why) if why.kind() == io::ErrorKind::AlreadyExists => Some(now_here(&dir, name)),
                Err(why) => return Err(Refusal::Io(why)),
            }
        }
        (_, State::Absent) => delete(root, record, staged, &dir, name)?,
        _ => replace(root, record, staged, &dir, name, &mut notes)?,
    };
    if let Some(moved) = moved {
        return Ok(moved);
    }
    fail::point("publish: after");
    Ok(verify(&dir, name, staged, notes))
}

fn make_dir(dir: &Dir, name: &[u8]) -> io::Result<Option<Published>> {
    match dir.mkdir(name) {
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => Ok(Some(now_here(dir, name))),
        other => other.map(|()| None),
    }
}

fn is_changed(why: &io::Error) -> bool {
    matches!(
        why.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::DirectoryNotEmpty
    )
}

/// The target is something else than what was planned on.
fn now_here(dir: &Dir, name: &[u8]) -> Published {
    let here = look(dir, name).ok().flatten().and_then(|state| state.hash());
    Published::Moved { here, kept: None }
}

/// Whether what is at `name` still is the pre-image. Equal stat data say so, where they are old enough that a
/// write since would show; else the content is hashed.
fn is_expected(dir: &Dir, name: &[u8], staged: &Staged, renamed: bool) -> io::Result<bool> {
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

fn replace(
    root: &Root,
    record: &Record,
    staged: &Staged,
    dir: &Dir,
    name: &[u8],
    notes: &mut Vec<Note>,
) -> Result<Option<Published>, Refusal> {
    let op = &staged.op;
    if !is_expected(dir, name, staged, false).map_err(Refusal::Io)? {
        return Ok(Some(now_here(dir, name)));
    }
    let (from, slot) = slot(root, record, op)?;
    fail::point("replace: compared");
    match exchange(&from, &slot, dir, name) {
        Ok(true) => {}
        Ok(false) => {
            notes.push(Note::WeakCas);
            return replace_weakly(record, staged, (&from, &slot), (dir, name)).map_err(Refusal::Io);
        }
        Err(why) if is_changed(&why) => return Ok(Some(now_here(dir, name))),
        Err(why) => return Err(Refusal::Io(why)),
    }
    fail::point("replace: exchanged");
    // From here on the slot holds somebody's file, so trouble must not look as if nothing had happened.
    Ok(swapped(record, staged, (&from, &slot), (dir, name))
        .unwrap_or_else(|why| Some(Published::Unsure(why))))
}

/// Looks at what an exchange brought out, and puts it back where it is not what was to be replaced.
fn swapped(
    record: &Record,
    staged: &Staged,
    (from, slot): (&Dir, &[u8]),
    (dir, name): (&Dir, &[u8]),
) -> io::Result<Option<Published>> {
    let op = &staged.op;
    if is_expected(from, slot, staged, true)? {
        if op.beside.is_some() {
            // The copy in the record is what an undo goes by.
            from.remove_file(slot)?;
        }
        return Ok(None);
    }
    // Somebody wrote in between. Their version goes back, and what comes out then must be ours.
    exchange(from, slot, dir, name)?;
    fail::point("replace: swapped back");
    let ours = from.stat(slot)?.is_some_and(|stat| stat.inode == staged.inode);
    if ours {
        return Ok(Some(now_here(dir, name)));
    }
    // They replaced ours, too, in that instant. Their last version is to stand; the one before it is kept.
    exchange(from, slot, dir, name)?;
    let here = look(dir, name).ok().flatten().and_then(|state| state.hash());
    let kept = match op.beside {
        None => record.path_of_new(op),
        Some(_) => return Ok(Some(Published::Unsure(io::ErrorKind::ResourceBusy.into()))),
    };
    Ok(Some(Published::Moved { here, kept: Some(kept) }))
}

/// [`Dir::exchange`], unless a test forbids it.
pub(super) fn exchange(from: &Dir, slot: &[u8], dir: &Dir, name: &[u8]) -> io::Result<bool> {
    if fail::may_exchange() { from.exchange(slot, dir, name) } else { Ok(false) }
}

/// Without an exchange: the old file gets a second name in the record, the new one is renamed over it. A write
/// between the last look and the rename is kept in the record, but not noticed.
fn replace_weakly(
    record: &Record,
    staged: &Staged,
    (from, slot): (&Dir, &[u8]),
    (dir, name): (&Dir, &[u8]),
) -> io::Result<Option<Published>> {
    let op = &staged.op;
    let old = op.slot();
    if op.beside.is_none() {
        if dir.hard_link(name, &record.old, &old).is_err() {
            copy(dir, name, &record.old, &old, &op.pre)?;
        }
        if look(&record.old, &old)?.as_ref() != Some(&op.pre) {
            record.old.remove_file(&old)?;
            return Ok(Some(now_here(dir, name)));
        }
    }
    fail::point("replace: linked");
    from.rename_over(slot, dir, name)?;
    Ok(None)
}

fn delete(
    root: &Root,
    record: &Record,
    staged: &Staged,
    dir: &Dir,
    name: &[u8],
) -> Result<Option<Published>, Refusal> {
    let op = &staged.op;
    if !is_expected(dir, name, staged, false).map_err(Refusal::Io)? {
        return Ok(Some(now_here(dir, name)));
    }
    let (to, slot) = match op.beside {
        Some(_) => slot(root, record, op)?,
        None => (record.old.clone(), op.slot()),
    };
    fail::point("delete: compared");
    match dir.rename_new(name, &to, &slot) {
        Ok(()) => {}
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Some(now_here(dir, name))),
        Err(why) => return Err(Refusal::Io(why)),
    }
    fail::point("delete: renamed");
    Ok(taken_out(record, staged, (&to, &slot), (dir, name))
        .unwrap_or_else(|why| Some(Published::Unsure(why))))
}

/// Looks at what a deletion took out, and puts it back where it is not what was to be deleted.
fn taken_out(
    record: &Record,
    staged: &Staged,
    (to, slot): (&Dir, &[u8]),
    (dir, name): (&Dir, &[u8]),
) -> io::Result<Option<Published>> {
    let op = &staged.op;
    if is_expected(to, slot, staged, true)? {
        if op.beside.is_some() {
            to.remove_file(slot)?;
        }
        return Ok(None);
    }
    match to.rename_new(slot, dir, name) {
        Ok(()) => Ok(Some(now_here(dir, name))),
        // A newer file has taken the place; both stay.
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists && op.beside.is_none() => {
            let here = look(dir, name).ok().flatten().and_then(|state| state.hash());
            Ok(Some(Published::Moved { here, kept: Some(record.kept_path(op)) }))
        }
        Err(why) => Err(why),
    }
}

/// Reads the path again and says what is there now.
fn verify(dir: &Dir, name: &[u8], staged: &Staged, notes: Vec<Note>) -> Published {
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
pub(super) fn has_late_write(record: &Record, staged: &Staged) -> bool {
    let Some(planned) = staged.pre_stat else { return false };
    let op = &staged.op;
    if op.beside.is_some() || planned.kind != Kind::File {
        return false;
    }
    let now = match op.post {
        State::Absent => record.old.stat(&op.slot()),
        _ => record.new_dir(op.n).stat(&op.slot()),
    };
    matches!(now, Ok(Some(now)) if now.inode == planned.inode && (now.size, now.mtime) != (planned.size, planned.mtime))
}
