//! Which repository of the workspace is which of the snapshot's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::git::Repo;
use crate::path::{PathLimits, RelPath};
use crate::snapshot::{RepoIdentity, RepoManifest};

/// What was found for one repository of the snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Match {
    /// This work tree.
    Root(PathBuf),
    /// Nothing fits; why, for people.
    None(String),
}

/// A checkout of the workspace, as far as matching goes.
#[derive(Debug)]
pub(super) struct Candidate {
    pub name: String,
    pub root: PathBuf,
    pub id: RepoIdentity,
    /// For each repository of the snapshot, whether its HEAD's commit is here.
    pub has_head: Vec<bool>,
}

/// What speaks for two repositories being the same, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Evidence {
    Remote,
    History,
    Name,
    /// Nothing, but there is only one on either side.
    Alone,
}

/// Reads what matching needs. A repository that cannot be opened is matched by name alone, so that its trouble
/// is reported where it belongs.
pub(super) fn candidates<'a>(
    repos: impl Iterator<Item = (&'a str, &'a Path)>,
    manifests: &[RepoManifest],
) -> Vec<Candidate> {
    repos
        .map(|(name, root)| {
            let repo = Repo::open_at(root).ok();
            let mut id = repo.as_ref().and_then(|repo| repo.identity().ok()).unwrap_or_default();
            // Root commits are only looked for where somebody asks for them: it walks all of history.
            let wanted = manifests.iter().any(|manifest| !manifest.id.roots.is_empty());
            if let Some(repo) = repo.as_ref().filter(|_| wanted && id.roots.is_empty()) {
                id.roots = repo.roots().unwrap_or_default();
            }
            let has_head = manifests
                .iter()
                .map(|manifest| match (&repo, manifest.head.commit) {
                    (Some(repo), Some(commit)) => repo.has_object(&commit),
                    _ => false,
                })
                .collect();
            Candidate { name: name.to_owned(), root: root.to_owned(), id, has_head }
        })
        .collect()
}

/// Matches every repository of the snapshot, by the caller's `map` first, then by identity.
///
/// # Errors
/// [`Error::InvalidArgument`] when `map` names what does not exist.
pub(super) fn find(
    manifests: &[RepoManifest],
    candidates: &[Candidate],
    map: &BTreeMap<String, String>,
) -> Result<Vec<Match>, Error> {
    let invalid = |why: String| Error::InvalidArgument { argument: "map", why };
    let mut found: Vec<Option<usize>> = vec![None; manifests.len()];
    for (from, to) in map {
        let at = manifests.iter().position(|manifest| manifest.name == *from);
        let to_at = candidates.iter().position(|candidate| candidate.name == *to);
        let (Some(at), Some(to_at)) = (at, to_at) else {
            let names = |names: Vec<&str>| names.join(", ");
            return Err(invalid(if at.is_none() {
                let known = names(manifests.iter().map(|manifest| manifest.name.as_str()).collect());
                format!("names {from:?}, which is not in the snapshot; name one of {known}")
            } else {
                let known = names(candidates.iter().map(|candidate| candidate.name.as_str()).collect());
                format!("names {to:?}, which is not in the workspace; name one of {known}")
            }));
        };
        if found.contains(&Some(to_at)) {
            return Err(invalid(format!("names {to:?} twice; give every checkout one repository")));
        }
        if let Some(slot) = found.get_mut(at) {
            *slot = Some(to_at);
        }
    }
    for evidence in [Evidence::Remote, Evidence::History, Evidence::Name] {
        assign(manifests, candidates, &mut found, evidence);
    }
    if let ([_], [_]) = (manifests, candidates) {
        assign(manifests, candidates, &mut found, Evidence::Alone);
    }
    let mut roots: BTreeMap<&str, PathBuf> = BTreeMap::new();
    for (manifest, found) in manifests.iter().zip(&found) {
        if let Some(candidate) = found.and_then(|at| candidates.get(at)) {
            roots.insert(&manifest.name, candidate.root.clone());
        }
    }
    let mut out = Vec::with_capacity(manifests.len());
    for (at, manifest) in manifests.iter().enumerate() {
        if !roots.contains_key(manifest.name.as_str())
            && let Some(root) = nested(&manifest.name, &roots)
        {
            roots.insert(&manifest.name, root);
        }
        out.push(match roots.get(manifest.name.as_str()) {
            Some(root) => Match::Root(root.clone()),
            None => Match::None(why_none(manifest, at, candidates)),
        });
    }
    Ok(out)
}

