//! Real text: the source files of the crates that this workspace is built from, in the versions of its lock file, so
//! that everybody who can build the benchmarks has the same. How well text compresses and how long that takes are
//! most of what a capture of much text costs, and no generator of words is like what people write.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::Done;

/// Longer files are mostly tables that a program wrote.
const LONGEST: u64 = 200_000;

/// All of it, file after file.
pub fn text() -> Done<&'static str> {
    static TEXT: OnceLock<Result<String, String>> = OnceLock::new();
    match TEXT.get_or_init(|| read().map_err(|why| why.to_string())) {
        Ok(text) => Ok(text),
        Err(why) => Err(why.as_str().into()),
    }
}

/// Where each line of it begins.
pub fn lines() -> Done<&'static [usize]> {
    static LINES: OnceLock<Vec<usize>> = OnceLock::new();
    let text = text()?;
    let begins = || [0].into_iter().chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    Ok(LINES.get_or_init(begins))
}

fn read() -> Done<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let about = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()?;
    if !about.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&about.stderr)).into());
    }
    let about: serde_json::Value = serde_json::from_slice(&about.stdout)?;
    let packages =
        about.get("packages").and_then(|all| all.as_array()).ok_or("cargo metadata has no packages")?;
    let mut dirs: Vec<PathBuf> = packages
        .iter()
        .filter(|package| package.get("source").is_some_and(|source| source.is_string()))
        .filter_map(|package| Path::new(package.get("manifest_path")?.as_str()?).parent().map(Path::to_owned))
        .collect();
    dirs.sort();
    let mut text = String::new();
    for dir in dirs {
        add(&dir, &mut text)?;
    }
    if text.len() < 16 << 20 {
        return Err(format!("the sources of all dependencies are {} bytes of text only", text.len()).into());
    }
    Ok(text)
}

fn add(dir: &Path, text: &mut String) -> Done {
    let mut paths =
        fs::read_dir(dir)?.map(|item| item.map(|item| item.path())).collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    for path in paths {
        let meta = fs::symlink_metadata(&path)?;
        if meta.is_dir() {
            add(&path, text)?;
        } else if meta.len() < LONGEST
            && path.extension().is_some_and(|end| end == "rs")
            && let Ok(more) = fs::read_to_string(&path)
        {
            text.push_str(&more.replace("\r\n", "\n"));
            if !text.ends_with('\n') {
                text.push('\n');
            }
        }
    }
    Ok(())
}
