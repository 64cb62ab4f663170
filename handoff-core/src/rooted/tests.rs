//! Tests of the resolver.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod races;

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

#[test]
fn links_on_the_way_are_refused_wherever_they_lead() {
    let scratch = Scratch::new();
    scratch.make("real/in");
    scratch.make("mid");
    symlink(&scratch.canary, scratch.root.join("out")).unwrap();
    symlink(".git", scratch.root.join("s")).unwrap();
    symlink("real", scratch.root.join("inside")).unwrap();
    symlink("../real", scratch.root.join("mid/link")).unwrap();
    symlink("loop", scratch.root.join("loop")).unwrap();
    symlink("real", scratch.root.join("chain0")).unwrap();
    for number in 1..=41 {
        symlink(format!("chain{}", number - 1), scratch.root.join(format!("chain{number}"))).unwrap();
    }
    for root in scratch.roots() {
        for path in
            ["out", "out/x", "s", "s/hooks", "inside", "inside/in", "mid/link/in", "loop/x", "chain41/in"]
        {
            assert_eq!(reason(root.dir(path.as_bytes())), "parent_is_symlink", "{path}");
            let mut made = Vec::new();
            assert_eq!(
                reason(root.dir_create(format!("{path}/new").as_bytes(), &mut made)),
                "parent_is_symlink"
            );
            assert!(made.is_empty());
        }
        assert_eq!(reason(root.dir(b"real/in")), "ok");
    }
    assert_eq!(fs::read_dir(&scratch.canary).unwrap().count(), 0);
}

#[test]
fn paths_that_no_root_opens() {
    let scratch = Scratch::new();
    scratch.make("a");
    for root in scratch.roots() {
        for (path, expected) in [
            (&b"a/.."[..], "path_traversal"),
            (b"../canary", "path_traversal"),
            (b"/etc", "path_not_normalized"),
            (b"a//b", "path_not_normalized"),
            (b"a/", "path_not_normalized"),
            (b"./a", "path_not_normalized"),
            (b"a\0", "path_nul"),
            (b".git", "path_git_dir"),
            (b".git/hooks", "path_git_dir"),
            (b"a/.GIT", "path_git_dir"),
            (b"git~1/x", "path_git_alias"),
        ] {
            assert_eq!(reason(root.dir(path)), expected, "{}", path.escape_ascii());
            assert_eq!(reason(root.dir_create(path, &mut Vec::new())), expected, "{}", path.escape_ascii());
        }
    }
    assert_eq!(fs::read_dir(scratch.root.join("a")).unwrap().count(), 0);
}

#[test]
fn a_git_directory_is_known_by_identity() {
    let scratch = Scratch::new();
    scratch.make("store/hooks");
    let own = scratch.root.join(".git");
    for lookup in LOOKUPS {
        let git_dirs = [scratch.root.join("store")];
        // The root's own `.git` is known without being named.
        let root = Root::open_as(&scratch.root, &git_dirs, *lookup).unwrap();
        assert_eq!(reason(root.dir(b"store")), "parent_is_git_dir");
        assert_eq!(reason(root.dir(b"store/hooks")), "parent_is_git_dir");
        fs::rename(&own, scratch.root.join("plain")).unwrap();
        assert_eq!(reason(root.dir(b"plain")), "parent_is_git_dir");
        assert_eq!(reason(root.dir_create(b"plain/hooks/x", &mut Vec::new())), "parent_is_git_dir");
        assert_eq!(errno(root.top().subdir(b"plain")), "EPERM");
        fs::rename(scratch.root.join("plain"), &own).unwrap();
    }
    assert_eq!(
        Root::open(&own, std::slice::from_ref(&own)).err().unwrap().kind(),
        crate::error::ErrorKind::InvalidArgument
    );
}

