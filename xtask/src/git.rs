//! The git that tests compare with. The SDK itself never runs git; its tests do, as an oracle.
//!
//! `git merge-file --diff-algorithm`, which the merge oracle needs, came with 2.44. Where the machine's git is
//! older, Debian's own source package of a newer one is built once under `target/tools/`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{first_line, root, run};
use crate::tools;

const OLDEST: (u32, u32) = (2, 44);
/// Debian's release whose git is new enough; its source needs only a C compiler, make and zlib.
const SUITE: &str = "trixie";

/// A git of at least version 2.44, built where no other is found.
pub fn oracle() -> Result<PathBuf, String> {
    let built = root().join("target/tools/git/bin/git");
    let asked = std::env::var_os("HANDOFF_GIT").map(PathBuf::from);
    let candidates =
        asked.into_iter().chain(["git", "/usr/local/bin/git"].map(PathBuf::from)).chain([built.clone()]);
    let mut seen = Vec::new();
    for candidate in candidates {
        match version(&candidate) {
            Some(found) if found >= OLDEST => return Ok(candidate),
            Some((major, minor)) => seen.push(format!("{} is {major}.{minor}", candidate.display())),
            None => {}
        }
    }
    println!(
        "tests compare with git {}.{} or newer ({}); building Debian's newer one once, in target/tools",
        OLDEST.0,
        OLDEST.1,
        if seen.is_empty() { "none found".to_owned() } else { seen.join(", ") }
    );
    build(&built).map_err(|why| {
        format!(
            "{why}\ntests need git {}.{} or newer: install one and name it, as in \
             `HANDOFF_GIT=/usr/local/bin/git make test`",
            OLDEST.0, OLDEST.1
        )
    })?;
    match version(&built) {
        Some(found) if found >= OLDEST => Ok(built),
        _ => Err(format!("the git built at {} does not run", built.display())),
    }
}

fn version(git: &Path) -> Option<(u32, u32)> {
    let line = first_line(git.to_str()?, &["--version"])?;
    let mut numbers = line.strip_prefix("git version ")?.split('.').map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Fetches Debian's source package with apt's own checks, in directories of our own, and builds it.
fn build(git: &Path) -> Result<(), String> {
    let mut packages = Vec::new();
    for (program, package) in [("cc", "gcc"), ("make", "make"), ("xz", "xz-utils")] {
        if !tools::has(program) {
            packages.push(package);
        }
    }
    if !Path::new("/usr/include/zlib.h").exists() {
        packages.extend(["zlib1g-dev", "libc6-dev"]);
    }
    if !packages.is_empty() {
        tools::install(&packages)?;
    }
    let mirror = match debian_mirror() {
        Some(mirror) => mirror,
        None => {
            // A fresh container has not read its lists yet.
            tools::install(&[])?;
            debian_mirror().ok_or("apt knows no Debian mirror")?
        }
    };
    let scratch = root().join("target/tools/git-source");
    for dir in ["state/lists/partial", "cache/archives/partial"] {
        let dir = scratch.join(dir);
        std::fs::create_dir_all(&dir).map_err(|why| format!("making {}: {why}", dir.display()))?;
    }
    let list = scratch.join("sources.list");
    std::fs::write(&list, format!("deb-src {mirror} {SUITE} main\n"))
        .map_err(|why| format!("writing {}: {why}", list.display()))?;
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command.current_dir(&scratch);
        for (option, value) in [
            ("Dir::Etc::sourcelist", "sources.list"),
            ("Dir::Etc::sourceparts", "/dev/null"),
            ("Dir::State", "state"),
            ("Dir::Cache", "cache"),
        ] {
            let value = if value.starts_with('/') { value.into() } else { scratch.join(value) };
            command.arg("-o").arg(format!("{option}={}", value.display()));
        }
        // The download sandbox's user may not enter the directory we are in.
        command.args(["-q", "-o", "APT::Sandbox::User=root"]).args(args);
        command
    };
    run(&mut apt(&["update"]))?;
    run(&mut apt(&["source", "--download-only", "git"]))?;
    let archive = std::fs::read_dir(&scratch)
        .map_err(|why| why.to_string())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.to_str().is_some_and(|path| path.ends_with(".orig.tar.xz")))
        .ok_or("the source package of git holds no .orig.tar.xz")?;
    let source = scratch.join("source");
    std::fs::create_dir_all(&source).map_err(|why| why.to_string())?;
    run(Command::new("tar").arg("xf").arg(&archive).args(["--strip-components=1", "-C"]).arg(&source))?;
    let prefix = git.parent().and_then(Path::parent).ok_or("no prefix")?;
    let jobs = std::thread::available_parallelism().map_or(2, usize::from);
    let mut make = Command::new("make");
    make.current_dir(&source).arg(format!("-j{jobs}")).arg(format!("prefix={}", prefix.display()));
    // Plain commands on local repositories are all that tests use.
    make.args(
        ["CURL", "EXPAT", "GETTEXT", "OPENSSL", "PERL", "PYTHON", "TCLTK"].map(|part| format!("NO_{part}=1")),
    );
    make.args(["CFLAGS=-O1", "INSTALL_SYMLINKS=1", "-s", "install"]);
    run(&mut make)?;
    // The sources are large and have done their duty.
    std::fs::remove_dir_all(&scratch).map_err(|why| format!("removing {}: {why}", scratch.display()))
}

/// The mirror this machine's own apt uses for Debian.
fn debian_mirror() -> Option<String> {
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)"])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| line.strip_prefix("Debian Debian ")).map(str::to_owned)
}
