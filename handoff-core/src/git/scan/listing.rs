//! The names in one directory.

use std::ffi::CStr;
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
    /// Where each name begins, and of what kind it is.
    items: Vec<(usize, FileType)>,
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
                self.items.push((self.names.len(), entry.file_type()));
                self.names.extend_from_slice(name.to_bytes_with_nul());
            }
        }
        let names = &self.names;
        self.items.sort_unstable_by(|a, b| name_at(names, a.0).cmp(name_at(names, b.0)));
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
        let at = self.items.binary_search_by(|item| name_at(&self.names, item.0).cmp(name)).ok()?;
        self.get(at)
    }

    fn get(&self, at: usize) -> Option<Listed<'_>> {
        let (start, kind) = *self.items.get(at)?;
        Some(Listed { name: name_at(&self.names, start), kind })
    }
}

fn name_at(names: &[u8], start: usize) -> &CStr {
    // Every name was pushed with its NUL.
    names.get(start..).and_then(|rest| CStr::from_bytes_until_nul(rest).ok()).unwrap_or_default()
}