#[test]
fn a_cached_directory_does_not_hide_what_took_its_place() {
    let scratch = Scratch::new();
    for root in scratch.roots() {
        let dir = scratch.make("d/e");
        let (old, aside) = (root.dir(b"d/e").unwrap(), scratch.root.join("aside"));
        // A link.
        fs::rename(scratch.root.join("d"), &aside).unwrap();
        symlink(&scratch.canary, scratch.root.join("d")).unwrap();
        assert_eq!(reason(root.dir(b"d/e")), "parent_is_symlink");
        assert_eq!(reason(root.dir(b"d")), "parent_is_symlink");
        // A link to the very same directory is still a link.
        fs::remove_file(scratch.root.join("d")).unwrap();
        fs::rename(&aside, scratch.root.join("d")).unwrap();
        assert_eq!(reason(root.dir(b"d/e")), "ok");
        fs::rename(scratch.root.join("d"), &aside).unwrap();
        symlink("aside", scratch.root.join("d")).unwrap();
        assert_eq!(reason(root.dir(b"d/e")), "parent_is_symlink");
        // The handle is still the directory that was judged.
        drop(old.create_new(b"f", 0o644).unwrap());
        assert!(aside.join("e/f").exists());
        // Another directory.
        fs::remove_file(scratch.root.join("d")).unwrap();
        fs::create_dir_all(&dir).unwrap();
        let new = root.dir(b"d/e").unwrap();
        assert_ne!(new.identity().unwrap(), old.identity().unwrap());
        // A git directory.
        fs::remove_dir_all(scratch.root.join("d")).unwrap();
        fs::rename(scratch.root.join(".git"), scratch.root.join("d")).unwrap();
        assert_eq!(reason(root.dir(b"d")), "parent_is_git_dir");
        fs::rename(scratch.root.join("d"), scratch.root.join(".git")).unwrap();
        // Nothing.
        assert_eq!(reason(root.dir(b"d/e")), "parent_missing");
        fs::remove_dir_all(aside).unwrap();
    }
    assert_eq!(fs::read_dir(&scratch.canary).unwrap().count(), 0);
}

#[test]
fn repositories_of_their_own_are_not_entered() {
    let scratch = Scratch::new();
    scratch.make("nested/.git");
    fs::write(scratch.root.join("nested/.git/HEAD"), "ref: refs/heads/main\n").unwrap();
    scratch.make("odd/.git");
    assert!(scratch.roots().all(|root| root.dir(b"odd").is_ok()), "without a HEAD it is no repository");
    scratch.make("nested/src");
    scratch.make("module");
    fs::write(scratch.root.join("module/.git"), "gitdir: elsewhere\n").unwrap();
    scratch.make("linked");
    symlink("nowhere", scratch.root.join("linked/.git")).unwrap();
    for root in scratch.roots() {
        for path in ["nested", "nested/src", "module", "linked"] {
            assert_eq!(reason(root.dir(path.as_bytes())), "parent_is_submodule", "{path}");
        }
        // Looking is for the caller to decide: capture finds nested repositories this way.
        assert!(root.top().subdir(b"nested").is_ok());
    }
}

#[test]
fn no_more_handles_are_kept_than_allowed() {
    let scratch = Scratch::new();
    for root in scratch.roots() {
        for number in 0..200 {
            root.dir_create(format!("d{number}/x").as_bytes(), &mut Vec::new()).unwrap();
            assert!(root.cached() <= super::cache::CAPACITY);
        }
        assert_eq!(root.cached(), super::cache::CAPACITY);
        assert_eq!(reason(root.dir(b"d0/x")), "ok");
    }
}

fn errno<T>(result: std::io::Result<T>) -> String {
    result.map_or_else(|why| errno_name(&why), |_| "ok".to_owned())
}

