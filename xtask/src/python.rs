//! The Python package: its wheel is built, installed in an environment of its own, and tested as a user would meet it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::parity;
use crate::run::{Counts, Done, first_line, root, run, run_counting};
use crate::scratch::Scratch;

const REQUIREMENTS: &str = "handoff-py/tests/requirements.txt";

/// The second type checker, as npm has it: the version of PyPI only fetches this one.
const PYRIGHT: &str = "pyright@1.1.414";

/// Builds the wheel, installs it, and runs the tests, the type checks and the examples on what was installed.
pub fn test(counts: &mut Counts) -> Done {
    let python = installed()?;
    let scratch = Scratch::new();
    // Many tests wait for something, meanwhile types can be checked.
    let types = std::thread::spawn(move || types(&python, &home()));
    let mut tests = in_parallel();
    tests.arg("tests").env(parity::TRANSCRIPTS, parity::transcripts());
    let tests = run_counting(scratch.give(&mut tests), counts);
    tests.and(types.join().unwrap_or_else(|_| Err("checking the types panicked".into())))
}

fn home() -> PathBuf {
    root().join("target/python")
}

/// pytest on what was installed, to be given files.
pub fn pytest() -> Command {
    let mut tests = Command::new(home().join("venv/bin/python"));
    // Not from the checkout, where the package's sources would be found first.
    tests.args(["-m", "pytest", "-c", "pyproject.toml"]).current_dir(root().join("handoff-py"));
    tests
}

/// The same in four processes, each with tests of its own: many of them wait.
pub fn in_parallel() -> Command {
    let mut tests = pytest();
    tests.args(["-n", "4", "--dist", "worksteal"]);
    tests
}

/// The runs that are too long for every day: 200 short scripts that end at every sort of moment, and Ctrl-C during a
/// capture of a large tree, which has to end within a second.
pub fn torture() -> Done {
    installed()?;
    let mut tests = pytest();
    tests.args(["-s", "tests/test_exit.py"]);
    for (name, many) in [("HANDOFF_PY_EXITS", "200"), ("HANDOFF_PY_FILES", "30000")] {
        if std::env::var_os(name).is_none() {
            tests.env(name, many);
        }
    }
    run(&mut tests)
}

/// The pages of the API, in target/doc-python.
pub fn docs() -> Done {
    let mut pdoc = Command::new(installed()?);
    pdoc.args([
        "-W",
        "error",
        "-m",
        "pdoc",
        "--docformat",
        "restructuredtext",
        "--output-directory",
        "doc-python",
        "handoff",
    ]);
    // What only the command line is made of is no API.
    run(pdoc.args(["!handoff.cli", "!handoff.__main__"]).current_dir(root().join("target")))
}

/// The wheel, built and installed.
pub fn installed() -> Result<PathBuf, String> {
    let home = home();
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
    Ok(python)
}

/// What the type checkers say of the package, its tests and the examples, and whether the stub is what was built.
fn types(python: &Path, home: &Path) -> Done {
    run(Command::new(python).args(["-m", "mypy.stubtest", "handoff._native"]).current_dir(home))?;
    // What a checker keeps from one run to the next saves it little, and it takes as long as many tests.
    unless_unchanged(&home.join("types.inputs"), &inputs(python, home)?, || checked(python, home))
}

