//! Files outside any checkout: read like new files, without git, and by the same rules of quiet and of ending early.

use std::fs::File;
use std::io::{self, Read as _};
use std::time::{Instant, SystemTime};

use super::options::{CaptureOptions, PlannedChange, PlannedFile};
use super::pass::not_read;
use super::read::{Outcome, Read, Stop};
use super::settle::{Look, Stamp, Watch};
use super::stream::Ending;
use super::{Run, limits};
use crate::digest::Digest;
use crate::error::Error;
use crate::git::Patterns;
use crate::path::{RelPath, auto_run};
use crate::progress::Until;
use crate::rooted::{Dir, errno_name};
use crate::snapshot::{AddError, Entry, EntryFlags, Extra, FileState, Mode, Omission, OmissionReason};
use crate::workspace::{LooseFile, Workspace};

/// Files above this go to the spool as a stream, in bytes.
const HELD: u64 = 8 << 20;

impl Run<'_> {
    /// Captures the files outside any checkout, in order of name, and waits until all of them have been quiet.
    pub(super) fn loose_files(&mut self) -> Result<(Vec<Entry>, Vec<Omission>), Error> {
        let files = self.workspace.loose_files();
        let mut reads = Vec::with_capacity(files.len());
        let mut entries = self.entries;
        for file in files {
            self.options.control.check()?;
            let read = match refusal(file, self.options, self.patterns, entries) {
                Some(omission) => Outcome::Omission(omission).into(),
                None => self.loose_file(file).map_err(Stop::into_error)?,
            };
            entries += u64::from(matches!(read.outcome, Outcome::Entry(_)));
            self.bytes = self.bytes.saturating_add(read.bytes);
            reads.push(read);
        }
        let settled = self.settle(&mut reads, |run, open, may_read| {
            let mut looks = Vec::with_capacity(open.len());
            for open in open {
                looks.push(match files.get(open.at) {
                    Some(file) => run.look_again(file, &open.watch, open.bytes, may_read)?,
                    None => Look::Moving,
                });
            }
            Ok(looks)
        });
        settled.map_err(Stop::into_error)?;
        let (mut carried, mut omissions) = (Vec::new(), Vec::new());
        for read in reads {
            self.cut = self.cut.take().or(read.cut);
            match read.outcome {
                Outcome::Entry(entry) => carried.push(*entry),
                Outcome::Omission(omission) => omissions.push(omission),
                Outcome::Unchanged => {}
            }
        }
        self.entries += carried.len() as u64;
        Ok((carried, omissions))
    }

    /// Looks at a file that was not quiet when its `bytes` were read.
    fn look_again(
        &mut self,
        file: &LooseFile,
        watch: &Watch,
        bytes: u64,
        may_read: bool,
    ) -> Result<Look, Stop> {
        if let Ok((mut opened, _)) = open(file)
            && watch.is_settled(&mut opened, &self.options.control, self.until)?
        {
            return Ok(Look::Settled);
        }
        if !may_read || self.until.reached().is_some() {
            return Ok(Look::Moving);
        }
        // What was read before gives way, unless this read ends in the middle.
        let others = self.bytes.saturating_sub(bytes);
        let all = std::mem::replace(&mut self.bytes, others);
        let read = self.loose_file(file)?;
        self.bytes = if read.cut.is_some() { all } else { others.saturating_add(read.bytes) };
        Ok(Look::Again(Box::new(read)))
    }

    fn loose_file(&self, file: &LooseFile) -> Result<Read, Stop> {
        if let Some(read) = self.ended(file) {
            return Ok(read);
        }
        // Taken first, so that the file is at least as young as this makes it.
        let begun = (SystemTime::now(), Instant::now());
        let (mut opened, before) = match open(file) {
            Ok(opened) => opened,
            Err(omission) => return Ok(Outcome::Omission(omission).into()),
        };
        if let Some(omission) = too_large(file, before.size, self.bytes, self.options) {
            return Ok(Outcome::Omission(omission).into());
        }
        let (blob, size) = match self.take(&mut opened, before) {
            Ok(taken) => taken,
            Err(AddError::Source(why)) => {
                let unreadable = || Outcome::Omission(unreadable(file, &why)).into();
                return Ok(self.ended(file).unwrap_or_else(unreadable));
            }
            Err(AddError::Spool(why)) => return Err(Stop::Capture(why)),
        };
        // The same size and times after reading as before: nobody began to write while we read.
        let still = Stamp::of(&opened).is_ok_and(|after| after == Some(before)) && size == before.size;
        let watch = Watch::new(before, still, blob, begun, self.options.quiet);
        let mode = if before.executable { Mode::Executable } else { Mode::Regular };
        let state = FileState { blob: Some(blob), eol: None, mode, oid: None, size, extra: Extra::new() };
        let flags = EntryFlags { auto_run: auto_run(&file.name), untracked: true, ..EntryFlags::default() };
        let entry = Entry {
            flags,
            head: None,
            index: None,
            path: file.name.clone(),
            worktree: Some(state),
            extra: Extra::new(),
        };
        Ok(Read { bytes: size, watch, ..Outcome::Entry(Box::new(entry)).into() })
    }

    /// A file that was not come to, when it is time to end.
    fn ended(&self, file: &LooseFile) -> Option<Read> {
        let why = self.until.reached()?;
        let omission = omission(&file.name, not_read(&why), None, None);
        Some(Read { cut: Some(why), ..Outcome::Omission(omission).into() })
    }

    /// The content of an open file, in the spool.
    fn take(&self, file: &mut File, before: Stamp) -> Result<(Digest, u64), AddError> {
        // One byte more than it has, so that a file which grows is seen to.
        let mut source = Ending { source: file.take(before.size + 1), until: self.until };
        if before.size > HELD {
            return self.spool.add_reader(&mut source, &self.options.control);
        }
        let mut content = Vec::with_capacity(before.size as usize + 1);
        source.read_to_end(&mut content).map_err(AddError::Source)?;
        let blob = self.spool.add(&content).map_err(AddError::Spool)?;
        Ok((blob, content.len() as u64))
    }
}

