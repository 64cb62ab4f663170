//! Every kind of state that design section 5 names, there and back: generated changes in each kind of checkout,
//! with a count of how often each kind was met. A sample in `make test`, 10,000 and more in `make torture`.
//!
//! `HANDOFF_STATES` sets how many, `HANDOFF_SEED` which; `HANDOFF_STATE=n` runs the n-th alone.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use handoff_core::snapshot::{Manifest, OmissionReason};
use handoff_core::{
    ApplyOptions, ApplyReport, Durability, FindingKind, Outcome, Snapshot, Workspace, apply, capture,
    preview, undo,
};
use proptest::strategy::Strategy as _;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::against_git::{cases, number, story};
use crate::support::kinds::{KINDS, kinds};
use crate::support::oracle::{self, Disk, State};
use crate::support::purity::assert_untouched;
use crate::support::repo::{Format, Repo, scratch_in_memory, undisturbed};
use crate::support::settings::{Base, Reach, SETTINGS, Setting};
use crate::support::states::{Action, Item, Story, Template, is_link, slot_of};
use crate::support::{driver, git};

/// The least that each kind must be met in a full run.
const LEAST: u32 = 200;
const FULL: u32 = 10_000;

type Met = Mutex<BTreeMap<&'static str, u32>>;

struct Templates {
    sha1: Template,
    sha256: Template,
    unborn: Template,
}

fn text(error: handoff_core::Error) -> String {
    driver::failure(&error).message
}

fn expect_empty(what: &str, difference: String) -> Result<(), String> {
    if difference.is_empty() { Ok(()) } else { Err(format!("{what}:\n{difference}")) }
}

/// Keeps a story within what the kind of checkout can be in.
fn fit(setting: &Setting, story: &Story) -> Story {
    let mut story = story.clone();
    story.detached &= setting.detaches();
    let never = |slot: usize| match setting.reach {
        // A file where the sparse checkout left out a directory leaves nothing to compare.
        Reach::Sparse => {
            ["dir", "src/deep", "file-or-dir/inner", "link-to-dir/below"].map(slot_of).contains(&slot)
        }
        // Without links a file that takes a link's place is a link with another target.
        Reach::SameButLinks => is_link(slot),
        _ => setting.name == "ignoring case" && slot == slot_of("README.MD"),
    };
    story.steps.retain(|(slot, action)| {
        !never(*slot) && !matches!(action, Action::Rename { to, .. } if never(Template::renamed(*to)))
    });
    if setting.reach == Reach::SameButLinks {
        for (_, action) in &mut story.steps {
            action.map_items(|item| match item {
                Item::Link(content) => Item::File { content, executable: false },
                file => file,
            });
        }
    }
    story
}

/// Paths that git would call changed and that are neither carried nor listed.
fn unaccounted(status: &[Vec<u8>], manifest: &Manifest) -> String {
    let mut lines = Vec::new();
    let (mut records, root) = (status.iter(), &manifest.repos[0]);
    let known = |path: &[u8]| {
        root.entries.iter().any(|entry| entry.path.as_bytes() == path)
            || root.omissions.iter().any(|omission| {
                let listed = omission.path.as_bytes();
                listed == path || (listed.ends_with(b"/") && path.starts_with(listed))
            })
            || manifest.repos.iter().skip(1).any(|repo| {
                let below = repo.name.as_bytes().strip_prefix(b"app/").unwrap_or_default();
                below == path.strip_suffix(b"/").unwrap_or(path)
            })
    };
    while let Some(record) = records.next() {
        let fields = match record.first() {
            Some(b'1') => 9,
            Some(b'2') => 10,
            Some(b'u') => 11,
            Some(b'?') => 2,
            _ => continue,
        };
        let path = record.splitn(fields, |byte| *byte == b' ').last().unwrap_or_default();
        let from = (fields == 10).then(|| records.next()).flatten();
        for path in [Some(path), from.map(Vec::as_slice)].into_iter().flatten() {
            if !known(path) {
                lines.push(format!("{} is neither carried nor listed", path.escape_ascii()));
            }
        }
    }
    lines.join("\n")
}

/// Carried paths that did not arrive as they were, and of which the report does not say so.
fn astray(report: &ApplyReport, source: &Repo, target: &Repo) -> String {
    let skipped = git::git(&target.root, &["ls-files", "-t", "-z"]);
    let skipped: Vec<&[u8]> =
        skipped.split(|byte| *byte == 0).filter_map(|line| line.strip_prefix(b"S ")).collect();
    let mut lines = Vec::new();
    for repo in &report.repos {
        let below = repo.name.strip_prefix("app").unwrap_or_default().trim_start_matches('/');
        let (from, to) = (source.root.join(below), target.root.join(below));
        let files = |root: &Path| if root.exists() { oracle::files(root) } else { BTreeMap::new() };
        let (from, to) = (files(&from), files(&to));
        for file in &repo.files {
            let path = file.path.as_bytes();
            let bytes = |files: &BTreeMap<Vec<u8>, Disk>| match files.get(path) {
                Some(Disk::File { content, .. } | Disk::Link(content)) => Some(content.clone()),
                _ => None,
            };
            match file.outcome {
                Outcome::Applied | Outcome::Unchanged => {
                    let (there, here) = (bytes(&from), bytes(&to));
                    if there != here && !(here.is_none() && skipped.contains(&path)) {
                        lines.push(format!("{} has other bytes than at the source", file.path));
                    }
                }
                Outcome::Skipped | Outcome::NotCaptured if file.reason.is_some() => {}
                _ => lines.push(format!("{file:?}")),
            }
        }
    }
    lines.join("\n")
}

