//! What makes two checkouts the same repository, and how their histories relate.

use super::{Repo, from_gix, to_gix};
use crate::error::Error;
use crate::id::Oid;
use crate::report::{Drift, DriftKind};
use crate::snapshot::{Head, RepoIdentity};

/// Commits walked in search of roots before giving up.
const ROOT_LIMIT: usize = 100_000;

impl Repo {
    /// The normalised remotes; where there are none, the commits without parents that HEAD reaches.
    pub fn identity(&self) -> Result<RepoIdentity, Error> {
        let repo = self.local();
        let config = repo.config_snapshot();
        let mut remotes = Vec::new();
        for section in config.sections_by_name("remote").into_iter().flatten() {
            // The value itself, because URL rewriting is the machine's own business.
            for url in section.values("url") {
                remotes.extend(normalise_remote(&String::from_utf8_lossy(&url)));
            }
        }
        remotes.sort();
        remotes.dedup();
        let roots = if remotes.is_empty() { self.roots()? } else { Vec::new() };
        Ok(RepoIdentity { remotes, roots, ..RepoIdentity::default() })
    }

    /// Commits without parents that HEAD reaches, sorted; empty when there are none, when history is cut off, or
    /// past 100,000 commits.
    pub fn roots(&self) -> Result<Vec<Oid>, Error> {
        let repo = self.local();
        let mut head = repo.head().map_err(|why| self.failed("reading HEAD", why))?;
        let tip = head.try_peel_to_id().map_err(|why| self.failed("reading HEAD", why))?;
        let Some(tip) = tip else { return Ok(Vec::new()) };
        if repo.is_shallow().unwrap_or(false) {
            return Ok(Vec::new());
        }
        let Ok(walk) = repo.rev_walk([tip.detach()]).all() else { return Ok(Vec::new()) };
        let mut roots = Vec::new();
        for (seen, commit) in walk.enumerate() {
            let Ok(commit) = commit else { return Ok(Vec::new()) };
            if seen >= ROOT_LIMIT {
                return Ok(Vec::new());
            }
            if commit.parent_ids().next().is_none() {
                roots.extend(from_gix(commit.id));
            }
        }
        roots.sort();
        Ok(roots)
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
        if there.format() != self.format() || !repo.has_object(there_id) {
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

/// `host/path` of a remote's location, the same for every way of writing it: scheme, user, password, port, a
/// final `.git` and slashes are dropped and the host is in lower case. `None` for paths on this machine, which
/// say nothing on another.
pub(crate) fn normalise_remote(url: &str) -> Option<String> {
    let url = url.trim();
    let (host, path) = if let Some((scheme, rest)) = url.split_once("://") {
        if scheme.eq_ignore_ascii_case("file") {
            return None;
        }
        let (authority, path) = rest.split_once('/')?;
        let host = authority.rsplit('@').next()?;
        // A colon inside brackets belongs to an IPv6 address.
        let host = match host.rfind(':') {
            Some(colon) if !host.ends_with(']') => host.get(..colon)?,
            _ => host,
        };
        (host, path)
    } else {
        // `user@host:path`; a path with a slash before the colon is a file's.
        let (before, path) = url.split_once(':')?;
        if before.contains('/') || before.len() == 1 {
            return None;
        }
        (before.rsplit('@').next()?, path)
    };
    let path = path.split(['?', '#']).next()?.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
    let path: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if host.is_empty() || path.is_empty() {
        return None;
    }
    Some(format!("{}/{}", host.to_ascii_lowercase(), path.join("/")))
}

#[cfg(test)]
mod tests {
    use super::normalise_remote;

    #[test]
    fn one_repository_has_one_name_however_it_is_written() {
        for url in [
            "https://github.com/o/r.git",
            "https://user:secret@GitHub.com/o/r",
            "ssh://git@github.com:22/o/r.git/",
            "git@github.com:o/r.git",
            "github.com:/o/r",
            "git://github.com//o/r",
        ] {
            assert_eq!(normalise_remote(url).as_deref(), Some("github.com/o/r"), "{url}");
        }
        for url in ["/srv/git/r.git", "file:///srv/r", "../r", "C:\\r", "", "./a:b"] {
            assert_eq!(normalise_remote(url), None, "{url}");
        }
        assert_eq!(normalise_remote("ssh://[::1]:22/r").as_deref(), Some("[::1]/r"));
    }
}
