//! The table. Numbers are those of the corpus; one number may have several rows.

use std::path::Path;

use serde_json::{Value, json};

use super::{Row, Want};
use crate::support::repo::Repo;
use crate::support::snapshot::{Parts, path as json_path};

/// Rows that are proved elsewhere, or that nothing can express yet.
pub const ELSEWHERE: &[(u8, &str)] = &[
    (
        94,
        "this format has no keys, so there is nothing to bind a blob or manifest to; a swapped blob has another hash",
    ),
    (95, "flow::bad_input, where the target has another history"),
    (96, "flow::hostile::race, where somebody swaps directories and links during the apply"),
];

pub const CONTENT: &[u8] = b"content of a hostile snapshot\n";

pub fn owned(paths: &[&[u8]]) -> Vec<Vec<u8>> {
    paths.iter().map(|path| path.to_vec()).collect()
}

pub fn row(number: u8, what: &'static str, build: impl Fn(&mut Parts) + 'static, want: Want) -> Row {
    Row {
        number,
        what,
        prepare: Box::new(|_, _| {}),
        build: Box::new(build),
        want,
        check: Box::new(|_, _| Ok(())),
    }
}

impl Row {
    pub fn with(mut self, prepare: impl Fn(&Repo, &Path) + 'static) -> Self {
        self.prepare = Box::new(prepare);
        self
    }
}

/// An untracked file at `path`, which is refused.
pub fn refused(
    number: u8,
    what: &'static str,
    path: impl Into<Vec<u8>>,
    reason: &'static [&'static str],
) -> Row {
    let path = path.into();
    let want = Want::Skipped(vec![path.clone()], reason);
    row(number, what, move |parts| parts.add_file(json_path(&path), CONTENT), want)
}

/// An untracked file at `path`, which is written.
fn written(number: u8, what: &'static str, path: impl Into<Vec<u8>>, want: fn(Vec<Vec<u8>>) -> Want) -> Row {
    let path = path.into();
    let want = want(vec![path.clone()]);
    row(number, what, move |parts| parts.add_file(json_path(&path), CONTENT), want)
}

/// A symlink at `path`, which is refused.
fn link(
    number: u8,
    what: &'static str,
    path: &'static [u8],
    target: Vec<u8>,
    reason: &'static [&'static str],
) -> Row {
    let want = Want::Skipped(vec![path.to_vec()], reason);
    row(number, what, move |parts| parts.add_link(json_path(path), &target), want)
}

/// Several untracked files at once.
fn files(number: u8, what: &'static str, paths: &[&[u8]], want: fn(Vec<Vec<u8>>) -> Want) -> Row {
    let paths = owned(paths);
    let want = want(paths.clone());
    let build = move |parts: &mut Parts| {
        for path in &paths {
            parts.add_file(json_path(path), CONTENT);
        }
    };
    row(number, what, build, want)
}

pub fn rows() -> Vec<Row> {
    let mut rows = lexical();
    rows.extend(sets());
    rows.extend(super::rows_of_targets::rows());
    rows.extend(kinds());
    rows.extend(manifests());
    rows
}

