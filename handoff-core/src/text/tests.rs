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
    command.current_dir(dir).env("HOME", dir).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
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
    other_markers: usize,
    wrong: Vec<String>,
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn compare(dir: &Path, seed: u64, tally: &Mutex<Tally>) {
    let (kind, [base, ours, theirs]) = cases::triple(&mut Rng::new(seed));
    for (name, content) in [("base", &base), ("ours", &ours), ("theirs", &theirs)] {
        std::fs::write(dir.join(name), content).unwrap();
    }
    let (text, count) = git_merge(dir, None);
    let merged = merge(&base, &ours, &theirs, LABELS);
    let expected = if count > 0 { Some(git_merge(dir, Some("--diff3")).0) } else { None };
    if let Some(keep) = std::env::var_os("DEVKEEP") {
        let (bad, mine) = match (&merged, &expected) {
            (Merged::Clean(mine), None) => (*mine != text, mine),
            (Merged::Conflict{text:mine,..}, Some(e)) => (mine != e, mine),
            (Merged::Clean(mine)|Merged::Conflict{text:mine,..}, _) => (true, mine),
        };
        if bad {
            let d = Path::new(&keep).join(format!("{seed}-{kind:?}"));
            std::fs::create_dir_all(&d).unwrap();
            for (name, content) in [("base", &base), ("ours", &ours), ("theirs", &theirs), ("mine", mine), ("git", expected.as_ref().unwrap_or(&text))] {
                std::fs::write(d.join(name), content).unwrap();
            }
        }
    }
    let mut tally = tally.lock().unwrap();
    tally.triples += 1;
    match (merged, expected) {
        (Merged::Clean(mine), None) if mine == text => tally.clean += 1,
        (Merged::Clean(_), None) => tally.wrong.push(format!("seed {seed} ({kind:?}): clean, but other bytes")),
        (Merged::Clean(_), Some(_)) => tally.wrong.push(format!("seed {seed} ({kind:?}): clean where git conflicts")),
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
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
    assert_eq!(tally.extra_conflicts, 0, "conflicts where git is clean");
}
