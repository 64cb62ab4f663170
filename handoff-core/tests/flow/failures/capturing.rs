//! What a capture does to the source, and what it passes over.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use handoff_core::{
    ApplyHistory, ApplyOptions, CancelToken, CaptureOptions, Error, Outcome, Verdict, Workspace, apply,
    capture,
};

use super::{applied, carry, entry, listed, numbered, paths, repo, travelled, undone, worked_on};
use crate::flow::state_table::{Pair, status};
use crate::support::driver::{Job, Operation};
use crate::support::git;
use crate::support::purity::fingerprint;
use crate::support::repo::{Format, Repo, scratch};

/// Loose objects and temporary packs filled disks: openai/codex#29388 (102 GB), #19588, cline/cline#1311.
#[test]
fn failure_01_disk_bombs_in_the_users_git() {
    let pair = worked_on();
    pair.source.write("big.bin", vec![7; 20 << 20]);
    let before = fingerprint(&pair.source.git_dir());
    for _ in 0..3 {
        travelled(&[&pair.source]);
    }
    assert!(before == fingerprint(&pair.source.git_dir()), "not one byte below .git");
    // Killed while contents are in its temporary file, it leaves none behind.
    let temporary = pair.scratch.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    // What cannot be compressed, since it is compressed bytes that go to the file.
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let noise = (0..(90 << 20) / 8).flat_map(|_| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()
    });
    pair.source.write("huge.bin", noise.collect::<Vec<u8>>());
    let job = Job::new(Operation::Capture, &pair.source.root, &pair.scratch.path().join("answer"));
    let null = || fs::File::create("/dev/null").unwrap();
    let mut child = job.command().env("TMPDIR", &temporary).stdout(null()).stderr(null()).spawn().unwrap();
    let open = format!("/proc/{}/fd", child.id());
    let spooling = || {
        let held = fs::read_dir(&open).into_iter().flatten().flatten();
        let is_spool =
            |fd: &std::path::Path| fs::read_link(fd).is_ok_and(|file| file.starts_with(&temporary));
        held.map(|fd| fd.path())
            .filter(|fd| is_spool(fd))
            .any(|fd| fs::metadata(fd).is_ok_and(|file| file.len() > 0))
    };
    let mut seen = false;
    while !seen && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
        seen = spooling();
    }
    assert!(seen, "the capture ended before anything was seen in its temporary file");
    let _ = child.kill();
    child.wait().unwrap();
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    // And a home directory is refused before anything is read.
    let job = Job::new(Operation::Plan, &pair.source.root, &pair.scratch.path().join("answer"));
    let mut command = job.command();
    command.env("HOME", &pair.source.root);
    assert_eq!(job.answer_of(command).unwrap().error.unwrap().kind, "unsafe_workspace");
}

/// Private refs broke other tools: openai/codex#28241 (libgit2), #37559 (`git fetch`), #32511 (watchers).
#[test]
fn failure_02_private_refs_break_other_tools() {
    let pair = worked_on();
    let refs = |repo: &Repo| {
        let packed = fs::read(repo.git_dir().join("packed-refs")).ok();
        let listed = git::git(&repo.root, &["for-each-ref"]);
        (
            fingerprint(&repo.git_dir().join("refs")),
            packed,
            listed,
            fs::read(repo.git_dir().join("HEAD")).unwrap(),
        )
    };
    let before = (refs(&pair.source), refs(&pair.target));
    let report = pair.carry();
    assert!(before == (refs(&pair.source), refs(&pair.target)));
    undone(&report, &pair.target);
    assert!(before == (refs(&pair.source), refs(&pair.target)));
}

