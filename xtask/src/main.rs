//! The commands behind `make`, in plain Rust so that they work the same everywhere. Each prints every command
//! it runs, installs the system packages it needs where it may, and says by name what is missing where it may not.

mod bench;
mod commands;
mod git;
mod node;
#[cfg(test)]
mod one_compile;
mod package;
mod parity;
mod python;
mod run;
mod scratch;
mod tasks;
mod tidy;
mod tools;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <task>, or make <task>

  demo      the main job on real input, REPO=path to choose the checkout (KEEP=1 keeps the scratch directory)
  test      every check: house rules, format, lints, docs, examples, seed replay, tests
  bench     capture and apply beside git and tar, HANDOFF_BENCH_QUICK=1 for small sizes
  bench-bindings  calls through Python and Node beside the same calls in Rust
  fuzz      cargo-fuzz where it is installed, for FUZZ_SECONDS (60) per target; else the seeds only
  python    the Python package: its wheel built, installed and tested (PYTHON chooses the interpreter)
  lint      house rules, format, clippy, cargo-deny where it is installed
  torture   every kind of state with a table of what was met, the kill harness at every call, many more cases
  replay    REPO=path: its commits and merges handed off and compared with git's merges (COUNT, TRIPLES, VERBOSE);
            CRATES=tokio: the same over histories made of releases (VERSIONS of each)
  node      the npm package: its addon, types, tests and examples
  parity    the scenarios of conformance/cases in Rust, Python and Node, compared byte for byte
  endings   200 short scripts for Python, 200 of each ending for Node, that end at every sort of moment; a part of torture
  docs      the pages of the API, for Rust, Python and Node, below target/
  package   what would be published, built for release and installed where nothing else is: sdist, wheel, tarballs, sizes
  commands  the two command lines, given the same and compared
  tidy      the house rules alone
";

fn main() -> ExitCode {
    let task = std::env::args().nth(1);
    let outcome = match task.as_deref() {
        Some("demo") => tasks::demo(),
        Some("test") => tasks::test(),
        Some("bench") => tasks::bench(),
        Some("bench-bindings") => bench::bindings(),
        Some("fuzz") => tasks::fuzz(),
        Some("python") => tasks::python(),
        Some("lint") => tasks::lint(),
        Some("torture") => tasks::torture(),
        Some("replay") => tasks::replay(),
        Some("node") => node::test(),
        Some("parity") => parity::all(),
        Some("endings") => tasks::endings(),
        Some("docs") => tasks::docs(),
        Some("package") => tasks::package(),
        Some("commands") => commands::all(),
        Some("tidy") => tidy::check(&run::root()),
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => Err(format!("no task is called {other:?}\n\n{HELP}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("\nxtask: {why}");
            ExitCode::FAILURE
        }
    }
}
