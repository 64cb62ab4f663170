//! Lookups that the kernel keeps beneath a directory (`openat2`, Linux 5.6 and later).

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::{Errno, Result};

use super::portable::DIRECTORY;

const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// Whether the kernel knows the call and lets this process use it; container sandboxes of some age answer
/// `EPERM` to calls they do not know.
pub(super) fn works(dir: BorrowedFd<'_>) -> bool {
    !matches!(
        openat2(dir, c".", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), BENEATH),
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::TOOBIG)
    )
}

/// Opens the directory at `path` (one or more components) below `dir`; `ELOOP` where a link is on the way.
pub(super) fn open_dir(dir: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd> {
    retry(dir, path, DIRECTORY).or_else(|errno| match errno {
        // A directory that may be entered but not listed.
        Errno::ACCESS => locate_dir(dir, path),
        errno => Err(errno),
    })
}

/// A handle that says which directory `path` is and opens nothing.
pub(super) fn locate_dir(dir: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd> {
    retry(dir, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC)
}

/// Opens the file at `path` for reading; never blocks, and follows no link, not even as the last component.
pub(super) fn open_file(dir: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    retry(dir, path, flags)
}

fn retry(dir: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd> {
    // The kernel may answer EAGAIN when somebody renames during the lookup.
    for _ in 0..64 {
        match openat2(dir, path, flags, Mode::empty(), BENEATH) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}
