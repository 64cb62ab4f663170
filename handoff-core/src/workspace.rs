//! A workspace: the set of checkouts on this machine that belong together, and the files outside them.

mod declarations;
mod discover;
mod loose;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use self::discover::{LeftOut, LeftOutReason, Touched};
pub use self::loose::LooseFile;
use crate::error::Error;
use crate::git::Repo;

/// The checkouts that are captured from, or applied to, together. Each is one git work tree; making a
/// workspace only finds them and reads no content. Files outside any checkout may be named besides.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # std::process::Command::new("git").args(["init", "-q"]).arg(dir.path().join("app")).status()?;
/// # let app = dir.path().join("app");
/// let workspace = handoff_core::Workspace::new([&app])?;
/// assert_eq!(workspace.repos()[0].name, "app");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Workspace {
    repos: Vec<WorkspaceRepo>,
    loose_files: Vec<LooseFile>,
    loose_root: Option<PathBuf>,
    left_out: Vec<LeftOut>,
}

/// One checkout of a [`Workspace`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkspaceRepo {
    /// The logical name: the directory's own name, made unique within the workspace.
    pub name: String,
    /// The root of the work tree: absolute, symlinks resolved.
    pub root: PathBuf,
}

impl Workspace {
    /// The workspace of the repositories that `roots` are in. A directory or file below a root stands for its whole
    /// repository; naming one repository twice is the same as once.
    ///
    /// A repository that cannot be opened (its references are in a form that is not read here, or its settings are
    /// damaged) does not cost the others: it is one of the workspace, and every capture lists it as
    /// [failed](crate::snapshot::RepoManifest::failed), with what to do.
    ///
    /// # Errors
    /// Where none of them can be opened, the first one's: [`Error::Unsupported`] or [`Error::Repository`].
    /// [`Error::NotARepository`] and [`Error::BareRepository`] name the directory; [`Error::UnsafeWorkspace`]
    /// where the work tree is `/` or the home directory (see [`Self::new_anywhere`]);
    /// [`Error::InvalidArgument`] when `roots` is empty.
    pub fn new<P: AsRef<Path>>(roots: impl IntoIterator<Item = P>) -> Result<Self, Error> {
        let workspace = Self::new_anywhere(roots)?;
        for repo in &workspace.repos {
            if let Some(what) = too_wide(&repo.root) {
                return Err(Error::UnsafeWorkspace { path: repo.root.clone(), what });
            }
        }
        Ok(workspace)
    }

    /// Like [`new`](Self::new), also for a work tree at `/` or in the home directory, which hold far more than
    /// one project: only for callers whose user asked for exactly that.
    ///
    /// # Errors
    /// As [`new`](Self::new), without [`Error::UnsafeWorkspace`].
    pub fn new_anywhere<P: AsRef<Path>>(roots: impl IntoIterator<Item = P>) -> Result<Self, Error> {
        let mut found = BTreeSet::new();
        let mut closed = BTreeSet::new();
        let mut trouble = None;
        for root in roots {
            let at = Repo::find(root.as_ref())?;
            match Repo::open_at(&at) {
                Ok(repo) => _ = found.insert(repo.root().to_owned()),
                // Nothing is amiss with it; there is no work tree, so it is the argument that is wrong.
                Err(why @ Error::BareRepository { .. }) => return Err(why),
                Err(why) => {
                    closed.insert(at.canonicalize().map_err(|why| Error::io("resolving", &at, why))?);
                    trouble.get_or_insert(why);
                }
            }
        }
        if let (true, Some(why)) = (found.is_empty(), trouble) {
            return Err(why);
        }
        found.append(&mut closed);
        if found.is_empty() {
            return Err(Error::InvalidArgument {
                argument: "roots",
                why: "is empty; name at least one directory".into(),
            });
        }
        Ok(Self::of_roots(found))
    }

    /// A workspace without any checkout, for files outside of them.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("notes.md");
    /// # std::fs::write(&path, "remember\n")?;
    /// use handoff_core::{CaptureOptions, Workspace, capture};
    ///
    /// let workspace = Workspace::without_checkouts().with_loose_file("notes.md", &path)?;
    /// let snapshot = capture(&workspace, &CaptureOptions::default())?;
    /// assert_eq!(snapshot.manifest().loose_files[0].path, "notes.md".into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn without_checkouts() -> Self {
        Self::default()
    }

    /// The work trees with these roots, named.
    fn of_roots(roots: BTreeSet<PathBuf>) -> Self {
        let mut taken = BTreeSet::new();
        let mut repos: Vec<_> = roots
            .into_iter()
            .map(|root| {
                let base = root
                    .file_name()
                    .map_or_else(|| "root".into(), |name| name.to_string_lossy().into_owned());
                let mut name = base.clone();
                let mut number = 2;
                while !taken.insert(name.clone()) {
                    name = format!("{base}-{number}");
                    number += 1;
                }
                WorkspaceRepo { name, root }
            })
            .collect();
        repos.sort_by(|a, b| a.name.cmp(&b.name));
        Self { repos, ..Self::default() }
    }

    /// The checkouts, in order of name.
    pub fn repos(&self) -> &[WorkspaceRepo] {
        &self.repos
    }

    /// Whether there is neither a checkout nor a file.
    pub fn is_empty(&self) -> bool {
        self.repos.is_empty() && self.loose_files.is_empty()
    }
}

/// What `root` is, where that holds far more than one project.
fn too_wide(root: &Path) -> Option<&'static str> {
    if root.parent().is_none() {
        return Some("the root of the file system");
    }
    let home = std::env::home_dir()?.canonicalize().ok()?;
    (home == root).then_some("the home directory")
}