/// Folds what a reach lets two states differ in.
fn lenient(reach: Reach, state: &mut State) {
    for disk in state.files.values_mut() {
        match (reach, &mut *disk) {
            (Reach::SameButModes, Disk::File { executable, .. }) => *executable = false,
            (Reach::SameButLinks, Disk::Link(target)) => {
                *disk = Disk::File { executable: false, content: std::mem::take(target) };
            }
            (Reach::SameText, Disk::File { content, .. }) => content.retain(|byte| *byte != b'\r'),
            _ => {}
        }
    }
}

/// Whether every conflict of the source's index is in the snapshot, stage by stage. Returns the paths in conflict.
fn conflicts(source: &Repo, manifest: &Manifest) -> Result<Vec<Vec<u8>>, String> {
    let mut stages: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for line in git::git(&source.root, &["ls-files", "-u", "-z"]).split(|byte| *byte == 0) {
        let Some(tab) = line.iter().position(|byte| *byte == b'\t') else { continue };
        stages.entry(line[tab + 1..].to_vec()).or_default().push(line[tab - 1] - b'0');
    }
    for (path, wanted) in &stages {
        let entry = manifest.repos[0].entries.iter().find(|entry| entry.path.as_bytes() == path);
        let found: Vec<u8> = entry
            .map(|entry| entry.flags.stages.iter().map(|stage| stage.stage).collect())
            .unwrap_or_default();
        if found != *wanted {
            return Err(format!("{}: stages {wanted:?}, captured {found:?}", path.escape_ascii()));
        }
    }
    Ok(stages.into_keys().collect())
}

fn compare(setting: &Setting, mut wanted: State, target: &Repo, clean: &State, apart: &[Vec<u8>]) -> String {
    let mut found = oracle::state(target);
    match setting.reach {
        Reach::Sparse => {
            // Absent by skip-worktree: as committed at the target.
            for (path, disk) in &clean.files {
                let listed =
                    wanted.index.iter().any(|line| line.ends_with(&[b"\t", path.as_slice()].concat()));
                if listed && !wanted.files.contains_key(path) && found.files.get(path) == Some(disk) {
                    wanted.files.insert(path.clone(), disk.clone());
                }
            }
        }
        Reach::Stages => {
            let apart: Vec<Vec<u8>> = apart.iter().map(|path| [b"\t", path.as_slice()].concat()).collect();
            for state in [&mut wanted, &mut found] {
                state.index.retain(|line| !apart.iter().any(|path| line.ends_with(path)));
                // How git pairs renames depends on the conflicts; the index and the files say the same.
                state.status.clear();
            }
        }
        reach => {
            lenient(reach, &mut wanted);
            lenient(reach, &mut found);
        }
    }
    oracle::difference(&wanted, &found)
}

