//! A small harness for whole-process comparisons: ours runs as a child process like its competitors do, sides
//! alternate within one run, and what is printed are medians and ratios. `cargo bench -p handoff-benches`.
//!
//! `HANDOFF_BENCH_QUICK=1` takes small sizes; `HANDOFF_BENCH_FILES`, `HANDOFF_BENCH_BIG_MIB` and
//! `HANDOFF_BENCH_ROUNDS` set single ones; `HANDOFF_BENCH_DIR` moves fixtures and outputs to another file system;
//! `HANDOFF_BENCH_STRICT=1` makes a missed goal an error.

pub mod big;
pub mod calls;
pub mod child;
pub mod corpus;
pub mod measure;
pub mod script;
pub mod table;
pub mod tree;
pub mod walk;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// Any error ends a benchmark: a number from a broken run is worse than none.
pub type Done<T = ()> = Result<T, Box<dyn Error>>;

/// The `main` of the benchmark `name`, which plays a child's part where it was started for that.
pub fn main(name: &str, run: impl FnOnce(&Sizes) -> Done) -> ExitCode {
    if let Some(code) = child::main() {
        return code;
    }
    match run(&Sizes::from_env()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{name}: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Sizes of a run.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// Tracked files.
    pub files: usize,
    /// Mebibytes of a big file.
    pub big_mib: u64,
    /// Rounds of fast sides.
    pub rounds: usize,
    /// Rounds of sides that take seconds.
    pub slow_rounds: usize,
    /// Where fixtures and outputs are.
    pub dir: PathBuf,
}

impl Sizes {
    /// From the environment.
    pub fn from_env() -> Self {
        let quick = std::env::var_os("HANDOFF_BENCH_QUICK").is_some_and(|quick| quick != "0");
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let pick =
            |name: &str, full: u64, small: u64| number(name).unwrap_or(if quick { small } else { full });
        let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/bench-fixtures");
        Self {
            files: pick("HANDOFF_BENCH_FILES", 40_000, 4_000) as usize,
            big_mib: pick("HANDOFF_BENCH_BIG_MIB", 1024, 64),
            rounds: pick("HANDOFF_BENCH_ROUNDS", 9, 3) as usize,
            slow_rounds: if quick { 1 } else { 3 },
            dir: std::env::var_os("HANDOFF_BENCH_DIR").map_or(target, PathBuf::from),
        }
    }

    /// `of` changes out of 40,000 files, scaled to the number of files at hand.
    pub fn scaled(&self, of: usize) -> usize {
        (of * self.files / 40_000).max(1)
    }

    /// A fresh directory for outputs.
    pub fn out(&self) -> Done<PathBuf> {
        let out = self.dir.join("out");
        if out.exists() {
            std::fs::remove_dir_all(&out)?;
        }
        std::fs::create_dir_all(&out)?;
        Ok(out.canonicalize()?)
    }
}
