//! What lies in the layers HEAD, index and work tree.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use handoff_core::{ApplyOptions, Bases, CaptureOptions, Outcome, Snapshot, Verdict, apply, capture};

use super::{Pair, carry, entry, listed, numbered, of, paths, repo};
use crate::support::repo::{Format, Repo, scratch};
use crate::support::{git, oracle};

#[test]
fn staged_versus_unstaged_split() {
    let pair = Pair::new(|base| {
        for path in ["both.txt", "staged.txt", "unstaged.txt", "back.txt", "gone.txt", "kept.txt"] {
            base.write(path, numbered(&[]));
        }
    });
    let source = &pair.source;
    source.write("both.txt", numbered(&[(3, "staged")])).write("staged.txt", numbered(&[(4, "staged")]));
    source.write("back.txt", numbered(&[(5, "staged")])).write("added.txt", "staged\n");
    source.git(&["add", "-A"]);
    source.git(&["rm", "-q", "gone.txt"]);
    source.git(&["rm", "-q", "--cached", "kept.txt"]);
    source.write("both.txt", numbered(&[(3, "staged"), (20, "not staged")]));
    source.write("unstaged.txt", numbered(&[(6, "not staged")])).write("back.txt", numbered(&[]));
    source.remove("added.txt");
    let report = pair.there_and_back();
    assert_eq!(report.repos[0].staging.restored, 6, "{:?}", report.repos[0].staging);
}

#[test]
fn untracked() {
    let pair = Pair::new(|base| {
        base.write("a.txt", "a\n");
    });
    pair.source.write("new.txt", "new\n").write("deep/er/new.bin", [0, 159, 146, 150]).write("empty", "");
    pair.source
        .write(b"caf\xe9/\xff\n\"quoted\" name", "bytes\n")
        .write("-dash", "d\n")
        .write(":(top)x", "t\n");
    pair.source
        .write("[id].tsx", "i\n")
        .write("日本/語.txt", "cjk\n")
        .write("e\u{301}", "nfd\n")
        .write("\u{e9}", "nfc\n");
    let report = pair.there_and_back();
    assert_eq!(report.count(&Outcome::Applied), 10);
}

#[test]
fn ignored_but_needed_files_stay_where_they_are_unless_asked_for() {
    let pair = Pair::new(|base| {
        base.write(".gitignore", ".env\n");
    });
    pair.source.write(".env", "MODE=dev\n").write("a.txt", "a\n");
    let snapshot = pair.snapshot();
    assert_eq!(paths(repo(&snapshot, "app")), ["a.txt"]);
    pair.carry();
    assert!(!pair.target.exists(".env"));
}

#[test]
fn executable_bits_and_symlinks() {
    let pair = Pair::new(|base| {
        base.write("on", "#!/bin/sh\n").write("off", "#!/bin/sh\n").executable("off", true);
        base.write("file-to-link", "file-to-link\n").link("link-to-file", "on").link("link", "on");
    });
    let source = &pair.source;
    source.executable("on", true).executable("off", false);
    source.write("new-tool", "#!/bin/sh\n").executable("new-tool", true);
    source.remove("file-to-link").link("file-to-link", "on");
    source.remove("link-to-file").write("link-to-file", "a file now\n");
    source.remove("link").link("link", "off").link("dangling", "nowhere/at/all");
    pair.there_and_back();
}

#[test]
fn an_untracked_symlink_to_a_directory() {
    let pair = Pair::new(|base| {
        base.write("dir/a.txt", "a\n");
    });
    pair.source.link("alias", "dir").link("deep/alias", "../dir/");
    let report = pair.there_and_back();
    assert_eq!(report.count(&Outcome::Applied), 2);
}