/// An add that failed left the old tree to pass for the current one: anomalyco/opencode#26893 (two days lost).
/// Files that may not be read: `a_file_that_may_not_be_read_is_named_and_the_rest_is_captured` in `flow::bad_input`.
#[test]
fn failure_06_a_failed_add_passes_a_stale_tree_for_the_current_one() {
    let pair = worked_on();
    Repo::init(pair.source.at("empty"), Format::Sha1);
    assert!(std::process::Command::new("mkfifo").arg(pair.source.at("pipe")).status().unwrap().success());
    pair.source.git(&["config", "filter.gone.clean", "no-such-program"]);
    pair.source.git(&["config", "filter.gone.required", "true"]);
    pair.source.write(".gitattributes", "*.raw filter=gone\n").write("x.raw", "raw\n");
    assert!(!git::output(&pair.source.root, &["add", "-A"], b"").status.success(), "git gives up here");
    let snapshot = travelled(&[&pair.source]);
    let told = repo(&snapshot, "app");
    assert_eq!(listed(told), [("pipe".to_owned(), "special_file".to_owned())]);
    assert_eq!(paths(told), [".gitattributes", "a.txt", "b.txt", "dir/new.txt", "gone.txt", "x.raw"]);
    for path in ["a.txt", "b.txt", "dir/new.txt", "x.raw"] {
        let blob = entry(told, path).worktree.as_ref().and_then(|state| state.blob);
        let carried = blob.map(|blob| snapshot.blob(&blob).unwrap());
        assert_eq!(carried, Some(pair.source.read(path)), "{path}: what is on disk, not what was committed");
    }
}

/// Files with common names were left out unsaid, by lists of names: `build`, `env`, `*.lock`, `*.svg`, `target/`.
#[test]
fn failure_16_built_in_name_exclusions_eat_source() {
    let pair = worked_on();
    let names = [
        "src/build/x.rs",
        "Cargo.lock",
        "logo.svg",
        "build",
        "env",
        "dist/index.js",
        "vendor/lib.c",
        "pkg/main.go",
        "out/report.md",
        "bin/run",
        "target/debug/x",
        "node_modules/left-pad/index.js",
        "data.sql",
        "table.csv",
        "song.mp3",
        "x.tmp",
        ".DS_Store",
        "a~",
        "#a#",
        ".#a",
        "core",
        "Thumbs.db",
        ".vscode/settings.json",
    ];
    for name in names {
        pair.source.write(name, format!("{name}\n"));
    }
    let report = pair.there_and_back();
    let told = repo(&travelled(&[&pair.source]), "app").clone();
    assert!(listed(&told).is_empty(), "{:?}", listed(&told));
    for name in names {
        assert!(report.files().any(|(_, f)| f.path.as_bytes() == name.as_bytes()), "{name}");
    }
}

/// A capture held a turn up for minutes: zed-industries/zed#62283, anomalyco/opencode#1646, cline/cline#13131.
#[test]
fn failure_18_a_turn_is_blocked_or_hung() {
    let pair = worked_on();
    for number in 0..3_000 {
        pair.source.write(format!("many/{}/{number}.txt", number % 40), format!("{number}\n"));
    }
    let mut options = CaptureOptions::default();
    options.deadline = Some(Duration::ZERO);
    let partial = capture(&pair.source.workspace(), &options).unwrap();
    assert!(partial.manifest().partial.is_some(), "said to be partial");
    let report = applied(&partial, &pair.target);
    assert_ne!(report.verdict, Verdict::Complete);
    assert!(report.to_string().contains("deadline") || report.to_string().contains("partial"), "{report}");
    // Cancelled from where progress is shown, it stops and says so.
    let token = CancelToken::new();
    let mut options = CaptureOptions::default();
    options.control.cancel = token.clone();
    let calls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = calls.clone();
    options.control.progress = Some(Arc::new(move |_: &handoff_core::Progress| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        token.cancel();
    }));
    let before = fingerprint(&pair.source.root);
    let stopped = capture(&pair.source.workspace(), &options);
    assert!(matches!(stopped, Err(Error::Cancelled)), "{:?}", stopped.map(|snapshot| snapshot.id()));
    assert!(calls.load(std::sync::atomic::Ordering::Relaxed) > 0);
    assert!(before == fingerprint(&pair.source.root));
}

