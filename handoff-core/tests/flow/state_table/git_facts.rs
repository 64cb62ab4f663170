//! Facts about git that break designs built on its patches, stashes and temporary indexes: each is first shown to
//! be so, where that is short, and then not to matter here.

use std::fs;

use handoff_core::{Detail, Outcome, Verdict, Workspace};

use super::{Pair, carry, listed, numbered, of, paths, repo, travelled};
use crate::support::repo::{Format, Repo};
use crate::support::{git, oracle};

fn pair() -> Pair {
    Pair::new(|base| {
        base.write("a.txt", numbered(&[])).write("b.txt", numbered(&[])).write("sub/c.txt", "c\n");
    })
}

#[test]
fn fact_01_applied_cleanly_is_printed_for_files_that_are_not_written() {
    let pair = pair();
    pair.source.write("a.txt", numbered(&[(3, "edited")])).write("new.txt", "new\n");
    pair.source.git(&["add", "-A"]);
    let patch = pair.source.git(&["diff", "--binary", "--cached", "HEAD"]);
    pair.target.write("new.txt", "somebody else's\n");
    let three_way = git::output(&pair.target.root, &["apply", "--3way"], &patch);
    assert!(!three_way.status.success());
    assert_eq!(pair.target.read("a.txt"), numbered(&[]).as_bytes(), "git writes nothing");
    let report = pair.carry();
    assert_eq!(of(&report, "a.txt").outcome, Outcome::Applied);
    assert_eq!(pair.target.read("a.txt"), numbered(&[(3, "edited")]).as_bytes());
    let new = of(&report, "new.txt");
    assert_eq!((&new.outcome, &new.detail), (&Outcome::Conflict, &Some(Detail::ExistsHere)));
    assert_eq!(pair.target.read("new.txt"), b"somebody else's\n");
}

#[test]
fn fact_02_an_unrelated_unstaged_edit_stops_three_way_and_results_are_staged() {
    let pair = pair();
    pair.source.write("a.txt", numbered(&[(3, "edited")]));
    pair.target.write("a.txt", numbered(&[(25, "not staged")]));
    let index = oracle::state(&pair.target).index;
    let report = pair.carry();
    assert_eq!(of(&report, "a.txt").outcome, Outcome::Merged);
    assert_eq!(oracle::state(&pair.target).index, index, "nothing is staged that was not");
}

#[test]
fn fact_03_a_base_that_the_target_lacks() {
    let pair = pair();
    pair.source.write("a.txt", numbered(&[(10, "committed, not pushed")]));
    pair.source.commit("local");
    pair.source.write("a.txt", numbered(&[(10, "committed, not pushed"), (3, "edited")]));
    pair.target.write("a.txt", numbered(&[(10, "committed, not pushed"), (25, "here")]));
    let report = pair.carry();
    assert_eq!(of(&report, "a.txt").outcome, Outcome::Merged, "{report}");
}

#[test]
fn fact_04_below_the_root_paths_are_skipped_without_a_word() {
    let pair = pair();
    pair.source.write("a.txt", numbered(&[(3, "edited")])).write("sub/c.txt", "edited\n");
    let below = Workspace::new([pair.source.at("sub")]).unwrap();
    let snapshot = handoff_core::capture(&below, &Default::default()).unwrap();
    assert_eq!(paths(repo(&snapshot, "app")), ["a.txt", "sub/c.txt"]);
    let there = Workspace::new([pair.target.at("sub")]).unwrap();
    let report = handoff_core::apply(&snapshot, &there, &Default::default()).unwrap();
    assert_eq!(report.verdict, Verdict::Complete);
    assert_eq!(pair.target.read("a.txt"), pair.source.read("a.txt"));
}

