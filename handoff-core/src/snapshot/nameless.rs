//! A file without a name, so that a crash leaves nothing of it, which may be given a name once it is whole.

use std::fs::File;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

/// Usable from several threads at once.
pub(super) struct Nameless {
    file: Arc<File>,
    /// Whether the system lets this file have a name later on.
    nameable: bool,
}

impl Nameless {
    /// A new file in the file system of `dir`, readable by its owner only. `dir` itself is not changed where the
    /// file system can make files without a name, and for a moment where it cannot.
    pub(super) fn create(dir: &Path) -> io::Result<Self> {
        match create_without_name(dir) {
            Some(file) => Ok(Self { file: Arc::new(file), nameable: true }),
            // This finds out by itself what is wrong with the directory, if anything is.
            None => Ok(Self { file: Arc::new(tempfile::tempfile_in(dir)?), nameable: false }),
        }
    }

    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    pub(super) fn is_nameable(&self) -> bool {
        self.nameable
    }

    /// Writes `head` and then `body` at `offset`, in one call if the system takes all of it.
    pub(super) fn write_at(&self, head: &[u8], body: &[u8], mut offset: u64) -> io::Result<()> {
        let mut parts = [IoSlice::new(head), IoSlice::new(body)];
        let mut parts = parts.as_mut_slice();
        IoSlice::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            match rustix::io::pwritev(&self.file, parts, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    offset += written as u64;
                    IoSlice::advance_slices(&mut parts, written);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(why) => return Err(why.into()),
            }
        }
        Ok(())
    }

    /// Cuts the file to `len` bytes.
    pub(super) fn cut(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    /// Lets the system begin to write these bytes to the disk, without waiting for it, so that syncing the file
    /// later on takes less time. Only advice: nothing depends on it.
    #[cfg(target_os = "linux")]
    pub(super) fn begin_writing(&self, from: u64, to: u64) {
        use std::num::NonZeroU64;
        // Linux answers by starting to write dirty pages, and gives up those that are clean, of which a range
        // that was written just now has none. (`sync_file_range` would say it plainly, but is not in `rustix`.)
        if let Some(len) = to.checked_sub(from).and_then(NonZeroU64::new) {
            let _ = rustix::fs::fadvise(&self.file, from, Some(len), rustix::fs::Advice::DontNeed);
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn begin_writing(&self, _from: u64, _to: u64) {}

    /// Gives the file the name `path`, which must not exist. Works once: a name taken away cannot be given again.
    #[cfg(target_os = "linux")]
    pub(super) fn name(&self, path: &Path) -> io::Result<()> {
        use rustix::fs::{AtFlags, CWD, linkat};
        use std::os::fd::AsRawFd as _;
        let source = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        Ok(linkat(CWD, source.as_str(), CWD, path, AtFlags::SYMLINK_FOLLOW)?)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn name(&self, _path: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(target_os = "linux")]
fn create_without_name(dir: &Path) -> Option<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    open(dir, flags, Mode::RUSR | Mode::WUSR).ok().map(File::from)
}

#[cfg(not(target_os = "linux"))]
fn create_without_name(_dir: &Path) -> Option<File> {
    None
}
