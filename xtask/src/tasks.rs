//! The tasks.

use std::process::Command;
use std::time::Instant;

use crate::run::{Counts, Done, cargo, root, run, run_counting, target};
use crate::{commands, git, node, package, parity, python, tidy, tools};

/// `make demo`.
pub fn demo() -> Done {
    tools::need(&[("git", "git")])?;
    let what = ["--locked", "--release", "-p", "handoff-examples", "--bin", "demo"];
    // The first build takes minutes, so it is not a quiet one.
    run(cargo(&["build"]).args(what))?;
    run(cargo(&["run", "--quiet"]).args(what))
}

/// `make test`: phases go on after one has failed, so that one run shows everything; tests come last.
pub fn test() -> Done {
    tools::need(&[("git", "git"), ("strace", "strace")])?;
    let oracle = git::oracle()?;
    let with_oracle = |mut command: Command| {
        command.env("HANDOFF_GIT", &oracle);
        command
    };
    let mut counts = Counts::default();
    let mut phases = Phases::new();
    phases.add("house rules", tidy::check(&root()));
    phases.add("format", format());
    phases.add("clippy", clippy());
    let mut doc = cargo(&["doc", "--locked", "--workspace", "--no-deps", "--quiet"]);
    phases.add("docs", run(doc.env("RUSTDOCFLAGS", "-D warnings")));
    phases.add("examples", examples());
    let mut doctests = with_oracle(cargo(&["test", "--locked", "--workspace", "--doc"]));
    phases.add("doctests", run_counting(&mut doctests, &mut counts));
    let runner: &[&str] = if tools::has_cargo("nextest") {
        &["nextest", "run", "--no-fail-fast"]
    } else {
        &["test", "--no-fail-fast"]
    };
    let mut tests = with_oracle(cargo(runner));
    // Benchmarks are built by clippy and run by `make bench`.
    tests.args(["--locked", "--workspace", "--lib", "--bins", "--tests", "--examples"]);
    // Every language's tests write down what the scenarios gave, so that none runs twice.
    phases.add("transcripts", parity::clear());
    tests.env(parity::TRANSCRIPTS, parity::transcripts());
    phases.add("tests", run_counting(&mut tests, &mut counts));
    phases.add("node", node::test());
    phases.add("python", python::test(&mut counts));
    phases.add("parity", parity::compare());
    phases.add("command lines", commands::compare());
    let outcome = phases.close();
    println!("\n{} passed, {} failed", counts.passed, counts.failed);
    outcome
}

/// `cargo xtask python`: the Python package alone.
pub fn python() -> Done {
    let mut counts = Counts::default();
    let outcome = python::test(&mut counts);
    println!("\n{} passed, {} failed", counts.passed, counts.failed);
    outcome
}

/// `cargo xtask package`, of both or of the one that is named.
pub fn package() -> Done {
    let only = std::env::args().nth(2);
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let mut phases = Phases::new();
    if wanted("node") {
        phases.add("node", package::node::check());
    }
    if wanted("python") {
        phases.add("python", package::python::check());
    }
    if phases.done.is_empty() {
        return Err("`cargo xtask package` takes nothing, `node` or `python`".into());
    }
    phases.close()
}

/// `make lint`: what needs no test to run.
pub fn lint() -> Done {
    let mut phases = Phases::new();
    phases.add("house rules", tidy::check(&root()));
    phases.add("format", format());
    phases.add("clippy", clippy());
    if tools::has_cargo("deny") {
        let deny = |what: &[&str]| {
            let mut command = cargo(&["deny", "--locked", "--workspace", "check"]);
            command.args(what);
            run(&mut command)
        };
        phases.add("licences and bans", deny(&["licenses", "bans", "sources"]));
        // The database of advisories is fetched. A change is not to blame for a network that is not there, nor for what
        // became known since.
        if let Err(why) = deny(&["advisories"]) {
            println!("advisories were found, or could not be looked up: {why}");
        }
    } else {
        println!(
            "cargo-deny is not installed, so deny.toml is not checked; `cargo install --locked cargo-deny`"
        );
    }
    phases.close()
}