/// 1–57: single paths.
fn lexical() -> Vec<Row> {
    const ALIAS: &[&str] = &["path_git_alias"];
    const GIT: &[&str] = &["path_git_dir"];
    const FORM: &[&str] = &["path_not_normalized"];
    const LONG: &[&str] = &["path_too_long"];
    const UP: &[&str] = &["path_traversal"];
    const ABSOLUTE: &[&str] = &["path_absolute"];
    let deep = |depth: usize| vec!["d"; depth].join("/");
    let long_path = || format!("{}/{}", vec!["c".repeat(200); 20].join("/"), "d".repeat(76));
    assert_eq!(long_path().len(), 4096);
    vec![
        refused(1, "above the root", "../x", UP),
        refused(2, "above the root by detour", "a/../../x", UP),
        refused(3, "the parent", "..", UP),
        refused(4, "back to the root", "a/..", UP),
        refused(5, "absolute", "/etc/x", ABSOLUTE),
        refused(6, "a network path", "//srv/x", ABSOLUTE),
        refused(7, "empty", "", FORM),
        refused(8, "an empty component", "a//b", FORM),
        refused(9, "a leading dot", "./a", FORM),
        refused(10, "a dot within", "a/./b", FORM),
        refused(11, "a trailing slash", "a/", FORM),
        refused(12, "the root itself", ".", FORM),
        refused(13, "NUL", "a\0b", &["path_nul"]),
        written(14, "only spaces", "   ", Want::Applied),
        refused(15, "a component of 256 bytes", "n".repeat(256), LONG),
        written(15, "a component of 255 bytes", "n".repeat(255), Want::Applied),
        refused(16, "a path of 4,097 bytes", format!("{}e", long_path()), LONG),
        refused(17, "257 levels", deep(257), &["path_too_deep"]),
        written(17, "256 levels", deep(256), Want::Applied),
        refused(18, "a name of 65 KiB", "n".repeat(65 << 10), LONG),
        refused(19, "the git directory", ".git", GIT),
        refused(20, "a file of it", ".git/config", GIT),
        refused(21, "in another case", ".GIT/hooks/post-checkout", GIT),
        refused(22, "a nested one", "sub/.git", GIT),
        refused(23, "a file of a nested one", "sub/.git/config", GIT),
        refused(24, "mixed case", ".Git/index", GIT),
        refused(25, "a short name", "git~1/config", ALIAS),
        refused(26, "another short name", "GIT~2", ALIAS),
        link(27, "a hashed short name", b"gi7eba~1", b"keep.txt".to_vec(), ALIAS),
        refused(28, "a trailing space", ".git /config", ALIAS),
        refused(29, "trailing dots", ".git.../x", ALIAS),
        refused(30, "a stream", ".git::$INDEX_ALLOCATION/config", ALIAS),
        refused(31, "another stream", ".git:x", ALIAS),
        refused(32, "backslashes", ".\\.git\\x", ALIAS),
        refused(33, "a backslash", ".git\\config", ALIAS),
        refused(34, "an ignorable character within", ".g\u{200c}it/x", ALIAS),
        refused(35, "one before", "\u{feff}.git/x", ALIAS),
        refused(36, "one before the last letter", ".gi\u{200d}t", ALIAS),
        refused(37, "one after", ".git\u{206a}", ALIAS),
        written(38, "full width", ".ｇit/x", Want::Applied),
        written(39, "dotless i", ".gıt", Want::Applied),
        written(40, "dotted capital I", ".GİT", Want::Applied),
        written(41, "backslashes upwards", "a\\..\\..\\x", Want::NotPortable),
        written(42, "a backslash", "a\\b", Want::NotPortable),
        written(43, "a drive", "C:/x", Want::NotPortable),
        written(44, "a drive's own directory", "C:x", Want::NotPortable),
        written(45, "a device", "CON", Want::NotPortable),
        written(46, "a device with an extension", "aux.txt", Want::NotPortable),
        written(47, "a device with two", "NUL.tar.gz", Want::NotPortable),
        written(48, "a port", "com1", Want::NotPortable),
        written(49, "a superscript port", "COM¹.log", Want::NotPortable),
        written(50, "the console", "CONOUT$", Want::NotPortable),
        written(51, "a trailing dot", "x.", Want::NotPortable),
        written(52, "a trailing space", "x ", Want::NotPortable),
        written(53, "a stream of a file", "f:stream", Want::NotPortable),
        written(54, "wildcards", "a?b<c>", Want::NotPortable),
        written(55, "a newline and an escape sequence", "a\nb\x1b[2Jc", Want::Applied),
        written(56, "right to left", "exe\u{202e}txt.gpj", Want::Applied),
        written(57, "no UTF-8", b"\xff\xfe".to_vec(), Want::Applied),
    ]
}

