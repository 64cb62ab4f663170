//! What travels beyond what git calls changed: ignored files by request, empty directories, files outside any
//! repository.

mod empty;
mod generated;
mod loose;

use std::collections::BTreeSet;

use handoff_core::snapshot::{Omission, OmissionReason};
use handoff_core::{
    AllowSecret, ApplyOptions, CaptureOptions, Detail, OnConflict, Outcome, PlannedChange, RelPath, Snapshot,
    Verdict, apply, capture, plan, undo,
};

use crate::support::driver::{Job, Operation};
use crate::support::git;
use crate::support::oracle;
use crate::support::purity::assert_untouched;
use crate::support::repo::{Format, Repo, scratch, undisturbed};

/// A repository that ignores logs and two directories, and a clean clone of it.
pub fn pair(top: &std::path::Path) -> (Repo, Repo) {
    let source = Repo::init(top.join("a/app"), Format::Sha1);
    source
        .write(".gitignore", "*.log\n/target/\nnode_modules/\n.env*\n/local/\n")
        .write("src/main.rs", "main\n");
    source.commit("base");
    let target = source.clone_to(top.join("b/app"));
    (source, target)
}

pub fn taken(source: &Repo, options: &CaptureOptions) -> Snapshot {
    let workspace = source.workspace();
    assert_untouched(&[&source.root], || capture(&workspace, options)).unwrap()
}

/// Options that let every environment file of these tests travel: asking for an ignored file does not say that it
/// holds no secret.
pub fn consenting() -> CaptureOptions {
    let mut options = undisturbed();
    for path in [".env", ".env.local", ".env.same", "node_modules/x/.env", "build/.env"] {
        options.allow_secrets.extend([".env", ".env.*"].map(|rule| AllowSecret::new(path, rule)));
    }
    options
}

fn asking(patterns: &[&str]) -> CaptureOptions {
    let mut options = consenting();
    options.include_ignored = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    options
}

/// The carried paths that git ignores.
fn ignored(snapshot: &Snapshot) -> BTreeSet<Vec<u8>> {
    let entries = snapshot.entries().filter(|(_, entry)| entry.flags.ignored && !entry.flags.empty_dir);
    entries.map(|(_, entry)| entry.path.as_bytes().to_vec()).collect()
}

fn set(paths: &[&str]) -> BTreeSet<Vec<u8>> {
    paths.iter().map(|path| path.as_bytes().to_vec()).collect()
}

/// What git says: ignored by its rules, and by `patterns` taken alone.
pub fn asked_for(repo: &Repo, patterns: &[&str]) -> BTreeSet<Vec<u8>> {
    let list = |args: &[&str]| -> BTreeSet<Vec<u8>> {
        let out = git::git(&repo.root, args);
        out.split(|byte| *byte == 0).filter(|path| !path.is_empty()).map(<[u8]>::to_vec).collect()
    };
    let excludes: Vec<String> = patterns.iter().map(|pattern| format!("--exclude={pattern}")).collect();
    let mut args = vec!["ls-files", "-z", "-o", "-i"];
    args.extend(excludes.iter().map(String::as_str));
    &list(&["ls-files", "-z", "-o", "-i", "--exclude-standard"]) & &list(&args)
}

fn untidy(repo: &Repo) {
    repo.write(".env", "A=1\n").write(".env.local", "B=2\n").write(".env.example", "C=\n");
    repo.write("debug.log", "much\n").write("src/deep/trace.log", "more\n");
    repo.write("target/debug/app", "binary\n").write("target/keep/me.bin", "kept\n");
    repo.write("node_modules/x/index.js", "x\n").write("node_modules/x/.env", "D=4\n");
    repo.write("local/settings.toml", "port = 1\n").write("local/deep/er.toml", "port = 2\n");
}

#[test]
fn without_being_asked_for_nothing_ignored_travels_or_is_listed() {
    let scratch = scratch();
    let (source, _) = pair(scratch.path());
    untidy(&source);
    let snapshot = taken(&source, &undisturbed());
    assert_eq!((snapshot.entries().count(), snapshot.omissions().count()), (0, 0));
}