fn round_trip(templates: &Templates, setting: &Setting, story: &Story, met: &Met) -> Result<(), String> {
    let template = match setting.base {
        Base::Sha1 => &templates.sha1,
        Base::Sha256 => &templates.sha256,
        Base::Unborn => &templates.unborn,
    };
    let story = fit(setting, story);
    let scratch = scratch_in_memory();
    std::fs::create_dir(scratch.path().join("a")).unwrap();
    let source = (setting.place)(template, &scratch.path().join("a/app"));
    let target = template.checkout(&scratch.path().join("b/app"), story.target_refreshed);
    (setting.before)(&source, &target);
    template.change(&source, &story);
    let early = (setting.reach == Reach::AsBefore).then(|| oracle::state(&source));
    (setting.after)(&source, &target);
    if setting.reach == Reach::Refused {
        return match Workspace::new([&source.root]).and_then(|there| capture(&there, &undisturbed())) {
            Err(why) if why.kind() == handoff_core::ErrorKind::Unsupported => Ok(()),
            Err(why) => Err(text(why)),
            Ok(_) => Err("captured, though it cannot have been understood".into()),
        };
    }
    let wanted = oracle::state(&source);

    let workspace = source.workspace();
    let snapshot: Snapshot =
        assert_untouched(&[&source.root], || capture(&workspace, &undisturbed())).map_err(text)?;
    let manifest = snapshot.manifest();
    if let Some(failed) = manifest.repos.iter().find_map(|repo| repo.failed.as_ref()) {
        return Err(format!("not captured: {failed:?}"));
    }
    expect_empty("lost", unaccounted(&wanted.status, manifest))?;
    let apart = conflicts(&source, manifest)?;
    let operation = setting.name.ends_with("under way");
    if manifest.repos[0].operation.is_some() != operation {
        return Err(format!("the operation under way is {:?}", manifest.repos[0].operation));
    }
    if (setting.name == "stash") != (manifest.repos[0].stashes == 1) {
        return Err(format!("{} stashes are counted", manifest.repos[0].stashes));
    }

    let clean = oracle::state(&target);
    let workspace = target.workspace();
    let mut options = ApplyOptions::default();
    options.durability = Durability::Process;
    assert_untouched(&[&target.root], || preview(&snapshot, &workspace, &options)).map_err(text)?;
    let report = apply(&snapshot, &workspace, &options).map_err(text)?;
    expect_empty("the report is unsound", oracle::unsound(manifest, &report))?;
    if operation && !report.repos[0].findings.iter().any(|finding| finding.kind == FindingKind::Operation) {
        return Err("the report does not tell of the operation under way".into());
    }
    if setting.reach == Reach::Listed {
        expect_empty("astray", astray(&report, &source, &target))?;
    } else {
        let left: Vec<_> = report
            .files()
            .filter(|(_, file)| match file.outcome {
                Outcome::Applied | Outcome::Unchanged => false,
                Outcome::NotCaptured => file.reason.as_deref() != Some(OmissionReason::Ignored.as_str()),
                _ => true,
            })
            .map(|(_, file)| format!("{file:?}"))
            .collect();
        expect_empty("not in place", left.join("\n"))?;
        let wanted = early.unwrap_or(wanted);
        expect_empty("the applied state differs", compare(setting, wanted, &target, &clean, &apart))?;
    }
    if let Some(id) = &report.apply_id {
        undo(&workspace, id, &options.control).map_err(text)?;
    }
    expect_empty("the undone state differs", oracle::difference(&clean, &oracle::state(&target)))?;
    let mut met = met.lock().unwrap();
    for kind in kinds(&snapshot, &story) {
        *met.entry(kind).or_default() += 1;
    }
    Ok(())
}

/// One state by its number; the smallest that fails in the error.
fn one(templates: &Templates, seed: u64, number: u32, met: &Met) -> Result<(), String> {
    let setting = &SETTINGS[number as usize % SETTINGS.len()];
    let mut bytes = [0x70; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..12].copy_from_slice(&number.to_le_bytes());
    let config = Config { failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let tree = story().new_tree(&mut runner).map_err(|why| why.to_string())?;
    let outcome = runner
        .run_one(tree, |story| round_trip(templates, setting, &story, met).map_err(TestCaseError::fail));
    match outcome {
        Ok(_) => {
            *met.lock().unwrap().entry(setting.name).or_default() += 1;
            Ok(())
        }
        Err(TestError::Fail(why, story)) => Err(format!(
            "HANDOFF_SEED={seed} HANDOFF_STATE={number}: {}\nthe smallest that fails: {story:#?}\n{why}",
            setting.name
        )),
        Err(TestError::Abort(why)) => Err(why.to_string()),
    }
}

#[test]
fn every_kind_of_state_travels() {
    let seed = number();
    let states =
        std::env::var("HANDOFF_STATES").map(|text| text.parse().expect("HANDOFF_STATES is a number"));
    let count: u32 = states.unwrap_or_else(|_| cases(400));
    let templates = Templates {
        sha1: Template::new(Format::Sha1, false),
        sha256: Template::new(Format::Sha256, false),
        unborn: Template::new(Format::Sha1, true),
    };
    let met = Met::default();
    if let Ok(alone) = std::env::var("HANDOFF_STATE") {
        return one(&templates, seed, alone.parse().expect("a number"), &met).unwrap();
    }
    let (next, failed, wrong) = (AtomicU32::new(0), AtomicBool::new(false), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    if let Err(why) = one(&templates, seed, number, &met) {
                        wrong.lock().unwrap().push(why);
                        failed.store(std::env::var_os("HANDOFF_GO_ON").is_none(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let (met, wrong) = (met.into_inner().unwrap(), wrong.into_inner().unwrap());
    assert!(wrong.is_empty(), "{} of {count} states differ:\n{}", wrong.len(), wrong.join("\n\n"));
    eprintln!("{count} states, 0 differences");
    let all = SETTINGS.iter().map(|setting| setting.name).chain(KINDS.iter().copied());
    let mut rare = Vec::new();
    for kind in all {
        let times = met.get(kind).copied().unwrap_or_default();
        eprintln!("{times:8}  {kind}");
        if times < LEAST {
            rare.push(kind);
        }
    }
    assert!(count < FULL || rare.is_empty(), "met less than {LEAST} times; mend the generator: {rare:?}");
}