/// One repository that failed took the others with it: zed-industries/zed#56336.
#[test]
fn failure_19_one_repository_fails_and_all_fail() {
    let scratch = scratch();
    let repos: Vec<Repo> = ["app", "broken", "lib", "closed"]
        .iter()
        .map(|name| {
            let repo = Repo::init(scratch.path().join("laptop").join(name), Format::Sha1);
            repo.write("a.txt", format!("{name}\n"));
            repo.commit("base");
            repo
        })
        .collect();
    let targets: Vec<Repo> = repos
        .iter()
        .map(|repo| repo.clone_to(scratch.path().join("cloud").join(repo.root.file_name().unwrap())))
        .collect();
    for repo in &repos {
        repo.write("a.txt", "edited\n");
    }
    fs::write(repos[1].git_dir().join("index"), "not an index").unwrap();
    // This one cannot even be opened.
    fs::write(repos[3].git_dir().join("config"), "[core\n").unwrap();
    let snapshot = travelled(&repos.iter().collect::<Vec<_>>());
    for name in ["broken", "closed"] {
        assert!(repo(&snapshot, name).failed.is_some(), "{name}");
    }
    let workspace = Workspace::new(targets.iter().map(|target| &target.root)).unwrap();
    let report = apply(&snapshot, &workspace, &Default::default()).unwrap();
    assert_eq!(
        (targets[0].read("a.txt"), targets[2].read("a.txt")),
        (b"edited\n".to_vec(), b"edited\n".to_vec())
    );
    assert_eq!(report.verdict, Verdict::Partial, "{report}");
    assert!(report.to_string().contains("broken") && report.to_string().contains("closed"), "{report}");
    // Alone, it is an error.
    assert!(matches!(Workspace::new([&repos[3].root]), Err(Error::Repository { .. })));
}

/// Gitlinks were rewound and `.git` left renamed: RooCodeInc/Roo-Code#4509, cline/cline#9590, intent-hq/intent#508.
#[test]
fn failure_20_nested_repositories_and_submodules() {
    let pair = Pair::new(|base| {
        let lib = Repo::init(base.root.parent().unwrap().join("lib"), Format::Sha1);
        lib.write("lib.txt", numbered(&[]));
        lib.commit("lib");
        for path in ["sub", "lazy"] {
            let url = lib.root.to_str().unwrap();
            base.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", url, path]);
        }
    });
    for clone in [&pair.source, &pair.target] {
        clone.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init", "sub"]);
        let inner = Repo::init(clone.at("inner"), Format::Sha1);
        inner.write("inner.txt", "inner\n");
        inner.commit("inner");
    }
    pair.source.write("sub/lib.txt", numbered(&[(3, "edited")])).write("inner/inner.txt", "edited\n");
    let links = |repo: &Repo| repo.git(&["ls-files", "-s", "sub", "lazy"]);
    let git_file = fs::read(pair.target.at("sub/.git")).unwrap();
    let before = (links(&pair.source), links(&pair.target));
    let report = pair.there_and_back();
    assert_eq!(report.repos.len(), 3, "{report}");
    assert!(before == (links(&pair.source), links(&pair.target)));
    assert_eq!(fs::read(pair.target.at("sub/.git")).unwrap(), git_file);
    assert!(pair.target.exists("inner/.git/HEAD") && !pair.target.exists("lazy/lib.txt"));
}

/// Taking git's locks wedged repositories for days: git-ai-project/git-ai#1240, NousResearch/hermes-agent#92127.
#[test]
fn failure_27_locks() {
    let pair = worked_on();
    let lock = pair.source.git_dir().join("index.lock");
    fs::write(&lock, "").unwrap();
    let locked = travelled(&[&pair.source]);
    assert!(lock.exists());
    fs::remove_file(&lock).unwrap();
    let free = travelled(&[&pair.source]);
    assert_eq!(locked.manifest().repos[0].entries, free.manifest().repos[0].entries);
    assert!(locked.manifest().repos[0].flags.workspace_moving, "a fresh lock is git at work");
    assert!(!free.manifest().repos[0].flags.workspace_moving);
    // Eight captures while the user commits: no commit fails, no capture fails.
    std::thread::scope(|scope| {
        let captures: Vec<_> = (0..8)
            .map(|_| {
                let workspace = pair.source.workspace();
                scope.spawn(move || capture(&workspace, &CaptureOptions::default()).map(|_| ()))
            })
            .collect();
        for number in 0..6 {
            pair.source.write("log.txt", format!("{number}\n"));
            pair.source.commit("while it is captured");
        }
        for done in captures {
            done.join().unwrap().unwrap();
        }
    });
    assert!(!lock.exists());
}

