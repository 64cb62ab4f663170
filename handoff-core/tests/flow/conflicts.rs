//! Targets that have changed as well: what is merged, what is refused, what is kept, and the way back.

mod beside;
mod merges;
mod undone;

use std::fs;

use handoff_core::{
    ApplyOptions, ApplyReport, Detail, Digest, DriftKind, FileReport, Note, OnConflict, Outcome, Snapshot,
    Verdict, apply, capture, preview,
};

use crate::support::oracle;
use crate::support::purity::{assert_untouched, fingerprint};
use crate::support::repo::{Format, Repo, scratch, undisturbed};

/// A base commit, and two checkouts of it to be changed: the one that is captured and the one that is written.
pub struct Scene {
    _scratch: tempfile::TempDir,
    pub source: Repo,
    pub target: Repo,
}

impl Scene {
    pub fn new(base: impl FnOnce(&Repo)) -> Self {
        let scratch = scratch();
        let repo = Repo::init(scratch.path().join("base/app"), Format::Sha1);
        base(&repo);
        repo.commit("base");
        let source = repo.copy_to(scratch.path().join("source/app"));
        let target = repo.copy_to(scratch.path().join("target/app"));
        Self { _scratch: scratch, source, target }
    }

    pub fn snapshot(&self) -> Snapshot {
        let workspace = self.source.workspace();
        assert_untouched(&[&self.source.root], || capture(&workspace, &undisturbed())).unwrap()
    }

    /// Foresees, applies, and checks that the two agree and that the report tells the truth.
    pub fn apply_with(&self, options: &ApplyOptions) -> ApplyReport {
        let snapshot = self.snapshot();
        let workspace = self.target.workspace();
        let foreseen =
            assert_untouched(&[&self.target.root], || preview(&snapshot, &workspace, options)).unwrap();
        let report = apply(&snapshot, &workspace, options).unwrap();
        assert_eq!(oracle::unsound(snapshot.manifest(), &report), "");
        let outcomes = |report: &ApplyReport| -> Vec<_> {
            report
                .files()
                .map(|(_, f)| (f.path.clone(), f.outcome.clone(), f.detail.clone(), f.at.clone()))
                .collect()
        };
        assert_eq!(outcomes(&foreseen), outcomes(&report));
        self.assert_hashes(&report);
        report
    }

    pub fn apply(&self) -> ApplyReport {
        self.apply_with(&ApplyOptions::default())
    }

    /// What a report says of the disk is so.
    fn assert_hashes(&self, report: &ApplyReport) {
        for (_, file) in report.files() {
            let path = self.target.at(file.at.as_ref().unwrap_or(&file.path).as_bytes());
            let Some(hash) = file.hash else { continue };
            let meta = fs::symlink_metadata(&path).unwrap_or_else(|why| panic!("{file:?}: {why}"));
            let bytes = if meta.is_symlink() {
                fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else {
                fs::read(&path).unwrap()
            };
            assert_eq!(hash, Digest::of(&bytes), "{file:?}");
        }
    }
}

pub fn of<'a>(report: &'a ApplyReport, path: &str) -> &'a FileReport {
    report
        .files()
        .map(|(_, file)| file)
        .find(|file| file.path.as_bytes() == path.as_bytes())
        .unwrap_or_else(|| panic!("{path} is not reported: {report:#?}"))
}

pub fn with(on_conflict: OnConflict) -> ApplyOptions {
    let mut options = ApplyOptions::default();
    options.on_conflict = on_conflict;
    options
}

fn numbered(edit: &[(usize, &str)]) -> String {
    (0..30)
        .map(|n| {
            edit.iter()
                .find(|(at, _)| *at == n)
                .map_or_else(|| format!("line {n}\n"), |(_, s)| format!("{s}\n"))
        })
        .collect()
}

