//! Filters: programs that make the stored form of a file. None is run, whether or not it is there.

use handoff_core::{Digest, Note, Outcome, Verdict};

use super::{Pair, carry, entry, numbered, of, paths, repo};
use crate::support::git;
use crate::support::repo::Repo;

fn pointer(content: &[u8]) -> String {
    format!(
        "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n",
        Digest::of(content),
        content.len()
    )
}

/// Two clones of a repository with files of the LFS filter, whose program is not there.
fn lfs() -> Pair {
    let pair = Pair::new(|base| {
        base.write("a.txt", "a\n").write("model.bin", pointer(b"large, committed\n"));
        base.write("other.bin", pointer(b"other, committed\n"));
        base.commit("pointers");
        base.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    });
    for clone in [&pair.source, &pair.target] {
        clone.git(&["config", "filter.lfs.required", "true"]);
        clone.git(&["config", "filter.lfs.clean", "no-such-program clean %f"]);
        clone.git(&["config", "filter.lfs.smudge", "no-such-program smudge %f"]);
    }
    pair
}

#[test]
fn a_required_filter_whose_program_is_missing() {
    let pair = lfs();
    pair.source
        .write("a.txt", "edited\n")
        .write("model.bin", "large, edited\n")
        .write("new.bin", "large, new\n");
    // Git gives up on the whole repository.
    let add = git::output(&pair.source.root, &["add", "-A"], b"");
    assert!(!add.status.success());
    let snapshot = pair.snapshot();
    assert_eq!(paths(repo(&snapshot, "app")), ["a.txt", "model.bin", "new.bin"]);
    for path in ["model.bin", "new.bin"] {
        assert_eq!(entry(repo(&snapshot, "app"), path).flags.raw.as_deref(), Some("filter=lfs"));
    }
    let report = carry(&snapshot, &pair.target);
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    for path in ["a.txt", "model.bin", "new.bin"] {
        assert_eq!(pair.target.read(path), pair.source.read(path), "{path}");
        assert_eq!(of(&report, path).notes.contains(&Note::Raw), path != "a.txt");
    }
}

#[test]
fn content_that_its_pointer_names_is_no_change() {
    let pair = lfs();
    // As git-lfs leaves it after a checkout.
    pair.source.write("model.bin", "large, committed\n");
    assert_eq!(paths(repo(&pair.snapshot(), "app")), Vec::<String>::new());
    // One side has the content and the other the pointer: both are as committed.
    pair.source.write("model.bin", "large, edited\n");
    let report = pair.carry();
    assert_eq!(of(&report, "model.bin").outcome, Outcome::Applied, "{report}");
    let pair = lfs();
    pair.target.write("model.bin", "large, committed\n");
    pair.source.write("model.bin", "large, edited\n");
    let report = pair.carry();
    assert_eq!(of(&report, "model.bin").outcome, Outcome::Applied, "{report}");
    assert_eq!(pair.target.read("model.bin"), b"large, edited\n");
}

#[test]
fn a_pointer_that_was_changed_on_purpose() {
    let pair = lfs();
    pair.source.write("model.bin", pointer(b"another version\n"));
    pair.target.write("model.bin", "large, committed\n");
    let report = pair.carry();
    assert_eq!(of(&report, "model.bin").outcome, Outcome::Applied, "{report}");
    assert_eq!(pair.target.read("model.bin"), pointer(b"another version\n").as_bytes());
}

#[test]
fn filtered_files_that_both_sides_changed_conflict_and_are_never_mixed() {
    let pair = lfs();
    pair.source.write("model.bin", numbered(&[(3, "there")]));
    pair.target.write("model.bin", numbered(&[(25, "here")]));
    let report = pair.carry();
    assert_eq!(of(&report, "model.bin").outcome, Outcome::Conflict, "{report}");
    assert_eq!(pair.target.read("model.bin"), numbered(&[(25, "here")]).as_bytes());
}

/// A filter whose program is there: upper case in the work tree, lower case in git.
fn shouting(repo: &Repo) {
    repo.git(&["config", "filter.shout.clean", "tr A-Z a-z"]);
    repo.git(&["config", "filter.shout.smudge", "tr a-z A-Z"]);
}

