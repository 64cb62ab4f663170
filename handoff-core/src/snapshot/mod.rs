//! The immutable result of a capture: a manifest and the contents it names.
//!
//! A [`Snapshot`] comes from [`capture`](crate::capture) or from a bundle file, and goes into a bundle file
//! with [`Snapshot::save`]. The formats are described in `docs/wire-format.md`.

mod blob;
mod bundle;
mod codec;
mod diff;
mod limits;
pub mod manifest;
mod nameless;
pub(crate) mod pack;
mod packed;
mod parallel;
pub(crate) mod part;
mod runs;
mod shape;
mod since;
mod spool;
mod store;
mod streak;
mod vault;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

pub use diff::{Change, ChangeKind, RepoDiff, SnapshotDiff};
pub(crate) use limits::LOOSE_FILES;
pub use limits::Limits;
pub use manifest::*;
pub(crate) use spool::{AddError, Spool};

use crate::digest::Digest;
use crate::error::Error;
use crate::id::SnapshotId;
use crate::path::RelPath;
use crate::progress::{Control, Phase};

/// A captured workspace state: what changed, in which repository, with the contents.
///
/// Immutable; a clone shares everything and costs nothing. Usable from several threads at once. Contents
/// stay compressed, in memory or in a file without a name, until they are asked for; a snapshot that was
/// [opened](Self::open) leaves them in its file, and one that is [saved](Self::save) may make its own file the one
/// that is saved. Such a file must not be written to while the snapshot is in use; removing or replacing it is
/// harmless, and a change is noticed: every content is checked against its digest each time it is read.
///
/// ```
/// use handoff_core::Snapshot;
/// use handoff_core::snapshot::Layer;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("work.handoff");
/// # std::fs::copy("tests/golden/small.handoff", &path)?;
/// let snapshot = Snapshot::open(&path)?;
/// for (repo, entry) in snapshot.entries() {
///     println!("{}: {}", repo.name, entry.path);
/// }
/// let content = snapshot.read("app", &"src/main.rs".into(), Layer::Worktree)?;
/// assert!(content.is_some());
///
/// let copy = dir.path().join("copy.handoff");
/// snapshot.save(&copy)?;
/// assert_eq!(Snapshot::open(&copy)?.id(), snapshot.id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Snapshot(Arc<Inner>);

struct Inner {
    id: SnapshotId,
    manifest: Manifest,
    /// Kept of a capture of many entries, so that saving it need not write the manifest a second time.
    packed: Option<packed::PackedManifest>,
    store: store::Store,
    /// Where the bundle file has frames that mean nothing to this version.
    gaps: Vec<u64>,
}

/// One of git's three layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layer {
    /// As committed.
    Head,
    /// As staged.
    Index,
    /// As on disk.
    Worktree,
}

impl Entry {
    /// The file in `layer`; `None` where it does not exist there.
    pub const fn state(&self, layer: Layer) -> Option<&FileState> {
        match layer {
            Layer::Head => self.head.as_ref(),
            Layer::Index => self.index.as_ref(),
            Layer::Worktree => self.worktree.as_ref(),
        }
    }
}

impl Snapshot {
    /// Opens the bundle file at `path`, within the default [`Limits`].
    ///
    /// Quick whatever the bundle's size: reads the manifest and the index and checks them whole; contents are read, and checked, when they are
    /// asked for, so one damaged content costs only that content. See [`verify`](Self::verify).
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::InvalidArgument`] when `path` is not a file; [`Error::Truncated`],
    /// [`Error::Corrupt`] or [`Error::Format`] for a file that is damaged or no bundle;
    /// [`Error::UnsupportedVersion`] for one of a newer major version; [`Error::Limit`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_with(path, &Limits::default())
    }

    /// As [`open`](Self::open), within `limits`.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(path: impl AsRef<Path>, limits: &Limits) -> Result<Self, Error> {
        bundle::open(path.as_ref(), limits).map(Self::from_inner)
    }

    /// Reads a bundle from a stream, such as a pipe or a socket, within the default [`Limits`]. Reads not a
    /// byte beyond the bundle, and checks every byte and every content before it returns. Memory stays
    /// bounded: beyond 32 MiB, compressed contents go to a temporary file without a name.
    ///
    /// # Errors
    /// As [`open`](Self::open); one damaged content refuses the whole.
    ///
    /// ```
    /// # use handoff_core::Snapshot;
    /// let mut pipe = Vec::new();
    /// Snapshot::open("tests/golden/small.handoff")?.write_to(&mut pipe)?;
    /// let received = Snapshot::read_from(pipe.as_slice())?;
    /// assert_eq!(received.manifest().repos.len(), 2);
    /// # Ok::<(), handoff_core::Error>(())
    /// ```
    pub fn read_from(reader: impl Read) -> Result<Self, Error> {
        Self::read_from_with(reader, &Limits::default())
    }

