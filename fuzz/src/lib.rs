//! Bodies of the fuzz targets, as plain functions: stable Rust replays the committed seeds through them in every
//! test run, and `cargo fuzz` drives the same functions with coverage. A panic is a finding.

use std::path::PathBuf;
use std::sync::OnceLock;

use handoff_core::snapshot::Limits;
use handoff_core::testing::snapshot_from_parts;
use handoff_core::{
    ApplyHistory, ApplyOptions, Digest, HistoryOutcome, Manifest, Outcome, RelPath, Snapshot, Workspace,
    preview,
};

/// One target: its name, which is also the directory of its seeds, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] =
    &[("bundle", bundle), ("history", history), ("manifest", manifest), ("path", path), ("policy", policy)];

/// A bundle from anywhere: refused with an error, or read, and then the same after being written again.
pub fn bundle(data: &[u8]) {
    // Small enough that no input can make the fuzzer itself run out of memory.
    let mut limits = Limits::default();
    limits.blob_bytes = 4 << 20;
    limits.total_bytes = 16 << 20;
    let Ok(snapshot) = Snapshot::read_from_with(data, &limits) else { return };
    for repo in &snapshot.manifest().repos {
        for entry in &repo.entries {
            let states = [&entry.head, &entry.index, &entry.worktree];
            for blob in states.into_iter().flatten().filter_map(|state| state.blob) {
                // Each content was checked on reading, so each is there.
                let content = snapshot.blob(&blob);
                assert!(content.is_ok(), "a bundle was accepted without content {blob}: {content:?}");
            }
        }
    }
    let mut written = Vec::new();
    assert!(snapshot.write_to(&mut written).is_ok(), "what was read cannot be written");
    match Snapshot::read_from_with(written.as_slice(), &limits) {
        Ok(again) => assert_eq!(again.id(), snapshot.id(), "writing changed the snapshot"),
        Err(why) => panic!("what was written cannot be read: {why}"),
    }
}

/// A manifest from anywhere: refused, or read, and then its canonical form is the very same bytes.
pub fn manifest(data: &[u8]) {
    let Ok(manifest) = Manifest::from_canonical(data, &Limits::default()) else { return };
    match manifest.to_canonical() {
        Ok(written) => assert_eq!(written, data, "two forms of one manifest were accepted"),
        Err(why) => panic!("what was read cannot be written: {why}"),
    }
    assert!(manifest.id().is_ok());
}

/// A path of any bytes: its JSON form gives it back, and its text form can neither break a line of a report
/// nor steer a terminal.
pub fn path(data: &[u8]) {
    let path = RelPath::new(data);
    let json = serde_json::to_vec(&path).ok();
    let back = json.as_deref().and_then(|json| serde_json::from_slice::<RelPath>(json).ok());
    assert_eq!(back.as_ref(), Some(&path), "the JSON form lost something");
    let shown = path.to_string();
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!shown.contains(steers), "{shown:?} is not safe to print");
    if let Some(parent) = path.parent() {
        let joined = [parent, b"/", path.name()].concat();
        assert_eq!(joined, path.as_bytes(), "parent and name are not the whole");
    } else {
        assert_eq!(path.name(), path.as_bytes());
    }
}

/// A new file or symlink under a name of any bytes, the symlink's target after the first NUL: whatever the planner
/// would write lies in the work tree and in no git directory.
pub fn policy(data: &[u8]) {
    planned(data);
}

/// What a preview says of the entry that `data` stands for; `None` where not even a snapshot can be made of it.
pub fn planned(data: &[u8]) -> Option<Outcome> {
    let (name, target) = match data.iter().position(|byte| *byte == 0) {
        Some(at) => (data.get(..at).unwrap_or_default(), data.get(at + 1..)),
        None => (data, None),
    };
    let content = target.unwrap_or(b"content");
    let mode = if target.is_some() { "symlink" } else { "regular" };
    let manifest = serde_json::json!({
        "format": "handoff-snapshot/1",
        "repos": [{
            "entries": [{
                "flags": {"untracked": true},
                "path": RelPath::new(name),
                "worktree": {"blob": Digest::of(content), "mode": mode, "size": content.len()},
            }],
            "head": {"branch": "main"},
            "id": {},
            "name": "app",
        }],
    });
    let snapshot = snapshot_from_parts(manifest.to_string().as_bytes(), &[content]).ok()?;
    let mut options = ApplyOptions::default();
    options.map.insert("app".to_owned(), "handoff-fuzz-target".to_owned());
    let report =
        match Workspace::new([target_repository()]).and_then(|there| preview(&snapshot, &there, &options)) {
            Ok(report) => report,
            Err(why) => panic!("a bad entry must be a line of the report, not an error: {why}"),
        };
    let files: Vec<_> = report.files().map(|(_, file)| file).collect();
    assert_eq!(files.len(), 1, "one entry, {} lines in the report", files.len());
    let written = files.iter().filter(|file| matches!(file.outcome, Outcome::Applied | Outcome::Merged));
    for file in written {
        let path = file.at.as_ref().unwrap_or(&file.path).as_bytes();
        for part in path.split(|byte| *byte == b'/') {
            assert!(!matches!(part, b"" | b"." | b".."), "would write {path:?}");
            assert!(!part.eq_ignore_ascii_case(b".git"), "would write {path:?}");
        }
        if mode == "symlink" {
            assert!(!content.starts_with(b"/"), "would link out of the work tree");
        }
    }
    files.first().map(|file| file.outcome.clone())
}

/// Unpushed commits of any bytes: refused with a reason in the report, or all in order; never a panic, never stored.
pub fn history(data: &[u8]) {
    received(data);
}

/// What a preview says of the part of unpushed commits that `data` is.
pub fn received(data: &[u8]) -> Option<HistoryOutcome> {
    let commit = data
        .first_chunk::<20>()
        .map_or_else(|| "0".repeat(40), |id| id.iter().map(|byte| format!("{byte:02x}")).collect());
    let part = data.get(20..).unwrap_or_default();
    let manifest = serde_json::json!({
        "format": "handoff-snapshot/1",
        "repos": [{
            "entries": [],
            "head": {"commit": commit},
            "history": {"commits": 1, "parts": [{"blob": Digest::of(part), "size": part.len()}]},
            "id": {},
            "name": "app",
            "object_format": "sha1",
        }],
    });
    let snapshot = snapshot_from_parts(manifest.to_string().as_bytes(), &[part]).ok()?;
    let mut options = ApplyOptions::default();
    options.history = ApplyHistory::Objects;
    options.map.insert("app".to_owned(), "handoff-fuzz-target".to_owned());
    match Workspace::new([target_repository()]).and_then(|there| preview(&snapshot, &there, &options)) {
        Ok(report) => {
            report.repos.first().and_then(|repo| repo.history.as_ref()).map(|it| it.outcome.clone())
        }
        Err(why) => panic!("bad commits must be a line of the report, not an error: {why}"),
    }
}

/// A repository without commits, the same in every run, which is only looked at.
fn target_repository() -> &'static PathBuf {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let root = std::env::temp_dir().join("handoff-fuzz-target");
        let git = root.join(".git");
        let made =
            ["objects", "refs/heads"].iter().try_for_each(|dir| std::fs::create_dir_all(git.join(dir)));
        let made = made.and_then(|()| std::fs::write(git.join("HEAD"), "ref: refs/heads/main\n"));
        let made =
            made.and_then(|()| std::fs::write(git.join("config"), "[core]\n\trepositoryFormatVersion = 0\n"));
        assert!(made.is_ok(), "no place for a repository: {made:?}");
        root
    })
}
