//! The corpus of hostile snapshots: 96 rows, each beside three harmless changes that must still be applied.
//! `rows.rs` holds the table; here is what is done with a row.

mod race;
mod rows;
mod rows_of_targets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use handoff_core::{
    ApplyOptions, ApplyReport, CaptureOptions, Note, Outcome, RelPath, apply, capture, preview,
};

use crate::support::purity::{self, Fingerprint, assert_untouched};
use crate::support::repo::{Format, Repo, scratch};
use crate::support::snapshot::Parts;

/// What must come of a row.
pub enum Want {
    /// Each of these paths is skipped for the reason, and nothing is there afterwards that was not before.
    Skipped(Vec<Vec<u8>>, &'static [&'static str]),
    /// Each of these paths is written, byte for byte.
    Applied(Vec<Vec<u8>>),
    /// As `Applied`, and said not to be portable.
    NotPortable(Vec<Vec<u8>>),
    /// As `Applied`, and marked as run by some tool by itself.
    AutoRun(Vec<Vec<u8>>),
    /// The path keeps what the target has there, and the report says so.
    Conflict(Vec<u8>),
    /// The whole snapshot is refused before anything is written, with an error of one of these kinds.
    Refused(&'static [&'static str]),
}

type Prepare = dyn Fn(&Repo, &Path);
type Check = dyn Fn(&Repo, &ApplyReport) -> Result<(), String>;

/// One row: how the target looks, what the snapshot holds, what must come of it.
pub struct Row {
    pub number: u8,
    pub what: &'static str,
    pub prepare: Box<Prepare>,
    pub build: Box<dyn Fn(&mut Parts)>,
    pub want: Want,
    /// What else must hold afterwards.
    pub check: Box<Check>,
}

/// The places of one row's run.
struct Ground {
    _scratch: tempfile::TempDir,
    target: Repo,
    /// Beside the target, and nobody's business.
    outside: PathBuf,
}

struct Stage {
    _scratch: tempfile::TempDir,
    template: Repo,
    parts: Parts,
}

impl Stage {
    /// A repository, and a capture of three harmless changes to it.
    fn new() -> Self {
        let scratch = scratch();
        let template = Repo::init(scratch.path().join("source"), Format::Sha1);
        template.write("keep.txt", "before\n").write("gone.txt", "to be deleted\n");
        template.write("dir/tracked.txt", "tracked\n");
        template.commit("base");
        let changed = template.copy_to(scratch.path().join("changed/source"));
        changed.write("keep.txt", "after\n").remove("gone.txt").write("harmless/new.txt", "new\n");
        let workspace = changed.workspace();
        let snapshot =
            assert_untouched(&[&changed.root], || capture(&workspace, &CaptureOptions::default())).unwrap();
        assert_eq!(snapshot.manifest().repos[0].entries.len(), 3);
        let parts = Parts::of(&snapshot);
        Self { _scratch: scratch, template, parts }
    }

    fn ground(&self) -> Ground {
        let scratch = scratch();
        let outside = scratch.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("canary"), "untouched\n").unwrap();
        std::fs::write(outside.join("x"), "untouched\n").unwrap();
        std::fs::write(scratch.path().join("x"), "untouched\n").unwrap();
        let target = self.template.copy_to(scratch.path().join("target/source"));
        Ground { _scratch: scratch, target, outside }
    }
}

/// Everything beside the target.
fn surroundings(ground: &Ground) -> Fingerprint {
    let mut prints = purity::fingerprint(ground._scratch.path());
    prints.retain(|path, _| !path.starts_with(b"target"));
    prints
}

/// The git directory without what is ours to write.
fn git_directory(target: &Repo) -> Fingerprint {
    let mut prints = purity::fingerprint(&target.git_dir());
    // The directory's own times change when ours is made in it.
    prints.retain(|path, _| !path.is_empty() && !path.starts_with(b"handoff"));
    prints
}

fn outcomes(report: &ApplyReport) -> BTreeMap<&RelPath, &handoff_core::FileReport> {
    report.files().map(|(_, file)| (&file.path, file)).collect()
}

