//! The rows in which it is the target that is odd.

use std::path::Path;

use handoff_core::Note;
use serde_json::json;

use super::rows::{CONTENT, owned, refused, row};
use super::{Row, Want};
use crate::support::repo::{Format, Repo};
use crate::support::snapshot::Parts;

/// 67–73, 80, 86–87, 91: what the target holds is hostile.
pub fn rows() -> Vec<Row> {
    const LINK: &[&str] = &["parent_is_symlink"];
    let below = |number, what, path: &'static [u8]| refused(number, what, path, LINK);
    let deletion = |number, what, path: &'static str, reason: &'static [&'static str]| {
        let build = move |parts: &mut Parts| {
            let head = parts.layer("regular", b"untouched\n");
            parts.add(json!({"head": head, "index": head, "path": path}));
        };
        row(number, what, build, Want::Skipped(owned(&[path.as_bytes()]), reason))
    };
    let conflict = |what, prepare: fn(&Repo, &Path)| {
        row(
            86,
            what,
            |parts: &mut Parts| parts.add_file(json!("taken"), CONTENT),
            Want::Conflict(b"taken".to_vec()),
        )
        .with(prepare)
    };
    fn out(target: &Repo, outside: &Path) {
        std::os::unix::fs::symlink(outside, target.at("out")).unwrap();
    }
    vec![
        hard_link(),
        below(67, "below a link out of the tree", b"out/x").with(out),
        below(67, "a new directory below such a link", b"out/new/x").with(out),
        below(68, "below a link to the git directory", b"s/config").with(|target, _| {
            target.link("s", ".git");
        }),
        below(69, "below a chain of 41 links", b"l0/x").with(|target, _| {
            for number in 0..41 {
                target.link(format!("l{number}"), format!("l{}", number + 1));
            }
            target.write("l41/y", "y");
        }),
        below(70, "below a link to itself", b"loop/x").with(|target, _| {
            target.link("loop", "loop");
        }),
        deletion(71, "deletes a file of the git directory", ".git/index", &["path_git_dir"]),
        deletion(72, "deletes below a link", "out/canary", LINK).with(out),
        row(
            73,
            "makes a file below a link executable",
            |parts: &mut Parts| {
                let head = parts.layer("regular", b"untouched\n");
                let worktree = parts.layer("executable", b"untouched\n");
                parts.add(json!({"head": head, "index": head, "path": "out/canary", "worktree": worktree}));
            },
            Want::Skipped(owned(&[b"out/canary"]), LINK),
        )
        .with(out),
        refused(80, "inside a repository of its own", "nested/x", &["parent_is_submodule"]).with(
            |target, _| {
                Repo::init(target.at("nested"), Format::Sha1).write("y", "y");
            },
        ),
        conflict("a pipe is there", |target, _| special(target, "p")),
        conflict("a device is there", |target, _| special(target, "c")),
        conflict("a socket is there", |target, _| {
            drop(std::os::unix::net::UnixListener::bind(target.at("taken")).unwrap());
        }),
        conflict("a directory with files is there", |target, _| {
            target.write("taken/file", "the target's own\n");
        }),
        row(91, "the journal directory is a link", |_: &mut Parts| {}, Want::Refused(&["journal_not_safe"]))
            .with(|target, outside| {
                std::os::unix::fs::symlink(outside, target.git_dir().join("handoff")).unwrap();
            }),
        row(91, "the journal directory is a file", |_: &mut Parts| {}, Want::Refused(&["journal_not_safe"]))
            .with(|target, _| {
                std::fs::write(target.git_dir().join("handoff"), "not a directory").unwrap();
            }),
    ]
}

/// Makes the pipe or device `taken`. Making a device takes rights that a tester may not have; a pipe then stands for it.
fn special(target: &Repo, kind: &str) {
    let path = target.at("taken");
    let made = |kind: &str| {
        let mut mknod = std::process::Command::new("mknod");
        mknod.arg(&path).arg(kind);
        if kind == "c" {
            mknod.args(["1", "3"]);
        }
        mknod.stderr(std::process::Stdio::null()).status().unwrap().success()
    };
    assert!(made(kind) || made("p"), "mknod is needed (coreutils)");
}

/// 87: a tracked file that shares its content with a name outside the tree.
fn hard_link() -> Row {
    let build = |parts: &mut Parts| {
        let head = parts.layer("regular", b"tracked\n");
        let worktree = parts.layer("regular", CONTENT);
        parts.add(json!({"head": head, "index": head, "path": "dir/tracked.txt", "worktree": worktree}));
    };
    let mut row = row(87, "a file with a second name", build, Want::Applied(owned(&[b"dir/tracked.txt"])));
    row.check = Box::new(|target, report| {
        let noted = report.files().any(|(_, file)| file.notes.contains(&Note::HardlinkBroken));
        match (target.read("second-name") == b"tracked\n", noted) {
            (true, true) => Ok(()),
            (false, _) => Err("it was written through to the other name".into()),
            (_, false) => Err("nothing is said of the other name".into()),
        }
    });
    row.with(|target, _| {
        std::fs::hard_link(target.at("dir/tracked.txt"), target.at("second-name")).unwrap();
    })
}
