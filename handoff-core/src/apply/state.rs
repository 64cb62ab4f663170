//! What is on disk at a path, read by handle.

use std::fs::File;
use std::io::{self, Read as _};

use serde::{Deserialize, Serialize};

use super::plan::Shape;
use crate::digest::{Digest, Hasher};
use crate::git::BlobHasher;
use crate::id::{ObjectFormat, Oid};
use crate::rooted::{Dir, Kind, Stat};

/// Files up to this size are held in memory, compared with line endings put aside, and merged; larger ones
/// are streamed and compared byte by byte. Bytes.
pub(super) const HELD: u64 = 8 << 20;

/// How often a file that changes while it is read is read again.
const ATTEMPTS: usize = 3;

/// One side of a write, as the journal records it: enough to tell the old from the new after a crash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum State {
    Absent,
    /// An empty directory.
    Dir,
    File {
        exec: bool,
        hash: Digest,
    },
    Symlink {
        hash: Digest,
    },
}

impl State {
    pub(super) fn hash(&self) -> Option<Digest> {
        match self {
            Self::File { hash, .. } | Self::Symlink { hash } => Some(*hash),
            Self::Absent | Self::Dir => None,
        }
    }
}

/// What is at a path.
#[derive(Debug)]
pub(super) enum Here {
    Absent,
    EmptyDir,
    /// A directory with something in it, or one that cannot be looked into.
    Directory,
    /// Pipe, socket, device.
    Special,
    /// A file or symlink.
    Content(Content),
}

/// A file or symlink and what it holds.
#[derive(Debug)]
pub(super) struct Content {
    pub stat: Stat,
    /// SHA-256 of the file's bytes or of the link's target.
    pub hash: Digest,
    /// Git's id of exactly these bytes, computed while streaming; `None` where `bytes` are at hand instead.
    pub streamed: Option<Oid>,
    /// The bytes, or the link's target; `None` for a file above the limit.
    pub bytes: Option<Vec<u8>>,
}

impl Content {
    pub(super) fn exec(&self) -> bool {
        self.stat.mode & 0o100 != 0
    }
}

impl Here {
    /// The state for the journal; `None` for what is never replaced.
    pub(super) fn state(&self) -> Option<State> {
        match self {
            Self::Absent => Some(State::Absent),
            Self::EmptyDir => Some(State::Dir),
            Self::Directory | Self::Special => None,
            Self::Content(content) if content.stat.kind == Kind::Symlink => {
                Some(State::Symlink { hash: content.hash })
            }
            Self::Content(content) => Some(State::File { exec: content.exec(), hash: content.hash }),
        }
    }

    pub(super) fn shape(&self) -> Shape {
        match self {
            Self::Absent | Self::EmptyDir => Shape::Absent,
            Self::Directory => Shape::Directory,
            Self::Special => Shape::Special,
            Self::Content(content) if content.stat.kind == Kind::Symlink => Shape::Symlink,
            Self::Content(content) => Shape::File { exec: content.exec() },
        }
    }

    pub(super) fn content(&self) -> Option<&Content> {
        match self {
            Self::Content(content) => Some(content),
            _ => None,
        }
    }
}

/// Reads what is at `name`. Files above `hold` bytes are hashed without being kept, with git's id in `format`
/// (where given) computed on the way.
pub(super) fn read(dir: &Dir, name: &[u8], hold: u64, format: Option<ObjectFormat>) -> io::Result<Here> {
    let (mut last, mut refused) = (None, None);
    for _ in 0..ATTEMPTS {
        // A file is the usual case, and opening it says as much as looking first would.
        match dir.open_file(name) {
            Ok(file) => {
                let before = stat_of(&file)?;
                let content = read_file(file, before, hold, format)?;
                let quiet = content.stat == before;
                last = Some(Here::Content(content));
                if quiet {
                    break;
                }
            }
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Here::Absent),
            Err(why) => match dir.stat(name)? {
                None => return Ok(Here::Absent),
                Some(stat) => match stat.kind {
                    Kind::Special => return Ok(Here::Special),
                    Kind::Dir => return Ok(read_dir(dir, name)),
                    Kind::Symlink => {
                        let target = dir.read_link(name)?;
                        if dir.stat(name)? != Some(stat) {
                            continue;
                        }
                        let hash = Digest::of(&target);
                        return Ok(Here::Content(Content {
                            stat,
                            hash,
                            streamed: None,
                            bytes: Some(target),
                        }));
                    }
                    // Unreadable, or a link that has just become a file.
                    Kind::File if why.kind() == io::ErrorKind::PermissionDenied => return Err(why),
                    Kind::File => refused = Some(why),
                },
            },
        }
    }
    let changing = || io::Error::new(io::ErrorKind::ResourceBusy, "it keeps changing while it is read");
    last.ok_or_else(|| refused.unwrap_or_else(changing))
}

fn read_dir(dir: &Dir, name: &[u8]) -> Here {
    match dir.subdir(name).and_then(|inner| inner.names()) {
        Ok(names) if names.is_empty() => Here::EmptyDir,
        _ => Here::Directory,
    }
}

/// The stat data is of after the read, so a comparison with that of before tells whether the file was quiet.
fn read_file(mut file: File, before: Stat, hold: u64, format: Option<ObjectFormat>) -> io::Result<Content> {
    if before.size <= hold {
        let mut bytes = Vec::with_capacity(usize::try_from(before.size).unwrap_or(0) + 1);
        (&mut file).take(hold + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 <= hold {
            let hash = Digest::of(&bytes);
            return Ok(Content { stat: stat_of(&file)?, hash, streamed: None, bytes: Some(bytes) });
        }
        // It has grown past the limit meanwhile.
        io::Seek::rewind(&mut file)?;
    }
    let size = stat_of(&file)?.size;
    let mut oid = format.map(|format| BlobHasher::new(format, size));
    let (hash, read) = hash_reader(&mut file, |chunk| {
        if let Some(oid) = &mut oid {
            oid.update(chunk);
        }
    })?;
    let streamed = oid.filter(|_| read == size).and_then(BlobHasher::finish);
    Ok(Content { stat: stat_of(&file)?, hash, streamed, bytes: None })
}

/// SHA-256 and length of all that `file` gives; each chunk is also shown to `also`.
pub(super) fn hash_reader(file: &mut File, mut also: impl FnMut(&[u8])) -> io::Result<(Digest, u64)> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 128 << 10];
    let mut total = 0;
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => return Ok((hasher.finish(), total)),
            Ok(count) => count,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
            Err(why) => return Err(why),
        };
        let chunk = buffer.get(..count).unwrap_or_default();
        hasher.update(chunk);
        also(chunk);
        total += count as u64;
    }
}

/// `fstat`.
pub(super) fn stat_of(file: &File) -> io::Result<Stat> {
    Ok(rustix::fs::fstat(file)?.into())
}

/// The state at `name` for comparison with a journal's record; `None` for what no record can be equal to.
pub(super) fn look(dir: &Dir, name: &[u8]) -> io::Result<Option<State>> {
    Ok(read(dir, name, HELD, None)?.state())
}

/// Whether a file with these stat data could have been written again without them showing it: its time stamp
/// is so young that a later write may carry the same one. `now` is the wall clock in seconds.
pub(super) fn is_young(stat: &Stat, now: i64) -> bool {
    stat.mtime.0 >= now - 2 || stat.ctime.0 >= now - 2
}

/// The wall clock in seconds.
pub(super) fn now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX))
}
