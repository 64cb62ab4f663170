//! Handles of directories that were judged already, a bounded number of them.

use std::collections::HashMap;

use super::Dir;

/// Most handles kept; each is a file descriptor.
pub(super) const CAPACITY: usize = 64;

#[derive(Default)]
pub(super) struct Cache {
    handles: HashMap<Box<[u8]>, (Dir, u64)>,
    clock: u64,
}

impl Cache {
    pub(super) fn get(&mut self, path: &[u8]) -> Option<Dir> {
        self.clock += 1;
        let (dir, used) = self.handles.get_mut(path)?;
        *used = self.clock;
        Some(dir.clone())
    }

    pub(super) fn put(&mut self, path: &[u8], dir: Dir) {
        if self.handles.len() >= CAPACITY && !self.handles.contains_key(path) {
            // A scan of so few entries costs less than keeping them in order.
            let oldest = self.handles.iter().min_by_key(|(_, (_, used))| *used).map(|(path, _)| path.clone());
            if let Some(oldest) = oldest {
                self.handles.remove(&oldest);
            }
        }
        self.clock += 1;
        self.handles.insert(path.into(), (dir, self.clock));
    }

    /// Forgets `path` and everything below it: where it leads now has to be judged anew.
    pub(super) fn forget(&mut self, path: &[u8]) {
        self.handles.retain(|cached, _| {
            cached.strip_prefix(path).is_none_or(|rest| !rest.is_empty() && !rest.starts_with(b"/"))
        });
    }

    pub(super) fn clear(&mut self) {
        self.handles.clear();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.handles.len()
    }
}
