//! Targets that are not as the source was.

use handoff_core::{ApplyOptions, DriftKind, Outcome, Verdict};

use super::{Pair, carry, numbered, of, worked_on};
use crate::flow::state_table::carry_with;
use crate::support::git;
use crate::support::repo::{Format, Repo};

/// Puts `count` commits on the target's branch that each change a file which the source has edited, and add one.
fn commits(repo: &Repo, count: usize) {
    let head = repo.head();
    let mut stream = String::new();
    for number in 0..count {
        let from = if number == 0 { format!("from {head}\n") } else { String::new() };
        let who = "Author <author@example.com> 1700000000 +0000";
        let text = numbered(&[(25, &format!("commit {number}"))]);
        stream.push_str(&format!(
            "commit refs/heads/main\nauthor {who}\ncommitter {who}\ndata 4\nmore\n{from}\
             M 100644 inline a.txt\ndata {}\n{text}\nM 100644 inline log/{number}\ndata 2\nx\n\n",
            text.len()
        ));
    }
    git::git_with(&repo.root, &["fast-import", "--quiet"], stream.as_bytes());
    repo.git(&["reset", "-q", "--hard"]);
}

/// Changes were put on a base that they were not made on: openai/codex#33808, anthropics/claude-code#90064, #46498.
#[test]
fn failure_11_applied_to_a_stale_or_wrong_base() {
    for count in [0, 1, 500] {
        let pair = worked_on();
        commits(&pair.target, count);
        let report = pair.carry();
        let drift = &report.repos[0].drift;
        let expected = if count == 0 { DriftKind::Same } else { DriftKind::Ahead };
        assert_eq!(drift.kind, expected, "{drift:?}");
        assert_eq!(drift.ahead.unwrap_or(0), count as u64);
        assert_eq!(drift.source.map(|oid| oid.to_string()), Some(pair.source.head()));
        assert_eq!(report.verdict, Verdict::Complete, "{report}");
        // What those commits changed is merged with, never put back.
        let (outcome, edits) = match count {
            0 => (Outcome::Applied, vec![]),
            _ => (Outcome::Merged, vec![(25, format!("commit {}", count - 1))]),
        };
        let edits: Vec<_> =
            edits.iter().map(|(at, text)| (*at, text.as_str())).chain([(3, "edited")]).collect();
        assert_eq!(of(&report, "a.txt").outcome, outcome, "{report}");
        assert_eq!(pair.target.read("a.txt"), numbered(&edits).as_bytes());
        assert!((0..count).all(|number| pair.target.exists(format!("log/{number}"))));
    }
    // The source is ahead: what to do is said.
    let pair = worked_on();
    pair.source.write("c.txt", "c\n");
    pair.source.git(&["add", "c.txt"]);
    pair.source.git(&["commit", "-q", "-m", "not here yet"]);
    let report = pair.carry();
    let drift = &report.repos[0].drift;
    assert!(matches!(drift.kind, DriftKind::Behind | DriftKind::BaseMissing), "{drift:?}");
    assert!(drift.remedy.contains(&pair.source.head()[..7]), "{drift:?}");
    // Another history altogether is another repository: nothing is written without being asked for by name.
    let stranger = Repo::init(pair.scratch.path().join("stranger/app"), Format::Sha1);
    stranger.write("unrelated.txt", "u\n");
    stranger.commit("unrelated");
    let report = carry(&pair.snapshot(), &stranger);
    assert!(report.files().all(|(_, file)| file.outcome != Outcome::Applied), "{report}");
    assert_eq!(report.verdict, Verdict::NothingApplied);
    // Asked for by name, it is written, and said to be unrelated where both histories are there to tell.
    let mut options = ApplyOptions::default();
    options.map.insert("app".into(), "app".into());
    for (has_source, expected) in [(false, DriftKind::BaseMissing), (true, DriftKind::Unrelated)] {
        if has_source {
            stranger.git(&["fetch", "-q", pair.source.root.to_str().unwrap(), "HEAD"]);
        }
        let report = carry_with(&pair.snapshot(), &stranger, &options);
        let drift = &report.repos[0].drift;
        assert_eq!(drift.kind, expected, "{drift:?}");
        assert!(drift.remedy.contains(&pair.source.head()[..7]), "{drift:?}");
        assert_eq!(of(&report, "dir/new.txt").outcome, Outcome::Applied, "{report}");
        super::undone(&report, &stranger);
    }
}

/// A dirty target was no target: anthropics/claude-code#16829, #77151, github/copilot-cli#3200.
#[test]
fn failure_13_the_clean_tree_gate() {
    let pair = Pair::new(|base| {
        for path in ["disjoint.txt", "same.txt", "apart.txt", "clash.txt", "mine.txt"] {
            base.write(path, numbered(&[]));
        }
    });
    for path in ["disjoint.txt", "same.txt", "apart.txt", "clash.txt"] {
        pair.source.write(path, numbered(&[(3, "there")]));
    }
    pair.target.write("same.txt", numbered(&[(3, "there")])).write("apart.txt", numbered(&[(25, "here")]));
    pair.target
        .write("clash.txt", numbered(&[(3, "here")]))
        .write("mine.txt", "mine\n")
        .write("untracked.txt", "u\n");
    pair.target.git(&["add", "mine.txt"]);
    let report = pair.carry();
    let outcome = |path: &str| of(&report, path).outcome.clone();
    assert_eq!(outcome("disjoint.txt"), Outcome::Applied);
    assert_eq!(outcome("same.txt"), Outcome::Unchanged);
    assert_eq!(outcome("apart.txt"), Outcome::Merged);
    assert_eq!(outcome("clash.txt"), Outcome::Conflict);
    assert_eq!(pair.target.read("clash.txt"), numbered(&[(3, "here")]).as_bytes());
    assert_eq!(
        (pair.target.read("mine.txt"), pair.target.read("untracked.txt")),
        (b"mine\n".to_vec(), b"u\n".to_vec())
    );
}
