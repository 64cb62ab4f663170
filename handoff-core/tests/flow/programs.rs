//! No program is ever run: not by a filter, hook, driver, monitor or helper that a repository names. Proved
//! twice, by markers that every such program would leave and by a trace of `execve`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use handoff_core::HistoryOutcome;

use crate::support::driver::{Job, Operation};
use crate::support::git;
use crate::support::repo::{Format, Repo, scratch};
use crate::support::trace;

/// Hooks that git knows.
const HOOKS: &[&str] = &[
    "applypatch-msg",
    "commit-msg",
    "fsmonitor-watchman",
    "post-applypatch",
    "post-checkout",
    "post-commit",
    "post-index-change",
    "post-merge",
    "post-receive",
    "post-rewrite",
    "post-update",
    "pre-applypatch",
    "pre-auto-gc",
    "pre-commit",
    "pre-merge-commit",
    "pre-push",
    "pre-rebase",
    "pre-receive",
    "prepare-commit-msg",
    "proc-receive",
    "push-to-checkout",
    "reference-transaction",
    "sendemail-validate",
    "update",
];

/// Settings whose value git runs, in some command or other.
const COMMANDS: &[&str] = &[
    "alias.status",
    "alias.diff",
    "alias.rev-parse",
    "core.alternateRefsCommand",
    "core.askPass",
    "core.editor",
    "core.fsmonitor",
    "core.gitProxy",
    "core.pager",
    "core.sshCommand",
    "credential.helper",
    "diff.external",
    "diff.mark.command",
    "diff.mark.textconv",
    "difftool.mark.cmd",
    "filter.mark.clean",
    "filter.mark.process",
    "filter.mark.smudge",
    "gpg.program",
    "gpg.ssh.program",
    "gpg.x509.program",
    "gpg.ssh.defaultKeyCommand",
    "interactive.diffFilter",
    "merge.mark.driver",
    "merge.mark.recursive",
    "mergetool.mark.cmd",
    "pager.diff",
    "remote.origin.receivepack",
    "remote.origin.uploadpack",
    "sequence.editor",
    "sendemail.smtpServer",
    "submodule.module.update",
    "trailer.sign.command",
    "uploadpack.packObjectsHook",
    "web.browser",
];

/// Variables whose value git runs.
const VARIABLES: &[&str] = &[
    "EDITOR",
    "GIT_ASKPASS",
    "GIT_EDITOR",
    "GIT_EXTERNAL_DIFF",
    "GIT_PAGER",
    "GIT_PROXY_COMMAND",
    "GIT_SEQUENCE_EDITOR",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "PAGER",
    "SSH_ASKPASS",
    "VISUAL",
];

/// A directory in which every program leaves a file.
struct Markers {
    directory: PathBuf,
}

impl Markers {
    fn new(scratch: &Path) -> Self {
        let directory = scratch.join("markers");
        fs::create_dir(&directory).unwrap();
        Self { directory }
    }