/// `make bench`: ours beside what a user would do instead.
pub fn bench() -> Done {
    tools::need(&[("git", "git"), ("tar", "tar"), ("zstd", "zstd")])?;
    let mut phases = Phases::new();
    for bench in ["capture", "apply", "history", "life"] {
        phases.add(bench, run(&mut cargo(&["bench", "--locked", "-p", "handoff-benches", "--bench", bench])));
    }
    phases.close()
}

/// `make fuzz`: coverage-guided where cargo-fuzz and a nightly compiler are, else the committed seeds.
pub fn fuzz() -> Done {
    let seeds = || run(&mut cargo(&["test", "--locked", "-p", "handoff-fuzz"]));
    if !tools::has_cargo("fuzz") {
        println!(
            "cargo-fuzz is not installed, so only the seeds are replayed; `cargo install --locked cargo-fuzz`"
        );
        return seeds();
    }
    seeds()?;
    let seconds = std::env::var("FUZZ_SECONDS").unwrap_or_else(|_| "60".to_owned());
    let mut phases = Phases::new();
    for target in ["bundle", "history", "manifest", "path", "policy"] {
        let mut command = Command::new("cargo");
        // The nightly compiler is chosen by name; the variable of the stable cargo that runs us would win over it.
        command.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN").current_dir(root());
        // New inputs go to target/; the committed seeds are only read.
        let corpus = root().join("target/fuzz-corpus").join(target);
        std::fs::create_dir_all(&corpus).map_err(|why| format!("making {}: {why}", corpus.display()))?;
        // All code here is safe Rust, where a panic is the finding, so no sanitizer; and linking across crates
        // would take longer than the fuzzing.
        command.env("CARGO_PROFILE_RELEASE_LTO", "off");
        command.args(["+nightly", "fuzz", "run", "--sanitizer", "none", "--features", "libfuzzer", target]);
        command.arg(&corpus).arg(format!("fuzz/seeds/{target}"));
        command
            .arg("--")
            .arg(format!("-max_total_time={seconds}"))
            .arg("-rss_limit_mb=1024")
            .args(["-verbosity=0", "-print_final_stats=1"]);
        phases.add(target, run(&mut command));
    }
    phases.close()
}

/// `make torture`: every kind of state with the table of what was met, then the kill harness at every call and
/// many more generated cases. Tens of minutes.
pub fn torture() -> Done {
    tools::need(&[("git", "git"), ("strace", "strace")])?;
    let oracle = git::oracle()?;
    let wanted = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
    let mut phases = Phases::new();
    let mut states = cargo(&["test", "--locked", "-p", "handoff-core", "--test", "main", "--"]);
    states.args(["--exact", "--nocapture", "flow::torture::every_kind_of_state_travels"]);
    states.env("HANDOFF_GIT", &oracle).env("HANDOFF_STATES", wanted("HANDOFF_STATES", "10600"));
    phases.add("states", run(&mut states));
    let mut rest = cargo(&["test", "--locked", "-p", "handoff-core", "--lib", "--tests", "--no-fail-fast"]);
    rest.env("HANDOFF_GIT", oracle).env("HANDOFF_KILL_ALL", "1");
    rest.env("HANDOFF_CASES", wanted("HANDOFF_CASES", "5000"));
    // The long races are marked as ignored.
    rest.args(["--", "--include-ignored", "--skip", "very_many_schedules"]);
    phases.add("everything else", run(&mut rest));
    // Pure computation, an hour without optimisation.
    let mut schedules = cargo(&["test", "--locked", "--release", "-p", "handoff-core", "--lib"]);
    schedules.args(["very_many_schedules", "--", "--include-ignored", "--nocapture"]);
    phases.add("simulated schedules", run(&mut schedules));
    phases.add("node's endings", node::torture());
    phases.add("python's endings", python::torture());
    phases.close()
}

