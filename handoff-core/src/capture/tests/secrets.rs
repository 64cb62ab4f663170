//! Secrets stay at home, are listed, and travel only by exact path and rule.

use std::os::unix::fs::symlink;
use std::sync::Arc;

use super::*;
use crate::secrets::sample::sample;
use crate::secrets::{Finding, SecretScanner};

/// A token of `rule`, never the same for two seeds.
fn token(rule: &str, seed: u64) -> String {
    sample(rule, seed).unwrap().0
}

/// Path, reason, rule and line of every omission.
fn told(repo: &RepoManifest) -> Vec<(String, OmissionReason, String, Option<u64>)> {
    let rule = |omission: &crate::snapshot::Omission| omission.rule.clone().unwrap_or_default();
    repo.omissions.iter().map(|o| (o.path.to_string(), o.reason.clone(), rule(o), o.line)).collect()
}

fn named(path: &str, rule: &str) -> (String, OmissionReason, String, Option<u64>) {
    (path.into(), OmissionReason::SecretName, rule.into(), None)
}

fn held(path: &str, rule: &str, line: u64) -> (String, OmissionReason, String, Option<u64>) {
    (path.into(), OmissionReason::SecretContent, rule.into(), Some(line))
}

#[test]
fn new_files_with_names_of_secrets_stay_at_home() {
    let scratch = Scratch::new();
    for path in [".env", "web/.ENV.Local", "keys/server.pem", ".aws/config", ".env.example", "src/secrets.rs"]
    {
        scratch.write(path, "x\n");
    }
    symlink("a.txt", scratch.app().join("id_rsa")).unwrap();
    scratch.git(&["add", "-f", "keys/server.pem"]);
    scratch.git(&["add", "-N", "web/.ENV.Local"]);
    let repo = scratch.capture();
    assert_eq!(paths(&repo), [".env.example", "src/secrets.rs"]);
    assert_eq!(
        told(&repo),
        [
            named(".aws/config", ".aws/"),
            named(".env", ".env"),
            named("id_rsa", "id_rsa*"),
            named("keys/server.pem", "*.pem"),
            named("web/.ENV.Local", ".env.*"),
        ]
    );
    let plan = plan(&Workspace::new([scratch.app()]).unwrap(), &CaptureOptions::default()).unwrap();
    assert_eq!(plan.repos[0].omissions, repo.omissions, "known before anything is read");
}

#[test]
fn a_committed_file_travels_whatever_its_name() {
    let scratch = Scratch::new();
    scratch.write(".env", "A=1\n");
    scratch.git(&["add", "-A"]);
    scratch.git(&["commit", "-q", "-m", "x"]);
    scratch.write(".env", "A=2\n");
    let repo = scratch.capture();
    assert_eq!(paths(&repo), [".env"]);
    scratch.write(".env", format!("A=2\nB={}\n", token("github_token", 1)));
    assert_eq!(told(&scratch.capture()), [held(".env", "github_token", 2)]);
}

#[test]
fn a_new_secret_keeps_the_whole_path_at_home_and_an_old_one_does_not() {
    let scratch = Scratch::new();
    let (old, new) = (token("aws_access_key_id", 1), token("aws_access_key_id", 2));
    scratch.write("a.txt", format!("one\nkey {old}\n"));
    scratch.git(&["commit", "-q", "-a", "-m", "x"]);
    // Edited around it: it is in the committed version, and so in every clone.
    scratch.write("a.txt", format!("zero\none\nkey {old} # again\n"));
    assert_eq!(paths(&scratch.capture()), ["a.txt"]);
    scratch.write("a.txt", format!("zero\none\nkey {new}\n"));
    let repo = scratch.capture();
    assert_eq!((paths(&repo).len(), told(&repo)), (0, vec![held("a.txt", "aws_access_key_id", 3)]));
    // Staged, and gone from the work tree.
    scratch.git(&["add", "a.txt"]);
    scratch.write("a.txt", "zero\n");
    assert_eq!(told(&scratch.capture()), [held("a.txt", "aws_access_key_id", 3)]);
}

