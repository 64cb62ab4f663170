//! Row 96: somebody changes the tree while the apply runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use handoff_core::{ApplyOptions, Durability, OnConflict, apply};
use serde_json::json;

use super::{Stage, git_directory, surroundings};
use crate::support::purity;

/// How often each race is run.
const ROUNDS: u32 = 60;

/// Applies 40 files below `race/` again and again while `attack` turns the tree over, and proves that nothing
/// outside and nothing in the git directory was touched.
fn race(attack: impl Fn(&Path, &Path) + Sync) {
    let stage = Stage::new();
    let mut parts = stage.parts.clone();
    for number in 0..40 {
        parts.add_file(json!(format!("race/{number:02}")), format!("file {number}\n").as_bytes());
    }
    let snapshot = parts.snapshot().unwrap();
    let turns = AtomicU64::new(0);
    for _ in 0..ROUNDS {
        let ground = stage.ground();
        let root = &ground.target.root;
        fs::create_dir(root.join("race")).unwrap();
        let (around, git) = (surroundings(&ground), git_directory(&ground.target));
        let workspace = ground.target.workspace();
        let mut options = ApplyOptions::default();
        options.durability = Durability::Process;
        options.on_conflict = OnConflict::Theirs;
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    attack(root, &ground.outside);
                    turns.fetch_add(1, Ordering::Relaxed);
                }
            });
            let result = apply(&snapshot, &workspace, &options);
            done.store(true, Ordering::Relaxed);
            // Whatever it could or could not do: an account of it, and no panic.
            if let Ok(report) = result {
                assert_eq!(report.files().count(), 43);
            }
        });
        let changed = purity::difference(&around, &surroundings(&ground));
        assert!(changed.is_empty(), "something outside was touched:\n{changed}");
        let changed = purity::difference(&git, &git_directory(&ground.target));
        assert!(changed.is_empty(), "the git directory was touched:\n{changed}");
    }
    assert!(turns.load(Ordering::Relaxed) > u64::from(ROUNDS), "the attacker did not get to run");
}

#[test]
fn a_directory_that_turns_into_a_link_outwards() {
    race(|root, outside| {
        let (race, aside) = (root.join("race"), root.join("aside"));
        let _ = fs::rename(&race, &aside);
        let _ = symlink(outside, &race);
        std::hint::spin_loop();
        let _ = fs::remove_file(&race);
        let _ = fs::rename(&aside, &race);
    });
}

#[test]
fn a_directory_that_turns_into_a_link_to_the_git_directory() {
    race(|root, _| {
        let (race, aside) = (root.join("race"), root.join("aside"));
        let _ = fs::rename(&race, &aside);
        let _ = symlink(".git", &race);
        std::hint::spin_loop();
        let _ = fs::remove_file(&race);
        let _ = fs::rename(&aside, &race);
    });
}

#[test]
fn files_that_turn_into_links_outwards() {
    race(|root, outside| {
        for number in 0..40 {
            let file = root.join(format!("race/{number:02}"));
            let _ = fs::remove_file(&file);
            let _ = symlink(outside.join("canary"), &file);
        }
    });
}
