//! What people read when something cannot be done: `tests/golden/errors.txt` holds a text for every kind of error,
//! for bad input of every sort, and for every reason of a report. Each must say what, where, why and what to do.
//! `HANDOFF_BLESS=1` writes the file anew.

mod cases;

use std::path::{Path, PathBuf};

use handoff_core::snapshot::OmissionReason;
use handoff_core::{ApplyReport, Digest, Error, ErrorKind};
use serde_json::json;

use crate::support::driver::failure;

const GOLDEN: &str = "tests/golden/errors.txt";

/// One error of every kind, as the library makes it.
fn one_of_every_kind() -> Vec<Error> {
    let path = || PathBuf::from("/home/ana/app");
    let io = |code| std::io::Error::from_raw_os_error(code);
    let source = || Box::new(std::io::Error::other("the reason given there"));
    let what = || "bundle /home/ana/work.handoff".to_owned();
    let run: handoff_core::RunId = format!("r{}", "0".repeat(32)).parse().unwrap();
    vec![
        Error::NotARepository { path: path() },
        Error::BareRepository { path: path() },
        Error::UnsafeWorkspace { path: path(), what: "the home directory" },
        Error::Repository { path: path(), action: "reading the index".into(), source: source() },
        Error::Unsupported {
            path: path(),
            feature: "the reftable reference format".into(),
            remedy: "convert it with `git refs migrate --ref-format=files`".into(),
        },
        Error::Io { action: "writing", path: path(), source: io(28) },
        Error::Io { action: "reading", path: path(), source: io(13) },
        Error::Io { action: "opening", path: path(), source: io(24) },
        Error::Io { action: "writing", path: path(), source: io(30) },
        Error::Io { action: "reading", path: path(), source: io(5) },
        Error::Io { action: "reading", path: path(), source: io(3999) },
        Error::Format { what: what(), why: "it does not begin as a handoff bundle does".into() },
        Error::Truncated { what: what() },
        Error::Corrupt { what: what() },
        Error::BlobMissing { blob: Digest::of(b"missing") },
        Error::UnsupportedVersion { what: what(), found: "handoff/9".into(), supported: "handoff/1" },
        Error::Limit { what: "the number of entries".into(), limit: 50_000, found: 50_001 },
        Error::Busy { path: path() },
        Error::JournalNotSafe { path: path().join(".git/handoff"), why: "it is a symlink".into() },
        Error::UnknownApply { id: format!("a{}", "0".repeat(32)).parse().unwrap() },
        Error::InvalidArgument { argument: "workspace", why: "is empty; name at least one directory".into() },
        Error::Cancelled,
        Error::NotFound { what: format!("run {run}"), source: None },
        Error::NotContinuable {
            run,
            reason: handoff_core::ContinueDecision::Blocked,
            why: "it waits for an answer; answer its question instead",
        },
        Error::WrongState {
            run,
            state: handoff_core::RunState::Running,
            needs: "only a blocked run takes an answer; continue it instead",
        },
        Error::Leased { run },
        Error::Fenced { what: format!("run {run}") },
        Error::Unsynced { conversation: format!("c{}", "0".repeat(32)).parse().unwrap(), have: 3, want: 5 },
        Error::Model { asked: "other".into(), why: "the run is pinned to one; leave the model out".into() },
        Error::EnvironmentMismatch {
            environment: "env-1".parse().unwrap(),
            why: "it has no repository app; add it to the environment".into(),
        },
        Error::BudgetExhausted { unit: "credits".into() },
        Error::TimedOut { what: "the end of the run".into() },
        Error::Storage { action: "appending".into(), retryable: true, source: source() },
        Error::Storage { action: "appending".into(), retryable: false, source: source() },
        Error::Runtime { action: "launching the session".into(), retryable: true, source: source() },
        Error::Runtime { action: "launching the session".into(), retryable: false, source: source() },
        Error::Agent { action: "answering".into(), source: source() },
        Error::Policy { why: "no storage was consented to; ask for consent".into() },
    ]
}

