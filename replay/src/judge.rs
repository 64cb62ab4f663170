//! Whether a handoff came to what git's merge comes to, path by path, and whether its report is true.

use std::collections::{BTreeMap, BTreeSet};

use handoff_core::{Detail, FileReport, Outcome};

use crate::git::{Item, Tree};
use crate::history::{Case, Kind};
use crate::oracle::{Conflict, Merged};
use crate::stage::Handed;

/// A difference from git that is on the list in `handoff-core/docs/limits.md`, or one that is not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    pub category: Category,
    pub path: Vec<u8>,
    pub what: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// Not on the list.
    Wrong,
    /// The report and the disk do not agree, or a path is missing from it.
    Silent,
    DirectoryRename,
    DeletedHereRenamed,
    MovedHereDeleted,
    RenamedOnBothSides,
    CreatedOnBothSides,
    Submodule,
}

impl Category {
    pub const ALL: [Self; 8] = [
        Self::Wrong,
        Self::Silent,
        Self::DirectoryRename,
        Self::DeletedHereRenamed,
        Self::MovedHereDeleted,
        Self::RenamedOnBothSides,
        Self::CreatedOnBothSides,
        Self::Submodule,
    ];

    /// The name that the list in the documentation gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wrong => "WRONG: not on the list",
            Self::Silent => "SILENT: the report is not what is on disk",
            Self::DirectoryRename => "directory rename",
            Self::DeletedHereRenamed => "deletion of a renamed file",
            Self::MovedHereDeleted => "move of a deleted file",
            Self::RenamedOnBothSides => "renamed on both sides",
            Self::CreatedOnBothSides => "new on both sides",
            Self::Submodule => "submodule commit",
        }
    }

    /// Whether the list allows it.
    pub fn is_allowed(self) -> bool {
        !matches!(self, Self::Wrong | Self::Silent)
    }
}

/// The id of a file with nothing in it, in SHA-1 and SHA-256.
const EMPTY_BLOBS: [&str; 2] = [
    "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
    "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
];

/// What is known of one case when its differences are named.
struct Facts<'a> {
    base: &'a Tree,
    ours: &'a Tree,
    theirs: &'a Tree,
    git: &'a Merged,
    handed: &'a Handed,
    /// What was not put in place, by where.
    open: BTreeMap<&'a [u8], &'a FileReport>,
    out: Vec<Difference>,
}

/// Everything that differs.
pub fn judge(case: &Case, trees: [&Tree; 3], git: &Merged, handed: &Handed) -> Vec<Difference> {
    let [base, ours, theirs] = trees;
    let mut open = BTreeMap::new();
    for (_, file) in handed.report.files() {
        if !matches!(file.outcome, Outcome::Applied | Outcome::Merged | Outcome::Unchanged) {
            for path in [Some(&file.path), file.at.as_ref()].into_iter().flatten() {
                open.insert(path.as_bytes(), file);
            }
        }
    }
    let mut facts = Facts { base, ours, theirs, git, handed, open, out: Vec::new() };
    facts.report_is_true();
    if case.kind == Kind::Commit && handed.tree != *theirs {
        let paths = differing(&handed.tree, theirs);
        for path in paths {
            facts.name(&path, "differs from the commit".into());
        }
    }
    if handed.id != git.id || !git.conflicts.is_empty() || !facts.open.is_empty() {
        facts.against_git();
    }
    facts.out.sort();
    facts.out.dedup_by(|a, b| a.category == b.category && a.path == b.path);
    facts.out
}

fn differing(a: &Tree, b: &Tree) -> Vec<Vec<u8>> {
    let paths: BTreeSet<_> = a.keys().chain(b.keys()).collect();
    paths.into_iter().filter(|path| a.get(*path) != b.get(*path)).cloned().collect()
}

