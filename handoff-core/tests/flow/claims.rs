//! What the pages say, held against the code. The lists of promises in CONTRIBUTING.md and README.md name what proves
//! each: a test that is renamed or removed must not leave a promise behind that nothing proves.

use std::fs;
use std::path::Path;

use handoff_core::LeftOutReason;
use handoff_core::snapshot::{HistoryCutReason, OmissionReason};

/// The text of every Rust file below `directory`, and the name of each file and folder.
fn read_all(directory: &Path, text: &mut String, modules: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        modules.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
        if path.is_dir() {
            read_all(&path, text, modules);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

/// The cells of the rows of the table below the line `title` of a page, up to the next title.
fn rows<'a>(page: &'a str, title: &str) -> Vec<Vec<&'a str>> {
    let start =
        page.find(&format!("\n{title}\n")).unwrap_or_else(|| panic!("no {title:?}")) + title.len() + 2;
    let end = page[start..].find("\n#").map_or(page.len(), |end| start + end);
    let lines = page[start..end].lines().filter(|line| line.starts_with("| "));
    lines.skip(1).map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Every reason has one row that says what, why and what to do; and no row is of a reason that there is not.
#[test]
fn every_reason_for_leaving_something_out_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/limits.md")).unwrap();
    let rows = rows(&page, "## What is not carried, and why");
    let known = [
        ("a path", OmissionReason::KNOWN),
        ("commits", HistoryCutReason::KNOWN),
        ("a workspace", LeftOutReason::KNOWN),
    ];
    for (of, reasons) in known {
        let explained: Vec<&str> =
            rows.iter().filter(|row| row[0] == of).map(|row| quoted(row[1])[0]).collect();
        assert_eq!(explained, reasons, "of {of}");
    }
    assert_eq!(rows.len(), known.iter().map(|(_, reasons)| reasons.len()).sum::<usize>());
    for row in &rows {
        assert!(row.len() == 4 && row.iter().all(|cell| !cell.is_empty()), "not filled in: {row:?}");
    }
}

#[test]
fn everything_that_is_said_to_prove_a_promise_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut text, mut modules) = (String::new(), Vec::new());
    for directory in ["tests/flow", "src"] {
        read_all(&root.join(directory), &mut text, &mut modules);
    }
    let makefile = fs::read_to_string(root.join("../Makefile")).unwrap();
    let page = fs::read_to_string(root.join("../CONTRIBUTING.md")).unwrap();
    let rows = rows(&page, "## What proves what");
    assert!(rows.len() > 25, "{} rows", rows.len());
    for row in rows {
        let (row, named) = (row[0], quoted(row[row.len() - 1]));
        assert!(!named.is_empty(), "nothing proves: {row}");
        for name in named.iter().filter(|name| !name.starts_with("--") && !name.starts_with("HANDOFF_")) {
            let there = match name.strip_prefix("make ") {
                Some(command) => makefile.contains(&format!("\n{}:", command.split(' ').next().unwrap())),
                None if name.contains('/') => root.join(name).exists(),
                None => text.contains(&format!("fn {name}()")) || modules.iter().any(|module| module == name),
            };
            assert!(there, "{name} is not there, and is said to prove: {row}");
        }
    }
}

/// What is missing for `command` to do what it says.
fn lacking(command: &str, text: &str, modules: &[String], root: &Path) -> Option<String> {
    let words: Vec<&str> = command.split(' ').collect();
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let after = |flag: &str| words.iter().skip_while(|word| **word != flag).nth(1);
    let there = match words[..] {
        ["make", target, ..] => read("../Makefile").contains(&format!("\n{target}:")),
        ["cargo", "xtask", task, ..] => read("../xtask/src/main.rs").contains(&format!("Some(\"{task}\")")),
        ["cargo", "bench", ..] => {
            root.join(format!("../benches/benches/{}.rs", after("--bench").unwrap())).exists()
        }
        ["cargo", "run", ..] => {
            root.join(format!("../examples/examples/{}.rs", after("--example").unwrap())).exists()
        }
        ["cargo", "test", "-p", "handoff-core", ref rest @ ..] => {
            let filters = rest.iter().filter(|word| !word.starts_with("--") && **word != "main");
            let parts: Vec<&str> = filters.flat_map(|filter| filter.split("::")).collect();
            let is_there = |part: &&str| {
                text.contains(&format!("fn {part}()")) || modules.iter().any(|module| module == part)
            };
            !parts.is_empty() && parts.iter().all(is_there)
        }
        // What something is measured beside.
        ["git", ..] => true,
        [file] => {
            ["../handoff-py/tests", "../handoff-node/test"].iter().any(|at| root.join(at).join(file).exists())
        }
        _ => false,
    };
    (!there).then(|| format!("{command:?} proves nothing"))
}

#[test]
fn every_command_that_the_readme_gives_for_a_claim_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut text, mut modules) = (String::new(), Vec::new());
    for directory in ["tests/flow", "src"] {
        read_all(&root.join(directory), &mut text, &mut modules);
    }
    let page = fs::read_to_string(root.join("../README.md")).unwrap();
    let rows = rows(&page, "## How each claim is proved");
    assert!(rows.len() > 30, "{} rows", rows.len());
    for row in rows {
        let commands = quoted(row[row.len() - 1]);
        assert!(row.len() == 2 && !commands.is_empty(), "nothing proves: {row:?}");
        for command in commands {
            assert_eq!(lacking(command, &text, &modules, root), None, "{row:?}");
        }
    }
    // What is not there is found out.
    for wrong in [
        "make nothing",
        "cargo xtask nothing",
        "cargo bench -p handoff-benches --bench nothing",
        "cargo run -p handoff-examples --example nothing",
        "cargo test -p handoff-core --test main nothing",
        "cargo test -p handoff-core --test main",
        "nothing.py",
    ] {
        assert!(lacking(wrong, &text, &modules, root).is_some(), "{wrong}");
    }
}
