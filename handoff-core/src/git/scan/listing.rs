//! The names in one directory.

use std::ffi::CStr;
use std::ops::Range;
use std::os::fd::OwnedFd;

use rustix::fs::{FileType, RawDir};

/// Bytes of directory entries asked of the kernel at once.
pub(super) const LIST_BUFFER: usize = 32 << 10;

/// A name in one directory of the work tree.
#[derive(Clone, Copy)]
pub(super) struct Listed<'a> {
    pub name: &'a CStr,
    pub kind: FileType,
}

/// The names of one directory, in one allocation.
#[derive(Default)]
pub(super) struct Listing {
    /// Names one after another, a NUL behind each.
    names: Vec<u8>,
    items: Vec<Item>,
}

/// Where one name stands, its NUL included, and of what kind it is.
struct Item {
    name: Range<usize>,
    kind: FileType,
}

impl Listing {
    /// Lists a directory by its own handle, which nobody else reads from; sorted by name.
    pub fn read(&mut self, dir: &OwnedFd, buffer: &mut Vec<u8>) -> rustix::io::Result<()> {
        self.names.clear();
        self.items.clear();
        let mut entries = RawDir::new(dir, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_bytes() != b"." && name.to_bytes() != b".." {
                let start = self.names.len();
                self.names.extend_from_slice(name.to_bytes_with_nul());
                self.items.push(Item { name: start..self.names.len(), kind: entry.file_type() });
            }
        }
        // The NUL sorts before every byte of a longer name, as the end of a name should.
        let names = &self.names;
        self.items.sort_unstable_by(|a, b| names.get(a.name.clone()).cmp(&names.get(b.name.clone())));
        Ok(())
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// The names, sorted.
    pub fn iter(&self) -> impl Iterator<Item = Listed<'_>> {
        (0..self.items.len()).filter_map(|at| self.get(at))
    }

    /// The name `name`, if it is listed.
    pub fn find(&self, name: &CStr) -> Option<Listed<'_>> {
        let wanted = Some(name.to_bytes_with_nul());
        let at = self.items.binary_search_by(|item| self.names.get(item.name.clone()).cmp(&wanted)).ok()?;
        self.get(at)
    }

    fn get(&self, at: usize) -> Option<Listed<'_>> {
        let item = self.items.get(at)?;
        let name = CStr::from_bytes_with_nul(self.names.get(item.name.clone())?).ok()?;
        Some(Listed { name, kind: item.kind })
    }
}

/// Whether names in the directory changed at or after `since`, in seconds and nanoseconds.
pub(super) fn changed_since(dir: &OwnedFd, since: (i64, i64)) -> bool {
    rustix::fs::fstat(dir).is_ok_and(|stat| (stat.st_mtime, stat.st_mtime_nsec as i64) >= since)
}

/// Whether reading it may never end.
pub(super) fn is_special(kind: FileType) -> bool {
    !matches!(kind, FileType::RegularFile | FileType::Symlink | FileType::Directory)
}

pub(super) fn is_git_name(name: &[u8], ignore_case: bool) -> bool {
    name == b".git" || (ignore_case && name.eq_ignore_ascii_case(b".git"))
}
