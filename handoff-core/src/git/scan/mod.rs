//! One pass over the work tree, merged with the index: which paths may differ from what is staged, and which
//! are new. Reads directories and stat data, never contents; the stat data of the index is believed only
//! under git's racy rule (git's `Documentation/technical/racy-git`).
//!
//! Directories are a work queue over all cores; each is listed once, by handle, and only tracked names and new
//! files are looked at. That is about half the work of git's two passes.

mod listing;
mod proof;
mod queue;
mod untracked;
mod worker;

use std::ffi::CString;
use std::io;
use std::num::NonZero;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::fs::{Mode as OpenMode, OFlags};

use self::queue::{Job, Queue};
use self::worker::{Shared, Worker};
use super::{Include, Index, Repo, config};
use crate::error::Error;
use crate::join;
use crate::path::RelPath;
use crate::progress::{Control, Phase, Until};
use crate::snapshot::PartialReason;

/// What to look for.
pub(crate) struct ScanOptions<'a> {
    pub control: &'a Control,
    /// When to stop with what is there.
    pub until: &'a Until,
    /// Ignored files that are looked for, too.
    pub include: Option<&'a Include>,
    /// Whether ignored files and directories that are not looked for are at least named.
    pub list_ignored: bool,
}

/// Everything found, in order of path.
pub(crate) struct Scanned {
    pub paths: Vec<ScannedPath>,
    /// Why the walk ended early; what it did not come to is in `paths` as [`Found::Unread`].
    pub cut: Option<PartialReason>,
    /// A directory changed about when it was listed, so that a name which moved meanwhile may have been missed.
    pub stirred: bool,
    /// There is a `.gitattributes` that git does not track, ignored or not.
    pub has_own_attributes: bool,
}

/// How far a time stamp may be behind the clock: kernels stamp with the time of their last tick, which is 10 ms ago
/// at most.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// A path that may be changed.
#[derive(Debug)]
pub(crate) struct ScannedPath {
    pub path: RelPath,
    /// Position of its first index entry; `None` for a path that is not tracked.
    pub index: Option<usize>,
    pub found: Found,
    /// Git ignores it, and it was asked for.
    pub ignored: bool,
}

/// What is on disk.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing.
    Absent,
    /// A file that is new, or whose stat data does not prove it unchanged.
    File(FoundStat),
    /// Likewise a symlink.
    Symlink(FoundStat),
    /// A directory where a file is tracked.
    Dir,
    /// A directory with nothing in it.
    EmptyDir,
    /// Ignored and not asked for; a directory ends in a slash.
    Ignored,
    /// A pipe, socket or device.
    Special,
    /// A tracked submodule; whether a repository is checked out there.
    Submodule { present: bool },
    /// Files where a submodule is tracked and no repository is: git looks at none of them.
    Uninitialised,
    /// An untracked directory that is a repository of its own.
    NestedRepo,
    /// A directory or file that could not be looked at.
    Unreadable(io::Error),
    /// A directory that the walk did not come to.
    Unread,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct FoundStat {
    pub size: u64,
}

impl Repo {
    /// Walks the work tree.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; an unreadable root. Anything below the root is data.
    pub fn scan(&self, index: &Index, options: &ScanOptions<'_>) -> Result<Scanned, Error> {
        self.scan_beside(index, options, || ()).map(|(scanned, ())| scanned)
    }

    /// [`scan`](Self::scan), with `other` done by this thread before it takes part in the walk, which others have begun
    /// by then.
    pub fn scan_beside<T>(
        &self,
        index: &Index,
        options: &ScanOptions<'_>,
        other: impl FnOnce() -> T,
    ) -> Result<(Scanned, T), Error> {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(8);
        let open = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(self.root(), open, OpenMode::empty())
            .map_err(|why| Error::io("opening", self.root(), why))?;
        let entries = index.state().entries().len();
        let queue = Queue::new(Job {
            prefix: Vec::new(),
            range: 0..entries,
            parent: None,
            name: CString::default(),
            blind: false,
            ignored: false,
        });
        let racy = self
            .local()
            .stat_options()
            .map_err(|why| self.failed("reading core.checkStat", config::without_values(&why)))?;
        // Named otherwise than `.git`, they are directories like any other (`git init --separate-git-dir`).
        let own = [self.git_dir(), self.common_dir()].map(|dir| {
            dir.strip_prefix(self.root())
                .map(|below| below.as_os_str().as_bytes().to_vec())
                .unwrap_or_default()
        });
        let shared = Shared {
            repo: self,
            index,
            options,
            queue: &queue,
            root: Arc::new(root),
            stat: racy,
            own,
            since: stamp_now(),
            stirred: AtomicBool::new(false),
            has_own_attributes: AtomicBool::new(false),
        };
        let meter = Mutex::new(options.control.phase(Phase::Scan, 0));
        let ignores = self.ignores(index)?;
        let others: Vec<_> = (1..threads).map(|_| ignores.another(self)).collect();
        let work = |ignores| Worker::new(&shared, ignores).work(&meter);
        let others = others.into_iter().map(|ignores| || work(ignores));
        let ((beside, mine), theirs) = join::threads(|| (other(), work(ignores)), others);
        let mut paths = mine?;
        for outcome in theirs {
            paths.append(&mut outcome?);
        }
        let stirred = shared.stirred.load(Ordering::Relaxed);
        let has_own_attributes = shared.has_own_attributes.load(Ordering::Relaxed);
        let (cut, left) = queue.into_left();
        paths.extend(left.into_iter().map(|job| {
            let path = if job.prefix.is_empty() { b"./".to_vec() } else { job.prefix };
            ScannedPath { path: RelPath::new(path), index: None, found: Found::Unread, ignored: job.ignored }
        }));
        paths.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        // A tracked file that became an empty directory was found twice: as no file any more, and as what it is.
        paths.dedup_by(|later, first| {
            let same = later.path == first.path
                && [&*later, &*first].iter().any(|one| matches!(one.found, Found::EmptyDir));
            if same {
                first.index = first.index.or(later.index);
                first.found = Found::EmptyDir;
            }
            same
        });
        // Both ways of being reached stay reached.
        let cut = options.until.reached().filter(|_| cut);
        Ok((Scanned { paths, cut, stirred, has_own_attributes }, beside))
    }
}

/// The time that a file would be stamped with now, or one shortly before, in seconds and nanoseconds.
fn stamp_now() -> (i64, i64) {
    #[cfg(target_os = "linux")]
    {
        // The clock of the last tick, which is the one that files are stamped with.
        let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        (now.tv_sec, now.tv_nsec)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.unwrap_or_default().saturating_sub(TICK);
        (now.as_secs() as i64, i64::from(now.subsec_nanos()))
    }
}
