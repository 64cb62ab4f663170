//! What is found and what is left out, over real repositories made by git.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod bounds;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

mod layout;
mod secrets;
mod settings;

use super::*;
use crate::snapshot::{Entry, Eol, Layer, Mode, OmissionReason, OperationKind};

struct Scratch {
    dir: tempfile::TempDir,
}

impl Scratch {
    /// A repository `app` with one commit of a few files.
    fn new() -> Self {
        let scratch = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(scratch.app()).unwrap();
        scratch.git(&["init", "-q", "-b", "main"]);
        for (path, text) in
            [("a.txt", "one\n"), ("b.txt", "two\n"), ("src/deep/c.txt", "three\n"), ("src/d.txt", "four\n")]
        {
            scratch.write(path, text);
        }
        scratch.git(&["add", "-A"]);
        scratch.git(&["commit", "-q", "-m", "first"]);
        scratch
    }

    fn app(&self) -> PathBuf {
        self.dir.path().join("app")
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.app().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn git(&self, args: &[&str]) -> String {
        self.git_in(&self.app(), args)
    }

    fn git_in(&self, dir: &Path, args: &[&str]) -> String {
        let git = std::env::var_os("HANDOFF_GIT").unwrap_or_else(|| "git".into());
        let output = Command::new(git)
            .args(args)
            .current_dir(dir)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .envs([("GIT_AUTHOR_NAME", "t"), ("GIT_AUTHOR_EMAIL", "t@example.invalid")])
            .envs([("GIT_COMMITTER_NAME", "t"), ("GIT_COMMITTER_EMAIL", "t@example.invalid")])
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn capture_with(&self, options: &CaptureOptions) -> Snapshot {
        capture(&Workspace::new([self.app()]).unwrap(), options).unwrap()
    }

    fn capture(&self) -> RepoManifest {
        self.capture_with(&CaptureOptions::default()).manifest().repos[0].clone()
    }
}

fn paths(repo: &RepoManifest) -> Vec<String> {
    repo.entries.iter().map(|entry| entry.path.to_string()).collect()
}

fn entry<'a>(repo: &'a RepoManifest, path: &str) -> &'a Entry {
    repo.entries.iter().find(|entry| entry.path == path.into()).unwrap_or_else(|| panic!("no entry {path}"))
}

fn omitted(repo: &RepoManifest) -> Vec<(String, OmissionReason)> {
    repo.omissions.iter().map(|omission| (omission.path.to_string(), omission.reason.clone())).collect()
}

#[test]
fn a_clean_checkout_has_no_entries_and_no_omissions() {
    let scratch = Scratch::new();
    let repo = scratch.capture();
    assert_eq!(paths(&repo), Vec::<String>::new());
    assert!(repo.omissions.is_empty());
    assert_eq!(repo.head.branch.as_deref(), Some("main"));
    assert_eq!(repo.id.roots.len(), 1, "without a remote, the root commit identifies it");
}

#[test]
fn an_edit_of_the_same_size_in_the_tick_of_the_commit_is_found() {
    let scratch = Scratch::new();
    for round in 0..20 {
        scratch.write("a.txt", format!("{round:03}\n"));
        scratch.git(&["commit", "-q", "-a", "-m", "x"]);
        scratch.write("a.txt", format!("{:03}\n", 999 - round));
        assert_eq!(paths(&scratch.capture()), ["a.txt"], "round {round}");
    }
}

/// Git writes the size 0 for an entry whose file changed within the index's own second. An emptied file must not
/// look like it.
#[test]
fn an_emptied_file_is_not_taken_for_an_entry_of_no_known_size() {
    let scratch = Scratch::new();
    scratch.git(&["config", "core.trustctime", "false"]);
    let stamp = || {
        let file = fs::File::options().write(true).open(scratch.app().join("a.txt")).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    };
    stamp();
    scratch.git(&["update-index", "-q", "--refresh"]);
    let index = scratch.app().join(".git/index");
    let mut bytes = fs::read(&index).unwrap();
    // The size is the last word of the stat data; id and flags lie between it and the path.
    let path = bytes.windows(5).position(|window| window == b"a.txt").unwrap();
    bytes[path - 26..path - 22].fill(0);
    fs::write(&index, bytes).unwrap();
    assert_eq!(paths(&scratch.capture()), Vec::<String>::new());
    scratch.write("a.txt", "");
    stamp();
    assert_eq!(paths(&scratch.capture()), ["a.txt"]);
}

#[test]
fn index_formats_hold_the_same_entries() {
    let mut ids = Vec::new();
    for format in ["2", "4", "split", "sha"] {
        let scratch = Scratch::new();
        match format {
            "split" => drop(scratch.git(&["update-index", "--split-index"])),
            "sha" => drop(scratch.git(&["update-index", "--untracked-cache"])),
            version => drop(scratch.git(&["update-index", "--index-version", version])),
        }
        scratch.write("a.txt", "changed\n");
        scratch.git(&["add", "a.txt"]);
        scratch.write("src/new", "new\n");
        let repo = scratch.capture();
        ids.push(repo.entries);
    }
    assert!(ids.iter().all(|entries| *entries == ids[0] && entries.len() == 2), "{ids:?}");
}

