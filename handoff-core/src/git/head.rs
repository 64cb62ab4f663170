//! Where a repository stands: HEAD, its upstream, operations under way, what kind of checkout it is.

use std::fs;
use std::time::Duration;

use gix::bstr::{BStr, BString, ByteSlice as _};

use super::{Repo, from_gix, to_gix};
use crate::error::Error;
use crate::id::Oid;
use crate::snapshot::{Extra, Head, Operation, OperationKind, RepoFlags};

/// Commits counted between a branch and its upstream before giving up.
const COUNT_LIMIT: usize = 10_000;

/// Age from which on a lock of the index is taken for left behind: longer than any checkout takes.
const STALE: Duration = Duration::from_secs(600);

impl Repo {
    /// Where HEAD is, and how far from its upstream. Counting reads commits between the two, 10,000 at most.
    pub fn head(&self) -> Result<Head, Error> {
        let (mut head, tip) = self.tips()?;
        if let (Some(here), Some(there)) = (head.commit, tip) {
            head.ahead = self.count_missing(&here, &there);
            head.behind = self.count_missing(&there, &here);
        }
        Ok(head)
    }

    /// HEAD without the counts, and the commit of its upstream.
    fn tips(&self) -> Result<(Head, Option<Oid>), Error> {
        let repo = self.local();
        let mut found = repo.head().map_err(|why| self.failed("reading HEAD", why))?;
        let name = found.referent_name().map(|name| name.to_owned());
        let commit = found.try_peel_to_id().map_err(|why| self.failed("reading HEAD", why))?;
        let commit = commit.and_then(|id| from_gix(id.detach()));
        let mut head = Head {
            branch: name.as_ref().map(|name| name.shorten().to_str_lossy().into_owned()),
            commit,
            ..Head::default()
        };
        let Some(upstream) = name.and_then(|name| upstream_of(&repo, name.shorten())) else {
            return Ok((head, None));
        };
        head.upstream = Some(upstream.as_ref().shorten().to_str_lossy().into_owned());
        let tip = repo.find_reference(upstream.as_ref()).ok().and_then(|mut found| found.peel_to_id().ok());
        Ok((head, tip.and_then(|id| from_gix(id.detach()))))
    }

    /// How many commits `from` reaches and `hidden` does not; `None` past a limit or where commits are missing.
    pub(super) fn count_missing(&self, from: &Oid, hidden: &Oid) -> Option<u64> {
        if from == hidden {
            return Some(0);
        }
        let repo = self.local();
        let walk = repo.rev_walk([to_gix(from)?]).with_hidden([to_gix(hidden)?]).all().ok()?;
        let mut count = 0;
        for commit in walk.take(COUNT_LIMIT + 1) {
            commit.ok()?;
            count += 1;
        }
        (count <= COUNT_LIMIT).then_some(count as u64)
    }

    /// A merge, rebase or the like that is under way, with the commits it is about.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be told.
    pub fn operation(&self) -> Result<Option<Operation>, Error> {
        use gix::state::InProgress;
        let is_any = self.has_any(SIGNS)?;
        // What gix cannot look at is not there for it; then it looks again.
        let state = self.local().state().or_else(|| if is_any { self.local().state() } else { None });
        let Some(state) = state else { return self.sequence() };
        let (kind, files): (_, &[&str]) = match state {
            InProgress::Merge => (OperationKind::Merge, &["MERGE_HEAD"]),
            InProgress::CherryPick | InProgress::CherryPickSequence => {
                (OperationKind::CherryPick, &["CHERRY_PICK_HEAD"])
            }
            InProgress::Revert | InProgress::RevertSequence => (OperationKind::Revert, &["REVERT_HEAD"]),
            InProgress::Rebase | InProgress::RebaseInteractive | InProgress::ApplyMailboxRebase => (
                OperationKind::Rebase,
                &[
                    "rebase-merge/onto",
                    "rebase-merge/orig-head",
                    "rebase-apply/onto",
                    "rebase-apply/orig-head",
                ],
            ),
            InProgress::ApplyMailbox => (OperationKind::Am, &[]),
            InProgress::Bisect => (OperationKind::Bisect, &[]),
        };
        Ok(Some(Operation { heads: self.ids_in(files)?, kind, extra: Extra::default() }))
    }

    /// Whether one of these is in the git directory.
    fn has_any(&self, names: &[&str]) -> Result<bool, Error> {
        let mut found = false;
        for name in names {
            let path = self.git_dir().join(name);
            found |= there(fs::symlink_metadata(&path), &path)?.is_some();
        }
        Ok(found)
    }

    /// A cherry-pick or revert of several commits of which one was just committed by hand: only the list of the rest
    /// tells of it.
    fn sequence(&self) -> Result<Option<Operation>, Error> {
        let path = self.git_dir().join("sequencer/todo");
        let todo = there(fs::read(&path), &path)?.unwrap_or_default();
        let kind = match String::from_utf8_lossy(&todo).split_whitespace().next() {
            Some("pick" | "p") => OperationKind::CherryPick,
            Some("revert") => OperationKind::Revert,
            _ => return Ok(None),
        };
        let heads = self.ids_in(&["sequencer/head"])?;
        Ok(Some(Operation { heads, kind, extra: Extra::default() }))
    }

