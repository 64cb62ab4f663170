//! Snapshots and targets that mean harm.

use super::*;
use crate::digest::Digest;
use crate::report::{FindingKind, Outcome};
use crate::snapshot::{Entry, FileState, Manifest, Mode, RepoManifest, Spool};

fn state(spool: &Spool, mode: Mode, content: &[u8]) -> FileState {
    let blob = spool.add(content).unwrap();
    FileState {
        blob: Some(blob),
        eol: None,
        mode,
        oid: None,
        size: content.len() as u64,
        extra: Default::default(),
    }
}

/// A snapshot of `app` that creates these files, and three that are harmless.
fn snapshot(files: &[(&[u8], Mode, &[u8])]) -> Snapshot {
    let spool = Spool::new(1 << 20);
    let harmless: [(&[u8], Mode, &[u8]); 3] = [
        (b"ok/one", Mode::Regular, b"1\n"),
        (b"ok/two", Mode::Executable, b"2\n"),
        (b"zzz", Mode::Regular, b"3\n"),
    ];
    let mut entries: Vec<Entry> = files
        .iter()
        .chain(&harmless)
        .map(|(path, mode, content)| Entry {
            flags: Default::default(),
            head: None,
            index: None,
            path: crate::RelPath::from(*path),
            worktree: Some(state(&spool, mode.clone(), content)),
            extra: Default::default(),
        })
        .collect();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let repo = RepoManifest {
        entries,
        failed: None,
        flags: Default::default(),
        head: Default::default(),
        history: None,
        id: Default::default(),
        name: "app".into(),
        object_format: None,
        omissions: Vec::new(),
        operation: None,
        stashes: 0,
        extra: Default::default(),
    };
    let manifest = Manifest {
        environment: Default::default(),
        format: crate::snapshot::FORMAT.into(),
        loose_files: Vec::new(),
        loose_omissions: Vec::new(),
        partial: None,
        repos: vec![repo],
        extra: Default::default(),
    };
    spool.finish(manifest).unwrap()
}

fn apply_to(tree: &Tree, files: &[(&[u8], Mode, &[u8])]) -> ApplyReport {
    let report = tree.apply(&snapshot(files), &ApplyOptions::default());
    for path in ["ok/one", "ok/two", "zzz"] {
        assert!(matches!(file(&report, path).outcome, Outcome::Applied | Outcome::Unchanged), "{report}");
    }
    report
}

#[test]
fn unsafe_entries_are_refused_and_their_neighbours_applied() {
    let pair = Pair::new(&[("a", "a\n")]);
    let target = &pair.target;
    let rows: &[(&[u8], Mode, &[u8], &str)] = &[
        (b"../x", Mode::Regular, b"x", "path_traversal"),
        (b"/etc/x", Mode::Regular, b"x", "path_absolute"),
        (b".git/config", Mode::Regular, b"x", "path_git_dir"),
        (b"sub/.GIT/x", Mode::Regular, b"x", "path_git_dir"),
        (b"git~1/x", Mode::Regular, b"x", "path_git_alias"),
        (b"out", Mode::Symlink, b"/etc/passwd", "symlink_absolute"),
        (b"up", Mode::Symlink, b"../../x", "symlink_escapes"),
        (b"hooks", Mode::Symlink, b".git/hooks", "symlink_git"),
        (b"m1", Mode::Unknown("04755".into()), b"x", "mode_not_allowed"),
        (b"m2", Mode::Unknown("fifo".into()), b"x", "type_not_allowed"),
        (b"m3", Mode::Gitlink, b"x", "type_not_allowed"),
        (b".gitmodules", Mode::Symlink, b"a", "protected_git_file"),
    ];
    let config = target.read(".git/config");
    for (path, mode, content, reason) in rows {
        let report = apply_to(target, &[(*path, mode.clone(), *content)]);
        let shown = crate::RelPath::from(*path);
        let file = report.files().map(|(_, file)| file).find(|file| file.path == shown).unwrap();
        assert_eq!((&file.outcome, file.reason.as_deref()), (&Outcome::Skipped, Some(*reason)), "{shown}");
    }
    assert_eq!(target.read(".git/config"), config);
    let report = apply_to(target, &[(b"p", Mode::Symlink, b"zzz"), (b"p/x", Mode::Regular, b"x")]);
    assert_eq!(outcome(&report, "p"), "skipped/path_prefix_conflict");
    assert_eq!(outcome(&report, "p/x"), "skipped/path_prefix_conflict");
}

