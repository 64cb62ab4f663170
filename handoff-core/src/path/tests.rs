//! The rows of the hostile corpus that are decided without touching a disk, and git as a lower bound.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod sets;

use std::collections::BTreeSet;
use std::process::Command;

use super::check::{PathFault, PathLimits, Platform};
use super::link::{LinkReach, check_link, protected_git_file};
use super::set::{After, SetItem, check_set};
use super::{RelPath, auto_run};

fn judge(path: &[u8], platform: Platform) -> &'static str {
    let limits = PathLimits { platform, ..PathLimits::default() };
    RelPath::from(path).check(&limits).map_or_else(PathFault::reason, |()| "ok")
}

#[track_caller]
fn everywhere(rows: &[(&str, &str)]) {
    for (path, reason) in rows {
        for platform in [Platform::Posix, Platform::Apple, Platform::Windows] {
            assert_eq!(judge(path.as_bytes(), platform), *reason, "{path:?} on {platform:?}");
        }
    }
}

#[test]
fn rows_1_to_12_not_relative_or_not_normalised() {
    everywhere(&[
        ("../x", "path_traversal"),
        ("a/../../x", "path_traversal"),
        ("..", "path_traversal"),
        ("a/..", "path_traversal"),
        ("/etc/x", "path_absolute"),
        ("//srv/x", "path_absolute"),
        ("", "path_not_normalized"),
        ("a//b", "path_not_normalized"),
        ("./a", "path_not_normalized"),
        ("a/./b", "path_not_normalized"),
        ("a/", "path_not_normalized"),
        (".", "path_not_normalized"),
    ]);
}

#[test]
fn rows_13_to_18_nul_and_sizes() {
    everywhere(&[
        ("a\0b", "path_nul"),
        (&"x".repeat(255), "ok"),
        (&"x".repeat(256), "path_too_long"),
        (&format!("a/{}", "x".repeat(256)), "path_too_long"),
        (&format!("{}x", "abc/".repeat(255)), "ok"),
        (&format!("{}x", "a/".repeat(256)), "path_too_deep"),
        (&"x".repeat(65 << 10), "path_too_long"),
    ]);
    let long = |length: usize| "0123456789abcde/".repeat(256)[..length].to_owned();
    assert_eq!(judge(long(4095).as_bytes(), Platform::Posix), "ok");
    everywhere(&[(&(long(4096) + "x"), "path_too_long")]);
    assert_eq!(judge(b"   ", Platform::Posix), "ok");
    assert_eq!(judge(b"   ", Platform::Windows), "path_trailing_dot_space");
}

#[test]
fn rows_19_to_37_git_directories_by_any_name() {
    for dir in
        [".git", ".git/config", ".GIT/hooks/post-checkout", "sub/.git", "sub/.git/config", ".Git/index"]
    {
        everywhere(&[(dir, "path_git_dir")]);
    }
    for alias in [
        "git~1/config",
        "GIT~2",
        "git~11",
        "gi7eba~1",
        "GI1a2b~3/x",
        ".git /config",
        ".git.../x",
        ".git. . ",
        "a/.GIT ./x",
        ".git::$INDEX_ALLOCATION/config",
        ".git:x",
        ".GIT...:x",
        ".\\.git\\x",
        ".git\\config",
        "a\\git~1\\config",
        ".g\u{200c}it/x",
        "\u{feff}.git/x",
        ".gi\u{200d}t",
        ".git\u{206a}",
        "sub/.G\u{200e}I\u{202c}T/x",
        ".git\u{200b} ",
    ] {
        everywhere(&[(alias, "path_git_alias")]);
    }
    for platform in [Platform::Posix, Platform::Windows] {
        assert_eq!(judge(b".git\xff", platform), "path_git_alias");
    }
}

#[test]
fn names_like_git_that_are_nothing_of_the_kind() {
    everywhere(&[
        (".gitignore", "ok"),
        (".github/x", "ok"),
        ("git", "ok"),
        ("a.git/HEAD", "ok"),
        ("..git", "ok"),
        (".git-blame-ignore-revs", "ok"),
        ("git~", "ok"),
        ("git~x", "ok"),
        ("agit~1", "ok"),
        ("file~1", "ok"),
        ("gizmos~1", "ok"),
        // Rows 38 to 40: the target's own file system decides, by identity.
        (".\u{ff47}it/x", "ok"),
        (".g\u{131}t", "ok"),
        (".G\u{130}T", "ok"),
    ]);
}

