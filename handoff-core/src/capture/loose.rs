//! Files outside any checkout: read like new files, without git.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::time::Instant;

use super::options::{CaptureOptions, PlannedChange, PlannedFile};
use super::read::{Stamp, Stop, stamp};
use super::secrets::{Looked, Secrets};
use super::{Run, limits};
use crate::digest::Digest;
use crate::git::Patterns;
use crate::path::{RelPath, auto_run};
use crate::rooted::{Dir, errno_name};
use crate::snapshot::{AddError, Entry, EntryFlags, Extra, FileState, Mode, Omission, OmissionReason, Spool};
use crate::workspace::{LooseFile, Workspace};

/// Times a file that changes while it is read is read again.
const RETRIES: usize = 3;

/// Files above this go to the spool as a stream, in bytes.
const HELD: u64 = 8 << 20;

/// What stands for a repository's name where a file is in none.
const OUTSIDE: &str = "";

/// What one file came to.
enum Read {
    Entry(Box<Entry>),
    Omission(Omission),
}

impl Run<'_> {
    /// Captures the files outside any checkout, in order of name.
    pub(super) fn loose_files(&mut self) -> Result<(Vec<Entry>, Vec<Omission>), crate::Error> {
        let (mut entries, mut omissions) = (Vec::new(), Vec::new());
        for file in self.workspace.loose_files() {
            self.options.control.check()?;
            let expired = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
            self.cut |= expired;
            let refusal = refusal(file, self.options, self.patterns, expired, self.entries);
            let named = refusal.map_or_else(|| by_name(file, self.secrets), Err);
            let read = match named {
                Err(omission) => Read::Omission(omission),
                Ok(allowed) => match self.loose_file(file, allowed) {
                    Ok(read) => read,
                    Err(Stop::Capture(why) | Stop::Repository(why)) => return Err(why),
                },
            };
            match read {
                Read::Entry(entry) => {
                    self.entries += 1;
                    let size = entry.worktree.as_ref().map_or(0, |state| state.size);
                    self.bytes = self.bytes.saturating_add(size);
                    entries.push(*entry);
                }
                Read::Omission(omission) => omissions.push(omission),
            }
        }
        Ok((entries, omissions))
    }

    fn loose_file(&self, file: &LooseFile, allowed: Vec<String>) -> Result<Read, Stop> {
        let mut attempt = 0;
        loop {
            let (mut opened, before) = match open(file) {
                Ok(opened) => opened,
                Err(omission) => return Ok(Read::Omission(omission)),
            };
            if let Some(omission) = too_large(file, before.size, self.bytes, self.options) {
                return Ok(Read::Omission(omission));
            }
            let (taken, looked) = self.take(file, &mut opened, before);
            let (blob, size) = match taken {
                _ if !looked.found.is_empty() => (None, before.size),
                Ok((blob, size)) => (Some(blob), size),
                Err(AddError::Source(why)) => return Ok(Read::Omission(unreadable(file, &why))),
                Err(AddError::Spool(why)) => return Err(Stop::Capture(why)),
            };
            let still = stamp(&opened).is_ok_and(|after| after == Some(before)) && size == before.size;
            if !still && attempt < RETRIES {
                attempt += 1;
                self.options.control.check()?;
                continue;
            }
            let Some(blob) = blob else {
                let found = looked.found.into_iter().next();
                let (rule, line) = found.map(|found| (found.rule, found.line)).unzip();
                let held = omission(&file.name, OmissionReason::SecretContent, rule, Some(size));
                return Ok(Read::Omission(Omission { line, ..held }));
            };
            let set_aside: BTreeSet<_> = looked.allowed.into_iter().chain(allowed).collect();
            let mode = if before.executable { Mode::Executable } else { Mode::Regular };
            let state = FileState { blob: Some(blob), eol: None, mode, oid: None, size, extra: Extra::new() };
            let flags = EntryFlags {
                allowed_secrets: set_aside.into_iter().collect(),
                auto_run: auto_run(&file.name),
                unstable: !still,
                untracked: true,
                ..EntryFlags::default()
            };
            return Ok(Read::Entry(Box::new(Entry {
                flags,
                head: None,
                index: None,
                path: file.name.clone(),
                worktree: Some(state),
                extra: Extra::new(),
            })));
        }
    }

    /// The content of an open file, in the spool unless it holds a secret.
    fn take(
        &self,
        named: &LooseFile,
        file: &mut File,
        before: Stamp,
    ) -> (Result<(Digest, u64), AddError>, Looked) {
        let (spool, control): (&Spool, _) = (&self.spool, &self.options.control);
        // One byte more than it has, so that a file which grows is seen to.
        let mut file = file.take(before.size + 1);
        if before.size > HELD {
            let add = |source: &mut dyn io::Read| spool.add_reader(source, control);
            return self.secrets.watch(OUTSIDE, &named.name, 1, &mut file, add);
        }
        let mut content = Vec::with_capacity(before.size as usize + 1);
        if let Err(why) = file.read_to_end(&mut content) {
            return (Err(AddError::Source(why)), Looked::default());
        }
        let looked = self.secrets.look(OUTSIDE, &named.name, 1, &content);
        let added = match looked.found.is_empty() {
            true => spool.add(&content).map_err(AddError::Spool),
            false => Ok(Digest::of(b"")),
        };
        (added.map(|blob| (blob, content.len() as u64)), looked)
    }
}

/// What a capture would carry of the files outside any checkout; `bytes` counts content over everything.
pub(super) fn plan(
    workspace: &Workspace,
    options: &CaptureOptions,
    patterns: Option<&Patterns>,
    secrets: &Secrets<'_>,
    bytes: &mut u64,
) -> (Vec<PlannedFile>, Vec<Omission>) {
    let (mut files, mut omissions) = (Vec::new(), Vec::new());
    for file in workspace.loose_files() {
        let refusal = refusal(file, options, patterns, false, 0);
        let named = refusal.map_or_else(|| by_name(file, secrets), Err);
        let size = named.and_then(|_| open(file).map(|(_, stamp)| stamp.size));
        match size.and_then(|size| too_large(file, size, *bytes, options).map_or(Ok(size), Err)) {
            Ok(size) => {
                *bytes = bytes.saturating_add(size);
                let change = PlannedChange::Untracked;
                files.push(PlannedFile { path: file.name.clone(), change, bytes: size });
            }
            Err(omission) => omissions.push(omission),
        }
    }
    (files, omissions)
}

/// Why a file is left out before it is looked at.
fn refusal(
    file: &LooseFile,
    options: &CaptureOptions,
    patterns: Option<&Patterns>,
    expired: bool,
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
    expired.then(|| omission(&file.name, OmissionReason::Deadline, None, None))
}

/// The rules for names that were set aside for it, or its omission.
fn by_name(file: &LooseFile, secrets: &Secrets<'_>) -> Result<Vec<String>, Omission> {
    let name = secrets.name(OUTSIDE, &file.name);
    name.map_err(|rule| omission(&file.name, OmissionReason::SecretName, Some(rule), None))
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
        Ok(Some(opened)) => match stamp(&opened) {
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
    Omission { count: None, line: None, path: path.clone(), reason, rule, size, extra: Extra::new() }
}
