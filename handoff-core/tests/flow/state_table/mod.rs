//! Every state that a git work tree can be in, one test each: captured, sent as a bundle, applied to a clone, and
//! compared with git as the oracle; or listed by name where it does not travel. The table is in ARCHITECTURE.md.

mod content_forms;
mod encodings;
mod filters;
mod git_facts;
mod index_states;
mod layers;
mod nested;
mod operations;
mod renames;
mod sparse;
mod surroundings;

use handoff_core::snapshot::{Entry, RepoManifest};
use handoff_core::{
    ApplyOptions, ApplyReport, CaptureOptions, FileReport, Outcome, Snapshot, Verdict, Workspace, apply,
    capture, preview, undo,
};

use crate::support::purity::assert_untouched;
use crate::support::repo::{Format, Repo, scratch};
use crate::support::{git, oracle};

/// A repository and two clones of it: where the work was done, and where it goes.
pub struct Pair {
    pub scratch: tempfile::TempDir,
    pub origin: Repo,
    pub source: Repo,
    pub target: Repo,
}

impl Pair {
    /// Clones of what `base` makes, with one commit.
    pub fn new(base: impl FnOnce(&Repo)) -> Self {
        let scratch = scratch();
        let origin = Repo::init(scratch.path().join("origin/app"), Format::Sha1);
        base(&origin);
        origin.commit("base");
        let source = origin.clone_to(scratch.path().join("laptop/app"));
        let target = origin.clone_to(scratch.path().join("cloud/app"));
        Self { scratch, origin, source, target }
    }

    /// What the source holds, as it comes out of a bundle.
    #[track_caller]
    pub fn snapshot(&self) -> Snapshot {
        travelled(&[&self.source])
    }

    /// Captures, foresees, applies; checks that the three agree.
    #[track_caller]
    pub fn carry(&self) -> ApplyReport {
        carry(&self.snapshot(), &self.target)
    }

    /// Carries everything there and finds the same state in git's eyes, then takes it back.
    #[track_caller]
    pub fn there_and_back(&self) -> ApplyReport {
        let clean = oracle::state(&self.target);
        let report = self.carry();
        assert_eq!(report.verdict, Verdict::Complete, "{report}");
        assert_eq!(oracle::difference(&oracle::state(&self.source), &oracle::state(&self.target)), "");
        let again = self.carry();
        assert!(
            again.files().all(|(_, f)| matches!(f.outcome, Outcome::Unchanged | Outcome::NotCaptured)),
            "applied twice: {again}"
        );
        if let Some(id) = &report.apply_id {
            undo(&self.target.workspace(), id, &ApplyOptions::default().control).unwrap();
        }
        assert_eq!(oracle::difference(&clean, &oracle::state(&self.target)), "", "after the undo");
        report
    }
}

/// A capture of `sources`, which it must not touch, by way of a bundle.
#[track_caller]
pub fn travelled(sources: &[&Repo]) -> Snapshot {
    let roots: Vec<_> = sources.iter().map(|repo| repo.root.as_path()).collect();
    let workspace = Workspace::new(&roots).unwrap();
    let taken = assert_untouched(&roots, || capture(&workspace, &CaptureOptions::default())).unwrap();
    let directory = scratch();
    let bundle = directory.path().join("work.handoff");
    taken.save(&bundle).unwrap();
    let snapshot = Snapshot::open(&bundle).unwrap();
    assert_eq!((snapshot.id(), snapshot.manifest()), (taken.id(), taken.manifest()));
    snapshot
}

/// Applies to `target` after a preview that must foresee the same.
#[track_caller]
pub fn carry(snapshot: &Snapshot, target: &Repo) -> ApplyReport {
    carry_with(snapshot, target, &ApplyOptions::default())
}

#[track_caller]
pub fn carry_with(snapshot: &Snapshot, target: &Repo, options: &ApplyOptions) -> ApplyReport {
    let workspace = target.workspace();
    let foreseen = assert_untouched(&[&target.root], || preview(snapshot, &workspace, options)).unwrap();
    let report = apply(snapshot, &workspace, options).unwrap();
    assert_eq!(oracle::unsound(snapshot.manifest(), &report), "");
    let outcomes = |report: &ApplyReport| -> Vec<String> {
        let line = |(repo, f): (&str, &FileReport)| {
            format!("{repo} {} {} {:?} {:?} {:?}", f.path, f.outcome, f.detail, f.at, f.reason)
        };
        report.files().map(line).collect()
    };
    assert_eq!(outcomes(&foreseen), outcomes(&report));
    report
}