#[test]
fn rows_41_to_57_names_that_only_some_systems_have() {
    for (path, windows) in [
        ("a\\..\\..\\x", "path_illegal"),
        ("a\\b", "path_illegal"),
        ("C:/x", "path_absolute"),
        ("1:/x", "path_absolute"),
        ("\u{e4}:/x", "path_absolute"),
        ("C:x", "path_illegal"),
        ("CON", "path_reserved_name"),
        ("a/aux.txt", "path_reserved_name"),
        ("NUL.tar.gz", "path_reserved_name"),
        ("nul  .txt", "path_reserved_name"),
        ("com1/x", "path_reserved_name"),
        ("COM\u{b9}.log", "path_reserved_name"),
        ("lpt\u{b3}", "path_reserved_name"),
        ("CONOUT$", "path_reserved_name"),
        ("conin$.x", "path_reserved_name"),
        ("x.", "path_trailing_dot_space"),
        ("x ", "path_trailing_dot_space"),
        ("x. /y", "path_trailing_dot_space"),
        ("f:stream", "path_illegal"),
        ("file:stream", "path_ads"),
        ("a/f:stream", "path_ads"),
        ("a?b<c>", "path_illegal"),
        ("a\n\u{1b}[2Jb", "path_illegal"),
    ] {
        assert_eq!(judge(path.as_bytes(), Platform::Posix), "ok", "{path:?}");
        assert_eq!(judge(path.as_bytes(), Platform::Apple), "ok", "{path:?}");
        assert_eq!(judge(path.as_bytes(), Platform::Windows), windows, "{path:?}");
        assert_eq!(RelPath::from(path).portability(), Some(windows), "{path:?}");
    }
    for harmless in ["console", "com", "com10", "comx", "nulls", "a.con", "auxiliary/x", "\u{202e}txt"] {
        everywhere(&[(harmless, "ok")]);
        assert_eq!(RelPath::from(harmless).portability(), None);
    }
    assert_eq!(judge(b"\xff\xfe", Platform::Posix), "ok");
    assert_eq!(judge(b"\xff\xfe", Platform::Apple), "path_not_encodable");
    assert_eq!(judge(b"\xff\xfe", Platform::Windows), "path_not_encodable");
    assert_eq!(RelPath::new(*b"\xff\xfe").portability(), Some("path_not_encodable"));
}

fn link(path: &str, target: &[u8], reach: LinkReach) -> &'static str {
    check_link(&path.into(), target, reach, Platform::Posix).map_or_else(PathFault::reason, |()| "ok")
}

#[test]
fn rows_74_to_77_targets_of_symlinks() {
    for (path, target, inside, anywhere) in [
        ("l", "/etc/passwd", "symlink_absolute", "ok"),
        ("l", "../../x", "symlink_escapes", "ok"),
        ("l", "..", "symlink_escapes", "ok"),
        ("a/l", "..", "ok", "ok"),
        ("a/b/l", "../../x", "ok", "ok"),
        ("a/b/l", "../../../x", "symlink_escapes", "ok"),
        ("a/l", "./.././x//y/", "ok", "ok"),
        // `d` may be a link to `.`, which makes this the root's parent.
        ("l", "d/../x", "symlink_escapes", "ok"),
        ("a/b/l", "x/../y", "symlink_escapes", "ok"),
        ("l", ".git/config", "symlink_git", "symlink_git"),
        ("a/l", "../.GIT", "symlink_git", "symlink_git"),
        ("l", "/srv/x/.git/hooks", "symlink_git", "symlink_git"),
        ("l", "git~1", "symlink_git", "symlink_git"),
        ("l", ".g\u{200c}it/x", "symlink_git", "symlink_git"),
        ("l", "x\\.git\\y", "symlink_git", "symlink_git"),
        ("l", "", "path_not_normalized", "path_not_normalized"),
        ("l", "a\0b", "path_nul", "path_nul"),
        ("l", &"x".repeat(4095), "ok", "ok"),
        ("l", &"x".repeat(5000), "symlink_too_long", "symlink_too_long"),
    ] {
        assert_eq!(link(path, target.as_bytes(), LinkReach::Inside), inside, "{path:?} -> {target:?}");
        assert_eq!(link(path, target.as_bytes(), LinkReach::Anywhere), anywhere, "{path:?} -> {target:?}");
    }
    for target in ["C:\\x", "\\x", "\\\\srv\\x", "C:x", "c:/x"] {
        let fault = check_link(&"l".into(), target.as_bytes(), LinkReach::Inside, Platform::Windows);
        assert_eq!(fault, Err(PathFault::SymlinkAbsolute), "{target:?}");
    }
    let up = check_link(&"a/l".into(), b"..\\..\\x", LinkReach::Inside, Platform::Windows);
    assert_eq!(up, Err(PathFault::SymlinkEscapes));
}

#[test]
fn row_78_files_that_git_reads() {
    for name in [
        ".gitmodules",
        "a/.gitattributes",
        ".GitIgnore",
        ".mailmap",
        ".gitmodules .",
        ".gitmodules:x",
        ".git\u{200c}modules",
        "gitmod~1",
        "GITIGN~4",
        "gi7eba~1",
        "gi7d29~2",
        "g~123456",
        "a\\.gitmodules",
        ".gitmodules/x",
    ] {
        assert!(protected_git_file(&name.into()), "{name:?}");
        assert_eq!(link(name, b"x", LinkReach::Anywhere), "protected_git_file", "{name:?}");
    }
    for name in ["gitmodules", ".gitkeep", ".gitmodules2", "x~1"] {
        assert!(!protected_git_file(&name.into()), "{name:?}");
    }
}

