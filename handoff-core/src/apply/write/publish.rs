//! The renames: making, replacing and deleting one path, and taking it back where something else came out.

use std::io;

use super::verify::{is_expected, now_here, verify};
use super::{Published, Staged, copy, exchange, slot};
use crate::apply::fail;
use crate::apply::journal::Record;
use crate::apply::state::{State, look};
use crate::report::Note;
use crate::rooted::{Dir, Refusal, Root};

/// Puts one staged operation in place.
pub(in crate::apply) fn publish(root: &Root, record: &Record, staged: &Staged) -> Published {
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
        (State::Absent | State::Dir, State::Dir) => make_dir(&dir, name).map_err(Refusal::Io)?,
        (_, State::Dir) => match delete(root, record, staged, &dir, name)? {
            None => dir_instead(record, staged, &dir, name)?,
            moved => moved,
        },
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
                Err(why) => {
                    if op.pre == State::Dir {
                        // Failed means that everything is as it was.
                        dir.mkdir(name).map_err(Refusal::Io)?;
                    }
                    return Err(Refusal::Io(why));
                }
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

/// Makes a directory in the place of a file that is in the record by now, and puts the file back where that fails.
fn dir_instead(
    record: &Record,
    staged: &Staged,
    dir: &Dir,
    name: &[u8],
) -> Result<Option<Published>, Refusal> {
    let op = &staged.op;
    fail::point("delete: for a directory");
    let Err(why) = dir.mkdir(name) else { return Ok(None) };
    let back = match op.beside {
        None => record.old.rename_new(&op.slot(), dir, name),
        Some(_) => copy(&record.old, &op.slot(), dir, name, &op.pre),
    };
    match back {
        Ok(()) => Err(Refusal::Io(why)),
        // Somebody's newer file has taken the place; both stay.
        Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists && op.beside.is_none() => {
            let here = look(dir, name).ok().flatten().and_then(|state| state.hash());
            Ok(Some(Published::Moved { here, kept: Some(record.kept_path(op)) }))
        }
        Err(_) => Ok(Some(Published::Unsure(why))),
    }
}

fn is_changed(why: &io::Error) -> bool {
    matches!(
        why.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::DirectoryNotEmpty
    )
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

/// Whether what came out of the tree is what was planned on. It then is of no more use beside its target: the copy in
/// the record is what an undo goes by.
fn is_planned(staged: &Staged, out: &Dir, slot: &[u8]) -> io::Result<bool> {
    let planned = is_expected(out, slot, staged, true)?;
    if planned && staged.op.beside.is_some() {
        out.remove_file(slot)?;
    }
    Ok(planned)
}

/// Looks at what an exchange brought out, and puts it back where it is not what was to be replaced.
fn swapped(
    record: &Record,
    staged: &Staged,
    (from, slot): (&Dir, &[u8]),
    (dir, name): (&Dir, &[u8]),
) -> io::Result<Option<Published>> {
    let op = &staged.op;
    if is_planned(staged, from, slot)? {
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
    if is_planned(staged, to, slot)? {
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