    /// The ids that files of the git directory hold, one a line.
    fn ids_in(&self, files: &[&str]) -> Result<Vec<Oid>, Error> {
        let mut ids = Vec::new();
        for name in files {
            let path = self.git_dir().join(name);
            let text = there(fs::read(&path), &path)?.unwrap_or_default();
            ids.extend(
                String::from_utf8_lossy(&text).lines().filter_map(|line| line.trim().parse::<Oid>().ok()),
            );
        }
        Ok(ids)
    }

    /// What kind of checkout this is.
    pub fn flags(&self) -> RepoFlags {
        let repo = self.local();
        let config = repo.config_snapshot();
        RepoFlags {
            linked_worktree: self.git_dir() != self.common_dir(),
            partial_clone: is_partial(config.plumbing()),
            shallow: repo.is_shallow().unwrap_or(false),
            sparse: config.boolean("core.sparseCheckout").unwrap_or(false),
            submodule: self.root().join(".git").is_file()
                && self.git_dir().components().any(|part| part.as_os_str() == "modules"),
            ..RepoFlags::default()
        }
    }

    /// How many stashes there are: the lines of the stash's log.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be told.
    pub fn stashes(&self) -> Result<u64, Error> {
        let path = self.common_dir().join("logs/refs/stash");
        Ok(there(fs::read(&path), &path)?.map_or(0, |log| log.lines().count() as u64))
    }

    /// Changes when HEAD, the branch it names, its upstream, the index, the stashes or the operation under way do.
    pub fn moment(&self) -> Result<Moment, Error> {
        let index = self.index_stamp();
        let (operation, stashes) = (self.operation()?, self.stashes()?);
        Ok(Moment { tips: self.tips()?, index, operation, stashes })
    }

    /// Whether a git command seems to be changing the index and, if it is a checkout, files: its lock is there and
    /// not so old that it must have been left behind.
    pub fn is_locked(&self) -> bool {
        let Ok(meta) = fs::symlink_metadata(self.git_dir().join("index.lock")) else { return false };
        // A time to come is another machine's clock, so it counts as now.
        meta.modified().is_ok_and(|since| since.elapsed().map_or(true, |age| age < STALE))
    }
}

/// What operations under way leave in the git directory.
const SIGNS: &[&str] = &[
    "MERGE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "rebase-merge",
    "rebase-apply",
    "BISECT_LOG",
    "sequencer/todo",
];

/// `None` for what is not there; anything else against it is an error, not an absence.
fn there<T>(result: std::io::Result<T>, path: &std::path::Path) -> Result<Option<T>, Error> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    match result {
        Ok(found) => Ok(Some(found)),
        Err(why) if matches!(why.kind(), NotFound | NotADirectory) => Ok(None),
        Err(why) => Err(Error::io("reading", path, why)),
    }
}

/// The ref here that follows what `branch` is to be merged with. Read from the plain settings, because gix takes
/// remotes from trusted configuration only.
fn upstream_of(repo: &gix::Repository, branch: &BStr) -> Option<gix::refs::FullName> {
    let config = repo.config_snapshot();
    let config = config.plumbing();
    let merge = config.string_by("branch", Some(branch), "merge")?;
    let remote = config.string_by("branch", Some(branch), "remote")?;
    if remote == "." {
        return merge.try_into().ok();
    }
    let specs = config.strings_by("remote", Some(remote.as_bstr()), "fetch")?;
    specs
        .iter()
        .find_map(|spec| tracking(spec, &merge))
        .and_then(|name| gix::refs::FullName::try_from(name).ok())
}

/// Where the refspec `spec` puts the remote's ref `name`.
fn tracking(spec: &[u8], name: &[u8]) -> Option<BString> {
    let spec = spec.strip_prefix(b"+").unwrap_or(spec);
    let (from, to) = spec.split_once_str(":")?;
    let (Some((before, after)), Some((to_before, to_after))) =
        (from.split_once_str("*"), to.split_once_str("*"))
    else {
        return (from == name).then(|| to.into());
    };
    let middle = name.strip_prefix(before)?.strip_suffix(after)?;
    Some([to_before, middle, to_after].concat().into())
}

/// The state of refs and index at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    tips: (Head, Option<Oid>),
    index: Option<super::index::IndexStamp>,
    operation: Option<Operation>,
    stashes: u64,
}

/// Whether objects may be absent because a remote has them. Git of today says so of the remote, that of some years ago
/// also in an extension of the format.
fn is_partial(config: &gix::config::File) -> bool {
    let mut remotes = config.sections_by_name("remote").into_iter().flatten();
    config.string("extensions.partialClone").is_some()
        || remotes.any(|remote| {
            let said = remote.value_implicit("promisor");
            said.is_some_and(|value| match value {
                None => true,
                Some(value) => gix::config::Boolean::try_from(value).is_ok_and(|value| value.0),
            })
        })
}
