//! Somebody who changes the tree while paths in it are resolved.

use super::*;

/// Somebody who changes the tree as fast as possible while paths in it are resolved and files created.
fn race(
    scratch: &Scratch,
    root: &Root,
    attempts: usize,
    swap: impl Fn() + Sync,
    path: &[u8],
) -> (usize, usize) {
    use std::sync::atomic::{AtomicBool, Ordering};
    let done = AtomicBool::new(false);
    let (mut created, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                swap();
            }
        });
        for attempt in 0..attempts {
            let mut made = Vec::new();
            let dir = if attempt % 2 == 0 { root.dir(path) } else { root.dir_create(path, &mut made) };
            match dir {
                Ok(dir) => {
                    let name = format!("f{attempt}").into_bytes();
                    if dir.create_new(&name, 0o644).is_ok() {
                        created += 1;
                        let _ = dir.remove_file(&name);
                    }
                    // What must not happen is that a name is found in the canary directory or in `.git`.
                    let _ = dir.create_new(b"stays", 0o644);
                }
                Err(_) => refused += 1,
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(fs::read_dir(&scratch.canary).unwrap().count(), 0, "something escaped");
    (created, refused)
}

fn exchange(a: &Path, b: &Path) {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let _ = renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE);
}

fn races(attempts: usize) {
    for lookup in LOOKUPS {
        // The directory itself against a link to the outside; one further up; links made and removed; a
        // directory against the git directory; a link against a link that leads inside.
        for shape in 0..5 {
            let scratch = Scratch::new();
            let path = |name: &str| scratch.root.join(name);
            scratch.make("d/e");
            fs::create_dir(scratch.canary.with_file_name("target")).unwrap();
            let outside = scratch.canary.clone();
            symlink(&outside, path("l")).unwrap();
            let root = Root::open_as(&scratch.root, &[], *lookup).unwrap();
            let (created, refused) = match shape {
                0 => race(&scratch, &root, attempts, || exchange(&path("d"), &path("l")), b"d"),
                1 => race(&scratch, &root, attempts, || exchange(&path("d"), &path("l")), b"d/e"),
                2 => race(
                    &scratch,
                    &root,
                    attempts,
                    || {
                        let _ = fs::remove_dir_all(path("aside"));
                        let _ = fs::rename(path("d"), path("aside"));
                        let _ = symlink(&outside, path("d"));
                        let _ = fs::remove_file(path("d"));
                        let _ = fs::rename(path("aside"), path("d"));
                    },
                    b"d/e",
                ),
                3 => race(&scratch, &root, attempts, || exchange(&path("d"), &path(".git")), b"d"),
                _ => {
                    scratch.make("x/e");
                    race(
                        &scratch,
                        &root,
                        attempts,
                        || {
                            exchange(&path("d"), &path("x"));
                            exchange(&path("x"), &path("l"));
                        },
                        b"d/e",
                    )
                }
            };
            println!("{lookup:?} shape {shape}: {created} created, {refused} refused, of {attempts}");
            if shape == 3 {
                // `.git` may have any of the names now; the one with hooks in it is the git directory.
                let git = ["d", ".git"].map(path).into_iter().find(|dir| dir.join("hooks").exists()).unwrap();
                assert_eq!(
                    fs::read_dir(git).unwrap().count(),
                    1,
                    "something was written in the git directory"
                );
            }
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn nothing_escapes_while_somebody_swaps() {
    races(20_000);
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "minutes; part of `make torture`"]
fn nothing_escapes_in_a_million_swaps() {
    races(1_000_000);
}
