//! Errors while capturing and saving: every changed path is an entry or named as left out, or the repository is said
//! to have failed; what could not be saved leaves nothing; the source is untouched.

use std::fs;
use std::path::PathBuf;

use handoff_core::snapshot::{Entry, RepoManifest};
use handoff_core::{Manifest, Snapshot};

use super::{Met, meet, troubles};
use crate::support::driver::{Job, Operation};
use crate::support::purity::{difference, fingerprint};
use crate::support::repo::{Format, Repo, scratch_in_memory};
use crate::support::scene::points;
use crate::support::trace;

/// A checkout in which much hangs on small files of git's: what is ignored, what is converted, where it comes from.
fn source(at: PathBuf) -> Repo {
    let repo = Repo::init(at, Format::Sha1);
    repo.write(".gitattributes", "*.txt text eol=crlf\n*.bin -text\n").write(".gitignore", "*.log\n");
    repo.write("sub/.gitignore", "out/\n").write("sub/.gitattributes", "*.dat binary\n");
    repo.write("same.txt", "one\r\ntwo\r\n")
        .write("edited.txt", "one\r\ntwo\r\n")
        .write("gone.txt", "gone\r\n");
    repo.write("sub/deep/kept.dat", "kept\n").write("tool.sh", "#!/bin/sh\n");
    repo.commit("base");
    repo.git(&["remote", "add", "origin", "https://example.com/team/app.git"]);
    repo.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    repo.git(&["config", "branch.main.remote", "origin"]);
    repo.git(&["config", "branch.main.merge", "refs/heads/main"]);
    repo.git(&["pack-refs", "--all"]);
    repo.write("edited.txt", "stashed\r\n").git(&["stash", "-q"]);
    repo.write(".git/MERGE_HEAD", format!("{}\n", repo.head()));
    repo.write(".git/info/exclude", "private/\n").write("private/mine.txt", "mine\r\n");
    repo.write("edited.txt", "one\r\n2\r\n").remove("gone.txt").executable("tool.sh", true);
    repo.write("staged.txt", "staged\r\n").git(&["add", "staged.txt"]);
    repo.write("staged.txt", "staged, then edited\r\n").write("noise.log", "ignored\n");
    repo.write("sub/out/ignored.txt", "ignored\n")
        .write("sub/new.dat", vec![3; 70_000])
        .link("link", "tool.sh");
    let inner = Repo::init(repo.at("inner"), Format::Sha1);
    inner.write("a.txt", "a\n").commit("inner");
    inner.write("a.txt", "b\n");
    repo
}

/// What `found` has otherwise than `whole`, without saying so.
fn silent_differences(whole: &Manifest, found: &Manifest) -> Vec<String> {
    let mut wrong = Vec::new();
    let failed_above = |name: &str| {
        found.repos.iter().any(|repo| repo.failed.is_some() && name.starts_with(&format!("{}/", repo.name)))
    };
    for wanted in &whole.repos {
        match found.repos.iter().find(|repo| repo.name == wanted.name) {
            None if failed_above(&wanted.name) => {}
            None => {
                // A repository inside, listed as left out where it could not be looked into.
                let named = found.repos.iter().any(|outer| {
                    let below = wanted.name.strip_prefix(&format!("{}/", outer.name));
                    below.is_some_and(|below| {
                        outer.omissions.iter().any(|o| o.path.to_string().trim_end_matches('/') == below)
                    })
                });
                if !named {
                    wrong.push(format!("repository {} is missing", wanted.name));
                }
            }
            Some(repo) if repo.failed.is_some() => {}
            Some(repo) => differences_of(wanted, repo, &mut wrong),
        }
    }
    wrong
}

/// Whether the entry itself says what it lacks: a committed content whose object could not be read is a layer without
/// content, and a file whose attributes could not be read is flagged.
fn is_told(wanted: &Entry, found: &Entry) -> bool {
    let mut expected = wanted.clone();
    if found.flags.raw.as_deref() == Some("attributes_unreadable") {
        expected.flags.raw.clone_from(&found.flags.raw);
        // The bytes are the file's own; what git would store of them is not known.
        for (expected, found) in [(&mut expected.worktree, &found.worktree)] {
            if let (Some(expected), Some(found)) = (expected, found) {
                (expected.oid, expected.eol) = (found.oid, found.eol.clone());
            }
        }
    }
    for (expected, found) in [(&mut expected.head, &found.head), (&mut expected.index, &found.index)] {
        if let (Some(expected), Some(found)) = (expected, found)
            && found.blob.is_none()
            && found.size == 0
        {
            (expected.blob, expected.size) = (None, 0);
        }
    }
    expected == *found
}

