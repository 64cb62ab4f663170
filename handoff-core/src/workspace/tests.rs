#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;
use crate::error::ErrorKind;

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    (dir, root)
}

fn init(path: &Path) -> PathBuf {
    fs::create_dir_all(path).unwrap();
    let mut git = Command::new("git");
    git.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", path);
    assert!(git.args(["init", "-q"]).arg(path).status().unwrap().success());
    path.to_owned()
}

fn write(path: PathBuf) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, path.file_name().unwrap().as_encoded_bytes()).unwrap();
    path
}

/// Names and places of everything.
fn shown(workspace: &Workspace, below: &Path) -> Vec<String> {
    let rel = |path: &Path| path.strip_prefix(below).unwrap_or(path).display().to_string();
    let repos = workspace.repos().iter().map(|repo| format!("{} = {}", repo.name, rel(&repo.root)));
    let files = workspace.loose_files().iter().map(|file| format!("{} : {}", file.name, rel(&file.path)));
    let left = workspace.left_out().iter().map(|left| format!("{} ! {}", rel(&left.path), left.reason));
    repos.chain(files).chain(left).collect()
}

#[test]
fn written_paths_lead_to_the_innermost_repository_and_the_rest_are_files() {
    let (_keep, top) = scratch();
    let (app, inner) = (init(&top.join("app")), init(&top.join("app/vendor/lib")));
    let paths = [
        write(app.join("src/main.rs")),
        app.join("src/gone/deeper/gone.rs"),
        write(inner.join("x.c")),
        app.join(".git/config"),
        write(top.join("notes.md")),
        write(top.join("other/notes.md")),
        top.join("never.md"),
        top.join("other"),
    ];
    let found = Workspace::discover(&paths).unwrap();
    let wanted = [
        "app = app",
        "lib = app/vendor/lib",
        "notes-2.md : other/notes.md",
        "notes.md : notes.md",
        "never.md ! missing",
        "other ! directory",
    ];
    assert_eq!(shown(&found, &top), wanted);
    let backwards = Workspace::discover(paths.iter().rev().chain(&paths)).unwrap();
    assert_eq!(shown(&backwards, &top), wanted, "neither order nor repetition matters");
}

#[test]
fn repositories_of_one_name_are_told_apart_in_order_of_path() {
    let (_keep, top) = scratch();
    let roots: Vec<_> = ["c/app", "a/app", "b/app"].iter().map(|path| init(&top.join(path))).collect();
    let found = Workspace::discover(roots.iter().map(|root| root.join("new"))).unwrap();
    assert_eq!(shown(&found, &top), ["app = a/app", "app-2 = b/app", "app-3 = c/app"]);
}

#[test]
fn reading_never_widens_a_workspace() {
    let (_keep, top) = scratch();
    let (app, other) = (init(&top.join("app")), init(&top.join("other")));
    let key = write(top.join("id_ed25519"));
    let found = Workspace::discover_touched([
        Touched::Read(other.join("README")),
        Touched::Read(app.join("README")),
        Touched::Read(key.clone()),
        Touched::Written(app.join("new")),
    ])
    .unwrap();
    assert_eq!(shown(&found, &top), ["app = app", "id_ed25519 ! read_only", "other/README ! read_only"]);
    let both = Workspace::discover_touched([Touched::Read(key.clone()), Touched::Written(key)]).unwrap();
    assert_eq!(shown(&both, &top), ["id_ed25519 : id_ed25519"]);
    assert!(Workspace::discover_touched([Touched::Read(app)]).unwrap().is_empty());
}

#[test]
fn links_count_for_where_they_are_and_where_they_lead() {
    let (_keep, top) = scratch();
    let (app, lib) = (init(&top.join("app")), init(&top.join("lib")));
    write(lib.join("src/x.rs"));
    symlink(lib.join("src"), top.join("way-in")).unwrap();
    symlink(write(top.join("real.md")), app.join("link.md")).unwrap();
    symlink(lib.join("src/x.rs"), top.join("alias.rs")).unwrap();
    symlink("nowhere", top.join("dangling")).unwrap();
    let found = |path: &str| shown(&Workspace::discover([top.join(path)]).unwrap(), &top);
    assert_eq!(found("way-in/new/deep.rs"), ["lib = lib"], "a directory of a repository by another name");
    assert_eq!(found("app/link.md"), ["app = app", "real.md : real.md"]);
    assert_eq!(found("alias.rs"), ["lib = lib"]);
    assert_eq!(found("dangling"), ["dangling ! missing"]);
}

