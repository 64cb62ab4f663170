//! Targets that are not as the source was.

use handoff_core::{DriftKind, Outcome, Verdict};

use super::{Pair, carry, numbered, of, worked_on};
use crate::support::git;
use crate::support::repo::{Format, Repo};

/// Puts `count` empty commits on the target's branch.
fn commits(repo: &Repo, count: usize) {
    let head = repo.head();
    let mut stream = String::new();
    for number in 0..count {
        let from = if number == 0 { format!("from {head}\n") } else { String::new() };
        let who = "Author <author@example.com> 1700000000 +0000";
        stream.push_str(&format!(
            "commit refs/heads/main\nauthor {who}\ncommitter {who}\ndata 4\nmore\n{from}\n"
        ));
    }
    git::git_with(&repo.root, &["fast-import", "--quiet"], stream.as_bytes());
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
