//! What keeps a capture bounded: patterns to leave out, the number of entries, the length of the list of
//! omissions.

use std::collections::BTreeMap;

use super::CaptureOptions;
use super::read::{Outcome, omission};
use super::scan::{Candidate, Disk, Nested};
use crate::error::Error;
use crate::git::Patterns;
use crate::path::RelPath;
use crate::snapshot::{Extra, Omission, OmissionReason};

/// Omissions listed one by one per repository and reason; more are summed up by directory.
const LISTED: usize = 1_000;

/// The same for files that git ignores, which nobody called changed.
const LISTED_IGNORED: usize = 100;

/// The caller's exclusions, compiled; the other patterns are only looked at.
pub(super) fn patterns(options: &CaptureOptions) -> Result<Option<Patterns>, Error> {
    let CaptureOptions { exclude, include_ignored, .. } = options;
    for (argument, patterns) in [("exclude", exclude), ("include_ignored", include_ignored)] {
        if let Some(empty) = patterns.iter().find(|pattern| pattern.trim().is_empty()) {
            return Err(Error::InvalidArgument {
                argument,
                why: format!("holds the pattern {empty:?}, which matches nothing; leave it out"),
            });
        }
    }
    Ok((!exclude.is_empty()).then(|| Patterns::new(exclude)))
}

/// An omission for each path that git ignores and nobody asked for.
pub(super) fn ignored(paths: Vec<RelPath>) -> impl Iterator<Item = Omission> {
    let reason = OmissionReason::Ignored;
    paths.into_iter().map(move |path| Omission {
        line: None,
        count: None,
        path,
        reason: reason.clone(),
        rule: None,
        size: None,
        extra: Extra::new(),
    })
}

/// The omission of a candidate that the caller excludes.
pub(super) fn excluded(candidate: &Candidate, patterns: Option<&Patterns>) -> Option<Omission> {
    let path = candidate.path.as_bytes();
    let rule = match candidate.disk {
        Disk::EmptyDir if !candidate.is_tracked() => patterns?.matching(&[path, b"/"].concat())?,
        _ => patterns?.matching(path)?,
    };
    Some(omission(candidate, OmissionReason::Excluded, Some(rule), size(candidate)))
}

/// Takes the repositories that the caller excludes from `nested`, and returns an omission for each.
pub(super) fn excluded_repositories(nested: &mut Vec<Nested>, patterns: Option<&Patterns>) -> Vec<Omission> {
    let mut out = Vec::new();
    nested.retain(|nested| {
        let path = RelPath::new([nested.path.as_bytes(), b"/"].concat());
        let Some(rule) = patterns.and_then(|patterns| patterns.matching(path.as_bytes())) else {
            return true;
        };
        let reason = OmissionReason::Excluded;
        let omission = Omission {
            count: None,
            line: None,
            path,
            reason,
            rule: Some(rule),
            size: None,
            extra: Extra::new(),
        };
        out.push(omission);
        false
    });
    out
}

fn size(candidate: &Candidate) -> Option<u64> {
    Some(candidate.bytes()).filter(|bytes| *bytes > 0)
}

/// The root of the repository, where omissions are summed up.
const TOP: &str = "./";

/// The rule by which there is no room for more entries.
pub(super) fn max_entries(max: u64) -> String {
    format!("max_entries={max}")
}

/// Turns entries beyond `max` into omissions, last paths first.
pub(super) fn cap_entries(outcomes: &mut [(RelPath, Outcome)], taken: u64, max: u64) {
    let mut count = taken;
    for (path, outcome) in outcomes {
        if let Outcome::Entry(entry) = outcome {
            count += 1;
            if count > max {
                let size = entry.worktree.as_ref().map(|state| state.size);
                *outcome = Outcome::Omission(Omission {
                    count: None,
                    line: None,
                    path: path.clone(),
                    reason: OmissionReason::OverBudget,
                    rule: Some(max_entries(max)),
                    size,
                    extra: Extra::new(),
                });
            }
        }
    }
}

