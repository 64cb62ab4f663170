//! `make demo`: the main job on real input, with nothing to set up.
//!
//! Takes the uncommitted work of a checkout (`REPO`, by default this repository), captures it to one file,
//! applies it to a second clone that has moved on, explains the conflict, undoes it, and proves that every
//! tree involved is as it was. Then the same work goes to an agent in a "cloud", which is a folder and a worker
//! process: followed live, answered, continued, and pulled home into edits made meanwhile. `REPO` itself is only
//! read. `KEEP=1` keeps the scratch directory.

mod cloud;
mod git;
mod proof;
mod role;
mod screen;
mod source;
mod target;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use console::style;
use handoff_core::{
    ApplyOptions, ApplyReport, CaptureOptions, Outcome, Snapshot, Workspace, apply, capture, preview, undo,
};

use git::Git;
use screen::{bytes, millis, plural};

type Done<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let played = role::play(&args).map(|played| played.map(|()| true));
    match played.unwrap_or_else(demo) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            let mut text = why.to_string();
            let mut cause = why.source();
            while let Some(deeper) = cause {
                text = format!("{text}: {deeper}");
                cause = deeper.source();
            }
            eprintln!("\n{} {text}", style("demo stopped:").red().bold());
            ExitCode::FAILURE
        }
    }
}

/// The whole story; `false` when a proof failed.
fn demo() -> Done<bool> {
    let asked = std::env::var_os("REPO").filter(|repo| !repo.is_empty()).map(PathBuf::from);
    let repo = Git::find(&asked.map_or_else(std::env::current_dir, Ok)?)?;
    let scratch = tempfile::Builder::new().prefix("handoff-demo-").tempdir()?;
    let repo_before = proof::whole(&repo)?;

    println!(
        "{}  {}",
        style("handoff demo").bold(),
        style("one laptop's uncommitted work, on another machine").dim()
    );

    screen::step(1, "The work");
    let source = source::prepare(&repo, scratch.path())?;
    println!("  {}", source.story);
    screen::listing(&source.git.changes()?, 14);
    let own_clone = source.git.root() != repo.root();
    let source_before = if own_clone { &proof::whole(&source.git)? } else { &repo_before };

    screen::step(2, "Capture it to one file");
    let file = scratch.path().join("work.handoff");
    let snapshot = capture_to(&source, &file)?;
    let pure = "the capture changed nothing in the source: no byte, mode, mtime, index or ref";
    let captured_purely = same(pure, source_before, &proof::whole(&source.git)?);

    screen::step(3, "Meanwhile the other machine has moved on");
    let target = target::prepare(&source.git, &snapshot, scratch.path())?;
    for line in &target.story {
        println!("  {line}");
    }
    let target_before = proof::state(&target.git)?;

    screen::step(4, "Preview, then apply");
    // Read from the file, as another machine would.
    let snapshot = Snapshot::open(&file)?;
    let there = Workspace::new([target.git.root()])?;
    let expected = preview(&snapshot, &there, &ApplyOptions::default())?;
    let foreseen = same("the preview wrote nothing", &target_before, &proof::state(&target.git)?);
    let report = apply_to(&snapshot, &there)?;
    screen::verdict(same_outcomes(&expected, &report), "the preview had said exactly this");

    screen::step(5, "What changed there");
    show_diff(&target, &report)?;

    screen::step(6, "The conflict, and what to do about it");
    show_conflicts(&target.git, &report)?;

    screen::step(7, "Undo");
    let undone = undo_there(&there, &report)?;

    screen::step(8, "Proof");
    let target_claim = "the target is as it was: every path, byte, mode, staged entry, HEAD and ref";
    let target_same = same(target_claim, &target_before, &proof::state(&target.git)?);
    let mut source_same = true;
    if own_clone {
        source_same =
            same("the source is as it was, to the mtime", source_before, &proof::whole(&source.git)?);
    }
    let handed_off = cloud::story(&source.git, &snapshot, scratch.path())?;
    if own_clone {
        let claim = "the laptop's checkout is still as it was, to the mtime";
        source_same &= same(claim, source_before, &proof::whole(&source.git)?);
    }
    let repo_after = proof::whole(&repo)?;
    let repo_claim =
        format!("{} is as it was, to the mtime, with everything in its git directory", repo.root().display());
    let repo_same = same(&repo_claim, &repo_before, &repo_after);
    println!("    {} {}", style("before").dim(), style(&repo_before).dim());
    println!("    {} {}", style("after ").dim(), style(&repo_after).dim());

    if std::env::var_os("KEEP").is_some_and(|keep| !keep.is_empty() && keep != "0") {
        println!("\nKept: {}", scratch.keep().display());
    } else {
        println!(
            "\n{}",
            style("The scratch directory is removed; KEEP=1 keeps it, REPO=path takes another checkout.")
                .dim()
        );
    }
    Ok(captured_purely && foreseen && undone && target_same && source_same && repo_same && handed_off)
}

/// Compares two fingerprints and says how it came out, naming what differs.
fn same(claim: &str, before: &proof::Fingerprint, after: &proof::Fingerprint) -> bool {
    let differences = before.differences(after);
    screen::verdict(differences.is_empty(), claim);
    for path in differences.iter().take(5) {
        println!("      {} {}", style("changed meanwhile:").red(), path.display());
    }
    if !differences.is_empty() {
        println!("      ({} in all; is another program at work there?)", differences.len());
    }
    differences.is_empty()
}

