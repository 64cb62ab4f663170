//! House rules that the compiler does not know, enforced by reading the source: layers, homes of third-party
//! crates, sizes, leftovers, one version number. ARCHITECTURE.md gives the reasons.

mod source;
mod version;

use std::path::Path;

use crate::run::Done;
use source::Source;

/// Lines a file may have, without its test module.
const LONGEST: usize = 400;

/// A crate and the only places in handoff-core/src that may name it.
const HOMES: &[(&str, &[&str])] = &[
    ("gix", &["git/", "git.rs"]),
    ("sha2", &["digest.rs"]),
    ("encoding_rs", &["git/"]),
    ("zstd", &["snapshot/", "record.rs"]),
    ("aho_corasick", &["secrets/"]),
    ("imara_diff", &["text/", "text.rs"]),
    ("similar", &["text/", "text.rs"]),
];

const VALUES: &[&str] = &[
    "error.rs",
    "names.rs",
    "id.rs",
    "digest.rs",
    "path.rs",
    "progress.rs",
    "report.rs",
    "snapshot/manifest.rs",
];
const MECHANISMS: &[&str] = &[
    "git/",
    "text/",
    "rooted/",
    "secrets/",
    "workspace.rs",
    "capture/",
    "apply/",
    "snapshot/",
    "transcript/",
];
const UPPER: &[&str] = &["storage", "runtime", "agent", "lease", "policy", "notify", "handoff"];

/// Places in handoff-core/src and the modules of the crate they must not name.
const LAYERS: &[(&[&str], &[&str], &str)] = &[
    (
        VALUES,
        &["git", "text", "rooted", "workspace", "capture", "apply", "transcript"],
        "values know no mechanism",
    ),
    (VALUES, UPPER, "values know no port, adapter or policy"),
    (MECHANISMS, UPPER, "mechanisms know no port, adapter or policy"),
    (&["text/"], &["git", "rooted", "workspace", "capture", "apply", "snapshot"], "text is pure"),
    (
        &["secrets/"],
        &["git", "rooted", "workspace", "capture", "apply", "snapshot", "text"],
        "finding secrets is pure",
    ),
    (&["rooted/"], &["git", "capture", "apply", "snapshot", "text"], "the resolver knows only paths"),
    (&["git/"], &["capture", "apply", "workspace"], "git knows neither capture nor apply"),
    (
        &["snapshot/"],
        &["git", "capture", "apply", "workspace"],
        "a snapshot knows neither its making nor its use",
    ),
    (&["capture/"], &["apply"], "capture knows nothing of apply"),
    (&["storage/"], &["snapshot", "capture", "apply", "git"], "storage holds bytes, not snapshots"),
];

/// Words that say nothing in the name of a type.
const EMPTY_WORDS: &[&str] = &["Manager", "Helper", "Util", "Utils", "Service"];

/// Reads every tracked file; an error lists each breach as `file:line: rule`.
pub fn check(root: &Path) -> Done {
    let mut breaches = Vec::new();
    let files = source::tracked(root)?;
    let texts: Vec<(&str, String)> = files
        .iter()
        .filter_map(|file| Some((file.as_str(), std::fs::read_to_string(root.join(file)).ok()?)))
        .collect();
    let rust = || texts.iter().filter(|(file, _)| file.ends_with(".rs"));
    let tests: Vec<String> = rust().flat_map(|(file, text)| source::test_modules(file, text)).collect();
    for (file, text) in &texts {
        machine_paths(file, text, &mut breaches);
    }
    for (file, text) in rust() {
        rust_file(&Source::read(file, text, &tests), &mut breaches);
    }
    version::check(&texts, &mut breaches);
    if breaches.is_empty() {
        println!("tidy: {} files keep the house rules", files.len());
        return Ok(());
    }
    Err(format!("{} breaches of the house rules\n  {}", breaches.len(), breaches.join("\n  ")))
}

/// Directories of one machine have no place in a shared file.
fn machine_paths(file: &str, text: &str, breaches: &mut Vec<String>) {
    for (number, line) in text.lines().enumerate() {
        for dir in ["work", "farm", "root"] {
            let path = format!("/{dir}/");
            let starts_path = |at: usize| {
                let before = line.get(..at).and_then(|before| before.chars().next_back());
                !before.is_some_and(|c| c.is_alphanumeric() || "_.-*}>)".contains(c))
            };
            if line.match_indices(&path).any(|(at, _)| starts_path(at)) {
                breaches.push(format!("{file}:{}: the path {path} of one machine", number + 1));
            }
        }
    }
}

