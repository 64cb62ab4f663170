//! What the way through Python and through Node costs: capture and apply beside the same calls in Rust, and one call of a
//! storage that is written in the language, beside the same call of one that is not. `cargo xtask bench-bindings` builds
//! what this needs and names it in the environment; the core is the same build on all sides.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use handoff_benches::calls::{Caller, Spent, median};
use handoff_benches::tree::{State, Tree};
use handoff_benches::{Done, Sizes, child};

/// The goals: a share of Rust's time, and milliseconds.
const SHARE: f64 = 1.1;
const CALL: f64 = 0.3;

fn main() -> ExitCode {
    handoff_benches::main("bindings", run)
}

fn run(sizes: &Sizes) -> Done {
    let named = |name: &str| {
        let path = std::env::var_os(name).map(PathBuf::from);
        path.ok_or_else(|| format!("{name} is not set; run this through `cargo xtask bench-bindings`"))
    };
    let files = sizes.files.min(5000);
    let state = State { modified: files * 8 / 100, new: files * 2 / 100 };
    let source = Tree::at(&sizes.dir, "source", files)?;
    let target = Tree::at(&sizes.dir, "target", files)?;
    target.reunite()?;
    source.set(state)?;
    // A capture waits for files that have just changed.
    std::thread::sleep(Duration::from_secs(2));

    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let script = |program: &Path, script: &str| {
        let mut command = Command::new(program);
        command.arg(repository.join(script)).arg(source.root()).arg(target.root());
        command
    };
    let mut sides = [
        ("Rust", Caller::start(child::calls_command(source.root(), target.root()))?),
        (
            "Python",
            Caller::start(script(&named("HANDOFF_BENCH_PYTHON")?, "handoff-py/scripts/time_calls.py"))?,
        ),
        (
            "Node",
            Caller::start(script(&named("HANDOFF_BENCH_NODE")?, "handoff-node/scripts/time-calls.mjs"))?,
        ),
    ];

    // Every side starts from a clean tree, and what putting it back has written goes to disk first.
    let reset = || target.clean().and_then(|()| target.expect(state)).and_then(|()| target.settle());
    let mut taken: BTreeMap<(String, &str), Vec<Spent>> = BTreeMap::new();
    let rounds = sizes.rounds * 2 + 1;
    for round in 0..=rounds {
        for turn in 0..sides.len() {
            // The order turns, so that no side always follows the same other.
            let at = (turn + round) % sides.len();
            let Some((name, side)) = sides.get_mut(at) else { continue };
            reset()?;
            let spent = side.ask("round trip").map_err(|why| format!("{name}: {why}"))?;
            // The first warms up.
            if round > 0 {
                for (what, spent) in spent {
                    taken.entry((what, *name)).or_default().push(spent);
                }
            }
        }
    }

    println!("\n{} changes of {files} files, {rounds} rounds in turn", state.modified + state.new);
    let mut missed = Vec::new();
    for what in ["capture", "apply"] {
        for (name, _) in &sides {
            shares(&taken, what, name, &mut missed);
        }
    }
    println!(
        "\none call of a storage that is written in the language: what an operation that calls it once takes more"
    );
    println!("than the same operation on the core's own storage in memory");
    for (name, side) in sides.iter_mut().skip(1) {
        let mut calls: BTreeMap<String, Vec<Spent>> = BTreeMap::new();
        for _ in 0..9 {
            let mut answer = side.ask("calls").map_err(|why| format!("{name}: {why}"))?;
            let [wall, cpu] = answer.remove("ours").ok_or_else(|| format!("{name} did not time its own"))?;
            calls.entry("(itself)".to_owned()).or_default().push([wall, cpu]);
            for (how, [more_wall, more_cpu]) in answer {
                calls.entry(how).or_default().push([more_wall - wall, more_cpu - cpu]);
            }
        }
        for (how, spent) in calls {
            let [wall, cpu] = middle(&spent);
            if how == "(itself)" {
                println!("  {name:<7} the operation itself {wall:.3} ms, processor {cpu:.3} ms");
                continue;
            }
            let met = verdict(wall <= CALL, format!("{name}, {how}: {wall:.3} ms a call"), &mut missed);
            println!("  {name:<7} {how:<6} {wall:.3} ms, processor {cpu:.3} ms   goal ≤ {CALL} ms {met}");
        }
    }
    for (_, side) in sides {
        side.end()?;
    }
    target.reunite()?;
    source.clean()?;
    target.empty_trash()?;
    println!("\n{}", if missed.is_empty() { "every goal is met".to_owned() } else { missed.join("\n") });
    if missed.is_empty() || std::env::var_os("HANDOFF_BENCH_STRICT").is_none_or(|strict| strict == "0") {
        Ok(())
    } else {
        Err(format!("{} goals missed", missed.len()).into())
    }
}

/// One line of the table. A ratio is the median of those of single rounds: two that ran side by side met the same weather.
fn shares(taken: &BTreeMap<(String, &str), Vec<Spent>>, what: &str, name: &str, missed: &mut Vec<String>) {
    let of = |name| taken.get(&(what.to_owned(), name)).map(Vec::as_slice).unwrap_or_default();
    let (ours, rust) = (of(name), of("Rust"));
    let [wall, cpu] = middle(ours);
    let pairs = || ours.iter().zip(rust);
    let wall_share = median(pairs().map(|([ours, _], [rust, _])| ours / rust).collect());
    let cpu_share = median(pairs().map(|([_, ours], [_, rust])| ours / rust).collect());
    let goal = if name == "Rust" {
        String::new()
    } else {
        let met = verdict(wall_share <= SHARE, format!("{what}, {name}: {wall_share:.2}× Rust"), missed);
        format!("goal ≤ {SHARE:.1}× {met}")
    };
    println!(
        "  {what:<8} {name:<7} {wall:>7.1} ms {wall_share:.2}×   processor {cpu:>7.1} ms {cpu_share:.2}×   {goal}"
    );
}

fn middle(spent: &[Spent]) -> Spent {
    [
        median(spent.iter().map(|[wall, _]| *wall).collect()),
        median(spent.iter().map(|[_, cpu]| *cpu).collect()),
    ]
}

fn verdict(met: bool, what: String, missed: &mut Vec<String>) -> &'static str {
    if met {
        "met"
    } else {
        missed.push(format!("missed: {what}"));
        "MISSED"
    }
}
