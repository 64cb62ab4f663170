//! A workspace: the set of checkouts on this machine that belong together.

use std::path::{Path, PathBuf};

use crate::error::Error;

/// The checkouts that are captured from, or applied to, together. Each is one git work tree; opening is
/// cheap and reads only what is needed to find it.
#[derive(Debug, Clone)]
pub struct Workspace {
    repos: Vec<WorkspaceRepo>,
}

/// One checkout of a [`Workspace`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorkspaceRepo {
    /// The logical name: the directory's own name, made unique within the workspace.
    pub name: String,
    /// The root of the work tree, absolute, with symlinks resolved.
    pub root: PathBuf,
}

impl Workspace {
    /// The workspace of the repositories that `roots` are in. A directory below a root stands for its repository;
    /// naming one repository twice is the same as once.
    ///
    /// # Errors
    /// [`Error::NotARepository`] and [`Error::BareRepository`] name the directory; [`Error::UnsafeWorkspace`]
    /// where the work tree is `/` or the home directory; [`Error::InvalidArgument`] when `roots` is empty.
    pub fn new<P: AsRef<Path>>(roots: impl IntoIterator<Item = P>) -> Result<Self, Error> {
        let _ = roots;
        Err(Error::Cancelled)
    }

    /// The checkouts, in order of name.
    pub fn repos(&self) -> &[WorkspaceRepo] {
        &self.repos
    }
}