/// What the snapshot says of the repository `name`.
#[track_caller]
pub fn repo<'a>(snapshot: &'a Snapshot, name: &str) -> &'a RepoManifest {
    let repos = &snapshot.manifest().repos;
    let names = || repos.iter().map(|repo| repo.name.as_str()).collect::<Vec<_>>();
    repos.iter().find(|repo| repo.name == name).unwrap_or_else(|| panic!("{name} is not in {:?}", names()))
}

/// The paths that travel, as text.
pub fn paths(repo: &RepoManifest) -> Vec<String> {
    repo.entries.iter().map(|entry| entry.path.to_string()).collect()
}

#[track_caller]
pub fn entry<'a>(repo: &'a RepoManifest, path: &str) -> &'a Entry {
    repo.entries
        .iter()
        .find(|entry| entry.path.as_bytes() == path.as_bytes())
        .unwrap_or_else(|| panic!("{path} is not in {:?}", paths(repo)))
}

/// Paths that are listed as not carried, with the reason.
pub fn listed(repo: &RepoManifest) -> Vec<(String, String)> {
    repo.omissions.iter().map(|o| (o.path.to_string(), o.reason.to_string())).collect()
}

#[track_caller]
pub fn of<'a>(report: &'a ApplyReport, path: &str) -> &'a FileReport {
    let mut files = report.files().map(|(_, file)| file);
    let found = files.find(|file| file.path.as_bytes() == path.as_bytes());
    found.unwrap_or_else(|| panic!("{path} is not reported: {report}"))
}

/// `git status --porcelain=v2`, a line each.
pub fn status(repo: &Repo) -> Vec<String> {
    let out = git::git(&repo.root, &["status", "--porcelain=v2", "--untracked-files=all"]);
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

/// Thirty lines of which some are others.
pub fn numbered(edits: &[(usize, &str)]) -> String {
    (0..30)
        .map(|n| match edits.iter().find(|(at, _)| *at == n) {
            Some((_, text)) => format!("{text}\n"),
            None => format!("line {n}\n"),
        })
        .collect()
}

/// The last column of the tables of ARCHITECTURE.md: files, and the tests in them that show what the row says. One that is
/// renamed must not leave a row behind that proves nothing.
#[test]
fn every_row_of_the_tables_names_a_test_that_exists() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("../ARCHITECTURE.md")).unwrap();
    let start = text.find("## What apply decides").unwrap();
    let end = start + text[start..].find("## The npm package").unwrap();
    let rows = text[start..end].lines().filter(|line| line.starts_with("| "));
    let rows: Vec<&str> =
        rows.filter(|row| !row.starts_with("| Situation") && !row.starts_with("| State")).collect();
    assert!(rows.len() > 45, "{} rows", rows.len());
    for row in rows {
        assert_eq!(wrong_with(row, root), None, "{row}");
    }
    for wrong in [
        "| T = S | `unchanged` | `state_table/layers.rs` |",
        "| T = S | `unchanged` | `untracked` |",
        "| T = S | `unchanged` | the same |",
        "| T = S | `unchanged` | `layers.rs` `untracked_…` |",
        "| T = S | `unchanged` | `layers.rs` `untracked`, `no_such_test` |",
        "| T = S | `unchanged` | `no_such_file.rs` `untracked` |",
    ] {
        assert!(wrong_with(wrong, root).is_some(), "{wrong}");
    }
}

/// Why a row does not lead to tests, if so.
fn wrong_with(row: &str, root: &std::path::Path) -> Option<String> {
    let cell = row.trim_end_matches(['|', ' ']).rsplit(" | ").next()?;
    let (files, tests): (Vec<&str>, Vec<&str>) =
        cell.split('`').skip(1).step_by(2).partition(|word| word.ends_with(".rs"));
    if files.is_empty() || tests.is_empty() {
        return Some("it names no test in a file".into());
    }
    let mut sources = String::new();
    for file in files {
        let places = ["tests/flow", "tests/flow/state_table", "."];
        let found = places.iter().find_map(|at| std::fs::read_to_string(root.join(at).join(file)).ok());
        let Some(found) = found else { return Some(format!("there is no {file}")) };
        sources.push_str(&found);
    }
    let lost = tests.into_iter().find(|test| !sources.contains(&format!("#[test]\nfn {test}()")));
    lost.map(|test| format!("none of its files has the test {test}"))
}