/// Fills in what `evidence` decides without doubt: pairs of one name first, then pairs where neither side has
/// another choice.
fn assign(
    manifests: &[RepoManifest],
    candidates: &[Candidate],
    found: &mut [Option<usize>],
    evidence: Evidence,
) {
    let free = |found: &[Option<usize>], to: usize| !found.contains(&Some(to));
    for (at, manifest) in manifests.iter().enumerate() {
        let named = candidates.iter().enumerate().find(|(to, candidate)| {
            candidate.name == own_name(&manifest.name)
                && free(found, *to)
                && fits(manifest, at, candidate, evidence)
        });
        let named = named.map(|(to, _)| to);
        if let Some(slot @ None) = found.get_mut(at) {
            *slot = named;
        }
    }
    if evidence == Evidence::Name {
        return;
    }
    let open: Vec<usize> =
        found.iter().enumerate().filter(|(_, to)| to.is_none()).map(|(at, _)| at).collect();
    let choices = |found: &[Option<usize>], at: usize| -> Vec<usize> {
        let Some(manifest) = manifests.get(at) else { return Vec::new() };
        candidates
            .iter()
            .enumerate()
            .filter(|(to, candidate)| free(found, *to) && fits(manifest, at, candidate, evidence))
            .map(|(to, _)| to)
            .collect()
    };
    let wanted: Vec<(usize, Vec<usize>)> = open.iter().map(|at| (*at, choices(found, *at))).collect();
    for (at, to) in &wanted {
        let [only] = to.as_slice() else { continue };
        let rivals = wanted.iter().filter(|(_, others)| others.contains(only)).count();
        if let (1, Some(slot)) = (rivals, found.get_mut(*at)) {
            *slot = Some(*only);
        }
    }
}

fn fits(manifest: &RepoManifest, at: usize, candidate: &Candidate, evidence: Evidence) -> bool {
    let shares = |a: &[_], b: &[_]| a.iter().any(|one| b.contains(one));
    match evidence {
        Evidence::Remote => shares(&manifest.id.remotes, &candidate.id.remotes),
        Evidence::History => {
            manifest.id.roots.iter().any(|root| candidate.id.roots.contains(root))
                || candidate.has_head.get(at).copied().unwrap_or(false)
        }
        Evidence::Name | Evidence::Alone => !contradicts(&manifest.id, &candidate.id),
    }
}

/// Whether both sides say who they are and say different things.
fn contradicts(a: &RepoIdentity, b: &RepoIdentity) -> bool {
    !a.remotes.is_empty() && !b.remotes.is_empty() || !a.roots.is_empty() && !b.roots.is_empty()
}

/// The last part of a repository's name, which is its directory's.
fn own_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// A repository inside one that is matched already, at the place its name says.
fn nested(name: &str, roots: &BTreeMap<&str, PathBuf>) -> Option<PathBuf> {
    let (parent, below) = name
        .match_indices('/')
        .rev()
        .find_map(|(slash, _)| Some((roots.get(name.get(..slash)?)?, name.get(slash + 1..)?)))?;
    RelPath::from(below).check(&PathLimits::default()).ok()?;
    let root = parent.join(below);
    // Only what really is there: no link on the way, and a work tree of its own.
    (root.canonicalize().ok()? == root && Repo::open_at(&root).ok()?.root() == root).then_some(root)
}

