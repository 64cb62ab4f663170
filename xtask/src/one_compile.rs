//! The tests, the Python package and the npm package are built by three cargo commands. What they share is compiled once
//! only while each of them asks for the same features of it.

use std::collections::BTreeSet;

use crate::run::cargo;

/// Every package below what `which` names, with its version and features.
fn packages(which: &[&str]) -> BTreeSet<String> {
    let mut tree = cargo(&["tree", "--locked", "--prefix", "none", "--no-dedupe", "-f", "{p}|{f}"]);
    let output = tree.args(which).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo writes text");
    text.lines().map(|line| line.replace(" (proc-macro)", "")).collect()
}

#[test]
fn one_compile_serves_the_tests_and_both_packages() {
    let tests = packages(&["--workspace", "-e", "normal,build,dev"]);
    assert!(tests.len() > 100, "{tests:?}");
    for package in ["handoff-py", "handoff-node"] {
        let alone = packages(&["-p", package, "-e", "normal,build"]);
        let other: Vec<&String> = alone.difference(&tests).collect();
        assert!(
            other.is_empty(),
            "built for {package} alone, these have other features than in the tests, so they and all above them are \
             compiled again; name the missing features in handoff-bridge/Cargo.toml (of macros: in \
             handoff-py/Cargo.toml): {other:#?}"
        );
    }
}
