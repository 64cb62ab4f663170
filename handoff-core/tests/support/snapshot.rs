//! Snapshots that no capture would make.

use handoff_core::{Digest, Error, Manifest, Snapshot};
use serde_json::{Value, json};

use super::repo::scratch;

/// A manifest as JSON and its contents, both free to be wrong.
#[derive(Debug, Clone)]
pub struct Parts {
    pub manifest: Value,
    pub blobs: Vec<Vec<u8>>,
}

impl Parts {
    /// What a real capture holds.
    pub fn of(snapshot: &Snapshot) -> Self {
        let manifest: &Manifest = snapshot.manifest();
        let mut blobs = Vec::new();
        for entry in manifest.repos.iter().flat_map(|repo| &repo.entries) {
            for layer in [&entry.head, &entry.index, &entry.worktree].into_iter().flatten() {
                if let Some(blob) = &layer.blob {
                    blobs.push(snapshot.blob(blob).unwrap());
                }
            }
        }
        blobs.sort();
        blobs.dedup();
        Self { manifest: serde_json::to_value(manifest).unwrap(), blobs }
    }

    /// The entries of the first repository.
    pub fn entries(&mut self) -> &mut Vec<Value> {
        self.manifest["repos"][0]["entries"].as_array_mut().unwrap()
    }

    /// Adds an entry without disturbing the order of paths where it can be kept.
    pub fn add(&mut self, entry: Value) {
        let path = path_bytes(&entry["path"]);
        let entries = self.entries();
        let place = entries.iter().position(|other| path_bytes(&other["path"]) > path);
        entries.insert(place.unwrap_or(entries.len()), entry);
    }

    /// Adds content; its digest is what an entry calls it by.
    pub fn blob(&mut self, content: &[u8]) -> String {
        self.blobs.push(content.to_vec());
        Digest::of(content).to_string()
    }

    /// A layer that is a file of this mode and content.
    pub fn layer(&mut self, mode: &str, content: &[u8]) -> Value {
        let blob = self.blob(content);
        json!({"blob": blob, "mode": mode, "size": content.len()})
    }

    /// Adds an untracked file.
    pub fn add_file(&mut self, path: Value, content: &[u8]) {
        let worktree = self.layer("regular", content);
        self.add(json!({"flags": {"untracked": true}, "path": path, "worktree": worktree}));
    }

    /// Adds an untracked symlink.
    pub fn add_link(&mut self, path: Value, target: &[u8]) {
        let worktree = self.layer("symlink", target);
        self.add(json!({"flags": {"untracked": true}, "path": path, "worktree": worktree}));
    }

    /// The snapshot, by way of a bundle: what a receiver would get. `Err` when it is refused on the way.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        let blobs: Vec<&[u8]> = self.blobs.iter().map(Vec::as_slice).collect();
        let snapshot =
            handoff_core::testing::snapshot_from_parts(&serde_json::to_vec(&self.manifest).unwrap(), &blobs)?;
        let directory = scratch();
        let bundle = directory.path().join("hostile.handoff");
        snapshot.save(&bundle)?;
        Snapshot::open(&bundle)
    }
}

/// A path in its JSON form: text where it is UTF-8.
pub fn path(bytes: impl AsRef<[u8]>) -> Value {
    serde_json::to_value(handoff_core::RelPath::from(bytes.as_ref())).unwrap()
}

fn path_bytes(path: &Value) -> Vec<u8> {
    serde_json::from_value::<handoff_core::RelPath>(path.clone())
        .map(|path| path.as_bytes().to_vec())
        .unwrap_or_default()
}
