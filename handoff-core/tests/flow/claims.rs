//! The list of promises in CONTRIBUTING.md names what proves each: a test that is renamed or removed must not leave a
//! promise behind that nothing proves.

use std::fs;
use std::path::Path;

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

#[test]
fn everything_that_is_said_to_prove_a_promise_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut text, mut modules) = (String::new(), Vec::new());
    for directory in ["tests/flow", "src"] {
        read_all(&root.join(directory), &mut text, &mut modules);
    }
    let makefile = fs::read_to_string(root.join("../Makefile")).unwrap();
    let page = fs::read_to_string(root.join("../CONTRIBUTING.md")).unwrap();
    let start = page.find("## What proves what").unwrap();
    let table = &page[start..start + page[start..].find("## Environment").unwrap()];
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 25, "{} rows", rows.len());
    for row in rows {
        let proofs = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let named: Vec<&str> = proofs.split('`').skip(1).step_by(2).collect();
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
