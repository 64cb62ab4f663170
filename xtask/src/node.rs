//! The npm package: its addon by plain cargo, packed and installed as npm does it; then the types and the tests of what
//! was installed, which run its examples too.

use std::path::PathBuf;
use std::process::Command;

use crate::run::{Done, first_line, root, run};
use crate::scratch::Scratch;
use crate::{parity, tools};

/// `cargo xtask node`, and a phase of `make test`.
pub fn test() -> Done {
    prepare()?;
    // What it knows of files that have not changed is kept.
    let kept = root().join("target/node/types.tsbuildinfo");
    let mut types = node(&["node_modules/typescript/bin/tsc", "-p", "types-test", "--incremental"]);
    run(types.arg("--tsBuildInfoFile").arg(kept))?;
    let mut tests = tests();
    tests.args(files()?).env(parity::TRANSCRIPTS, parity::transcripts());
    run(Scratch::new().give(&mut tests))
}

/// Every file of tests. Not the folder: what that means to Node differs between its versions.
fn files() -> Result<Vec<String>, String> {
    let place = home().join("test");
    let entries = std::fs::read_dir(&place).map_err(|why| format!("{}: {why}", place.display()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut files: Vec<String> =
        names.filter(|name| name.ends_with(".test.mjs")).map(|name| format!("test/{name}")).collect();
    files.sort();
    Ok(files)
}

/// Node's test runner, to be given files.
pub fn tests() -> Command {
    // A file that never ends must fail, not stop everything.
    node(&["--test", "--test-reporter", "dot", "--test-timeout", "300000", "--test-concurrency", "4"])
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
    // Links to the sources would need a remote that is a known host; a clone of a folder has none.
    command.args(["--name", "handoff-node", "--treatWarningsAsErrors", "--disableSources"]);
    run(command.current_dir(home()))
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

/// The package as npm installs it, and the tools that check it.
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
    run(&mut node(&["scripts/install.mjs"]))
}

fn home() -> PathBuf {
    root().join("handoff-node")
}

fn node(args: &[&str]) -> Command {
    let mut command = Command::new("node");
    command.args(args).current_dir(home());
    command
}