#[test]
fn links_and_special_files_of_the_target_are_not_followed() {
    let pair = Pair::new(&[("a", "a\n")]);
    let target = &pair.target;
    let outside = target.0.parent().unwrap().join("outside");
    fs::create_dir(&outside).unwrap();
    target.link("../outside", "out");
    target.link(".git", "s");
    fs::create_dir_all(target.0.join("sub/.git")).unwrap();
    target.write("sub/.git/HEAD", "ref: refs/heads/main\n");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        target.0.join("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    target.write("dir/full", "x");
    let report = apply_to(
        target,
        &[
            (b"out/x", Mode::Regular, b"x"),
            (b"s/config", Mode::Regular, b"x"),
            (b"sub/x", Mode::Regular, b"x"),
            (b"fifo", Mode::Regular, b"x"),
            (b"dir", Mode::Regular, b"x"),
        ],
    );
    assert_eq!(outcome(&report, "out/x"), "skipped/parent_is_symlink");
    assert_eq!(outcome(&report, "s/config"), "skipped/parent_is_symlink");
    assert_eq!(outcome(&report, "sub/x"), "skipped/parent_is_submodule");
    assert_eq!(outcome(&report, "fifo"), "skipped/target_is_special");
    assert_eq!(outcome(&report, "dir"), "conflict/exists_here");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn a_journal_that_is_not_ours_stops_everything() {
    let pair = Pair::new(&[("a", "a\n")]);
    let elsewhere = pair.target.0.parent().unwrap().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, pair.target.0.join(".git/handoff")).unwrap();
    let result = apply(&snapshot(&[]), &pair.target.workspace(), &ApplyOptions::default());
    assert!(matches!(result, Err(crate::Error::JournalNotSafe { .. })));
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    assert_eq!(pair.target.status(), "");
}

#[test]
fn a_journal_that_cannot_be_written_fails_every_file_and_says_so_once() {
    let pair = Pair::new(&[("zzz", "3\n")]);
    // A plain file in its place stands for any reason why the directory cannot be made.
    fs::create_dir(pair.target.0.join(".git/handoff")).unwrap();
    pair.target.chmod(".git/handoff", 0o700);
    fs::write(pair.target.0.join(".git/handoff/applies"), "").unwrap();
    fs::set_permissions(pair.target.0.join(".git/handoff/applies"), fs::Permissions::from_mode(0o600))
        .unwrap();
    let result = apply(&snapshot(&[]), &pair.target.workspace(), &ApplyOptions::default());
    assert!(matches!(result, Err(crate::Error::JournalNotSafe { .. })), "{result:?}");
    assert_eq!(pair.target.status(), "");
}

#[test]
fn a_damaged_blob_costs_only_its_own_entry() {
    let pair = Pair::new(&[("a", "a\n")]);
    let mut manifest = snapshot(&[(b"bad", Mode::Regular, b"content\n")]).manifest().clone();
    let spool = Spool::new(1 << 20);
    for content in [b"1\n".as_slice(), b"2\n", b"3\n", b"content\n"] {
        spool.add(content).unwrap();
    }
    for entry in &mut manifest.repos[0].entries {
        if entry.path == "bad".into() {
            entry.worktree.as_mut().unwrap().size += 1;
        }
    }
    // A size that is not the content's may be refused earlier; where it is not, it is refused here.
    let Ok(snapshot) = spool.finish(manifest) else { return };
    let report = pair.target.apply(&snapshot, &ApplyOptions::default());
    assert_eq!(outcome(&report, "bad"), "failed/blob_mismatch");
    assert_eq!(outcome(&report, "ok/one"), "applied/created");
}

#[test]
fn no_checkout_fits() {
    let pair = Pair::new(&[("a", "a\n")]);
    pair.source.write("a", "b\n");
    let mut manifest = pair.capture().manifest().clone();
    manifest.repos[0].id.remotes = vec!["host/app".into()];
    manifest.repos[0].id.roots.clear();
    manifest.repos[0].head.commit = Some(crate::Oid::from_bytes(&[9; 20]).unwrap());
    manifest.repos[0].name = "other".into();
    pair.target.git(&["remote", "set-url", "origin", "https://example.org/else.git"]);
    let spool = Spool::new(1 << 20);
    spool.add(b"a\n").unwrap();
    spool.add(b"b\n").unwrap();
    let snapshot = spool.finish(manifest).unwrap();
    let report = pair.target.apply(&snapshot, &ApplyOptions::default());
    assert_eq!(outcome(&report, "a"), "skipped/no_target");
    assert_eq!(report.repos[0].findings[0].kind, FindingKind::NoTarget);
    let map = [("other".to_owned(), "app".to_owned())].into();
    let report = pair.target.apply(&snapshot, &ApplyOptions { map, ..ApplyOptions::default() });
    assert_eq!(outcome(&report, "a"), "applied/modified");
    assert_eq!(file(&report, "a").hash, Some(Digest::of(b"b\n")));
}