/// What a capture would carry of the files outside any checkout; `bytes` counts content over everything.
pub(super) fn plan(
    workspace: &Workspace,
    options: &CaptureOptions,
    until: &Until,
    patterns: Option<&Patterns>,
    bytes: &mut u64,
) -> Result<(Vec<PlannedFile>, Vec<Omission>), Error> {
    let (mut files, mut omissions) = (Vec::new(), Vec::new());
    for file in workspace.loose_files() {
        options.control.check()?;
        let size = match (refusal(file, options, patterns, 0), until.reached()) {
            (Some(omission), _) => Err(omission),
            (None, Some(why)) => Err(omission(&file.name, not_read(&why), None, None)),
            (None, None) => open(file).map(|(_, stamp)| stamp.size),
        };
        match size.and_then(|size| too_large(file, size, *bytes, options).map_or(Ok(size), Err)) {
            Ok(size) => {
                *bytes = bytes.saturating_add(size);
                let change = PlannedChange::Untracked;
                files.push(PlannedFile { path: file.name.clone(), change, bytes: size });
            }
            Err(omission) => omissions.push(omission),
        }
    }
    Ok((files, omissions))
}

/// Why a file is left out before it is looked at.
fn refusal(
    file: &LooseFile,
    options: &CaptureOptions,
    patterns: Option<&Patterns>,
    entries: u64,
) -> Option<Omission> {
    let rule = patterns.and_then(|patterns| patterns.matching(file.name.as_bytes()));
    if rule.is_some() {
        return Some(omission(&file.name, OmissionReason::Excluded, rule, None));
    }
    if entries >= options.max_entries {
        let rule = limits::max_entries(options.max_entries);
        return Some(omission(&file.name, OmissionReason::OverBudget, Some(rule), None));
    }
    None
}

fn too_large(file: &LooseFile, size: u64, taken: u64, options: &CaptureOptions) -> Option<Omission> {
    let (reason, rule) = if size > options.max_file_bytes {
        (OmissionReason::TooLarge, format!("max_file_bytes={}", options.max_file_bytes))
    } else if taken.saturating_add(size) > options.max_total_bytes {
        (OmissionReason::OverBudget, format!("max_total_bytes={}", options.max_total_bytes))
    } else {
        return None;
    };
    Some(omission(&file.name, reason, Some(rule), Some(size)))
}

/// Opens the file, or says why it cannot be read. The links on the way were followed when it was named; one that
/// has appeared at its place since is not.
fn open(file: &LooseFile) -> Result<(File, Stamp), Omission> {
    let parent = file.path.parent().unwrap_or(&file.path);
    let name = file.path.file_name().unwrap_or_default().as_encoded_bytes();
    let opened = Dir::open(parent).and_then(|dir| match dir.stat(name)? {
        Some(stat) if stat.kind != crate::rooted::Kind::File => Ok(None),
        Some(_) => dir.open_file(name).map(Some),
        None => Err(io::ErrorKind::NotFound.into()),
    });
    let special = || omission(&file.name, OmissionReason::SpecialFile, None, None);
    match opened {
        Ok(Some(opened)) => match Stamp::of(&opened) {
            Ok(Some(stamp)) => Ok((opened, stamp)),
            Ok(None) => Err(special()),
            Err(why) => Err(unreadable(file, &why)),
        },
        Ok(None) => Err(special()),
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            Err(omission(&file.name, OmissionReason::Vanished, None, None))
        }
        Err(why) => Err(unreadable(file, &why)),
    }
}

fn unreadable(file: &LooseFile, why: &io::Error) -> Omission {
    omission(&file.name, OmissionReason::Unreadable, Some(errno_name(why)), None)
}

fn omission(path: &RelPath, reason: OmissionReason, rule: Option<String>, size: Option<u64>) -> Omission {
    Omission { count: None, path: path.clone(), reason, rule, size, extra: Extra::new() }
}