/// What two type checkers say of everything that they read.
fn checked(python: &Path, home: &Path) -> Done {
    run(Command::new(python).args(["-m", "mypy", "--strict", "-p", "handoff"]).current_dir(home))?;
    let mut examples = Command::new(python);
    examples.args(["-m", "mypy", "--strict", "--cache-dir"]).arg(home.join(".mypy_cache")).arg(".");
    run(examples.current_dir(root().join("examples/python")))?;
    let pyright = crate::tools::npm("pyright", &[PYRIGHT])?.join("pyright/index.js");
    // It asks the first python on the path where packages are.
    let programs = python.parent().unwrap_or(python);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let paths =
        std::env::join_paths(std::iter::once(programs.to_owned()).chain(std::env::split_paths(&paths)))
            .map_err(|why| format!("PATH: {why}"))?;
    let check = |args: &[&str], place: &Path| {
        let mut command = Command::new("node");
        command.arg(&pyright).args(args).env("PATH", &paths).env_remove("VIRTUAL_ENV");
        run(command.current_dir(place))
    };
    check(&["--warnings", "-p", "."], &root().join("handoff-py"))?;
    // Every name that can be reached has a type that is written down, in the package as it was installed.
    check(&["--verifytypes", "handoff", "--ignoreexternal"], home)
}

/// Everything that they read, byte for byte, and the versions of everything that they run with.
fn inputs(python: &Path, home: &Path) -> Result<Vec<u8>, String> {
    let version = |program: &str| first_line(program, &["--version"]).unwrap_or_default();
    let mut all =
        format!("{PYRIGHT} {} {}\n", version("node"), version(&python.to_string_lossy())).into_bytes();
    let libraries = std::fs::read_dir(home.join("venv/lib")).map_err(|why| format!("venv/lib: {why}"))?;
    let mut files = vec![root().join("handoff-py/pyproject.toml"), root().join(REQUIREMENTS)];
    let ours = ["handoff-py/python", "handoff-py/scripts", "handoff-py/tests", "examples/python"];
    let mut folders: Vec<PathBuf> = ours.iter().map(|folder| root().join(folder)).collect();
    for library in libraries.filter_map(Result::ok) {
        let packages = library.path().join("site-packages");
        let there = std::fs::read_dir(&packages).map_err(|why| format!("{}: {why}", packages.display()))?;
        // The names of the others carry their versions.
        let mut names: Vec<_> = there.filter_map(Result::ok).map(|entry| entry.file_name()).collect();
        names.sort();
        all.extend(format!("{names:?}\n").into_bytes());
        folders.push(packages.join("handoff"));
    }
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            let ending = path.extension().and_then(|ending| ending.to_str());
            match ending {
                _ if path.is_dir() => folders.push(path),
                Some("pyc" | "so") => {}
                _ => files.push(path),
            }
        }
    }
    files.sort();
    for file in files {
        all.extend(format!("{}\n", file.display()).into_bytes());
        all.extend(std::fs::read(&file).map_err(|why| format!("{}: {why}", file.display()))?);
    }
    Ok(all)
}

/// Does `work` unless it went well last time with the very same `inputs`, which are kept whole.
fn unless_unchanged(kept: &Path, inputs: &[u8], work: impl FnOnce() -> Done) -> Done {
    if std::fs::read(kept).is_ok_and(|before| before == inputs) {
        println!(
            "mypy and pyright found nothing wrong with these very files before; delete {} to ask again",
            kept.display()
        );
        return Ok(());
    }
    let _ = std::fs::remove_file(kept);
    work()?;
    std::fs::write(kept, inputs).map_err(|why| format!("{}: {why}", kept.display()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_well_is_done_again_when_a_byte_has_changed() {
        let kept = std::env::temp_dir().join(format!("handoff-xtask-inputs-{}", std::process::id()));
        let ran = std::cell::Cell::new(0);
        let ask = |inputs: &[u8], outcome: Done| {
            let done = unless_unchanged(&kept, inputs, || {
                ran.set(ran.get() + 1);
                outcome
            });
            (ran.get(), done.is_ok())
        };
        assert_eq!(ask(b"a", Err("no".into())), (1, false));
        assert_eq!(ask(b"a", Ok(())), (2, true));
        assert_eq!(ask(b"a", Err("is not asked".into())), (2, true));
        assert_eq!(ask(b"b", Err("no".into())), (3, false));
        assert_eq!(ask(b"a", Ok(())), (4, true));
        let _ = std::fs::remove_file(&kept);
    }
}
