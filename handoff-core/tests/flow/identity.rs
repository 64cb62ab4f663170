//! What a repository is known by: remotes without secrets, or its first commit.

use std::fs;

use handoff_core::snapshot::RepoManifest;
use handoff_core::{ApplyOptions, Snapshot, Workspace, apply, capture};

use crate::support::git;
use crate::support::repo::{Format, Repo, scratch, undisturbed};

const CANARY: &str = "s3cr3tCanary";

fn scene(root: std::path::PathBuf) -> Repo {
    let repo = Repo::init(root, Format::Sha1);
    repo.write("a.txt", "a\n");
    repo.commit("base");
    repo.write("a.txt", "b\n");
    repo
}

fn taken(repo: &Repo) -> Snapshot {
    capture(&repo.workspace(), &undisturbed()).unwrap()
}

fn manifest(repo: &Repo) -> RepoManifest {
    taken(repo).manifest().repos[0].clone()
}

#[test]
fn every_remote_counts_as_configured_and_as_rewritten() {
    let scratch = scratch();
    let repo = scene(scratch.path().join("app"));
    // No `origin`, and one that is pushed to elsewhere.
    repo.git(&["remote", "add", "upstream", "gh:org/app.git"]);
    repo.git(&["config", "remote.upstream.pushurl", "git@github.com:me/app.git"]);
    repo.git(&["remote", "add", "local", "/srv/git/app.git"]);
    repo.git(&["remote", "add", "mirrored", "https://code.example.com/team/app"]);
    repo.git(&["config", "url.https://github.com/.insteadOf", "gh:"]);
    repo.git(&["config", "url.https://mirror.example.com/code/.insteadOf", "https://code.example.com/"]);
    let id = manifest(&repo).id;
    assert_eq!(
        id.remotes,
        [
            "code.example.com/team/app",
            "gh/org/app",
            "github.com/me/app",
            "github.com/org/app",
            "mirror.example.com/code/team/app",
        ]
    );
    // Git rewrites as we do.
    assert_eq!(
        git::line(&repo.root, &["ls-remote", "--get-url", "upstream"]),
        "https://github.com/org/app.git"
    );
    assert!(id.roots.is_empty(), "a remote says enough");
}

/// A secret in every place of the configuration that takes a location.
fn plant(repo: &Repo) {
    let url = format!("https://user:{CANARY}@h.example/o/r.git?token={CANARY}#{CANARY}");
    for (name, url) in [
        ("origin", url.clone()),
        ("token", format!("https://{CANARY}@h.example/o/r")),
        ("slash", format!("https://user:{CANARY}/x@h.example/o/r")),
        ("bare", format!("https://{CANARY}/x@h.example/o/r")),
        ("port", format!("https://h.example:{CANARY}/o/r")),
        ("helper", format!("ext::sh -c '{CANARY} %S'")),
        ("ssh", format!("ssh://user:{CANARY}@h.example:22/o/r")),
        ("azure", format!("https://org:{CANARY}@dev.azure.com/org/p/_git/r")),
        ("file", format!("file:///{CANARY}/r")),
    ] {
        repo.git(&["config", &format!("remote.{name}.url"), &url]);
        repo.git(&["config", &format!("remote.{name}.pushurl"), &url]);
        repo.git(&["config", &format!("remote.{name}.fetch"), "+refs/heads/*:refs/remotes/x/*"]);
    }
    repo.git(&["config", &format!("url.https://user:{CANARY}@h.example/.insteadOf"), "short:"]);
    repo.git(&["config", "remote.short.url", "short:o/r"]);
    repo.git(&["config", "branch.main.remote", &url]);
    repo.git(&["config", "branch.main.merge", "refs/heads/main"]);
    repo.git(&["config", "http.extraHeader", &format!("Authorization: {CANARY}")]);
    repo.git(&["config", "http.proxy", &format!("http://user:{CANARY}@proxy")]);
}