#[test]
fn ignored_files_travel_where_a_pattern_asks_for_them() {
    let scratch = scratch();
    let (source, target) = pair(scratch.path());
    untidy(&source);
    let rows: &[(&[&str], &[&str])] = &[
        (&[".env*", "!.env.example"], &[".env", ".env.local", "node_modules/x/.env"]),
        (&["/.env"], &[".env"]),
        (&["local/"], &["local/deep/er.toml", "local/settings.toml"]),
        (&["/local/*.toml"], &["local/settings.toml"]),
        (&["/local/**/*.toml"], &["local/deep/er.toml", "local/settings.toml"]),
        (&["target/keep"], &["target/keep/me.bin"]),
        (&["*.log", "src/main.rs"], &["debug.log", "src/deep/trace.log"]),
        (&["nothing"], &[]),
    ];
    for (patterns, wanted) in rows {
        let snapshot = taken(&source, &asking(patterns));
        assert_eq!(ignored(&snapshot), set(wanted), "{patterns:?}");
        assert_eq!(ignored(&snapshot), asked_for(&source, patterns), "{patterns:?}, says git");
        assert_eq!(snapshot.entries().count(), wanted.len(), "{patterns:?}: and nothing else");
    }
    let snapshot = taken(&source, &asking(&["/local/", ".env"]));
    let report = apply(&snapshot, &target.workspace(), &ApplyOptions::default()).unwrap();
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    assert_eq!(target.read("local/deep/er.toml"), b"port = 2\n");
    assert_eq!(target.read(".env"), b"A=1\n");
    assert!(oracle::state(&target).status.is_empty(), "git still ignores them");
    let id = report.apply_id.unwrap();
    undo(&target.workspace(), &id, &Default::default()).unwrap();
    assert!(!target.exists("local") && !target.exists(".env"));
}

#[test]
fn an_ignored_file_that_the_target_has_otherwise_is_a_conflict() {
    let scratch = scratch();
    let (source, target) = pair(scratch.path());
    source.write(".env", "theirs\n").write(".env.same", "same\n");
    target.write(".env", "mine\n").write(".env.same", "same\n");
    let snapshot = taken(&source, &asking(&[".env*"]));
    let report = apply(&snapshot, &target.workspace(), &ApplyOptions::default()).unwrap();
    let of = |path: &str| report.files().find(|(_, file)| file.path == path.into()).unwrap().1;
    assert_eq!((&of(".env").outcome, &of(".env").detail), (&Outcome::Conflict, &Some(Detail::ExistsHere)));
    assert_eq!(of(".env.same").outcome, Outcome::Unchanged);
    assert_eq!(target.read(".env"), b"mine\n");
    let mut options = ApplyOptions::default();
    options.on_conflict = OnConflict::Theirs;
    apply(&snapshot, &target.workspace(), &options).unwrap();
    assert_eq!(target.read(".env"), b"theirs\n");
}

/// Failure 15: ignored-but-needed files (claude-code#58546, t3code#3887, qwen-code#10650).
#[test]
fn failure_15_ignored_but_needed_files_are_asked_for_by_worktreeinclude_or_listed() {
    let scratch = scratch();
    let (source, _) = pair(scratch.path());
    untidy(&source);
    source.write(
        ".worktreeinclude",
        "# what another checkout needs\r\n.env.local\n/local/\n!local/deep/\nsrc/\n",
    );
    let snapshot = taken(&source, &consenting());
    // The file itself is new to git, and `src/` asks for what git does not ignore.
    let git_says = asked_for(&source, &[".env.local", "/local/", "!local/deep/", "src/"]);
    assert_eq!(ignored(&snapshot), git_says);
    assert!(git_says.contains(b".env.local".as_slice()));
    // Its name says that it may hold secrets, so that somebody who knows has to allow it.
    let cautious = taken(&source, &undisturbed());
    let kept: Vec<_> = cautious.omissions().map(|(_, o)| (o.path.to_string(), o.reason.clone())).collect();
    assert_eq!(kept, [(".env.local".to_owned(), OmissionReason::SecretName)]);
    let mut options = undisturbed();
    options.worktree_include = false;
    options.list_ignored = true;
    let snapshot = taken(&source, &options);
    assert_eq!(ignored(&snapshot), set(&[]));
    let listed: Vec<String> = snapshot.omissions().map(|(_, omission)| omission.path.to_string()).collect();
    let wanted = [
        ".env",
        ".env.example",
        ".env.local",
        "debug.log",
        "local/",
        "node_modules/",
        "src/deep/trace.log",
        "target/",
    ];
    assert_eq!(listed, wanted);
    assert!(snapshot.omissions().all(|(_, omission)| omission.reason == OmissionReason::Ignored));
    let report = handoff_core::preview(&snapshot, &source.workspace(), &ApplyOptions::default()).unwrap();
    assert_eq!(report.verdict, Verdict::Complete, "what nobody asked for is no fault: {report}");
    assert!(report.to_string().contains("not captured (ignored)"), "{report}");
}

