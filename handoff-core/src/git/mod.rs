//! Everything we ask of git: the only module that knows `gix`. An opened repository runs no program, takes no
//! lock and writes nothing, unless a function's name says so.

mod attributes;
mod branch;
mod config;
mod encoding;
mod head;
mod history;
mod identity;
mod include;
mod index;
mod lfs;
mod lock;
mod objects;
mod patterns;
mod remote;
mod scan;
mod staged;

use std::path::{Path, PathBuf};

pub(crate) use attributes::{Ignores, NORMALISE_LIMIT, Normalised, Normaliser};
pub(crate) use branch::HeadState;
pub(crate) use encoding::Encoding;
pub(crate) use history::{Arrival, Broken, Commits, Met, NewObject, Objects, Reach, Refused, Unpushed};
pub(crate) use include::Include;
pub(crate) use index::{Index, IndexBits, IndexChange, IndexItem, StagedItem};
pub(crate) use lfs::lfs_content;
pub(crate) use objects::{BlobHasher, Blobs, TreeItem};
pub(crate) use patterns::Patterns;
pub(crate) use scan::{Found, FoundStat, ScanOptions, Scanned, TICK};

use crate::error::Error;
use crate::id::{ObjectFormat, Oid};
use crate::snapshot::Mode;

/// One repository with a work tree, opened hardened. Cheap to share between threads.
pub(crate) struct Repo {
    shared: gix::ThreadSafeRepository,
    root: PathBuf,
    git_dir: PathBuf,
    common_dir: PathBuf,
    hash: gix::hash::Kind,
    trusts_mode: bool,
    has_symlinks: bool,
    ignores_case: bool,
}

impl std::fmt::Debug for Repo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Repo({})", self.root.display())
    }
}

impl Repo {
    /// Opens the repository whose work tree contains `path`.
    ///
    /// User and system configuration counts, because ignore rules and line-ending settings live there, but no
    /// section of any file is trusted to name a program, and nothing is taken from `GIT_*` variables: a host
    /// that runs inside a hook must not be led to another repository.
    pub fn discover(path: &Path) -> Result<Self, Error> {
        Self::open_at(&Self::find(path)?)
    }

    /// Where to open the repository that `path` is in, without opening it: its work tree, or its git directory where
    /// it has none.
    pub fn find(path: &Path) -> Result<PathBuf, Error> {
        // The libraries below resolve every path, absolute ones too, by way of the current directory.
        if let Err(why) = std::env::current_dir() {
            return Err(Error::io("finding (with no current directory; change to one first)", path, why));
        }
        let kind = std::fs::metadata(path).map_err(|why| Error::io("opening", path, why))?;
        // A file stands for the directory it is in.
        let from = if kind.is_file() {
            path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
        } else {
            path
        };
        let (found, _) = gix::discover::upwards_opts(from, discover_options())
            .map_err(|_| Error::NotARepository { path: path.to_owned() })?;
        let (git_dir, worktree) = found.into_repository_and_work_tree_directories();
        // A linked or separate git directory is opened through its work tree, so that gix pairs them as git does.
        Ok(worktree.unwrap_or(git_dir))
    }

    /// Opens the repository whose work tree is exactly `path`; for nested repositories.
    pub fn open_at(path: &Path) -> Result<Self, Error> {
        let mut repo =
            open_options().open(path).map_err(|why| Self::cannot_open(path, why))?.to_thread_local();
        repo.make_paths_absolute().map_err(|why| Self::cannot_open(path, why))?;
        let Some(root) = repo.workdir().map(Path::to_owned) else {
            return Err(config::without_worktree(&repo, path));
        };
        let root = root.canonicalize().map_err(|why| Error::io("resolving", &root, why))?;
        let real = |dir: &Path| dir.canonicalize().map_err(|why| Error::io("resolving", dir, why));
        let git_dir = real(repo.git_dir())?;
        let common_dir = real(repo.common_dir())?;
        config::check_loaded(&repo, &git_dir, &common_dir)?;
        config::check_worktree(&repo, &root, &git_dir)?;
        config::trust_pattern_files(&mut repo, &root)?;
        let config = repo.config_snapshot();
        if config.string("extensions.refStorage").is_some_and(|format| format.as_slice() == b"reftable") {
            return Err(Error::Unsupported {
                path: root,
                feature: "the reftable reference format".into(),
                remedy: "convert it with `git refs migrate --ref-format=files`".into(),
            });
        }
        let flag = |key: &str, default: bool| config.boolean(key).unwrap_or(default);
        let (trusts_mode, has_symlinks, ignores_case) = (
            flag("core.fileMode", cfg!(unix)),
            flag("core.symlinks", cfg!(unix)),
            flag("core.ignoreCase", false),
        );
        let hash = repo.object_hash();
        Ok(Self {
            shared: repo.into_sync(),
            hash,
            root,
            git_dir,
            common_dir,
            trusts_mode,
            has_symlinks,
            ignores_case,
        })
    }