fn rust_file(source: &Source<'_>, breaches: &mut Vec<String>) {
    let mut breach = |line: usize, rule: String| breaches.push(format!("{}:{line}: {rule}", source.file));
    if source.lines_outside_tests > LONGEST {
        breach(LONGEST, format!("{} lines without tests, split at {LONGEST}", source.lines_outside_tests));
    }
    for (number, line) in source.code() {
        // An `#[ignore = "…"]` has to give its reason.
        for mark in ["todo!", "unimplemented!", "dbg!", "#[ignore]"] {
            if line.contains(mark) {
                breach(number, format!("{mark} left in"));
            }
        }
        if let Some(word) = empty_type_name(line) {
            breach(number, format!("the type {word} does not say what it is"));
        }
    }
    let Some(place) = source.file.strip_prefix("handoff-core/src/") else { return };
    let is_in = |places: &[&str]| {
        places.iter().any(|home| if home.ends_with('/') { place.starts_with(home) } else { place == *home })
    };
    for (number, line) in source.code() {
        for (name, homes) in HOMES {
            if !is_in(homes) && source::names_crate(line, name) {
                breach(number, format!("{name} is named outside its home {}", homes.join(", ")));
            }
        }
    }
    for (number, line) in source.code_outside_tests() {
        if line.contains(".unwrap()") {
            breach(number, "unwrap() outside tests: say why with expect, or return an error".to_owned());
        }
        for (places, banned, why) in LAYERS {
            if let Some(name) = banned.iter().find(|name| is_in(places) && source::names_module(line, name)) {
                breach(number, format!("crate::{name} is named here, but {why}"));
            }
        }
    }
}

fn empty_type_name(line: &str) -> Option<&str> {
    let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.find(|word| ["struct", "enum", "trait"].contains(word))?;
    let name = words.next()?;
    EMPTY_WORDS.iter().any(|empty| name.ends_with(empty)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaches(file: &str, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        machine_paths(file, text, &mut found);
        rust_file(&Source::read(file, text, &[]), &mut found);
        found
    }

    #[test]
    fn each_rule_fires_and_none_fires_on_prose() {
        let apply = "handoff-core/src/apply/mod.rs";
        for (file, text, rule) in [
            (apply, "use gix::index;", "gix is named outside"),
            (apply, "use crate::storage::Key;", "mechanisms know no port"),
            (apply, "use crate::{error::Error, storage::{Key, Meta}};", "mechanisms know no port"),
            ("handoff-core/src/capture/mod.rs", "use crate::apply::Plan;", "capture knows nothing"),
            (
                "handoff-core/src/storage/mod.rs",
                "fn f(x: crate::snapshot::Snapshot) {}",
                "storage holds bytes",
            ),
            ("handoff-core/src/path.rs", "use crate::git::Repo;", "values know no mechanism"),
            (apply, "fn f() { todo!() }", "todo! left in"),
            (apply, "fn f() { g().unwrap(); }", "unwrap() outside tests"),
            (apply, "pub struct FileManager;", "does not say what it is"),
            ("README.md", &format!("run /{}/main/x", "work"), "of one machine"),
        ] {
            let found = breaches(file, text);
            assert!(found.iter().any(|line| line.contains(rule)), "{text:?} gave {found:?}");
        }
        for (file, text) in [
            (apply, "// gix's checkout is never used; todo!() and .unwrap() are not code here"),
            (apply, "let text = \"use gix::index; todo!()\";"),
            (apply, "use crate::git::Repo; use crate::error::Error;"),
            (apply, "#[cfg(test)]\nmod tests {\n    fn f() { g().unwrap(); }\n}\n"),
            ("handoff-core/src/apply/tests.rs", "fn f() { g().unwrap(); }"),
            ("handoff-core/src/git/mod.rs", "use gix::index;"),
            (apply, "let url = \"https://host/a/work/b\";"),
        ] {
            assert_eq!(breaches(file, text), Vec::<String>::new(), "{text:?}");
        }
    }

    #[test]
    fn long_files_are_found_and_their_tests_do_not_count() {
        let file = "handoff-core/src/apply/plan.rs";
        let long = "fn f() {}\n".repeat(LONGEST + 1);
        assert_eq!(breaches(file, &long).len(), 1);
        let tests = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert_eq!(breaches(file, &tests), Vec::<String>::new());
    }
}
