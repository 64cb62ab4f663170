//! What a capture of one repository would carry, from stat data alone.

use std::path::Path;
use std::time::Instant;

use super::read::omission;
use super::scan::{Candidate, Disk, candidates};
use super::secrets::{Named, Secrets};
use super::{CaptureOptions, PlannedChange, PlannedFile, RepoPlan, limits};
use crate::error::Error;
use crate::git::{Patterns, Repo, ScanOptions};
use crate::path::RelPath;
use crate::rooted::errno_name;
use crate::snapshot::{Omission, OmissionReason};

/// Plans the repository at `root`; `bytes` counts content over all repositories. Also returns the repositories
/// inside it.
pub(super) fn repository(
    root: &Path,
    options: &CaptureOptions,
    deadline: Option<Instant>,
    name: &str,
    patterns: Option<&Patterns>,
    secrets: &Secrets<'_>,
    bytes: &mut u64,
) -> Result<(RepoPlan, Vec<RelPath>), Error> {
    let repo = Repo::open_at(root)?;
    let index = repo.index()?;
    let include = repo.include(&options.include_ignored, options.worktree_include);
    let scan = ScanOptions {
        control: &options.control,
        deadline,
        include: Some(&include),
        list_ignored: options.list_ignored,
    };
    let mut found = candidates(&repo, &index, &scan, options.empty_dirs)?;
    let mut plan = RepoPlan { name: String::new(), files: Vec::new(), omissions: Vec::new(), failed: None };
    for candidate in &found.paths {
        let named = match limits::excluded(candidate, patterns) {
            Some(excluded) => Some(excluded),
            None => match secrets.by_name(name, candidate) {
                Named::Omitted(omission) => Some(omission),
                Named::Travels(_) => left_out(candidate, options, *bytes),
            },
        };
        match named {
            Some(omission) => plan.omissions.push(omission),
            None => {
                let Some(file) = planned(candidate) else { continue };
                *bytes = bytes.saturating_add(file.bytes);
                plan.files.push(file);
            }
        }
    }
    plan.omissions.extend(limits::excluded_repositories(&mut found.nested, patterns));
    plan.omissions.extend(secrets.repositories(name, &mut found.nested));
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
