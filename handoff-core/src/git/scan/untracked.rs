//! What a walk finds that is not tracked: new files and directories, ignored ones that were asked for, directories
//! with nothing in them.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use gix::index::entry::Flags;
use rustix::fs::{AtFlags, FileType};

use super::listing::{Listed, is_special};
use super::queue::Job;
use super::worker::Worker;
use super::{Found, FoundStat};

impl Worker<'_> {
    pub(super) fn untracked(
        &mut self,
        job: &Job,
        dir: &Arc<OwnedFd>,
        item: Listed<'_>,
        children: &mut Vec<Job>,
    ) {
        self.at(&job.prefix, item.name.to_bytes());
        if item.name == c".gitattributes" {
            self.shared.has_own_attributes.store(true, Ordering::Relaxed);
        }
        match self.kind(dir, item) {
            Ok(FileType::Directory) if self.shared.own.contains(&self.path) => {}
            Ok(FileType::Directory) => {
                let next = self.job(job, dir, item, 0..0);
                self.enter_untracked(next, children);
            }
            Ok(kind) => self.new_file(job, dir, item, kind),
            Err(rustix::io::Errno::NOENT) => self.stir(),
            Err(why) => self.push(None, Found::Unreadable(why.into())),
        }
    }

    /// Whether the scratch path is ignored.
    fn is_ignored(&mut self, below_ignored: bool, is_dir: bool) -> io::Result<bool> {
        if below_ignored {
            return Ok(true);
        }
        if self.blind {
            return Err(rustix::io::Errno::INVAL.into());
        }
        self.ignores.is_ignored(&self.path, is_dir)
    }

    /// Whether the scratch path, which is ignored, was asked for. A directory's ends in a slash.
    fn is_asked_for(&self) -> bool {
        self.shared.options.include.is_some_and(|include| include.asks_for(&self.path))
    }

    /// Names the scratch path as ignored, where that is wanted.
    fn leave_ignored(&mut self) {
        if self.shared.options.list_ignored {
            self.push(None, Found::Ignored);
        }
    }

    /// Queues a directory in which nothing is tracked, unless it is ignored and nothing in it can be asked for. The
    /// scratch path is the directory's.
    pub(super) fn enter_untracked(&mut self, mut next: Job, children: &mut Vec<Job>) {
        match self.is_ignored(next.ignored, true) {
            Ok(true) => {
                let include = self.shared.options.include;
                let may_reach = include.is_some_and(|include| include.may_reach_below(&self.path));
                self.path.push(b'/');
                if may_reach || self.is_asked_for() {
                    next.ignored = true;
                    children.push(next);
                } else {
                    self.leave_ignored();
                }
            }
            Ok(false) => children.push(next),
            Err(why) => {
                self.path.push(b'/');
                self.push(None, Found::Unreadable(why));
            }
        }
    }

    /// Reports a file that is not tracked, unless it is ignored and not asked for. The scratch path is the file's.
    pub(super) fn new_file(&mut self, job: &Job, dir: &OwnedFd, item: Listed<'_>, kind: FileType) {
        if self.blind && !job.ignored && is_special(kind) {
            return self.push(None, Found::Special);
        }
        let ignored = match self.is_ignored(job.ignored, false) {
            Ok(ignored) => ignored,
            Err(why) => return self.push(None, Found::Unreadable(why)),
        };
        if ignored && !self.is_asked_for() {
            return self.leave_ignored();
        }
        if is_special(kind) {
            return self.push_new(Found::Special, ignored);
        }
        match rustix::fs::statat(dir, item.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                let found = FoundStat { size: stat.st_size as u64 };
                match FileType::from_raw_mode(stat.st_mode) {
                    FileType::RegularFile => self.push_new(Found::File(found), ignored),
                    FileType::Symlink => self.push_new(Found::Symlink(found), ignored),
                    _ => self.push_new(Found::Special, ignored),
                }
            }
            Err(rustix::io::Errno::NOENT) => self.stir(),
            Err(why) => self.push(None, Found::Unreadable(why.into())),
        }
    }

    /// A repository that is not tracked. The scratch path is its directory's, with a slash.
    pub(super) fn nested_repository(&mut self, job: &Job) {
        if job.ignored && !self.is_asked_for() {
            return self.leave_ignored();
        }
        self.push_new(Found::NestedRepo, job.ignored);
    }

    /// A directory with nothing in it.
    pub(super) fn empty_directory(&mut self, job: &Job) {
        self.path.clear();
        self.path.extend_from_slice(&job.prefix);
        if job.ignored && !self.is_asked_for() {
            return self.leave_ignored();
        }
        // What a sparse checkout leaves out is not missing from it.
        let entries = self.shared.index.state().entries().get(job.range.clone()).unwrap_or_default();
        if entries.iter().any(|entry| entry.flags.contains(Flags::SKIP_WORKTREE)) {
            return;
        }
        self.path.pop();
        self.push_new(Found::EmptyDir, job.ignored);
    }
}
