//! Makes the seeds of bundle and manifest from small repositories.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use handoff_core::{CaptureOptions, Workspace, capture};

/// Writes every seed below `dir`.
pub fn seeds(dir: &Path) {
    for (name, edit) in [("nothing", nothing as fn(&Path)), ("every-kind", every_kind), ("blocks", blocks)] {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        let root = scratch.path().join("app");
        fs::create_dir(&root).expect("a directory");
        git(&root, &["init", "--quiet", "--initial-branch=main"]);
        for file in ["kept", "changed", "staged", "deleted", "became-link"] {
            write(&root, file, format!("{file} before\n").as_bytes());
        }
        git(&root, &["add", "."]);
        git(&root, &["commit", "--quiet", "--message=base"]);
        edit(&root);
        let workspace = Workspace::new([&root]).expect("a workspace");
        let snapshot = capture(&workspace, &CaptureOptions::default()).expect("a capture");
        let mut bundle = Vec::new();
        snapshot.write_to(&mut bundle).expect("a bundle");
        let manifest = snapshot.manifest().to_canonical().expect("a manifest");
        write(&dir.join("bundle"), name, &bundle);
        write(&dir.join("manifest"), name, &manifest);
    }
}

/// Writes the seed of unpushed commits: the id of the last one, and the one part that holds them.
pub fn history(dir: &Path) {
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let root = scratch.path().join("app");
    fs::create_dir(&root).expect("a directory");
    git(&root, &["init", "--quiet", "--initial-branch=main"]);
    git(&root, &["commit", "--quiet", "--allow-empty", "--message=elsewhere"]);
    git(&root, &["update-ref", "refs/remotes/origin/main", "HEAD"]);
    // A history of its own, so that it builds on nothing that the receiver of the seed lacks.
    git(&root, &["checkout", "--quiet", "--orphan", "other"]);
    for file in ["a", "b", "a"] {
        write(&root, file, format!("{file} of a history of its own\n").repeat(20).as_bytes());
        git(&root, &["add", "."]);
        git(&root, &["commit", "--quiet", "--allow-empty", "--message=step"]);
    }
    let snapshot = capture(&Workspace::new([&root]).expect("a workspace"), &CaptureOptions::default());
    let snapshot = snapshot.expect("a capture");
    let repo = snapshot.manifest().repos.first().expect("a repository");
    let history = repo.history.as_ref().expect("unpushed commits");
    let mut seed = repo.head.commit.expect("a commit").as_bytes().to_vec();
    for part in &history.parts {
        seed.extend(snapshot.blob(&part.blob).expect("a part"));
    }
    write(&dir.join("history"), "orphan", &seed);
}

fn nothing(_root: &Path) {}

fn every_kind(root: &Path) {
    write(root, "changed", b"changed after\nsecond line\n");
    write(root, "staged", b"staged\n");
    git(root, &["add", "staged"]);
    write(root, "staged", b"staged and changed\n");
    fs::remove_file(root.join("deleted")).expect("it is there");
    fs::remove_file(root.join("became-link")).expect("it is there");
    symlink("kept", root.join("became-link")).expect("a link");
    write(root, "tool.sh", b"#!/bin/sh\n");
    fs::set_permissions(root.join("tool.sh"), fs::Permissions::from_mode(0o755)).expect("a mode");
    let odd = root.join(std::ffi::OsStr::from_bytes(b"caf\xe9\n"));
    fs::write(odd, b"a name that is not UTF-8").expect("a file");
    write(root, "later", b"intent");
    git(root, &["add", "--intent-to-add", "later"]);
    fs::create_dir(root.join("dir")).expect("a directory");
    write(&root.join("dir"), "empty", b"");
}

/// Contents of several blocks, compressible and not.
fn blocks(root: &Path) {
    write(root, "text", &b"the same line again and again\n".repeat(30_000));
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(20_000)
    .collect();
    write(root, "noise", &noise);
}

fn write(dir: &Path, name: &str, content: &[u8]) {
    fs::write(dir.join(name), content).expect("a file that can be written");
}

fn git(root: &Path, args: &[&str]) {
    let mut command = Command::new(std::env::var_os("HANDOFF_GIT").unwrap_or_else(|| "git".into()));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("GIT_")) {
            command.env_remove(name);
        }
    }
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "seed")
            .env(format!("GIT_{role}_EMAIL"), "seed@example.invalid");
        command.env(format!("GIT_{role}_DATE"), "1700000000 +0000");
    }
    assert!(command.current_dir(root).args(args).status().expect("git runs").success(), "git {args:?}");
}
