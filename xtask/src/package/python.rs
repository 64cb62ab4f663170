//! The source distribution and the wheels, each in an empty environment.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{files, holds, only, same, scratch, text, unpack, weigh};
use crate::run::{Done, cargo, root, run, target};
use crate::{python, tools};

const SMOKE: &str = include_str!("smoke.py");
const LICENCES: [&str; 2] = ["LICENSE-MIT", "LICENSE-APACHE"];

/// The source distribution is whole, and what is made of it and of the checkout installs and works.
pub fn check() -> Done {
    tools::need(&[("git", "git"), ("tar", "tar")])?;
    let tools = python::environment(&target().join("python"))?;
    let home = scratch("python")?;
    let source = source(&tools, &home)?;

    let installed = empty(&home.join("of-the-sdist"))?;
    let wheels = home.join("wheels");
    let mut build = pip(&installed, &["wheel", "--no-deps", "--wheel-dir"])?;
    run(build.arg(&wheels).arg(&source))?;
    let wheel = only(&wheels, ".whl")?;
    inside(&tools, &wheel, &home.join("wheel"))?;
    // Without an index: what it depended on could not be found.
    run(pip(&installed, &["install", "--no-index"])?.arg(&wheel))?;
    works(&installed, &home)?;

    let installed = empty(&home.join("of-the-checkout"))?;
    run(pip(&installed, &["install", "."])?.current_dir(root().join("handoff-py")))?;
    works(&installed, &home)
}

/// Builds the source distribution and returns where it is unpacked.
fn source(tools: &Path, home: &Path) -> Result<PathBuf, String> {
    let (packed, unpacked) = (home.join("sdist"), home.join("unpacked"));
    let mut sdist = Command::new(tools);
    sdist.args(["-m", "maturin", "sdist", "-m", "handoff-py/Cargo.toml", "--out"]).arg(&packed);
    run(sdist.current_dir(root()))?;
    let tarball = only(&packed, ".tar.gz")?;
    weigh("source distribution", &tarball)?;
    unpack(&tarball, &unpacked)?;
    let name = tarball.file_name().unwrap_or_default().to_string_lossy().replace(".tar.gz", "");
    let source = unpacked.join(name);

    holds(
        &source,
        ["Cargo.toml", "Cargo.lock", "PKG-INFO", "README.md", "pyproject.toml"].map(PathBuf::from),
    )?;
    for part in ["handoff-core", "handoff-bridge", "handoff-py"] {
        holds(&source.join(part), ["Cargo.toml".into()])?;
        holds(&source.join(part).join("src"), files(&root().join(part).join("src"))?)?;
    }
    holds(&source.join("python"), files(&root().join("handoff-py/python"))?)?;
    // The versions that were tested are those that are built.
    same(&source.join("Cargo.lock"), &root().join("Cargo.lock"))?;
    for licence in LICENCES {
        same(&source.join(licence), &root().join(licence))?;
    }
    if let Some(stray) = files(&source)?.iter().find(|file| file.extension().is_some_and(|end| end == "so")) {
        return Err(format!("the source distribution holds {}", stray.display()));
    }
    Ok(source)
}

/// One wheel for every CPython from 3.10 on, with types and licences, without dependencies.
fn inside(tools: &Path, wheel: &Path, unpacked: &Path) -> Done {
    let name = wheel.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if !name.contains("-cp310-abi3-") {
        return Err(format!("{name} is not for every CPython from 3.10 on"));
    }
    weigh("wheel", wheel)?;
    run(Command::new(tools).args(["-m", "zipfile", "-e"]).arg(wheel).arg(unpacked))?;
    weigh("its native module", &only(unpacked, ".so")?)?;
    holds(unpacked, files(&root().join("handoff-py/python"))?)?;
    let metadata = only(unpacked, ".dist-info/METADATA")?;
    for licence in LICENCES {
        let inside = metadata.with_file_name("licenses").join(licence);
        same(&inside, &root().join(licence))?;
    }
    match text(&metadata)?.lines().find(|line| line.starts_with("Requires-Dist:")) {
        Some(line) => Err(format!("the wheel depends on something: {line}")),
        None => Ok(()),
    }
}

/// The Python of an environment that holds nothing but pip.
fn empty(venv: &Path) -> Result<PathBuf, String> {
    let system = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    run(Command::new(system).args(["-m", "venv"]).arg(venv))?;
    Ok(venv.join("bin/python"))
}

/// pip, building with cargo in a target directory where other crates are compiled once for all of this, and ours never twice
/// alike: cargo tells them apart by where they are in their workspace, so that it would take those of an unpacked source
/// distribution for those of the checkout, and of an earlier one for those of this.
fn pip(python: &Path, args: &[&str]) -> Result<Command, String> {
    let built = target().join("package-built");
    let ours = ["handoff-core", "handoff-bridge", "handoff-py"].map(|name| ["-p", name]);
    let mut forget = cargo(&["clean", "--locked", "--quiet", "--profile", "dist"]);
    run(forget.args(ours.as_flattened()).env("CARGO_TARGET_DIR", &built))?;
    let mut command = Command::new(python);
    command.args(["-m", "pip", "--quiet", "--disable-pip-version-check"]).args(args);
    command.env("CARGO_TARGET_DIR", built);
    Ok(command)
}

/// A capture and an apply through what is installed, and both ways to its command line.
fn works(python: &Path, home: &Path) -> Done {
    let script = home.join("smoke.py");
    std::fs::write(&script, SMOKE).map_err(|why| format!("{}: {why}", script.display()))?;
    // -I: nothing of where it stands or of the user's own is found.
    run(Command::new(python).arg("-I").arg(&script).arg(env!("CARGO_PKG_VERSION")).current_dir(home))?;
    run(Command::new(python.with_file_name("handoff")).arg("--version").current_dir(home))
}