fn differences_of(wanted: &RepoManifest, found: &RepoManifest, wrong: &mut Vec<String>) {
    let omitted = |path: &[u8]| {
        found.omissions.iter().any(|omission| {
            let left = omission.path.as_bytes();
            left == path || (left.ends_with(b"/") && path.starts_with(left))
        })
    };
    for entry in &wanted.entries {
        match found.entries.iter().find(|other| other.path == entry.path) {
            Some(other) if other == entry || is_told(entry, other) => {}
            Some(_) if omitted(entry.path.as_bytes()) => {}
            Some(other) => wrong.push(format!("{}: {entry:?} became {other:?}", entry.path)),
            None if omitted(entry.path.as_bytes()) => {}
            None => wrong.push(format!("{}: dropped", entry.path)),
        }
    }
    for entry in &found.entries {
        if wanted.entries.iter().all(|other| other.path != entry.path) {
            wrong.push(format!("{}: is no change", entry.path));
        }
    }
    let told = |repo: &RepoManifest| {
        (repo.head.clone(), repo.id.clone(), repo.object_format, repo.operation.clone(), repo.stashes)
    };
    let (mut expected, found) = (told(wanted), told(found));
    // Told to be unknown, as the format has it: distances, and the first commit where there is no remote.
    if found.0.ahead.is_none() {
        expected.0.ahead = None;
    }
    if found.0.behind.is_none() {
        expected.0.behind = None;
    }
    if found.1.roots.is_empty() {
        expected.1.roots.clear();
    }
    if expected != found {
        wrong.push(format!("{expected:?} became {found:?}"));
    }
}

#[test]
fn a_capture_that_meets_an_error_drops_nothing_silently() {
    trace::require();
    let scratch = scratch_in_memory();
    let repo = source(scratch.path().join("app"));
    let [out, spool] = ["out", "spool"].map(|name| scratch.path().join(name));
    for dir in [&out, &spool] {
        fs::create_dir(dir).unwrap();
    }
    let bundle = out.join("work.handoff");
    let mut job =
        Job::new(Operation::Capture, &repo.root, &scratch.path().join("answer")).with_bundle(&bundle);
    job.spool = Some(spool.clone());
    let all = points(&job, &scratch.path().join("trace"));
    let whole = Snapshot::open(&bundle).unwrap();
    let whole = whole.manifest();
    assert_eq!(whole.repos.len(), 2, "the repository inside is one of its own");
    assert!(whole.repos.iter().any(|repo| repo.operation.is_some() && repo.stashes == 1));
    assert!(whole.repos.iter().all(|repo| repo.failed.is_none() && !repo.entries.is_empty()));
    let before = fingerprint(&repo.root);
    let chosen = troubles(all, 150);
    let (mut wrong, mut answered) = (Vec::new(), 0);
    for trouble in &chosen {
        let _ = fs::remove_file(&bundle);
        let mut harm = |why: String| wrong.push(format!("{trouble}: {why}"));
        match meet(&mut job, trouble) {
            Err(panic) => harm(panic),
            Ok(Met::Nothing) => {}
            Ok(Met::Answer(answer)) => {
                answered += 1;
                // Its temporary file is all that may stay, and only if it is removing that fails.
                let left: Vec<_> = [&out, &spool]
                    .iter()
                    .flat_map(|dir| fs::read_dir(dir).unwrap())
                    .map(|entry| entry.unwrap().path())
                    .filter(|path| *path != bundle)
                    .collect();
                if !left.is_empty() && !trouble.point.name.starts_with("unlink") {
                    harm(format!("left behind: {left:?}"));
                }
                left.iter().for_each(|path| fs::remove_file(path).unwrap());
                match answer.error {
                    // The bundle's name may be there without being sure to survive a power cut; then it is whole.
                    Some(_) if !bundle.exists() => {}
                    error => match Snapshot::open(&bundle).and_then(|found| found.verify().map(|()| found)) {
                        Ok(_) if error.is_some() => {}
                        Ok(found) => {
                            silent_differences(whole, found.manifest()).into_iter().for_each(&mut harm);
                        }
                        Err(why) => harm(format!("saved, and cannot be read: {why} ({error:?})")),
                    },
                }
            }
        }
        let touched = difference(&before, &fingerprint(&repo.root));
        if !touched.is_empty() {
            wrong.push(format!("{trouble}: the source was touched: {touched}"));
        }
    }
    eprintln!("{} errors met, {answered} answers", chosen.len());
    assert!(answered * 10 > chosen.len() * 8, "only {answered} of {} runs gave an answer", chosen.len());
    assert!(
        wrong.is_empty(),
        "{} of {} errors were not told:\n{}",
        wrong.len(),
        chosen.len(),
        wrong.join("\n")
    );
}
