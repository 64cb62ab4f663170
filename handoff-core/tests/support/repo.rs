//! Fixtures: repositories in scratch directories.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::git;

/// How a fixture names its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Sha1,
    Sha256,
}

/// A work tree with a repository.
#[derive(Debug, Clone)]
pub struct Repo {
    pub root: PathBuf,
}

/// A scratch directory that takes its repositories with it.
pub fn scratch() -> TempDir {
    tempfile::Builder::new().prefix("handoff-test-").tempdir().unwrap()
}

/// A scratch directory in memory where the system has room for one (Linux), for tests that make thousands of
/// small checkouts and would else wait for the disk most of the time. Everything else runs on a real one.
pub fn scratch_in_memory() -> TempDir {
    tempfile::Builder::new().prefix("handoff-test-").tempdir_in("/dev/shm").unwrap_or_else(|_| scratch())
}

/// Where `path`, as bytes, is below `root`.
pub fn at(root: &Path, path: impl AsRef<[u8]>) -> PathBuf {
    root.join(OsStr::from_bytes(path.as_ref()))
}

impl Repo {
    /// An empty repository on branch `main`. Local settings override whatever the tester's own git is set to,
    /// because the library under test reads those as it should.
    pub fn init(root: impl Into<PathBuf>, format: Format) -> Self {
        let root = root.into();
        fs::create_dir_all(&root).unwrap();
        let format = match format {
            Format::Sha1 => "--object-format=sha1",
            Format::Sha256 => "--object-format=sha256",
        };
        git::git(&root, &["init", "-q", "--template=", "-b", "main", format]);
        let repo = Self { root };
        repo.neutral_config();
        repo
    }

    fn neutral_config(&self) {
        let config = self.git_dir().join("config");
        let mut text = fs::read_to_string(&config).unwrap();
        text.push_str(
            "[core]\n\texcludesFile = /dev/null\n\tattributesFile = /dev/null\n\tautocrlf = false\n\
             [status]\n\trelativePaths = false\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n",
        );
        fs::write(config, text).unwrap();
    }

    /// A clone without any link to this one's objects.
    pub fn clone_to(&self, root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let parent = root.parent().unwrap();
        fs::create_dir_all(parent).unwrap();
        let args: [&OsStr; 6] = [
            "clone".as_ref(),
            "-q".as_ref(),
            "--no-local".as_ref(),
            "--template=".as_ref(),
            self.root.as_ref(),
            root.as_ref(),
        ];
        git::git(parent, &args);
        let clone = Self { root };
        clone.neutral_config();
        clone
    }

    /// A copy of everything, the index brought up to date with the copies.
    pub fn copy_to(&self, root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        copy_tree(&self.root, &root);
        let copy = Self { root };
        copy.refresh();
        copy
    }

    /// Records the files as they are in the index, as any git command of a person does in passing.
    pub fn refresh(&self) {
        git::output(&self.root, &["update-index", "-q", "--refresh"], b"");
    }

    pub fn git_dir(&self) -> PathBuf {
        self.root.join(".git")
    }

    pub fn at(&self, path: impl AsRef<[u8]>) -> PathBuf {
        at(&self.root, path)
    }

    #[track_caller]
    pub fn git<A: AsRef<OsStr>>(&self, args: &[A]) -> Vec<u8> {
        git::git(&self.root, args)
    }

    /// Writes a file, with the directories above it.
    pub fn write(&self, path: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> &Self {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    pub fn read(&self, path: impl AsRef<[u8]>) -> Vec<u8> {
        fs::read(self.at(path)).unwrap()
    }

    pub fn exists(&self, path: impl AsRef<[u8]>) -> bool {
        fs::symlink_metadata(self.at(path)).is_ok()
    }

    pub fn remove(&self, path: impl AsRef<[u8]>) -> &Self {
        fs::remove_file(self.at(path)).unwrap();
        self
    }

    pub fn executable(&self, path: impl AsRef<[u8]>, on: bool) -> &Self {
        let mode = if on { 0o755 } else { 0o644 };
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    pub fn link(&self, path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> &Self {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(OsStr::from_bytes(target.as_ref()), path).unwrap();
        self
    }

    /// Stages everything and commits it.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.head()
    }

    /// That the index holds a directory as one entry, which a setting alone does not make it do.
    #[track_caller]
    pub fn assert_sparse_index(&self) {
        let entries = String::from_utf8_lossy(&self.git(&["ls-files", "--sparse", "-s"])).into_owned();
        assert!(entries.lines().any(|entry| entry.starts_with("040000 ")), "no directory in it: {entries}");
    }

    pub fn head(&self) -> String {
        git::line(&self.root, &["rev-parse", "HEAD"])
    }

    pub fn workspace(&self) -> handoff_core::Workspace {
        handoff_core::Workspace::new([&self.root]).unwrap()
    }
}

/// Copies a tree: kinds, modes, bytes and link targets.
pub fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy_tree(&entry.path(), &target);
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path()).unwrap(), target).unwrap();
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Options of a capture beside which nobody writes, so that files written a moment ago need not be waited for. For
/// tests that capture hundreds of times.
pub fn undisturbed() -> handoff_core::CaptureOptions {
    let mut options = handoff_core::CaptureOptions::default();
    options.quiet = std::time::Duration::ZERO;
    options
}
