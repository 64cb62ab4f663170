//! Our side as a process of its own: the benchmark program runs itself again, so that starting up, reading,
//! writing the file and ending are all in the time, as they are for git and tar.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use handoff_core::{
    ApplyOptions, Bases, CaptureOptions, Durability, Snapshot, Verdict, Workspace, apply, capture,
};

use crate::{Done, calls, walk};

const ROLE: &str = "HANDOFF_BENCH_CHILD";

/// Plays the child's part when this process is one; benchmarks call it first of all.
pub fn main() -> Option<ExitCode> {
    let role = std::env::var(ROLE).ok()?;
    let args: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let outcome = match (role.as_str(), args.as_slice()) {
        ("capture", [repo, file]) => capture_to(repo, file, Bases::Always),
        ("capture-without-bases", [repo, file]) => capture_to(repo, file, Bases::Never),
        ("apply", [file, repo]) => apply_to(file, repo, Durability::Full),
        ("apply-process", [file, repo]) => apply_to(file, repo, Durability::Process),
        ("walk", [root]) => walk::walk(root),
        ("calls", [source, target]) => calls::answer(source, target),
        ("peak", [program, rest @ ..]) => peak(program, rest),
        _ => Err(format!("no part {role:?} with {} arguments", args.len()).into()),
    };
    Some(match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{role}: {why}");
            ExitCode::FAILURE
        }
    })
}

fn role(role: &str) -> Command {
    // Without our own path there is nothing to compare; the failed start then says so.
    let mut command = Command::new(std::env::current_exe().unwrap_or_default());
    command.env(ROLE, role);
    command
}

/// Captures `repo` to `file`, whatever its size, with or without the committed version of what has changed.
pub fn capture_command(repo: &Path, file: &Path, bases: Bases) -> Command {
    let mut command = role(if bases == Bases::Always { "capture" } else { "capture-without-bases" });
    command.arg(repo).arg(file);
    command
}

/// Lists every directory of `root` and looks at every file, on all cores, and does nothing with that.
pub fn walk_command(root: &Path) -> Command {
    let mut command = role("walk");
    command.arg(root);
    command
}

/// Applies `file` to `repo`, surviving power cuts or only crashes.
pub fn apply_command(file: &Path, repo: &Path, durability: Durability) -> Command {
    let mut command = role(if durability == Durability::Full { "apply" } else { "apply-process" });
    command.arg(file).arg(repo);
    command
}

/// Calls in this language, as the scripts of the others make them.
pub fn calls_command(source: &Path, target: &Path) -> Command {
    let mut command = role("calls");
    command.arg(source).arg(target);
    command
}

fn capture_to(repo: &Path, file: &Path, bases: Bases) -> Done {
    let mut options = CaptureOptions::default();
    options.bases = bases;
    options.max_file_bytes = 8 << 30;
    options.max_total_bytes = 16 << 30;
    options.spool_dir = file.parent().map(Path::to_owned);
    let snapshot = capture(&Workspace::new([repo])?, &options)?;
    if let Some(repo) =
        snapshot.manifest().repos.iter().find(|repo| !repo.omissions.is_empty() || repo.failed.is_some())
    {
        return Err(format!("{} omissions, failed: {:?}", repo.omissions.len(), repo.failed).into());
    }
    Ok(snapshot.save(file)?)
}

fn apply_to(file: &Path, repo: &Path, durability: Durability) -> Done {
    let mut options = ApplyOptions::default();
    options.durability = durability;
    let report = apply(&Snapshot::open(file)?, &Workspace::new([repo])?, &options)?;
    if report.verdict == Verdict::Complete {
        Ok(())
    } else {
        Err(format!("the verdict is {}", report.verdict).into())
    }
}

/// What one run of a command and of the processes it starts used.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// Processor time in user and kernel mode, in milliseconds.
    pub cpu: f64,
    /// Peak resident memory of the largest process, in MiB.
    pub peak_mib: f64,
}

/// Runs `command` once and says what it used.
pub fn used(command: &Command) -> Done<Used> {
    let mut measured = role("peak");
    measured.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        // The measured command's own part is handed over under another name, or it would win over `peak`.
        let name = if name == ROLE { std::ffi::OsStr::new("HANDOFF_BENCH_INNER") } else { name };
        match value {
            Some(value) => measured.env(name, value),
            None => measured.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        measured.current_dir(dir);
    }
    let output = measured.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{command:?} failed").into());
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (kib, cpu) = said.trim().split_once(' ').ok_or("the measuring child said nothing")?;
    Ok(Used { cpu: cpu.parse()?, peak_mib: kib.parse::<f64>()? / 1024.0 })
}

fn peak(program: &Path, args: &[PathBuf]) -> Done {
    let mut command = Command::new(program);
    command.args(args).env_remove(ROLE).stdin(Stdio::null()).stdout(Stdio::null());
    if let Some(inner) = std::env::var_os("HANDOFF_BENCH_INNER") {
        command.env(ROLE, inner);
    }
    let status = command.status()?;
    if !status.success() {
        return Err(format!("{} failed ({status})", program.display()).into());
    }
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN)?;
    let millis = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 * 1e3 + time.tv_usec() as f64 / 1e3;
    println!("{} {}", usage.max_rss(), millis(usage.user_time()) + millis(usage.system_time()));
    Ok(())
}
