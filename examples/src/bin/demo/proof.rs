//! Fingerprints of checkouts, so that "nothing changed" is a comparison and not a claim.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use handoff_core::{Digest, Hasher};

use crate::Done;
use crate::git::Git;

/// Everything that a careless reader could disturb: path, kind, mode, mtime and bytes of each file that git
/// tracks or could add, and of each file in the git directory (objects: names, sizes and mtimes).
pub fn whole(git: &Git) -> Done<Digest> {
    let mut hasher = Hasher::new();
    for path in work_tree_files(git)? {
        add(&mut hasher, git.root(), Path::new(&path), Depth::Everything)?;
    }
    let dirs = git.lines(&["rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir"])?;
    for dir in dirs {
        walk(&mut hasher, Path::new(&dir), Path::new(""))?;
    }
    Ok(hasher.finish())
}

/// What a person would call the state of a checkout: every path with its kind, mode and bytes, the staged
/// entries, HEAD and all refs. No mtimes, and none of git's caches.
pub fn state(git: &Git) -> Done<Digest> {
    let mut hasher = Hasher::new();
    for path in work_tree_files(git)? {
        add(&mut hasher, git.root(), Path::new(&path), Depth::State)?;
    }
    for args in
        [&["ls-files", "-z", "--stage"][..], &["rev-parse", "HEAD"], &["for-each-ref"], &["stash", "list"]]
    {
        hasher.update(&git.run(args)?);
    }
    if let Ok(head) = fs::read(git.root().join(".git/HEAD")) {
        hasher.update(&head);
    }
    Ok(hasher.finish())
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

fn add(hasher: &mut Hasher, root: &Path, path: &Path, depth: Depth) -> Done {
    hasher.update(path.as_os_str().as_bytes());
    hasher.update(&[0]);
    let full = root.join(path);
    let Ok(meta) = fs::symlink_metadata(&full) else {
        hasher.update(b"absent");
        return Ok(());
    };
    hasher.update(&meta.permissions().mode().to_be_bytes());
    if !matches!(depth, Depth::State) {
        hasher.update(&meta.mtime().to_be_bytes());
        hasher.update(&meta.mtime_nsec().to_be_bytes());
    }
    if meta.is_symlink() {
        hasher.update(fs::read_link(&full)?.as_os_str().as_bytes());
    } else if meta.is_file() {
        hasher.update(&meta.len().to_be_bytes());
        if !matches!(depth, Depth::Outside) {
            content(hasher, &full)?;
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
fn walk(hasher: &mut Hasher, root: &Path, below: &Path) -> Done {
    add(hasher, root, below, Depth::Outside)?;
    let mut names: Vec<_> = fs::read_dir(root.join(below))?.collect::<Result<_, _>>()?;
    names.sort_by_key(fs::DirEntry::file_name);
    for entry in names {
        let path = below.join(entry.file_name());
        // Work trees and borrowed repositories beside ours are not ours to watch.
        if path == Path::new("worktrees") {
            continue;
        }
        if entry.file_type()?.is_dir() {
            walk(hasher, root, &path)?;
        } else {
            let depth = if path.starts_with("objects") { Depth::Outside } else { Depth::Everything };
            add(hasher, root, &path, depth)?;
        }
    }
    Ok(())
}
