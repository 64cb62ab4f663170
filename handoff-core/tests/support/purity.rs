//! The proof that something was not touched: everything that `lstat` says, and every byte.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use handoff_core::Digest;

/// What is known of one path. The access time is left out: reading is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Print {
    pub mode: u32,
    pub size: u64,
    pub inode: u64,
    pub links: u64,
    pub mtime: (i64, i64),
    pub ctime: (i64, i64),
    /// Of the content, or of a link's target; absent for directories and special files.
    pub content: Option<Digest>,
}

/// A fingerprint of a tree, the git directory included.
pub type Fingerprint = BTreeMap<Vec<u8>, Print>;

/// The fingerprint of everything below `root`, and of `root` itself.
pub fn fingerprint(root: &Path) -> Fingerprint {
    let mut prints = Fingerprint::new();
    visit(root, root, &mut prints);
    prints
}

fn visit(root: &Path, path: &Path, prints: &mut Fingerprint) {
    let meta = fs::symlink_metadata(path).unwrap();
    let kind = meta.file_type();
    let content = if kind.is_symlink() {
        Some(Digest::of(fs::read_link(path).unwrap().as_os_str().as_bytes()))
    } else if kind.is_file() {
        // A file that cannot be read is still covered by its times.
        fs::read(path).ok().map(|bytes| Digest::of(&bytes))
    } else {
        None
    };
    let print = Print {
        mode: meta.mode(),
        size: meta.size(),
        inode: meta.ino(),
        links: meta.nlink(),
        mtime: (meta.mtime(), meta.mtime_nsec()),
        ctime: (meta.ctime(), meta.ctime_nsec()),
        content,
    };
    prints.insert(path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec(), print);
    if kind.is_dir() {
        let Ok(names) = fs::read_dir(path) else { return };
        for entry in names {
            visit(root, &entry.unwrap().path(), prints);
        }
    }
}

/// What differs between two fingerprints, a line per path; empty when nothing does.
pub fn difference(before: &Fingerprint, after: &Fingerprint) -> String {
    let mut lines = Vec::new();
    for path in before.keys().chain(after.keys().filter(|path| !before.contains_key(*path))) {
        let (old, new) = (before.get(path), after.get(path));
        if old != new {
            lines.push(format!("{}: {old:?} became {new:?}", path.escape_ascii()));
        }
    }
    lines.join("\n")
}

/// Runs `work` and proves that it left every byte, mode and time below `roots` as they were. Every capture,
/// plan and preview of these tests goes through here.
#[track_caller]
pub fn assert_untouched<T>(roots: &[&Path], work: impl FnOnce() -> T) -> T {
    let before: Vec<_> = roots.iter().map(|root| fingerprint(root)).collect();
    let result = work();
    for (root, before) in roots.iter().zip(&before) {
        let changed = difference(before, &fingerprint(root));
        assert!(changed.is_empty(), "{} was touched:\n{changed}", root.display());
    }
    result
}