    fn cannot_open(path: &Path, why: gix::Error) -> Error {
        Error::repository(path, "opening the repository", config::without_values(&why))
    }

    /// A handle for this thread; opening one is cheap, but not free.
    fn local(&self) -> gix::Repository {
        let mut repo = self.shared.to_thread_local();
        // Replacements (`git replace`) are this checkout's own view of history. What travels under an object's id
        // has to be that object, or a target without the replacement would not recognise it.
        repo.objects.ignore_replacements = true;
        repo
    }

    fn failed(&self, action: &str, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::repository(&self.root, action, why)
    }

    /// The work tree's root: absolute, symlinks resolved.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of HEAD and the index.
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// The directory of objects and refs, shared between linked work trees.
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// How objects are named.
    pub fn format(&self) -> ObjectFormat {
        match self.hash_kind() {
            gix::hash::Kind::Sha1 => ObjectFormat::Sha1,
            _ => ObjectFormat::Sha256,
        }
    }

    fn hash_kind(&self) -> gix::hash::Kind {
        self.hash
    }

    /// `core.fileMode`: whether the executable bit on disk means anything.
    pub fn trusts_mode(&self) -> bool {
        self.trusts_mode
    }

    /// `core.symlinks`: whether links are links, and not files that hold their target.
    pub fn has_symlinks(&self) -> bool {
        self.has_symlinks
    }

    /// `core.ignoreCase`
    pub fn ignores_case(&self) -> bool {
        self.ignores_case
    }
}

fn discover_options() -> gix::discover::upwards::Options<'static> {
    gix::discover::upwards::Options {
        trust: gix::discover::upwards::TrustPolicy::Assume(gix::sec::Trust::Full),
        ..Default::default()
    }
}

fn open_options() -> gix::open::Options {
    let deny = gix::sec::Permission::Deny;
    let mut permissions = gix::open::Permissions::secure();
    permissions.env = gix::open::permissions::Environment {
        xdg_config_home: gix::sec::Permission::Allow,
        home: gix::sec::Permission::Allow,
        git_prefix: deny,
        other: deny,
        ssh_prefix: deny,
        http_transport: deny,
        identity: deny,
        objects: deny,
    };
    permissions.config.env = false;
    permissions.config.git_binary = false;
    permissions.attributes.git_binary = false;
    gix::open::Options::default()
        .permissions(permissions)
        // A checkout of another user (a mounted volume, a container) is data to us like any other: nothing in it is run.
        .with(gix::sec::Trust::Full)
        // Only what we put into the configuration ourselves is trusted; see `config::trust_pattern_files`.
        .filter_config_section(|section| section.source == gix::config::Source::Api)
        .lossy_config(true)
}

/// Our id from gix's.
pub(super) fn from_gix(id: impl AsRef<gix::hash::oid>) -> Option<Oid> {
    Oid::from_bytes(id.as_ref().as_bytes())
}

/// gix's id from ours.
pub(super) fn to_gix(oid: &Oid) -> Option<gix::ObjectId> {
    gix::ObjectId::try_from(oid.as_bytes()).ok()
}

/// The mode of an index or tree entry.
pub(super) fn mode_of(raw: u32) -> Mode {
    match raw {
        0o120000 => Mode::Symlink,
        0o160000 => Mode::Gitlink,
        0o100755 => Mode::Executable,
        // 100664 occurs in old histories; git reads it as 100644.
        _ => Mode::Regular,
    }
}

/// Git's number for a mode.
pub(super) fn raw_mode(mode: &Mode) -> u32 {
    match mode {
        Mode::Symlink => 0o120000,
        Mode::Gitlink => 0o160000,
        Mode::Executable => 0o100755,
        _ => 0o100644,
    }
}

/// Bytes as a path of the operating system.
pub(crate) fn os_path(bytes: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt as _;
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}
