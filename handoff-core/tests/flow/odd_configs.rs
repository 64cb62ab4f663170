//! The same capture in odd configurations and environments: the same entries, and no program run. Every row is a
//! copy of one changed repository, captured by another process under a trace of `execve`.

mod environments;
mod settings;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use handoff_core::snapshot::{Entry, Omission};
use handoff_core::{
    ApplyOptions, CaptureOptions, LeftOutReason, Outcome, Snapshot, Verdict, Workspace, apply, capture, plan,
    preview, undo,
};

use crate::support::driver::{Answer, Job, Operation};
use crate::support::git;
use crate::support::oracle;
use crate::support::purity::assert_untouched;
use crate::support::repo::{Format, Repo, copy_tree, scratch};
use crate::support::trace;

/// One oddity. In texts, `@other` is another repository and `@scratch` a directory outside of both.
#[derive(Clone, Copy)]
struct Odd {
    name: &'static str,
    /// Appended to the repository's configuration.
    config: &'static str,
    env: &'static [(&'static str, &'static str)],
    without: &'static [&'static str],
    /// Run by a shell before the capture takes its place.
    shell: &'static str,
    arrange: fn(&Scene),
}

const fn odd(name: &'static str) -> Odd {
    Odd { name, config: "", env: &[], without: &[], shell: "", arrange: |_| {} }
}

const fn config(name: &'static str, config: &'static str) -> Odd {
    Odd { config, ..odd(name) }
}

const fn arranged(name: &'static str, config: &'static str, arrange: fn(&Scene)) -> Odd {
    Odd { config, arrange, ..odd(name) }
}

const fn env(name: &'static str, env: &'static [(&'static str, &'static str)]) -> Odd {
    Odd { env, ..odd(name) }
}

const fn shell(name: &'static str, shell: &'static str) -> Odd {
    Odd { shell, ..odd(name) }
}

/// What a row is arranged in.
struct Scene {
    scratch: PathBuf,
    repo: Repo,
    other: Repo,
}

