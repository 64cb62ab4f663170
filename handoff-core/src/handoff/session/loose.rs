//! Files outside any repository, in a session's place: restored into one directory, and taken along from there.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::path::RelPath;
use crate::snapshot::LOOSE_FILES;
use crate::workspace::Workspace;

/// Where the journal of such files is.
const JOURNAL: &str = ".handoff";

/// How deep directories are looked into.
const DEPTH: usize = 64;

/// `workspace` with every file below `dir` by the name it has there. A name that no snapshot can carry stays behind, as
/// do links and what is beyond the limit of a snapshot.
pub(super) fn with_files(mut workspace: Workspace, dir: &Path) -> Result<Workspace, Error> {
    let mut found = Vec::new();
    visit(dir, dir, DEPTH, &mut found)?;
    found.sort();
    for (name, path) in found.into_iter().take(LOOSE_FILES as usize) {
        workspace = match workspace.clone().with_loose_file(name, path) {
            Ok(with) => with,
            // An odd name, or gone meanwhile.
            Err(Error::InvalidArgument { .. } | Error::Io { .. }) => workspace,
            Err(error) => return Err(error),
        };
    }
    Ok(workspace)
}

fn visit(root: &Path, dir: &Path, depth: usize, found: &mut Vec<(RelPath, PathBuf)>) -> Result<(), Error> {
    let failed = |error| Error::io("listing", dir, error);
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
        if kind.is_dir() && depth > 0 && !(dir == root && entry.file_name() == OsStr::new(JOURNAL)) {
            visit(root, &path, depth - 1, found)?;
        } else if kind.is_file()
            && let Ok(name) = path.strip_prefix(root)
        {
            found.push((name.as_os_str().as_bytes().into(), path.clone()));
        }
    }
    Ok(())
}