/// 58–66, 88: entries that are wrong together.
fn sets() -> Vec<Row> {
    const PREFIX: &[&str] = &["path_prefix_conflict"];
    let text_and_base64 = |parts: &mut Parts| {
        parts.add_file(json!("twice"), CONTENT);
        parts.add_file(json!({"base64": "dHdpY2U="}), CONTENT);
    };
    let file_and_deletion = |parts: &mut Parts| {
        parts.add_file(json!("twice"), CONTENT);
        let head = parts.layer("regular", CONTENT);
        parts.add(json!({"head": head, "path": "twice"}));
    };
    let twice = |parts: &mut Parts| {
        parts.add_file(json!("twice"), CONTENT);
        parts.add_file(json!("twice"), b"other content");
    };
    let link_and_below = |parts: &mut Parts| {
        parts.add_link(json!("a"), b".git/hooks");
        parts.add_file(json!("a/post-checkout"), CONTENT);
    };
    let harmless_link_and_below = |parts: &mut Parts| {
        parts.add_link(json!("a"), b"dir");
        parts.add_file(json!("a/post-checkout"), CONTENT);
    };
    vec![
        row(58, "the same path twice", twice, Want::Refused(&["format"])),
        row(59, "a path as file and as deletion", file_and_deletion, Want::Refused(&["format"])),
        row(60, "a path in two encodings", text_and_base64, Want::Refused(&["format"])),
        row(
            61,
            "a link into the git directory and a file below it",
            link_and_below,
            Want::Skipped(owned(&[b"a", b"a/post-checkout"]), &["path_prefix_conflict", "symlink_git"]),
        ),
        row(
            61,
            "a harmless link and a file below it",
            harmless_link_and_below,
            Want::Skipped(owned(&[b"a", b"a/post-checkout"]), PREFIX),
        ),
        files(62, "a file and a file below it", &[b"a", b"a/b"], |paths| Want::Skipped(paths, PREFIX)),
        // Linux keeps these apart.
        files(63, "names that differ in case", &[b"README", b"readme"], Want::Applied),
        files(64, "composed and decomposed", &["é".as_bytes(), "e\u{301}".as_bytes()], Want::Applied),
        files(65, "sharp s", &["ß".as_bytes(), b"ss"], Want::Applied),
        files(66, "a ligature", &["ﬁ".as_bytes(), b"fi"], Want::Applied),
        files(
            88,
            "an embedded bare repository",
            &[b"bare/HEAD", b"bare/config", b"bare/objects/x", b"bare/refs/x"],
            |paths| Want::Skipped(paths, &["embedded_bare_repo"]),
        ),
    ]
}