/// A path and what must come of it.
type Situation = (&'static str, Outcome, Option<Detail>);

/// One path for each row of the table of outcomes.
fn table() -> (Scene, Vec<Situation>) {
    let scene = Scene::new(|base| {
        for path in
            ["same", "both-same", "modified", "merged", "overlap", "deleted", "gone-here", "edited-here"]
        {
            base.write(path, numbered(&[]));
        }
        base.write("binary", b"\0base")
            .write("type", "file\n")
            .write("retyped", "file\n")
            .write("mode", "tool\n")
            .write("mode-both", "tool\n");
        base.link("link", "same")
            .link("link-both", "same")
            .write("kept-deletion", "x\n")
            .write("only-here", "x\n");
    });
    let Scene { source, target, .. } = &scene;
    source.write("both-same", numbered(&[(3, "same edit")]));
    target.write("both-same", numbered(&[(3, "same edit")]));
    source.write("modified", numbered(&[(3, "edited")]));
    source.write("merged", numbered(&[(3, "by the source")]));
    target.write("merged", numbered(&[(25, "by the target")]));
    source.write("overlap", numbered(&[(3, "by the source")]));
    target.write("overlap", numbered(&[(3, "by the target")]));
    source.remove("deleted");
    source.write("gone-here", numbered(&[(3, "edited")]));
    target.remove("gone-here");
    source.remove("edited-here");
    target.write("edited-here", numbered(&[(9, "edited")]));
    source.write("binary", b"\0source");
    target.write("binary", b"\0target");
    source.remove("type").link("type", "same");
    target.write("type", "edited\n");
    source.remove("retyped").link("retyped", "same");
    source.executable("mode", true);
    source.executable("mode-both", true);
    target.write("mode-both", "tool, edited\n");
    source.remove("link").link("link", "modified");
    source.remove("link-both").link("link-both", "modified");
    target.remove("link-both").link("link-both", "merged");
    source.remove("kept-deletion");
    target.remove("kept-deletion");
    target.write("only-here", "edited here alone\n");
    source.write("new", "new\n").write("new-same", "equal\n").write("new-other", "the source's\n");
    target.write("new-same", "equal\n").write("new-other", "the target's\n");
    use Outcome::{Applied, Conflict, Merged, Unchanged};
    let rows = vec![
        ("both-same", Unchanged, None),
        ("modified", Applied, Some(Detail::Modified)),
        ("merged", Merged, None),
        ("overlap", Conflict, Some(Detail::Content)),
        ("deleted", Applied, Some(Detail::Deleted)),
        ("gone-here", Conflict, Some(Detail::DeletedHere)),
        ("edited-here", Conflict, Some(Detail::ModifiedHere)),
        ("binary", Conflict, Some(Detail::Binary)),
        ("type", Conflict, Some(Detail::Type)),
        ("retyped", Applied, Some(Detail::Type)),
        ("mode", Applied, Some(Detail::Mode)),
        ("mode-both", Merged, None),
        ("link", Applied, Some(Detail::Modified)),
        ("link-both", Conflict, Some(Detail::Binary)),
        ("kept-deletion", Unchanged, None),
        ("new", Applied, Some(Detail::Created)),
        ("new-same", Unchanged, None),
        ("new-other", Conflict, Some(Detail::ExistsHere)),
    ];
    (scene, rows)
}

fn assert_rows(report: &ApplyReport, rows: &[Situation]) {
    let wrong: Vec<_> = rows
        .iter()
        .filter_map(|(path, outcome, detail)| {
            let file = of(report, path);
            // What was merged says so in its outcome; a detail is only checked where the table has one.
            let right = file.outcome == *outcome && (detail.is_none() || file.detail == *detail);
            (!right).then(|| {
                format!("{path}: wanted {outcome} {detail:?}, found {} {:?}", file.outcome, file.detail)
            })
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_situation_has_its_outcome() {
    let (scene, rows) = table();
    let before = oracle::files(&scene.target.root);
    let report = scene.apply();
    assert_rows(&report, &rows);
    assert_eq!(
        report.count(&Outcome::Applied)
            + report.count(&Outcome::Merged)
            + report.count(&Outcome::Unchanged)
            + report.count(&Outcome::Conflict),
        rows.len()
    );
    assert_eq!(report.verdict, Verdict::Partial);
    assert_eq!(report.repos[0].drift.kind, DriftKind::Same);
    let after = oracle::files(&scene.target.root);
    let source = oracle::files(&scene.source.root);
    for (path, outcome, _) in &rows {
        let path = path.as_bytes();
        match outcome {
            Outcome::Conflict | Outcome::Unchanged => {
                assert_eq!(before.get(path), after.get(path), "{path:?}")
            }
            Outcome::Applied => assert_eq!(source.get(path), after.get(path), "{path:?}"),
            _ => {}
        }
    }
    assert_eq!(
        scene.target.read("merged"),
        numbered(&[(3, "by the source"), (25, "by the target")]).as_bytes()
    );
    assert_eq!(scene.target.read("mode-both"), b"tool, edited\n");
    assert_eq!(scene.target.read("only-here"), b"edited here alone\n");
    // Each conflict's other side is at hand.
    for (_, file) in report.files().filter(|(_, file)| file.outcome == Outcome::Conflict) {
        match source.get(file.path.as_bytes()) {
            Some(oracle::Disk::File { content, .. }) => {
                let kept = file.incoming.as_ref().unwrap_or_else(|| panic!("{file:?}"));
                assert_eq!(&fs::read(kept).unwrap(), content, "{file:?}");
                assert!(
                    !kept.starts_with(&scene.target.root) || kept.starts_with(scene.target.git_dir()),
                    "{kept:?}"
                );
            }
            Some(_) => {}
            None => assert_eq!(file.incoming, None, "a deletion has no content: {file:?}"),
        }
    }
}

#[test]
fn markers_are_written_where_they_are_asked_for() {
    let (scene, rows) = table();
    let before = oracle::files(&scene.target.root);
    let report = scene.apply_with(&with(OnConflict::Markers));
    assert_rows(&report, &rows);
    assert!(of(&report, "overlap").notes.contains(&Note::Markers));
    let text = String::from_utf8(scene.target.read("overlap")).unwrap();
    let parts = ["<<<<<<<", "by the target", "|||||||", "line 3", "=======", "by the source", ">>>>>>>"];
    let mut rest = text.as_str();
    for part in parts {
        let (_, after) =
            rest.split_once(part).unwrap_or_else(|| panic!("{part} is missing or misplaced in:\n{text}"));
        rest = after;
    }
    assert!(rest.starts_with([' ', '\n']) && rest.ends_with("line 29\n"));
    let after = oracle::files(&scene.target.root);
    for path in ["binary", "type", "link-both", "gone-here", "edited-here"] {
        assert_eq!(
            before.get(path.as_bytes()),
            after.get(path.as_bytes()),
            "{path} has no place for markers"
        );
    }
}

#[test]
fn theirs_are_taken_where_they_are_asked_for() {
    let (scene, rows) = table();
    let report = scene.apply_with(&with(OnConflict::Theirs));
    let source = oracle::files(&scene.source.root);
    let after = oracle::files(&scene.target.root);
    for (path, outcome, _) in rows {
        let file = of(&report, path);
        if outcome == Outcome::Conflict {
            assert_eq!(file.outcome, Outcome::Applied, "{file:?}");
            assert!(file.notes.contains(&Note::TookTheirs), "{file:?}");
        }
        if outcome != Outcome::Merged {
            assert_eq!(source.get(path.as_bytes()), after.get(path.as_bytes()), "{path}");
        }
    }
    assert_eq!(report.verdict, Verdict::Complete);
    assert_eq!(
        scene.target.read("only-here"),
        b"edited here alone\n",
        "what the snapshot does not name stays"
    );
}

#[test]
fn a_change_follows_the_file_that_was_renamed_here() {
    let scene = Scene::new(|base| {
        base.write("old/name.txt", numbered(&[])).write("other.txt", "other\n");
    });
    scene.source.write("old/name.txt", numbered(&[(3, "by the source")]));
    scene.target.git(&["mv", "old/name.txt", "moved.txt"]);
    scene.target.write("moved.txt", numbered(&[(25, "by the target")]));
    scene.target.commit("rename");
    let report = scene.apply();
    let file = of(&report, "old/name.txt");
    assert_eq!(file.outcome, Outcome::Merged, "{file:?}");
    assert_eq!(file.at.as_ref().map(|at| at.as_bytes()), Some(&b"moved.txt"[..]));
    assert_eq!(
        scene.target.read("moved.txt"),
        numbered(&[(3, "by the source"), (25, "by the target")]).as_bytes()
    );
    assert!(!scene.target.exists("old/name.txt"));
    assert_eq!(report.repos[0].drift.kind, DriftKind::Ahead);
    assert_eq!(report.repos[0].drift.ahead, Some(1));
}

#[test]
fn drift_is_told_and_does_not_stand_in_the_way() {
    let scene = Scene::new(|base| {
        base.write("a.txt", numbered(&[])).write("b.txt", "b\n");
    });
    let at_base = scene.target.head();
    scene.source.write("c.txt", "c\n");
    scene.source.commit("ahead");
    scene.source.write("a.txt", numbered(&[(3, "by the source")]));
    let report = scene.apply();
    let drift = &report.repos[0].drift;
    assert!(matches!(drift.kind, DriftKind::Behind | DriftKind::BaseMissing), "{drift:?}");
    assert_eq!(drift.target.map(|oid| oid.to_string()), Some(at_base.clone()));
    assert_eq!(drift.source.map(|oid| oid.to_string()), Some(scene.source.head()));
    assert!(drift.remedy.contains(&scene.source.head()[..7]), "the remedy names the commit: {drift:?}");
    assert_eq!(of(&report, "a.txt").outcome, Outcome::Applied);
    assert_eq!(scene.target.head(), at_base, "HEAD stays");
}

#[test]
fn line_endings_are_the_targets_own() {
    let scene = Scene::new(|base| {
        base.write(".gitattributes", "*.txt text\n")
            .write("edit.txt", numbered(&[]))
            .write("merge.txt", numbered(&[]));
    });
    let crlf = |text: String| text.replace('\n', "\r\n");
    scene.target.git(&["config", "core.autocrlf", "true"]);
    scene.target.write("edit.txt", crlf(numbered(&[]))).write("merge.txt", crlf(numbered(&[(25, "here")])));
    scene.source.write("edit.txt", numbered(&[(3, "there")])).write("merge.txt", numbered(&[(3, "there")]));
    scene.source.write("new.txt", "new\nfile\n");
    let report = scene.apply();
    assert_eq!(of(&report, "edit.txt").outcome, Outcome::Applied);
    assert_eq!(of(&report, "merge.txt").outcome, Outcome::Merged);
    assert_eq!(scene.target.read("edit.txt"), crlf(numbered(&[(3, "there")])).as_bytes());
    assert_eq!(scene.target.read("merge.txt"), crlf(numbered(&[(3, "there"), (25, "here")])).as_bytes());
    let again = scene.apply();
    assert!(again.files().all(|(_, file)| file.outcome == Outcome::Unchanged), "{again:?}");
}

#[test]
fn files_that_are_nobodys_business_survive() {
    let scene = Scene::new(|base| {
        base.write(".gitignore", "*.log\ncache/\n").write("dir/a.txt", "a\n").write("b.txt", "b\n");
    });
    for number in 0..300 {
        scene.target.write(format!("mine/{number}.txt"), format!("{number}\n"));
        scene.target.write(format!("dir/{number}.log"), format!("{number}\n"));
        scene.target.write(format!("cache/{number}"), format!("{number}\n"));
    }
    scene.source.remove("dir/a.txt").write("b.txt", "edited\n").write(".gitignore", "\n");
    let before = fingerprint(&scene.target.root);
    let report = scene.apply();
    let options = ApplyOptions::default();
    let id = report.apply_id.unwrap();
    let check = |when: &str| {
        let after = fingerprint(&scene.target.root);
        for (path, print) in before.iter().filter(|(path, _)| {
            [&b"mine/"[..], b"cache/"].iter().any(|p| path.starts_with(p)) || path.ends_with(b".log")
        }) {
            assert_eq!(after.get(path), Some(print), "{when}: {}", path.escape_ascii());
        }
    };
    check("after the apply");
    handoff_core::undo(&scene.target.workspace(), &id, &options.control).unwrap();
    check("after the undo");
}
