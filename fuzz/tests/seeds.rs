//! Replays the committed seeds on stable Rust, as they are and with small damage of every kind. An input that
//! once broke something is added to `fuzz/seeds/<target>/`, and from then on it is tried in every run.

mod make;

use std::fs;
use std::path::Path;

use handoff_core::snapshot::Limits;
use handoff_core::{HistoryOutcome, Manifest, Outcome, Snapshot};
use handoff_fuzz::{TARGETS, planned, received};

/// The seeds of `target` with their names, in order.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let entries = fs::read_dir(&dir).expect("every target has a directory of seeds");
    let mut seeds: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("a readable directory").path();
            (path.display().to_string(), fs::read(&path).expect("a readable seed"))
        })
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "no seeds in {}", dir.display());
    seeds
}

/// Seeds that are refused at the first byte explore nothing, so most must be accepted by the present format.
/// `HANDOFF_BLESS=1` captures them anew; keep those of older formats under a name of their own.
#[test]
fn seeds_are_of_the_present_format() {
    if std::env::var_os("HANDOFF_BLESS").is_some() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
        make::seeds(&dir);
        make::history(&dir);
    }
    for (seed, data) in seeds("bundle") {
        let read = Snapshot::read_from(data.as_slice());
        assert!(read.is_ok(), "{seed}: {read:?}; run with HANDOFF_BLESS=1 if the format has changed");
    }
    for (seed, data) in seeds("history") {
        assert_eq!(received(&data), Some(HistoryOutcome::Stored), "{seed}");
    }
    for (seed, data) in seeds("manifest") {
        let read = Manifest::from_canonical(&data, &Limits::default());
        assert!(read.is_ok(), "{seed}: {read:?}; run with HANDOFF_BLESS=1 if the format has changed");
    }
}

/// The planner really judges: what is harmless would be written, what is not would not.
#[test]
fn the_policy_target_reaches_the_policy() {
    for harmless in [&b"src/main.rs"[..], b"caf\xe9", b"a/b/c\0../../d"] {
        assert_eq!(planned(harmless), Some(Outcome::Applied), "{}", harmless.escape_ascii());
    }
    for harmful in
        [&b".git/config"[..], b"../x", b"/etc/passwd", b"a//b", b"a\0/etc/passwd", b"a\0.git/config"]
    {
        assert_eq!(planned(harmful), Some(Outcome::Skipped), "{}", harmful.escape_ascii());
    }
}

#[test]
fn every_seed_is_handled() {
    for (name, body) in TARGETS {
        for (seed, data) in seeds(name) {
            println!("{seed}");
            body(&data);
        }
    }
}

/// How many damaged copies of each seed; `HANDOFF_CASES` sets it.
fn cases() -> u64 {
    std::env::var("HANDOFF_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(100)
}

#[test]
fn damaged_seeds_are_handled() {
    for (name, body) in TARGETS {
        for (seed, data) in seeds(name) {
            for case in 0..cases() {
                let damaged = damage(&data, case);
                let outcome = std::panic::catch_unwind(|| body(&damaged));
                assert!(outcome.is_ok(), "{name} broke on {seed} with damage {case}");
            }
        }
    }
}

/// The same damage for the same number: bytes changed, cut off, repeated or put in.
fn damage(data: &[u8], case: u64) -> Vec<u8> {
    let mut state = case.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ data.len() as u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    random(1);
    let mut damaged = data.to_vec();
    for _ in 0..=random(3) {
        let at = random(damaged.len());
        match random(5) {
            0 => damaged.truncate(at),
            1 => damaged.insert(
                at.min(damaged.len()),
                [0, 1, 0x7f, 0x80, 0xff, b'"', b'/', b'{'].get(random(8)).copied().unwrap_or(0),
            ),
            2 => {
                let end = (at + random(64)).min(damaged.len());
                let piece = damaged.get(at..end).unwrap_or_default().to_vec();
                let to = random(damaged.len());
                damaged.splice(to..to, piece);
            }
            _ => {
                let bit = 1 << random(8);
                if let Some(byte) = damaged.get_mut(at) {
                    *byte ^= bit;
                }
            }
        }
    }
    damaged
}
