//! Git itself is the oracle: `git merge-file`, `git diff --no-index`, `git apply`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod cases;

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use self::cases::Rng;
use super::*;

const LABELS: Labels<'static> = Labels { ours: "ours", base: "base", theirs: "theirs" };

/// The git to compare with, cut off from every configuration of the machine.
fn git(dir: &Path) -> Command {
    let name = std::env::var_os("HANDOFF_GIT").unwrap_or_else(|| "git".into());
    let mut command = Command::new(name);
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("GIT_") {
            command.env_remove(key);
        }
    }
    command
        .current_dir(dir)
        .env("HOME", dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.env("GIT_CEILING_DIRECTORIES", dir).env("LC_ALL", "C");
    command
}

/// What `git merge-file` prints and how many conflicts it counts.
fn git_merge(dir: &Path, style: Option<&str>) -> (Vec<u8>, i32) {
    let mut command = git(dir);
    command.args(["merge-file", "-p", "-q", "--diff-algorithm=histogram"]).args(style.as_slice());
    command.args(["-L", "ours", "-L", "base", "-L", "theirs", "ours", "base", "theirs"]);
    let output = command.output().expect("git runs; set HANDOFF_GIT to a git of 2.44 or later");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        !complaint.contains("unknown option"),
        "this git does not know `merge-file --diff-algorithm`; set HANDOFF_GIT to a git of 2.44 or later: {complaint}"
    );
    let code = output.status.code().expect("git was not killed");
    assert!((0..128).contains(&code), "git merge-file failed with {code}: {complaint}");
    (output.stdout, code)
}

