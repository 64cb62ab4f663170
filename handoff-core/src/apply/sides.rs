//! The three sides of one path as contents: what is the same as what, with line endings put aside where git's
//! attributes say that they do not count.

use std::io::{self, Write};

use super::state::{Content, HELD, Here};
use crate::error::Error;
use crate::error::errno_name;
use crate::git::{Blobs, Encoding, Index, Normalised, Normaliser, Repo, lfs_content};
use crate::id::Oid;
use crate::path::RelPath;
use crate::rooted::Kind;
use crate::snapshot::{Eol, FileState, Mode, RepoManifest, Snapshot};

/// Trouble with one entry: the stable reason and more words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub reason: String,
    pub message: Option<String>,
}

impl Trouble {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), message: None }
    }

    pub(super) fn io(why: &io::Error) -> Self {
        Self { reason: errno_name(why), message: Some(why.to_string()) }
    }

    /// Trouble with a blob of the snapshot.
    pub(super) fn blob(why: &Error) -> Self {
        let reason = match why {
            Error::BlobMissing { .. } => "blob_missing",
            Error::Corrupt { .. } | Error::Truncated { .. } | Error::Format { .. } => "blob_mismatch",
            Error::Io { source, .. } => return Self::io(source),
            other => other.kind().as_str(),
        };
        Self { reason: reason.into(), message: Some(why.to_string()) }
    }

    /// Trouble with the target's repository.
    pub(super) fn repo(why: impl std::fmt::Display) -> Self {
        Self { reason: "repository".into(), message: Some(why.to_string()) }
    }
}

