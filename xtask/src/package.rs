//! `cargo xtask package`: what would be published, built as it would be, and installed where there is nothing else.
//! It compiles for release several times, so `make test` leaves it out.

pub mod node;
pub mod python;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Done, run, target};

/// The most that a wheel or an addon may weigh, in bytes, packed or not.
const MOST: u64 = 12_000_000;

/// An empty directory for one part of the task.
fn scratch(part: &str) -> Result<PathBuf, String> {
    let dir = target().join("package").join(part);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).map_err(|why| format!("{}: {why}", dir.display()))?;
    Ok(dir)
}

/// Unpacks a tarball into `dir`. With the time of day on each file: archives carry the same old one for ever, by which cargo
/// would take changed sources for those it has built.
fn unpack(tarball: &Path, dir: &Path) -> Done {
    fs::create_dir_all(dir).map_err(|why| format!("{}: {why}", dir.display()))?;
    run(Command::new("tar").args(["-xzmf"]).arg(tarball).arg("-C").arg(dir))
}

/// Every file below `dir`, relative to it; nothing that a Python left behind.
fn files(dir: &Path) -> Result<BTreeSet<PathBuf>, String> {
    let mut found = BTreeSet::new();
    let mut left = vec![dir.to_owned()];
    while let Some(at) = left.pop() {
        let failed = |why| format!("{}: {why}", at.display());
        for entry in fs::read_dir(&at).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.file_name().is_some_and(|name| name == "__pycache__") {
                continue;
            }
            if path.is_dir() {
                left.push(path);
            } else if let Ok(path) = path.strip_prefix(dir) {
                found.insert(path.to_owned());
            }
        }
    }
    Ok(found)
}

/// An error that names what of `wanted` is not in `dir`.
fn holds(dir: &Path, wanted: impl IntoIterator<Item = PathBuf>) -> Done {
    let missing: Vec<String> = wanted
        .into_iter()
        .filter(|path| !dir.join(path).is_file())
        .map(|path| path.display().to_string())
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("{} lacks {}", dir.display(), missing.join(", "))) }
}

/// An error unless both files hold the same bytes.
fn same(one: &Path, other: &Path) -> Done {
    let read = |path: &Path| fs::read(path).map_err(|why| format!("{}: {why}", path.display()));
    if read(one)? == read(other)? {
        Ok(())
    } else {
        Err(format!("{} is not the same as {}", one.display(), other.display()))
    }
}

/// Prints what `path` weighs; an error when that is too much.
fn weigh(what: &str, path: &Path) -> Done {
    let bytes = fs::metadata(path).map_err(|why| format!("{}: {why}", path.display()))?.len();
    println!(
        "{what}: {}.{:02} MB of {} MB at most",
        bytes / 1_000_000,
        bytes / 10_000 % 100,
        MOST / 1_000_000
    );
    if bytes < MOST { Ok(()) } else { Err(format!("{what} is too big: {bytes} bytes")) }
}

/// The one file of `dir` whose name ends with `end`.
fn only(dir: &Path, end: &str) -> Result<PathBuf, String> {
    let ends = |path: &PathBuf| path.to_string_lossy().ends_with(end);
    let mut found: Vec<PathBuf> = files(dir)?.into_iter().filter(ends).collect();
    match (found.pop(), found.is_empty()) {
        (Some(file), true) => Ok(dir.join(file)),
        _ => Err(format!("{} should hold one file that ends with {end}", dir.display())),
    }
}

fn text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|why| format!("{}: {why}", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(holds(here, [PathBuf::from("Cargo.toml")]), Ok(()));
        let why = holds(here, [PathBuf::from("Cargo.toml"), "absent".into()]).unwrap_err();
        assert!(why.ends_with(" lacks absent"), "{why}");
        assert!(files(here).unwrap().contains(Path::new("src/package.rs")));
        assert!(only(here, "/package.rs").is_ok());
        assert!(only(here, ".rs").is_err() && only(here, ".absent").is_err());
        assert!(same(&here.join("Cargo.toml"), &here.join("src/main.rs")).is_err());
    }

    #[test]
    fn a_file_at_the_limit_is_too_big() {
        let file = std::env::temp_dir().join(format!("handoff-xtask-{}", std::process::id()));
        let made = fs::File::create(&file).unwrap();
        made.set_len(MOST - 1).unwrap();
        let under = weigh("it", &file);
        made.set_len(MOST).unwrap();
        let at = weigh("it", &file);
        fs::remove_file(&file).unwrap();
        assert!(under.is_ok() && at.is_err());
    }
}
