//! From the paths that an agent touched to the workspace they belong to.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::{Workspace, too_wide};
use crate::error::Error;
use crate::git::Repo;
use crate::names::names;
use crate::snapshot::LOOSE_FILES;

/// A path that an agent touched.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Touched {
    /// It was written, created or deleted.
    Written(PathBuf),
    /// It was only read. Reading never makes a file or repository part of the workspace.
    Read(PathBuf),
}

/// Something that was named and is no part of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// As it was named.
    pub path: PathBuf,
    /// Why.
    pub reason: LeftOutReason,
}

names! {
    /// Why something is no part of a workspace.
    LeftOutReason {
        /// It was only read, and is in no repository that was written to.
        ReadOnly = "read_only",
        /// It is outside any repository and there is nothing any more.
        Missing = "missing",
        /// A directory outside any repository.
        Directory = "directory",
        /// A pipe, socket or device.
        SpecialFile = "special_file",
        /// The repository it is in has no work tree.
        BareRepository = "bare_repository",
        /// It was declared as a repository and is none.
        NotARepository = "not_a_repository",
        /// A repository at `/` or in the home directory, which holds far more than one project. A file that was
        /// written in it is carried by itself.
        TooWide = "too_wide",
        /// The repository cannot be opened. [`Workspace::new`] with it alone says why, and what to do; for one whose
        /// references are reftable that is `git refs migrate --ref-format=files`.
        Unreadable = "unreadable",
        /// There are more loose files than a snapshot holds.
        TooMany = "too_many",
        /// A declaration of a version that is not known here.
        UnknownVersion = "unknown_version",
        /// A declaration of a kind that is not known here.
        UnknownKind = "unknown_kind",
    }
}

/// Where one path leads.
pub(super) enum Place {
    Repository(PathBuf),
    File(PathBuf),
    Nothing(LeftOutReason),
}

impl Workspace {
    /// The workspace of the paths that an agent wrote: for each path the innermost repository around it, and each
    /// file outside any repository as a [loose file](super::LooseFile). A path that is gone counts as where it was;
    /// of a symlink, both its own place and what it leads to count. Relative paths start at the current directory.
    ///
    /// The same paths give the same workspace, in whatever order and however often they are named. What cannot be
    /// part of it is listed by [`left_out`](Self::left_out) with the reason, so a result may be
    /// [empty](Self::is_empty). A repository at `/` or in the home directory is not taken.
    ///
    /// # Errors
    /// [`Error::Io`] when the current directory is needed and gone.
    ///
    /// ```
    /// # let (dir, laptop, _) = handoff_core::testing::laptop_and_cloud()?;
    /// # std::fs::write(dir.path().join("plan.md"), "1. ship\n")?;
    /// use handoff_core::Workspace;
    ///
    /// let workspace = Workspace::discover([laptop.join("src/deleted.rs"), dir.path().join("plan.md")])?;
    /// assert_eq!(workspace.repos()[0].name, "laptop");
    /// assert_eq!(workspace.loose_files()[0].name, "plan.md".into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn discover<P: AsRef<Path>>(written: impl IntoIterator<Item = P>) -> Result<Self, Error> {
        Self::discover_touched(written.into_iter().map(|path| Touched::Written(path.as_ref().to_owned())))
    }

    /// As [`discover`](Self::discover), for a log that also holds paths which were only read. Those never widen the
    /// workspace: one inside a repository that was written to is part of it anyway, any other is
    /// [left out](Self::left_out).
    ///
    /// # Errors
    /// As [`discover`](Self::discover).
    ///
    /// ```
    /// # let (dir, laptop, cloud) = handoff_core::testing::laptop_and_cloud()?;
    /// use handoff_core::{LeftOutReason, Touched, Workspace};
    ///
    /// let workspace = Workspace::discover_touched([
    ///     Touched::Written(laptop.join("notes.txt")),
    ///     Touched::Read(cloud.join("notes.txt")),
    /// ])?;
    /// assert_eq!(workspace.repos().len(), 1);
    /// assert_eq!(workspace.left_out()[0].reason, LeftOutReason::ReadOnly);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn discover_touched(paths: impl IntoIterator<Item = Touched>) -> Result<Self, Error> {
        let mut found = Found::default();
        let mut read = BTreeSet::new();
        for path in paths {
            match path {
                Touched::Written(path) => found.written(path)?,
                Touched::Read(path) => _ = read.insert(path),
            }
        }
        for path in read {
            let known = match found.place(&absolute(&path)?) {
                Place::Repository(root) => found.repos.contains(&root),
                Place::File(file) => found.files.contains(&file),
                Place::Nothing(_) => false,
            };
            if !known {
                found.leave(path, LeftOutReason::ReadOnly);
            }
        }
        Ok(found.into_workspace())
    }

    /// What was named to [`discover`](Self::discover) or declared, and is no part of the workspace, in order of
    /// path.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Found {
    pub repos: BTreeSet<PathBuf>,
    pub files: BTreeSet<PathBuf>,
    left_out: BTreeSet<(PathBuf, LeftOutReason)>,
    /// What each directory that was asked about is in: mostly they are few, and paths are many.
    around: HashMap<PathBuf, Around>,
}

