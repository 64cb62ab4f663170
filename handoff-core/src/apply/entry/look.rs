//! What is at a path of the target, or why it cannot be reached.

use std::collections::HashSet;

use super::Plan;
use crate::apply::sides::Trouble;
use crate::apply::state::{self, HELD, Here};
use crate::path::RelPath;
use crate::rooted::Refusal;

/// Whether one of the directories above `path` is among `paths`.
fn is_below(path: &RelPath, paths: &HashSet<RelPath>) -> bool {
    let bytes = path.as_bytes();
    !paths.is_empty()
        && bytes.iter().enumerate().any(|(at, byte)| {
            *byte == b'/' && bytes.get(..at).is_some_and(|above| paths.contains(&RelPath::from(above)))
        })
}

/// What was found at the target.
pub(super) struct Found {
    pub(super) here: Here,
    pub(super) needs_dirs: bool,
}

impl Plan<'_, '_, '_> {
    /// What is at `path` now, or why it cannot be reached.
    pub(super) fn look(&self, path: &RelPath) -> Result<Result<Found, &'static str>, Trouble> {
        let parent = path.parent().unwrap_or_default();
        let dir = match self.context.root.dir(parent) {
            Ok(dir) => dir,
            Err(Refusal::Missing) => return Ok(Ok(Found { here: Here::Absent, needs_dirs: true })),
            Err(Refusal::ParentIsFile | Refusal::ParentIsSymlink)
                if is_below(path, &self.context.vacated) || self.is_gone_below_link(path) =>
            {
                return Ok(Ok(Found { here: Here::Absent, needs_dirs: true }));
            }
            // Where a file is, nothing is below it.
            Err(Refusal::ParentIsFile) if self.entry.worktree.is_none() => {
                return Ok(Ok(Found { here: Here::Absent, needs_dirs: true }));
            }
            Err(Refusal::Io(why)) => return Err(Trouble::io(&why)),
            Err(refusal) => return Ok(Err(refusal.reason())),
        };
        let format = self.reader.repo.format();
        let mut here = state::read(&dir, path.name(), HELD, Some(format)).map_err(|why| Trouble::io(&why))?;
        // Where the snapshot has a directory, too, what will be empty may stay.
        if matches!(here, Here::Directory) && !self.entry.flags.empty_dir && self.will_be_empty(path) {
            here = Here::Absent;
        }
        Ok(Ok(Found { here, needs_dirs: false }))
    }

    /// Whether the snapshot has nothing at `path`, and either never had or has a link above it itself. To git,
    /// nothing is beyond a link, so such a path is gone already.
    fn is_gone_below_link(&self, path: &RelPath) -> bool {
        self.entry.worktree.is_none() && (self.entry.head.is_none() || is_below(path, &self.context.links))
    }

    /// Whether everything in the directory at `path` will be gone.
    fn will_be_empty(&self, path: &RelPath) -> bool {
        let mut waiting = vec![path.as_bytes().to_vec()];
        while let Some(path) = waiting.pop() {
            let Ok(dir) = self.context.root.dir(&path) else { return false };
            let Ok(names) = dir.names() else { return false };
            for name in names {
                let below = RelPath::new([path.as_slice(), b"/", &name].concat());
                if self.context.vacated.contains(&below) {
                    continue;
                }
                match dir.stat(&name) {
                    Ok(Some(stat)) if stat.kind == crate::rooted::Kind::Dir => {
                        waiting.push(below.as_bytes().to_vec());
                    }
                    _ => return false,
                }
            }
        }
        !self.context.vacated.is_empty()
    }
}
