//! What a scenario finds on disk, and what is there afterwards.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::case::{list, only, text};

const GIT: &[(&str, &str)] = &[
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_SYSTEM", "/dev/null"),
    ("GIT_AUTHOR_NAME", "Ana"),
    ("GIT_AUTHOR_EMAIL", "ana@example.invalid"),
    ("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z"),
    ("GIT_COMMITTER_NAME", "Ana"),
    ("GIT_COMMITTER_EMAIL", "ana@example.invalid"),
    ("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z"),
];

/// What git prints, run as nobody in particular.
pub fn git(at: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(b"GIT_")) {
        command.env_remove(name);
    }
    let done = command.args(arguments).current_dir(at).envs(GIT.iter().copied()).output().unwrap();
    assert!(
        done.status.success(),
        "git {arguments:?} in {}: {}",
        at.display(),
        String::from_utf8_lossy(&done.stderr)
    );
    done.stdout
}

/// Repositories that scenarios start from, each made once.
pub struct Templates {
    root: PathBuf,
    made: Mutex<HashMap<String, PathBuf>>,
}

impl Templates {
    pub fn new(root: PathBuf) -> Self {
        fs::create_dir_all(&root).unwrap();
        Self { root, made: Mutex::default() }
    }

    /// A repository with `actions` done, at `to`.
    pub fn copy(&self, actions: &Value, to: &Path) {
        let mut made = self.made.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let number = made.len();
        let from = made.entry(actions.to_string()).or_insert_with(|| {
            let at = self.root.join(number.to_string());
            fs::create_dir(&at).unwrap();
            let actions = list(actions, "a template");
            let options = actions.first().map(|first| list(&first["init"], "init")).unwrap_or_default();
            let mut arguments = vec!["init", "-q", "-b", "main", "--template="];
            arguments.extend(options.iter().map(|option| text(option, "an option")));
            git(&at, &arguments);
            run(&at, if options.is_empty() { actions } else { &actions[1..] });
            // So that no copy is so young that git's index cannot tell.
            let mut find = Command::new("find");
            find.args([".", "-path", "./.git", "-prune", "-o", "-exec"]).current_dir(&at);
            find.args(["touch", "-h", "-d", "2026-01-01T00:00:00Z", "{}", "+"]);
            assert!(find.status().unwrap().success());
            at
        });
        copy(from, to);
    }
}

/// All of a directory, as it is.
pub fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// Changes files below `at`.
pub fn run(at: &Path, actions: &[Value]) {
    for action in actions {
        let place = |key: &str| at.join(name_of(&action[key]));
        let in_place = |key: &str| {
            let path = place(key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        let mode = |path: &Path, mode: &Value| {
            let bits = match mode.as_str() {
                Some("executable") => 0o755,
                None | Some("regular") => 0o644,
                Some(other) => panic!("no mode is called {other}"),
            };
            fs::set_permissions(path, fs::Permissions::from_mode(bits)).unwrap();
        };
        if action.get("write").is_some() {
            only(action, "write text base64 times mode", "an action");
            let path = in_place("write");
            fs::write(&path, content_of(action)).unwrap();
            mode(&path, &action["mode"]);
        } else if action.get("delete").is_some() {
            only(action, "delete", "an action");
            let path = place("delete");
            if path.symlink_metadata().unwrap().is_dir() {
                fs::remove_dir_all(path).unwrap();
            } else {
                fs::remove_file(path).unwrap();
            }
        } else if action.get("move").is_some() {
            only(action, "move to", "an action");
            fs::rename(place("move"), in_place("to")).unwrap();
        } else if action.get("link").is_some() {
            only(action, "link to", "an action");
            symlink(text(&action["to"], "a link's target"), in_place("link")).unwrap();
        } else if action.get("dir").is_some() {
            only(action, "dir", "an action");
            fs::create_dir_all(place("dir")).unwrap();
        } else if action.get("mode").is_some() {
            only(action, "mode of", "an action");
            mode(&place("of"), &action["mode"]);
        } else if action.get("pipe").is_some() {
            only(action, "pipe", "an action");
            assert!(Command::new("mkfifo").arg(place("pipe")).status().unwrap().success());
        } else if let Some(arguments) = action.get("git") {
            only(action, "git", "an action");
            let arguments = list(arguments, "git").iter().map(|one| text(one, "an argument"));
            git(at, &arguments.collect::<Vec<_>>());
        } else {
            panic!("no action is {action}");
        }
    }
}

/// A path: text, or bytes where it is not UTF-8.
pub fn name_of(given: &Value) -> PathBuf {
    if let Some(text) = given.as_str() {
        return text.into();
    }
    only(given, "base64", "a path");
    OsString::from_vec(BASE64.decode(text(&given["base64"], "a path")).unwrap()).into()
}

/// A content: `text` or `base64`, `times` over.
pub fn content_of(given: &Value) -> Vec<u8> {
    let found = match &given["base64"] {
        Value::String(base64) => BASE64.decode(base64).unwrap(),
        _ => text(&given["text"], "a content").as_bytes().to_vec(),
    };
    found.repeat(given["times"].as_u64().map_or(1, |times| usize::try_from(times).unwrap()))
}

/// Text where it is UTF-8, else the form that JSON has for bytes.
pub fn plain(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "base64": BASE64.encode(bytes) }),
    }
}

/// Every file below `at` as it is on disk, but for git's own and ours.
pub fn tree(at: &Path) -> Value {
    let mut found = Vec::new();
    walk(at, at, &mut found);
    found.sort_by_key(|item: &Value| item["path"].to_string());
    found.into()
}

fn walk(at: &Path, here: &Path, found: &mut Vec<Value>) {
    let mut nothing = true;
    for item in fs::read_dir(here).unwrap() {
        let path = item.unwrap().path();
        if path.file_name().is_some_and(|name| name == ".git" || name == ".handoff") {
            continue;
        }
        nothing = false;
        let name = plain(path.strip_prefix(at).unwrap().as_os_str().as_bytes());
        let meta = path.symlink_metadata().unwrap();
        if meta.is_symlink() {
            let to = plain(fs::read_link(&path).unwrap().as_os_str().as_bytes());
            found.push(json!({ "path": name, "kind": "symlink", "content": to }));
        } else if meta.is_dir() {
            walk(at, &path, found);
        } else {
            let kind = if meta.permissions().mode() & 0o100 == 0 { "regular" } else { "executable" };
            found.push(json!({ "path": name, "kind": kind, "content": plain(&fs::read(&path).unwrap()) }));
        }
    }
    if nothing && here != at {
        let name = plain(here.strip_prefix(at).unwrap().as_os_str().as_bytes());
        found.push(json!({ "path": name, "kind": "directory" }));
    }
}
