//! Reading one file while others may write to it.

use std::fs::File;
use std::io::{self, Read};
use std::time::{Instant, SystemTime};

use super::secret::Secret;
use super::{Notes, OnDisk, Reader, Stop, file_state, unreadable};
use crate::capture::pass::not_read;
use crate::capture::scan::Candidate;
use crate::capture::settle::{Stamp, Watch};
use crate::capture::stream::{Ending, ReadError, copy};
use crate::digest::{Digest, Hasher};
use crate::error::Error;
use crate::git::{BlobHasher, NORMALISE_LIMIT, Normalised, lfs_content};
use crate::path::RelPath;
use crate::rooted::{Dir, Kind, Refusal};
use crate::snapshot::{AddError, Eol, FileState, Mode, OmissionReason};

impl Reader<'_> {
    /// A file, which may be open already.
    pub(super) fn file(&mut self, candidate: &Candidate, mut opened: Option<File>) -> Result<OnDisk, Stop> {
        loop {
            self.secret = Secret::default();
            // Taken first, so that the file is at least as young as this makes it.
            let begun = (SystemTime::now(), Instant::now());
            let mut file = match opened.take() {
                Some(file) => file,
                None => match self.open(candidate) {
                    Ok(file) => file,
                    Err(found) => return Ok(*found),
                },
            };
            let before = match Stamp::of(&file) {
                Ok(Some(before)) => before,
                // Replaced by something else since the walk; the long way says by what.
                Ok(None) => continue,
                Err(why) => return Ok(unreadable(&why)),
            };
            let over_limit = before.size > self.options.max_file_bytes;
            let over_budget = before.size > self.left;
            if over_limit || over_budget {
                return self.too_large(candidate, file, before, over_limit);
            }
            let read = if before.size > NORMALISE_LIMIT {
                self.large(candidate, &mut file, before)
            } else {
                self.small(candidate, &mut file, before)
            };
            let (state, notes) = match read {
                Ok(read) => read,
                Err(why) => return self.not_read(why),
            };
            // The same size and times after reading as before: nobody began to write while we read.
            let still =
                Stamp::of(&file).is_ok_and(|after| after == Some(before)) && state.size == before.size;
            self.watch =
                state.blob.and_then(|digest| Watch::new(before, still, digest, begun, self.options.quiet));
            return Ok(OnDisk::State { state, notes });
        }
    }

    /// A file of which not all could be read, or the end of everything.
    fn not_read(&self, why: ReadError) -> Result<OnDisk, Stop> {
        match (why, self.until.reached()) {
            (ReadError::Fatal(why), _) => Err(why),
            (ReadError::File(_), Some(end)) => {
                Ok(OnDisk::Omit { reason: not_read(&end), rule: None, size: None })
            }
            (ReadError::File(why), None) => Ok(unreadable(&why)),
        }
    }

    /// Whether a file that was read before holds the same bytes, and was not written to since.
    pub fn is_settled(&mut self, candidate: &Candidate, watch: &Watch) -> Result<bool, Stop> {
        let Ok(mut file) = self.open(candidate) else { return Ok(false) };
        watch.is_settled(&mut file, &self.options.control, self.until)
    }

    /// Opens the file the long way, or says what is there instead.
    fn open(&mut self, candidate: &Candidate) -> Result<File, Box<OnDisk>> {
        let parent = match self.parent(candidate) {
            Ok(parent) => parent,
            Err(Refusal::Io(why)) => return Err(Box::new(unreadable(&why))),
            Err(_) => return Err(Box::new(OnDisk::Absent)),
        };
        parent
            .open_file(candidate.path.name())
            .map_err(|why| Box::new(self.not_a_file(candidate, &parent, &why)))
    }

    /// What was a file when the directory was listed and cannot be opened as one now.
    fn not_a_file(&self, candidate: &Candidate, parent: &Dir, why: &io::Error) -> OnDisk {
        match parent.stat(candidate.path.name()) {
            Ok(None) => OnDisk::Absent,
            Ok(Some(stat)) if stat.kind == Kind::Dir => OnDisk::Absent,
            // It was replaced by something else meanwhile.
            Ok(Some(stat)) if stat.kind != Kind::File => {
                OnDisk::Omit { reason: OmissionReason::Unstable, rule: None, size: None }
            }
            _ => unreadable(why),
        }
    }

    /// A file over a limit: left out, unless it is unchanged, which hashing tells without keeping it.
    fn too_large(
        &self,
        candidate: &Candidate,
        mut file: File,
        stamp: Stamp,
        over_limit: bool,
    ) -> Result<OnDisk, Stop> {
        if let Some(item) = candidate.index.as_ref().filter(|item| !item.intent_to_add) {
            let mode = self.mode(candidate, stamp.executable);
            if mode == item.item.mode {
                let mut hasher = BlobHasher::new(self.repo.format(), stamp.size);
                let control = &self.options.control;
                if let Err(why) = copy(&mut file, control, self.until, &mut |bytes| hasher.update(bytes)) {
                    return self.not_read(why);
                }
                if hasher.finish() == Some(item.item.oid) {
                    let state = file_state(mode, Some(item.item.oid), stamp.size);
                    return Ok(OnDisk::State { state, notes: Notes::default() });
                }
            }
        }
        let (reason, rule) = if over_limit {
            (OmissionReason::TooLarge, format!("max_file_bytes={}", self.options.max_file_bytes))
        } else {
            (OmissionReason::OverBudget, format!("max_total_bytes={}", self.options.max_total_bytes))
        };
        Ok(OnDisk::Omit { reason, rule: Some(rule), size: Some(stamp.size) })
    }

    fn mode(&self, candidate: &Candidate, executable: bool) -> Mode {
        let staged = candidate.index.as_ref().map(|item| &item.item.mode);
        if !self.repo.has_symlinks() && staged == Some(&Mode::Symlink) {
            return Mode::Symlink;
        }
        if !self.repo.trusts_mode() {
            return staged.filter(|mode| mode.is_file()).cloned().unwrap_or(Mode::Regular);
        }
        if executable { Mode::Executable } else { Mode::Regular }
    }

    fn normalise(&mut self, path: &RelPath, content: &[u8]) -> Result<(Normalised, Option<Eol>), Error> {
        if self.normaliser.is_none() {
            self.normaliser = Some(match self.attributes_as_staged {
                true => self.repo.normaliser_as_staged(self.index)?,
                false => self.repo.normaliser(self.index)?,
            });
        }
        let plain =
            || Normalised { changed: None, oid: self.repo.blob_oid(content), converts: false, raw: None };
        let Some(normaliser) = self.normaliser.as_mut() else { return Ok((plain(), None)) };
        let normalised = match normaliser.normalise(self.index, path, content) {
            Ok(normalised) => normalised,
            // It travels as it is, with the reason in `raw`.
            Err(why) => return Ok((Normalised { raw: Some(why.reason().into()), ..plain() }, None)),
        };
        let stored = normalised.changed.as_deref().unwrap_or(content);
        let native = match normaliser.check_out(path, stored) {
            Ok(Some(checked_out)) => checked_out == content,
            Ok(None) if !normalised.converts => return Ok((normalised, None)),
            Ok(None) => normalised.changed.is_none(),
            Err(_) => false,
        };
        Ok((normalised, Some(if native { Eol::Native } else { Eol::Verbatim })))
    }

    /// Whether the staged version is the Git LFS pointer of this content: then the file is as checked out, and no
    /// filter needs to run to tell.
    fn is_pointed_to(&self, candidate: &Candidate, raw: Option<&str>, content: &Digest) -> bool {
        let Some(item) = candidate.index.as_ref().filter(|_| raw == Some("filter=lfs")) else { return false };
        let pointer = self.blobs.size(&item.item.oid).filter(|size| *size < 1024);
        let pointer = pointer.and_then(|_| self.blobs.read(&item.item.oid).ok().flatten());
        pointer.is_some_and(|pointer| lfs_content(&pointer).as_ref() == Some(content))
    }

    /// A file that fits in memory.
    fn small(
        &mut self,
        candidate: &Candidate,
        file: &mut File,
        before: Stamp,
    ) -> Result<(FileState, Notes), ReadError> {
        let content = read_all(file, before.size as usize).map_err(ReadError::File)?;
        let mode = self.mode(candidate, before.executable);
        let (normalised, eol) = if mode == Mode::Symlink {
            let oid = self.repo.blob_oid(&content);
            (Normalised { changed: None, oid, converts: false, raw: None }, None)
        } else {
            self.normalise(&candidate.path, &content).map_err(|why| ReadError::Fatal(why.into()))?
        };
        let mut state = file_state(mode, normalised.oid, content.len() as u64);
        state.eol = eol;
        if normalised.raw.is_some()
            && self.is_pointed_to(candidate, normalised.raw.as_deref(), &Digest::of(&content))
        {
            state.oid = candidate.index.as_ref().map(|item| item.item.oid);
        }
        if !self.is_as_committed(candidate, &state)
            && self.may_travel(candidate, normalised.changed.as_deref().unwrap_or(&content))
        {
            state.blob = Some(self.add(&content).map_err(ReadError::Fatal)?);
        }
        let notes = Notes { raw: normalised.raw, verbatim: normalised.changed.is_none() };
        Ok((state, notes))
    }

    /// A file that does not: streamed into the spool, not normalised. Git's id is only computed for tracked files,
    /// where it tells whether they changed; hashing a new file twice would cost more than storing it.
    fn large(
        &mut self,
        candidate: &Candidate,
        file: &mut File,
        before: Stamp,
    ) -> Result<(FileState, Notes), ReadError> {
        let mode = self.mode(candidate, before.executable);
        let (probe, _) =
            self.normalise(&candidate.path, b"\r\n").map_err(|why| ReadError::Fatal(why.into()))?;
        let raw = probe.raw.or_else(|| probe.converts.then(|| "size".to_owned()));
        let mut oid = None;
        if candidate.is_tracked() || candidate.head.is_some() {
            let mut hasher = BlobHasher::new(self.repo.format(), before.size);
            let mut lfs = (raw.as_deref() == Some("filter=lfs")).then(Hasher::new);
            copy(file, &self.options.control, self.until, &mut |bytes| {
                hasher.update(bytes);
                if let Some(lfs) = &mut lfs {
                    lfs.update(bytes);
                }
            })?;
            oid = hasher.finish();
            let lfs = lfs.map(Hasher::finish);
            if lfs.is_some_and(|content| self.is_pointed_to(candidate, raw.as_deref(), &content)) {
                oid = candidate.index.as_ref().map(|item| item.item.oid);
            }
            io::Seek::rewind(file).map_err(ReadError::File)?;
        }
        let mut state = file_state(mode, oid, before.size);
        if !self.is_as_committed(candidate, &state) {
            // One byte more than it has, so that a file which grows is seen to.
            let mut source = Ending { source: file.take(before.size + 1), until: self.until };
            let (spool, control) = (self.spool, &self.options.control);
            match self.watched(candidate, &mut source, |source| spool.add_reader(source, control)) {
                Some(Ok((blob, size))) => {
                    state.blob = Some(blob);
                    state.size = size;
                    self.count(size);
                }
                Some(Err(AddError::Source(why))) => return Err(ReadError::File(why)),
                Some(Err(AddError::Spool(why))) => return Err(ReadError::Fatal(Stop::Capture(why))),
                // It has a secret.
                None => {}
            }
        }
        Ok((state, Notes { raw, verbatim: oid.is_some() }))
    }
}

/// Reads a file of `size` bytes in one call, as far as the system lets it. Room is for one byte more, so that a file which
/// has grown is seen to; one that grows later has another size when it is looked at again.
fn read_all(file: &mut File, size: usize) -> io::Result<Vec<u8>> {
    let mut content = vec![0; size + 1];
    let mut len = 0;
    while let Some(rest) = content.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => len += count,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
        if len == size {
            break;
        }
    }
    content.truncate(len);
    Ok(content)
}
