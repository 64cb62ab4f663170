//! The directory of one apply: its journal file, the new contents, and the replaced ones.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;

use super::home::Trouble;
use super::line::{Line, append, checked, parse, push};
use super::{DONE, HeadOp, Header, Home, IndexOp, JOURNAL, Journal, Op};
use crate::apply::fail;
use crate::id::{ApplyId, SnapshotId};
use crate::path::RelPath;
use crate::rooted::Dir;

/// The directory of one apply.
pub(in crate::apply) struct Record {
    applies: Dir,
    pub dir: Dir,
    pub id: ApplyId,
    pub path: PathBuf,
    new: [Dir; 2],
    pub old: Dir,
}

/// Where new contents wait, and where replaced ones are kept.
impl Record {
    pub(super) fn open(applies: Dir, dir: Dir, id: ApplyId, path: PathBuf) -> io::Result<Self> {
        let new = [dir.subdir(b"new0")?, dir.subdir(b"new1")?];
        let old = dir.subdir(b"old")?;
        Ok(Self { applies, dir, id, path, new, old })
    }

    /// The directory for the new content of operation `n`. Two of them, so that two threads do not wait for
    /// each other's lock on one directory.
    pub(in crate::apply) fn new_dir(&self, n: u64) -> &Dir {
        let [even, odd] = &self.new;
        if n.is_multiple_of(2) { even } else { odd }
    }

    /// The path of the file of operation `op` among the new contents, for people.
    pub(in crate::apply) fn path_of_new(&self, op: &Op) -> PathBuf {
        self.path.join(if op.n.is_multiple_of(2) { "new0" } else { "new1" }).join(op.n.to_string())
    }

    /// The path of the slot of operation `op` that holds its pre-image, for people.
    pub(in crate::apply) fn kept_path(&self, op: &Op) -> PathBuf {
        match self.old.stat(&op.slot()) {
            Ok(Some(_)) => self.path.join("old").join(op.n.to_string()),
            _ => self.path_of_new(op),
        }
    }

    /// The name beside a target on another file system.
    pub(in crate::apply) fn beside(&self, n: u64) -> Vec<u8> {
        format!(".handoff-{}-{n}.tmp", self.id).into_bytes()
    }

    /// Where that name is, in the directory `dir` of the tree.
    pub(in crate::apply) fn beside_path(&self, dir: &RelPath, n: u64) -> RelPath {
        let prefix = if dir.as_bytes().is_empty() { Vec::new() } else { [dir.as_bytes(), b"/"].concat() };
        RelPath::new([prefix, self.beside(n)].concat())
    }

    /// Writes the plan. It counts only once [`seal`](Self::seal) has been written too.
    pub(in crate::apply) fn write(
        &self,
        header: &Header,
        dirs: Vec<RelPath>,
        ops: &[Op],
        index: &[IndexOp],
        head: Option<&HeadOp>,
    ) -> io::Result<File> {
        let mut text = Vec::with_capacity(256 * ops.len() + 1024);
        push(&mut text, &Line::Header(header.clone()))?;
        if !dirs.is_empty() {
            push(&mut text, &Line::Dirs { paths: dirs })?;
        }
        for op in ops {
            push(&mut text, &Line::Op(op.clone()))?;
        }
        for change in index {
            push(&mut text, &Line::Index(change.clone()))?;
        }
        if let Some(head) = head {
            push(&mut text, &Line::Head(head.clone()))?;
        }
        let mut file = self.journal()?;
        file.write_all(&text)?;
        Ok(file)
    }

    /// Says that temporary names may appear beside these targets, before they do.
    pub(in crate::apply) fn announce(&self, paths: Vec<RelPath>) -> io::Result<()> {
        let mut file = self.journal()?;
        append(&mut file, &Line::Beside { paths }, true)
    }

    pub(in crate::apply) fn seal(&self, file: &mut File, ops: usize, durable: bool) -> io::Result<()> {
        append(file, &Line::Sealed { ops: ops as u64 }, durable)
    }

    pub(in crate::apply) fn done(
        &self,
        file: &mut File,
        not_placed: Vec<u64>,
        durable: bool,
    ) -> io::Result<()> {
        if !not_placed.is_empty() {
            // Without it, an undo takes their targets for files that were edited since, which is safe.
            let _ = append(file, &Line::NotPlaced { ops: not_placed }, false);
        }
        match append(file, &Line::Done, durable) {
            // A full disk has no room for a line, but a rename needs none.
            Err(_) => {
                self.dir.rename_new(JOURNAL, &self.dir, DONE)?;
                if durable { self.dir.sync() } else { Ok(()) }
            }
            Ok(()) => Ok(()),
        }
    }