#[test]
fn bare_repositories_and_special_files_are_left_out() {
    let (_keep, top) = scratch();
    let bare = top.join("bare.git");
    let done = Command::new("git").args(["init", "-q", "--bare"]).arg(&bare).status().unwrap();
    assert!(done.success());
    let pipe = top.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let found = Workspace::discover([bare.join("config"), pipe]).unwrap();
    assert_eq!(shown(&found, &top), ["bare.git/config ! bare_repository", "pipe ! special_file"]);
}

#[test]
fn loose_files_have_plain_names_of_their_own() {
    let (_keep, top) = scratch();
    let file = write(top.join("x"));
    let with = |name: &str| Workspace::without_checkouts().with_loose_file(name, &file);
    for name in ["", "/x", "../x", "a//b", ".git/config", "a/.GIT/hooks/x", "a\0b"] {
        assert_eq!(with(name).unwrap_err().kind(), ErrorKind::InvalidArgument, "{name:?}");
    }
    let taken = with("a/b").unwrap();
    for name in ["a/b", "a", "a/b/c"] {
        assert_eq!(
            taken.clone().with_loose_file(name, &file).unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
    }
    assert!(taken.with_loose_file("a/bc", &file).is_ok());
    let none = Workspace::without_checkouts();
    assert_eq!(none.clone().with_loose_file("d", &top).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(none.clone().with_loose_file("d", top.join("no")).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(none.clone().with_loose_root("/").unwrap_err().kind(), ErrorKind::UnsafeWorkspace);
    assert_eq!(none.with_loose_root(&file).unwrap_err().kind(), ErrorKind::Io);
}

fn declared(top: &Path, text: impl AsRef<[u8]>) -> Result<Workspace, Error> {
    let path = top.join("declarations.jsonl");
    fs::write(&path, text).unwrap();
    Workspace::from_declarations(&path)
}

#[test]
fn declarations_name_a_workspace_and_are_written_back() {
    let (_keep, top) = scratch();
    let (app, other) = (init(&top.join("app")), init(&top.join("other")));
    let (inside, outside, foreign) =
        (write(app.join("x")), write(top.join("notes.md")), write(other.join("only-this")));
    let line = |kind: &str, path: &Path| {
        format!("{{\"version\":1,\"kind\":\"{kind}\",\"path\":\"{}\",\"of_later\":[]}}\n", path.display())
    };
    let text = [
        line("file", &inside),
        line("repo", &app.join("src")).replace("/src", ""),
        "\n  \n".into(),
        line("repo", &app),
        line("file", &outside),
        line("file", &foreign),
        line("repo", &top.join("no")),
        line("repo", &top),
        line("file", &app.join("deleted")),
        line("submarine", &top),
        "{\"version\":2,\"where\":\"/x\"}\n".into(),
    ]
    .concat();
    let workspace = declared(&top, &text).unwrap();
    let wanted = [
        "app = app",
        "notes.md : notes.md",
        "only-this : other/only-this",
        " ! unknown_version",
        " ! not_a_repository",
        " ! unknown_kind",
        "no ! missing",
    ];
    assert_eq!(shown(&workspace, &top), wanted);
    let again = declared(&top, workspace.to_declarations().unwrap()).unwrap();
    assert_eq!(shown(&again, &top), wanted[..3]);
}

#[test]
fn a_line_that_is_no_declaration_is_refused_with_its_number() {
    let (_keep, top) = scratch();
    for bad in [
        "{\"version\":1,\"kind\":\"repo\"}",
        "{\"version\":1,\"kind\":\"repo\",\"path\":\"relative\"}",
        "{\"version\":1,\"kind\":7,\"path\":\"/x\"}",
        "{\"version\":\"1\",\"kind\":\"repo\",\"path\":\"/x\"}",
        "{\"kind\":\"repo\",\"path\":\"/x\"}",
        "[1]",
        "repo /x",
        "{\"version\":1,",
    ] {
        let why = declared(&top, format!("\n{bad}\n")).unwrap_err();
        assert_eq!(why.kind(), ErrorKind::InvalidArgument);
        assert!(why.to_string().contains("line 2 of"), "{why}");
    }
    let why = declared(&top, b"{\"version\":1,\"kind\":\"repo\",\"path\":\"/\xff\"}").unwrap_err();
    assert!(why.to_string().contains("line 1 of"), "{why}");
}
