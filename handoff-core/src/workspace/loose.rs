//! Files outside any checkout: where they are at the source, under which name they travel, where they land.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{Workspace, too_wide};
use crate::error::Error;
use crate::path::{PathLimits, RelPath};
use crate::snapshot::LOOSE_FILES;

/// A file outside any checkout that belongs to a [`Workspace`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LooseFile {
    /// The logical name by which it travels and below which it lands: relative, never saying where it was.
    pub name: RelPath,
    /// Where it is on this machine: absolute, symlinks resolved.
    pub path: PathBuf,
}

impl Workspace {
    /// Adds the file at `path`, to be carried under the logical `name`: a relative path such as `notes/todo.md`,
    /// with `/` between its components. A symlink stands for the file that it leads to. Nothing is read yet.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a name that is unsafe or taken, and for what is not a file;
    /// [`Error::Io`] when there is nothing at `path`.
    ///
    /// ```
    /// # let (dir, laptop, cloud) = handoff_core::testing::laptop_and_cloud()?;
    /// # let (notes, inbox) = (dir.path().join("todo.md"), dir.path().join("inbox"));
    /// # std::fs::write(&notes, "ship it\n")?;
    /// # std::fs::create_dir(&inbox)?;
    /// use handoff_core::{ApplyOptions, CaptureOptions, Workspace, apply, capture};
    ///
    /// let here = Workspace::new([&laptop])?.with_loose_file("notes/todo.md", &notes)?;
    /// let snapshot = capture(&here, &CaptureOptions::default())?;
    ///
    /// // The target says where such files land; a snapshot never does.
    /// let there = Workspace::new([&cloud])?.with_loose_root(&inbox)?;
    /// apply(&snapshot, &there, &ApplyOptions::default())?;
    /// assert_eq!(std::fs::read(inbox.join("notes/todo.md"))?, b"ship it\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_loose_file(
        mut self,
        name: impl Into<RelPath>,
        path: impl AsRef<Path>,
    ) -> Result<Self, Error> {
        let (name, path) = (name.into(), path.as_ref());
        if let Err(fault) = name.check(&PathLimits::default()) {
            return Err(invalid(format!(
                "{name:?} cannot be used ({}); pass a plain relative path",
                fault.reason()
            )));
        }
        if self.loose_files.len() as u64 >= LOOSE_FILES {
            return Err(invalid(format!("is one too many; at most {LOOSE_FILES} files are carried")));
        }
        if self
            .loose_files
            .iter()
            .any(|other| is_or_is_below(&other.name, &name) || is_or_is_below(&name, &other.name))
        {
            return Err(invalid(format!("{name:?} is taken, or is a directory of another; choose another")));
        }
        let found = path.canonicalize().map_err(|why| Error::io("resolving", path, why))?;
        if !found.is_file() {
            return Err(Error::InvalidArgument {
                argument: "path",
                why: format!("{} is not a file; name the files one by one", path.display()),
            });
        }
        self.add_loose_file(name, found);
        Ok(self)
    }

    pub(super) fn add_loose_file(&mut self, name: RelPath, path: PathBuf) {
        self.loose_files.push(LooseFile { name, path });
        self.loose_files.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// Says that loose files of a snapshot are applied below `directory`, each under its logical name. Their journal
    /// is in `.handoff` there. Without such a directory they are reported as skipped.
    ///
    /// # Errors
    /// [`Error::Io`] when there is no such directory; [`Error::UnsafeWorkspace`] for `/` and the home directory,
    /// where a snapshot could name files that are run.
    pub fn with_loose_root(mut self, directory: impl AsRef<Path>) -> Result<Self, Error> {
        let directory = directory.as_ref();
        let root = directory.canonicalize().map_err(|why| Error::io("resolving", directory, why))?;
        if let Some(what) = too_wide(&root) {
            return Err(Error::UnsafeWorkspace { path: root, what });
        }
        std::fs::read_dir(&root).map_err(|why| Error::io("reading", &root, why))?;
        self.loose_root = Some(root);
        Ok(self)
    }

    /// The files outside any checkout, in order of name.
    pub fn loose_files(&self) -> &[LooseFile] {
        &self.loose_files
    }

    /// Where loose files of a snapshot are applied.
    pub fn loose_root(&self) -> Option<&Path> {
        self.loose_root.as_deref()
    }

    /// A name for the file at `path` that no other has: its own, numbered where that is taken.
    pub(super) fn free_name(&self, path: &Path) -> RelPath {
        let own = path.file_name().map(|name| RelPath::from(name.as_bytes()));
        let own =
            own.filter(|name| name.check(&PathLimits::default()).is_ok()).unwrap_or_else(|| "file".into());
        let (stem, extension) = split(own.as_bytes());
        let mut name = own.clone();
        let mut number = 2;
        while self.loose_files.iter().any(|other| other.name == name) {
            name = RelPath::new([stem, format!("-{number}").as_bytes(), extension].concat());
            number += 1;
        }
        name
    }
}

fn invalid(why: String) -> Error {
    Error::InvalidArgument { argument: "name", why }
}

fn is_or_is_below(path: &RelPath, above: &RelPath) -> bool {
    let rest = path.as_bytes().strip_prefix(above.as_bytes());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// A name before and from its last dot; a dot in front is part of the name.
fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|byte| *byte == b'.') {
        Some(dot) if dot > 0 => name.split_at(dot),
        _ => (name, b""),
    }
}
