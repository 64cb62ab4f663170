//! Capture one checkout's uncommitted work into a file, apply it to another checkout, then undo it.
//!
//! `cargo run -p handoff-examples --example capture_apply -- FROM TO` uses two checkouts of one repository;
//! without arguments it makes two small ones in a temporary directory.

use std::error::Error;
use std::path::{Path, PathBuf};

use handoff_core::{
    ApplyOptions, CaptureOptions, Control, Outcome, Snapshot, Workspace, apply, capture, undo,
};

fn hand_off(from: &Path, to: &Path, file: &Path) -> Result<(), Box<dyn Error>> {
    let snapshot = capture(&Workspace::new([from])?, &CaptureOptions::default())?;
    snapshot.save(file)?;

    // … the file travels to another machine …
    let there = Workspace::new([to])?;
    let report = apply(&Snapshot::open(file)?, &there, &ApplyOptions::default())?;
    println!("{}: {} applied", report.verdict, report.count(&Outcome::Applied));
    for (repo, file) in report.files() {
        println!("  {repo}/{}: {}", file.path, file.outcome);
    }

    if let Some(id) = report.apply_id {
        let undone = undo(&there, &id, &Control::default())?;
        println!("undone: {}", undone.verdict);
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let scratch = tempfile::tempdir()?;
    let file = scratch.path().join("work.handoff");
    if let (Some(from), Some(to)) = (args.next(), args.next()) {
        return hand_off(&from, &to, &file);
    }

    let (from, to) = (scratch.path().join("laptop"), scratch.path().join("cloud"));
    std::fs::create_dir(&from)?;
    git(&from, &["init", "--quiet"])?;
    std::fs::write(from.join("README.md"), "hello\n")?;
    git(&from, &["add", "."])?;
    git(&from, &["commit", "--quiet", "-m", "Say hello"])?;
    git(scratch.path(), &["clone", "--quiet", "laptop", "cloud"])?;
    std::fs::write(from.join("README.md"), "hello, world\n")?;
    std::fs::write(from.join("plan.txt"), "1. say more\n")?;
    hand_off(&from, &to, &file)
}

fn git(dir: &Path, args: &[&str]) -> Result<(), Box<dyn Error>> {
    let who = ["-c", "user.name=demo", "-c", "user.email=demo@example.invalid", "-c", "commit.gpgSign=false"];
    let status = std::process::Command::new("git").current_dir(dir).args(who).args(args).status()?;
    if status.success() { Ok(()) } else { Err(format!("git {} failed: {status}", args.join(" ")).into()) }
}
