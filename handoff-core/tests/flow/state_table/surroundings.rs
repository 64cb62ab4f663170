//! What lies around the files: locks, index bytes, objects, stashes, refs.

use std::fs;

use handoff_core::{ApplyOptions, Staging};

use super::{Pair, carry, carry_with, numbered, repo};
use crate::support::git;
use crate::support::purity::fingerprint;

fn edited() -> Pair {
    let pair = Pair::new(|base| {
        base.write("a.txt", numbered(&[])).write("b.txt", "b\n");
    });
    pair.source.write("a.txt", numbered(&[(3, "edited")])).write("new.txt", "new\n");
    pair
}

#[test]
fn existing_stashes_are_counted() {
    let pair = edited();
    for number in 0..3 {
        pair.source.write("b.txt", format!("stash {number}\n"));
        pair.source.git(&["stash", "push", "-q", "--", "b.txt"]);
    }
    let snapshot = pair.snapshot();
    assert_eq!(repo(&snapshot, "app").stashes, 3);
    let report = carry(&snapshot, &pair.target);
    assert!(report.to_string().contains("3 stashes"), "the reader is told: {report}");
    assert_eq!(git::git(&pair.target.root, &["stash", "list"]), b"");
}

#[test]
fn it_works_while_index_lock_is_held() {
    let pair = edited();
    fs::write(pair.source.git_dir().join("index.lock"), "somebody's\n").unwrap();
    fs::write(pair.target.git_dir().join("index.lock"), "somebody's\n").unwrap();
    let report = pair.carry();
    assert_eq!(report.count(&handoff_core::Outcome::Applied), 2);
    assert_eq!(pair.target.read("a.txt"), pair.source.read("a.txt"));
    for side in [&pair.source, &pair.target] {
        assert_eq!(fs::read(side.git_dir().join("index.lock")).unwrap(), b"somebody's\n");
    }
}

#[test]
fn the_bytes_of_the_users_index_are_unchanged() {
    let pair = edited();
    // At the source always (`snapshot` proves every byte and time); at the target unless something is staged.
    let index = |repo: &crate::support::repo::Repo| fs::read(repo.git_dir().join("index")).unwrap();
    let before = (index(&pair.source), index(&pair.target));
    pair.carry();
    assert!(before == (index(&pair.source), index(&pair.target)));
    pair.source.git(&["add", "-A"]);
    let mut options = ApplyOptions::default();
    options.staging = Staging::Leave;
    carry_with(&pair.snapshot(), &pair.target, &options);
    assert!(before.1 == index(&pair.target));
}

#[test]
fn the_users_object_store_is_unchanged() {
    let pair = edited();
    pair.source.git(&["add", "a.txt"]);
    let objects = |repo: &crate::support::repo::Repo| fingerprint(&repo.git_dir().join("objects"));
    let (source, target) = (objects(&pair.source), objects(&pair.target));
    let mut options = ApplyOptions::default();
    options.staging = Staging::Leave;
    carry_with(&pair.snapshot(), &pair.target, &options);
    assert!(source == objects(&pair.source) && target == objects(&pair.target));
    // Restoring what is staged needs the staged content, and nothing else.
    carry(&pair.snapshot(), &pair.target);
    let added: Vec<_> = objects(&pair.target)
        .into_iter()
        .filter(|(path, print)| print.content.is_some() && !target.contains_key(path))
        .collect();
    assert_eq!(added.len(), 1, "{added:?}");
}

#[test]
fn a_reftable_repository_is_refused_with_the_remedy() {
    let scratch = crate::support::repo::scratch();
    let root = scratch.path().join("app");
    fs::create_dir(&root).unwrap();
    let made = git::output(&root, &["init", "-q", "--ref-format=reftable", "--template="], b"");
    assert!(made.status.success(), "git 2.45 or newer is needed here");
    let refused = handoff_core::Workspace::new([&root]).unwrap_err();
    assert_eq!(refused.kind().as_str(), "unsupported");
    assert!(refused.to_string().contains("git refs migrate"), "{refused}");
}