#[derive(Default, Debug)]
struct Tally {
    triples: usize,
    clean: usize,
    conflicts: usize,
    extra_conflicts: usize,
    /// Conflicts whose text differs from git's.
    other_markers: usize,
    /// Clean where git conflicts, or clean with other bytes.
    wrong: Vec<String>,
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Merges one generated triple both ways.
fn compare(dir: &Path, seed: u64, tally: &Mutex<Tally>) {
    let (kind, [base, ours, theirs]) = cases::triple(&mut Rng::new(seed));
    for (name, content) in [("base", &base), ("ours", &ours), ("theirs", &theirs)] {
        std::fs::write(dir.join(name), content).unwrap();
    }
    let (text, count) = git_merge(dir, None);
    let merged = merge(&base, &ours, &theirs, LABELS);
    let expected = if count > 0 { Some(git_merge(dir, Some("--diff3")).0) } else { None };
    let mut tally = tally.lock().unwrap();
    tally.triples += 1;
    match (merged, expected) {
        (Merged::Clean(mine), None) if mine == text => tally.clean += 1,
        (Merged::Clean(_), None) => {
            tally.wrong.push(format!("seed {seed} ({kind:?}): clean, but other bytes"))
        }
        (Merged::Clean(_), Some(_)) => {
            tally.wrong.push(format!("seed {seed} ({kind:?}): clean where git conflicts"))
        }
        (Merged::Conflict { .. }, None) => {
            tally.extra_conflicts += 1;
            eprintln!("seed {seed} ({kind:?}): conflict where git is clean");
        }
        (Merged::Conflict { text: mine, conflicts }, Some(expected)) => {
            tally.conflicts += 1;
            assert!(conflicts > 0);
            if mine != expected {
                tally.other_markers += 1;
                eprintln!("seed {seed} ({kind:?}): other markers");
            }
        }
    }
}

/// Runs over `HANDOFF_MERGE_TRIPLES` triples (default 2,400) from `HANDOFF_MERGE_SEED` on.
#[test]
fn merges_as_git_merge_file_does() {
    let (triples, first) = (setting("HANDOFF_MERGE_TRIPLES", 2_400), setting("HANDOFF_MERGE_SEED", 0));
    let tally = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let tally = &tally;
            scope.spawn(move || {
                let dir = tempfile::tempdir().unwrap();
                for seed in (first..first + triples).filter(|seed| seed % 2 == worker) {
                    compare(dir.path(), seed, tally);
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    println!("{tally:?}");
    assert_eq!(tally.triples as u64, triples);
    assert!(
        tally.clean > tally.triples / 5 && tally.conflicts > tally.triples / 5,
        "one-sided cases: {tally:?}"
    );
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
    assert_eq!(tally.extra_conflicts, 0, "conflicts where git is clean");
    assert_eq!(tally.other_markers, 0, "conflicts marked otherwise than by git");
}

#[test]
fn touching_hunks_conflict_and_equal_ones_agree() {
    let merged =
        |ours: &str, theirs: &str| merge(b"a\nb\nc\nd\n", ours.as_bytes(), theirs.as_bytes(), LABELS);
    assert_eq!(merged("A\nb\nc\nd\n", "a\nb\nC\nd\n"), Merged::Clean(b"A\nb\nC\nd\n".to_vec()));
    assert_eq!(merged("A\nb\nc\nD\n", "A\nb\nc\nd\n"), Merged::Clean(b"A\nb\nc\nD\n".to_vec()));
    let text = b"<<<<<<< ours\nA\nb\n||||||| base\na\nb\n=======\na\nB\n>>>>>>> theirs\nc\nd\n".to_vec();
    assert_eq!(merged("A\nb\nc\nd\n", "a\nB\nc\nd\n"), Merged::Conflict { text, conflicts: 1 });
}

#[test]
fn markers_end_as_the_lines_around_them() {
    let merged = merge(b"a\r\nb\r\n", b"a\r\nc\r\n", b"a\r\nd", LABELS);
    let text = b"a\r\n<<<<<<< ours\r\nc\r\n||||||| base\r\nb\r\n=======\r\nd\r\n>>>>>>> theirs\r\n".to_vec();
    assert_eq!(merged, Merged::Conflict { text, conflicts: 1 });
}

/// The hunks of `git diff --no-index`, without the function names git adds to their headers.
fn git_hunks(dir: &Path, context: usize) -> Vec<u8> {
    let output = git(dir)
        .args(["diff", "--no-index", "--no-color", "--text", "--diff-algorithm=histogram"])
        .arg(format!("-U{context}"))
        .args(["old", "new"])
        .output()
        .unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
    let mut hunks = Vec::new();
    for line in output.stdout.split_inclusive(|byte| *byte == b'\n').skip(4) {
        match line.strip_prefix(b"@@ ").and_then(|rest| rest.windows(3).position(|at| at == b" @@")) {
            Some(end) => {
                hunks.extend_from_slice(&line[..end + 6]);
                hunks.push(b'\n');
            }
            None => hunks.extend_from_slice(line),
        }
    }
    hunks
}

/// Runs over `HANDOFF_DIFF_PAIRS` pairs (default 600).
#[test]
fn prints_the_hunks_git_diff_prints() {
    let dir = tempfile::tempdir().unwrap();
    let mut other = Vec::new();
    for seed in 0..setting("HANDOFF_DIFF_PAIRS", 600) {
        let mut rng = Rng::new(seed);
        let (kind, [old, new]) = cases::pair(&mut rng);
        let context = [3, 3, 0, 1, 10][rng.below(5)];
        std::fs::write(dir.path().join("old"), &old).unwrap();
        std::fs::write(dir.path().join("new"), &new).unwrap();
        let mine = unified(&old, &new, context);
        let gits = git_hunks(dir.path(), context);
        if mine != gits {
            other.push(format!("seed {seed} ({kind:?}, -U{context})"));
        }
    }
    assert!(other.is_empty(), "{} differ: {other:?}", other.len());
}

/// The similarity git reports when `old` is renamed to `new`; `None` where it sees no rename.
fn git_similarity(dir: &Path, old: &[u8], new: &[u8], least: &str) -> Option<u8> {
    for (side, name, content) in [("before", "old", old), ("after", "new", new)] {
        let side = dir.join(side);
        std::fs::remove_dir_all(&side).ok();
        std::fs::create_dir(&side).unwrap();
        std::fs::write(side.join(name), content).unwrap();
    }
    let output = git(dir)
        .args(["diff", "--no-index", "--raw", "--text", &format!("-M{least}"), "before", "after"])
        .output()
        .unwrap();
    let raw = String::from_utf8(output.stdout).unwrap();
    let (_, score) = raw.split_once(" R")?;
    score.get(..3)?.parse().ok()
}

#[test]
fn estimates_similarity_as_git_does() {
    let dir = tempfile::tempdir().unwrap();
    let (mut renames, mut others) = (0, 0);
    for seed in 0..setting("HANDOFF_RENAME_PAIRS", 300) {
        let mut rng = Rng::new(seed ^ 0xabcd);
        let (_, [mut old, mut new]) = cases::pair(&mut rng);
        if rng.chance(40) {
            // A change of about half the text.
            new.truncate(new.len() / (1 + rng.below(4)));
            new.extend_from_slice(&cases::pair(&mut rng).1[0]);
        }
        if rng.chance(10) {
            // Not first in a line: git's hash of such a line is that of the line without the NUL.
            old.push(b'x');
            old.push(0);
        }
        if old.is_empty() || new.is_empty() {
            continue;
        }
        let mine = similarity(&old, &new);
        match git_similarity(dir.path(), &old, &new, "1%") {
            Some(100) if old != new => assert_eq!(mine, 99, "seed {seed}"),
            Some(score) => assert_eq!(mine, score, "seed {seed}"),
            None => assert_eq!(mine, 0, "seed {seed}"),
        }
        let rename = git_similarity(dir.path(), &old, &new, "50%").is_some();
        assert_eq!(mine >= 50, rename, "seed {seed}: {mine}");
        *(if rename { &mut renames } else { &mut others }) += 1;
    }
    println!("{renames} renames, {others} not");
}

#[test]
fn similarity_is_100_only_for_equal_content() {
    assert_eq!(similarity(b"", b""), 100);
    assert_eq!(similarity(b"", b"x"), 0);
    assert_eq!(similarity(b"a\nb\n", b"a\nb\n"), 100);
    assert_eq!(similarity(b"a\nb\n", b"b\na\n"), 99);
    assert_eq!(similarity(b"a\r\nb\r\n", b"a\nb\n"), 66);
    assert_eq!(similarity(b"one\ntwo\n", b"one\nsix\n"), 50);
    assert_eq!(similarity(b"one\n", b"six\n"), 0);
    assert_eq!(similarity(&[b'x'; 128], &[b'x'; 64]), 50);
}

#[test]
fn printed_hunks_apply() {
    let dir = tempfile::tempdir().unwrap();
    for seed in 0..setting("HANDOFF_APPLY_PAIRS", 300) {
        let mut rng = Rng::new(seed ^ 0x1234);
        let (kind, [old, new]) = cases::pair(&mut rng);
        if old == new {
            assert!(unified(&old, &new, 3).is_empty());
            continue;
        }
        let mut patch = b"diff --git a/file b/file\n--- a/file\n+++ b/file\n".to_vec();
        patch.extend(unified(&old, &new, 1 + rng.below(4)));
        std::fs::write(dir.path().join("patch"), patch).unwrap();
        std::fs::write(dir.path().join("file"), &old).unwrap();
        let output = git(dir.path()).args(["apply", "--whitespace=nowarn", "patch"]).output().unwrap();
        assert!(
            output.status.success(),
            "seed {seed} ({kind:?}): {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(std::fs::read(dir.path().join("file")).unwrap() == new, "seed {seed} ({kind:?})");
    }
}

#[test]
fn a_spent_budget_replaces_what_remains() {
    let (old, new) = ([0, 1, 2, 3, 4], [0, 1, 5, 3, 4]);
    let mut changes = diff::Changes { old: vec![false; 5], new: vec![false; 5] };
    histogram::diff(&old, &new, 6, &mut diff::Budget::of(1), &mut changes);
    // The first split has spent it: what lies before and after the block it found is replaced.
    assert_eq!(changes.old.iter().filter(|changed| **changed).count(), 3);
    assert_eq!(changes.new.iter().filter(|changed| **changed).count(), 3);
    let mut changes = diff::Changes { old: vec![false; 5], new: vec![false; 5] };
    myers::diff(&old, &new, 0..5, 0..5, 6, &mut diff::Budget::of(0), &mut changes);
    assert_eq!(
        (changes.old, changes.new),
        (vec![false, false, true, false, false], vec![false, false, true, false, false])
    );
}

#[test]
fn binary_is_a_nul_near_the_beginning() {
    let mut content = vec![b'x'; 8001];
    content[8000] = 0;
    assert!(!is_binary(&content));
    content[7999] = 0;
    assert!(is_binary(&content));
    assert!(!is_binary(b""));
}
