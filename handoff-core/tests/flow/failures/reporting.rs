//! What people were told.

use std::collections::BTreeSet;
use std::fs;

use handoff_core::{CaptureOptions, Outcome, Verdict, Workspace, capture, preview};

use super::{Pair, applied, carry, numbered, of, paths, repo, travelled, worked_on};
use crate::support::oracle;

/// Untracked files stayed behind unsaid: openai/codex#33789 (`.agents/skills/**`).
#[test]
fn failure_09_untracked_files_are_left_behind_silently() {
    let pair = worked_on();
    pair.source.write(".agents/skills/one/SKILL.md", "one\n").write(".agents/skills/two/run.sh", "two\n");
    pair.source.write(".github/workflows/ci.yml", "on: push\n").write(".hidden", "h\n");
    let snapshot = travelled(&[&pair.source]);
    let report = carry(&snapshot, &pair.target);
    let told: BTreeSet<String> = report.files().map(|(_, file)| file.path.to_string()).collect();
    assert_eq!(told, paths(repo(&snapshot, "app")).into_iter().collect());
    let untracked = String::from_utf8(pair.source.git(&["ls-files", "-o", "--exclude-standard"])).unwrap();
    for path in untracked.lines() {
        assert_eq!(pair.target.read(path), pair.source.read(path), "{path}");
        assert!(told.contains(path));
    }
    assert_eq!(oracle::unsound(snapshot.manifest(), &report), "");
}

/// "Success" was said with nothing applied: rebel0789/codexpro#111 (run below the root).
#[test]
fn failure_12_success_with_nothing_applied() {
    let pair = worked_on();
    // Below the root, everything is applied.
    fs::create_dir(pair.target.at("dir")).unwrap();
    let below = Workspace::new([pair.target.at("dir")]).unwrap();
    let snapshot = travelled(&[&pair.source]);
    let report = handoff_core::apply(&snapshot, &below, &Default::default()).unwrap();
    assert_eq!(report.verdict, Verdict::Complete);
    for (_, file) in report.files().filter(|(_, file)| file.outcome == Outcome::Applied) {
        let there = fs::read(pair.target.at(file.path.as_bytes())).ok();
        assert_eq!(there.map(|bytes| handoff_core::Digest::of(&bytes)), file.hash, "{file:?}");
    }
    // Where nothing can be applied, that is the word for it.
    let pair = worked_on();
    for path in ["a.txt", "b.txt", "gone.txt"] {
        pair.target.write(path, "something else altogether\n");
    }
    pair.target.write("dir/new.txt", "something else\n");
    let report = applied(&snapshot, &pair.target);
    assert_eq!(report.verdict, Verdict::NothingApplied, "{report}");
    assert!(report.to_string().contains("nothing_applied"), "{report}");
    // A file that vanished between capture and apply is a conflict, not a success.
    let pair = worked_on();
    pair.target.remove("a.txt");
    let report = pair.carry();
    assert_eq!(of(&report, "a.txt").outcome, Outcome::Conflict, "{report}");
    assert_eq!(report.verdict, Verdict::Partial);
}

/// Warnings and lists of paths filled the conversation: openai/codex#7405, #7067, #7395 (a 3.9 GB session file).
#[test]
fn failure_17_noise() {
    let pair = Pair::new(|base| {
        base.write("a.txt", numbered(&[]));
    });
    for number in 0..4_000 {
        pair.source.write(format!("generated/{}/{number}.json", number % 60), format!("{number}\n"));
    }
    let mut options = CaptureOptions::default();
    options.max_entries = 1_000;
    let snapshot = capture(&pair.source.workspace(), &options).unwrap();
    let told = repo(&snapshot, "app");
    assert_eq!(told.entries.len(), 1_000);
    assert!(told.omissions.len() <= 61, "by directory: {}", told.omissions.len());
    let omitted: u64 = told.omissions.iter().map(|omission| omission.count.unwrap_or(1)).sum();
    assert_eq!(omitted, 3_000, "every one is counted");
    let report = preview(&snapshot, &pair.target.workspace(), &Default::default()).unwrap();
    assert!(report.to_string().len() <= 16 << 10, "{} bytes", report.to_string().len());
    assert!(report.to_string().contains("1000 applied"), "{report}");
}