#[test]
fn sparse_checkouts_lose_nothing_and_invent_no_deletions() {
    for index in ["false", "true"] {
        // With a setting alone an index is not sparse: a directory has to be one entry of it.
        let is_sparse = |scratch: &Scratch| {
            let entries = scratch.git(&["ls-files", "--sparse", "-s"]);
            entries.lines().any(|entry| entry.starts_with("040000 "))
        };
        let scratch = Scratch::new();
        scratch.write("lib/x/e.txt", "e\n");
        scratch.git(&["add", "-A"]);
        scratch.git(&["commit", "-q", "-m", "lib"]);
        scratch.git(&["config", "index.sparse", index]);
        scratch.git(&["sparse-checkout", "set", "--cone", "src/deep"]);
        assert_eq!(is_sparse(&scratch), index == "true");
        assert!(!scratch.app().join("lib").exists());
        assert!(!scratch.app().join("src/deep/c.txt").metadata().unwrap().is_dir());
        assert_eq!(
            paths(&scratch.capture()),
            Vec::<String>::new(),
            "absent is not deleted, index.sparse={index}"
        );
        let outside = Scratch::new();
        outside.write("lib/x/e.txt", "e\n");
        outside.git(&["add", "-A"]);
        outside.git(&["commit", "-q", "-m", "lib"]);
        outside.git(&["config", "index.sparse", index]);
        outside.git(&["sparse-checkout", "set", "--cone", "src"]);
        assert_eq!(is_sparse(&outside), index == "true");
        assert!(!outside.app().join("lib").exists());
        // Written outside the cone: an edit of a file that is not checked out, and a new one.
        outside.write("lib/x/e.txt", "edited\n");
        outside.write("lib/new.txt", "new\n");
        let repo = outside.capture();
        assert_eq!(paths(&repo), ["lib/new.txt", "lib/x/e.txt"], "index.sparse={index}");
        assert!(entry(&repo, "lib/x/e.txt").head.is_some());
        assert!(repo.flags.sparse);
    }
}

#[test]
fn edits_hidden_from_git_status_are_found() {
    let scratch = Scratch::new();
    scratch.git(&["update-index", "--assume-unchanged", "a.txt"]);
    scratch.git(&["update-index", "--skip-worktree", "b.txt"]);
    scratch.write("a.txt", "hidden\n");
    scratch.write("b.txt", "hidden too\n");
    assert_eq!(scratch.git(&["status", "--porcelain"]), "");
    let repo = scratch.capture();
    assert_eq!(paths(&repo), ["a.txt", "b.txt"]);
    assert!(entry(&repo, "a.txt").flags.assume_unchanged && entry(&repo, "b.txt").flags.skip_worktree);
}

#[test]
fn line_endings_alone_are_no_change_and_native_ones_are_marked() {
    let scratch = Scratch::new();
    scratch.git(&["config", "core.autocrlf", "true"]);
    scratch.write("a.txt", "one\r\n");
    assert_eq!(paths(&scratch.capture()), Vec::<String>::new());
    scratch.write("a.txt", "one\r\nmore\r\n");
    scratch.write("b.txt", "two\nmixed\r\n");
    let repo = scratch.capture();
    let (a, b) =
        (entry(&repo, "a.txt").worktree.clone().unwrap(), entry(&repo, "b.txt").worktree.clone().unwrap());
    assert_eq!((a.eol, b.eol), (Some(Eol::Native), Some(Eol::Verbatim)));
    assert_eq!(a.size, 11, "the bytes travel as they are on disk");
    assert_eq!(a.oid.unwrap().to_string(), scratch.git(&["hash-object", "a.txt"]).trim());
}

#[test]
fn filters_are_named_and_not_run() {
    let scratch = Scratch::new();
    scratch.git(&["config", "filter.boom.clean", "touch ran; cat"]);
    scratch.git(&["config", "filter.boom.required", "true"]);
    scratch.write(".gitattributes", "*.bin filter=boom\n");
    scratch.write("x.bin", "raw");
    let repo = scratch.capture();
    assert_eq!(entry(&repo, "x.bin").flags.raw.as_deref(), Some("filter=boom"));
    assert!(entry(&repo, ".gitattributes").flags.auto_run);
    assert!(!scratch.app().join("ran").exists());
}

#[test]
fn an_lfs_file_that_is_as_committed_is_no_change() {
    let scratch = Scratch::new();
    let content = b"pretend this is large".repeat(10);
    let pointer = |content: &[u8]| {
        let hash = crate::Digest::of(content);
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{hash}\nsize {}\n", content.len())
    };
    scratch.write("big.bin", pointer(&content));
    scratch.git(&["add", "big.bin"]);
    scratch.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    scratch.git(&["add", ".gitattributes"]);
    scratch.git(&["commit", "-q", "-m", "pointer"]);
    scratch.write("big.bin", &content);
    assert_eq!(paths(&scratch.capture()), Vec::<String>::new());
    scratch.write("big.bin", b"something else");
    let repo = scratch.capture();
    assert_eq!(entry(&repo, "big.bin").flags.raw.as_deref(), Some("filter=lfs"));
}

