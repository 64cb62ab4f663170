//! Versions of the snapshot that were not put in place because of a conflict, kept beside the journal under the
//! snapshot's id and their own paths. A second apply of the same snapshot finds them there.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::journal::Home;
use super::sides::{self, Trouble};
use super::state::hash_reader;
use crate::path::RelPath;
use crate::rooted::Dir;
use crate::snapshot::{FileState, Snapshot};

/// A kept version.
pub(super) struct Kept {
    pub path: PathBuf,
    /// Where to remove it again; `None` when it was there before.
    made: Option<(Dir, Vec<u8>)>,
}

impl Kept {
    /// Takes it back, for an apply that is cancelled.
    pub(super) fn remove(self) {
        if let Some((dir, name)) = self.made {
            let _ = dir.remove_file(&name);
        }
    }
}

/// Keeps the content of `state`, the incoming version of `path`. Of a symlink, the target is the content.
pub(super) fn keep(
    home: &Home,
    snapshot: &Snapshot,
    path: &RelPath,
    state: &FileState,
) -> Result<Kept, Trouble> {
    let io = |why: io::Error| Trouble::io(&why);
    let blob = state.blob.ok_or_else(|| Trouble::new("blob_missing"))?;
    let (top, base) = home.incoming(&snapshot.id()).map_err(io)?;
    let flat = [blob.to_string().get(..16).unwrap_or_default().as_bytes(), b"-", path.name()].concat();
    let own = below(&top, path).ok().map(|dir| (dir, path.name().to_vec(), path.as_bytes().to_vec()));
    // Where the path is taken by another version or cannot be made, a name of the content's own will do.
    for (dir, name, shown) in own.into_iter().chain([(top, flat.clone(), flat)]) {
        let shown = base.join(std::ffi::OsStr::from_bytes(&shown));
        match dir.create_new(&name, 0o600) {
            Ok(mut file) => {
                if let Err(trouble) = sides::copy(snapshot, state, &mut file) {
                    let _ = dir.remove_file(&name);
                    return Err(trouble);
                }
                return Ok(Kept { path: shown, made: Some((dir, name)) });
            }
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {
                let same = dir.open_file(&name).and_then(|mut file| hash_reader(&mut file, |_| ()));
                if same.is_ok_and(|(hash, _)| hash == blob) {
                    return Ok(Kept { path: shown, made: None });
                }
            }
            Err(why) if why.kind() == io::ErrorKind::InvalidFilename => {}
            Err(why) => return Err(io(why)),
        }
    }
    Err(Trouble { reason: "EEXIST".into(), message: Some("another file is in its place".into()) })
}

/// The directory of `path` below `dir`, made.
fn below(dir: &Dir, path: &RelPath) -> io::Result<Dir> {
    let mut dir = dir.clone();
    for component in path.parent().into_iter().flat_map(|parent| parent.split(|byte| *byte == b'/')) {
        match dir.mkdir(component) {
            Err(why) if why.kind() != io::ErrorKind::AlreadyExists => return Err(why),
            _ => dir = dir.subdir(component)?,
        }
    }
    Ok(dir)
}