/// The repository around a directory.
#[derive(Clone)]
enum Around {
    Root(PathBuf),
    Nothing,
    Unusable(LeftOutReason),
}

impl Found {
    pub fn leave(&mut self, path: PathBuf, reason: LeftOutReason) {
        self.left_out.insert((path, reason));
    }

    fn written(&mut self, path: PathBuf) -> Result<(), Error> {
        let named = absolute(&path)?;
        let lies = self.place(&named);
        match named.canonicalize() {
            // Who writes through a link writes what it leads to; the link itself matters where a repository has it.
            Ok(real) if named.is_symlink() => {
                if let Place::Repository(_) = lies {
                    self.take(&path, lies);
                }
                let leads = self.place(&real);
                self.take(&real, leads);
            }
            _ => self.take(&path, lies),
        }
        Ok(())
    }

    /// Where `path` leads, which need not exist.
    fn place(&mut self, path: &Path) -> Place {
        // A link's own place is where it lies, not where it leads.
        let start = if path.is_dir() && !path.is_symlink() { Some(path) } else { path.parent() };
        let nearest = start.into_iter().flat_map(Path::ancestors).find(|dir| dir.is_dir());
        // Above a directory is what is above it on disk, not in the name by which it was reached.
        let nearest = nearest.and_then(|dir| dir.canonicalize().ok()).unwrap_or_else(|| path.to_owned());
        let around = self.around.entry(nearest).or_insert_with_key(|dir| match Repo::discover(dir) {
            Ok(repo) => Around::Root(repo.root().to_owned()),
            Err(Error::NotARepository { .. }) => Around::Nothing,
            Err(Error::BareRepository { .. }) => Around::Unusable(LeftOutReason::BareRepository),
            // The path belongs to a repository; that it cannot be opened is said, not hidden.
            Err(_) => Around::Unusable(LeftOutReason::Unreadable),
        });
        match around.clone() {
            Around::Root(root) => Place::Repository(root),
            Around::Nothing => file(path),
            Around::Unusable(reason) => Place::Nothing(reason),
        }
    }

    fn take(&mut self, named: &Path, place: Place) {
        match place {
            Place::Repository(root) if too_wide(&root).is_some() => {
                self.leave(root, LeftOutReason::TooWide);
                if let Place::File(file) = file(named) {
                    self.files.insert(file);
                }
            }
            Place::Repository(root) => _ = self.repos.insert(root),
            Place::File(file) => _ = self.files.insert(file),
            Place::Nothing(reason) => self.leave(named.to_owned(), reason),
        }
    }

    /// Everything under names of its own.
    pub fn into_workspace(mut self) -> Workspace {
        let mut workspace = Workspace::of_roots(std::mem::take(&mut self.repos));
        for file in std::mem::take(&mut self.files) {
            if workspace.loose_files.len() as u64 >= LOOSE_FILES {
                self.leave(file, LeftOutReason::TooMany);
                continue;
            }
            workspace.add_loose_file(workspace.free_name(&file), file);
        }
        let left_out = self.left_out.into_iter();
        workspace.left_out = left_out.map(|(path, reason)| LeftOut { path, reason }).collect();
        workspace
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|why| Error::io("resolving", path, why))
}

/// What `path`, in no repository that counts, is by itself.
pub(super) fn file(path: &Path) -> Place {
    match path.canonicalize() {
        Ok(real) if real.is_file() => Place::File(real),
        Ok(real) if real.is_dir() => Place::Nothing(LeftOutReason::Directory),
        Ok(_) => Place::Nothing(LeftOutReason::SpecialFile),
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => Place::Nothing(LeftOutReason::Missing),
        Err(_) => Place::Nothing(LeftOutReason::Unreadable),
    }
}