/// `cargo xtask endings`: those two alone.
pub fn endings() -> Done {
    let mut phases = Phases::new();
    phases.add("node", node::torture());
    phases.add("python", python::torture());
    phases.close()
}

/// `cargo xtask docs`: the pages of the API of all three languages, below target/.
pub fn docs() -> Done {
    let mut phases = Phases::new();
    let mut doc = cargo(&["doc", "--locked", "-p", "handoff-core", "--no-deps", "--quiet"]);
    phases.add("rust", run(doc.env("RUSTDOCFLAGS", "-D warnings")));
    phases.add("node", node::docs());
    phases.add("python", python::docs());
    println!("\ntarget/doc/handoff_core, target/doc-node, target/doc-python");
    phases.close()
}

/// `make replay`: real histories against git's own merges.
pub fn replay() -> Done {
    tools::need(&[("git", "git")])?;
    let given = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut command = cargo(&["run", "--locked", "--release", "--quiet", "-p", "handoff-replay", "--"]);
    match (given("REPO"), given("CRATES")) {
        (repo, None) => {
            let repo = repo.map_or_else(root, std::path::PathBuf::from);
            command.arg(std::path::absolute(&repo).map_err(|why| format!("{}: {why}", repo.display()))?);
        }
        (None, Some(crates)) => {
            command.arg("--releases").arg(root().join("target/releases")).args(crates.split_whitespace());
        }
        _ => return Err("give REPO or CRATES, not both".into()),
    }
    run(command.env("HANDOFF_GIT", git::oracle()?))
}

fn format() -> Done {
    component("fmt", "rustfmt")?;
    run(&mut cargo(&["fmt", "--all", "--check"]))
}

fn clippy() -> Done {
    component("clippy", "clippy")?;
    run(&mut cargo(&[
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ]))
}

/// A minimal toolchain comes without these two.
fn component(subcommand: &str, name: &str) -> Done {
    if tools::has_cargo(subcommand) {
        return Ok(());
    }
    run(Command::new("rustup").args(["component", "add", name]))
        .map_err(|why| format!("{why}\n`cargo {subcommand}` is missing: install the component {name}"))
}

/// The examples and the demo, as a reader would run them; each asserts what it claims.
const EXAMPLES: [&str; 8] = [
    "capture_apply",
    "local_to_cloud",
    "cloud_to_cloud",
    "fan_out",
    "pull_back",
    "blocked_and_answered",
    "custom_storage",
    "custom_runtime",
];

fn examples() -> Done {
    // Of the whole workspace, as the tests are: built alone they would ask for other features of shared dependencies,
    // and everything below them would be compiled once more.
    run(&mut cargo(&["build", "--locked", "--workspace", "--exclude", "xtask", "--bins", "--examples"]))?;
    let built = target().join("debug");
    for name in EXAMPLES {
        run(Command::new(built.join("examples").join(name)).current_dir(root()))?;
    }
    run(Command::new(built.join("demo")).current_dir(root()))
}

/// Phases of one task with what became of each.
struct Phases {
    done: Vec<(&'static str, f64, Done)>,
    last: Instant,
}

impl Phases {
    fn new() -> Self {
        Self { done: Vec::new(), last: Instant::now() }
    }

    fn add(&mut self, name: &'static str, outcome: Done) {
        if let Err(why) = &outcome {
            println!("{name}: {why}");
        }
        let now = Instant::now();
        self.done.push((name, (now - self.last).as_secs_f64(), outcome));
        self.last = now;
    }

    fn close(self) -> Done {
        println!();
        for (name, seconds, outcome) in &self.done {
            println!("{} {name:<18} {seconds:7.1} s", if outcome.is_ok() { "ok    " } else { "FAILED" });
        }
        let failed: Vec<&str> =
            self.done.iter().filter(|(_, _, outcome)| outcome.is_err()).map(|(name, ..)| *name).collect();
        if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
    }
}