/// 74–79, 81–85, 89–90: kinds of entries.
fn kinds() -> Vec<Row> {
    let mut rows = vec![
        link(74, "a link to an absolute path", b"l", b"/etc/passwd".to_vec(), &["symlink_absolute"]),
        link(75, "a link out of the tree", b"dir/l", b"../../x".to_vec(), &["symlink_escapes"]),
        link(75, "a link to the parent", b"l", b"..".to_vec(), &["symlink_escapes"]),
        link(76, "a link into the git directory", b"l", b".git/config".to_vec(), &["symlink_git"]),
        link(76, "such a link by detour", b"dir/l", b"../dir/../.GIT/config".to_vec(), &["symlink_git"]),
        link(77, "a link target of 5,000 bytes", b"l", vec![b't'; 5000], &["symlink_too_long"]),
        link(78, "ignore rules as a link", b".gitignore", b"keep.txt".to_vec(), &["protected_git_file"]),
        link(78, "attributes as a link", b".gitattributes", b"keep.txt".to_vec(), &["protected_git_file"]),
        link(78, "modules as a link", b".gitmodules", b"keep.txt".to_vec(), &["protected_git_file"]),
        row(
            79,
            "a gitlink",
            |parts: &mut Parts| {
                let state = json!({"mode": "gitlink", "oid": "1".repeat(40), "size": 0});
                parts.add(json!({"index": state, "path": "module", "worktree": state}));
            },
            Want::Skipped(owned(&[b"module"]), &["type_not_allowed"]),
        ),
        row(
            89,
            "attributes that name a filter, beside 100 files",
            |parts: &mut Parts| {
                parts.add_file(json!(".gitattributes"), b"* filter=lfs diff=x merge=y\n");
                for number in 0..100 {
                    parts.add_file(json!(format!("many/{number:03}")), CONTENT);
                }
            },
            Want::AutoRun(owned(&[b".gitattributes"])),
        ),
        files(
            90,
            "files that tools run by themselves",
            &[
                b".envrc",
                b".VsCode/tasks.json",
                b".cursor/mcp.json",
                b".claude/settings.json",
                b".husky/pre-commit",
                b".cargo/config.toml",
                b".npmrc",
                b".github/workflows/ci.yml",
                b".gitlab-ci.yml",
            ],
            Want::AutoRun,
        ),
    ];
    let modes: [(u8, &'static str); 9] = [
        (81, "04755"),
        (82, "0777"),
        (83, "0666"),
        (84, "0000"),
        (85, "fifo"),
        (85, "socket"),
        (85, "device"),
        (85, "hard_link"),
        (85, "directory"),
    ];
    for (number, mode) in modes {
        let build = move |parts: &mut Parts| {
            let worktree = parts.layer(mode, CONTENT);
            parts.add(json!({"flags": {"untracked": true}, "path": "odd", "worktree": worktree}));
        };
        rows.push(row(
            number,
            mode,
            build,
            Want::Skipped(owned(&[b"odd"]), &["mode_not_allowed", "type_not_allowed"]),
        ));
    }
    rows
}

/// 92–93: what the manifest says does not hold, or is too much.
fn manifests() -> Vec<Row> {
    let missing = |parts: &mut Parts| {
        let blob = "7".repeat(64);
        let worktree = json!({"blob": blob, "mode": "regular", "size": 4});
        parts.add(json!({"flags": {"untracked": true}, "path": "lost", "worktree": worktree}));
    };
    let other_size = |size: u64| {
        move |parts: &mut Parts| {
            let blob = parts.blob(CONTENT);
            let worktree = json!({"blob": blob, "mode": "regular", "size": size});
            parts.add(json!({"flags": {"untracked": true}, "path": "lost", "worktree": worktree}));
        }
    };
    const MISMATCH: &[&str] = &["blob_mismatch"];
    let lost = || owned(&[b"lost"]);
    let deep = |parts: &mut Parts| {
        let mut value = Value::Null;
        for _ in 0..200 {
            value = json!([value]);
        }
        parts.manifest["repos"][0]["later"] = value;
    };
    let overflow = |parts: &mut Parts| {
        for name in ["huge-1", "huge-2"] {
            let blob = parts.blob(name.as_bytes());
            let worktree = json!({"blob": blob, "mode": "regular", "size": u64::MAX});
            parts.add(json!({"flags": {"untracked": true}, "path": name, "worktree": worktree}));
        }
    };
    let many = |parts: &mut Parts| {
        let worktree = parts.layer("regular", CONTENT);
        let entries = parts.entries();
        for number in 0..50_001 {
            let path = format!("many/{number:07}");
            entries.push(json!({"flags": {"untracked": true}, "path": path, "worktree": worktree}));
        }
    };
    let extra = |parts: &mut Parts| {
        parts.manifest["later"] = json!({"key": 1});
        parts.entries()[0]["later"] = json!(true);
        parts.add_file(json!("beside"), CONTENT);
    };
    let version = |text: &'static str| {
        move |parts: &mut Parts| {
            parts.manifest["format"] = json!(text);
        }
    };
    vec![
        row(92, "a blob that is missing", missing, Want::Skipped(lost(), &["blob_missing"])),
        row(92, "a blob that is longer than declared", other_size(4), Want::Skipped(lost(), MISMATCH)),
        row(92, "a blob that is shorter than declared", other_size(400), Want::Skipped(lost(), MISMATCH)),
        row(93, "an unknown version", version("handoff-snapshot/2"), Want::Refused(&["unsupported_version"])),
        row(93, "another format", version("tar"), Want::Refused(&["unsupported_version", "format"])),
        // Fields of a later writer are kept, not refused: that is this format's rule.
        row(93, "fields of a later version", extra, Want::Applied(owned(&[b"beside"]))),
        row(93, "200 levels of JSON", deep, Want::Refused(&["format", "limit"])),
        row(93, "sizes whose sum overflows", overflow, Want::Refused(&["format", "limit"])),
        row(93, "more entries than the limit", many, Want::Refused(&["limit"])),
    ]
}
