//! The quiet-window rule: a file is taken for whole only when nobody had written to it for a while around its
//! reading.
//!
//! The stat data before and after a read prove nothing alone, because a file's time is set when a write *begins* and
//! a program that saves in several writes leaves it unchanged in between. So a file that was written to a moment
//! before it was read is looked at again, once, after the window has passed: the same bytes and the same stat data,
//! or it is read again. Files that were quiet before they were read cost nothing here, and all others wait together.
//!
//! An empty file is looked at again in any case: see [`Stamp::wanting`].
//!
//! A program that pauses between two writes of one save for longer than the window cannot be told from one that has
//! finished.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Run;
use super::read::{Outcome, Read, Stop};
use super::stream::{ReadError, copy};
use crate::digest::{Digest, Hasher};
use crate::error::Error;
use crate::git::TICK;
use crate::progress::{Control, Until};

/// File systems that keep whole seconds keep even ones at worst.
const COARSE: Duration = Duration::from_secs(2);

/// How long a wait goes on without looking at whether to end.
const NAP: Duration = Duration::from_millis(10);

/// What changes when a file is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
    inode: u64,
    pub executable: bool,
}

impl Stamp {
    /// `None` for what is no regular file.
    pub fn of(file: &File) -> io::Result<Option<Self>> {
        let meta = file.metadata()?;
        Ok(meta.is_file().then(|| Self {
            size: meta.size(),
            mtime: (meta.mtime(), meta.mtime_nsec()),
            ctime: (meta.ctime(), meta.ctime_nsec()),
            inode: meta.ino(),
            executable: meta.mode() & 0o100 != 0,
        }))
    }

    /// How much longer, from `now` on, the file has to be quiet for a read that begins now to be believed; `None`
    /// when it has been for long enough. `quiet` is asked for before and after the read.
    fn wanting(&self, now: SystemTime, quiet: Duration) -> Option<Duration> {
        if quiet.is_zero() {
            return None;
        }
        // Emptying a file is the one change whose time is set after it can be seen, so that one which is just being
        // emptied looks as if it had been empty for long.
        let empty = (self.size == 0).then_some(quiet);
        let window = quiet.saturating_mul(2).saturating_add(TICK);
        let coarse = self.mtime.1 == 0 && self.ctime.1 == 0;
        let recent = if coarse { window.max(COARSE) } else { window };
        let age = |time: (i64, i64)| now.duration_since(time_of(time)?).ok();
        // A time that is still to come was set by hand, or by another machine's clock; the change of the inode tells
        // more, and if that is to come as well, then nothing is known.
        let age = match (age(self.mtime), age(self.ctime)) {
            (Some(written), Some(changed)) => written.min(changed),
            (written, changed) => changed.or(written).unwrap_or_default(),
        };
        (age < recent).then(|| window - age.min(quiet)).or(empty)
    }
}

fn time_of((seconds, nanoseconds): (i64, i64)) -> Option<SystemTime> {
    let since = Duration::new(seconds.unsigned_abs(), u32::try_from(nanoseconds).ok()?);
    if seconds < 0 { UNIX_EPOCH.checked_sub(since) } else { UNIX_EPOCH.checked_add(since) }
}

/// A file that is to be looked at again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch {
    /// What was read.
    pub digest: Digest,
    pub stamp: Stamp,
    /// The file did not change while it was read, as far as stat data tell.
    pub still: bool,
    /// When to look.
    due: Instant,
}

impl Watch {
    /// `None` when the read can be believed. `begun` is when it began, by the clock that files are stamped with.
    pub fn new(
        stamp: Stamp,
        still: bool,
        digest: Digest,
        begun: (SystemTime, Instant),
        quiet: Duration,
    ) -> Option<Self> {
        let wanting = stamp.wanting(begun.0, quiet);
        if still && wanting.is_none() {
            return None;
        }
        // One that changed while it was read counts as written to just now.
        let (since, wanting) = if still {
            (begun.1, wanting.unwrap_or_default())
        } else {
            (Instant::now(), if quiet.is_zero() { quiet } else { quiet + TICK })
        };
        Some(Self { digest, stamp, still, due: since.checked_add(wanting).unwrap_or(since) })
    }

    /// Whether the file, opened again, holds the same bytes and was not written to since.
    pub fn is_settled(&self, file: &mut File, control: &Control, until: &Until) -> Result<bool, Stop> {
        let unchanged = |file: &File| Stamp::of(file).is_ok_and(|stamp| stamp == Some(self.stamp));
        if !self.still || !unchanged(file) {
            return Ok(false);
        }
        let mut hasher = Hasher::new();
        match copy(file, control, until, &mut |bytes| hasher.update(bytes)) {
            Ok(()) => Ok(hasher.finish() == self.digest && unchanged(file)),
            Err(ReadError::Fatal(why)) => Err(why),
            Err(ReadError::File(_)) => Ok(false),
        }
    }
}