#[test]
fn pipes_do_not_block_and_links_are_not_followed() {
    let scratch = Scratch::new();
    let root = scratch.roots().next().unwrap();
    let dir = root.top();
    fs::write(scratch.canary.join("secret"), "s").unwrap();
    symlink(scratch.canary.join("secret"), scratch.root.join("l")).unwrap();
    scratch.make("d");
    fs::write(scratch.root.join("f"), "abc").unwrap();
    #[cfg(target_os = "linux")]
    {
        rustix::fs::mkfifoat(dir, c"pipe", rustix::fs::Mode::from_raw_mode(0o644)).unwrap();
        assert_eq!(errno(dir.open_file(b"pipe")), "ENXIO");
        assert_eq!(dir.stat(b"pipe").unwrap().unwrap().kind, Kind::Special);
        assert_eq!(reason(root.dir(b"pipe/x")), "parent_is_file");
    }
    assert_eq!(errno(dir.open_file(b"l")), "ELOOP");
    assert_eq!(errno(dir.open_file(b"d")), "EISDIR");
    assert_eq!(errno(dir.open_file(b"none")), "ENOENT");
    assert_eq!(errno(dir.create_new(b"l", 0o644)), "EEXIST");
    assert_eq!(dir.read_link(b"l").unwrap(), scratch.canary.join("secret").as_os_str().as_encoded_bytes());
    let stat = dir.stat(b"f").unwrap().unwrap();
    assert_eq!((stat.kind, stat.size, stat.links), (Kind::File, 3, 1));
    assert_eq!(dir.stat(b"l").unwrap().unwrap().kind, Kind::Symlink);
    assert_eq!(dir.stat(b"none").unwrap(), None);
    let mut names = dir.names().unwrap();
    names.retain(|name| name != b"pipe");
    names.sort();
    assert_eq!(names, [&b".git"[..], b"d", b"f", b"l"]);
    assert_eq!(dir.names().unwrap().len(), dir.names().unwrap().len());
    assert_eq!(errno(Dir::open(&scratch.root.join("l"))), errno(Dir::open(&scratch.root.join("f"))));
    symlink(&scratch.canary, scratch.root.join("journal")).unwrap();
    assert!(matches!(errno(Dir::open(&scratch.root.join("journal"))).as_str(), "ELOOP" | "ENOTDIR"));
}

#[test]
fn names_are_single_components_and_never_git() {
    let scratch = Scratch::new();
    let dir = Dir::open(&scratch.make("d")).unwrap();
    fs::write(scratch.root.join("d/f"), "f").unwrap();
    for name in [&b""[..], b".", b"..", b"../x", b"a/b", b"/etc", b"a\0b"] {
        assert_eq!(errno(dir.stat(name)), "EINVAL");
        assert_eq!(errno(dir.open_file(name)), "EINVAL");
        assert_eq!(errno(dir.read_link(name)), "EINVAL");
        assert_eq!(errno(dir.subdir(name)), "EINVAL");
        assert_eq!(errno(dir.create_new(name, 0o644)), "EINVAL");
        assert_eq!(errno(dir.remove_file(name)), "EINVAL");
    }
    for name in [&b".git"[..], b".GIT", b"git~1", b".git ", ".g\u{200c}it".as_bytes()] {
        assert_eq!(errno(dir.stat(name)), "ok");
        for result in [
            dir.create_new(name, 0o644).map(drop),
            dir.symlink(name, b"x"),
            dir.mkdir(name),
            dir.rename_new(b"f", &dir, name),
            dir.rename_new(name, &dir, b"g"),
            dir.exchange(name, &dir, b"f").map(drop),
            dir.rename_over(b"f", &dir, name),
            dir.hard_link(b"f", &dir, name),
            dir.remove_file(name),
            dir.remove_dir(name),
        ] {
            assert_eq!(errno(result), "EPERM", "{}", name.escape_ascii());
        }
    }
    assert_eq!(dir.names().unwrap(), [b"f"]);
}