impl Facts<'_> {
    fn report_is_true(&mut self) {
        let manifest = self.handed.snapshot.manifest();
        let mut wanted: BTreeSet<&[u8]> = BTreeSet::new();
        for repo in &manifest.repos {
            wanted.extend(repo.entries.iter().map(|entry| entry.path.as_bytes()));
            wanted.extend(repo.omissions.iter().map(|omission| omission.path.as_bytes()));
        }
        let mut wrong = Vec::new();
        let mut seen: BTreeSet<&[u8]> = BTreeSet::new();
        for (_, file) in self.handed.report.files() {
            let path = file.path.as_bytes();
            if !seen.insert(path) {
                wrong.push((path.to_vec(), "is reported twice".to_owned()));
            }
        }
        for path in wanted.symmetric_difference(&seen) {
            wrong.push((path.to_vec(), "is not both in the manifest and in the report".to_owned()));
        }
        // What changed between base and theirs has to be in the manifest.
        for path in differing(self.base, self.theirs) {
            if !wanted.contains(path.as_slice()) {
                wrong.push((path, "changed, and is not in the snapshot".to_owned()));
            }
        }
        // What changed at the target has to be in the report, and nothing else may have changed.
        let mut written: BTreeSet<&[u8]> = BTreeSet::new();
        for (_, file) in self.handed.report.files() {
            if matches!(file.outcome, Outcome::Applied | Outcome::Merged) {
                written.insert(file.at.as_ref().map_or(file.path.as_bytes(), |at| at.as_bytes()));
                if file.at.is_some() {
                    written.insert(file.path.as_bytes());
                }
            }
        }
        for path in differing(&self.handed.tree, self.ours) {
            if !written.contains(path.as_slice()) {
                wrong.push((path, "changed at the target, and the report does not say so".to_owned()));
            }
        }
        for (_, file) in self.handed.report.files() {
            let changed = |path: &[u8]| self.handed.tree.get(path) != self.ours.get(path);
            let path = file.at.as_ref().map_or(file.path.as_bytes(), |at| at.as_bytes());
            if file.outcome == Outcome::Applied && !changed(path) {
                wrong.push((path.to_vec(), format!("is called applied, and is as it was: {file:?}")));
            }
        }
        for (path, what) in wrong {
            // The commits of submodules are recorded and never written.
            let gitlink = [self.base, self.theirs]
                .iter()
                .any(|tree| tree.get(&path).is_some_and(|(mode, _)| mode == "160000"));
            let category = if gitlink { Category::Submodule } else { Category::Silent };
            self.out.push(Difference { category, path, what });
        }
    }

    fn against_git(&mut self) {
        let git = self.git;
        let mut covered: BTreeSet<Vec<u8>> = git.staged.clone();
        for conflict in &git.conflicts {
            covered.extend(conflict.paths.iter().cloned());
            if !conflict.paths.iter().any(|path| self.open.contains_key(path.as_slice())) {
                let what = format!("git conflicts: {} {}", conflict.kind, conflict.message.trim());
                self.name_conflict(conflict, what);
            }
        }
        let open: Vec<_> = self.open.iter().map(|(path, file)| (path.to_vec(), (*file).clone())).collect();
        for (path, file) in &open {
            let entry = file.path.as_bytes();
            let there = |path: &[u8]| covered.contains(path);
            if !there(path) && !there(entry) && !file.at.as_ref().is_some_and(|at| there(at.as_bytes())) {
                let detail = file.detail.as_ref().map_or(String::new(), ToString::to_string);
                let reason = file.reason.clone().unwrap_or_default();
                self.name(path, format!("git is clean; ours: {} {detail} {reason}", file.outcome));
            }
        }
        for path in differing(&self.handed.tree, &git.tree) {
            if !covered.contains(&path) && !self.open.contains_key(path.as_slice()) {
                let show = |tree: &Tree| match tree.get(&path) {
                    Some((mode, id)) => format!("{mode} {}", id.get(..8).unwrap_or(id)),
                    None => "nothing".to_owned(),
                };
                let what = format!(
                    "ours: {}, git: {} (base {}, here {}, incoming {})",
                    show(&self.handed.tree),
                    show(&git.tree),
                    show(self.base),
                    show(self.ours),
                    show(self.theirs)
                );
                self.name(&path, what);
            }
        }
    }

    fn name_conflict(&mut self, conflict: &Conflict, what: String) {
        let path = conflict.paths.first().cloned().unwrap_or_default();
        let category = match conflict.kind.as_str() {
            kind if kind.contains("file location") || kind.contains("directory rename") => {
                let whole = conflict.paths.iter().all(|path| self.is_as_one_side_has_it(path));
                if whole { Category::DirectoryRename } else { Category::Wrong }
            }
            "CONFLICT (rename/delete)" => {
                // Renamed here, deleted there: the deletion was of a path that is gone.
                let here = conflict.paths.iter().any(|path| {
                    self.base.contains_key(path)
                        && !self.theirs.contains_key(path)
                        && !self.ours.contains_key(path)
                });
                let moved = conflict.paths.iter().any(|path| self.is_new_in_theirs(path));
                match (here, moved) {
                    (_, true) => Category::MovedHereDeleted,
                    (true, false) => Category::DeletedHereRenamed,
                    (false, false) => Category::Wrong,
                }
            }
            // Moved by the snapshot, deleted at the target: the new path is new there.
            "CONFLICT (modify/delete)" if conflict.paths.iter().all(|path| self.is_new_in_theirs(path)) => {
                Category::MovedHereDeleted
            }
            // Git says of its new path what it has said of the rename already.
            "CONFLICT (modify/delete)"
                if conflict.paths.iter().all(|path| {
                    self.ours.contains_key(path)
                        && !self.base.contains_key(path)
                        && !self.theirs.contains_key(path)
                }) =>
            {
                Category::DeletedHereRenamed
            }
            "CONFLICT (rename/rename)" => Category::RenamedOnBothSides,
            kind if kind.contains("submodule") => Category::Submodule,
            _ => Category::Wrong,
        };
        self.out.push(Difference { category, path, what });
    }

    /// Whether only the snapshot has anything at `path`.
    fn is_new_in_theirs(&self, path: &[u8]) -> bool {
        self.theirs.contains_key(path) && !self.ours.contains_key(path) && !self.base.contains_key(path)
    }

    /// Whether nobody has merged or moved anything at `path`: what is there came from one side, whole.
    fn is_as_one_side_has_it(&self, path: &[u8]) -> bool {
        let here = self.handed.tree.get(path);
        here == self.ours.get(path) || here == self.theirs.get(path)
    }

    /// Whether both sides made `path`, one of them empty, and the target's was kept and reported as such.
    fn is_new_on_both_sides(&self, path: &[u8]) -> bool {
        let (ours, theirs) = (self.ours.get(path), self.theirs.get(path));
        let empty = |item: Option<&Item>| item.is_some_and(|(_, id)| EMPTY_BLOBS.contains(&id.as_str()));
        self.open.get(path).is_some_and(|file| file.detail == Some(Detail::ExistsHere))
            && !self.base.contains_key(path)
            && self.handed.tree.get(path) == ours
            && (empty(ours) || empty(theirs))
    }

    /// Names a difference at one path.
    fn name(&mut self, path: &[u8], what: String) {
        let gitlink = [self.base, self.ours, self.theirs, &self.git.tree]
            .iter()
            .any(|tree| tree.get(path).is_some_and(|(mode, _)| mode == "160000"));
        let noted = |kind: &str| {
            self.git
                .notes
                .iter()
                .chain(&self.git.conflicts)
                .any(|note| note.kind.contains(kind) && note.paths.iter().any(|noted| noted == path))
        };
        let category = if gitlink {
            Category::Submodule
        } else if (noted("directory rename") || noted("file location")) && self.is_as_one_side_has_it(path) {
            Category::DirectoryRename
        } else if self.is_new_on_both_sides(path) {
            Category::CreatedOnBothSides
        } else {
            Category::Wrong
        };
        self.out.push(Difference { category, path: path.to_vec(), what });
    }
}

#[cfg(test)]
mod tests;