#[test]
fn a_worktreeinclude_that_is_no_file_asks_for_nothing() {
    let scratch = scratch();
    let (source, _) = pair(scratch.path());
    source.write(".env", "A=1\n").write("elsewhere", ".env\n").link(".worktreeinclude", "elsewhere");
    assert_eq!(ignored(&taken(&source, &undisturbed())), set(&[]), "a link is not followed");
    source.remove(".worktreeinclude");
    let pipe = source.at(".worktreeinclude");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let snapshot = taken(&source, &undisturbed());
    let (_, omission) = snapshot.omissions().next().unwrap();
    assert_eq!(
        (omission.path.to_string().as_str(), &omission.reason),
        (".worktreeinclude", &OmissionReason::SpecialFile)
    );
}

#[test]
fn many_ignored_files_are_summed_up_and_none_is_lost_from_the_count() {
    let scratch = scratch();
    let (source, _) = pair(scratch.path());
    for number in 0..300 {
        source.write(format!("src/logs/{number}.log"), "x");
    }
    source.write("target/x", "x");
    let mut options = undisturbed();
    options.list_ignored = true;
    let snapshot = taken(&source, &options);
    let found: Vec<&Omission> = snapshot.omissions().map(|(_, omission)| omission).collect();
    let shown: Vec<_> = found.iter().map(|o| (o.path.to_string(), o.count)).collect();
    assert_eq!(shown, [("src/logs/".to_owned(), Some(300)), ("target/".to_owned(), None)]);
}

#[test]
fn limits_and_exclusions_hold_for_ignored_files_and_a_plan_names_them() {
    let scratch = scratch();
    let (source, _) = pair(scratch.path());
    source.write("local/small", "x").write("local/large", vec![b'x'; 5000]).write("local/not-this", "x");
    let mut options = asking(&["local/"]);
    options.max_file_bytes = 1000;
    options.exclude = vec!["not-this".into()];
    let snapshot = taken(&source, &options);
    assert_eq!(ignored(&snapshot), set(&["local/small"]));
    let reasons: Vec<_> = snapshot.omissions().map(|(_, o)| (o.path.to_string(), o.reason.clone())).collect();
    let wanted = [
        ("local/large".to_owned(), OmissionReason::TooLarge),
        ("local/not-this".to_owned(), OmissionReason::Excluded),
    ];
    assert_eq!(reasons, wanted);
    let planned = plan(&source.workspace(), &options).unwrap();
    let files = planned.repos[0].files.iter().filter(|file| file.change == PlannedChange::Ignored);
    assert_eq!(files.map(|file| file.path.clone()).collect::<Vec<_>>(), [RelPath::from("local/small")]);
    assert_eq!(planned.repos[0].omissions, snapshot.manifest().repos[0].omissions);
    let empty = capture(&source.workspace(), &asking(&[" "])).unwrap_err();
    assert_eq!(empty.kind(), handoff_core::ErrorKind::InvalidArgument);
}

/// Failure 1: a snapshot of the whole home directory (ilovepixelart/pi-code#251).
#[test]
fn failure_1_a_repository_in_the_home_directory_is_never_taken_for_a_file_in_it() {
    let scratch = scratch();
    let home = scratch.path().canonicalize().unwrap().join("home");
    let dotfiles = Repo::init(&home, Format::Sha1);
    dotfiles.write("notes.md", "x\n");
    let project = Repo::init(home.join("project"), Format::Sha1);
    let mut job = Job::new(Operation::Discover, &home.join("notes.md"), &scratch.path().join("answer"));
    job.roots.extend([project.at("src/gone.rs"), home.clone()]);
    let mut command = job.command();
    command.env("HOME", &home);
    let found = job.answer_of(command).unwrap();
    let name = |path: &std::path::Path| path.display().to_string();
    let wanted = [
        (name(&project.root), "repository".to_owned()),
        (name(&home.join("notes.md")), "file".to_owned()),
        (name(&home), "too_wide".to_owned()),
    ];
    assert_eq!(found.omissions, wanted);
}

#[test]
fn a_repository_in_an_ignored_directory_is_captured_only_when_asked_for() {
    let scratch = scratch();
    let (source, _) = pair(scratch.path());
    let inner = Repo::init(source.at("local/lib"), Format::Sha1);
    inner.write("x.c", "x\n");
    let names = |options: &CaptureOptions| -> Vec<String> {
        taken(&source, options).manifest().repos.iter().map(|repo| repo.name.clone()).collect()
    };
    assert_eq!(names(&undisturbed()), ["app"]);
    assert_eq!(names(&asking(&["*.c"])), ["app"], "the pattern asks for files of this repository");
    assert_eq!(names(&asking(&["/local/"])), ["app", "app/local/lib"]);
}