/// A read that is still to be believed.
pub(super) struct Open {
    /// Its position among all reads.
    pub at: usize,
    pub watch: Watch,
    /// What it has added to the spool.
    pub bytes: u64,
}

/// What looking again at one [`Open`] gave.
pub(super) enum Look {
    /// It holds still: the read can be believed.
    Settled,
    /// It does not, and there are no more attempts.
    Moving,
    /// It did not, and was read again.
    Again(Box<Read>),
}

impl Run<'_> {
    /// Looks again at every file that was not quiet when it was read, and reads again what has changed, until all
    /// hold still or [`attempts`](super::CaptureOptions::attempts) reads were made. What never did is flagged.
    ///
    /// `look` does the looking: it is given what is open and whether anything may be read again, and answers for each
    /// in turn.
    pub(super) fn settle(
        &mut self,
        reads: &mut [Read],
        mut look: impl FnMut(&mut Self, &[Open], bool) -> Result<Vec<Look>, Stop>,
    ) -> Result<(), Stop> {
        for attempt in 1..=self.options.attempts.max(1) {
            let open: Vec<Open> = reads
                .iter()
                .enumerate()
                .filter_map(|(at, read)| read.watch.map(|watch| Open { at, watch, bytes: read.bytes }))
                .collect();
            let Some(due) = open.iter().map(|open| open.watch.due).max() else { return Ok(()) };
            if !self.wait(due)? {
                break;
            }
            let looks = look(self, &open, attempt < self.options.attempts)?;
            for (open, look) in open.iter().zip(looks) {
                let Some(slot) = reads.get_mut(open.at) else { continue };
                match look {
                    Look::Settled => slot.watch = None,
                    Look::Moving => {}
                    // Ended in the middle: what was read before is better than nothing.
                    Look::Again(read) if read.cut.is_some() => {}
                    Look::Again(read) => *slot = *read,
                }
            }
        }
        for read in reads.iter_mut().filter(|read| read.watch.is_some()) {
            if let Outcome::Entry(entry) = &mut read.outcome {
                entry.flags.unstable = true;
            }
        }
        Ok(())
    }

    /// Sleeps until `due`; `false` when it is time to end before that.
    pub(super) fn wait(&self, due: Instant) -> Result<bool, Error> {
        loop {
            self.options.control.check()?;
            if self.until.reached().is_some() {
                return Ok(false);
            }
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(true);
            }
            std::thread::sleep(left.min(NAP));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_millis(50);

    fn stamp(mtime: (i64, i64), ctime: (i64, i64)) -> Stamp {
        Stamp { size: 1, mtime, ctime, inode: 1, executable: false }
    }

    fn wanting(mtime: (i64, i64), ctime: (i64, i64)) -> Option<u128> {
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        stamp(mtime, ctime).wanting(now, QUIET).map(|time| time.as_millis())
    }

    #[test]
    fn only_a_file_that_was_written_to_a_moment_ago_has_to_wait() {
        const MS: i64 = 1_000_000;
        let old = (900, 1);
        assert_eq!(wanting(old, old), None);
        assert_eq!(wanting((999, 890 * MS), (999, 890 * MS)), None, "110 ms are long enough");
        assert_eq!(wanting((999, 891 * MS), (999, 891 * MS)), Some(60), "quiet before, so only after");
        assert_eq!(wanting((999, 990 * MS), (999, 990 * MS)), Some(100));
        assert_eq!(
            wanting(old, (999, 990 * MS)),
            Some(100),
            "a time that was set back does not hide the change"
        );
        assert_eq!(wanting((2_000, 1), old), None, "a time that was set to come says nothing");
        assert_eq!(wanting((2_000, 1), (2_000, 1)), Some(110), "another machine's clock says nothing");
        assert_eq!(wanting((999, 0), (999, 0)), Some(60), "whole seconds may hide a change for two");
        assert_eq!(wanting((998, 0), (998, 0)), None);
        assert_eq!(wanting((-5, 7), (-5, 7)), None, "before 1970");
        let empty = Stamp { size: 0, ..stamp(old, old) };
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        assert_eq!(empty.wanting(now, QUIET), Some(QUIET), "it may be in the middle of being emptied");
        assert_eq!(stamp((1_000, 0), (1_000, 0)).wanting(UNIX_EPOCH, Duration::ZERO), None, "switched off");
    }
}
