//! Lookups one component at a time, for systems without `openat2` and sandboxes that forbid it.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::{Errno, Result};

/// How directories are opened: never through a link in the last component.
pub(super) const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens the directory `name`, a single component, of `dir`. A link gives `ELOOP` or `ENOTDIR`, depending on
/// the system.
pub(super) fn open_dir(dir: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd> {
    match openat(dir, name, DIRECTORY, Mode::empty()) {
        // A directory that may be entered but not listed.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        Err(Errno::ACCESS) => openat(
            dir,
            name,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        ),
        Err(Errno::INTR) => open_dir(dir, name),
        other => other,
    }
}

/// Walks all of `path` (at least one component) without judging the directories on the way.
pub(super) fn locate_dir(dir: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd> {
    let mut components = path.split(|byte| *byte == b'/');
    let mut at = open_dir(dir, components.next().unwrap_or(path))?;
    for component in components {
        at = open_dir(at.as_fd(), component)?;
    }
    Ok(at)
}
