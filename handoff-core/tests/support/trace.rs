//! System calls of another process, seen and struck by `strace`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::driver::{BEGIN, END};

/// Panics with the remedy when `strace` cannot be used: these tests never pass by being skipped.
pub fn require() {
    let works = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    assert!(
        works.is_ok_and(|output| output.status.success()),
        "strace is missing or may not trace; install it (apt-get install strace) and allow ptrace"
    );
}

/// `command` under strace with `options`, its trace going to `log`.
pub fn under(command: &Command, options: &[&str], log: &Path) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o"]).arg(log).args(options).arg("--").arg(command.get_program());
    strace.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        strace.current_dir(directory);
    }
    strace
}

/// One call of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub thread: u32,
    pub name: String,
    /// Which call of that name this is in its thread, from 1.
    pub nth: usize,
    /// Whether it lies between the beginning and the end of the operation.
    pub inside: bool,
    pub text: String,
}

/// The calls of a trace, in order.
pub fn calls(log: &Path) -> Vec<Call> {
    let text = String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned();
    let mut counts: BTreeMap<(u32, String), usize> = BTreeMap::new();
    let mut inside = false;
    let mut calls = Vec::new();
    for line in text.lines() {
        let Some((thread, rest)) = line.split_once(char::is_whitespace) else { continue };
        let Ok(thread) = thread.parse::<u32>() else { continue };
        let rest = rest.trim_start();
        // Signals (`---`), exits (`+++`) and second halves (`<...`) are no calls.
        let Some((name, _)) = rest.split_once('(') else { continue };
        if name.is_empty() || !name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') {
            continue;
        }
        let nth = counts.entry((thread, name.to_owned())).or_default();
        *nth += 1;
        if rest.contains(END) {
            inside = false;
        }
        calls.push(Call { thread, name: name.to_owned(), nth: *nth, inside, text: rest.to_owned() });
        if rest.contains(BEGIN) {
            inside = true;
        }
    }
    calls
}
