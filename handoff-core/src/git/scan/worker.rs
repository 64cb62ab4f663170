//! One thread of a walk.

use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gix::bstr::ByteSlice as _;
use gix::index::entry::Flags;
use gix::index::entry::stat::Options as StatOptions;
use rustix::fs::{AtFlags, FileType, Mode as OpenMode, OFlags};

use super::listing::{LIST_BUFFER, Listed, Listing, changed_since, is_git_name, is_special};
use super::proof::is_unchanged;
use super::queue::{Job, Queue};
use super::{Found, FoundStat, ScanOptions, ScannedPath};
use crate::error::Error;
use crate::git::index::Child;
use crate::git::{Ignores, Index, Repo, os_path};
use crate::path::RelPath;
use crate::progress::Meter;

/// What all threads of a walk look at.
pub(super) struct Shared<'a> {
    pub repo: &'a Repo,
    pub index: &'a Index,
    pub options: &'a ScanOptions<'a>,
    pub queue: &'a Queue,
    pub root: Arc<OwnedFd>,
    pub stat: StatOptions,
    /// Git's own directories where they are below the root; else empty.
    pub own: [Vec<u8>; 2],
    /// When the walk began, in seconds and nanoseconds of the clock that files are stamped with.
    pub since: (i64, i64),
    /// A directory changed after that.
    pub stirred: AtomicBool,
}

pub(super) struct Worker<'a> {
    pub(super) shared: &'a Shared<'a>,
    pub(super) ignores: Ignores,
    out: Vec<ScannedPath>,
    /// Scratch space for the path at hand.
    pub(super) path: Vec<u8>,
    /// Scratch space for listing directories; only its capacity is used.
    buffer: Vec<u8>,
    listing: Listing,
    /// The directory at hand, or one above it, has a `.gitignore` that is not a file, which would be waited for
    /// forever: what is ignored is not known.
    pub(super) blind: bool,
    /// The root itself could not be listed, so that nothing is known of what is not tracked.
    failed: Option<Error>,
}

impl<'a> Worker<'a> {
    pub fn new(shared: &'a Shared<'a>, ignores: Ignores) -> Self {
        let buffer = Vec::with_capacity(LIST_BUFFER);
        Self {
            shared,
            ignores,
            out: Vec::new(),
            path: Vec::new(),
            buffer,
            listing: Listing::default(),
            blind: false,
            failed: None,
        }
    }

    /// Takes jobs until there are none left.
    pub fn work(mut self, meter: &Mutex<Meter<'_>>) -> Result<Vec<ScannedPath>, Error> {
        let mut children = Vec::new();
        while let Some(job) = self.shared.queue.next() {
            let names = self.directory(&job, &mut children);
            self.shared.queue.finished(&mut children);
            if let Some(why) = self.failed.take() {
                self.shared.queue.stop(false);
                return Err(why);
            }
            let step = {
                let mut meter = meter.lock().unwrap_or_else(PoisonError::into_inner);
                meter.step(names, 0, Some(&job.prefix.as_bstr()))
            };
            if let Err(cancelled) = step {
                self.shared.queue.stop(false);
                return Err(cancelled);
            }
            if self.shared.options.until.reached().is_some() {
                self.shared.queue.stop(true);
            }
        }
        Ok(self.out)
    }

    /// Notes that names came or went, so that one may have been missed.
    pub(super) fn stir(&self) {
        self.shared.stirred.store(true, Ordering::Relaxed);
    }

    pub(super) fn push(&mut self, index: Option<usize>, found: Found) {
        self.out.push(ScannedPath { path: RelPath::new(self.path.as_slice()), index, found, ignored: false });
    }

    /// Reports the scratch path, which is not tracked; `ignored` says that it is, and that it was asked for.
    pub(super) fn push_new(&mut self, found: Found, ignored: bool) {
        self.out.push(ScannedPath { path: RelPath::new(self.path.as_slice()), index: None, found, ignored });
    }

    /// Sets the scratch path to `name` in the directory `prefix`.
    pub(super) fn at(&mut self, prefix: &[u8], name: &[u8]) {
        self.path.clear();
        self.path.extend_from_slice(prefix);
        self.path.extend_from_slice(name);
    }