#[test]
fn fact_05_settings_of_diffs_change_nothing() {
    let pair = pair();
    pair.source.write(".gitattributes", "*.txt diff=shout\n");
    pair.source.write("a.txt", numbered(&[(3, "edited")])).write("new.txt", "new\n");
    let before = pair.snapshot().id();
    for setting in [
        ["diff.noprefix", "true"],
        ["color.diff", "always"],
        ["color.ui", "always"],
        ["diff.external", "true"],
        ["diff.shout.textconv", "tr a-z A-Z <"],
        ["core.quotePath", "true"],
        ["diff.renames", "copies"],
        ["diff.algorithm", "patience"],
        ["status.showUntrackedFiles", "no"],
        ["status.renames", "true"],
        ["diff.ignoreSubmodules", "all"],
        ["submodule.recurse", "true"],
        ["core.abbrev", "4"],
    ] {
        pair.source.git(&["config", setting[0], setting[1]]);
        assert_eq!(pair.snapshot().id(), before, "{setting:?}");
    }
    assert_eq!(pair.carry().verdict, Verdict::Complete);
}

#[test]
fn fact_06_directories_and_links_have_an_empty_diff() {
    let pair = pair();
    let nested = Repo::init(pair.source.at("nested"), Format::Sha1);
    nested.write("n.txt", "n\n");
    pair.source.link("dirlink", "sub");
    let diff = git::output(&pair.source.root, &["diff", "--no-index", "/dev/null", "dirlink"], b"");
    assert_eq!(diff.stdout, b"", "git has nothing to say");
    let snapshot = pair.snapshot();
    assert_eq!(paths(repo(&snapshot, "app")), ["dirlink"]);
    assert_eq!(paths(repo(&snapshot, "app/nested")), ["n.txt"]);
}

#[test]
fn fact_07_a_failing_add_leaves_the_old_tree() {
    let pair = pair();
    Repo::init(pair.source.at("empty"), Format::Sha1);
    pair.source.write("a.txt", numbered(&[(3, "edited")]));
    assert!(!git::output(&pair.source.root, &["add", "-A"], b"").status.success());
    let report = pair.carry();
    assert_eq!(of(&report, "a.txt").outcome, Outcome::Applied);
    assert_eq!(pair.target.read("a.txt"), pair.source.read("a.txt"));
}

#[test]
fn fact_08_edits_of_the_same_size_in_the_same_instant() {
    let pair = pair();
    for round in 0..40 {
        let text = format!("{round:04}\n");
        pair.source.write("sub/c.txt", "????\n");
        pair.source.git(&["add", "-A"]);
        pair.source.write("sub/c.txt", &text);
        let snapshot = travelled(&[&pair.source]);
        let entry = super::entry(repo(&snapshot, "app"), "sub/c.txt");
        let blob = entry.worktree.as_ref().unwrap().blob.unwrap();
        assert_eq!(snapshot.blob(&blob).unwrap(), text.as_bytes(), "round {round}");
    }
}

#[test]
fn fact_09_diff_status_and_add_run_programs() {
    let pair = pair();
    let proof = pair.scratch.path().join("ran");
    let run = format!("touch {}; cat", proof.display());
    for side in [&pair.source, &pair.target] {
        side.git(&["config", "filter.spy.clean", &run]);
        side.git(&["config", "filter.spy.smudge", &run]);
        side.git(&["config", "diff.spy.textconv", &run]);
        side.git(&["config", "merge.spy.driver", &run]);
        side.git(&["config", "core.fsmonitor", &run]);
        fs::write(side.git_dir().join("info").join("attributes"), "*.txt filter=spy diff=spy merge=spy\n")
            .or_else(|_| {
                fs::create_dir_all(side.git_dir().join("info"))?;
                fs::write(side.git_dir().join("info/attributes"), "*.txt filter=spy diff=spy merge=spy\n")
            })
            .unwrap();
    }
    pair.source.write("a.txt", numbered(&[(3, "edited")]));
    pair.target.write("a.txt", numbered(&[(25, "edited")]));
    pair.carry();
    assert!(!proof.exists());
    git::output(&pair.source.root, &["status"], b"");
    assert!(proof.exists(), "git itself does run them");
}