fn why_none(manifest: &RepoManifest, at: usize, candidates: &[Candidate]) -> String {
    let known: Vec<&str> = candidates.iter().map(|candidate| candidate.name.as_str()).collect();
    let fitting = candidates
        .iter()
        .filter(|candidate| {
            fits(manifest, at, candidate, Evidence::Remote)
                || fits(manifest, at, candidate, Evidence::History)
        })
        .count();
    if manifest.flags.submodule && manifest.name.contains('/') && fitting == 0 {
        return format!(
            "repository {:?}: the submodule is not checked out here; `git submodule update --init` does it",
            manifest.name
        );
    }
    let why = if fitting > 1 {
        "more than one checkout here could be it"
    } else if fitting == 1 {
        "the checkout that could be it is taken by another repository of the snapshot"
    } else {
        "no checkout here shares a remote, history or name with it"
    };
    format!(
        "repository {:?}: {why}; pass an explicit mapping from {:?} to one of: {}",
        manifest.name,
        manifest.name,
        known.join(", ")
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::id::Oid;
    use crate::snapshot::Head;

    fn oid(n: u8) -> Oid {
        Oid::from_bytes(&[n; 20]).unwrap()
    }

    fn repo(name: &str, remotes: &[&str], roots: &[u8]) -> RepoManifest {
        RepoManifest {
            entries: Vec::new(),
            failed: None,
            flags: Default::default(),
            head: Head::default(),
            history: None,
            id: identity(remotes, roots),
            name: name.into(),
            object_format: None,
            omissions: Vec::new(),
            operation: None,
            stashes: 0,
            extra: Default::default(),
        }
    }

    fn identity(remotes: &[&str], roots: &[u8]) -> RepoIdentity {
        RepoIdentity {
            remotes: remotes.iter().map(|remote| (*remote).to_owned()).collect(),
            roots: roots.iter().map(|root| oid(*root)).collect(),
            ..Default::default()
        }
    }

    fn here(name: &str, remotes: &[&str], roots: &[u8]) -> Candidate {
        Candidate {
            name: name.into(),
            root: PathBuf::from(format!("/ws/{name}")),
            id: identity(remotes, roots),
            has_head: vec![false; 4],
        }
    }

    fn found(manifests: &[RepoManifest], candidates: &[Candidate], map: &[(&str, &str)]) -> Vec<String> {
        let map = map.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        find(manifests, candidates, &map)
            .unwrap()
            .into_iter()
            .map(|found| match found {
                Match::Root(root) => root.file_name().unwrap().to_string_lossy().into_owned(),
                Match::None(_) => "-".into(),
            })
            .collect()
    }

    #[test]
    fn remotes_outweigh_names_and_names_break_ties() {
        let ours = [repo("app", &["host/app"], &[]), repo("lib", &["host/lib"], &[])];
        let there = [here("lib", &["host/app"], &[]), here("app", &["host/lib"], &[])];
        assert_eq!(found(&ours, &there, &[]), ["lib", "app"]);
        let twins = [repo("a", &["host/x"], &[]), repo("b", &["host/x"], &[])];
        let there = [here("b", &["host/x"], &[]), here("a", &["host/x"], &[])];
        assert_eq!(found(&twins, &there, &[]), ["a", "b"]);
    }

    #[test]
    fn doubt_is_no_match_and_a_mapping_ends_it() {
        let ours = [repo("app", &["host/x"], &[])];
        let there = [here("one", &["host/x"], &[]), here("two", &["host/x"], &[])];
        assert_eq!(found(&ours, &there, &[]), ["-"]);
        assert_eq!(found(&ours, &there, &[("app", "two")]), ["two"]);
        let twins = [repo("a", &["host/x"], &[]), repo("b", &["host/x"], &[])];
        assert_eq!(found(&twins, &[here("c", &["host/x"], &[])], &[]), ["-", "-"]);
    }

    #[test]
    fn history_and_names_count_where_no_remote_speaks() {
        let ours = [repo("app", &[], &[1])];
        assert_eq!(found(&ours, &[here("x", &["path/app"], &[1]), here("y", &[], &[2])], &[]), ["x"]);
        let mut later = here("z", &[], &[]);
        later.has_head = vec![true];
        assert_eq!(found(&ours, &[later, here("app", &["host/other"], &[9])], &[]), ["z"]);
        assert_eq!(
            found(&[repo("app", &["host/app"], &[])], &[here("app", &[], &[]), here("b", &[], &[])], &[]),
            ["app"]
        );
        let other = [here("app", &["host/other"], &[]), here("b", &["host/b"], &[])];
        assert_eq!(found(&[repo("app", &["host/app"], &[])], &other, &[]), ["-"]);
    }

    #[test]
    fn one_of_each_belongs_together_unless_they_contradict() {
        assert_eq!(found(&[repo("a", &[], &[])], &[here("b", &[], &[])], &[]), ["b"]);
        assert_eq!(found(&[repo("a", &["host/a"], &[])], &[here("b", &["host/b"], &[])], &[]), ["-"]);
    }

    #[test]
    fn a_mapping_of_what_does_not_exist_is_refused() {
        let ours = [repo("app", &[], &[])];
        let map = BTreeMap::from([("nope".to_owned(), "x".to_owned())]);
        assert!(matches!(find(&ours, &[here("x", &[], &[])], &map), Err(Error::InvalidArgument { .. })));
        let map = BTreeMap::from([("app".to_owned(), "nope".to_owned())]);
        assert!(matches!(find(&ours, &[here("x", &[], &[])], &map), Err(Error::InvalidArgument { .. })));
    }
}
