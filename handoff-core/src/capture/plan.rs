//! What a capture of one repository would carry, from stat data alone.

use std::path::Path;

use super::pass::not_read;
use super::read::omission;
use super::scan::{Candidate, Disk, candidates};
use super::secrets::{Named, Secrets};
use super::{CaptureOptions, PlannedChange, PlannedFile, RepoPlan, history, limits};
use crate::error::Error;
use crate::git::{Patterns, Repo, ScanOptions};
use crate::path::RelPath;
use crate::progress::Until;
use crate::rooted::errno_name;
use crate::snapshot::{Omission, OmissionReason};

/// What keeps paths out before they are read.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub patterns: Option<&'a Patterns>,
    pub secrets: &'a Secrets<'a>,
}

/// Plans the repository at `root`; `bytes` counts content over all repositories. Also returns the repositories
/// inside it.
pub(super) fn repository(
    root: &Path,
    name: &str,
    options: &CaptureOptions,
    until: &Until,
    rules: Rules<'_>,
    bytes: &mut u64,
) -> Result<(RepoPlan, Vec<RelPath>), Error> {
    let repo = Repo::open_at(root)?;
    let index = repo.index()?;
    let include = repo.include(&options.include_ignored, options.worktree_include);
    let scan = ScanOptions {
        control: &options.control,
        until,
        include: Some(&include),
        list_ignored: options.list_ignored,
    };
    // Commits that are on their way to another machine are for consent as files are.
    let (mut found, head) = candidates(&repo, &index, &scan, options, || repo.head())?;
    let head = head?;
    let history = history::planned(&repo, head.commit.as_ref(), options);
    let (files, omissions) = (Vec::new(), Vec::new());
    let mut plan = RepoPlan { name: String::new(), files, omissions, history, failed: None };
    for candidate in &found.paths {
        // The walk was cut short, which stays so.
        let unread = until.reached().filter(|_| matches!(candidate.disk, Disk::Unread));
        if let Some(why) = unread {
            plan.omissions.push(omission(candidate, not_read(&why), None, None));
            continue;
        }
        let ruled_out = limits::excluded(candidate, rules.patterns).or_else(|| {
            match rules.secrets.by_name(name, candidate) {
                Named::Omitted(omission) => Some(omission),
                Named::Travels(_) => None,
            }
        });
        match ruled_out.or_else(|| left_out(candidate, options, *bytes)) {
            Some(omission) => plan.omissions.push(omission),
            None => {
                let Some(file) = planned(candidate) else { continue };
                *bytes = bytes.saturating_add(file.bytes);
                plan.files.push(file);
            }
        }
    }
    plan.omissions.extend(limits::excluded_repositories(&mut found.nested, rules.patterns));
    plan.omissions.extend(rules.secrets.repositories(name, &mut found.nested));
    plan.omissions.extend(limits::ignored(std::mem::take(&mut found.ignored)));
    plan.omissions = limits::aggregate(plan.omissions);
    Ok((plan, found.nested.into_iter().map(|nested| nested.path).collect()))
}

fn left_out(candidate: &Candidate, options: &CaptureOptions, bytes: u64) -> Option<Omission> {
    let size = candidate.bytes();
    let (reason, rule) = match &candidate.disk {
        Disk::Special => (OmissionReason::SpecialFile, None),
        Disk::Uninitialised => (OmissionReason::SubmoduleUninitialised, None),
        Disk::Unreadable(why) => (OmissionReason::Unreadable, Some(errno_name(why))),
        _ if size > options.max_file_bytes => {
            (OmissionReason::TooLarge, Some(format!("max_file_bytes={}", options.max_file_bytes)))
        }
        _ if bytes.saturating_add(size) > options.max_total_bytes => {
            (OmissionReason::OverBudget, Some(format!("max_total_bytes={}", options.max_total_bytes)))
        }
        _ => return None,
    };
    Some(omission(candidate, reason, rule, (size > 0).then_some(size)))
}

fn planned(candidate: &Candidate) -> Option<PlannedFile> {
    let tracked = candidate.is_tracked() || candidate.head.is_some();
    let change = match &candidate.disk {
        // A submodule that is not checked out is as committed.
        Disk::Submodule { present: false }
            if candidate.index.as_ref().map(|i| &i.item) == candidate.head.as_ref() =>
        {
            return None;
        }
        Disk::Absent | Disk::Dir | Disk::EmptyDir if tracked => PlannedChange::Deleted,
        _ if tracked => PlannedChange::Modified,
        Disk::Absent | Disk::Dir => return None,
        Disk::EmptyDir => PlannedChange::EmptyDirectory,
        _ if candidate.ignored => PlannedChange::Ignored,
        _ => PlannedChange::Untracked,
    };
    Some(PlannedFile { path: candidate.path.clone(), change, bytes: candidate.bytes() })
}
