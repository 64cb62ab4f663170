//! A target that is struck while something is done to it: what it was, what it becomes, and what must hold whatever
//! happens in between.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use handoff_core::{ApplyId, CaptureOptions, Snapshot, capture};

use super::driver::Job;
use super::oracle::{self, Disk, State};
use super::purity::assert_untouched;
use super::repo::{Format, Repo, copy_tree, scratch_in_memory};
use super::trace;

/// Whether every point is to be struck, not a sample.
pub fn wants_all() -> bool {
    std::env::var_os("HANDOFF_KILL_ALL").is_some_and(|value| value == "1")
}

/// Calls that change something on disk; they make up most of a sample.
pub const CHANGING: &[&str] = &[
    "chmod",
    "copy_file_range",
    "fallocate",
    "fchmod",
    "fchmodat",
    "fdatasync",
    "fsync",
    "ftruncate",
    "link",
    "linkat",
    "mkdir",
    "mkdirat",
    "pwrite64",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "sendfile",
    "symlink",
    "symlinkat",
    "sync_file_range",
    "syncfs",
    "unlink",
    "unlinkat",
    "utimensat",
    "write",
    "writev",
];

/// A target, what it was, and what it becomes.
pub struct Scene {
    pub scratch: tempfile::TempDir,
    /// Copied for each kill.
    pub target: Repo,
    pub bundle: PathBuf,
    pub old: State,
    pub new: State,
    /// The git directory's files (without the index and ours) by content.
    pub git: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Files of a directory by path, contents only.
pub fn contents(directory: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    fn visit(root: &Path, directory: &Path, found: &mut BTreeMap<Vec<u8>, Vec<u8>>) {
        let Ok(entries) = fs::read_dir(directory) else { return };
        for entry in entries {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let key = path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
            if meta.is_dir() {
                visit(root, &path, found);
            } else if meta.is_symlink() {
                found.insert(key, fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec());
            } else {
                found.insert(key, fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    visit(directory, directory, &mut found);
    found
}

/// What of the git directory must not change: everything but the index, its lock, and our journal.
pub fn foreign(repo: &Repo) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut files = contents(&repo.git_dir());
    files.retain(|path, _| !path.starts_with(b"handoff") && path != b"index" && path != b"index.lock");
    files
}

impl Scene {
    /// Eleven changes of every kind, staged and not.
    pub fn new() -> Self {
        let scratch = scratch_in_memory();
        let base = Repo::init(scratch.path().join("base/app"), Format::Sha1);
        base.write("modified.txt", "old content\n".repeat(50)).write("staged.txt", "old\n");
        base.write("deleted.txt", "to be deleted\n").write("sub/deleted-too.txt", "as well\n");
        base.write("tool.sh", "#!/bin/sh\n").write("becomes-link", "a file\n").link("link", "modified.txt");
        base.write("untouched.txt", "nobody's business\n").write("becomes-dir", "a file, too\n");
        base.commit("base");
        let source = base.copy_to(scratch.path().join("source/app"));
        source.write("modified.txt", "new content\n".repeat(70)).write("staged.txt", "new\n");
        source.git(&["add", "staged.txt"]);
        source.write("staged.txt", "newer\n").write("added.txt", "added\n");
        source.git(&["add", "added.txt"]);
        source.remove("deleted.txt");
        source.git(&["rm", "-q", "sub/deleted-too.txt"]);
        source.executable("tool.sh", true).remove("becomes-link").link("becomes-link", "tool.sh");
        source.remove("link").link("link", "staged.txt");
        source.remove("becomes-dir");
        fs::create_dir(source.at("becomes-dir")).unwrap();
        source.write("untracked.bin", vec![7; 100_000]).write("deep/er/untracked.txt", "deep\n");

        let workspace = source.workspace();
        let snapshot =
            assert_untouched(&[&source.root], || capture(&workspace, &CaptureOptions::default())).unwrap();
        let bundle = scratch.path().join("scene.handoff");
        snapshot.save(&bundle).unwrap();
        let (old, new) = (oracle::state(&base), oracle::state(&source));
        let git = foreign(&base);
        Self { scratch, target: base, bundle, old, new, git }
    }

    /// A fresh copy of `from` at the place that every copy has in turn.
    pub fn fresh(&self, from: &Repo) -> Repo {
        let place = self.scratch.path().join("struck");
        let _ = fs::remove_dir_all(&place);
        let root = place.join("app");
        copy_tree(&from.root, &root);
        Repo { root }
    }

    pub fn snapshot(&self) -> Snapshot {
        Snapshot::open(&self.bundle).unwrap()
    }

    /// What must hold however far the killed run came.
    pub fn neither_torn_nor_lost(&self, repo: &Repo) -> Result<(), String> {
        let files = oracle::files(&repo.root);
        let journal: BTreeSet<Vec<u8>> = contents(&repo.git_dir().join("handoff")).into_values().collect();
        let paths: BTreeSet<_> =
            self.old.files.keys().chain(self.new.files.keys()).chain(files.keys()).collect();
        for path in paths {
            let (old, new, now) = (self.old.files.get(path), self.new.files.get(path), files.get(path));
            let shown = path.escape_ascii();
            if now != old && now != new {
                return Err(format!("{shown} is neither old nor new: {now:?}"));
            }
            let lost = match old {
                Some(Disk::File { content, .. }) => {
                    !matches!(now, Some(Disk::File { content: here, .. }) if here == content)
                        && !journal.contains(content)
                }
                Some(Disk::Link(target)) => now != old && !journal.contains(target),
                Some(Disk::Special) | None => false,
            };
            if lost {
                return Err(format!("the old content of {shown} is neither in the tree nor in the journal"));
            }
        }
        let git = foreign(repo);
        for (path, content) in &self.git {
            if git.get(path) != Some(content) {
                return Err(format!(".git/{} changed", path.escape_ascii()));
            }
        }
        for path in git.keys().filter(|path| !self.git.contains_key(*path)) {
            if !path.starts_with(b"objects/") {
                return Err(format!(".git/{} was left behind", path.escape_ascii()));
            }
        }
        Ok(())
    }

    /// The index is written in one step, so a kill leaves all or nothing of it.
    pub fn index_is_whole(&self, repo: &Repo) -> Result<(), String> {
        let index = oracle::state(repo).index;
        if index == self.old.index || index == self.new.index {
            return Ok(());
        }
        Err("the index is neither old nor new".into())
    }

    /// After the run that completes: exactly this state, and nothing left over.
    pub fn complete(&self, repo: &Repo, wanted: &State) -> Result<(), String> {
        let difference = oracle::difference(wanted, &oracle::state(repo));
        if !difference.is_empty() {
            return Err(format!("the next run did not complete it:\n{difference}"));
        }
        if repo.git_dir().join("index.lock").exists() {
            return Err("index.lock was left behind".into());
        }
        Ok(())
    }
}

/// One place to strike: before the `nth` call of `name` in any thread.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    pub name: String,
    pub nth: usize,
}

/// The places at which `job` can be struck, found by running it once on a copy.
pub fn points(job: &Job, log: &Path) -> Vec<Point> {
    let traced = trace::under(&job.command(), &["-e", "trace=%file,%desc,%process"], log);
    let answer = job.answer_of(traced).unwrap();
    assert!(answer.error.is_none(), "without a kill: {:?}", answer.error);
    let inside: BTreeSet<Point> = trace::calls(log)
        .into_iter()
        .filter(|call| call.inside && !matches!(call.name.as_str(), "exit" | "exit_group" | "execve"))
        .map(|call| Point { name: call.name, nth: call.nth })
        .collect();
    let points: Vec<_> = inside.into_iter().collect();
    assert!(
        points.iter().any(|point| CHANGING.contains(&point.name.as_str())),
        "the trace shows no change at all; is strace able to follow?"
    );
    points
}

/// The applies that a repository's journal records, newest first.
pub fn applies(repo: &Repo) -> Vec<ApplyId> {
    let mut found = BTreeSet::new();
    let mut directories = vec![repo.git_dir().join("handoff")];
    while let Some(directory) = directories.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries {
            let entry = entry.unwrap();
            if let Some(id) = entry.file_name().to_str().and_then(|name| name.split('.').next()?.parse().ok())
            {
                found.insert(id);
            }
            if entry.file_type().unwrap().is_dir() {
                directories.push(entry.path());
            }
        }
    }
    found.into_iter().rev().collect()
}
