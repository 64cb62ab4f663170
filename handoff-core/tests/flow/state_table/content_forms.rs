//! Line endings and `ident`: what a file is in the work tree, and what git stores of it.

use handoff_core::{Note, Outcome, Verdict};

use super::{Pair, carry, entry, numbered, of, paths, repo};
use crate::support::oracle;
use crate::support::repo::Repo;

fn crlf(text: &str) -> String {
    text.replace('\n', "\r\n")
}

/// Both clones under the given settings, freshly checked out by git.
fn with_settings(attributes: &str, source: &[&[&str]], target: &[&[&str]]) -> Pair {
    let pair = Pair::new(|base| {
        if !attributes.is_empty() {
            base.write(".gitattributes", attributes);
        }
        base.write("edit.txt", numbered(&[]))
            .write("merge.txt", numbered(&[]))
            .write("same.txt", numbered(&[]));
        base.write("mode.txt", numbered(&[]))
            .write("gone.txt", "gone\n")
            .write("bin.dat", [0, 13, 10, 0, 10]);
    });
    for (clone, settings) in [(&pair.source, source), (&pair.target, target)] {
        for setting in settings {
            clone.git(&[&["config"][..], setting].concat());
        }
        check_out_again(clone);
    }
    pair
}

fn check_out_again(repo: &Repo) {
    let files = repo.git(&["ls-files", "-z"]);
    for path in files.split(|byte| *byte == 0).filter(|path| !path.is_empty()) {
        repo.remove(path);
    }
    repo.git(&["checkout", "-q", "-f", "--", "."]);
    repo.refresh();
}

/// What the file is at a checkout when `text` is stored.
fn as_checked_out(repo: &Repo, text: &str) -> Vec<u8> {
    if repo.read("same.txt").windows(2).any(|w| w == b"\r\n") { crlf(text).into() } else { text.into() }
}

