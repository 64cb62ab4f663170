//! One module per promise.

mod against_git;
mod bad_input;
mod claims;
mod conflicts;
mod diverged;
mod drift;
mod errno;
mod errors;
mod failures;
mod history;
mod hostile;
mod identity;
mod kill;
mod life;
mod moving;
mod multi_repo;
mod odd_configs;
mod partial;
mod programs;
mod progress;
mod purity;
mod reach;
mod secrets;
mod state_table;
mod storage;
mod torture;

/// A module that is not listed above is not compiled, and its tests pass without ever running.
#[test]
fn every_file_of_this_directory_is_a_module() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/flow");
    let listed = include_str!("mod.rs");
    for entry in std::fs::read_dir(&directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(module) = name.strip_suffix(".rs") else {
            assert!(
                directory.join(&name).join("mod.rs").exists()
                    || directory.join(format!("{name}.rs")).exists(),
                "tests/flow/{name} is no Rust file and belongs to no module"
            );
            continue;
        };
        let line = format!("mod {module};");
        assert!(
            module == "mod" || listed.lines().any(|l| l.trim() == line),
            "tests/flow/{name} is not listed in tests/flow/mod.rs, so its tests never run; add `{line}`"
        );
    }
}
