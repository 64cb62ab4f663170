//! What is staged: the index against HEAD's tree, by the index's cached tree where it is valid, so that a
//! directory in which nothing is staged costs one comparison of ids.

use std::ops::Range;

use gix::index::extension::Tree as CachedTree;

use super::index::Child;
use super::objects::TreeItem;
use super::{Index, Repo, from_gix, mode_of};
use crate::error::Error;
use crate::path::RelPath;

/// A path on which the index and HEAD differ, or which is unmerged.
#[derive(Debug, Clone)]
pub(crate) struct Staged {
    pub path: RelPath,
    pub head: Option<TreeItem>,
}

impl Repo {
    /// Every path that is different in the index and in HEAD's tree, in order of path. Unmerged and
    /// intent-to-add paths count as different.
    pub fn staged(&self, index: &Index) -> Result<Vec<Staged>, Error> {
        let repo = self.local();
        let head = self.head_tree(&repo)?;
        let mut walk = Walk { at: self, repo: &repo, index, prefix: Vec::new(), out: Vec::new() };
        walk.directory(head, index.state().tree(), 0..index.state().entries().len())?;
        let mut out = walk.out;
        out.sort_by(|a, b| a.path.cmp(&b.path));
        out.dedup_by(|a, b| a.path == b.path);
        Ok(out)
    }
}

struct Walk<'a> {
    at: &'a Repo,
    repo: &'a gix::Repository,
    index: &'a Index,
    /// The directory at hand, with a slash behind it unless it is the root.
    prefix: Vec<u8>,
    out: Vec<Staged>,
}

impl Walk<'_> {
    fn directory(
        &mut self,
        head: Option<gix::ObjectId>,
        cached: Option<&CachedTree>,
        range: Range<usize>,
    ) -> Result<(), Error> {
        if let (Some(head), Some(cached)) = (head, cached)
            && cached.num_entries.is_some_and(|count| count as usize == range.len())
            && cached.id == head
        {
            return Ok(());
        }
        let mut theirs = Vec::new();
        if let Some(head) = head {
            let tree = self.repo.find_tree(head).map_err(|why| self.at.failed("reading HEAD's tree", why))?;
            for entry in tree.iter() {
                let entry = entry.map_err(|why| self.at.failed("reading HEAD's tree", why))?;
                theirs.push((entry.filename().to_vec(), entry.mode(), entry.object_id()));
            }
            theirs.sort_by(|a, b| a.0.cmp(&b.0));
        }
        let index = self.index;
        let ours = index.children(range, self.prefix.len());
        let (mut ours, mut theirs) = (ours.into_iter().peekable(), theirs.into_iter().peekable());
        loop {
            let order = match (ours.peek(), theirs.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(ours), Some(theirs)) => ours.name.cmp(theirs.0.as_slice()),
            };
            let ours = if order.is_le() { ours.next() } else { None };
            let theirs = if order.is_ge() { theirs.next() } else { None };
            self.pair(ours, theirs, cached)?;
        }
    }

    fn pair(
        &mut self,
        ours: Option<Child<'_>>,
        theirs: Option<(Vec<u8>, gix::objs::tree::EntryMode, gix::ObjectId)>,
        cached: Option<&CachedTree>,
    ) -> Result<(), Error> {
        let len = self.prefix.len();
        let name = match (&ours, &theirs) {
            (Some(child), _) => child.name.to_vec(),
            (None, Some((name, ..))) => name.clone(),
            (None, None) => return Ok(()),
        };
        let mut head_dir = None;
        let mut head_file = None;
        if let Some((_, mode, id)) = theirs {
            if mode.is_tree() {
                head_dir = Some(id);
            } else {
                head_file = from_gix(id).map(|oid| TreeItem { mode: mode_of(u32::from(mode.value())), oid });
            }
        }
        self.prefix.extend_from_slice(&name);
        let mut our_dir = None;
        match ours {
            Some(child) if child.is_dir => our_dir = Some(child.range),
            Some(child) => {
                let first = self.index.item(child.range.start);
                let merged =
                    self.index.state().entries().get(child.range.start).is_some_and(|e| e.stage_raw() == 0);
                let same = merged
                    && first
                        .as_ref()
                        .is_some_and(|ours| !ours.intent_to_add && Some(&ours.item) == head_file.as_ref());
                if !same {
                    self.out
                        .push(Staged { path: RelPath::new(self.prefix.as_slice()), head: head_file.take() });
                }
                head_file = None;
            }
            None => {}
        }
        if let Some(head) = head_file {
            self.out.push(Staged { path: RelPath::new(self.prefix.as_slice()), head: Some(head) });
        }
        if our_dir.is_some() || head_dir.is_some() {
            self.prefix.push(b'/');
            let cached =
                cached.and_then(|tree| tree.children.iter().find(|child| child.name.as_slice() == name));
            self.directory(head_dir, cached, our_dir.unwrap_or(0..0))?;
        }
        self.prefix.truncate(len);
        Ok(())
    }
}
