//! The command lines of both packages: the same invocations, the same exit codes, the same documents.

use std::process::Command;

use crate::run::{Done, root, run};
use crate::scratch::Scratch;
use crate::{node, python};

/// `cargo xtask commands`: on packages made anew.
pub fn all() -> Done {
    python::installed()?;
    node::prepare()?;
    compare()
}

/// A phase of `make test`: on the packages that its other phases have built.
pub fn compare() -> Done {
    let python = root().join("target/python/venv/bin/python");
    let mut compared = Command::new("node");
    compared.arg("conformance/command-lines.mjs").arg(python).current_dir(root());
    run(Scratch::new().give(&mut compared))
}