#[test]
fn stages_links_and_encodings_are_looked_at() {
    let scratch = Scratch::new();
    scratch.git(&["checkout", "-q", "-b", "side"]);
    scratch.write("a.txt", format!("{}\n", token("npm_token", 1)));
    scratch.git(&["commit", "-q", "-a", "-m", "theirs"]);
    scratch.git(&["checkout", "-q", "main"]);
    scratch.write("a.txt", "ours\n");
    scratch.write(".gitattributes", "*.u16 text working-tree-encoding=UTF-16LE\n");
    scratch.git(&["add", "-A"]);
    scratch.git(&["commit", "-q", "-a", "-m", "ours"]);
    let git = |args: &[&str]| Command::new("git").args(args).current_dir(scratch.app()).output().unwrap();
    git(&["-c", "user.name=t", "-c", "user.email=t@example.invalid", "merge", "-q", "side"]);
    scratch.write("a.txt", "resolved\n");
    let utf16: Vec<u8> =
        format!("\nx={}\n", token("npm_token", 2)).encode_utf16().flat_map(u16::to_le_bytes).collect();
    scratch.write("wide.u16", utf16);
    symlink(format!("https://u:{}@host", token("gitlab_token", 4)), scratch.app().join("link")).unwrap();
    let repo = scratch.capture();
    let expected =
        [held("a.txt", "npm_token", 1), held("link", "gitlab_token", 1), held("wide.u16", "npm_token", 2)];
    assert_eq!(told(&repo), expected);
}

#[test]
fn large_files_are_searched_while_they_are_stored() {
    let scratch = Scratch::new();
    let line = "a line of some text, as there are many\n";
    let mut text = line.repeat((9 << 20) / line.len());
    let lines = text.lines().count() as u64;
    scratch.write("clean.txt", &text);
    scratch.write("old.txt", text.clone() + &token("slack_token", 1));
    scratch.git(&["add", "old.txt"]);
    scratch.git(&["commit", "-q", "-m", "x"]);
    scratch.write("old.txt", text.clone() + "more\n" + &token("slack_token", 1));
    text.push_str(&token("slack_token", 2));
    scratch.write("new.txt", &text);
    scratch.write("image.bin", [b"\0".as_slice(), text.as_bytes()].concat());
    scratch.write("small.bin", format!("\0{}", token("slack_token", 3)));
    let repo = scratch.capture();
    assert_eq!(
        told(&repo),
        [held("new.txt", "slack_token", lines + 1), held("small.bin", "slack_token", 1),]
    );
    assert_eq!(paths(&repo), ["clean.txt", "image.bin", "old.txt"]);
}

#[test]
fn what_is_allowed_travels_and_is_recorded() {
    let scratch = Scratch::new();
    let text = format!("A={}\nB={}\n", token("github_token", 1), token("npm_token", 1));
    scratch.write(".env", &text);
    let mut options = CaptureOptions::default();
    let mut steps = Vec::new();
    for rule in [".env", "github_token", "npm_token"] {
        steps.push(told(&scratch.capture_with(&options).manifest().repos[0]));
        options.allow_secrets.push(AllowSecret::new(".env", rule));
    }
    let expected = [named(".env", ".env"), held(".env", "github_token", 1), held(".env", "npm_token", 2)];
    assert_eq!(steps.concat(), expected);
    let snapshot = scratch.capture_with(&options);
    let repo = &snapshot.manifest().repos[0];
    assert_eq!(entry(repo, ".env").flags.allowed_secrets, [".env", "github_token", "npm_token"]);
    let blob = entry(repo, ".env").worktree.as_ref().unwrap().blob.unwrap();
    assert_eq!(snapshot.blob(&blob).unwrap(), text.as_bytes());
    // Any other path, rule or repository says nothing.
    for allow in &mut options.allow_secrets {
        allow.repo = Some("lib".into());
    }
    assert_eq!(told(&scratch.capture_with(&options).manifest().repos[0]), [named(".env", ".env")]);
    options.allow_secrets.iter_mut().for_each(|allow| allow.repo = Some("app".into()));
    assert_eq!(paths(&scratch.capture_with(&options).manifest().repos[0]), [".env"]);
    options.allow_secrets.iter_mut().for_each(|allow| allow.path = ".env2".into());
    assert_eq!(told(&scratch.capture_with(&options).manifest().repos[0]), [named(".env", ".env")]);
}

/// Finds the word "internal".
#[derive(Debug)]
struct Internal;

impl SecretScanner for Internal {
    fn scan(&self, content: &[u8]) -> Vec<Finding> {
        let text = String::from_utf8_lossy(content);
        text.match_indices("internal")
            .map(|(at, word)| Finding::new("internal", at..at + word.len()))
            .collect()
    }
}

#[test]
fn a_caller_adds_and_disables_rules_by_id() {
    let scratch = Scratch::new();
    scratch.write("customers.csv", "x\n");
    scratch.write("note.md", "for us\n\ninternal only\n");
    scratch.write("t.txt", format!("{}\n", token("jwt", 1)));
    scratch.write(".npmrc", "x\n");
    let mut options = CaptureOptions::default();
    options.secret_rules.names = vec!["customers*.csv".into()];
    options.secret_rules.scanners = vec![Arc::new(Internal)];
    options.secret_rules.disabled = vec!["jwt".into(), ".npmrc".into()];
    let repo = scratch.capture_with(&options).manifest().repos[0].clone();
    assert_eq!(told(&repo), [named("customers.csv", "customers*.csv"), held("note.md", "internal", 3)]);
    assert_eq!(paths(&repo), [".npmrc", "t.txt"]);

    let mut wrong = CaptureOptions::default();
    wrong.secret_rules.disabled = vec!["jwtt".into()];
    let why = capture(&Workspace::new([scratch.app()]).unwrap(), &wrong).unwrap_err();
    assert!(why.to_string().contains("jwtt"), "{why}");
}

