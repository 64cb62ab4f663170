//! The npm package: its addon by plain cargo, its types, its tests, which run its examples too.

use std::path::PathBuf;
use std::process::Command;

use crate::run::{Done, first_line, root, run};
use crate::{parity, tools};

/// `cargo xtask node`, and a phase of `make test`.
pub fn test() -> Done {
    prepare()?;
    run(&mut node(&["node_modules/typescript/bin/tsc", "-p", "types-test"]))?;
    run(tests().arg("test/").env(parity::TRANSCRIPTS, parity::transcripts()))
}

/// Node's test runner, to be given files.
pub fn tests() -> Command {
    // A file that never ends must fail, not stop everything.
    node(&["--test", "--test-reporter", "dot", "--test-timeout", "300000", "--test-concurrency", "2"])
}

/// The runs that are too long for every day: 200 short scripts of each sort of ending, and Ctrl-C during a
/// capture of a large tree, which has to end within a second.
pub fn torture() -> Done {
    prepare()?;
    let mut tests = node(&["--test", "--test-reporter", "dot", "test/robust.test.mjs"]);
    for (name, many) in [("HANDOFF_NODE_SCRIPTS", "200"), ("HANDOFF_NODE_FILES", "30000")] {
        if std::env::var_os(name).is_none() {
            tests.env(name, many);
        }
    }
    run(&mut tests)
}

/// The pages of the API, in target/doc-node. They are made from the types alone, so nothing is built.
pub fn docs() -> Done {
    let tools = ["typedoc@0.28.20", "typescript@6.0.3", "@types/node@22.19.1"];
    let typedoc = tools::npm("typedoc", &tools)?.join("typedoc/bin/typedoc");
    let mut command = Command::new("node");
    command.arg(typedoc).args(["--tsconfig", "types-test/tsconfig.docs.json", "--out", "../target/doc-node"]);
    for page in ["js/index.d.cts", "js/testing.d.cts"] {
        command.args(["--entryPoints", page]);
    }
    // That every name is documented is a test; here, a link that leads nowhere fails.
    run(command.args(["--name", "handoff-node", "--treatWarningsAsErrors"]).current_dir(home()))
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
pub fn prepare() -> Done {
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
