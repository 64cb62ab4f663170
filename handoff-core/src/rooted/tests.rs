//! Tests of the resolver.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::root::Lookup;
use super::{Dir, Kind, Refusal, Root, errno_name};

const LOOKUPS: &[Lookup] = &[
    #[cfg(target_os = "linux")]
    Lookup::Beneath,
    Lookup::Components,
];

/// A root with a git directory, beside a canary directory that must stay empty.
struct Scratch {
    _temp: tempfile::TempDir,
    root: PathBuf,
    canary: PathBuf,
}

impl Scratch {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let (root, canary) = (temp.path().join("root"), temp.path().join("canary"));
        fs::create_dir_all(root.join(".git/hooks")).unwrap();
        fs::create_dir(&canary).unwrap();
        Self { _temp: temp, root, canary }
    }

    fn make(&self, dir: &str) -> PathBuf {
        let path = self.root.join(dir);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn roots(&self) -> impl Iterator<Item = Root> {
        LOOKUPS.iter().map(|lookup| Root::open_as(&self.root, &[self.root.join(".git")], *lookup).unwrap())
    }
}

fn reason(result: Result<Dir, Refusal>) -> &'static str {
    result.map_or_else(|refusal| refusal.reason(), |_| "ok")
}

#[test]
fn finds_the_directory_that_the_path_names() {
    let scratch = Scratch::new();
    let deep = scratch.make("a/b/c");
    fs::write(deep.join("f"), "x").unwrap();
    for root in scratch.roots() {
        for _ in 0..2 {
            let mut text = String::new();
            root.dir(b"a/b/c").unwrap().open_file(b"f").unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "x");
        }
        assert_eq!(root.cached(), 3);
        assert_eq!(root.dir(b"").unwrap().identity().unwrap(), root.top().identity().unwrap());
        assert_eq!(reason(root.dir(b"a/none/c")), "parent_missing");
        assert_eq!(reason(root.dir(b"a/b/c/f")), "parent_is_file");
    }
}

#[test]
fn makes_missing_directories_and_says_which() {
    let scratch = Scratch::new();
    for (number, root) in scratch.roots().enumerate() {
        let mut made = Vec::new();
        let dir = root.dir_create(format!("n{number}/b/c").as_bytes(), &mut made).unwrap();
        dir.create_new(b"f", 0o644).unwrap().write_all(b"x").unwrap();
        let expected = [format!("n{number}"), format!("n{number}/b"), format!("n{number}/b/c")];
        assert_eq!(made, expected.map(String::into_bytes));
        assert_eq!(fs::read(scratch.root.join(format!("n{number}/b/c/f"))).unwrap(), b"x");
        root.dir_create(format!("n{number}/b").as_bytes(), &mut made).unwrap();
        assert_eq!(made.len(), 3);
    }
}
