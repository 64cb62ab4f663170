//! Whether stat data proves a file unchanged.

use gix::index::entry::stat::Time;
use gix::index::entry::{Flags, Stat as IndexStat};
use rustix::fs::FileType;

use super::worker::Shared;
use crate::git::{Index, Repo, os_path};
use crate::path::RelPath;

impl Repo {
    /// Whether the index's stat data proves that the file at `path` is what git checked out or staged there, whatever
    /// a filter made of it.
    pub fn is_as_staged(&self, index: &Index, path: &RelPath) -> bool {
        let Ok(options) = self.local().stat_options() else { return false };
        let Ok(stat) = rustix::fs::lstat(self.root().join(os_path(path.as_bytes()))) else { return false };
        let state = index.state();
        let entry = state.entry_by_path(path.as_bytes().into());
        entry.is_some_and(|entry| proves(self, state, options, entry, &stat))
    }
}

/// Whether the index's stat data proves that the file is as staged.
pub(super) fn is_unchanged(shared: &Shared<'_>, entry: &gix::index::Entry, stat: &rustix::fs::Stat) -> bool {
    proves(shared.repo, shared.index.state(), shared.stat, entry, stat)
}

fn proves(
    repo: &Repo,
    state: &gix::index::State,
    options: gix::index::entry::stat::Options,
    entry: &gix::index::Entry,
    stat: &rustix::fs::Stat,
) -> bool {
    if entry.stage_raw() != 0 || entry.flags.contains(Flags::INTENT_TO_ADD) {
        return false;
    }
    // Git writes the size 0 for an entry that it could not tell from a later change.
    if entry.stat.size == 0 && stat.st_size == 0 && !entry.id.is_empty_blob() {
        return false;
    }
    let raw = entry.mode.bits();
    let kind_fits = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => raw == 0o120000,
        FileType::RegularFile => raw & 0o170000 == 0o100000 || (raw == 0o120000 && !repo.has_symlinks()),
        _ => false,
    };
    let mode_fits = !repo.trusts_mode()
        || raw & 0o170000 != 0o100000
        || (stat.st_mode & 0o100 != 0) == (raw & 0o100 != 0);
    kind_fits
        && mode_fits
        && entry.stat.matches(&index_stat(stat), options)
        && !entry.stat.is_racy(state.timestamp(), options)
}

/// The parts of a stat that the index keeps, cut to 32 bits as git cuts them.
fn index_stat(stat: &rustix::fs::Stat) -> IndexStat {
    IndexStat {
        mtime: Time { secs: stat.st_mtime as u32, nsecs: stat.st_mtime_nsec as u32 },
        ctime: Time { secs: stat.st_ctime as u32, nsecs: stat.st_ctime_nsec as u32 },
        dev: stat.st_dev as u32,
        ino: stat.st_ino as u32,
        uid: stat.st_uid,
        gid: stat.st_gid,
        size: index_size(stat.st_size as u64),
    }
}

/// A size as the index keeps it: cut to 32 bits, where a multiple of 4 GiB must not look like the size 0 of an
/// entry that is not to be trusted.
fn index_size(size: u64) -> u32 {
    match size as u32 {
        0 if size > 0 => 1 << 31,
        cut => cut,
    }
}
