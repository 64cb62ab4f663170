//! Targets that lack objects on purpose: blobless, treeless and shallow clones. The snapshot brings the bases of what it
//! changes, so nothing has to be fetched, and nothing is.

use handoff_core::{ApplyOptions, CaptureOptions, DriftKind, Outcome, Verdict, apply, capture, undo};

use crate::support::git;
use crate::support::oracle;
use crate::support::repo::{Format, Repo, scratch};

/// Thirty lines, some of them replaced.
fn text(edits: &[(usize, &str)]) -> String {
    let line = |n: usize| match edits.iter().find(|(at, _)| *at == n) {
        Some((_, text)) => format!("{text}\n"),
        None => format!("line {n}\n"),
    };
    (0..30).map(line).collect()
}

/// Whether the clone has the object, without fetching it.
fn has(clone: &Repo, object: &str) -> bool {
    let mut command = git::command(&clone.root);
    command.env("GIT_NO_LAZY_FETCH", "1").args(["cat-file", "-e", object]);
    command.output().unwrap().status.success()
}

#[test]
fn a_target_without_the_base_merges_all_the_same_and_fetches_nothing() {
    let scratch = scratch();
    let origin = Repo::init(scratch.path().join("origin/app"), Format::Sha1);
    origin.git(&["config", "uploadpack.allowFilter", "true"]);
    origin.write("src/a.txt", text(&[])).write("src/gone.txt", "gone\n").write("src/same.txt", "same\n");
    let first = origin.commit("first");
    let blob = git::line(&origin.root, &["rev-parse", "HEAD:src/a.txt"]);
    let tree = git::line(&origin.root, &["rev-parse", "HEAD:src"]);
    let source = origin.clone_to(scratch.path().join("source/app"));
    source
        .write("src/a.txt", text(&[(2, "of the source")]))
        .remove("src/gone.txt")
        .write("src/new.txt", "new\n");
    let snapshot = capture(&source.workspace(), &CaptureOptions::default()).unwrap();
    origin.write("src/a.txt", text(&[(20, "of the target")]));
    origin.commit("second");

    let url = format!("file://{}", origin.root.display());
    let aside = scratch.path().join("aside");
    for (name, option) in
        [("blobless", "--filter=blob:none"), ("treeless", "--filter=tree:0"), ("shallow", "--depth=1")]
    {
        let root = scratch.path().join(name).join("app");
        std::fs::create_dir_all(root.parent().unwrap()).unwrap();
        git::git(root.parent().unwrap(), &["clone", "-q", "--template=", option, &url, "app"]);
        let target = Repo { root };
        assert!(!has(&target, &blob), "{name}: the base is not there to begin with");
        assert_eq!(has(&target, &first), name != "shallow", "{name}");
        assert_eq!(has(&target, &tree), name == "blobless", "{name}");
        // Whoever tried to fetch would fail.
        std::fs::rename(&origin.root, &aside).unwrap();
        let before = oracle::state(&target);
        let report = apply(&snapshot, &target.workspace(), &ApplyOptions::default()).unwrap();
        assert_eq!(report.verdict, Verdict::Complete, "{name}: {report}");
        let of = |path: &str| {
            let found = report.files().find(|(_, file)| file.path.as_bytes() == path.as_bytes());
            found.map(|(_, file)| file.outcome.clone())
        };
        assert_eq!(of("src/a.txt"), Some(Outcome::Merged), "{name}");
        assert_eq!(of("src/gone.txt"), Some(Outcome::Applied), "{name}");
        let merged = text(&[(2, "of the source"), (20, "of the target")]);
        assert_eq!(target.read("src/a.txt"), merged.as_bytes(), "{name}");
        assert!(!target.exists("src/gone.txt") && target.exists("src/new.txt"), "{name}");
        let drift = &report.repos[0].drift.kind;
        let expected = if name == "shallow" { DriftKind::BaseMissing } else { DriftKind::Ahead };
        assert_eq!(*drift, expected, "{name}");
        assert!(!has(&target, &blob), "{name}: nothing was fetched");
        undo(&target.workspace(), &report.apply_id.unwrap(), &ApplyOptions::default().control).unwrap();
        assert_eq!(oracle::difference(&before, &oracle::state(&target)), "", "{name}");
        std::fs::rename(&aside, &origin.root).unwrap();
    }
}

#[test]
fn a_source_without_old_objects_is_captured_whole() {
    let scratch = scratch();
    let origin = Repo::init(scratch.path().join("origin/app"), Format::Sha1);
    origin.git(&["config", "uploadpack.allowFilter", "true"]);
    origin.write("a.txt", text(&[])).write("b.txt", "b\n").commit("first");
    origin.write("a.txt", text(&[(5, "second")])).commit("second");
    let url = format!("file://{}", origin.root.display());
    for (name, option) in
        [("blobless", "--filter=blob:none"), ("treeless", "--filter=tree:0"), ("shallow", "--depth=1")]
    {
        let root = scratch.path().join(name).join("app");
        std::fs::create_dir_all(root.parent().unwrap()).unwrap();
        git::git(root.parent().unwrap(), &["clone", "-q", "--template=", option, &url, "app"]);
        let source = Repo { root };
        source
            .write("a.txt", text(&[(5, "second"), (9, "edited")]))
            .write("new.txt", "new\n")
            .remove("b.txt");
        let snapshot = capture(&source.workspace(), &CaptureOptions::default()).unwrap();
        let target = origin.clone_to(scratch.path().join(name).join("target/app"));
        let report = apply(&snapshot, &target.workspace(), &ApplyOptions::default()).unwrap();
        assert_eq!(report.verdict, Verdict::Complete, "{name}: {report}");
        assert_eq!(oracle::difference(&oracle::state(&source), &oracle::state(&target)), "", "{name}");
    }
}