#[test]
fn rows_89_and_90_files_that_run() {
    for path in [
        ".envrc",
        "a/b/.envrc",
        ".vscode/tasks.json",
        ".VsCode/tasks.json",
        "pkg/.vscode/settings.json",
        ".v\u{17f}code/tasks.json",
        ".cursor/mcp.json",
        ".claude/settings.json",
        ".claude/hooks/x.sh",
        ".mcp.json",
        ".husky/pre-commit",
        ".husky/_/x",
        ".cargo/config.toml",
        ".cargo/config",
        ".npmrc",
        ".gitattributes",
        "a/.GITATTRIBUTES",
        ".github/workflows/ci.yml",
        ".GitHub/Workflows/ci.yml",
        ".gitlab-ci.yml",
        ".circleci/config.yml",
        "azure-pipelines.yml",
        "Jenkinsfile",
        ".pre-commit-config.yaml",
        ".devcontainer/devcontainer.json",
        ".devcontainer/a/devcontainer.json",
        ".idea/runConfigurations/x.xml",
        "lefthook.yml",
        "CLAUDE.md",
        "AGENTS.md",
        "x.code-workspace",
        ".envrc.",
    ] {
        assert!(auto_run(&path.into()), "{path:?}");
    }
    for path in [
        "src/main.rs",
        "Cargo.toml",
        ".gitignore",
        ".vscode/notes.txt",
        "vscode/tasks.json",
        ".github/CODEOWNERS",
        "workflows/x.yml",
        ".envrc/x",
        ".husky",
        "config.toml",
        "a.envrc",
        "",
    ] {
        assert!(!auto_run(&path.into()), "{path:?}");
    }
}

/// Names around `.git` and git's other files, systematically spoiled.
fn spoiled_names() -> BTreeSet<Vec<u8>> {
    let mut names = BTreeSet::new();
    let stems = [
        ".git",
        "git~1",
        "git~2",
        "gi7eba~1",
        "gi7d29~1",
        "gi250a~1",
        "gitmod~1",
        "gitatt~1",
        "gitign~4",
        "g~123456",
        "maba30~1",
        "mailma~1",
        ".gitmodules",
        ".gitattributes",
        ".gitignore",
        ".mailmap",
        "..",
        ".",
        "x",
    ];
    let tails: [&[u8]; 16] = [
        b"",
        b" ",
        b".",
        b". .",
        b" . /x",
        b"/x",
        b"\\x",
        b":x",
        b"::$INDEX_ALLOCATION/x",
        b"...:",
        b"\xff",
        b"\xffz",
        b"\xe2\x80\x8c",
        b"\xef\xbb\xbf/x",
        b" \xe2\x80\x8d",
        b"~1",
    ];
    let heads: [&[u8]; 7] = [b"", b"sub/", b"sub\\", b"./", b"\xe2\x80\x8e", b"..\\", b"/"];
    for stem in stems {
        for tail in tails {
            names.insert([stem.as_bytes(), tail].concat());
            names.insert([stem.to_uppercase().as_bytes(), tail].concat());
        }
        for head in heads {
            names.insert([head, stem.as_bytes()].concat());
            names.insert([head, stem.as_bytes(), b"/y"].concat());
        }
    }
    for ignored in [
        '\u{200c}', '\u{200d}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{206a}', '\u{206f}',
        '\u{feff}',
    ] {
        for stem in [".git", ".gitmodules"] {
            for at in 0..=stem.len() {
                names.insert(format!("{}{ignored}{}", &stem[..at], &stem[at..]).into_bytes());
            }
        }
    }
    names
}

#[test]
#[cfg(unix)]
fn everything_git_refuses_is_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let temp = tempfile::tempdir().unwrap();
    let git = |index: &str| {
        let mut command = Command::new("git");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(b"GIT_")) {
            command.env_remove(name);
        }
        command
            .current_dir(temp.path())
            .env("HOME", temp.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_INDEX_FILE", temp.path().join(index))
            .args(["-c", "core.protectHFS=true", "-c", "core.protectNTFS=true"]);
        command
    };
    assert!(git("index").args(["init", "-q"]).status().unwrap().success());
    let mut refused = 0;
    for name in spoiled_names() {
        for mode in ["100644", "120000"] {
            let info = format!("{mode},e69de29bb2d1d6434b8b29ae775ad8c2e48c5391,").into_bytes();
            let output = git("none")
                .args(["update-index", "--add", "--cacheinfo"])
                .arg(OsStr::from_bytes(&[info, name.clone()].concat()))
                .output()
                .unwrap();
            let _ = std::fs::remove_file(temp.path().join("none"));
            let path = RelPath::new(name.clone());
            let ours = path.check(&PathLimits::default()).and_then(|()| match mode {
                "120000" => check_link(&path, b"target", LinkReach::Inside, Platform::HOST),
                _ => Ok(()),
            });
            if !output.status.success() {
                refused += 1;
                assert!(ours.is_err(), "git refuses {path:?} with mode {mode}, we do not: {output:?}");
            }
        }
    }
    assert!(refused > 300, "git refused only {refused} names, so it was not asked the right way");
}