fn harmless_applied(target: &Repo, report: &ApplyReport) -> Result<(), String> {
    let told = outcomes(report);
    for path in ["keep.txt", "gone.txt", "harmless/new.txt"] {
        let outcome = told.get(&RelPath::from(path)).map(|file| &file.outcome);
        if outcome != Some(&Outcome::Applied) {
            return Err(format!("the harmless {path} was reported as {outcome:?}"));
        }
    }
    if target.read("keep.txt") != b"after\n"
        || target.exists("gone.txt")
        || target.read("harmless/new.txt") != b"new\n"
    {
        return Err("a harmless change is reported applied, but is not on disk".into());
    }
    Ok(())
}

/// Runs one row; `Err` says what is wrong.
fn run(stage: &Stage, row: &Row) -> Result<(), String> {
    let ground = stage.ground();
    let Ground { target, outside, .. } = &ground;
    (row.prepare)(target, outside);
    let mut parts = stage.parts.clone();
    (row.build)(&mut parts);
    let around = surroundings(&ground);
    let git = git_directory(target);
    let whole = purity::fingerprint(&target.root);
    let workspace = target.workspace();
    let options = ApplyOptions::default();

    let result = parts.snapshot().and_then(|snapshot| {
        let foreseen = assert_untouched(&[&target.root], || preview(&snapshot, &workspace, &options))?;
        Ok((foreseen, apply(&snapshot, &workspace, &options)?))
    });
    let changed = purity::difference(&around, &surroundings(&ground));
    if !changed.is_empty() {
        return Err(format!("something outside the target was touched: {changed}"));
    }
    let changed = purity::difference(&git, &git_directory(target));
    if !changed.is_empty() {
        return Err(format!("the git directory was touched: {changed}"));
    }

    let report = match (result, &row.want) {
        (Err(error), Want::Refused(kinds)) => {
            if !kinds.contains(&error.kind().as_str()) {
                return Err(format!("refused as {}, not as one of {kinds:?}: {error}", error.kind()));
            }
            let changed = purity::difference(&whole, &purity::fingerprint(&target.root));
            return if changed.is_empty() { Ok(()) } else { Err(format!("refused, but written: {changed}")) };
        }
        (Ok(_), Want::Refused(_)) => return Err("the snapshot was not refused".into()),
        (Err(error), _) => return Err(format!("the whole snapshot was refused: {error}")),
        (Ok((foreseen, report)), _) => {
            let (a, b) = (outcomes(&foreseen), outcomes(&report));
            if let Some((path, file)) =
                a.iter().find(|(path, file)| b.get(*path).is_none_or(|done| done.outcome != file.outcome))
            {
                return Err(format!("{path} was foreseen as {} and became {:?}", file.outcome, b.get(path)));
            }
            report
        }
    };
    let told = report.to_string();
    if told.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}') {
        return Err(format!("the report's text can be forged by a name: {told:?}"));
    }
    if told.len() > 16 << 10 {
        return Err(format!("the report's text has {} bytes", told.len()));
    }
    harmless_applied(target, &report)?;
    (row.check)(target, &report)?;
    judge(target, &report, &whole, &parts, &row.want)
}