/// A setting with its name.
type Settings = &'static [&'static [&'static str]];

const SETTINGS: [Settings; 5] = [
    &[],
    &[&["core.autocrlf", "true"]],
    &[&["core.autocrlf", "input"]],
    &[&["core.eol", "crlf"]],
    &[&["core.eol", "lf"], &["core.autocrlf", "false"]],
];

const ATTRIBUTES: [&str; 6] =
    ["", "* text=auto\n", "*.txt text\n", "*.txt text eol=crlf\n", "*.txt text eol=lf\n", "*.txt -text\n"];

#[test]
fn source_and_target_of_different_line_endings() {
    for attributes in ATTRIBUTES {
        for from in SETTINGS {
            for to in SETTINGS {
                let what = format!("{attributes:?}, {from:?} to {to:?}");
                let pair = with_settings(attributes, from, to);
                let (source, target) = (&pair.source, &pair.target);
                assert!(oracle::state(source).status.is_empty() && oracle::state(target).status.is_empty());
                source.write("edit.txt", as_checked_out(source, &numbered(&[(3, "there")])));
                source.write("merge.txt", as_checked_out(source, &numbered(&[(3, "there")])));
                source.write("new.txt", as_checked_out(source, "a new\nfile\n")).executable("mode.txt", true);
                source.remove("gone.txt").write("bin.dat", [0, 13, 10, 0, 10, 10]);
                target.write("merge.txt", as_checked_out(target, &numbered(&[(25, "here")])));
                let snapshot = pair.snapshot();
                let found = paths(repo(&snapshot, "app"));
                let expected = ["bin.dat", "edit.txt", "gone.txt", "merge.txt", "mode.txt", "new.txt"];
                assert_eq!(found, expected, "{what}");
                let report = carry(&snapshot, target);
                assert_eq!(report.verdict, Verdict::Complete, "{what}: {report}");
                let both = numbered(&[(3, "there"), (25, "here")]);
                let there = numbered(&[(3, "there")]);
                assert_eq!(of(&report, "merge.txt").outcome, Outcome::Merged, "{what}");
                for (path, text) in [("edit.txt", &there), ("merge.txt", &both)] {
                    let wanted = as_checked_out(target, text);
                    assert!(target.read(path) == wanted, "{what}: {path} has not the target's endings");
                }
                assert_eq!(target.read("bin.dat"), [0, 13, 10, 0, 10, 10], "{what}");
                // Git stores the same of both, so it sees the same changes.
                let id = |repo: &Repo, path: &str| repo.git(&["hash-object", path]);
                for path in ["edit.txt", "mode.txt", "bin.dat"] {
                    assert_eq!(id(source, path), id(target, path), "{what}: {path}");
                }
                if attributes.contains("text") && !attributes.contains("-text") {
                    assert_eq!(id(source, "new.txt"), id(target, "new.txt"), "{what}");
                }
                let mut wanted: Vec<_> = oracle::state(source).status;
                let mut found: Vec<_> = oracle::state(target).status;
                wanted.sort();
                found.sort();
                assert_eq!(wanted, found, "{what}");
            }
        }
    }
}

#[test]
fn line_endings_alone_are_no_change_where_git_says_so() {
    let pair = with_settings("*.txt text\n", &[], &[]);
    pair.source.write("edit.txt", crlf(&numbered(&[])));
    assert_eq!(pair.source.git(&["diff", "--name-only"]), b"", "git finds nothing to store");
    assert_eq!(paths(repo(&pair.snapshot(), "app")), Vec::<String>::new());
    // Where git converts nothing, they are a change like any other.
    let pair = with_settings("", &[], &[]);
    pair.source.write("edit.txt", crlf(&numbered(&[])));
    assert_eq!(paths(repo(&pair.snapshot(), "app")), ["edit.txt"]);
    pair.there_and_back();
}

#[test]
fn mixed_endings_travel_byte_for_byte() {
    let mixed = "unix\ndos\r\nunix\nold mac\rend\n";
    for attributes in ["", "* text=auto\n", "*.txt text\n"] {
        let pair = with_settings(attributes, &[], &[&["core.autocrlf", "input"]]);
        pair.source.write("edit.txt", mixed).write("new.txt", mixed);
        let report = pair.carry();
        assert_eq!(report.verdict, Verdict::Complete, "{report}");
        for path in ["edit.txt", "new.txt"] {
            assert_eq!(pair.target.read(path), mixed.as_bytes(), "{attributes:?}: {path}");
            assert!(!of(&report, path).notes.contains(&Note::EolConverted));
        }
    }
}

#[test]
fn a_merge_into_mixed_endings_keeps_them_line_by_line() {
    let pair = with_settings("*.txt text\n", &[], &[]);
    let mixed = |text: &str| -> String {
        text.lines()
            .enumerate()
            .map(|(n, line)| format!("{line}{}", if n % 3 == 0 { "\r\n" } else { "\n" }))
            .collect()
    };
    pair.source.write("merge.txt", numbered(&[(3, "there")]));
    pair.target.write("merge.txt", mixed(&numbered(&[(25, "here")])));
    let report = pair.carry();
    assert_eq!(of(&report, "merge.txt").outcome, Outcome::Merged, "{report}");
    let found = pair.target.read("merge.txt");
    let plain: Vec<u8> = found.iter().copied().filter(|byte| *byte != b'\r').collect();
    assert_eq!(plain, numbered(&[(3, "there"), (25, "here")]).as_bytes());
}

#[test]
fn attributes_that_change_in_the_same_snapshot() {
    let pair = with_settings("", &[], &[]);
    pair.source.write(".gitattributes", "*.txt text eol=crlf\n");
    pair.source.write("edit.txt", crlf(&numbered(&[(3, "there")]))).write("new.txt", crlf("a\nb\n"));
    let report = pair.carry();
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    for path in ["edit.txt", "new.txt", ".gitattributes"] {
        assert_eq!(pair.target.read(path), pair.source.read(path), "{path}");
    }
    let (wanted, found) = (oracle::state(&pair.source), oracle::state(&pair.target));
    assert_eq!(oracle::difference(&wanted, &found), "");
}

/// Attributes hold wherever git finds them, in the index or not, and what is stored is what git would store. (Those that
/// are only in the index are no case for this oracle: `git hash-object` reads no index.)
#[test]
fn attributes_hold_wherever_git_finds_them() {
    const RULE: &str = "*.txt text\n";
    type Put = fn(&Repo);
    let places: &[(&str, Put)] = &[
        ("none", |_| {}),
        ("committed at the root", |repo| {
            repo.write(".gitattributes", RULE).commit("attributes");
        }),
        ("committed in the directory", |repo| {
            repo.write("deep/er/.gitattributes", RULE).commit("attributes");
        }),
        ("committed, in another directory", |repo| {
            repo.write("other/.gitattributes", RULE).commit("attributes");
        }),
        ("untracked", |repo| {
            repo.write("deep/.gitattributes", RULE);
        }),
        ("untracked and ignored", |repo| {
            repo.write(".gitignore", ".gitattributes\n").commit("ignore");
            repo.write("deep/er/.gitattributes", RULE);
        }),
        ("committed, then emptied on disk", |repo| {
            repo.write(".gitattributes", RULE).commit("attributes");
            repo.write(".gitattributes", "");
        }),
        ("in the git directory", |repo| {
            repo.write(".git/info/attributes", RULE);
        }),
    ];
    for (place, put) in places {
        let pair = Pair::new(|base| {
            base.write("deep/er/edit.txt", numbered(&[])).write("deep/er/same.txt", numbered(&[]));
        });
        put(&pair.source);
        pair.source.refresh();
        pair.source.write("deep/er/edit.txt", crlf(&numbered(&[(3, "there")])));
        pair.source.write("deep/er/same.txt", crlf(&numbered(&[])));
        let snapshot = pair.snapshot();
        let stored = |path: &str| -> Option<String> {
            let mut entries = repo(&snapshot, "app").entries.iter();
            let found = entries.find(|entry| entry.path == path.into())?;
            Some(found.worktree.as_ref()?.oid?.to_string())
        };
        let git = |path: &str| {
            String::from_utf8(pair.source.git(&["hash-object", path])).unwrap().trim().to_owned()
        };
        assert_eq!(stored("deep/er/edit.txt"), Some(git("deep/er/edit.txt")), "{place}");
        let changed = pair.source.git(&["diff", "--name-only", "--", "deep/er/same.txt"]);
        let wanted = (!changed.is_empty()).then(|| git("deep/er/same.txt"));
        assert_eq!(stored("deep/er/same.txt"), wanted, "{place}");
    }
}

#[test]
fn ident() {
    let pair = Pair::new(|base| {
        base.write(".gitattributes", "*.c ident\n").write("a.c", "/* $Id$ */\nint a;\n");
        base.write("b.c", format!("/* $Id$ */\n{}", numbered(&[])));
    });
    for clone in [&pair.source, &pair.target] {
        check_out_again(clone);
        assert!(String::from_utf8(clone.read("a.c")).unwrap().contains("$Id: "));
    }
    assert_eq!(
        paths(repo(&pair.snapshot(), "app")),
        Vec::<String>::new(),
        "an expanded keyword is no change"
    );
    let edited = |repo: &Repo, path: &str, from: &str, to: &str| {
        let text = String::from_utf8(repo.read(path)).unwrap().replace(from, to);
        repo.write(path, text);
    };
    edited(&pair.source, "a.c", "int a;", "int b;");
    edited(&pair.source, "b.c", "line 3\n", "by the source\n");
    edited(&pair.target, "b.c", "line 25\n", "by the target\n");
    pair.source.write("new.c", "/* $Id$ */\n");
    let snapshot = pair.snapshot();
    // The oid is that of the stored form.
    let stored = String::from_utf8(pair.source.git(&["hash-object", "a.c"])).unwrap();
    let told = entry(repo(&snapshot, "app"), "a.c").worktree.clone().unwrap();
    assert_eq!(told.oid.map(|oid| oid.to_string()).as_deref(), Some(stored.trim()));
    let report = carry(&snapshot, &pair.target);
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    assert_eq!(of(&report, "b.c").outcome, Outcome::Merged);
    let id = |repo: &Repo, path: &str| repo.git(&["hash-object", path]);
    for path in ["a.c", "new.c"] {
        assert_eq!(id(&pair.source, path), id(&pair.target, path));
    }
    let merged = String::from_utf8(pair.target.read("b.c")).unwrap();
    assert!(merged.contains("by the source\n") && merged.contains("by the target\n"), "{merged}");
}

#[test]
fn a_file_over_eight_mebibytes_is_not_normalised_and_says_so() {
    let pair = Pair::new(|base| {
        base.write(".gitattributes", "*.txt text\n").write("small.txt", "x\n");
    });
    let big = "a line of text that is not long\r\n".repeat(300_000);
    assert!(big.len() > 8 << 20);
    pair.source.write("big.txt", &big);
    let snapshot = pair.snapshot();
    let told = entry(repo(&snapshot, "app"), "big.txt");
    assert_eq!(told.flags.raw.as_deref(), Some("size"));
    let report = carry(&snapshot, &pair.target);
    assert!(of(&report, "big.txt").notes.contains(&Note::Raw), "{report:?}");
    assert!(pair.target.read("big.txt") == big.as_bytes());
}