/// A copied index without its time lost edits of the same size: pingdotgg/t3code#8538.
#[test]
fn failure_28_a_racy_edit_is_missed() {
    let pair = worked_on();
    let workspace = pair.source.workspace();
    for round in 0..100 {
        let text = format!("{round:04}\n");
        pair.source.write("same.txt", "????\n");
        git::git(&pair.source.root, &["update-index", "same.txt"]);
        pair.source.write("same.txt", &text);
        let snapshot = capture(&workspace, &CaptureOptions::default()).unwrap();
        let state = entry(repo(&snapshot, "app"), "same.txt").worktree.clone().unwrap();
        assert_eq!(snapshot.blob(&state.blob.unwrap()).unwrap(), text.as_bytes(), "round {round}");
    }
    assert_eq!(carry(&travelled(&[&pair.source]), &pair.target).count(&Outcome::Conflict), 0);
}

/// Files that the work needs and git ignores stayed behind: anthropics/claude-code#58546, pingdotgg/t3code#3887.
#[test]
fn failure_15_ignored_but_needed_files() {
    let pair = Pair::new(|base| {
        base.write(".gitignore", "settings.local\nbuild/\n").write("a.txt", "a\n");
    });
    pair.source.write("settings.local", "MODE=dev\n").write("build/out.bin", "built\n").write("b.txt", "b\n");
    // Nobody asked: they stay, and are named to who wants to know.
    assert_eq!(paths(repo(&travelled(&[&pair.source]), "app")), ["b.txt"]);
    let mut options = CaptureOptions::default();
    options.list_ignored = true;
    let snapshot = capture(&pair.source.workspace(), &options).unwrap();
    let expected = [("build/".to_owned(), "ignored".to_owned()), ("settings.local".into(), "ignored".into())];
    assert_eq!(listed(repo(&snapshot, "app")), expected);
    let report = carry(&snapshot, &pair.target);
    assert_eq!(report.count(&Outcome::NotCaptured), 2, "{report}");
    // Asked for by the caller, or by the repository in `.worktreeinclude`, they travel.
    let mut options = CaptureOptions::default();
    options.include_ignored = vec!["settings.local".into()];
    let snapshot = capture(&pair.source.workspace(), &options).unwrap();
    assert_eq!(paths(repo(&snapshot, "app")), ["b.txt", "settings.local"]);
    pair.source.write(".worktreeinclude", "settings.local\n");
    let report = carry(&travelled(&[&pair.source]), &pair.target);
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    assert_eq!(pair.target.read("settings.local"), b"MODE=dev\n");
    assert!(!pair.target.exists("build"));
}

/// Commits that were nowhere else were gone with the sandbox: microsoft/copilot-intellij-feedback#1306,
/// anthropics/claude-code#51579, #38287, #48131.
#[test]
fn failure_14_unpushed_work_is_missing() {
    let pair = worked_on();
    pair.source.git(&["checkout", "-q", "-b", "only-here"]);
    pair.source.write("committed.txt", "committed\n").git(&["add", "committed.txt"]);
    pair.source.git(&["commit", "-q", "-m", "nobody has this"]);
    // No right to push and no way to the remote.
    for repo in [&pair.source, &pair.target] {
        repo.git(&["remote", "set-url", "origin", "https://handoff.invalid/never.git"]);
        repo.git(&["remote", "set-url", "--push", "origin", "https://handoff.invalid/never.git"]);
    }
    let snapshot = travelled(&[&pair.source]);
    let mut options = ApplyOptions::default();
    options.history = ApplyHistory::Branch;
    let report = apply(&snapshot, &pair.target.workspace(), &options).unwrap();
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    assert_eq!(pair.target.head(), pair.source.head());
    assert_eq!(git::line(&pair.target.root, &["symbolic-ref", "--short", "HEAD"]), "only-here");
    assert_eq!(pair.target.read("committed.txt"), b"committed\n");
    assert_eq!(status(&pair.target), status(&pair.source));
}
