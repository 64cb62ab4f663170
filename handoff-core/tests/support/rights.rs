//! Runs with fewer rights than the tester has, and in places with less room.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::driver::{Answer, Job};

/// Whether rights are checked for us at all: they are not for root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs `job` as somebody whom permissions bind, with a copy of the test binary in `directory`, which everybody
/// must be able to enter.
pub fn as_nobody(job: &Job, directory: &Path) -> Result<Answer, String> {
    if !is_root() {
        return Ok(job.run());
    }
    let binary = directory.join("handoff-tests");
    // Copied by another process: a handle for writing that a child of some other test inherits for a moment
    // would keep the copy from being run.
    let copied = Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&binary).status();
    assert!(copied.is_ok_and(|status| status.success()), "cp is needed (coreutils)");
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    let inner = job.command_of(&binary);
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(inner.get_program());
    command.args(inner.get_args()).env("HOME", "/nonexistent").current_dir("/");
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    job.answer_of(command)
}

/// Runs `job` in a mount namespace of its own after the shell has run `setup` there, and `cleanup` when it is done.
pub fn in_namespace(job: &Job, setup: &str, cleanup: &str) -> Result<Answer, String> {
    let inner = job.command();
    let mut command = Command::new("unshare");
    if !is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "--propagation=private", "--", "sh", "-ec"]);
    command.arg(format!("{setup}\n\"$@\" || true\n{cleanup}")).arg("sh").arg(inner.get_program());
    command.args(inner.get_args());
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    job.answer_of(command)
        .map_err(|why| format!("{why}\nmounting in a namespace of one's own must be allowed for this test"))
}