/// Reads and compares contents, on one thread.
pub(super) struct Reader<'a> {
    pub snapshot: &'a Snapshot,
    manifest: &'a RepoManifest,
    pub repo: &'a Repo,
    pub index: &'a Index,
    /// Whether snapshot and target name objects the same way, so that their ids can be compared.
    pub same_format: bool,
    blobs: Blobs,
    normaliser: Option<Normaliser>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        manifest: &'a RepoManifest,
        repo: &'a Repo,
        index: &'a Index,
    ) -> Self {
        let same_format = manifest.object_format.is_none_or(|format| format == repo.format());
        Self { snapshot, manifest, repo, index, same_format, blobs: repo.blobs(), normaliser: None }
    }

    /// Whether the snapshot changes attributes that hold for `path`: then those of the target are not the ones that
    /// its bytes were written under.
    fn new_attributes(&self, path: &RelPath) -> bool {
        let entries = &self.manifest.entries;
        let bytes = path.as_bytes();
        let slashes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at + 1);
        std::iter::once(0).chain(slashes).any(|end| {
            let file = RelPath::new([bytes.get(..end).unwrap_or_default(), b".gitattributes"].concat());
            entries
                .binary_search_by(|entry| entry.path.cmp(&file))
                .ok()
                .and_then(|at| entries.get(at))
                .is_some_and(|entry| {
                    let oid = |state: &Option<FileState>| state.as_ref().map(|state| state.oid);
                    oid(&entry.head) != oid(&entry.worktree)
                })
        })
    }

    /// Reading the attributes costs more than most entries, and most need none.
    fn normaliser(&mut self) -> Result<&mut Normaliser, Trouble> {
        if self.normaliser.is_none() {
            self.normaliser = Some(self.repo.normaliser(self.index).map_err(Trouble::repo)?);
        }
        self.normaliser.as_mut().ok_or_else(|| Trouble::new("repository"))
    }

    /// Work-tree bytes as the target's git would store them.
    pub(super) fn normalise(&mut self, path: &RelPath, bytes: &[u8]) -> Result<Normalised, Trouble> {
        let index = self.index;
        Ok(match self.normaliser()?.normalise(index, path, bytes) {
            Ok(normal) => normal,
            // What is not in the form that its attributes promise is stored by nobody, so it counts as it is.
            Err(why) => Normalised {
                changed: None,
                oid: self.repo.blob_oid(bytes),
                converts: false,
                raw: Some(why.reason().into()),
            },
        })
    }

    /// Stored bytes as the target's git would check them out, in the byte order of `like` where there is a choice;
    /// `None` where git could not.
    pub(super) fn check_out(
        &mut self,
        path: &RelPath,
        stored: Vec<u8>,
        like: &[u8],
    ) -> Result<Option<Vec<u8>>, Trouble> {
        Ok(match self.normaliser()?.check_out_like(path, &stored, like) {
            Ok(Some(converted)) => Some(converted),
            Ok(None) => Some(stored),
            Err(_) => None,
        })
    }

    /// The encoding of `path` on disk, where it is not that of git.
    pub(super) fn encoding(&mut self, path: &RelPath) -> Result<Option<Encoding>, Trouble> {
        Ok(self.normaliser()?.encoding(path).unwrap_or(None))
    }

    /// Whether what is here has the content of `layer`.
    pub(super) fn same(
        &mut self,
        path: &RelPath,
        here: &Content,
        layer: &FileState,
    ) -> Result<bool, Trouble> {
        if layer.blob == Some(here.hash) {
            return Ok(true);
        }
        let Some(oid) = self.oid_of(layer)? else { return Ok(false) };
        Ok(self.here_oid(path, here)? == Some(oid))
    }

    /// The id of what is here, normalised where it is small enough to be.
    fn here_oid(&mut self, path: &RelPath, here: &Content) -> Result<Option<Oid>, Trouble> {
        match &here.bytes {
            Some(bytes) if here.stat.kind == Kind::Symlink => Ok(self.repo.blob_oid(bytes)),
            Some(bytes) => Ok(self.normalise(path, bytes)?.oid),
            None => Ok(here.streamed),
        }
    }

    /// The layer's id as the target would name it; `None` where it cannot be known.
    fn oid_of(&self, layer: &FileState) -> Result<Option<Oid>, Trouble> {
        if self.same_format {
            return Ok(layer.oid);
        }
        match layer.blob {
            Some(blob) if layer.size <= HELD => {
                let bytes = self.snapshot.blob(&blob).map_err(|why| Trouble::blob(&why))?;
                Ok(self.repo.blob_oid(&bytes))
            }
            _ => Ok(None),
        }
    }

    /// The work-tree bytes of a layer that is carried; at most [`HELD`] of them.
    pub(super) fn carried(&self, layer: &FileState) -> Result<Vec<u8>, Trouble> {
        let blob = layer.blob.ok_or_else(|| Trouble::new("blob_missing"))?;
        let bytes = self.snapshot.blob(&blob).map_err(|why| Trouble::blob(&why))?;
        if bytes.len() as u64 != layer.size {
            return Err(size_mismatch(bytes.len() as u64, layer.size));
        }
        Ok(bytes)
    }

    /// Streams a carried layer to `out`.
    pub(super) fn copy(&self, layer: &FileState, out: &mut dyn Write) -> Result<(), Trouble> {
        copy(self.snapshot, layer, out)
    }

    /// The committed content of `layer`, from the snapshot or from the target's own objects; `None` where
    /// neither has it, or where it is too large to merge.
    pub(super) fn stored(&self, layer: &FileState) -> Result<Option<Vec<u8>>, Trouble> {
        if let Some(blob) = layer.blob.filter(|blob| self.snapshot.has_blob(blob)) {
            if layer.size > HELD {
                return Ok(None);
            }
            return self.snapshot.blob(&blob).map(Some).map_err(|why| Trouble::blob(&why));
        }
        match layer.oid.filter(|_| self.same_format) {
            Some(oid) => self.object(&oid),
            None => Ok(None),
        }
    }

    /// A blob of the target's own objects; `None` when it is not there or too large to merge.
    pub(super) fn object(&self, oid: &Oid) -> Result<Option<Vec<u8>>, Trouble> {
        if self.blobs.size(oid).is_none_or(|size| size > HELD) {
            return Ok(None);
        }
        self.blobs.read(oid).map_err(Trouble::repo)
    }

    /// The incoming bytes as git would store them. `None` where they are not known to have another form, so
    /// that they count as they are.
    ///
    /// The source said which id the stored form has, so a guess at it can be checked.
    pub(super) fn incoming_stored(
        &mut self,
        path: &RelPath,
        layer: &FileState,
        bytes: &[u8],
    ) -> Result<Option<Vec<u8>>, Trouble> {
        if layer.mode == Mode::Symlink {
            return Ok(None);
        }
        let Some(oid) = layer.oid.filter(|_| self.same_format) else { return Ok(None) };
        if layer.eol.is_none() {
            // The source's git converts nothing, so the bytes are what it stores, if the id says so too.
            return Ok((self.repo.blob_oid(bytes) == Some(oid)).then(|| bytes.to_vec()));
        }
        let normal = self.normalise(path, bytes)?;
        if normal.oid == Some(oid) {
            return Ok(Some(normal.changed.unwrap_or_else(|| bytes.to_vec())));
        }
        // The source's settings converted what the target's would not.
        let unix = to_lf(bytes);
        Ok((self.repo.blob_oid(&unix) == Some(oid)).then_some(unix))
    }

    /// The bytes to write for the incoming side, and whether line endings were converted: bytes that are what
    /// the source's git would check out become what the target's git would; all others stay as they are.
    pub(super) fn incoming(&mut self, path: &RelPath, layer: &FileState) -> Result<(Vec<u8>, bool), Trouble> {
        let bytes = self.carried(layer)?;
        let follows = matches!(layer.eol, None | Some(Eol::Native)) && layer.mode.is_file();
        if !follows || self.new_attributes(path) {
            return Ok((bytes, false));
        }
        let Some(stored) = self.incoming_stored(path, layer, &bytes)? else { return Ok((bytes, false)) };
        let Some(converted) = self.check_out(path, stored, &bytes)? else { return Ok((bytes, false)) };
        let differs = converted != bytes;
        Ok((converted, differs))
    }

    /// Whether a large file of the git-lfs filter is as checked out: the committed pointer names its hash.
    pub(super) fn is_lfs_of(&self, base: &FileState, here: &Content) -> Result<bool, Trouble> {
        if base.size > 1024 {
            return Ok(false);
        }
        let Some(pointer) = self.stored(base)? else { return Ok(false) };
        Ok(lfs_content(&pointer) == Some(here.hash))
    }
}