#[test]
fn repositories_inside_are_repositories_of_their_own() {
    let scratch = Scratch::new();
    for name in ["vendor/lib", "empty"] {
        fs::create_dir_all(scratch.app().join(name)).unwrap();
        scratch.git_in(&scratch.app().join(name), &["init", "-q"]);
        scratch.write(&format!("{name}/f"), "f");
    }
    // A directory named .git that is no repository is an ordinary one to git.
    scratch.write("odd/.git/x", "x");
    scratch.write("odd/y", "y");
    let snapshot = scratch.capture_with(&CaptureOptions::default());
    let repos: Vec<_> =
        snapshot.manifest().repos.iter().map(|repo| (repo.name.as_str(), paths(repo))).collect();
    assert_eq!(
        repos,
        [
            ("app", vec!["odd/y".to_owned()]),
            ("app/empty", vec!["f".to_owned()]),
            ("app/vendor/lib", vec!["f".to_owned()])
        ]
    );
}

#[test]
fn a_damaged_repository_is_listed_and_the_others_are_captured() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.app().join("inner")).unwrap();
    scratch.git_in(&scratch.app().join("inner"), &["init", "-q"]);
    scratch.write("inner/f", "f");
    scratch.write("outer", "o");
    fs::write(scratch.app().join("inner/.git/index"), b"DIRC\0\0\0\x09garbage").unwrap();
    let snapshot = scratch.capture_with(&CaptureOptions::default());
    let [outer, inner] = snapshot.manifest().repos.as_slice() else { panic!("two repositories") };
    assert_eq!(paths(outer), ["outer"]);
    let failed = inner.failed.clone().unwrap();
    assert_eq!(failed.kind, "repository");
    assert!(failed.message.contains("index"), "{}", failed.message);
    assert!(!failed.message.contains(&*scratch.dir.path().to_string_lossy()), "{}", failed.message);
}

#[test]
fn an_operation_under_way_is_recorded_with_its_stages() {
    let scratch = Scratch::new();
    scratch.git(&["checkout", "-q", "-b", "side"]);
    scratch.write("a.txt", "side\n");
    scratch.git(&["commit", "-q", "-a", "-m", "side"]);
    scratch.git(&["checkout", "-q", "main"]);
    scratch.write("a.txt", "main\n");
    scratch.git(&["commit", "-q", "-a", "-m", "main"]);
    let git = Command::new("git").args(["merge", "-q", "side"]).current_dir(scratch.app()).output().unwrap();
    assert!(!git.status.success(), "the merge must conflict");
    let repo = scratch.capture();
    let operation = repo.operation.clone().unwrap();
    assert_eq!((operation.kind, operation.heads.len()), (OperationKind::Merge, 1));
    let entry = entry(&repo, "a.txt");
    assert_eq!(entry.flags.stages.iter().map(|stage| stage.stage).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(entry.index.is_none() && entry.head.is_some() && entry.worktree.is_some());
}

#[test]
fn staged_deletion_of_a_file_that_is_kept_and_ignored_keeps_its_content() {
    let scratch = Scratch::new();
    scratch.git(&["rm", "-q", "--cached", "a.txt"]);
    scratch.write(".gitignore", "a.txt\n");
    let snapshot = scratch.capture_with(&CaptureOptions::default());
    let content = snapshot.read("app", &"a.txt".into(), Layer::Worktree).unwrap();
    assert_eq!(content.as_deref(), Some(&b"one\n"[..]));
}

#[test]
fn what_is_no_file_is_listed() {
    let scratch = Scratch::new();
    rustix::fs::mkfifoat(rustix::fs::CWD, scratch.app().join("pipe"), rustix::fs::Mode::RWXU).unwrap();
    fs::remove_file(scratch.app().join("a.txt")).unwrap();
    std::os::unix::fs::symlink("nowhere", scratch.app().join("a.txt")).unwrap();
    let repo = scratch.capture();
    assert_eq!(omitted(&repo), [("pipe".into(), OmissionReason::SpecialFile)]);
    assert_eq!(entry(&repo, "a.txt").worktree.as_ref().unwrap().mode, Mode::Symlink);
}

#[test]
fn the_snapshot_of_one_state_has_one_id_wherever_the_checkout_lies() {
    let (one, two) = (Scratch::new(), Scratch::new());
    let mut ids = Vec::new();
    for scratch in [&one, &two] {
        // Dates are not fixed, so the commits differ; the second checkout takes over the first's.
        if !ids.is_empty() {
            fs::remove_dir_all(scratch.app()).unwrap();
            let source = one.app();
            scratch
                .git_in(scratch.dir.path(), &["clone", "-q", "--no-local", &source.to_string_lossy(), "app"]);
            scratch.git(&["remote", "remove", "origin"]);
        }
        for n in 0..100 {
            scratch.write(&format!("many/{n}"), format!("{n}"));
        }
        ids.push(scratch.capture_with(&CaptureOptions::default()).id());
    }
    assert_eq!(ids[0], ids[1]);
}