#[test]
fn fact_10_what_merge_tree_resolves_is_resolved() {
    let pair = Pair::new(|base| {
        for path in ["clean", "merged", "overlap", "deleted-here", "renamed-here"] {
            base.write(path, format!("{path}\n{}", numbered(&[])));
        }
    });
    let text = |path: &str, edits: &[(usize, &str)]| format!("{path}\n{}", numbered(edits));
    for path in ["clean", "merged", "overlap", "deleted-here", "renamed-here"] {
        pair.source.write(path, text(path, &[(3, "there")]));
    }
    pair.target
        .write("merged", text("merged", &[(25, "here")]))
        .write("overlap", text("overlap", &[(3, "here")]));
    pair.target.remove("deleted-here").remove("renamed-here").write("moved", text("renamed-here", &[]));
    let report = pair.carry();
    assert_eq!(report.count(&Outcome::Conflict), 2, "{report}");
    for path in ["overlap", "deleted-here"] {
        assert_eq!(of(&report, path).outcome, Outcome::Conflict);
    }
    assert_eq!(pair.target.read("moved"), text("renamed-here", &[(3, "there")]).as_bytes());
}

#[test]
fn fact_11_a_thin_bundle_fails_on_a_shallow_clone() {
    let pair = pair();
    for number in 0..3 {
        pair.origin.write("log.txt", format!("{number}\n"));
        pair.origin.commit("more");
    }
    let shallow = Repo { root: pair.scratch.path().join("shallow/app") };
    fs::create_dir_all(shallow.root.parent().unwrap()).unwrap();
    let url = format!("file://{}", pair.origin.root.display());
    let args = ["clone", "-q", "--depth=1", "--template=", &url, shallow.root.to_str().unwrap()];
    git::git(pair.scratch.path(), &args);
    // The source stands on a commit that the shallow clone has not got.
    pair.source.write("a.txt", numbered(&[(3, "edited")])).write("new.txt", "new\n");
    shallow.write("a.txt", numbered(&[(25, "here")]));
    let mut options = handoff_core::ApplyOptions::default();
    options.map.insert("app".into(), "app".into());
    let report = super::carry_with(&pair.snapshot(), &shallow, &options);
    assert_eq!(of(&report, "a.txt").outcome, Outcome::Merged, "{report}");
    assert_eq!(of(&report, "new.txt").outcome, Outcome::Applied);
    assert!(!report.repos[0].drift.remedy.is_empty(), "{report}");
}

#[test]
fn fact_12_modified_leaves_out_what_is_only_staged() {
    let pair = pair();
    pair.source.write("a.txt", numbered(&[(3, "staged")]));
    pair.source.git(&["add", "-A"]);
    assert_eq!(pair.source.git(&["ls-files", "-m"]), b"");
    assert_eq!(paths(repo(&pair.snapshot(), "app")), ["a.txt"]);
    pair.there_and_back();
}

#[test]
fn fact_13_a_required_filter_without_its_program_fails_everything() {
    let pair = pair();
    pair.source.git(&["config", "filter.gone.clean", "no-such-program"]);
    pair.source.git(&["config", "filter.gone.required", "true"]);
    pair.source.write(".gitattributes", "a.txt filter=gone\n");
    pair.source.write("a.txt", numbered(&[(3, "edited")])).write("b.txt", numbered(&[(3, "edited")]));
    assert!(!git::output(&pair.source.root, &["stash", "create"], b"").status.success());
    let snapshot = pair.snapshot();
    assert_eq!(paths(repo(&snapshot, "app")), [".gitattributes", "a.txt", "b.txt"]);
    assert!(listed(repo(&snapshot, "app")).is_empty());
    let report = carry(&snapshot, &pair.target);
    assert_eq!(report.count(&Outcome::Applied), 3, "{report}");
}
