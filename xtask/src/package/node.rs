//! The tarballs of the npm package, in an empty folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{files, holds, only, scratch, text, unpack, weigh};
use crate::run::{Done, root, run};
use crate::{node, tools};

const SMOKE: &str = include_str!("smoke.mjs");

/// The tarballs install and work, and say what to do where no binary fits.
pub fn check() -> Done {
    tools::need(&[("git", "git"), ("tar", "tar")])?;
    node::tools()?;
    let home = scratch("node")?;
    let (addon, packed) = (home.join("addon"), home.join("packed"));
    fs::create_dir_all(&addon).map_err(|why| format!("{}: {why}", addon.display()))?;
    let script = |name: &str| {
        let mut command = Command::new("node");
        command.arg(root().join("handoff-node/scripts").join(name)).current_dir(root());
        command
    };
    run(script("build.mjs").args(["--release", "--out"]).arg(&addon))?;
    weigh("addon", &only(&addon, ".node")?)?;
    run(script("pack.mjs").arg("--from").arg(&addon).arg("--out").arg(&packed))?;

    let main = packed.join(concat!("handoff-node-", env!("CARGO_PKG_VERSION"), ".tgz"));
    let binary = files(&packed)?.into_iter().map(|name| packed.join(name)).find(|path| *path != main);
    let binary = binary.ok_or("no tarball was made for this platform's binary")?;
    let licences = ["README.md", "LICENSE-MIT", "LICENSE-APACHE"];
    inside(&main, &home.join("main"), &licences)?;
    inside(&binary, &home.join("binary"), &licences[1..])?;

    let app = app(&home, "app", &[&main, &binary], &[])?;
    run(smoke().current_dir(&app))?;
    run(Command::new("node").args(["node_modules/.bin/handoff-node", "--version"]).current_dir(&app))?;

    // As on a platform that we have no binary for.
    let bare = self::app(&home, "bare", &[&main], &["--omit=optional"])?;
    let output =
        smoke().current_dir(bare).output().map_err(|why| format!("node could not be started: {why}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    for part in ["no binary that runs here", "--omit=optional", "What to do:"] {
        if output.status.success() || !said.contains(part) {
            return Err(format!("without its binary the package should fail and say {part:?}, not:\n{said}"));
        }
    }
    println!("without its binary the package says what to do");
    Ok(())
}

/// An empty folder into which `tarballs` were installed.
fn app(home: &Path, name: &str, tarballs: &[&Path], options: &[&str]) -> Result<PathBuf, String> {
    let app = home.join(name);
    let failed = |why| format!("{}: {why}", app.display());
    fs::create_dir_all(&app).map_err(failed)?;
    fs::write(app.join("package.json"), "{\"name\":\"app\",\"private\":true}").map_err(failed)?;
    fs::write(app.join("smoke.mjs"), SMOKE).map_err(failed)?;
    let mut npm = Command::new("npm");
    // Offline: what they depended on could not be found; the binaries of other platforms are optional.
    npm.args(["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund"]).args(options);
    run(npm.args(tarballs).current_dir(&app))?;
    Ok(app)
}

fn smoke() -> Command {
    let mut command = Command::new("node");
    command.args(["smoke.mjs", env!("CARGO_PKG_VERSION")]);
    command
}

/// A tarball's size, that it holds `wanted`, and that it depends on nothing.
fn inside(tarball: &Path, unpacked: &Path, wanted: &[&str]) -> Done {
    weigh(&tarball.file_name().unwrap_or_default().to_string_lossy(), tarball)?;
    unpack(tarball, unpacked)?;
    let package = unpacked.join("package");
    holds(&package, wanted.iter().map(Into::into))?;
    let manifest = package.join("package.json");
    let dependencies = ["\"dependencies\"", "\"peerDependencies\"", "\"bundleDependencies\"", "install\":"];
    match dependencies.iter().find(|key| text(&manifest).is_ok_and(|text| text.contains(**key))) {
        Some(key) => Err(format!("{} has {key}", manifest.display())),
        None => Ok(()),
    }
}