    /// Lists one directory; returns how many names it has.
    fn directory(&mut self, job: &Job, children: &mut Vec<Job>) -> u64 {
        let opened = match &job.parent {
            None => Ok(Arc::clone(&self.shared.root)),
            Some(parent) => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                rustix::fs::openat(&**parent, &*job.name, flags, OpenMode::empty()).map(Arc::new)
            }
        };
        let mut listing = std::mem::take(&mut self.listing);
        let dir = match opened.and_then(|dir| listing.read(&dir, &mut self.buffer).map(|()| dir)) {
            Ok(dir) => dir,
            Err(why) if job.parent.is_none() => {
                self.failed = Some(Error::io("listing", self.shared.repo.root(), why));
                return 0;
            }
            // It went away between being listed and being opened: so did all that is tracked in it.
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
                self.stir();
                self.all_absent(job.range.clone());
                return 0;
            }
            Err(why) => {
                self.path.clear();
                self.path.extend_from_slice(&job.prefix);
                self.push(None, Found::Unreadable(why.into()));
                self.all_unreadable(job.range.clone(), why.into());
                return 0;
            }
        };
        // After listing: a name that came or went before or meanwhile has left its time here.
        if changed_since(&dir, self.shared.since) {
            self.stir();
        }
        let count = listing.len() as u64;
        self.merge(job, &dir, &listing, children);
        self.listing = listing;
        count
    }

    /// Pairs what is listed with what is tracked, both sorted by name.
    fn merge(&mut self, job: &Job, dir: &Arc<OwnedFd>, listing: &Listing, children: &mut Vec<Job>) {
        let is_root = job.parent.is_none();
        if !is_root && job.range.is_empty() && listing.find(c".git").is_some() {
            self.path.clear();
            self.path.extend_from_slice(&job.prefix);
            if self.is_repository(&job.prefix) {
                return self.nested_repository(job);
            }
        }
        if !is_root && listing.len() == 0 {
            self.empty_directory(job);
        }
        self.blind = job.blind
            || listing.find(c".gitignore").is_some_and(|item| self.kind(dir, item).map_or(true, is_special));
        let index = self.shared.index;
        let mut tracked = index.children(job.range.clone(), job.prefix.len()).into_iter().peekable();
        for item in listing.iter() {
            let name = item.name.to_bytes();
            // Never entered, whatever an index claims to track there.
            if is_git_name(name, self.shared.repo.ignores_case()) {
                continue;
            }
            while let Some(missing) = tracked.next_if(|child| child.name < name) {
                self.absent(job, &missing);
            }
            // A conflict may leave a file and a directory of one name in the index.
            let file = tracked.next_if(|child| child.name == name && !child.is_dir);
            let below = tracked.next_if(|child| child.name == name);
            if let Some(file) = &file {
                self.tracked_file(job, dir, item, file, below.is_none(), children);
            }
            if let Some(below) = &below {
                self.tracked_dir(job, dir, item, below, file.is_none(), children);
            }
            if file.is_none() && below.is_none() {
                self.untracked(job, dir, item, children);
            }
        }
        for missing in tracked {
            self.absent(job, &missing);
        }
    }

    fn is_repository(&self, prefix: &[u8]) -> bool {
        let path = self.shared.repo.root().join(os_path(prefix)).join(".git");
        gix::discover::is_git(&path).is_ok()
    }

    fn absent(&mut self, job: &Job, child: &Child<'_>) {
        if child.is_dir {
            return self.all_absent(child.range.clone());
        }
        self.at(&job.prefix, child.name);
        self.absent_entry(child.range.start);
    }

    /// Reports one tracked path that is not there, unless it is not meant to be.
    fn absent_entry(&mut self, at: usize) {
        let Some(entry) = self.shared.index.state().entries().get(at) else { return };
        if entry.flags.contains(Flags::SKIP_WORKTREE) {
            return;
        }
        self.push(Some(at), Found::Absent);
    }

    fn all_absent(&mut self, range: Range<usize>) {
        self.each_path(range, |worker, at| worker.absent_entry(at));
    }

    fn all_unreadable(&mut self, range: Range<usize>, why: io::Error) {
        self.each_path(range, |worker, at| {
            let why =
                why.raw_os_error().map_or_else(|| io::Error::from(why.kind()), io::Error::from_raw_os_error);
            worker.push(Some(at), Found::Unreadable(why));
        });
    }

    /// Calls `report` for each path of the index range once, with the scratch path set.
    fn each_path(&mut self, range: Range<usize>, report: impl Fn(&mut Self, usize)) {
        let state = self.shared.index.state();
        let mut last: Option<&[u8]> = None;
        for at in range {
            let Some(entry) = state.entries().get(at) else { break };
            let path = entry.path(state).as_bytes();
            if last.replace(path) != Some(path) {
                self.path.clear();
                self.path.extend_from_slice(path);
                report(self, at);
            }
        }
    }

    /// A name below which something is tracked. `free` says that the name itself is not.
    fn tracked_dir(
        &mut self,
        job: &Job,
        dir: &Arc<OwnedFd>,
        item: Listed<'_>,
        child: &Child<'_>,
        free: bool,
        children: &mut Vec<Job>,
    ) {
        self.at(&job.prefix, child.name);
        match self.kind(dir, item) {
            Ok(FileType::Directory) if self.shared.own.contains(&self.path) => {
                self.all_absent(child.range.clone());
            }
            Ok(FileType::Directory) => children.push(self.job(job, dir, item, child.range.clone())),
            // Something else is where the directory was: its files are gone, and the thing is new.
            Ok(kind) => {
                self.all_absent(child.range.clone());
                if free {
                    self.at(&job.prefix, child.name);
                    self.new_file(job, dir, item, kind);
                }
            }
            Err(rustix::io::Errno::NOENT) => {
                self.stir();
                self.all_absent(child.range.clone());
            }
            Err(why) => self.all_unreadable(child.range.clone(), why.into()),
        }
    }

    /// A name that is tracked itself. `free` says that nothing is tracked below it.
    fn tracked_file(
        &mut self,
        job: &Job,
        dir: &Arc<OwnedFd>,
        item: Listed<'_>,
        child: &Child<'_>,
        free: bool,
        children: &mut Vec<Job>,
    ) {
        self.at(&job.prefix, child.name);
        let at = child.range.start;
        let Some(entry) = self.shared.index.state().entries().get(at) else { return };
        let stat = match rustix::fs::statat(&**dir, item.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(rustix::io::Errno::NOENT) => {
                self.stir();
                return self.absent_entry(at);
            }
            Err(why) => return self.push(Some(at), Found::Unreadable(why.into())),
        };
        let found = FoundStat { size: stat.st_size as u64 };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory if entry.mode.is_submodule() => {
                self.submodule(at, dir, item);
            }
            FileType::Directory => {
                self.push(Some(at), Found::Dir);
                if free {
                    let next = self.job(job, dir, item, 0..0);
                    self.enter_untracked(next, children);
                }
            }
            FileType::RegularFile => {
                if entry.mode.is_submodule() || !is_unchanged(self.shared, entry, &stat) {
                    self.push(Some(at), Found::File(found));
                }
            }
            FileType::Symlink => {
                if entry.mode.is_submodule() || !is_unchanged(self.shared, entry, &stat) {
                    self.push(Some(at), Found::Symlink(found));
                }
            }
            _ => self.push(Some(at), Found::Special),
        }
    }

    /// The directory of a tracked submodule. The scratch path is the submodule's.
    fn submodule(&mut self, at: usize, dir: &OwnedFd, item: Listed<'_>) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut names = Listing::default();
        let listed = rustix::fs::openat(dir, item.name, flags, OpenMode::empty())
            .and_then(|inner| names.read(&inner, &mut self.buffer));
        // Whatever `.git` is, it is there to be a repository; if it cannot be opened, that has to be said.
        let present = names.find(c".git").is_some();
        self.push(Some(at), Found::Submodule { present });
        self.path.push(b'/');
        match listed {
            Err(why) => self.push(None, Found::Unreadable(why.into())),
            Ok(()) if !present && names.len() > 0 => self.push(None, Found::Uninitialised),
            Ok(()) => {}
        }
    }

    pub(super) fn kind(&self, dir: &OwnedFd, item: Listed<'_>) -> rustix::io::Result<FileType> {
        if item.kind != FileType::Unknown {
            return Ok(item.kind);
        }
        let stat = rustix::fs::statat(dir, item.name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(FileType::from_raw_mode(stat.st_mode))
    }

    pub(super) fn job(&self, job: &Job, dir: &Arc<OwnedFd>, item: Listed<'_>, range: Range<usize>) -> Job {
        let mut prefix = Vec::with_capacity(job.prefix.len() + item.name.to_bytes().len() + 1);
        prefix.extend_from_slice(&job.prefix);
        prefix.extend_from_slice(item.name.to_bytes());
        prefix.push(b'/');
        let (parent, name) = (Some(Arc::clone(dir)), item.name.to_owned());
        Job { prefix, range, parent, name, blind: self.blind, ignored: job.ignored }
    }
}
