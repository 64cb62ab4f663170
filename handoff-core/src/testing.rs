//! For tests outside this crate: snapshots that no capture would make. Not part of the public interface.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use crate::agent::{Agent, CommandAgent};
use crate::environment::Environment;
use crate::error::Error;
use crate::handoff::Handoff;
use crate::runtime::{Checkouts, LocalRuntime};
use crate::snapshot::{Manifest, Snapshot, Spool};
use crate::storage::MemoryStorage;

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

/// [`laptop_and_cloud`], and a hub on this machine whose environment `cloud` clones from there and whose agent is a shell
/// script: what the examples about runs work on.
pub fn hub(script: &str) -> std::io::Result<(tempfile::TempDir, PathBuf, Handoff)> {
    hub_with(Arc::new(CommandAgent::new("sh", ["-c", script])))
}

/// As [`hub`], with another agent.
pub fn hub_with(agent: Arc<dyn Agent>) -> std::io::Result<(tempfile::TempDir, PathBuf, Handoff)> {
    let (dir, laptop, cloud) = laptop_and_cloud()?;
    let id = "cloud".parse().map_err(std::io::Error::other)?;
    let environment = Environment::new(id).with_repo("laptop", cloud.to_string_lossy());
    let checkouts = Checkouts::new(dir.path().join("runs")).with(environment);
    let runtime = LocalRuntime::new(agent, checkouts);
    let hub = Handoff::new(Arc::new(MemoryStorage::new()), Arc::new(runtime));
    Ok((dir, laptop, hub))
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
