//! Round trip: a state, captured and applied onto a clean clone at the same commit, is the same state to git,
//! byte for byte; and undone, the clone is as it was. Generated states, shrunk when they fail.
//!
//! `HANDOFF_CASES` sets how many states each SHA-1 test draws (SHA-256 and unborn ones draw a share of it);
//! `HANDOFF_SEED` is a number, or `random`. What fails prints its seed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use handoff_core::snapshot::{Entry, FileState, Mode, OmissionReason, RepoManifest};
use handoff_core::{
    ApplyOptions, ApplyReport, Durability, ObjectFormat, Outcome, Snapshot, Verdict, apply, capture, preview,
    undo,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::support::purity::{self, assert_untouched};
use crate::support::repo::{Format, Repo, scratch_in_memory, undisturbed};
use crate::support::states::{Action, CONTENTS, Item, LINKS, Story, Template, slots};
use crate::support::{git, oracle};

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        8 => (0..CONTENTS, prop::bool::weighted(0.2))
            .prop_map(|(content, executable)| Item::File { content, executable }),
        1 => (0..LINKS.len()).prop_map(Item::Link),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => item().prop_map(Action::Write),
        2 => item().prop_map(Action::Stage),
        4 => item().prop_map(Action::WriteAndStage),
        3 => (item(), item()).prop_map(|(staged, written)| Action::StageThenWrite(staged, written)),
        2 => item().prop_map(Action::StageThenRevert),
        3 => Just(Action::Remove),
        2 => Just(Action::Unstage),
        3 => Just(Action::RemoveAndUnstage),
        2 => item().prop_map(Action::StageThenRemove),
        3 => any::<bool>().prop_map(|staged| Action::Chmod { staged }),
        3 => (0..slots(), prop::option::of(item())).prop_map(|(to, then)| Action::Rename { to, then }),
        2 => item().prop_map(Action::IntentToAdd),
    ]
}

pub fn story() -> impl Strategy<Value = Story> {
    let steps = prop::collection::vec((0..slots(), action()), 0..12);
    let chances = [0.1, 0.7, 0.15, 0.7, 0.05, 0.15].map(prop::bool::weighted);
    (steps, chances).prop_map(|(steps, [detached, refreshed, racy, target_refreshed, durable, again])| {
        Story { steps, detached, refreshed, racy, target_refreshed, durable, again }
    })
}

/// How many cases, as a share of the whole.
pub fn cases(of_2000: u32) -> u32 {
    let all: u32 = std::env::var("HANDOFF_CASES").map_or(2000, |text| text.parse().expect("HANDOFF_CASES"));
    (u64::from(all) * u64::from(of_2000)).div_ceil(2000) as u32
}

/// The seed that was asked for, or the usual one.
pub fn number() -> u64 {
    let number: u64 = match std::env::var("HANDOFF_SEED").as_deref() {
        Err(_) => 20_251_120,
        Ok("random") => {
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
        }
        Ok(text) => text.parse().expect("HANDOFF_SEED is a number or `random`"),
    };
    eprintln!("HANDOFF_SEED={number}");
    number
}

/// The seed, mixed with the test's own number so that no two tests draw the same.
fn seed(test: u8) -> [u8; 32] {
    let mut seed = [test; 32];
    seed[..8].copy_from_slice(&number().to_le_bytes());
    seed
}