#[test]
fn renames_keep_their_word() {
    let scratch = Scratch::new();
    let (a, b) = (Dir::open(&scratch.make("a")).unwrap(), Dir::open(&scratch.make("b")).unwrap());
    let write = |path: &str, text: &str| fs::write(scratch.root.join(path), text).unwrap();
    let read = |path: &str| fs::read_to_string(scratch.root.join(path)).ok();
    type Move = fn(&Dir, &[u8], &Dir, &[u8]) -> std::io::Result<()>;
    for rename_new in [Dir::rename_new as Move, Dir::rename_by_link] {
        write("a/x", "x");
        write("b/y", "y");
        assert_eq!(errno(rename_new(&a, b"x", &b, b"y")), "EEXIST");
        assert_eq!((read("a/x").as_deref(), read("b/y").as_deref()), (Some("x"), Some("y")));
        symlink("nowhere", scratch.root.join("b/dangling")).unwrap();
        assert_eq!(errno(rename_new(&a, b"x", &b, b"dangling")), "EEXIST");
        rename_new(&a, b"x", &b, b"z").unwrap();
        assert_eq!((read("a/x"), read("b/z").as_deref()), (None, Some("x")));
        // The link itself moves, not what it leads to.
        rename_new(&b, b"dangling", &a, b"moved").unwrap();
        assert_eq!(a.read_link(b"moved").unwrap(), b"nowhere");
        a.remove_file(b"moved").unwrap();
        b.remove_file(b"z").unwrap();
    }
    write("a/x", "x");
    assert_eq!(errno(a.exchange(b"x", &b, b"none")), "ENOENT");
    if a.exchange(b"x", &b, b"y").unwrap() {
        assert_eq!((read("a/x").as_deref(), read("b/y").as_deref()), (Some("y"), Some("x")));
    }
    symlink(&scratch.canary, scratch.root.join("a/l")).unwrap();
    if a.exchange(b"l", &b, b"y").unwrap() {
        assert_eq!(b.stat(b"y").unwrap().unwrap().kind, Kind::Symlink);
        assert_eq!(a.stat(b"l").unwrap().unwrap().kind, Kind::File);
    }
    write("a/new", "new");
    write("a/other", "o");
    a.hard_link(b"new", &b, b"second").unwrap();
    assert_eq!(a.stat(b"new").unwrap().unwrap().links, 2);
    assert_eq!(errno(a.hard_link(b"new", &a, b"other")), "EEXIST");
    a.rename_over(b"other", &a, b"new").unwrap();
    assert_eq!((read("a/new").as_deref(), read("b/second").as_deref()), (Some("o"), Some("new")));
    assert_eq!(errno(Dir::open(&scratch.root).unwrap().remove_dir(b"a")), "ENOTEMPTY");
    a.sync().unwrap();
}

#[test]
fn modes_are_permission_bits_only() {
    let scratch = Scratch::new();
    let dir = Dir::open(&scratch.make("d")).unwrap();
    let mut file = dir.create_new(b"f", 0o6755).unwrap();
    file.write_all(b"x").unwrap();
    let mode = dir.stat(b"f").unwrap().unwrap().mode;
    assert_eq!(mode & 0o7000, 0);
    assert_eq!(mode & 0o700, 0o700);
}

#[test]
fn asks_the_file_system_whether_names_are_one() {
    let scratch = Scratch::new();
    let dir = Dir::open(&scratch.make("scratch")).unwrap();
    assert!(!dir.distinguishes(b"a", b"a").unwrap());
    assert!(dir.distinguishes(b"a", b"b").unwrap());
    // Whatever the answer here, it is the one that the standard library gets, and nothing is left behind.
    fs::write(scratch.root.join("a"), "").unwrap();
    assert_eq!(dir.distinguishes(b"a", b"A").unwrap(), !scratch.root.join("A").exists());
    assert!(dir.names().unwrap().is_empty());
    drop(dir.create_new(b"taken", 0o600).unwrap());
    assert_eq!(errno(dir.distinguishes(b"taken", b"b")), "EEXIST");
    assert!(dir.stat(b"taken").unwrap().is_some());
}

#[test]
fn errors_have_names() {
    use std::io::{Error, ErrorKind};
    assert_eq!(errno_name(&Error::from_raw_os_error(13)), "EACCES");
    assert_eq!(errno_name(&Error::from_raw_os_error(28)), "ENOSPC");
    assert_eq!(errno_name(&Error::from_raw_os_error(3999)), "errno_3999");
    assert_eq!(errno_name(&Error::new(ErrorKind::UnexpectedEof, "x")), "unexpected_eof");
}
