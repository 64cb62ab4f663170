//! Files outside any checkout: read like new files, without git, and by the same rules of quiet and of ending early.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::time::{Instant, SystemTime};

use super::options::{CaptureOptions, PlannedChange, PlannedFile};
use super::pass::not_read;
use super::plan::Rules;
use super::read::{Outcome, Read, Stop};
use super::secrets::Looked;
use super::settle::{Look, Stamp, Watch};
use super::stream::Ending;
use super::{Run, limits};
use crate::digest::Digest;
use crate::error::Error;
use crate::path::{RelPath, auto_run};
use crate::progress::Until;
use crate::rooted::{Dir, errno_name};
use crate::snapshot::{AddError, Entry, EntryFlags, Extra, FileState, Mode, Omission, OmissionReason};
use crate::workspace::{LooseFile, Workspace};

/// Files above this go to the spool as a stream, in bytes.
const HELD: u64 = 8 << 20;

/// What stands for a repository's name where a file is in none.
const OUTSIDE: &str = "";

impl Run<'_> {
    /// Captures the files outside any checkout, in order of name, and waits until all of them have been quiet.
    pub(super) fn loose_files(&mut self) -> Result<(Vec<Entry>, Vec<Omission>), Error> {
        let files = self.workspace.loose_files();
        let mut reads = Vec::with_capacity(files.len());
        let mut entries = self.entries;
        for file in files {
            self.options.control.check()?;
            let read = match refusal(file, self.options, self.rules(), entries) {
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
            Err(omission) => return Ok(Outcome::Omission(*omission).into()),
        };
        if let Some(omission) = too_large(file, before.size, self.bytes, self.options) {
            return Ok(Outcome::Omission(omission).into());
        }
        let (taken, looked) = self.take(file, &mut opened, before);
        if let Some(found) = looked.found.into_iter().next() {
            let rule = Some(found.rule);
            let held = omission(&file.name, OmissionReason::SecretContent, rule, Some(before.size));
            return Ok(Outcome::Omission(Omission { line: Some(found.line), ..held }).into());
        }
        let (blob, size) = match taken {
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
        let named = self.secrets.name(OUTSIDE, &file.name).unwrap_or_default();
        let allowed: BTreeSet<_> = looked.allowed.into_iter().chain(named).collect();
        let flags = EntryFlags {
            allowed_secrets: allowed.into_iter().collect(),
            auto_run: auto_run(&file.name),
            untracked: true,
            ..EntryFlags::default()
        };
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

    /// The content of an open file, in the spool unless it holds a secret.
    fn take(
        &self,
        named: &LooseFile,
        file: &mut File,
        before: Stamp,
    ) -> (Result<(Digest, u64), AddError>, Looked) {
        let (spool, control) = (&self.spool, &self.options.control);
        // One byte more than it has, so that a file which grows is seen to.
        let mut source = Ending { source: file.take(before.size + 1), until: self.until };
        if before.size > HELD {
            let add = |source: &mut (dyn io::Read + Send)| spool.add_reader(source, control);
            return self.secrets.watch(OUTSIDE, &named.name, 1, &mut source, add);
        }
        let mut content = Vec::with_capacity(before.size as usize + 1);
        if let Err(why) = source.read_to_end(&mut content) {
            return (Err(AddError::Source(why)), Looked::default());
        }
        let looked = self.secrets.look(OUTSIDE, &named.name, 1, &content);
        if !looked.found.is_empty() {
            return (Ok((Digest::of(b""), 0)), looked);
        }
        let added = spool.add(&content).map_err(AddError::Spool);
        (added.map(|blob| (blob, content.len() as u64)), looked)
    }

    fn rules(&self) -> Rules<'_> {
        Rules { patterns: self.patterns, secrets: self.secrets }
    }
}

/// What a capture would carry of the files outside any checkout; `bytes` counts content over everything.
pub(super) fn plan(
    workspace: &Workspace,
    options: &CaptureOptions,
    until: &Until,
    rules: Rules<'_>,
    bytes: &mut u64,
) -> Result<(Vec<PlannedFile>, Vec<Omission>), Error> {
    let (mut files, mut omissions) = (Vec::new(), Vec::new());
    for file in workspace.loose_files() {
        options.control.check()?;
        let size = match (refusal(file, options, rules, 0), until.reached()) {
            (Some(omission), _) => Err(Box::new(omission)),
            (None, Some(why)) => Err(Box::new(omission(&file.name, not_read(&why), None, None))),
            (None, None) => open(file).map(|(_, stamp)| stamp.size),
        };
        match size.and_then(|size| match too_large(file, size, *bytes, options) {
            Some(omission) => Err(Box::new(omission)),
            None => Ok(size),
        }) {
            Ok(size) => {
                *bytes = bytes.saturating_add(size);
                let change = PlannedChange::Untracked;
                files.push(PlannedFile { path: file.name.clone(), change, bytes: size });
            }
            Err(omission) => omissions.push(*omission),
        }
    }
    Ok((files, omissions))
}

/// Why a file is left out before it is looked at.
fn refusal(file: &LooseFile, options: &CaptureOptions, rules: Rules<'_>, entries: u64) -> Option<Omission> {
    let rule = rules.patterns.and_then(|patterns| patterns.matching(file.name.as_bytes()));
    if rule.is_some() {
        return Some(omission(&file.name, OmissionReason::Excluded, rule, None));
    }
    if entries >= options.max_entries {
        let rule = limits::max_entries(options.max_entries);
        return Some(omission(&file.name, OmissionReason::OverBudget, Some(rule), None));
    }
    let rule = rules.secrets.name(OUTSIDE, &file.name).err()?;
    Some(omission(&file.name, OmissionReason::SecretName, Some(rule), None))
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
fn open(file: &LooseFile) -> Result<(File, Stamp), Box<Omission>> {
    let parent = file.path.parent().unwrap_or(&file.path);
    let name = file.path.file_name().unwrap_or_default().as_encoded_bytes();
    let opened = Dir::open(parent).and_then(|dir| match dir.stat(name)? {
        Some(stat) if stat.kind != crate::rooted::Kind::File => Ok(None),
        Some(_) => dir.open_file(name).map(Some),
        None => Err(io::ErrorKind::NotFound.into()),
    });
    let special = || Box::new(omission(&file.name, OmissionReason::SpecialFile, None, None));
    match opened {
        Ok(Some(opened)) => match Stamp::of(&opened) {
            Ok(Some(stamp)) => Ok((opened, stamp)),
            Ok(None) => Err(special()),
            Err(why) => Err(Box::new(unreadable(file, &why))),
        },
        Ok(None) => Err(special()),
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            Err(Box::new(omission(&file.name, OmissionReason::Vanished, None, None)))
        }
        Err(why) => Err(Box::new(unreadable(file, &why))),
    }
}

fn unreadable(file: &LooseFile, why: &io::Error) -> Omission {
    omission(&file.name, OmissionReason::Unreadable, Some(errno_name(why)), None)
}

fn omission(path: &RelPath, reason: OmissionReason, rule: Option<String>, size: Option<u64>) -> Omission {
    Omission { count: None, line: None, path: path.clone(), reason, rule, size, extra: Extra::new() }
}