fn judge(
    target: &Repo,
    report: &ApplyReport,
    before: &Fingerprint,
    parts: &Parts,
    want: &Want,
) -> Result<(), String> {
    let told = outcomes(report);
    let find = |path: &Vec<u8>| {
        told.get(&RelPath::from(path.as_slice()))
            .copied()
            .ok_or(format!("{} is not reported", path.escape_ascii()))
    };
    match want {
        Want::Refused(_) => {}
        Want::Skipped(paths, reasons) => {
            for path in paths {
                let file = find(path)?;
                let reason = file.reason.as_deref().unwrap_or_default();
                if file.outcome != Outcome::Skipped && file.outcome != Outcome::Failed
                    || !reasons.contains(&reason)
                {
                    return Err(format!(
                        "{} is {} ({reason:?}), not skipped ({reasons:?})",
                        file.path, file.outcome
                    ));
                }
            }
            let mut prints = purity::fingerprint(&target.root);
            prints.retain(|path, _| !before.contains_key(path) && !path.starts_with(b".git/handoff"));
            prints.remove(&b"harmless"[..]);
            prints.remove(&b"harmless/new.txt"[..]);
            if !prints.is_empty() {
                let names: Vec<_> = prints.keys().map(|path| path.escape_ascii().to_string()).collect();
                return Err(format!("refused, but now there is {names:?}"));
            }
        }
        Want::Applied(paths) | Want::NotPortable(paths) | Want::AutoRun(paths) => {
            for path in paths {
                let file = find(path)?;
                if file.outcome != Outcome::Applied {
                    return Err(format!(
                        "{} is {} ({:?}), not applied",
                        file.path, file.outcome, file.reason
                    ));
                }
                if matches!(want, Want::NotPortable(_)) && !file.notes.contains(&Note::Portability) {
                    return Err(format!("{} is not said to be less than portable", file.path));
                }
                if matches!(want, Want::AutoRun(_)) && !file.auto_run {
                    return Err(format!("{} is not said to be run by a tool", file.path));
                }
                let content =
                    std::fs::read(target.at(path)).map_err(|why| format!("{}: {why}", file.path))?;
                if !parts.blobs.contains(&content) {
                    return Err(format!("{} holds what the snapshot does not", file.path));
                }
                let shown = file.path.to_string();
                if shown.chars().any(|c| c.is_control() || c == '\u{202e}') {
                    return Err(format!("{shown:?} is shown with control characters"));
                }
            }
        }
        Want::Conflict(path) => {
            let file = find(path)?;
            if !matches!(file.outcome, Outcome::Conflict | Outcome::Skipped) {
                return Err(format!(
                    "{} is {}, though the target has something else there",
                    file.path, file.outcome
                ));
            }
            let now = purity::fingerprint(&target.root);
            for (old, print) in before.range(path.clone()..).take_while(|(other, _)| other.starts_with(path))
            {
                if now.get(old) != Some(print) {
                    return Err(format!("{} was touched", old.escape_ascii()));
                }
            }
        }
    }
    Ok(())
}

#[test]
fn every_row_of_the_corpus_ends_as_it_must() {
    let stage = Stage::new();
    let mut wrong = Vec::new();
    for row in rows::rows() {
        if let Err(why) = run(&stage, &row) {
            wrong.push(format!("row {} ({}): {why}", row.number, row.what));
        }
    }
    assert!(wrong.is_empty(), "{} rows end otherwise than they must:\n{}", wrong.len(), wrong.join("\n"));
}

/// The harness itself: it must notice what it is there to notice.
#[test]
fn a_row_that_promises_too_much_is_found_out() {
    let stage = Stage::new();
    let row = |want| Row {
        number: 0,
        what: "a harmless file",
        prepare: Box::new(|_, _| {}),
        build: Box::new(|parts: &mut Parts| parts.add_file("other.txt".into(), b"content")),
        want,
        check: Box::new(|_, _| Ok(())),
    };
    let path = || vec![b"other.txt".to_vec()];
    assert_eq!(run(&stage, &row(Want::Applied(path()))), Ok(()));
    assert!(run(&stage, &row(Want::NotPortable(path()))).is_err());
    assert!(run(&stage, &row(Want::Skipped(path(), &["path_git_dir"]))).is_err());
    assert!(run(&stage, &row(Want::Refused(&["format"]))).is_err());
    let escaping = Row {
        build: Box::new(|parts: &mut Parts| parts.add_file("../x".into(), b"content")),
        ..row(Want::Applied(vec![b"../x".to_vec()]))
    };
    assert!(run(&stage, &escaping).is_err());
}

#[test]
fn every_number_of_the_corpus_is_a_row_or_has_a_reason() {
    let rows: Vec<u8> = rows::rows().iter().map(|row| row.number).collect();
    for number in 1..=96 {
        let elsewhere = rows::ELSEWHERE.iter().any(|(other, _)| *other == number);
        assert!(rows.contains(&number) != elsewhere, "row {number} must be in exactly one of the two tables");
    }
}