    /// What the journal is called by now.
    fn name(&self) -> io::Result<&'static [u8]> {
        Ok(if self.dir.stat(DONE)?.is_some() { DONE } else { JOURNAL })
    }

    /// Says that an undo begins; whoever comes next carries it on.
    pub(in crate::apply) fn undoing(&self, journal: &Journal) -> io::Result<()> {
        self.mark(journal, &Line::Undoing)
    }

    /// Says that an undo has put back all of this, and goes on with what was before it.
    pub(in crate::apply) fn undone(&self, journal: &Journal) -> io::Result<()> {
        self.mark(journal, &Line::Undone)
    }

    /// Says that a recovery or undo has done what it could.
    pub(in crate::apply) fn finish(&self, journal: &Journal) -> io::Result<()> {
        self.mark(journal, &Line::Done)
    }

    fn mark(&self, journal: &Journal, line: &Line) -> io::Result<()> {
        let mut file = self.journal()?;
        // A torn line at the end would damage what follows it.
        file.set_len(journal.len)?;
        append(&mut file, line, true)
    }

    /// The journal file, for appending.
    fn journal(&self) -> io::Result<File> {
        let name = self.name()?;
        match self.dir.create_new(name, 0o600) {
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => self.dir.append_file(name),
            other => other,
        }
    }

    /// Whether this is an apply of `snapshot` to the repository `name`, told by the journal's beginning.
    pub(in crate::apply) fn is_of(&self, snapshot: &SnapshotId, name: &str) -> io::Result<bool> {
        let mut text = Vec::new();
        let file = self.dir.open_file(self.name()?)?;
        io::Read::read_to_end(&mut io::Read::take(file, 16 << 10), &mut text)?;
        Ok(match text.split_inclusive(|byte| *byte == b'\n').next().and_then(checked) {
            Some(Line::Header(header)) => header.snapshot == *snapshot && header.repo == name,
            // Temporary names come first where there are any; the header is further down.
            Some(_) => {
                self.read()?.header.is_some_and(|header| header.snapshot == *snapshot && header.repo == name)
            }
            None => false,
        })
    }

    /// Reads the journal. A torn end is what a crash leaves; it is cut off.
    pub(in crate::apply) fn read(&self) -> io::Result<Journal> {
        let mut text = Vec::new();
        let name = self.name()?;
        match self.dir.open_file(name) {
            Ok(mut file) => io::Read::read_to_end(&mut file, &mut text).map(drop)?,
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => return Err(why),
        }
        let mut journal = parse(&text);
        journal.done |= name == DONE;
        Ok(journal)
    }

    /// Removes the whole directory. The journal goes first, so that whatever a crash leaves reads as "no path
    /// was touched" and is cleared away later.
    pub(in crate::apply) fn remove(self) -> io::Result<()> {
        ignore_absent(self.dir.remove_file(self.name()?))?;
        fail::point("remove: journal gone");
        let [even, odd] = &self.new;
        for (dir, name) in [(even, b"new0".as_slice()), (odd, b"new1"), (&self.old, b"old")] {
            for file in dir.names()? {
                ignore_absent(dir.remove_file(&file))?;
            }
            self.dir.remove_dir(name)?;
        }
        for name in self.dir.names()? {
            ignore_absent(self.dir.remove_file(&name))?;
        }
        self.applies.remove_dir(self.id.to_string().as_bytes())
    }
}

/// Clears away what is left of an apply that touched nothing, however little of its directory there is.
pub(in crate::apply) fn sweep(home: &Home, id: &ApplyId) -> io::Result<()> {
    let applies = home.below("applies").map_err(Trouble::into_io)?;
    let name = id.to_string();
    let dir = applies.subdir(name.as_bytes())?;
    ignore_absent(dir.remove_file(JOURNAL))?;
    for part in dir.names()? {
        if let Ok(inner) = dir.subdir(&part) {
            for file in inner.names()? {
                ignore_absent(inner.remove_file(&file))?;
            }
            dir.remove_dir(&part)?;
        } else {
            ignore_absent(dir.remove_file(&part))?;
        }
    }
    applies.remove_dir(name.as_bytes())
}

fn ignore_absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