fn capture_to(source: &source::Prepared, file: &Path) -> Done<Snapshot> {
    let workspace = Workspace::new([source.git.root()])?;
    let mut options = CaptureOptions::default();
    if let Some(limit) = source.max_file_bytes {
        options.max_file_bytes = limit;
    }
    let bars = screen::Bars::new();
    options.control = bars.control();
    let start = Instant::now();
    let snapshot = capture(&workspace, &options)?;
    snapshot.save(file)?;
    let taken = start.elapsed();
    bars.finish();

    let repos = &snapshot.manifest().repos;
    let entries = repos.iter().map(|repo| repo.entries.len()).sum::<usize>();
    let carried: u64 = repos
        .iter()
        .flat_map(|repo| &repo.entries)
        .filter_map(|entry| entry.worktree.as_ref().filter(|state| state.blob.is_some()))
        .map(|state| state.size)
        .sum();
    println!(
        "  {} changed {}, {} of content, in {}",
        style(entries).bold(),
        plural(entries, "path"),
        bytes(carried),
        style(millis(taken)).bold()
    );
    println!("  {} {}", style(file.display()).cyan(), bytes(std::fs::metadata(file)?.len()));
    println!("  {}", style(format!("snapshot {}", snapshot.id())).dim());
    for repo in repos {
        if let Some(failed) = &repo.failed {
            println!("  {} {}: {}", style("not captured").red(), repo.name, failed.message);
        }
        for omission in repo.omissions.iter().take(8) {
            let size = omission.size.map_or_else(String::new, |size| format!(", {}", bytes(size)));
            println!("  {} {} ({}{size})", style("left out").yellow(), omission.path, omission.reason);
        }
        if repo.omissions.len() > 8 {
            println!("  {} and {} more", style("left out").yellow(), repo.omissions.len() - 8);
        }
    }
    Ok(snapshot)
}

fn apply_to(snapshot: &Snapshot, there: &Workspace) -> Done<ApplyReport> {
    let bars = screen::Bars::new();
    let mut options = ApplyOptions::default();
    options.control = bars.control();
    let start = Instant::now();
    let report = apply(snapshot, there, &options)?;
    let taken = start.elapsed();
    bars.finish();
    println!("  applied in {}, each file hashed again on disk; the report:", style(millis(taken)).bold());
    screen::report(&report);
    Ok(report)
}

/// Whether two reports say the same of every path.
fn same_outcomes(expected: &ApplyReport, report: &ApplyReport) -> bool {
    let outcomes = |report: &ApplyReport| -> Vec<_> {
        report
            .files()
            .map(|(repo, file)| {
                (repo.to_owned(), file.path.clone(), file.outcome.clone(), file.detail.clone())
            })
            .collect()
    };
    outcomes(expected) == outcomes(report)
}

fn show_diff(target: &target::Prepared, report: &ApplyReport) -> Done {
    screen::listing(&target.git.changes()?, 14);
    let merged = report.files().find(|(_, file)| file.outcome == Outcome::Merged);
    if let (Some((_, file)), Some(base)) = (merged, &target.base) {
        let path = file.at.as_ref().unwrap_or(&file.path).to_string_lossy();
        println!(
            "\n  Both sides had changed {}; the combination, against their common base:",
            style(&path).bold()
        );
        screen::quoted(&target.git.diff(base, &path)?, 20);
    }
    Ok(())
}

fn show_conflicts(target: &Git, report: &ApplyReport) -> Done {
    let conflicts: Vec<_> = report.files().filter(|(_, file)| file.outcome == Outcome::Conflict).collect();
    if conflicts.is_empty() {
        println!("  There is none: nothing here was changed on both sides in a way that could disagree.");
        return Ok(());
    }
    for (_, file) in conflicts.iter().take(3) {
        let detail = file.detail.as_ref().map_or("conflict", |detail| detail.as_str());
        println!("  {} {} ({detail})", style("conflict").red().bold(), style(&file.path).bold());
        let Some(incoming) = &file.incoming else {
            println!("    Both sides disagree, and the target was left alone.");
            continue;
        };
        println!("    The target was left alone. The incoming version is beside the journal:");
        println!("    {}", style(incoming.display()).cyan());
        let here = target.root().join(file.path.to_string_lossy().as_ref());
        if here.is_file() {
            println!("    What taking it would change:");
            screen::quoted(&target.compare(&here, incoming)?, 12);
        }
    }
    if conflicts.len() > 3 {
        println!("  and {} more", conflicts.len() - 3);
    }
    println!("\n  Keep the target's:  nothing to do");
    println!(
        "  Take the incoming:  copy that file over, or apply with {}",
        style("OnConflict::Theirs").bold()
    );
    println!(
        "  Merge by hand:      apply with {}, then edit between the marks",
        style("OnConflict::Markers").bold()
    );
    Ok(())
}

fn undo_there(there: &Workspace, report: &ApplyReport) -> Done<bool> {
    let Some(id) = report.apply_id else {
        println!("  Nothing was written, so there is nothing to undo.");
        return Ok(true);
    };
    let bars = screen::Bars::new();
    let start = Instant::now();
    let undone = undo(there, &id, &bars.control())?;
    let taken = start.elapsed();
    bars.finish();
    println!("  undone in {}: {}", style(millis(taken)).bold(), style(id).dim());
    let clean = undone.count(&Outcome::Conflict) + undone.count(&Outcome::Failed) == 0;
    if !clean {
        screen::report(&undone);
    }
    Ok(clean)
}