    /// A program that leaves the marker `name`.
    fn program(&self, path: &Path, name: &str) -> String {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let marker = self.directory.join(name);
        // Filters must hand on what they are given; whoever speaks a protocol must not be kept waiting.
        let then = if name.starts_with("filter.mark.") && !name.ends_with("process") {
            "exec cat"
        } else {
            "exit 1"
        };
        fs::write(path, format!("#!/bin/sh\n: > '{}'\n{then}\n", marker.display())).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn found(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(&self.directory)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn clear(&self) {
        for name in self.found() {
            fs::remove_file(self.directory.join(name)).unwrap();
        }
    }

    /// Sets every key, hook and attribute in `repo` to a program of ours.
    fn arm(&self, repo: &Repo, programs: &Path) {
        let mut config = String::new();
        for key in COMMANDS {
            let program = self.program(&programs.join(key), key);
            let (section, name) = key.rsplit_once('.').unwrap();
            let section = match section.split_once('.') {
                Some((section, sub)) => format!("{section} \"{sub}\""),
                None => section.to_owned(),
            };
            // An alias and a submodule's update mode are commands only behind an exclamation mark.
            let bang = if section == "alias" || name == "update" { "!" } else { "" };
            config.push_str(&format!("[{section}]\n\t{name} = \"{bang}{program}\"\n"));
        }
        config.push_str("[filter \"mark\"]\n\trequired = true\n[diff]\n\tguitool = mark\n");
        let hooks = programs.join("hooks");
        for hook in HOOKS {
            self.program(&hooks.join(hook), &format!("hook-{hook}"));
            self.program(&repo.git_dir().join("hooks").join(hook), &format!("own-hook-{hook}"));
        }
        config.push_str(&format!("[core]\n\thooksPath = {}\n", hooks.display()));
        let file = repo.git_dir().join("config");
        let old = fs::read_to_string(&file).unwrap();
        fs::write(file, old + &config).unwrap();
        fs::create_dir_all(repo.git_dir().join("info")).unwrap();
        fs::write(repo.git_dir().join("info/attributes"), "* filter=mark diff=mark merge=mark\n").unwrap();
    }
}

/// A changed repository and a clone of its base that has changes of its own, both armed.
struct Scene {
    scratch: tempfile::TempDir,
    source: Repo,
    target: Repo,
    markers: Markers,
}

impl Scene {
    fn new() -> Self {
        let scratch = scratch();
        let base = Repo::init(scratch.path().join("base/app"), Format::Sha1);
        base.write("text.txt", "line\n".repeat(30))
            .write("image.bin", b"\0\x01\x02")
            .write("gone.txt", "gone\n");
        base.write(".gitattributes", "* filter=mark diff=mark merge=mark\n");
        base.commit("base");
        let source = base.copy_to(scratch.path().join("source/app"));
        source.write("text.txt", format!("first\n{}", "line\n".repeat(29))).write("new.txt", "new\n");
        source.write("image.bin", b"\0\x09\x08").remove("gone.txt").write("staged.txt", "staged\n");
        source.git(&["-c", "filter.mark.required=false", "add", "staged.txt"]);
        let target = base.copy_to(scratch.path().join("target/app"));
        target.write("text.txt", format!("{}last\n", "line\n".repeat(29)));
        let markers = Markers::new(scratch.path());
        markers.arm(&source, &scratch.path().join("source-programs"));
        markers.arm(&target, &scratch.path().join("target-programs"));
        Self { scratch, source, target, markers }
    }

    /// Runs `job` with every variable set to a program of ours, and asserts that it started none and asked for no
    /// network.
    fn run(&self, job: &Job) -> crate::support::driver::Answer {
        let log = self.scratch.path().join("trace");
        let mut command = trace::under(&job.command(), &["-e", "trace=execve,execveat,%network"], &log);
        for variable in VARIABLES {
            let program = self.scratch.path().join("variables").join(variable);
            command.env(variable, self.markers.program(&program, variable));
        }
        let answer = job.answer_of(command).unwrap();
        let started: Vec<_> = trace::calls(&log).into_iter().map(|call| call.text).skip(1).collect();
        assert!(started.is_empty(), "{:?} started {started:#?}", job.operation);
        assert_eq!(self.markers.found(), Vec::<String>::new(), "{:?} ran these", job.operation);
        answer
    }
}

#[test]
fn nothing_that_a_repository_names_is_run() {
    trace::require();
    let scene = Scene::new();
    let bundle = scene.scratch.path().join("scene.handoff");
    let answer = scene.scratch.path().join("answer");
    let job = |operation, repo: &Repo| Job::new(operation, &repo.root, &answer).with_bundle(&bundle);

    for operation in [Operation::Plan, Operation::Capture] {
        let answer = scene.run(&job(operation, &scene.source));
        assert!(answer.error.is_none(), "{:?}", answer.error);
    }
    let foreseen = scene.run(&job(Operation::Preview, &scene.target));
    assert!(foreseen.error.is_none(), "{:?}", foreseen.error);
    let applied = scene.run(&job(Operation::Apply, &scene.target));
    let report = applied.report.unwrap_or_else(|| panic!("{:?}", applied.error));
    let merged = report.files().any(|(_, file)| file.outcome == handoff_core::Outcome::Merged);
    assert!(merged, "the merge that a driver could have been asked for took place: {report:?}");
    assert!(scene.target.exists("new.txt"));

    let mut back = job(Operation::Undo, &scene.target);
    back.apply_id = report.apply_id.map(|id| id.to_string());
    let undone = scene.run(&back);
    assert!(undone.error.is_none(), "{:?}", undone.error);
    assert!(!scene.target.exists("new.txt"));
}

/// The markers themselves: git does run what this repository names.
#[test]
fn git_would_have_run_them() {
    let scene = Scene::new();
    let mut met = Vec::new();
    // What one program keeps git from coming to is taken out of the way before the next command.
    let commands: &[(&str, &[&str])] = &[
        ("", &["status"]),
        ("filter.mark.process", &["add", "-A"]),
        ("core.fsmonitor", &["diff", "HEAD"]),
        ("diff.mark.command", &["diff", "HEAD"]),
        ("diff.external", &["diff", "HEAD"]),
    ];
    for (in_the_way, args) in commands {
        scene.markers.clear();
        if !in_the_way.is_empty() {
            scene.source.git(&["config", "--unset", in_the_way]);
        }
        git::command(&scene.source.root).env_remove("GIT_OPTIONAL_LOCKS").args(*args).output().unwrap();
        met.extend(scene.markers.found());
    }
    for kind in ["filter.mark.process", "filter.mark.clean", "core.fsmonitor", "hook-post-index-change"] {
        assert!(met.iter().any(|name| name == kind), "{kind} is not armed: {met:?}");
    }
    for kind in ["diff.mark.command", "diff.mark.textconv"] {
        assert!(met.iter().any(|name| name == kind), "{kind} is not armed: {met:?}");
    }
}

/// A partial clone lacks objects, and asking its remote for them would run a program.
#[test]
fn objects_that_are_missing_are_not_fetched() {
    trace::require();
    let scratch = scratch();
    let markers = Markers::new(scratch.path());
    let repo = Repo::init(scratch.path().join("app"), Format::Sha1);
    repo.write("changed.txt", "as committed\n").write("other.txt", "other\n");
    repo.commit("base");
    let id = git::line(&repo.root, &["rev-parse", "HEAD:changed.txt"]);
    fs::remove_file(repo.git_dir().join("objects").join(&id[..2]).join(&id[2..])).unwrap();
    let program = markers.program(&scratch.path().join("fetch"), "fetch");
    let config = repo.git_dir().join("config");
    let text = fs::read_to_string(&config)
        .unwrap()
        .replace("repositoryformatversion = 0", "repositoryformatversion = 1");
    fs::write(
        &config,
        format!(
            "{text}[extensions]\n\tpartialClone = origin\n[remote \"origin\"]\n\turl = {}\n\tpromisor = true\n\
             \tpartialclonefilter = blob:none\n\tuploadpack = {program}\n",
            scratch.path().join("nowhere").display()
        ),
    )
    .unwrap();
    repo.write("changed.txt", "as it is now\n").write("new.txt", "new\n");

    git::output(&repo.root, &["cat-file", "-p", &id], b"");
    assert_eq!(markers.found(), ["fetch"], "git would have fetched");
    markers.clear();

    let bundle = scratch.path().join("app.handoff");
    let job = Job::new(Operation::Capture, &repo.root, &scratch.path().join("answer")).with_bundle(&bundle);
    let log = scratch.path().join("trace");
    let answer = job.answer_of(trace::under(&job.command(), &["-e", "trace=execve,execveat"], &log)).unwrap();
    assert!(answer.error.is_none(), "{:?}", answer.error);
    assert_eq!(trace::calls(&log).len(), 1);
    assert_eq!(markers.found(), Vec::<String>::new());
    let snapshot = handoff_core::Snapshot::open(&bundle).unwrap();
    let repo = &snapshot.manifest().repos[0];
    let paths: Vec<_> = repo.entries.iter().map(|entry| entry.path.to_string()).collect();
    assert_eq!(paths, ["changed.txt", "new.txt"]);
    assert!(repo.flags.partial_clone);
}

/// Unpushed commits are read and stored without a program and without the network, where git would want both: partial
/// clones on both sides, which lack what the commits name and build on, armed with markers.
#[test]
fn unpushed_commits_ask_for_no_program_and_no_network() {
    trace::require();
    let mut scene = Scene::new();
    let origin = Repo { root: scene.scratch.path().join("base/app") };
    origin.git(&["config", "uploadpack.allowFilter", "true"]);
    origin.write("text.txt", "second\n");
    origin.commit("second");
    let old = git::line(&origin.root, &["rev-parse", "HEAD~1:text.txt"]);
    let clone = |name: &str| {
        let root = scene.scratch.path().join(name).join("app");
        fs::create_dir_all(root.parent().unwrap()).unwrap();
        let url = format!("file://{}", origin.root.display());
        let args = ["clone", "-q", "--filter=tree:0", "--template=", &url, root.to_str().unwrap()];
        git::git(scene.scratch.path(), &args);
        Repo { root }
    };
    let (source, target) = (clone("partial-source"), clone("partial-target"));
    source.write("text.txt", "committed\n").write("committed.txt", "committed\n");
    source.git(&["add", "text.txt", "committed.txt"]);
    // A file of the first commit, whose content the clone does not have.
    source.git(&["update-index", "--add", "--cacheinfo", &format!("100644,{old},old.txt")]);
    let tree = git::line(&source.root, &["write-tree", "--missing-ok"]);
    let commit = git::line(&source.root, &["commit-tree", &tree, "-p", "HEAD", "-m", "not pushed"]);
    source.git(&["update-ref", "refs/heads/main", &commit]);
    source.write("new.txt", "new\n");
    for (repo, programs) in [(&source, "source-armed"), (&target, "target-armed")] {
        scene.markers.arm(repo, &scene.scratch.path().join(programs));
        git::output(&repo.root, &["cat-file", "-p", &old], b"");
        assert_eq!(scene.markers.found(), ["remote.origin.uploadpack"], "git would have fetched");
        scene.markers.clear();
    }
    (scene.source, scene.target) = (source, target);

    let bundle = scene.scratch.path().join("commits.handoff");
    let answer = scene.scratch.path().join("answer");
    let job = |operation, repo: &Repo| Job::new(operation, &repo.root, &answer).with_bundle(&bundle);
    let captured = scene.run(&job(Operation::Capture, &scene.source));
    assert!(captured.error.is_none(), "{:?}", captured.error);
    let into = |branch: bool| Job { objects: !branch, branch, ..job(Operation::Apply, &scene.target) };
    for (branch, reason) in [(false, None), (true, Some("incomplete"))] {
        let applied = scene.run(&into(branch));
        let report = applied.report.unwrap_or_else(|| panic!("{:?}", applied.error));
        let history = report.repos[0].history.as_ref().unwrap();
        assert!(matches!(history.outcome, HistoryOutcome::Stored | HistoryOutcome::Present), "{report}");
        assert_eq!(history.reason.as_deref(), reason, "{report}");
    }
    let mut command = git::command(&scene.target.root);
    command.env("GIT_NO_LAZY_FETCH", "1").args(["cat-file", "-e", &format!("{commit}:committed.txt")]);
    assert!(command.output().unwrap().status.success(), "the commits arrived");
}