    /// As [`read_from`](Self::read_from), within `limits`.
    ///
    /// # Errors
    /// As [`read_from`](Self::read_from).
    pub fn read_from_with(reader: impl Read, limits: &Limits) -> Result<Self, Error> {
        Self::read_from_watched(reader, limits, &Control::default())
    }

    /// As [`read_from_with`](Self::read_from_with), with progress ([`Phase::Bundle`], in bytes
    /// of the stream) and cancellation after each block of 256 KiB.
    ///
    /// # Errors
    /// As [`read_from`](Self::read_from), and [`Error::Cancelled`].
    pub fn read_from_watched(
        mut reader: impl Read,
        limits: &Limits,
        control: &Control,
    ) -> Result<Self, Error> {
        bundle::read(&mut reader, limits, control).map(Self::from_inner)
    }

    /// Writes the snapshot to `path` as one bundle file, by convention named `*.handoff`.
    ///
    /// A file that is there is replaced in one step: the bundle is written beside it, synced and renamed, so
    /// that the path never holds part of one; a symlink is replaced, not followed. Only the owner may read
    /// the file, since it holds source code. The snapshot may have been opened from the same path. When this
    /// returns, the bundle is on the disk, and so is its name: a power cut takes neither.
    ///
    /// Contents that are in the snapshot's temporary file need not be copied: if `path` is on the same file system
    /// (see [`CaptureOptions::spool_dir`](crate::CaptureOptions::spool_dir)), that file itself is completed and gets
    /// the name, the first time. Further saves, and those elsewhere, write a copy.
    ///
    /// # Errors
    /// [`Error::Io`], and nothing is left behind; [`Error::Corrupt`] when contents were damaged meanwhile.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.save_watched(path, &Control::default())
    }

    /// As [`save`](Self::save), with progress ([`Phase::Bundle`], in blocks) and cancellation
    /// after each block of 256 KiB.
    ///
    /// # Errors
    /// As [`save`](Self::save), and [`Error::Cancelled`]: then nothing is left behind, a bundle that was there is as
    /// it was, and the snapshot can be saved again.
    ///
    /// ```
    /// # use handoff_core::Snapshot;
    /// use handoff_core::{Control, ErrorKind};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let snapshot = Snapshot::open("tests/golden/small.handoff")?;
    /// let control = Control::default();
    /// control.cancel.cancel();
    /// let error = snapshot.save_watched(dir.path().join("work.handoff"), &control).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Cancelled);
    /// # assert_eq!(std::fs::read_dir(dir.path())?.count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save_watched(&self, path: impl AsRef<Path>, control: &Control) -> Result<(), Error> {
        bundle::save(&self.0, path.as_ref(), control)
    }

    /// Writes the snapshot as one bundle to `writer`, front to back. Does not flush. Frames that this
    /// version does not know are not copied.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub fn write_to(&self, writer: impl Write) -> Result<(), Error> {
        self.write_to_watched(writer, &Control::default())
    }

    /// As [`write_to`](Self::write_to), with progress and cancellation as in [`save_watched`](Self::save_watched).
    ///
    /// # Errors
    /// As [`save_watched`](Self::save_watched); what the writer has by then is no bundle.
    pub fn write_to_watched(&self, mut writer: impl Write, control: &Control) -> Result<(), Error> {
        bundle::write(&self.0, &mut writer, Path::new("the bundle"), control)
    }

    /// Reads every content and checks it; for a file, also the frames that mean nothing to this version.
    /// Linear in the size; memory stays bounded.
    ///
    /// # Errors
    /// [`Error::Corrupt`] or [`Error::Truncated`] naming the first damaged part, or [`Error::Io`].
    pub fn verify(&self) -> Result<(), Error> {
        self.verify_watched(&Control::default())
    }

    /// As [`verify`](Self::verify), with progress ([`Phase::Verify`], in blocks) and
    /// cancellation.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), and [`Error::Cancelled`].
    pub fn verify_watched(&self, control: &Control) -> Result<(), Error> {
        let mut meter = control.phase(Phase::Verify, self.0.store.blocks().len() as u64);
        control.check()?;
        for gap in &self.0.gaps {
            if let Some(file) = self.0.store.file() {
                bundle::verify_optional(file, *gap, self.0.store.name())?;
            }
        }
        self.0.store.verify(&mut |bytes| meter.step(1, bytes, None))
    }

    /// The id: SHA-256 of the canonical manifest, computed when the snapshot was captured or read.
    pub fn id(&self) -> SnapshotId {
        self.0.id
    }

    /// What the snapshot says, without the contents.
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    /// Every carried path with its repository, in the order of names and paths. Files outside any repository are in
    /// [`Manifest::loose_files`].
    pub fn entries(&self) -> impl Iterator<Item = (&RepoManifest, &Entry)> {
        self.0.manifest.repos.iter().flat_map(|repo| repo.entries.iter().map(move |entry| (repo, entry)))
    }

    /// Every changed path that is not carried, with its repository. Files outside any repository are in
    /// [`Manifest::loose_omissions`].
    pub fn omissions(&self) -> impl Iterator<Item = (&RepoManifest, &Omission)> {
        let repos = self.0.manifest.repos.iter();
        repos.flat_map(|repo| repo.omissions.iter().map(move |omission| (repo, omission)))
    }

    /// The entry of `path` in the repository named `repo`, or with an empty `repo` that of a loose file.
    pub fn entry(&self, repo: &str, path: &RelPath) -> Option<&Entry> {
        let Manifest { repos, loose_files, .. } = &self.0.manifest;
        let entries = if repo.is_empty() {
            loose_files
        } else {
            &repos.get(repos.binary_search_by(|other| other.name.as_str().cmp(repo)).ok()?)?.entries
        };
        entries.get(entries.binary_search_by(|entry| entry.path.cmp(path)).ok()?)
    }

    /// The content of one file in one layer, checked; a symlink's is its target. An empty `repo` means the files
    /// outside any repository, which have a work-tree layer only.
    ///
    /// `None` when the snapshot does not carry it: the path is not among the changed ones, does not exist in
    /// that layer, or its content was left out there (bases left out by request, gitlinks).
    ///
    /// # Errors
    /// As [`blob`](Self::blob); [`Error::Corrupt`] also when the content has another size than its entry says.
    pub fn read(&self, repo: &str, path: &RelPath, layer: Layer) -> Result<Option<Vec<u8>>, Error> {
        self.entry(repo, path).map_or(Ok(None), |entry| self.content(entry, layer))
    }

    /// The content of `entry`, which must be of this snapshot, in `layer`.
    fn content(&self, entry: &Entry, layer: Layer) -> Result<Option<Vec<u8>>, Error> {
        let Some(state) = entry.state(layer) else { return Ok(None) };
        // An unchanged index layer is not stored twice. HEAD and index hold normalised content, so there
        // the same git id is the same bytes; the work tree's may differ.
        let twin = match layer {
            Layer::Head => entry.index.as_ref(),
            Layer::Index => entry.head.as_ref(),
            Layer::Worktree => None,
        };
        let twin = twin.filter(|twin| state.oid.is_some() && twin.oid == state.oid);
        let Some(blob) = state.blob.or(twin.and_then(|twin| twin.blob)) else { return Ok(None) };
        let content = self.blob(&blob)?;
        if content.len() as u64 != state.size {
            return Err(Error::Corrupt { what: format!("{} in {}", entry.path, self.0.store.name()) });
        }
        Ok(Some(content))
    }

    /// A blob's content, checked against its digest. Holds it in memory: use [`copy_blob`](Self::copy_blob)
    /// for large ones, after asking [`blob_size`](Self::blob_size).
    ///
    /// # Errors
    /// [`Error::BlobMissing`]; [`Error::Corrupt`], [`Error::Truncated`] or [`Error::Io`] when it cannot be
    /// read as it was; [`Error::Limit`] beyond the [`Limits::blob_bytes`] that the snapshot was opened with.
    pub fn blob(&self, blob: &Digest) -> Result<Vec<u8>, Error> {
        self.0.store.read(blob)
    }

    /// Streams a blob's content to `out` in bounded memory and returns its length. The digest is known to be
    /// right only when this returns `Ok`: until then, `out` must be something that can be thrown away.
    ///
    /// # Errors
    /// As [`blob`](Self::blob), and [`Error::Io`] when `out` fails.
    pub fn copy_blob(&self, blob: &Digest, out: &mut dyn Write) -> Result<u64, Error> {
        self.0.store.copy(blob, out)
    }

    /// Whether the snapshot holds this blob.
    pub fn has_blob(&self, blob: &Digest) -> bool {
        self.blob_size(blob).is_some()
    }

    /// A blob's length in bytes, uncompressed; `None` when the snapshot does not hold it.
    pub fn blob_size(&self, blob: &Digest) -> Option<u64> {
        self.0.store.find(blob).map(|blob| blob.len)
    }

    fn from_inner(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Snapshot");
        shown.field("id", &self.0.id).field("repos", &self.0.manifest.repos.len());
        shown.field("entries", &self.entries().count()).finish_non_exhaustive()
    }
}
