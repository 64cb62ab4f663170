//! Applies over real repositories, made and judged by git.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod crash;
mod engine;
mod hostile;
mod rivals;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{ApplyOptions, apply, preview, undo};
use crate::capture::{CaptureOptions, capture};
use crate::progress::Control;
use crate::report::{ApplyReport, FileReport};
use crate::snapshot::Snapshot;
use crate::workspace::Workspace;

/// A source repository and a clone of it, both at the same commit.
pub(super) struct Pair {
    _dir: TempDir,
    pub source: Tree,
    pub target: Tree,
}

/// A work tree.
pub(super) struct Tree(pub PathBuf);

impl Pair {
    /// `files` are committed on both sides.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = Tree(dir.path().join("app"));
        fs::create_dir(&source.0).unwrap();
        source.git(&["init", "-q", "-b", "main"]);
        for (path, content) in files {
            source.write(path, content);
        }
        source.commit("base");
        let there = dir.path().join("there");
        fs::create_dir(&there).unwrap();
        let target = Tree(there.join("app"));
        source.git(&["clone", "-q", ".", target.0.to_str().unwrap()]);
        Self { _dir: dir, source, target }
    }

    pub fn capture(&self) -> Snapshot {
        capture(&self.source.workspace(), &CaptureOptions::default()).unwrap()
    }

    pub fn apply(&self) -> ApplyReport {
        self.apply_with(&ApplyOptions::default())
    }

    pub fn apply_with(&self, options: &ApplyOptions) -> ApplyReport {
        self.target.apply(&self.capture(), options)
    }

    /// Both work trees look the same to git and to the eye.
    pub fn assert_same(&self) {
        assert_eq!(self.target.status(), self.source.status());
        assert_eq!(self.target.files(), self.source.files());
    }
}

impl Tree {
    pub fn git(&self, args: &[&str]) -> String {
        let mut command = Command::new("git");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GIT_") {
                command.env_remove(name);
            }
        }
        command
            .args(args)
            .current_dir(&self.0)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("HOME", &self.0)
            .env("GIT_AUTHOR_NAME", "a")
            .env("GIT_AUTHOR_EMAIL", "a@example.org")
            .env("GIT_AUTHOR_DATE", "2024-01-01T00:00:00Z")
            .env("GIT_COMMITTER_NAME", "a")
            .env("GIT_COMMITTER_EMAIL", "a@example.org")
            .env("GIT_COMMITTER_DATE", "2024-01-01T00:00:00Z");
        let out = command.output().unwrap();
        assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    pub fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-qm", message]);
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        String::from_utf8(fs::read(self.0.join(path)).unwrap()).unwrap()
    }

    pub fn remove(&self, path: &str) {
        fs::remove_file(self.0.join(path)).unwrap();
    }

    pub fn exists(&self, path: &str) -> bool {
        self.0.join(path).symlink_metadata().is_ok()
    }

    pub fn chmod(&self, path: &str, mode: u32) {
        fs::set_permissions(self.0.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub fn link(&self, target: &str, path: &str) {
        std::os::unix::fs::symlink(target, self.0.join(path)).unwrap();
    }

    pub fn workspace(&self) -> Workspace {
        Workspace::new([&self.0]).unwrap()
    }

    pub fn status(&self) -> String {
        self.git(&["status", "--porcelain=v2", "-uall", "-z"]).replace('\0', "\n")
    }

    /// Every path with kind, executable bit and content; the git directory left out.
    pub fn files(&self) -> Vec<String> {
        let mut out = Vec::new();
        list(&self.0, &self.0, &mut out);
        out.sort();
        out
    }

    pub fn apply(&self, snapshot: &Snapshot, options: &ApplyOptions) -> ApplyReport {
        apply(snapshot, &self.workspace(), options).unwrap()
    }

    pub fn preview(&self, snapshot: &Snapshot) -> ApplyReport {
        preview(snapshot, &self.workspace(), &ApplyOptions::default()).unwrap()
    }

    pub fn undo(&self, report: &ApplyReport) -> ApplyReport {
        undo(&self.workspace(), &report.apply_id.unwrap(), &Control::default()).unwrap()
    }

    /// What is left in our own directory, without the lock and kept versions.
    pub fn records(&self) -> usize {
        fs::read_dir(self.0.join(".git/handoff/applies")).map_or(0, Iterator::count)
    }
}

fn list(root: &Path, dir: &Path, out: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let meta = path.symlink_metadata().unwrap();
        if name == ".git" {
            continue;
        }
        if meta.is_dir() {
            out.push(format!("{name}/"));
            list(root, &path, out);
        } else if meta.is_symlink() {
            out.push(format!("{name} -> {}", fs::read_link(&path).unwrap().display()));
        } else {
            let exec = if meta.permissions().mode() & 0o100 == 0 { "-" } else { "x" };
            out.push(format!("{name} {exec} {:?}", fs::read(&path).unwrap().escape_ascii().to_string()));
        }
    }
}

/// The report of one path.
pub(super) fn file<'r>(report: &'r ApplyReport, path: &str) -> &'r FileReport {
    report.files().map(|(_, file)| file).find(|file| file.path == path.into()).unwrap_or_else(|| {
        panic!("{path} is not in {report}");
    })
}

/// `outcome`, with `/detail` or `/reason` behind it.
pub(super) fn outcome(report: &ApplyReport, path: &str) -> String {
    let file = file(report, path);
    let more = file.detail.as_ref().map(|detail| detail.as_str()).or(file.reason.as_deref());
    more.map_or_else(|| file.outcome.to_string(), |more| format!("{}/{more}", file.outcome))
}