#[test]
fn no_secret_of_the_configuration_goes_anywhere() {
    let scratch = scratch();
    let repo = scene(scratch.path().join("app"));
    plant(&repo);
    let snapshot = taken(&repo);
    let json = serde_json::to_string(snapshot.manifest()).unwrap();
    assert!(!json.contains(CANARY), "{json}");
    assert!(json.contains("h.example/o/r") && json.contains("dev.azure.com/org/p/r"), "{json}");
    let bundle = scratch.path().join("app.handoff");
    snapshot.save(&bundle).unwrap();
    let bytes = fs::read(&bundle).unwrap();
    assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()));

    let target = scene(scratch.path().join("target/app"));
    plant(&target);
    let other = scene(scratch.path().join("target/other"));
    plant(&other);
    for workspace in [
        target.workspace(),
        Workspace::new([&target.root, &other.root]).unwrap(),
        Workspace::new([&other.root]).unwrap(),
    ] {
        let report = apply(&snapshot, &workspace, &ApplyOptions::default()).unwrap();
        let text = format!("{report}{report:?}{}", serde_json::to_string(&report).unwrap());
        assert!(!text.contains(CANARY), "{text}");
    }
}

#[test]
fn an_error_about_the_configuration_quotes_no_value() {
    for broken in [
        format!("[remote \"b\"]\n\turl = \"https://u:{CANARY}@h.example/o/r\n"),
        format!("[remote \"b\"]\n\turl = https://u:{CANARY}@h.example/o/r\n[oops {CANARY}\n"),
        format!("[remote {CANARY}]]\n\turl = x\n"),
        format!("[core]\n\tbare = https://u:{CANARY}@h.example\n"),
        format!("[core]\n\tfileMode = https://u:{CANARY}@h.example\n"),
        format!("[core]\n\trepositoryFormatVersion = {CANARY}\n"),
        format!("[extensions]\n\tobjectFormat = {CANARY}\n"),
        format!("= {CANARY}\n"),
    ] {
        let scratch = scratch();
        let repo = scene(scratch.path().join("app"));
        let workspace = repo.workspace();
        let config = repo.git_dir().join("config");
        let text = fs::read_to_string(&config).unwrap() + &broken;
        fs::write(&config, text).unwrap();
        let said = match capture(&workspace, &undisturbed()) {
            Ok(snapshot) => serde_json::to_string(snapshot.manifest()).unwrap(),
            Err(why) => format!("{why} {why:?}"),
        };
        assert!(!said.contains(CANARY), "{broken:?} gives {said}");
        if let Err(why) = Workspace::new([&repo.root]) {
            let mut said = format!("{why} {why:?}");
            let mut source = std::error::Error::source(&why);
            while let Some(inner) = source {
                said.push_str(&format!(" {inner} {inner:?}"));
                source = inner.source();
            }
            assert!(!said.contains(CANARY), "{broken:?} gives {said}");
        }
    }
}

#[test]
fn without_a_remote_the_first_commit_tells() {
    for format in [Format::Sha1, Format::Sha256] {
        let scratch = scratch();
        let repo = Repo::init(scratch.path().join("app"), format);
        assert!(manifest(&repo).id.roots.is_empty(), "there is none yet");
        repo.write("a.txt", "a\n");
        let first = repo.commit("first");
        for number in 0..5 {
            repo.commit(&number.to_string());
        }
        // Another project is merged in; its first commit says nothing about this one.
        repo.git(&["checkout", "-q", "--orphan", "foreign"]);
        repo.git(&["commit", "-q", "--allow-empty", "-m", "of another project"]);
        repo.git(&["checkout", "-q", "main"]);
        repo.git(&["merge", "-q", "--allow-unrelated-histories", "-m", "merge", "foreign"]);
        let by_git = git::line(&repo.root, &["rev-list", "--first-parent", "--max-parents=0", "HEAD"]);
        assert_eq!(by_git, first);
        let one = std::slice::from_ref(&first);
        let roots = |repo: &Repo| -> Vec<String> {
            manifest(repo).id.roots.iter().map(ToString::to_string).collect()
        };
        assert_eq!(roots(&repo), one);
        repo.git(&["commit-graph", "write", "--reachable"]);
        assert_eq!(roots(&repo), one, "by the commit-graph file");
        repo.commit("newer than the graph");
        assert_eq!(roots(&repo), one);
        repo.git(&["replace", "HEAD", "HEAD~2"]);
        assert_eq!(roots(&repo), one, "whatever is replaced here");

        let shallow = scratch.path().join("shallow");
        let url = format!("file://{}", repo.root.display());
        git::git(scratch.path(), &["clone", "-q", "--depth=2", &url, shallow.to_str().unwrap()]);
        let shallow = Repo { root: shallow };
        assert!(roots(&shallow).is_empty(), "where history is cut off is no beginning");
        assert!(manifest(&shallow).flags.shallow);
    }
}