#[test]
fn a_repository_in_a_directory_of_secrets_stays_at_home() {
    let scratch = Scratch::new();
    for path in [".terraform/modules/net", "vendor/net"] {
        fs::create_dir_all(scratch.app().join(path)).unwrap();
        scratch.git_in(&scratch.app().join(path), &["init", "-q"]);
        scratch.write(&format!("{path}/main.tf"), "x\n");
    }
    scratch.write("vendor/net/.env", "A=1\n");
    let snapshot = scratch.capture_with(&CaptureOptions::default());
    let names: Vec<_> = snapshot.manifest().repos.iter().map(|repo| repo.name.as_str()).collect();
    assert_eq!(names, ["app", "app/vendor/net"]);
    assert_eq!(told(&snapshot.manifest().repos[0]), [named(".terraform/modules/net/", ".terraform/")]);
    assert_eq!(told(&snapshot.manifest().repos[1]), [named(".env", ".env")]);
}

#[test]
fn a_secret_left_out_leaves_the_budget_alone() {
    let scratch = Scratch::new();
    scratch.write("a-secret.txt", format!("{}\n{}", token("npm_token", 1), "x".repeat(9_000)));
    scratch.write("b.txt", format!("{}\n", "y".repeat(9_000)));
    let options = CaptureOptions { max_total_bytes: 10_000, ..CaptureOptions::default() };
    let repo = scratch.capture_with(&options).manifest().repos[0].clone();
    assert_eq!(
        (paths(&repo), told(&repo)),
        (vec!["b.txt".to_owned()], vec![held("a-secret.txt", "npm_token", 1)])
    );
}

#[test]
fn files_outside_any_repository_obey_the_same_rules() {
    let scratch = Scratch::new();
    let dir = scratch.dir.path().join("outside");
    fs::create_dir(&dir).unwrap();
    let mut workspace = Workspace::new([scratch.app()]).unwrap();
    for (name, text) in [
        (".netrc", "x\n".to_owned()),
        ("notes.md", "fine\n".to_owned()),
        ("todo.md", format!("1\n2 {}\n", token("google_api_key", 1))),
        ("huge.log", "line\n".repeat(2 << 20) + &token("google_api_key", 2)),
    ] {
        fs::write(dir.join(name), text).unwrap();
        workspace = workspace.with_loose_file(name, dir.join(name)).unwrap();
    }
    let names = |entries: &[Entry]| entries.iter().map(|entry| entry.path.to_string()).collect::<Vec<_>>();
    let taken = |options: &CaptureOptions| capture(&workspace, options).unwrap().manifest().clone();
    let manifest = taken(&CaptureOptions::default());
    assert_eq!(names(&manifest.loose_files), ["notes.md"]);
    let repo = RepoManifest { omissions: manifest.loose_omissions, ..manifest.repos[0].clone() };
    let expected = [
        named(".netrc", ".netrc"),
        held("huge.log", "google_api_key", (2 << 20) + 1),
        held("todo.md", "google_api_key", 2),
    ];
    assert_eq!(told(&repo), expected);
    let planned = plan(&workspace, &CaptureOptions::default()).unwrap();
    assert_eq!(planned.loose_omissions.len(), 1, "what the name tells is known before");

    let mut options = CaptureOptions::default();
    let outside =
        |path: &str, rule: &str| AllowSecret { repo: Some(String::new()), ..AllowSecret::new(path, rule) };
    options.allow_secrets =
        [(".netrc", ".netrc"), ("huge.log", "google_api_key"), ("todo.md", "google_api_key")]
            .map(|(path, rule)| outside(path, rule))
            .into();
    let manifest = taken(&options);
    assert_eq!(names(&manifest.loose_files), [".netrc", "huge.log", "notes.md", "todo.md"]);
    let recorded: Vec<_> =
        manifest.loose_files.iter().map(|entry| entry.flags.allowed_secrets.len()).collect();
    assert_eq!(recorded, [1, 1, 0, 1]);
}

#[test]
fn an_empty_directory_holds_no_secret() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.app().join(".env/.ssh")).unwrap();
    assert_eq!(told(&scratch.capture()), []);
}
