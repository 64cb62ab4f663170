//! Unpushed commits in bytes, beside git's thin bundle of the same commits. `REPO=path` takes another history than
//! this repository's own.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use handoff_benches::{Done, Sizes, script};
use handoff_core::snapshot::{HistoryCut, HistoryCutReason};
use handoff_core::{CaptureOptions, Workspace, capture};

/// Of a thin bundle's bytes.
const GOAL: f64 = 0.75;

fn main() -> ExitCode {
    handoff_benches::main("history", run)
}

fn text(mut command: Command) -> Done<String> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn run(sizes: &Sizes) -> Done {
    let own = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let repo = std::env::var_os("REPO")
        .filter(|path| !path.is_empty())
        .map_or_else(own, PathBuf::from)
        .canonicalize()?;
    let out = sizes.out()?;
    let clone = out.join("clone");
    let from = repo.to_str().ok_or("the path is not UTF-8")?;
    let to = clone.to_str().ok_or("the path is not UTF-8")?;
    text(script::git(&out, &["clone", "--quiet", "--template=", from, to]))?;
    let commits: usize =
        text(script::git(&clone, &["rev-list", "--count", "--first-parent", "HEAD"]))?.parse()?;
    println!("\nunpushed commits of {}", repo.display());
    println!("  {:>8} {:>14} {:>14} {:>8}  goal", "commits", "thin bundle", "ours, bytes", "ours ÷");
    let mut missed = 0;
    for back in [2, 20, 200, 600].into_iter().filter(|back| *back < commits) {
        let (ours, theirs, count) = sides(&clone, &out, back)?;
        let ratio = ours as f64 / theirs as f64;
        let verdict = if ratio <= GOAL { "met" } else { "MISSED" };
        missed += usize::from(ratio > GOAL);
        println!("  {count:>8} {theirs:>14} {ours:>14} {ratio:>7.2}×  ≤ {GOAL:.2}× {verdict}");
    }
    match std::env::var_os("HANDOFF_BENCH_STRICT").is_some_and(|strict| strict != "0") && missed > 0 {
        true => Err(format!("{missed} goals missed").into()),
        false => Ok(()),
    }
}

/// Bytes of ours and of git's, with what is before the last `back` commits counted as pushed.
fn sides(clone: &Path, out: &Path, back: usize) -> Done<(u64, u64, u64)> {
    let refs = text(script::git(clone, &["for-each-ref", "--format=%(refname)", "refs/remotes"]))?;
    for name in refs.lines() {
        text(script::git(clone, &["update-ref", "--no-deref", "-d", name]))?;
    }
    let pushed = format!("HEAD~{back}");
    text(script::git(clone, &["update-ref", "refs/remotes/origin/pushed", &pushed]))?;
    let bundle = out.join("thin.bundle");
    let file = bundle.to_str().ok_or("the path is not UTF-8")?;
    text(script::git(clone, &["bundle", "create", "--quiet", file, "HEAD", "--not", "--remotes"]))?;
    let mut options = CaptureOptions::default();
    // Examples of secrets in a history are no reason to measure nothing.
    options.secret_rules.disabled =
        handoff_core::secrets::rules().iter().map(|rule| rule.id.to_owned()).collect();
    let workspace = Workspace::new([clone])?;
    let history = loop {
        let snapshot = capture(&workspace, &options)?;
        let history = snapshot.manifest().repos.first().and_then(|repo| repo.history.clone());
        let mut history = history.ok_or("nothing is unpushed")?;
        match history.cut.take() {
            None => break history,
            // Rules for names are only known by what they keep at home.
            Some(HistoryCut { reason: HistoryCutReason::SecretName, rule: Some(rule), .. }) => {
                options.secret_rules.disabled.push(rule);
            }
            Some(cut) => return Err(format!("not carried: {cut:?}").into()),
        }
    };
    let ours = history.parts.iter().map(|part| part.size).sum();
    Ok((ours, std::fs::metadata(&bundle)?.len(), history.commits))
}