/// Streams a layer that `snapshot` carries to `out`.
pub(super) fn copy(snapshot: &Snapshot, layer: &FileState, out: &mut dyn Write) -> Result<(), Trouble> {
    let blob = layer.blob.ok_or_else(|| Trouble::new("blob_missing"))?;
    let copied = snapshot.copy_blob(&blob, out).map_err(|why| Trouble::blob(&why))?;
    if copied != layer.size { Err(size_mismatch(copied, layer.size)) } else { Ok(()) }
}

fn size_mismatch(found: u64, declared: u64) -> Trouble {
    Trouble {
        reason: "blob_mismatch".into(),
        message: Some(format!("the content has {found} bytes, the manifest says {declared}")),
    }
}

/// Each CR LF as LF.
pub(super) fn to_lf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().peekable();
    while let Some(byte) = rest.next() {
        if *byte != b'\r' || rest.peek() != Some(&&b'\n') {
            out.push(*byte);
        }
    }
    out
}

/// Each LF that has no CR before it as CR LF.
pub(super) fn to_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 16);
    let mut last = 0;
    for byte in bytes {
        if *byte == b'\n' && last != b'\r' {
            out.push(b'\r');
        }
        out.push(*byte);
        last = *byte;
    }
    out
}

/// Whether most lines end in CR LF.
pub(super) fn is_mostly_crlf(bytes: &[u8]) -> bool {
    let (mut crlf, mut lf, mut last) = (0_usize, 0_usize, 0);
    for byte in bytes {
        if *byte == b'\n' {
            if last == b'\r' { crlf += 1 } else { lf += 1 }
        }
        last = *byte;
    }
    crlf > lf
}

/// Whether what is here can be merged as far as its kind and size go.
pub(super) fn held(here: &Here) -> Option<&[u8]> {
    here.content().filter(|content| content.stat.kind == Kind::File)?.bytes.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_endings_convert_both_ways() {
        assert_eq!(to_lf(b"a\r\nb\r\r\nc\rd\n"), b"a\nb\r\nc\rd\n");
        assert_eq!(to_crlf(b"a\nb\r\nc\rd\n"), b"a\r\nb\r\nc\rd\r\n");
        assert!(is_mostly_crlf(b"a\r\nb\r\nc\n"));
        assert!(!is_mostly_crlf(b"a\r\nb\n"));
    }
}
