//! Programs that a task needs: found, or installed by package name where this machine allows it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::run::{Done, first_line, run};

/// Whether `program` can be run.
pub fn has(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok()
}

/// Whether cargo knows the subcommand.
pub fn has_cargo(subcommand: &str) -> bool {
    let mut command = crate::run::cargo(&[subcommand, "--version"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Makes sure that each `(program, package)` is there, installing the packages that are missing.
pub fn need(wanted: &[(&str, &str)]) -> Done {
    let missing: Vec<&str> =
        wanted.iter().filter(|(program, _)| !has(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    install(&missing)?;
    match wanted.iter().find(|(program, _)| !has(program)) {
        None => Ok(()),
        Some((program, package)) => Err(format!("`{program}` is still missing after installing `{package}`")),
    }
}

/// Tools from npm, installed below target/ in a directory of that name; gives its `node_modules`.
pub fn npm(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    need(&[("node", "nodejs"), ("npm", "npm")])?;
    let home = crate::run::root().join("target").join(name);
    let stamp = home.join("installed");
    let wanted = packages.join(" ");
    if std::fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(home.join("node_modules"));
    }
    let written = |why: std::io::Error| format!("{}: {why}", home.display());
    std::fs::create_dir_all(&home).map_err(written)?;
    std::fs::write(home.join("package.json"), "{\"private\":true}\n").map_err(written)?;
    let mut install = Command::new("npm");
    install.args(["install", "--ignore-scripts", "--no-audit", "--no-fund"]).args(packages);
    run(install.current_dir(&home))?;
    std::fs::write(&stamp, wanted).map_err(written)?;
    Ok(home.join("node_modules"))
}

/// Installs Debian packages as root or through sudo that asks for no password; none only refreshes apt's lists.
pub fn install(packages: &[&str]) -> Done {
    let names = packages.join(" ");
    let by_hand =
        format!("this task needs the packages: {names}\ninstall them, as in `apt-get install {names}`");
    if !has("apt-get") {
        return Err(format!("{by_hand} (there is no apt-get here, so the names may differ)"));
    }
    let sudo = match first_line("id", &["-u"]).as_deref() {
        Some("0") => false,
        _ if first_line("sudo", &["-n", "true"]).is_some() => true,
        _ => return Err(format!("{by_hand} (we are neither root nor allowed to use sudo)")),
    };
    let apt = |args: &[&str]| {
        let mut command = Command::new(if sudo { "sudo" } else { "apt-get" });
        if sudo {
            command.args(["-n", "apt-get"]);
        } else {
            command.env("DEBIAN_FRONTEND", "noninteractive");
        }
        command.args(args);
        command
    };
    // A list of packages that cannot be refreshed may still hold what we need.
    if let Err(why) = run(&mut apt(&["-q", "update"])) {
        println!("{why}; trying with the lists as they are");
    }
    if packages.is_empty() {
        return Ok(());
    }
    let mut args = vec!["-q", "install", "-y", "--no-install-recommends"];
    args.extend(packages);
    run(&mut apt(&args)).map_err(|why| format!("{why}\n{by_hand}"))
}