impl Scene {
    /// Git, with leave to write the index and refs.
    fn git(&self, args: &[&str]) {
        let output =
            git::command(&self.repo.root).env_remove("GIT_OPTIONAL_LOCKS").args(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn meta(&self, path: &str, text: &str) {
        let path = self.repo.git_dir().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, self.spell(text)).unwrap();
    }

    /// A program that would leave a mark.
    fn program(&self, name: &str) {
        let path = self.scratch.join(name);
        fs::write(&path, format!("#!/bin/sh\n: > '{}'\nexit 0\n", self.scratch.join("mark").display()))
            .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn spell(&self, text: &str) -> String {
        text.replace("@other", self.other.root.to_str().unwrap())
            .replace("@scratch", self.scratch.to_str().unwrap())
    }
}

/// A repository with a change of each ordinary kind and a submodule that has some, too.
fn changed(root: &Path) -> Repo {
    let repo = Repo::init(root, Format::Sha1);
    for path in ["same.txt", "edited.txt", "staged.txt", "both.txt", "gone.txt", "moved.txt", "sub/tool"] {
        repo.write(path, format!("{path}\n").repeat(20));
    }
    // What a sparse checkout may leave out, because nothing has changed there.
    repo.write("quiet/far.txt", "far\n");
    repo.write("näch.txt", "name\n").write(b"latin-\xe9", "name\n").link("link", "same.txt");
    repo.write(".gitignore", "*.log\n")
        .write(".gitattributes", "*.dos text eol=crlf\n")
        .write("a.dos", "a\r\nb\r\n");
    let inner = Repo::init(repo.root.join("mod"), Format::Sha1);
    inner.write("inner.txt", "inner\n");
    let id = inner.commit("inner");
    repo.write(".gitmodules", "[submodule \"mod\"]\n\tpath = mod\n\turl = ../mod\n");
    // The inner repository is not there yet when everything is added.
    let hidden = root.with_extension("mod");
    fs::rename(&inner.root, &hidden).unwrap();
    repo.git(&["add", "-A"]);
    fs::rename(&hidden, &inner.root).unwrap();
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{id},mod")]);
    repo.git(&["commit", "-q", "-m", "base"]);
    inner.write("inner.txt", "edited\n").write("new.txt", "new\n");
    repo.write("staged.txt", "staged\n").write("both.txt", "staged\n");
    repo.git(&["mv", "moved.txt", "sub/moved.txt"]);
    repo.git(&["add", "staged.txt", "both.txt"]);
    repo.write("edited.txt", "edited\n").write("both.txt", "and again\n").remove("gone.txt");
    repo.write("new/dir/one.txt", "one\n").write("new/two", "two\n").write("noise.log", "ignored\n");
    repo.executable("sub/tool", true).remove("link").link("link", "edited.txt").link("to-dir", "sub");
    repo.write("a.dos", "a\r\nc\r\n").write("new.dos", "x\r\n");
    repo
}

/// What must not depend on anything odd.
type Found = Vec<(String, Option<String>, Vec<Entry>, Vec<Omission>)>;

fn found(bundle: &Path) -> Found {
    let snapshot = Snapshot::open(bundle).unwrap();
    let repos = snapshot.manifest().repos.iter();
    repos
        .map(|repo| {
            let failed = repo.failed.as_ref().map(|failed| failed.message.clone());
            (repo.name.clone(), failed, repo.entries.clone(), repo.omissions.clone())
        })
        .collect()
}

fn capture_of(scene: &Scene, odd: &Odd) -> (Answer, Option<Found>) {
    (odd.arrange)(scene);
    if !odd.config.is_empty() {
        let file = scene.repo.git_dir().join("config");
        let old = fs::read_to_string(&file).unwrap();
        fs::write(file, old + &scene.spell(odd.config)).unwrap();
    }
    let (bundle, log) = (scene.scratch.join("state.handoff"), scene.scratch.join("trace"));
    let job =
        Job::new(Operation::Capture, &scene.repo.root, &scene.scratch.join("answer")).with_bundle(&bundle);
    let traced = trace::under(&job.command(), &["-e", "trace=execve,execveat"], &log);
    let strace = find(traced.get_program().to_str().unwrap());
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(format!("{}\nexec \"$@\"", scene.spell(odd.shell))).arg("sh").arg(strace);
    command.args(traced.get_args());
    for (name, value) in traced.get_envs().filter_map(|(name, value)| Some((name, value?))) {
        command.env(name, value);
    }
    // Not what this machine's user has set.
    command.env("HOME", &scene.scratch).env_remove("XDG_CONFIG_HOME");
    for (name, value) in odd.env {
        command.env(name, scene.spell(value));
    }
    for name in odd.without {
        command.env_remove(name);
    }
    let answer = assert_untouched(&[&scene.repo.root, &scene.other.root], || job.answer_of(command))
        .unwrap_or_else(|why| panic!("{}: {why}", odd.name));
    let run: Vec<_> = trace::calls(&log).into_iter().skip(1).map(|call| call.text).collect();
    assert!(run.is_empty(), "{}: programs were run: {run:#?}", odd.name);
    assert!(!scene.scratch.join("mark").exists(), "{}: a program was run", odd.name);
    let bundle = answer.error.is_none().then(|| found(&bundle));
    (answer, bundle)
}

/// Where a program is; rows may have no `PATH`.
fn find(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file()).expect("strace")
}

/// A scene of its own, from a changed repository and another one.
fn scene(base: &Path, directory: &Path) -> Scene {
    fs::create_dir_all(directory).unwrap();
    copy_tree(&base.join("app"), &directory.join("app"));
    copy_tree(&base.join("other"), &directory.join("other"));
    let outside = directory.join("outside");
    fs::create_dir(&outside).unwrap();
    Scene {
        scratch: outside,
        repo: Repo { root: directory.join("app") },
        other: Repo { root: directory.join("other") },
    }
}

/// Captures in every row and compares with a capture in none.
fn the_same_everywhere(rows: &[Odd]) {
    trace::require();
    let scratch = scratch();
    let base = scratch.path().join("base");
    changed(&base.join("app"));
    let other = Repo::init(base.join("other"), Format::Sha1);
    other.write("other.txt", "other\n").commit("other");
    let (answer, wanted) = capture_of(&scene(&base, &scratch.path().join("plain")), &odd("nothing odd"));
    let wanted = wanted.unwrap_or_else(|| panic!("{:?}", answer.error));
    assert_eq!((wanted.len(), wanted[0].2.len(), wanted[1].2.len()), (2, 13, 2), "{wanted:#?}");
    let mut wrong = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let (answer, found) = capture_of(&scene(&base, &scratch.path().join(number.to_string())), row);
        match found {
            None => wrong.push(format!("{}: {:?}", row.name, answer.error)),
            Some(found) if found != wanted => {
                let paths = |found: &Found| -> Vec<String> {
                    found
                        .iter()
                        .flat_map(|(name, failed, entries, omissions)| {
                            let entries = entries.iter().map(move |e| format!("{name}: {e:?}"));
                            let omissions = omissions.iter().map(move |o| format!("{name}: {o:?}"));
                            entries.chain(omissions).chain(failed.clone())
                        })
                        .collect()
                };
                let (a, b) = (paths(&wanted), paths(&found));
                let lacks: Vec<_> = a.iter().filter(|line| !b.contains(line)).collect();
                let has: Vec<_> = b.iter().filter(|line| !a.contains(line)).collect();
                wrong.push(format!("{}: lacks {lacks:#?}\nhas {has:#?}", row.name));
            }
            Some(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows differ:\n{}", wrong.len(), rows.len(), wrong.join("\n\n"));
    eprintln!("{} rows, the same capture in each", rows.len());
}

/// The number is promised, and each row is another.
#[test]
fn there_are_as_many_rows_as_is_said() {
    let rows: Vec<&Odd> =
        [settings::ROWS, settings::FORMS, environments::ROWS].iter().flat_map(|rows| rows.iter()).collect();
    let names: std::collections::BTreeSet<_> = rows.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), rows.len(), "two rows have one name");
    assert!(rows.len() >= 25, "{} rows", rows.len());
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../CONTRIBUTING.md");
    let said = format!("{} odd configurations and environments", rows.len());
    assert_eq!(fs::read_to_string(page).unwrap().matches(&said).count(), 2, "not said twice: {said}");
}

#[test]
fn settings_change_nothing() {
    the_same_everywhere(settings::ROWS);
}

#[test]
fn forms_of_a_repository_change_nothing() {
    the_same_everywhere(settings::FORMS);
}

#[test]
fn environments_change_nothing() {
    the_same_everywhere(environments::ROWS);
}

/// Not even git works there. The message must not say that the repository is none.
#[test]
fn a_current_directory_that_is_gone_is_said() {
    let scratch = scratch();
    let base = scratch.path().join("base");
    changed(&base.join("app"));
    Repo::init(base.join("other"), Format::Sha1);
    let gone = shell("gone", "mkdir '@scratch/gone' && cd '@scratch/gone' && rmdir '@scratch/gone'");
    let (answer, _) = capture_of(&scene(&base, &scratch.path().join("gone")), &gone);
    let error = answer.error.expect("refused");
    assert_eq!(error.kind, "io");
    assert!(error.message.contains("no current directory"), "{}", error.message);
}

/// A reftable repository has its refs where we cannot read them: alone it is refused with the remedy, and inside
/// another it is listed as failed, never passed over; as one of several, see
/// [`a_reftable_repository_costs_only_itself`].
#[test]
fn reftable_repositories_are_refused_with_the_remedy() {
    let scratch = scratch();
    let base = scratch.path().join("base");
    changed(&base.join("app"));
    Repo::init(base.join("other"), Format::Sha1).write("other.txt", "other\n").commit("other");
    let migrate = arranged("reftable", "", |scene| {
        fs::remove_dir_all(scene.repo.git_dir().join("logs")).unwrap();
        scene.git(&["refs", "migrate", "--ref-format=reftable"]);
    });
    let (answer, _) = capture_of(&scene(&base, &scratch.path().join("alone")), &migrate);
    let error = answer.error.expect("refused");
    assert_eq!(error.kind, "unsupported");
    for word in ["reftable", "git refs migrate --ref-format=files"] {
        assert!(error.message.contains(word), "{}", error.message);
    }
    // Inside another repository.
    let inner = arranged("reftable inside", "", |scene| {
        let inner = Scene {
            scratch: scene.scratch.clone(),
            repo: Repo { root: scene.repo.root.join("mod") },
            other: scene.other.clone(),
        };
        fs::remove_dir_all(inner.repo.git_dir().join("logs")).unwrap();
        inner.git(&["refs", "migrate", "--ref-format=reftable"]);
    });
    let (answer, found) = capture_of(&scene(&base, &scratch.path().join("inside")), &inner);
    let found = found.unwrap_or_else(|| panic!("{:?}", answer.error));
    assert_eq!((found[0].1.as_deref(), found[0].2.len()), (None, 13));
    assert!(found[1].1.as_ref().is_some_and(|why| why.contains("reftable")), "{:?}", found[1]);
}

/// As one of several, a reftable repository is listed as failed with the remedy, at either end, and the others are
/// captured and applied.
#[test]
fn a_reftable_repository_costs_only_itself() {
    let scratch = scratch();
    let (app, lib) = (Repo::init(scratch.path().join("app"), Format::Sha1), scratch.path().join("lib"));
    let lib = Repo::init(lib, Format::Sha1);
    for repo in [&app, &lib] {
        // Not one history, or which of the two is meant at a target would be open.
        repo.write("a.txt", format!("{}\n", repo.root.display())).commit("base");
    }
    let cloud = |name: &str| lib.clone_to(scratch.path().join("cloud").join(name));
    let (to_app, to_lib) = (app.clone_to(scratch.path().join("cloud/app")), cloud("lib"));
    for repo in [&app, &lib] {
        repo.write("a.txt", "edited\n");
    }
    let whole =
        capture(&Workspace::new([&app.root, &lib.root]).unwrap(), &CaptureOptions::default()).unwrap();
    let to_reftable = |repo: &Repo| {
        fs::remove_dir_all(repo.git_dir().join("logs")).unwrap();
        let scene = Scene { scratch: scratch.path().to_owned(), repo: repo.clone(), other: repo.clone() };
        scene.git(&["refs", "migrate", "--ref-format=reftable"]);
    };
    to_reftable(&app);
    let remedy = "git refs migrate --ref-format=files";
    let workspace = Workspace::new([&app.root, &lib.root, &app.root]).unwrap();
    let options = CaptureOptions::default();
    let snapshot = assert_untouched(&[&app.root, &lib.root], || capture(&workspace, &options)).unwrap();
    let [first, second] = snapshot.manifest().repos.as_slice() else { panic!("{:?}", snapshot.manifest()) };
    assert_eq!((first.name.as_str(), second.name.as_str()), ("app", "lib"));
    let failed = first.failed.as_ref().expect("listed as failed");
    assert_eq!(failed.kind, "unsupported");
    assert!(failed.message.contains("reftable") && failed.message.contains(remedy), "{}", failed.message);
    assert!(second.failed.is_none() && second.entries.len() == 1, "{second:?}");
    let planned = plan(&workspace, &options).unwrap();
    let told: Vec<_> = planned.repos.iter().map(|repo| (repo.failed.is_some(), repo.files.len())).collect();
    assert_eq!(told, [(true, 0), (false, 1)]);
    let there = Workspace::new([&to_app.root, &to_lib.root]).unwrap();
    let report = preview(&snapshot, &there, &ApplyOptions::default()).unwrap();
    assert!(report.to_string().contains(remedy), "{report}");
    assert_ne!(report.verdict, Verdict::Complete);
    // And with such a repository at the target.
    to_reftable(&to_app);
    let there = Workspace::new([&to_app.root, &to_lib.root]).unwrap();
    let report = apply(&whole, &there, &ApplyOptions::default()).unwrap();
    let outcomes: Vec<_> = report.repos.iter().map(|repo| repo.files[0].outcome.clone()).collect();
    assert_eq!(outcomes, [Outcome::Failed, Outcome::Applied], "{report}");
    assert!(report.to_string().contains(remedy), "{report}");
    let undone = undo(&there, &report.apply_id.unwrap(), &options.control).unwrap();
    assert_eq!(undone.count(&Outcome::Applied), 1, "{undone}");
    assert_ne!(undone.verdict, Verdict::Complete, "{undone}");
    assert!(undone.to_string().contains(remedy), "{undone}");
    assert!(oracle::state(&to_lib).status.is_empty());
    // Where there is no other, nothing could be done.
    to_reftable(&lib);
    let refused = Workspace::new([&app.root, &lib.root]).unwrap_err();
    assert!(refused.to_string().contains(remedy), "{refused}");
    let found = Workspace::discover([app.at("a.txt")]).unwrap();
    assert_eq!((found.repos().len(), found.left_out().len()), (0, 1));
    assert_eq!(found.left_out()[0].reason, LeftOutReason::Unreadable);
}