/// Draws `count` values and checks each; panics with the smallest that fails.
pub fn draw<S: Strategy>(strategy: S, test: u8, count: u32, check: impl Fn(S::Value) -> Result<(), String>)
where
    S::Value: Debug,
{
    let config =
        Config { cases: count, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed(test));
    let result = TestRunner::new_with_rng(config, rng)
        .run(&strategy, |value| check(value).map_err(TestCaseError::fail));
    match result {
        Ok(()) => {}
        Err(TestError::Fail(why, value)) => panic!("the smallest case that fails:\n{value:#?}\n{why}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// The kinds of change that were met, so that a generator that has gone blind is noticed.
#[derive(Default)]
struct Met(RefCell<BTreeMap<String, u32>>);

impl Met {
    fn count(&self, state: &oracle::State) {
        let mut met = self.0.borrow_mut();
        for line in &state.status {
            let kind = match line.first() {
                Some(b'1' | b'2') => String::from_utf8_lossy(&line[2..4]).into_owned(),
                Some(b'?') => "??".to_owned(),
                _ => continue,
            };
            *met.entry(kind).or_default() += 1;
        }
    }

    fn assert_met(&self, kinds: &[&str], at_least: u32) {
        let met = self.0.borrow();
        eprintln!("changes met: {met:?}");
        for kind in kinds {
            let found = met.get(*kind).copied().unwrap_or_default();
            assert!(
                found >= at_least,
                "only {found} changes of the kind {kind} were drawn; mend the generator"
            );
        }
    }
}

/// Outcome and detail of each path, for comparing a preview with its apply.
fn decisions(report: &ApplyReport) -> Vec<String> {
    report
        .files()
        .map(|(repo, f)| format!("{repo} {} {} {:?} {:?}", f.path, f.outcome, f.detail, f.at))
        .collect()
}

/// Paths that did not get where they belong.
fn misplaced(report: &ApplyReport, snapshot: &Snapshot) -> String {
    let lines: Vec<_> = report
        .files()
        .filter(|(_, file)| match file.outcome {
            Outcome::Applied | Outcome::Unchanged => false,
            Outcome::NotCaptured => file.reason.as_deref() != Some(OmissionReason::Ignored.as_str()),
            _ => true,
        })
        .map(|(_, file)| format!("{file:?}"))
        .collect();
    let whole = snapshot.manifest().repos.iter().all(|repo| repo.omissions.is_empty());
    if lines.is_empty() && whole && !snapshot.manifest().repos[0].entries.is_empty() {
        assert_eq!(report.verdict, Verdict::Complete, "everything is in place: {report:?}");
    }
    lines.join("\n")
}

fn expect_empty(what: &str, difference: String) -> Result<(), String> {
    if difference.is_empty() { Ok(()) } else { Err(format!("{what}:\n{difference}")) }
}

fn text(error: handoff_core::Error) -> String {
    crate::support::driver::failure(&error).message
}

/// The entries; of files with the attribute `ident`, whose bytes hold an expansion or not, only the git id counts.
fn entries_but_ident(snapshot: &Snapshot) -> Vec<Entry> {
    let mut entries = snapshot.manifest().repos[0].entries.clone();
    for entry in entries.iter_mut().filter(|entry| entry.path.as_bytes().ends_with(b".id")) {
        if let Some(state) = &mut entry.worktree {
            (state.blob, state.eol, state.size) = (None, None, 0);
        }
    }
    entries
}

/// One state, there and back.
fn round_trip(template: &Template, clean: &oracle::State, story: &Story, met: &Met) -> Result<(), String> {
    let scratch = scratch_in_memory();
    let source = template.realise(story, &scratch.path().join("a/app"));
    let target = template.checkout(&scratch.path().join("b/app"), story.target_refreshed);
    let wanted = oracle::state(&source);
    met.count(&wanted);

    let workspace = source.workspace();
    let taken = assert_untouched(&[&source.root], || capture(&workspace, &undisturbed())).map_err(text)?;
    let bundle = scratch.path().join("state.handoff");
    assert_untouched(&[&source.root], || taken.save(&bundle)).map_err(text)?;
    let snapshot = Snapshot::open(&bundle).map_err(text)?;
    if snapshot.id() != taken.id() || snapshot.manifest() != taken.manifest() {
        return Err("the bundle holds another snapshot than the one that was saved".into());
    }

    let workspace = target.workspace();
    let mut options = ApplyOptions::default();
    if !story.durable {
        options.durability = Durability::Process;
    }
    let foreseen =
        assert_untouched(&[&target.root], || preview(&snapshot, &workspace, &options)).map_err(text)?;
    let before = purity::fingerprint(&target.root);
    let report = apply(&snapshot, &workspace, &options).map_err(text)?;
    expect_empty("the report is unsound", oracle::unsound(snapshot.manifest(), &report))?;
    expect_empty("the preview is unsound", oracle::unsound(snapshot.manifest(), &foreseen))?;
    expect_empty("not in place", misplaced(&report, &snapshot))?;
    if decisions(&foreseen) != decisions(&report) {
        return Err(format!("foreseen {:#?}\ndone {:#?}", decisions(&foreseen), decisions(&report)));
    }
    expect_empty("the applied state differs", oracle::difference(&wanted, &oracle::state(&target)))?;
    let after = purity::fingerprint(&target.root);
    for (_, file) in report.files().filter(|(_, file)| file.outcome == Outcome::Unchanged) {
        let (old, new) = (before.get(file.path.as_bytes()), after.get(file.path.as_bytes()));
        // A directory is no state of the path, and it changes with what is in it.
        let on_file = [old, new].into_iter().flatten().any(|print| print.content.is_some());
        if on_file && old != new {
            return Err(format!("{} is reported unchanged, but was written", file.path));
        }
    }

    if story.again {
        let again = apply(&snapshot, &workspace, &options).map_err(text)?;
        let moved =
            again.files().any(|(_, f)| !matches!(f.outcome, Outcome::Unchanged | Outcome::NotCaptured));
        if moved {
            return Err(format!("applied again: {:#?}", decisions(&again)));
        }
        let recaptured =
            assert_untouched(&[&target.root], || capture(&workspace, &undisturbed())).map_err(text)?;
        let (a, b) = (entries_but_ident(&snapshot), entries_but_ident(&recaptured));
        if a != b {
            return Err(format!("captured {a:#?}\nbut after the apply {b:#?}"));
        }
    }

    if let Some(id) = &report.apply_id {
        let undone = undo(&workspace, id, &options.control).map_err(text)?;
        let left: Vec<_> = undone
            .files()
            .filter(|(_, f)| {
                !matches!(f.outcome, Outcome::Applied | Outcome::Unchanged | Outcome::NotCaptured)
            })
            .map(|(_, f)| format!("{f:?}"))
            .collect();
        expect_empty("not undone", left.join("\n"))?;
    } else if report.count(&Outcome::Applied) > 0 {
        return Err("something was applied, but there is no id to undo it by".into());
    }
    expect_empty("the undone state differs", oracle::difference(clean, &oracle::state(&target)))
}

fn round_trips(format: Format, unborn: bool, test: u8, count: u32) {
    let template = Template::new(format, unborn);
    let met = Met::default();
    let scratch = scratch_in_memory();
    let clean = oracle::state(&template.checkout(&scratch.path().join("app"), true));
    draw(story(), test, count, |story| round_trip(&template, &clean, &story, &met));
    if count >= 300 {
        let kinds: &[&str] = if unborn {
            &["A.", "AM", "AD", ".A", "??"]
        } else {
            &["M.", ".M", "MM", "MD", "A.", "AM", "AD", "D.", ".D", "T.", ".T", "R.", "RM", ".A", "??"]
        };
        met.assert_met(kinds, count / 100);
    }
}

/// A layer of an entry as git prints it: mode and id, zeros where there is nothing.
fn layer(state: Option<&FileState>, id_length: usize) -> (String, String) {
    let Some(state) = state else { return ("000000".into(), "0".repeat(id_length)) };
    let mode = match state.mode {
        Mode::Regular => "100644",
        Mode::Executable => "100755",
        Mode::Symlink => "120000",
        _ => "160000",
    };
    (mode.into(), state.oid.map_or_else(String::new, |oid| oid.to_string()))
}

/// What a manifest says, in the lines of `git status --porcelain=v2 --no-renames` without XY.
fn as_status(repo: &RepoManifest, id_length: usize) -> BTreeSet<Vec<u8>> {
    let mut lines = BTreeSet::new();
    for entry in repo.entries.iter().filter(|entry| !entry.flags.empty_dir) {
        let path = entry.path.as_bytes();
        let (head_mode, head) = layer(entry.head.as_ref(), id_length);
        let staged = entry.index.as_ref().filter(|_| !entry.flags.intent_to_add);
        let (index_mode, index) = layer(staged, id_length);
        let tracked = entry.index.is_some() || entry.flags.intent_to_add;
        let on_disk = layer(entry.worktree.as_ref(), id_length).0;
        if tracked || entry.head.is_some() {
            // Git looks at the disk only where the index has something.
            let on_disk = if tracked { on_disk } else { "000000".into() };
            let line = format!("1 {head_mode} {index_mode} {on_disk} {head} {index} ");
            lines.insert([line.as_bytes(), path].concat());
        }
        if !tracked && entry.worktree.is_some() {
            lines.insert([b"? ", path].concat());
        }
    }
    lines
}

/// The same from git itself.
fn status_of(repo: &Repo) -> BTreeSet<Vec<u8>> {
    let args = ["status", "--porcelain=v2", "-z", "--untracked-files=all", "--no-renames"];
    git::git(&repo.root, &args)
        .split(|byte| *byte == 0)
        .filter(|line| !line.is_empty())
        .map(|line| {
            if line.starts_with(b"? ") {
                return line.to_vec();
            }
            // Without XY and the submodule field.
            let fields: Vec<&[u8]> = line.splitn(4, |byte| *byte == b' ').collect();
            assert_eq!(fields[0], b"1", "{}", line.escape_ascii());
            [b"1 ", fields[3]].concat()
        })
        .collect()
}

/// Capture alone, against what git lists: the same paths, modes and ids in each layer, and the same bytes.
fn finds_what_git_finds(template: &Template, story: &Story) -> Result<(), String> {
    let scratch = scratch_in_memory();
    let source = template.realise(story, &scratch.path().join("app"));
    let workspace = source.workspace();
    let snapshot = assert_untouched(&[&source.root], || capture(&workspace, &undisturbed())).map_err(text)?;
    let repo = &snapshot.manifest().repos[0];
    let id_length = if repo.object_format == Some(ObjectFormat::Sha256) { 64 } else { 40 };
    let (mut found, wanted) = (as_status(repo, id_length), status_of(&source));
    // What was committed and is now neither staged nor free of ignore rules is passed over by git, but its
    // bytes are somebody's work on a path of the commit, so they travel.
    let ignored = oracle::state(&source).ignored;
    for entry in repo.entries.iter().filter(|entry| entry.head.is_some()) {
        if ignored.contains(entry.path.as_bytes()) {
            found.remove(&[b"? ", entry.path.as_bytes()].concat());
        }
    }
    let show = |lines: Vec<&Vec<u8>>| -> Vec<String> {
        lines.into_iter().map(|line| line.escape_ascii().to_string()).collect()
    };
    if found != wanted {
        let missed = show(wanted.difference(&found).collect());
        let invented = show(found.difference(&wanted).collect());
        return Err(format!(
            "git lists, but the capture does not: {missed:#?}\nthe other way round: {invented:#?}"
        ));
    }
    let disk = oracle::files(&source.root);
    for entry in &repo.entries {
        let carried = match entry.worktree.as_ref().and_then(|state| state.blob.as_ref()) {
            Some(blob) => snapshot.blob(blob).map_err(text)?,
            None => continue,
        };
        let there = match disk.get(entry.path.as_bytes()) {
            Some(oracle::Disk::File { content, .. }) => content,
            Some(oracle::Disk::Link(target)) => target,
            other => return Err(format!("{}: carried, but on disk there is {other:?}", entry.path)),
        };
        if oracle::folded(entry.path.as_bytes(), carried) != *there {
            return Err(format!("{}: other bytes are carried than are on disk", entry.path));
        }
    }
    Ok(())
}

#[test]
fn a_capture_finds_what_git_finds() {
    for (format, test) in [(Format::Sha1, 5), (Format::Sha256, 6)] {
        let template = Template::new(format, false);
        draw(story(), test, cases(150), |story| finds_what_git_finds(&template, &story));
    }
}

// Two tests for SHA-1, so that two cores share the work.
#[test]
fn states_travel_in_sha1_repositories() {
    round_trips(Format::Sha1, false, 1, cases(700));
}

#[test]
fn more_states_travel_in_sha1_repositories() {
    round_trips(Format::Sha1, false, 2, cases(700));
}

#[test]
fn states_travel_in_sha256_repositories() {
    round_trips(Format::Sha256, false, 3, cases(600));
}

#[test]
fn states_travel_before_the_first_commit() {
    round_trips(Format::Sha1, true, 4, cases(300));
}
