//! Git, run so that nothing of this machine reaches it.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The git to test against: `HANDOFF_GIT`, else the one on `PATH`.
pub fn program() -> std::ffi::OsString {
    std::env::var_os("HANDOFF_GIT").unwrap_or_else(|| "git".into())
}

/// A git command in `dir` with an empty environment, a fixed identity and fixed dates.
pub fn command(dir: &Path) -> Command {
    let mut command = Command::new(program());
    command
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        // A home that does not exist: nothing can be read from it and nothing can be left in it.
        .env("HOME", "/nonexistent")
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        // The oracle must not refresh the index that it is asked about.
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_LITERAL_PATHSPECS", "1")
        .env("GIT_AUTHOR_NAME", "Author")
        .env("GIT_AUTHOR_EMAIL", "author@example.com")
        .env("GIT_AUTHOR_DATE", "1700000000 +0000")
        .env("GIT_COMMITTER_NAME", "Committer")
        .env("GIT_COMMITTER_EMAIL", "committer@example.com")
        .env("GIT_COMMITTER_DATE", "1700000000 +0000")
        .current_dir(dir)
        .stdin(Stdio::null());
    command
}

/// Runs git and returns what came of it, good or bad.
pub fn output<A: AsRef<OsStr>>(dir: &Path, args: &[A], stdin: &[u8]) -> Output {
    let mut child = command(dir)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|why| panic!("git cannot be run ({why}); install it or set HANDOFF_GIT"));
    let mut pipe = child.stdin.take().unwrap();
    let input = stdin.to_vec();
    // A git that ends early closes the pipe, which is its business.
    let writer = (!input.is_empty()).then(|| {
        std::thread::spawn(move || {
            let _ = pipe.write_all(&input);
        })
    });
    let output = child.wait_with_output().unwrap();
    if let Some(writer) = writer {
        writer.join().unwrap();
    }
    output
}

/// Runs git, which must succeed, and returns its standard output.
#[track_caller]
pub fn git<A: AsRef<OsStr>>(dir: &Path, args: &[A]) -> Vec<u8> {
    git_with(dir, args, b"")
}

/// Like [`git`], with standard input.
#[track_caller]
pub fn git_with<A: AsRef<OsStr>>(dir: &Path, args: &[A], stdin: &[u8]) -> Vec<u8> {
    let output = output(dir, args, stdin);
    assert!(
        output.status.success(),
        "git {:?} in {} failed: {}",
        args.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
        dir.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// The first line of what git prints.
#[track_caller]
pub fn line<A: AsRef<OsStr>>(dir: &Path, args: &[A]) -> String {
    String::from_utf8(git(dir, args)).unwrap().lines().next().unwrap_or_default().to_owned()
}
