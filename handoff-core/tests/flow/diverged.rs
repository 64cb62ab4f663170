//! Targets in any state whatever: nothing of theirs is lost, the report is true, and undo brings all of it back.

use std::cell::RefCell;
use std::collections::BTreeMap;

use handoff_core::{ApplyOptions, Durability, OnConflict, Outcome, Snapshot, apply, capture, preview, undo};
use proptest::prelude::*;

use super::against_git::{cases, draw, story};
use crate::support::oracle::{self, Disk, State};
use crate::support::purity::assert_untouched;
use crate::support::repo::{Format, Repo, scratch_in_memory, undisturbed};
use crate::support::states::{Story, Template, slots};

#[derive(Debug, Clone)]
struct Meeting {
    source: Story,
    target: Story,
    policy: u8,
}

/// Two stories about the same few paths, so that they do meet.
fn meeting() -> impl Strategy<Value = Meeting> {
    (story(), story(), 0..slots(), 0_u8..3).prop_map(|(mut source, mut target, first, policy)| {
        for (slot, _) in source.steps.iter_mut().chain(&mut target.steps) {
            *slot = (first + *slot % 7) % slots();
        }
        Meeting { source, target, policy }
    })
}

fn text(error: handoff_core::Error) -> String {
    crate::support::driver::failure(&error).message
}

/// Contents in the journal.
fn journal(repo: &Repo) -> Vec<Vec<u8>> {
    oracle::files(&repo.git_dir().join("handoff"))
        .into_values()
        .filter_map(|disk| match disk {
            Disk::File { content, .. } => Some(oracle::folded(b"any.id", content)),
            Disk::Link(target) => Some(target),
            Disk::Special => None,
        })
        .collect()
}

/// What is wrong with the target after the apply; empty when nothing is.
fn harm(
    before: &State,
    source: &State,
    target: &Repo,
    report: &handoff_core::ApplyReport,
    policy: OnConflict,
) -> Vec<String> {
    let after = oracle::files(&target.root);
    let kept = journal(target);
    let mut wrong = Vec::new();
    for (path, old) in &before.files {
        let (Disk::File { content: bytes, .. } | Disk::Link(bytes)) = old else { continue };
        let there = match after.get(path) {
            Some(Disk::File { content, .. } | Disk::Link(content)) => content == bytes,
            _ => false,
        };
        if !there && !kept.contains(&oracle::folded(b"any.id", bytes.clone())) {
            wrong
                .push(format!("{}: its content is neither in place nor in the journal", path.escape_ascii()));
        }
    }
    let told: BTreeMap<&[u8], _> = report.files().map(|(_, file)| (file.path.as_bytes(), file)).collect();
    for (path, file) in &told {
        // A conflict about a file that the snapshot has moved names its new place, which has a report of its own
        // and is judged by that; what must stay as it was is the old place.
        let elsewhere = file.at.as_ref().map(|at| at.as_bytes());
        let own = |at: &&[u8]| file.outcome != Outcome::Conflict || !told.contains_key(at);
        let at = elsewhere.filter(own).unwrap_or(path);
        let (old, now) = (before.files.get(at), after.get(at));
        let right = match file.outcome {
            Outcome::Applied if file.at.is_none() => now == source.files.get(*path),
            Outcome::Conflict if policy == OnConflict::Markers => true,
            Outcome::Conflict | Outcome::Skipped | Outcome::NotCaptured => {
                old == now || before.ignored.contains(at)
            }
            Outcome::Failed => false,
            _ => true,
        };
        if !right {
            wrong.push(format!(
                "{file:?}\n  before {old:?}\n  after {now:?}\n  source {:?}",
                source.files.get(*path)
            ));
        }
    }
    for (path, old) in &before.files {
        let renamed =
            report.files().any(|(_, file)| file.at.as_ref().is_some_and(|at| at.as_bytes() == path));
        if !told.contains_key(path.as_slice()) && !renamed && after.get(path) != Some(old) {
            wrong.push(format!("{}: nobody spoke of it, yet it changed", path.escape_ascii()));
        }
    }
    wrong
}

type Tally = RefCell<BTreeMap<String, u32>>;

fn meet(template: &Template, meeting: &Meeting, tally: &Tally) -> Result<(), String> {
    let scratch = scratch_in_memory();
    let source = template.realise(&meeting.source, &scratch.path().join("a/app"));
    let target = template.realise(&meeting.target, &scratch.path().join("b/app"));
    let (wanted, before) = (oracle::state(&source), oracle::state(&target));
    let snapshot: Snapshot =
        assert_untouched(&[&source.root], || capture(&source.workspace(), &undisturbed())).map_err(text)?;
    let mut options = ApplyOptions::default();
    options.durability = Durability::Process;
    options.on_conflict =
        [OnConflict::Keep, OnConflict::Markers, OnConflict::Theirs][usize::from(meeting.policy)];
    let workspace = target.workspace();
    let foreseen =
        assert_untouched(&[&target.root], || preview(&snapshot, &workspace, &options)).map_err(text)?;
    let report = apply(&snapshot, &workspace, &options).map_err(text)?;
    for (_, file) in report.files() {
        let kind = match (&file.detail, &file.reason) {
            (Some(detail), _) => format!("{} {detail}", file.outcome),
            (None, Some(reason)) => format!("{} {reason}", file.outcome),
            (None, None) => file.outcome.to_string(),
        };
        *tally.borrow_mut().entry(kind).or_default() += 1;
    }
    let unsound = oracle::unsound(snapshot.manifest(), &report);
    if !unsound.is_empty() {
        return Err(format!("the report is unsound:\n{unsound}"));
    }
    let decisions = |report: &handoff_core::ApplyReport| -> Vec<String> {
        report.files().map(|(_, f)| format!("{} {} {:?} {:?}", f.path, f.outcome, f.detail, f.at)).collect()
    };
    if decisions(&foreseen) != decisions(&report) {
        return Err(format!("foreseen {:#?}\ndone {:#?}", decisions(&foreseen), decisions(&report)));
    }
    let wrong = harm(&before, &wanted, &target, &report, options.on_conflict);
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    if let Some(id) = &report.apply_id {
        undo(&workspace, id, &options.control).map_err(text)?;
    }
    let difference = oracle::difference(&before, &oracle::state(&target));
    if difference.is_empty() { Ok(()) } else { Err(format!("the undone state differs:\n{difference}")) }
}

#[test]
fn no_target_loses_anything() {
    let template = Template::new(Format::Sha1, false);
    let tally = Tally::default();
    let count = cases(300);
    draw(meeting(), 20, count, |value| meet(&template, &value, &tally));
    let tally = tally.into_inner();
    eprintln!("outcomes met: {tally:?}");
    let kinds = [
        "unchanged",
        "applied created",
        "applied modified",
        "applied deleted",
        "applied mode",
        "applied type",
        "merged",
        "conflict content",
        "conflict binary",
        "conflict type",
        "conflict modified_here",
        "conflict deleted_here",
        "conflict exists_here",
    ];
    for kind in kinds {
        let met: u32 = tally.iter().filter(|(met, _)| met.starts_with(kind)).map(|(_, count)| count).sum();
        assert!(count < 100 || met > 0, "no path was {kind}; mend the generator");
    }
}