fn with_shouting() -> Pair {
    let pair = Pair::new(|base| {
        shouting(base);
        base.write(".gitattributes", "*.up filter=shout\n");
        for path in ["edit.up", "merge.up", "touched.up"] {
            base.write(path, numbered(&[]).to_uppercase());
        }
    });
    for clone in [&pair.source, &pair.target] {
        shouting(clone);
        for path in ["edit.up", "merge.up", "touched.up"] {
            clone.remove(path);
        }
        clone.git(&["checkout", "-q", "-f", "--", "."]);
        assert_eq!(clone.read("edit.up"), numbered(&[]).to_uppercase().as_bytes());
        settle(clone);
    }
    pair
}

/// Makes the files older than the index, as they are in any checkout after a moment: only then do time stamps prove
/// anything.
fn settle(repo: &Repo) {
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    for path in ["edit.up", "merge.up", "touched.up"] {
        std::fs::File::options().write(true).open(repo.at(path)).unwrap().set_modified(past).unwrap();
    }
    repo.refresh();
}

#[test]
fn a_filter_whose_program_is_there_on_both_sides() {
    let pair = with_shouting();
    assert_eq!(paths(repo(&pair.snapshot(), "app")), Vec::<String>::new());
    pair.source.write("edit.up", numbered(&[(3, "there")]).to_uppercase());
    let report = pair.carry();
    // The index of the target says that its file is as checked out, so it may be replaced without running anything.
    let file = of(&report, "edit.up");
    assert_eq!(file.outcome, Outcome::Applied, "{report}");
    assert!(file.notes.contains(&Note::Raw));
    assert_eq!(pair.target.read("edit.up"), pair.source.read("edit.up"));
    assert_eq!(oracle_status(&pair.target), oracle_status(&pair.source));
}

#[test]
fn a_filter_whose_program_is_only_at_the_source() {
    let pair = with_shouting();
    pair.target.git(&["config", "--unset", "filter.shout.smudge"]);
    pair.target.git(&["config", "--unset", "filter.shout.clean"]);
    for path in ["edit.up", "merge.up", "touched.up"] {
        pair.target.remove(path);
    }
    pair.target.git(&["checkout", "-q", "-f", "--", "."]);
    assert_eq!(pair.target.read("edit.up"), numbered(&[]).as_bytes());
    pair.source.write("edit.up", numbered(&[(3, "there")]).to_uppercase());
    let report = pair.carry();
    let file = of(&report, "edit.up");
    assert_eq!(file.outcome, Outcome::Applied, "{report}");
    assert!(file.notes.contains(&Note::Raw), "the bytes are those of the source, as the note says");
    assert_eq!(pair.target.read("edit.up"), pair.source.read("edit.up"));
}

#[test]
fn a_filtered_file_that_both_sides_changed_is_kept() {
    let pair = with_shouting();
    pair.source.write("merge.up", numbered(&[(3, "there")]).to_uppercase());
    pair.target.write("merge.up", numbered(&[(25, "here")]).to_uppercase());
    let report = pair.carry();
    let file = of(&report, "merge.up");
    assert_eq!(file.outcome, Outcome::Conflict, "{report}");
    assert!(file.incoming.is_some());
    assert_eq!(pair.target.read("merge.up"), numbered(&[(25, "here")]).to_uppercase().as_bytes());
}

#[test]
fn a_filtered_file_that_was_only_touched_says_raw_and_changes_nothing() {
    let pair = with_shouting();
    let text = pair.source.read("touched.up");
    pair.source.remove("touched.up").write("touched.up", text);
    let report = pair.carry();
    // No program is run, so it cannot be told that git stores the same.
    if let Some((_, file)) = report.files().find(|(_, f)| f.path.as_bytes() == b"touched.up") {
        assert!(file.notes.contains(&Note::Raw) && file.outcome == Outcome::Unchanged, "{file:?}");
    }
    assert_eq!(oracle_status(&pair.target), Vec::<String>::new());
}

fn oracle_status(repo: &Repo) -> Vec<String> {
    super::status(repo)
}
