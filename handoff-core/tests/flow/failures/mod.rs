//! What others' users have lost work or patience over, one test each, so that it does not happen here. The issues
//! named are public and on GitHub.

mod applying;
mod capturing;
mod environment;
mod reporting;
mod targets;

use handoff_core::{ApplyOptions, ApplyReport, Snapshot, apply};

use super::state_table::{Pair, carry, entry, listed, numbered, of, paths, repo, travelled};
use crate::support::repo::Repo;

/// Two clones of a few files, with an edit, a deletion, a staged and a new file at the source.
fn worked_on() -> Pair {
    let pair = Pair::new(|base| {
        base.write("a.txt", numbered(&[])).write("b.txt", numbered(&[])).write("gone.txt", "gone\n");
        base.write("same.txt", "same\n").write(".gitignore", "*.log\n");
    });
    pair.source.write("b.txt", numbered(&[(3, "staged")])).git(&["add", "b.txt"]);
    pair.source.write("a.txt", numbered(&[(3, "edited")])).write("dir/new.txt", "new\n").remove("gone.txt");
    pair
}

/// An apply with default options, without looking at it.
fn applied(snapshot: &Snapshot, target: &Repo) -> ApplyReport {
    apply(snapshot, &target.workspace(), &ApplyOptions::default()).unwrap()
}

fn undone(report: &ApplyReport, target: &Repo) -> ApplyReport {
    let id = report.apply_id.expect("something was applied");
    handoff_core::undo(&target.workspace(), &id, &ApplyOptions::default().control).unwrap()
}

#[test]
fn there_is_a_test_for_each_of_the_thirty() {
    let sources = [
        include_str!("applying.rs"),
        include_str!("capturing.rs"),
        include_str!("environment.rs"),
        include_str!("reporting.rs"),
        include_str!("targets.rs"),
    ];
    let tests = || sources.iter().flat_map(|text| text.split("#[test]\nfn ").skip(1));
    for number in 1..=30 {
        let count = tests().filter(|test| test.starts_with(&format!("failure_{number:02}_"))).count();
        assert_eq!(count, 1, "failure {number} has {count} tests");
    }
    assert_eq!(tests().filter(|test| test.starts_with("failure_")).count(), 30);
}
