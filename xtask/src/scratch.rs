//! Where the tests of the bindings put their scratch directories: in memory where there is some, for they make and
//! remove thousands of small repositories, and a third of their time is the file system's. The core's own tests stay on
//! the disk, whose timestamps, order and limits are what they are about.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::first_line;

const MEMORY: &str = "/dev/shm";
/// The tests take some 150 MB.
const ENOUGH: u64 = 2 << 30;

/// A directory of its own, removed at the end; none where memory is no place for it.
pub struct Scratch(Option<PathBuf>);

impl Scratch {
    pub fn new() -> Self {
        // Who has chosen a place means it.
        if std::env::var_os("TMPDIR").is_some() || free(MEMORY).is_none_or(|free| free < ENOUGH) {
            return Self(None);
        }
        let place = Path::new(MEMORY).join(format!("handoff-tests-{}", std::process::id()));
        let there = std::fs::create_dir(&place).is_ok();
        let scratch = Self(there.then_some(place));
        // Containers often allow no programs there, and the tests write some.
        if scratch.0.as_ref().is_some_and(|place| runs_programs(place)) { scratch } else { Self(None) }
    }

    /// Makes `command` use it.
    pub fn give<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        match &self.0 {
            Some(place) => command.env("TMPDIR", place),
            None => command,
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(place) = &self.0 {
            let _ = std::fs::remove_dir_all(place);
        }
    }
}

/// Bytes that are free, as `df` tells.
fn free(place: &str) -> Option<u64> {
    let mut df = Command::new("df");
    let output = df.args(["--output=avail", "--block-size=1", place]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.lines().nth(1)?.trim().parse().ok()
}

fn runs_programs(place: &Path) -> bool {
    let program = place.join("probe");
    let mut new = std::fs::OpenOptions::new();
    let written = new
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(&program)
        .and_then(|mut file| file.write_all(b"#!/bin/sh\necho here\n"));
    let ran = written.is_ok() && first_line(&program.to_string_lossy(), &[]).as_deref() == Some("here");
    let _ = std::fs::remove_file(program);
    ran
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_given_to_commands_and_gone_at_the_end() {
        let scratch = Scratch::new();
        let mut command = Command::new("true");
        let given = scratch.give(&mut command).get_envs().find(|(name, _)| *name == "TMPDIR");
        let given = given.and_then(|(_, value)| value).map(PathBuf::from);
        assert_eq!(given, scratch.0, "and where there is none, nothing is said");
        assert!(given.iter().all(|place| place.is_dir()));
        drop(scratch);
        assert!(!given.is_some_and(|place| place.exists()));
    }
}
