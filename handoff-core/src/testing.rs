//! For tests outside this crate: snapshots that no capture would make. Not part of the public interface.

use std::path::PathBuf;
use std::process::Command;

use crate::error::Error;
use crate::snapshot::{Manifest, Snapshot, Spool};

pub use crate::secrets::sample::sample as secret_sample;

/// A snapshot of `manifest_json` with `blobs` as its contents, whether or not the two agree. Nothing but the
/// shape of the manifest is checked here: refusing the rest is what the tests are about.
pub fn snapshot_from_parts(manifest_json: &[u8], blobs: &[&[u8]]) -> Result<Snapshot, Error> {
    let manifest: Manifest = serde_json::from_slice(manifest_json)
        .map_err(|why| Error::format("the manifest", why.to_string()))?;
    let spool = Spool::new(1 << 20);
    for blob in blobs {
        spool.add(blob)?;
    }
    spool.seal(manifest)
}

/// The three-way merge of texts that an apply makes: the merged text, or `None` for a conflict.
pub fn merge_texts(base: &[u8], ours: &[u8], theirs: &[u8]) -> Option<Vec<u8>> {
    let labels = crate::text::Labels { ours: "target", base: "base", theirs: "snapshot" };
    match crate::text::merge(base, ours, theirs, labels) {
        crate::text::Merged::Clean(text) => Some(text),
        crate::text::Merged::Conflict { .. } => None,
    }
}

/// A repository with an uncommitted edit of `notes.txt`, and a clean clone of it, both below one temporary
/// directory: what the examples in this crate's documentation work on.
pub fn laptop_and_cloud() -> std::io::Result<(tempfile::TempDir, PathBuf, PathBuf)> {
    let dir = tempfile::tempdir()?;
    let (laptop, cloud) = (dir.path().join("laptop"), dir.path().join("cloud"));
    let git = |args: &[&str]| -> std::io::Result<()> {
        let done = Command::new("git")
            .args(["-c", "user.name=n", "-c", "user.email=n@example.invalid"])
            .args(args)
            .current_dir(dir.path())
            .output()?;
        if done.status.success() {
            Ok(())
        } else {
            Err(std::io::Error::other(String::from_utf8_lossy(&done.stderr).into_owned()))
        }
    };
    git(&["init", "-q", "laptop"])?;
    std::fs::write(laptop.join("notes.txt"), "first\n")?;
    git(&["-C", "laptop", "add", "notes.txt"])?;
    git(&["-C", "laptop", "commit", "-q", "-m", "first"])?;
    git(&["clone", "-q", "laptop", "cloud"])?;
    std::fs::write(laptop.join("notes.txt"), "first\nsecond\n")?;
    Ok((dir, laptop, cloud))
}
