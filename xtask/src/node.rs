//! The npm package: its addon by plain cargo, its types, its tests, which run its examples too.

use std::path::PathBuf;
use std::process::Command;

use crate::run::{Done, first_line, root, run};
use crate::tools;

/// `cargo xtask node`, and a phase of `make test`.
pub fn test() -> Done {
    prepare()?;
    run(&mut node(&["node_modules/typescript/bin/tsc", "-p", "types-test"]))?;
    // A file that never ends must fail, not stop everything.
    run(&mut node(&[
        "--test",
        "--test-reporter",
        "dot",
        "--test-timeout",
        "300000",
        "--test-concurrency",
        "2",
        "test/",
    ]))
}

/// Node and npm, new enough.
pub fn tools() -> Done {
    tools::need(&[("node", "nodejs"), ("npm", "npm"), ("git", "git")])?;
    let version = first_line("node", &["--version"]).unwrap_or_default();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < 20) {
        return Err(format!("node is {version}, and 20 or newer is needed; install it from nodejs.org"));
    }
    Ok(())
}

/// The addon, and the tools that check it.
fn prepare() -> Done {
    tools()?;
    // npm writes its own lock into node_modules last, so an install that was cut short is done again.
    let modified = |file: &str| std::fs::metadata(home().join(file)).and_then(|meta| meta.modified()).ok();
    let (installed, locked) = (modified("node_modules/.package-lock.json"), modified("package-lock.json"));
    if installed.is_none() || installed < locked {
        let mut install = Command::new("npm");
        install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(home());
        run(&mut install)?;
    }
    run(&mut node(&["scripts/build.mjs"]))
}

fn home() -> PathBuf {
    root().join("handoff-node")
}

fn node(args: &[&str]) -> Command {
    let mut command = Command::new("node");
    command.args(args).current_dir(home());
    command
}