#[test]
fn private_modes_and_times_do_not_travel_and_execute_bits_do() {
    let pair = Pair::new(|base| {
        base.write("a.txt", "a\n");
    });
    pair.source.write("private", "p\n").write("tool", "t\n");
    let mode = |repo: &Repo, path: &str| fs::metadata(repo.at(path)).unwrap().permissions().mode() & 0o777;
    let set = |path: &str, mode: u32| {
        fs::set_permissions(pair.source.at(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    set("private", 0o600);
    set("tool", 0o700);
    pair.carry();
    assert_eq!(mode(&pair.target, "private") & 0o100, 0);
    assert_eq!(mode(&pair.target, "tool") & 0o100, 0o100);
    // What git itself would check out, so that both machines agree on what there is to compare.
    assert_eq!(mode(&pair.target, "private"), mode(&pair.target, "a.txt"));
    // A file that is private at the target stays so.
    pair.target.write("private", "p\n");
    fs::set_permissions(pair.target.at("private"), fs::Permissions::from_mode(0o600)).unwrap();
    pair.source.write("private", "p\n");
    pair.carry();
    assert_eq!(mode(&pair.target, "private"), 0o600);
}

#[test]
fn an_unborn_head() {
    let scratch = scratch();
    let source = Repo::init(scratch.path().join("laptop/app"), Format::Sha1);
    let target = Repo::init(scratch.path().join("cloud/app"), Format::Sha1);
    source.write("staged.txt", "staged\n").write("both.txt", "staged\n");
    source.git(&["add", "-A"]);
    source.write("both.txt", "edited\n").write("untracked.txt", "u\n");
    source.git(&["add", "-N", "untracked.txt"]);
    let snapshot = super::travelled(&[&source]);
    let head = &repo(&snapshot, "app").head;
    assert_eq!((head.commit, head.branch.as_deref()), (None, Some("main")));
    let report = carry(&snapshot, &target);
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    assert_eq!(oracle::difference(&oracle::state(&source), &oracle::state(&target)), "");
}

#[test]
fn branch_name_and_head_id() {
    let pair = Pair::new(|base| {
        base.write("a.txt", "a\n");
    });
    let head = pair.source.head();
    pair.source.git(&["checkout", "-q", "-b", "topic/näme"]);
    pair.source.write("b.txt", "b\n");
    let snapshot = pair.snapshot();
    let told = &repo(&snapshot, "app").head;
    assert_eq!(told.branch.as_deref(), Some("topic/näme"));
    assert_eq!(told.commit.map(|oid| oid.to_string()), Some(head.clone()));
    pair.source.git(&["checkout", "-q", "--detach"]);
    let told = &repo(&pair.snapshot(), "app").head.clone();
    assert_eq!(told.branch, None);
    assert_eq!(told.commit.map(|oid| oid.to_string()), Some(head));
    let report = pair.carry();
    assert_eq!(git::line(&pair.target.root, &["symbolic-ref", "HEAD"]), "refs/heads/main", "HEAD stays");
    assert_eq!(report.repos[0].drift.source, told.commit);
}

#[test]
fn base_content_for_a_three_way_merge() {
    let pair = Pair::new(|base| {
        base.write("a.txt", numbered(&[]));
    });
    // The commit that the edit rests on never left the source.
    pair.source.write("b.txt", numbered(&[]));
    pair.source.commit("not pushed");
    pair.source.write("b.txt", numbered(&[(3, "by the source")]));
    pair.target.write("b.txt", numbered(&[(25, "by the target")]));
    let snapshot = pair.snapshot();
    let base = entry(repo(&snapshot, "app"), "b.txt").head.clone().unwrap();
    assert_eq!(snapshot.blob(&base.blob.unwrap()).unwrap(), numbered(&[]).as_bytes());
    let report = carry(&snapshot, &pair.target);
    assert_eq!(of(&report, "b.txt").outcome, Outcome::Merged, "{report}");
    let merged = numbered(&[(3, "by the source"), (25, "by the target")]);
    assert_eq!(pair.target.read("b.txt"), merged.as_bytes());
}

#[test]
fn without_bases_a_missing_base_is_a_conflict_that_says_so() {
    let pair = Pair::new(|base| {
        base.write("a.txt", numbered(&[]));
    });
    pair.source.write("b.txt", numbered(&[(10, "not pushed")]));
    pair.source.commit("not pushed");
    pair.source.write("b.txt", numbered(&[(3, "by the source")]));
    pair.target.write("b.txt", numbered(&[(25, "by the target")]));
    let mut options = CaptureOptions::default();
    options.bases = Bases::Never;
    let snapshot: Snapshot = capture(&pair.source.workspace(), &options).unwrap();
    let report = apply(&snapshot, &pair.target.workspace(), &ApplyOptions::default()).unwrap();
    let file = of(&report, "b.txt");
    assert_eq!((&file.outcome, file.reason.as_deref()), (&Outcome::Conflict, Some("base_missing")));
    assert!(file.incoming.is_some(), "{file:?}");
}

#[test]
fn special_files_are_listed() {
    let pair = Pair::new(|base| {
        base.write("a.txt", "a\n");
    });
    let made = std::process::Command::new("mkfifo").arg(pair.source.at("pipe")).status().unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(pair.source.at("socket")).unwrap();
    let expected = [("pipe".to_owned(), "special_file".to_owned()), ("socket".into(), "special_file".into())];
    assert_eq!(listed(repo(&pair.snapshot(), "app")), expected);
    let report = pair.carry();
    for path in ["pipe", "socket"] {
        let file = of(&report, path);
        assert_eq!(
            (&file.outcome, file.reason.as_deref()),
            (&Outcome::NotCaptured, Some("special_file")),
            "{path}"
        );
        assert!(!pair.target.exists(path), "{path}");
    }
    assert_ne!(report.verdict, Verdict::Complete, "{report}");
}
