#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::snapshot::tests::{entry, file, manifest, oid, omission, repo, snapshot_of, untracked};
use crate::snapshot::{Eol, OmissionReason, Spool};

/// Runs git without any configuration but its own defaults, and returns what it prints.
fn git(root: &Path, args: &[&OsStr]) -> Vec<u8> {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(b"GIT_")) {
        command.env_remove(name);
    }
    let who = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"];
    command.envs(who.map(|name| (name, "someone")));
    command.envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null")]).env("HOME", root);
    let output = command.arg("-C").arg(root).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn git_text(root: &Path, args: &[&str]) -> Vec<u8> {
    git(root, &args.iter().map(OsStr::new).collect::<Vec<_>>())
}

/// What a file is in a test.
#[derive(Clone)]
enum Made {
    File(&'static [u8]),
    Program(&'static [u8]),
    Link(&'static str),
}

fn make(root: &Path, path: &[u8], made: &Made) {
    let at = root.join(OsStr::from_bytes(path));
    std::fs::create_dir_all(at.parent().unwrap()).unwrap();
    let _ = std::fs::remove_file(&at);
    match made {
        Made::Link(target) => std::os::unix::fs::symlink(target, &at).unwrap(),
        Made::File(content) | Made::Program(content) => {
            std::fs::write(&at, content).unwrap();
            let mode = if matches!(made, Made::Program(_)) { 0o755 } else { 0o644 };
            std::fs::set_permissions(&at, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

/// The state of a file, with the id that git gives its content.
fn state(spool: &Spool, made: &Made) -> FileState {
    let (content, mode) = match made {
        Made::File(content) => (*content, Mode::Regular),
        Made::Program(content) => (*content, Mode::Executable),
        Made::Link(target) => (target.as_bytes(), Mode::Symlink),
    };
    spool.add(content).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let name = scratch.path().join("content");
    std::fs::write(&name, content).unwrap();
    let id = git(scratch.path(), &[OsStr::new("hash-object"), name.as_os_str()]);
    let id = std::str::from_utf8(&id).unwrap().trim().parse().unwrap();
    FileState { mode, oid: Some(id), ..file(content) }
}

/// Git's hunk headers quote the line before; ours do not.
fn without_hunk_context(diff: &[u8]) -> Vec<u8> {
    let lines = diff.split_inclusive(|byte| *byte == b'\n').map(|line| {
        let end = line.windows(3).skip(3).position(|three| three == b" @@").map(|at| at + 6);
        match end.filter(|_| line.starts_with(b"@@ -")) {
            Some(end) => [&line[..end], b"\n"].concat(),
            None => line.to_vec(),
        }
    });
    lines.collect::<Vec<_>>().concat()
}

#[test]
fn the_text_is_what_git_prints_and_takes() {
    use Made::{File, Link, Program};
    const TEN: &[u8] = b"1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";
    const TEN_CHANGED: &[u8] = b"1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11\n";
    let cases: &[(&[u8], Option<Made>, Option<Made>)] = &[
        (b"deleted", Some(File(TEN)), None),
        (b"deleted empty", Some(File(b"")), None),
        (b"deleted\xffprogram", Some(Program(b"#!\n")), None),
        (b"dir/modified", Some(File(TEN)), Some(File(TEN_CHANGED))),
        (b"dir/with space", Some(File(TEN)), Some(File(TEN_CHANGED))),
        (b"grown", Some(File(b"")), Some(File(b"x\n"))),
        (b"mode", Some(File(TEN)), Some(Program(TEN))),
        (b"mode and content", Some(Program(TEN)), Some(File(TEN_CHANGED))),
        (b"new", None, Some(File(TEN))),
        (b"new empty", None, Some(File(b""))),
        (b"new link", None, Some(Link("some/where"))),
        (b"new program", None, Some(Program(b"#!/bin/sh\n"))),
        (b"no newline", Some(File(b"a\nb")), Some(File(b"a\nb\n"))),
        (b"no newline still", Some(File(b"a\nb")), Some(File(b"a\nc"))),
        (b"picture", Some(File(b"\0one")), Some(File(b"\0two"))),
        (b"picture gone", Some(File(b"\0one")), None),
        (b"picture new", None, Some(File(b"\0one"))),
        (b"quoted \"\\\t\n\x01\x7f\r", Some(File(TEN)), Some(File(TEN_CHANGED))),
        (b"relinked", Some(Link("here")), Some(Link("there"))),
        (b"to file", Some(Link("there")), Some(File(TEN))),
        (b"to link", Some(File(TEN)), Some(Link("here"))),
        ("\u{fc}n\u{ef}c\u{f6}de".as_bytes(), None, Some(File(TEN))),
    ];
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    git_text(root, &["init", "-q"]);
    let spool = Spool::new(u64::MAX);
    let mut entries = Vec::new();
    for (path, head, worktree) in cases {
        if let Some(made) = head {
            make(root, path, made);
        }
        entries.push(Entry {
            head: head.as_ref().map(|made| state(&spool, made)),
            worktree: worktree.as_ref().map(|made| state(&spool, made)),
            ..entry(RelPath::new(*path))
        });
    }
    git_text(root, &["add", "-A"]);
    git_text(root, &["commit", "-q", "-m", "base"]);
    for (path, _, worktree) in cases {
        match worktree {
            Some(made) => make(root, path, made),
            None => std::fs::remove_file(root.join(OsStr::from_bytes(path))).unwrap(),
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let snapshot = spool.finish(manifest(vec![repo("app", entries)])).unwrap();
    let ours = snapshot.diff_base().to_unified().unwrap();
    git_text(root, &["add", "-A"]);
    let theirs =
        git_text(root, &["diff", "--no-renames", "--full-index", "--diff-algorithm=histogram", "HEAD"]);
    assert_eq!(
        String::from_utf8_lossy(&ours),
        String::from_utf8_lossy(&without_hunk_context(&theirs)),
        "ours, then git's"
    );
    assert_eq!(ours, without_hunk_context(&theirs));
    assert_eq!(snapshot.diff_base().to_string().as_bytes(), String::from_utf8_lossy(&ours).as_bytes());

    // And git makes the same tree of it, but for the binary files, which no such text can carry.
    let binary = ["picture", "picture gone", "picture new"];
    let patch = root.join(".git/ours.patch");
    std::fs::write(&patch, &ours).unwrap();
    let wanted = git_text(root, &["ls-files", "-s", "--", ":!picture*"]);
    git_text(root, &["reset", "-q", "--hard"]);
    let mut args = vec!["apply".to_owned(), "--index".into()];
    args.extend(binary.map(|name| format!("--exclude={name}")));
    args.push(patch.to_str().unwrap().to_owned());
    git_text(root, &args.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(git_text(root, &["ls-files", "-s", "--", ":!picture*"]), wanted);
}

#[test]
fn between_two_snapshots_a_path_that_one_does_not_name_is_as_in_head() {
    let spool = Spool::new(0);
    for content in [b"head\n".as_slice(), b"one\n", b"two\n"] {
        spool.add(content).unwrap();
    }
    let changed = |path: &str, worktree: Option<&[u8]>| Entry {
        head: Some(file(b"head\n")),
        worktree: worktree.map(file),
        ..entry(path)
    };
    let older = manifest(vec![repo(
        "app",
        vec![
            changed("both", Some(b"one\n")),
            changed("deleted then back", None),
            changed("reverted", Some(b"one\n")),
            changed("same", Some(b"one\n")),
            untracked("untracked then gone", b"two\n"),
        ],
    )]);
    let older = spool.finish(older).unwrap();
    let spool = Spool::new(0);
    for content in [b"head\n".as_slice(), b"one\n", b"two\n"] {
        spool.add(content).unwrap();
    }
    let newer = manifest(vec![
        repo(
            "app",
            vec![
                changed("both", Some(b"two\n")),
                changed("later", Some(b"two\n")),
                changed("later deleted", None),
                changed("same", Some(b"one\n")),
                untracked("untracked later", b"one\n"),
            ],
        ),
        repo("lib", vec![untracked("new", b"one\n")]),
    ]);
    let newer = spool.finish(newer).unwrap();
    let diff = older.diff(&newer);
    let names: Vec<String> = (diff.repos.iter())
        .flat_map(|repo| repo.changes.iter().map(|c| format!("{} {} {}", repo.repo, c.kind.as_str(), c.path)))
        .collect();
    assert_eq!(
        names,
        [
            "app modified both",
            "app created deleted then back",
            "app modified later",
            "app deleted later deleted",
            "app modified reverted",
            "app created untracked later",
            "app deleted untracked then gone",
            "lib created new",
        ]
    );
    let text = diff.to_string();
    assert!(text.starts_with("# repository app\ndiff --git a/both b/both\n"), "{text}");
    assert!(text.contains("-one\n+two\n"), "{text}");
    assert!(text.contains("+++ b/reverted\n@@ -1 +1 @@\n-one\n+head\n"), "{text}");
    assert!(text.contains("# repository lib\n"), "{text}");
    assert!(!text.contains("HEAD differs"), "{text}");
    assert!(older.diff(&older).is_empty());
    assert_eq!(older.diff(&older).to_string(), "");
    // Backwards, the same paths change the other way.
    let back = newer.diff(&older);
    let kinds = |diff: &SnapshotDiff| diff.repos.iter().map(|repo| repo.changes.len()).sum::<usize>();
    assert_eq!(kinds(&back), kinds(&diff));
    assert!(back.to_string().contains("+++ b/reverted\n@@ -1 +1 @@\n-head\n+one\n"));
}

#[test]
fn what_cannot_be_shown_is_said() {
    let finish = |repos| Spool::new(0).finish(manifest(repos)).unwrap();
    // Omitted on one side, directly and as part of a directory.
    let mut older = repo("app", vec![]);
    older.omissions =
        vec![omission("big", OmissionReason::TooLarge), omission("dir/", OmissionReason::OverBudget)];
    let older = finish(vec![older]);
    let newer = snapshot_of(&[("big", b"1"), ("dir/sub/file", b"2"), ("dirt", b"3")]);
    let diff = older.diff(&newer);
    assert_eq!(diff.repos[0].unknown, ["big".into(), "dir/sub/file".into()]);
    assert_eq!(diff.repos[0].changes.len(), 1);
    let text = diff.to_string();
    assert!(
        text.starts_with("# big: not captured\n# dir/sub/file: not captured\ndiff --git a/dirt"),
        "{text}"
    );
    assert_eq!(older.diff_base().repos[0].unknown, ["big".into(), "dir/".into()]);

    // Another HEAD.
    let mut moved = repo("app", vec![]);
    moved.head.commit = Some(oid(b"another"));
    let diff = finish(vec![moved]).diff(&newer);
    assert!(!diff.repos[0].same_head);
    assert!(diff.to_string().starts_with("# HEAD differs"));

    // Contents that did not travel, and one that is missing.
    let mut bare = entry("bare");
    bare.head = Some(FileState { blob: None, ..file(b"left out") });
    bare.worktree = None;
    let text = finish(vec![repo("app", vec![bare])]).diff_base().to_unified().unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.ends_with("# bare: a side's content is not in the snapshot\n"), "{text}");

    // A commit of another repository, and an empty directory.
    let link = |content: &[u8]| FileState { blob: None, mode: Mode::Gitlink, size: 0, ..file(content) };
    let sub = Entry { head: Some(link(b"1")), worktree: Some(link(b"2")), ..entry("sub") };
    let mut empty = entry("void");
    empty.flags.empty_dir = true;
    let text = finish(vec![repo("app", vec![sub, empty])]).diff_base().to_string();
    let (one, two) = (oid(b"1"), oid(b"2"));
    let wanted = format!(
        "diff --git a/sub b/sub\nindex {one}..{two} 160000\n--- a/sub\n+++ b/sub\n\
         @@ -1 +1 @@\n-Subproject commit {one}\n+Subproject commit {two}\n"
    );
    assert_eq!(text, wanted);
}

#[test]
fn a_name_cannot_forge_a_line() {
    let mut forged = repo("app\ndiff --git a/x b/x", vec![untracked("x", b"1\n")]);
    forged.omissions = vec![omission("o\n+++ b/y", OmissionReason::Excluded)];
    let spool = Spool::new(0);
    spool.add(b"1\n").unwrap();
    let other = repo("other", vec![untracked("x", b"1\n")]);
    let text = spool.finish(manifest(vec![forged, other])).unwrap().diff_base().to_string();
    assert_eq!(text.lines().filter(|line| line.starts_with("diff --git")).count(), 2, "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("+++")).count(), 2, "{text}");
}

#[test]
fn line_endings_that_git_made_do_not_count() {
    let spool = Spool::new(0);
    let (head, worktree) = (b"a\nb\nc\n".as_slice(), b"a\r\nB\r\nc\r\n".as_slice());
    spool.add(head).unwrap();
    spool.add(worktree).unwrap();
    let native = FileState { eol: Some(Eol::Native), oid: Some(oid(b"a\nB\nc\n")), ..file(worktree) };
    let mut same = entry("same");
    same.head = Some(file(head));
    same.worktree = Some(FileState { oid: Some(oid(head)), ..native.clone() });
    let changed = Entry { head: Some(file(head)), worktree: Some(native), ..entry("changed") };
    let snapshot = spool.finish(manifest(vec![repo("app", vec![changed, same])])).unwrap();
    let text = snapshot.diff_base().to_string();
    assert!(text.ends_with("@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"), "{text}");
    assert!(!text.contains("same"), "{text}");
}
