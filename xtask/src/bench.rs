//! Benchmarks of the packages, built as they are published.

use std::process::Command;

use crate::run::{Done, cargo, root, run, target};
use crate::{node, python, tools};

/// `cargo xtask bench-bindings`: calls through Python and Node beside the same calls in Rust.
pub fn bindings() -> Done {
    tools::need(&[("git", "git")])?;
    node::tools()?;
    let python = python::environment(&target().join("python"))?;
    let home = target().join("bench-bindings");
    let (wheels, modules) = (home.join("wheels"), home.join("modules"));
    let _ = std::fs::remove_dir_all(&home);
    std::fs::create_dir_all(&home).map_err(|why| format!("{}: {why}", home.display()))?;

    let mut addon = Command::new("node");
    let file = home.join("handoff.node");
    addon.args(["handoff-node/scripts/build.mjs", "--release", "--out"]).arg(&file);
    run(addon.current_dir(root()))?;
    let mut wheel = Command::new(&python);
    wheel.args([
        "-m",
        "maturin",
        "build",
        "--locked",
        "--profile",
        "dist",
        "-m",
        "handoff-py/Cargo.toml",
        "--out",
    ]);
    run(wheel.arg(&wheels).current_dir(root()))?;
    let mut install = Command::new(&python);
    install
        .args(["-m", "pip", "install", "--quiet", "--no-index", "--find-links"])
        .arg(&wheels)
        .arg("--target");
    run(install.arg(&modules).arg("handoff-py"))?;

    // The whole workspace's features, as the two above have them: so the core is the very same build on all sides.
    let mut bench = cargo(&["bench", "--locked", "--profile", "dist", "--workspace", "--bench", "bindings"]);
    bench.env("HANDOFF_BENCH_PYTHON", &python).env("PYTHONPATH", &modules);
    run(bench.env("HANDOFF_BENCH_NODE", "node").env("HANDOFF_NODE_ADDON", &file))
}