/// Sums up by directory, deepest first, where there are too many omissions of one reason to list. One directory
/// may then stand in the list several times, once for each reason and rule.
pub(super) fn aggregate(mut omissions: Vec<Omission>) -> Vec<Omission> {
    loop {
        let mut by_reason: BTreeMap<(OmissionReason, Option<String>), usize> = BTreeMap::new();
        for omission in &omissions {
            *by_reason.entry((omission.reason.clone(), omission.rule.clone())).or_default() += 1;
        }
        let many = |omission: &Omission| {
            by_reason
                .get(&(omission.reason.clone(), omission.rule.clone()))
                .is_some_and(|count| *count > listed(&omission.reason))
        };
        let depth = |path: &RelPath| path.as_bytes().iter().filter(|byte| **byte == b'/').count();
        let sums = omissions.iter().filter(|omission| many(omission) && omission.path != RelPath::from(TOP));
        let Some(deepest) = sums.map(|omission| level(&omission.path, depth)).max() else { break };
        let mut out: BTreeMap<(RelPath, OmissionReason, Option<String>), Omission> = BTreeMap::new();
        for mut omission in omissions {
            if many(&omission)
                && omission.path != RelPath::from(TOP)
                && level(&omission.path, depth) == deepest
            {
                omission.count = Some(omission.count.unwrap_or(1));
                omission.line = None;
                omission.path = directory(&omission.path);
            }
            let key = (omission.path.clone(), omission.reason.clone(), omission.rule.clone());
            match out.get_mut(&key) {
                None => {
                    out.insert(key, omission);
                }
                Some(sum) => {
                    sum.count = Some(sum.count.unwrap_or(1).saturating_add(omission.count.unwrap_or(1)));
                    sum.size = match (sum.size, omission.size) {
                        (Some(a), Some(b)) => Some(a.saturating_add(b)),
                        (a, b) => a.or(b),
                    };
                }
            }
        }
        omissions = out.into_values().collect();
    }
    omissions.sort_by(|a, b| a.order().cmp(&b.order()));
    omissions
}

fn listed(reason: &OmissionReason) -> usize {
    if *reason == OmissionReason::Ignored { LISTED_IGNORED } else { LISTED }
}

/// How many directories a path is below; one that stands for a directory counts as a file beside it.
fn level(path: &RelPath, depth: impl Fn(&RelPath) -> usize) -> usize {
    depth(path) - usize::from(path.as_bytes().ends_with(b"/"))
}

/// The directory of a path, with its slash.
fn directory(path: &RelPath) -> RelPath {
    let bytes = path.as_bytes().strip_suffix(b"/").unwrap_or(path.as_bytes());
    match bytes.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => RelPath::new(bytes.get(..=slash).unwrap_or_default()),
        None => TOP.into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn omitted(path: &str, size: u64) -> Omission {
        Omission {
            count: None,
            line: None,
            path: path.into(),
            reason: OmissionReason::TooLarge,
            rule: None,
            size: Some(size),
            extra: Extra::new(),
        }
    }

    #[test]
    fn a_long_list_is_summed_up_by_directory_and_loses_no_count() {
        let mut list: Vec<_> = (0..3_000).map(|n| omitted(&format!("deep/a{}/{n:04}", n % 3), 2)).collect();
        list.push(omitted("top", 5));
        let sum = aggregate(list.clone());
        assert_eq!(sum.len(), 4, "{sum:?}");
        assert_eq!(sum.iter().map(|o| o.count.unwrap_or(1)).sum::<u64>(), 3_001);
        assert_eq!(sum.iter().filter_map(|o| o.size).sum::<u64>(), 6_005);
        assert_eq!(sum[0].path, RelPath::from("deep/a0/"));
        list.truncate(500);
        assert_eq!(aggregate(list.clone()).len(), 500, "a short list stays as it is");
    }

    #[test]
    fn many_files_at_the_root_are_summed_up_as_the_root() {
        let list: Vec<_> = (0..1_500).map(|n| omitted(&format!("{n:04}"), 1)).collect();
        let sum = aggregate(list);
        assert_eq!((sum.len(), &sum[0].path, sum[0].count), (1, &RelPath::from("./"), Some(1_500)));
    }

    #[test]
    fn one_directory_may_be_summed_up_for_several_reasons() {
        let mut list: Vec<_> = (0..3_000).map(|n| omitted(&format!("d/{n:04}"), 1)).collect();
        for omission in list.iter_mut().step_by(2) {
            omission.reason = OmissionReason::Unreadable;
        }
        let sum = aggregate(list);
        assert_eq!(
            sum.iter().map(|o| (o.path.to_string(), o.count)).collect::<Vec<_>>(),
            [("d/".to_owned(), Some(1_500)), ("d/".to_owned(), Some(1_500)),]
        );
        assert!(sum[0].reason.as_str() < sum[1].reason.as_str());
    }
}
