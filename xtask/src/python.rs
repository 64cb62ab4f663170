//! The Python package: its wheel is built, installed in an environment of its own, and tested as a user would meet it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Counts, Done, first_line, root, run, run_counting};

const REQUIREMENTS: &str = "handoff-py/tests/requirements.txt";

/// Builds the wheel, installs it, and runs the tests, the type checks and the examples on what was installed.
pub fn test(counts: &mut Counts) -> Done {
    let home = root().join("target/python");
    let python = environment(&home)?;
    let wheels = home.join("wheels");
    // Wheels of earlier versions would be found as well.
    let _ = std::fs::remove_dir_all(&wheels);
    let mut build = Command::new(&python);
    build.args([
        "-m",
        "maturin",
        "build",
        "--locked",
        "--profile",
        "dev",
        "-m",
        "handoff-py/Cargo.toml",
        "--out",
    ]);
    run(build.arg(&wheels).current_dir(root()))?;
    let wheel = only_file(&wheels)?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--force-reinstall"]);
    run(install.arg(wheel).current_dir(root()))?;
    // Not from the checkout, where the package's sources would be found first.
    let mut tests = Command::new(&python);
    tests.args(["-m", "pytest", "-c", "pyproject.toml", "tests"]);
    run_counting(tests.current_dir(root().join("handoff-py")), counts)?;
    for check in
        [&["-m", "mypy", "--strict", "-p", "handoff"][..], &["-m", "mypy.stubtest", "handoff._native"]]
    {
        run(Command::new(&python).args(check).current_dir(&home))?;
    }
    Ok(())
}

/// The Python of an environment with everything that the tests need; made anew when that changes.
pub fn environment(home: &Path) -> Result<PathBuf, String> {
    let python = home.join("venv/bin/python");
    let stamp = home.join("requirements.txt");
    let wanted = std::fs::read(root().join(REQUIREMENTS)).map_err(|why| format!("{REQUIREMENTS}: {why}"))?;
    if python.exists() && std::fs::read(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(python);
    }
    let system = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if first_line(&system, &["-c", "import sys, venv, ensurepip; assert sys.version_info >= (3, 10)"])
        .is_none()
    {
        crate::tools::need(&[("python3", "python3")])?;
        crate::tools::install(&["python3-venv"])?;
    }
    let venv = home.join("venv");
    let _ = std::fs::remove_dir_all(&venv);
    std::fs::create_dir_all(home).map_err(|why| format!("{}: {why}", home.display()))?;
    run(Command::new(system).args(["-m", "venv"]).arg(&venv))?;
    let mut install = Command::new(&python);
    run(install
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS])
        .current_dir(root()))?;
    std::fs::write(&stamp, wanted).map_err(|why| format!("{}: {why}", stamp.display()))?;
    Ok(python)
}

fn only_file(directory: &Path) -> Result<PathBuf, String> {
    let entries = std::fs::read_dir(directory).map_err(|why| format!("{}: {why}", directory.display()))?;
    let files: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    match files.as_slice() {
        [file] => Ok(file.clone()),
        _ => Err(format!("{} should hold one wheel and holds {}", directory.display(), files.len())),
    }
}
