//! What makes two checkouts the same repository, and how their histories relate.

use super::remote::{names_of, rewritten};
use super::{Repo, from_gix, to_gix};
use crate::error::Error;
use crate::id::Oid;
use crate::report::{Drift, DriftKind};
use crate::snapshot::{Head, RepoIdentity};

/// Commits read in search of the first one before giving up.
const ROOT_LIMIT: usize = 20_000;

impl Repo {
    /// The names of all remotes; where there are none, the commit that HEAD's first parents lead to.
    ///
    /// Both the location as it is configured and what `url.<base>.insteadOf` makes of it count: one may be a shorthand
    /// of this machine's, the other a mirror near it. So do locations that are only pushed to, such as a fork.
    pub fn identity(&self) -> Result<RepoIdentity, Error> {
        let repo = self.local();
        let config = repo.config_snapshot();
        let mut rules = Vec::new();
        for section in config.sections_by_name("url").into_iter().flatten() {
            let Some(base) = section.header().subsection_name() else { continue };
            rules.extend(
                section.values("insteadOf").iter().map(|prefix| (base.to_string(), prefix.to_string())),
            );
        }
        let mut remotes = Vec::new();
        for section in config.sections_by_name("remote").into_iter().flatten() {
            for url in ["url", "pushurl"].iter().flat_map(|key| section.values(key)) {
                let url = url.to_string();
                remotes.extend(names_of(&url));
                remotes.extend(rewritten(&url, &rules).iter().flat_map(|url| names_of(url)));
            }
        }
        remotes.sort();
        remotes.dedup();
        let roots = if remotes.is_empty() { self.roots()? } else { Vec::new() };
        Ok(RepoIdentity { remotes, roots, ..RepoIdentity::default() })
    }

    /// The commit without parents that HEAD's first parents lead to. None for an unborn branch or a history that is
    /// cut off, and none past 20,000 commits that the commit-graph file does not have: reading more would cost more
    /// than the rest of a capture.
    ///
    /// First parents alone, because a project that another was merged into has the other's first commit in its
    /// history as well, and is not the same for that.
    pub fn roots(&self) -> Result<Vec<Oid>, Error> {
        let repo = self.local();
        let mut head = repo.head().map_err(|why| self.failed("reading HEAD", why))?;
        let tip = head.try_peel_to_id().map_err(|why| self.failed("reading HEAD", why))?;
        let Some(tip) = tip else { return Ok(Vec::new()) };
        if repo.is_shallow().unwrap_or(false) {
            return Ok(Vec::new());
        }
        Ok(first_root(&repo, tip.detach()).and_then(from_gix).into_iter().collect())
    }

    /// How this repository's HEAD relates to `source`, the snapshot's, with the remedy where they differ.
    pub fn drift(&self, source: &Head) -> Result<Drift, Error> {
        let target = self.head()?;
        let mut drift = Drift {
            ahead: None,
            behind: None,
            kind: DriftKind::Same,
            remedy: String::new(),
            source: source.commit,
            target: target.commit,
        };
        let branch =
            source.branch.as_deref().map_or_else(String::new, |branch| format!(" (branch {branch})"));
        let (here, there) = match (target.commit, source.commit) {
            (here, there) if here == there => return Ok(drift),
            (_, None) => {
                drift.kind = DriftKind::Unrelated;
                drift.remedy =
                    "the snapshot was taken before the first commit; apply it to a fresh repository".into();
                return Ok(drift);
            }
            (None, Some(there)) => {
                drift.kind = DriftKind::BaseMissing;
                drift.remedy =
                    format!("this repository has no commit yet; fetch and check out {there}{branch}");
                return Ok(drift);
            }
            (Some(here), Some(there)) => (here, there),
        };
        let repo = self.local();
        let (Some(here_id), Some(there_id)) = (to_gix(&here), to_gix(&there)) else { return Ok(drift) };
        if there.format() != self.format() {
            drift.kind = DriftKind::Unrelated;
            drift.remedy =
                "this repository names its objects by another hash; apply to a clone of the snapshot's"
                    .into();
            return Ok(drift);
        }
        if !repo.has_object(there_id) {
            drift.kind = DriftKind::BaseMissing;
            drift.remedy = format!(
                "this repository does not have commit {there}{branch}; fetch it, check it out and apply again"
            );
            return Ok(drift);
        }
        drift.ahead = self.count_missing(&here, &there);
        drift.behind = self.count_missing(&there, &here);
        let base = repo.merge_base(here_id, there_id).ok().flatten().map(|id| id.detach());
        (drift.kind, drift.remedy) = match base {
            Some(base) if base == there_id => (DriftKind::Ahead, String::new()),
            Some(base) if base == here_id => (
                DriftKind::Behind,
                format!("check out {there}{branch} and apply again to have its commits too"),
            ),
            Some(_) => (
                DriftKind::Diverged,
                format!("the histories have diverged; merge or check out {there}{branch} for a closer fit"),
            ),
            None if repo.is_shallow().unwrap_or(false) => (
                DriftKind::Diverged,
                format!(
                    "the history here is cut off before a common commit; run `git fetch --unshallow`, or check out {there}{branch}"
                ),
            ),
            None => (
                DriftKind::Unrelated,
                format!(
                    "the histories share no commit; check that this is the right repository, or check out {there}{branch}"
                ),
            ),
        };
        Ok(drift)
    }
}

/// Follows first parents from `at` to their end, by the commit-graph file where it has them.
fn first_root(repo: &gix::Repository, mut at: gix::ObjectId) -> Option<gix::ObjectId> {
    let graph = repo.commit_graph_if_enabled().ok().flatten();
    for _ in 0..ROOT_LIMIT {
        if let Some((graph, mut position)) = graph.as_ref().and_then(|graph| Some((graph, graph.lookup(at)?)))
        {
            // No more steps than there are commits, whatever the file says.
            for _ in 0..=graph.num_commits() {
                let commit = graph.commit_at(position);
                match commit.parent1().ok()? {
                    Some(parent) => position = parent,
                    None => return Some(commit.id().to_owned()),
                }
            }
            return None;
        }
        match repo.find_commit(at).ok()?.parent_ids().next() {
            Some(parent) => at = parent.detach(),
            None => return Some(at),
        }
    }
    None
}
