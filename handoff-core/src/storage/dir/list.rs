//! Sorted lists of a tree of folders, reading no folder that has nothing to give.

use rustix::fs::FileType;
use rustix::io::Errno;

use super::folder::Folder;
use super::publish::modified;
use super::store::{Store, error};
use crate::storage::key::is_component;
use crate::storage::{Key, Meta, StorageError};

/// Names of one folder that are held at once, at least and at most; a larger folder is read again for the rest.
const FEWEST: usize = 256;
const MOST: usize = 65_536;

/// A list that is being made.
struct Listing<'a> {
    after: Option<&'a str>,
    limit: usize,
    found: Vec<Meta>,
}

impl Store {
    /// Objects below `prefix`, in order.
    pub(super) fn list(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Meta>, StorageError> {
        let mut listing = Listing { after: after.map(Key::as_str), limit, found: Vec::new() };
        let listed = self.top.descend(prefix.as_str()).and_then(|folder| match folder {
            Some(folder) => listing.visit(&folder, prefix.as_str()),
            None => Ok(()),
        });
        match listed {
            Ok(()) => Ok(listing.found),
            Err(errno) => Err(error(format!("listing {prefix} in {}", self.path.display()), errno.into())),
        }
    }
}

impl Listing<'_> {
    /// Adds what is in `folder`, whose own path is `path`.
    fn visit(&mut self, folder: &Folder, path: &str) -> Result<(), Errno> {
        let mut done: Option<String> = None;
        while self.found.len() < self.limit {
            let batch = (self.limit - self.found.len()).clamp(FEWEST, MOST);
            let names = self.smallest(folder, path, done.as_deref(), batch)?;
            let last = names.len() < batch;
            for name in &names {
                if self.found.len() >= self.limit {
                    return Ok(());
                }
                match name.strip_suffix('/') {
                    Some(name) => match folder.child(name) {
                        Ok(child) => self.visit(&child, &format!("{path}/{name}"))?,
                        Err(Errno::NOENT) => {}
                        Err(errno) => return Err(errno),
                    },
                    None => self.add(folder, path, name)?,
                }
            }
            done = names.into_iter().next_back();
            if last {
                break;
            }
        }
        Ok(())
    }

    /// Adds one file, unless it is gone by now.
    fn add(&mut self, folder: &Folder, path: &str, name: &str) -> Result<(), Errno> {
        // A key of more than 512 bytes was put here by somebody else.
        let Ok(key) = format!("{path}/{name}").parse() else { return Ok(()) };
        if let Some(stat) = folder.stat(name)? {
            let size = u64::try_from(stat.st_size).unwrap_or_default();
            self.found.push(Meta::new(key, size, modified(&stat)));
        }
        Ok(())
    }

    /// The first `count` names of `folder` after `done` that may have something to list, in the order of keys: a
    /// folder counts as its name and a slash, since that is how the keys below it go on.
    fn smallest(
        &self,
        folder: &Folder,
        path: &str,
        done: Option<&str>,
        count: usize,
    ) -> Result<Vec<String>, Errno> {
        let mut names: Vec<String> = Vec::new();
        folder.each(|name, kind| {
            if !is_component(name) {
                return;
            }
            let name = match kind {
                FileType::RegularFile => name.to_owned(),
                FileType::Directory => format!("{name}/"),
                _ => return,
            };
            if done.is_none_or(|done| name.as_str() > done) && self.wants(path, &name) {
                names.push(name);
                if names.len() >= count * 2 {
                    names.select_nth_unstable(count);
                    names.truncate(count);
                }
            }
        })?;
        names.sort_unstable();
        // A name that is replaced while the folder is read may come twice.
        names.dedup();
        names.truncate(count);
        Ok(names)
    }

    /// Whether `path/name`, or something below it, comes after `after`.
    fn wants(&self, path: &str, name: &str) -> bool {
        let Some(after) = self.after else { return true };
        let whole = format!("{path}/{name}");
        whole.as_str() > after || (name.ends_with('/') && after.starts_with(&whole))
    }
}
