//! Fingerprints of checkouts, so that "nothing changed" is a comparison and not a claim.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use handoff_core::{Digest, Hasher};

use crate::Done;
use crate::git::Git;

/// One digest per file.
#[derive(PartialEq, Eq)]
pub struct Fingerprint(BTreeMap<PathBuf, Digest>);

impl Fingerprint {
    /// The files that differ from `other`.
    pub fn differences(&self, other: &Self) -> Vec<PathBuf> {
        let of = |a: &Self, b: &Self| -> Vec<PathBuf> {
            a.0.iter()
                .filter(|(path, digest)| b.0.get(*path) != Some(digest))
                .map(|(path, _)| path.clone())
                .collect()
        };
        let mut paths = of(self, other);
        paths.extend(of(other, self));
        paths.sort();
        paths.dedup();
        paths
    }

    fn add(&mut self, root: &Path, path: &Path, depth: Depth) -> Done {
        let mut hasher = Hasher::new();
        describe(&mut hasher, &root.join(path), depth)?;
        self.0.insert(root.join(path), hasher.finish());
        Ok(())
    }
}

impl fmt::Display for Fingerprint {
    /// All digests as one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hasher = Hasher::new();
        for (path, digest) in &self.0 {
            hasher.update(path.as_os_str().as_bytes());
            hasher.update(&[0]);
            hasher.update(digest.as_bytes());
        }
        let files = self.0.len();
        write!(f, "{} over {files} files", hasher.finish())
    }
}

/// Everything that a careless reader could disturb: path, kind, mode, mtime and bytes of each file that git
/// tracks or could add, and of each file in the git directory (objects: names, sizes and mtimes).
pub fn whole(git: &Git) -> Done<Fingerprint> {
    let mut print = Fingerprint(BTreeMap::new());
    for path in work_tree_files(git)? {
        print.add(git.root(), Path::new(&path), Depth::Everything)?;
    }
    let dirs = git.lines(&["rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir"])?;
    for dir in dirs {
        walk(&mut print, Path::new(&dir), Path::new(""))?;
    }
    Ok(print)
}

/// What a person would call the state of a checkout: every path with its kind, mode and bytes, the staged
/// entries, HEAD and all refs. No mtimes, and none of git's caches.
pub fn state(git: &Git) -> Done<Fingerprint> {
    let mut print = Fingerprint(BTreeMap::new());
    for path in work_tree_files(git)? {
        print.add(git.root(), Path::new(&path), Depth::State)?;
    }
    for args in [
        &["ls-files", "-z", "--stage"][..],
        &["rev-parse", "--verify", "--quiet", "HEAD"],
        &["for-each-ref"],
        &["stash", "list"],
    ] {
        // HEAD of a repository without commits cannot be resolved, before as after.
        let said = git.run(args).unwrap_or_default();
        print.0.insert(PathBuf::from(format!("git {}", args.join(" "))), Digest::of(&said));
    }
    print.add(git.root(), Path::new(".git/HEAD"), Depth::State)?;
    Ok(print)
}

fn work_tree_files(git: &Git) -> Done<Vec<String>> {
    let mut files =
        git.names(&["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--full-name"])?;
    files.sort();
    files.dedup();
    Ok(files)
}

enum Depth {
    /// Kind, mode and content.
    State,
    /// And the mtime.
    Everything,
    /// Kind, mode, size and mtime.
    Outside,
}

fn describe(hasher: &mut Hasher, path: &Path, depth: Depth) -> Done {
    let Ok(meta) = fs::symlink_metadata(path) else {
        hasher.update(b"absent");
        return Ok(());
    };
    hasher.update(&meta.permissions().mode().to_be_bytes());
    if !matches!(depth, Depth::State) {
        hasher.update(&meta.mtime().to_be_bytes());
        hasher.update(&meta.mtime_nsec().to_be_bytes());
    }
    if meta.is_symlink() {
        hasher.update(fs::read_link(path)?.as_os_str().as_bytes());
    } else if meta.is_file() {
        hasher.update(&meta.len().to_be_bytes());
        if !matches!(depth, Depth::Outside) {
            content(hasher, path)?;
        }
    }
    Ok(())
}

fn content(hasher: &mut Hasher, path: &Path) -> Done {
    use std::io::Read as _;
    // An unreadable file is as unreadable afterwards.
    let Ok(mut file) = fs::File::open(path) else { return Ok(()) };
    let mut block = vec![0; 1 << 18];
    loop {
        let read = file.read(&mut block)?;
        let Some(filled) = block.get(..read).filter(|filled| !filled.is_empty()) else { return Ok(()) };
        hasher.update(filled);
    }
}

/// A git directory. The mtimes of directories count too: a lock file that came and went would show.
fn walk(print: &mut Fingerprint, root: &Path, below: &Path) -> Done {
    print.add(root, below, Depth::Outside)?;
    let mut names: Vec<_> = fs::read_dir(root.join(below))?.collect::<Result<_, _>>()?;
    names.sort_by_key(fs::DirEntry::file_name);
    for entry in names {
        let path = below.join(entry.file_name());
        // Work trees and borrowed repositories beside ours are not ours to watch.
        if path == Path::new("worktrees") {
            continue;
        }
        if entry.file_type()?.is_dir() {
            walk(print, root, &path)?;
        } else {
            let depth = if path.starts_with("objects") { Depth::Outside } else { Depth::Everything };
            print.add(root, &path, depth)?;
        }
    }
    Ok(())
}