/// Every reason that a report may give for a path or for a staged state that is not as in the snapshot.
fn reasons() -> Vec<&'static str> {
    let mut reasons = vec![
        // Of the operating system; the others go the same way.
        "ENOSPC",
        "EACCES",
        "EROFS",
        "EIO",
        "EMFILE",
        "ENOENT",
        "EBUSY",
        "cannot_write",
        // Of paths.
        "path_traversal",
        "path_absolute",
        "path_not_normalized",
        "path_nul",
        "path_too_long",
        "path_too_deep",
        "path_git_dir",
        "path_git_alias",
        "path_reserved_name",
        "path_trailing_dot_space",
        "path_ads",
        "path_illegal",
        "path_not_encodable",
        "symlink_absolute",
        "symlink_escapes",
        "symlink_git",
        "symlink_too_long",
        "protected_git_file",
        "path_prefix_conflict",
        "embedded_bare_repo",
        "path_collision",
        // Of places.
        "parent_is_symlink",
        "parent_is_git_dir",
        "parent_is_submodule",
        "parent_is_file",
        "parent_missing",
        "target_is_special",
        "not_checked_out",
        "no_target",
        "repository",
        "attributes_unreadable",
        "working-tree-encoding",
        // Of contents.
        "mode_not_allowed",
        "type_not_allowed",
        "blob_missing",
        "blob_mismatch",
        "limit",
    ];
    reasons.extend(OmissionReason::KNOWN);
    reasons
}

/// The line of a report's text about one path with this reason.
fn line_about(outcome: &str, reason: &str) -> String {
    let report = json!({
        "action": "apply", "verdict": "nothing_applied", "snapshot": "0".repeat(64),
        "repos": [{
            "name": "app", "drift": {"kind": "same"}, "staging": {"restored": 0},
            "files": [{"path": "src/a.txt", "outcome": outcome, "reason": reason}],
        }],
    });
    let report: ApplyReport = serde_json::from_value(report).unwrap();
    let text = report.to_string();
    text.lines().find(|line| line.contains("src/a.txt")).expect("the path is told of").trim().to_owned()
}

fn staging_line(reason: &str) -> String {
    let report = json!({
        "action": "apply", "verdict": "partial", "snapshot": "0".repeat(64),
        "repos": [{
            "name": "app", "drift": {"kind": "same"}, "files": [],
            "staging": {"restored": 1, "left": {reason: 1}, "left_paths": [["src/a.txt", reason]]},
        }],
    });
    let report: ApplyReport = serde_json::from_value(report).unwrap();
    let text = report.to_string();
    text.lines().find(|line| line.contains("src/a.txt")).expect("the path is told of").trim().to_owned()
}

/// Whether a message says what to do: all our remedies follow a semicolon or a full stop.
fn has_remedy(text: &str) -> bool {
    text.contains("; ") || text.contains(", so ") || text.contains(". ")
}

#[test]
fn every_text_says_what_where_why_and_what_to_do() {
    let mut told = String::new();
    let mut section = |name: &str, texts: Vec<(String, String)>| {
        told.push_str(&format!("# {name}\n"));
        for (what, text) in texts {
            assert!(has_remedy(&text), "{name}, {what}: no remedy in: {text}");
            told.push_str(&format!("\n{what}\n"));
            text.lines().for_each(|line| told.push_str(&format!("    {line}\n")));
        }
        told.push('\n');
    };
    let every = one_of_every_kind();
    for kind in ErrorKind::ALL {
        assert!(every.iter().any(|error| error.kind() == *kind), "no text for {kind}");
    }
    let texts = every.iter().map(failure).map(|told| (told.kind, told.message)).collect();
    section("Every kind of error", texts);
    section("Bad input", cases::all());
    let outcome = |reason: &str| {
        if OmissionReason::KNOWN.contains(&reason) {
            "not_captured"
        } else if reason.starts_with('E') || reason == "cannot_write" {
            "failed"
        } else {
            "skipped"
        }
    };
    let lines = reasons().into_iter().map(|reason| (reason.to_owned(), line_about(outcome(reason), reason)));
    section("Every reason of a report", lines.collect());
    let left = ["target_differs", "index_locked", "not_written", "failed"];
    let lines = left.into_iter().map(|reason| (reason.to_owned(), staging_line(reason)));
    section("Staged states that are left", lines.collect());

    if std::env::var_os("HANDOFF_BLESS").is_some() {
        std::fs::write(GOLDEN, &told).unwrap();
    }
    let golden = std::fs::read_to_string(Path::new(GOLDEN)).unwrap();
    let differs = told.lines().zip(golden.lines()).find(|(now, then)| now != then);
    assert_eq!(differs, None, "the texts changed; review them and run again with HANDOFF_BLESS=1");
    assert_eq!(told.lines().count(), golden.lines().count(), "texts were added or removed");
}
