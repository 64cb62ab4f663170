//! Looks for secrets in all files below some directories, by the rules that keep a file at home, and prints where they
//! are; never what they are. How often the rules are wrong can be counted by it:
//!
//! `cargo run --release -p handoff-examples --example find_secrets -- ~/.cargo/registry/src /usr/share`

use std::path::PathBuf;

use handoff_core::secrets;

fn main() {
    let mut todo: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (mut files, mut with) = (0_u64, 0_u64);
    while let Some(path) = todo.pop() {
        let Ok(meta) = path.symlink_metadata() else { continue };
        if meta.is_dir() {
            let Ok(entries) = path.read_dir() else { continue };
            todo.extend(entries.flatten().map(|entry| entry.path()));
        } else if meta.is_file() {
            let Ok(content) = std::fs::read(&path) else { continue };
            files += 1;
            let found = secrets::scan(&content);
            with += u64::from(!found.is_empty());
            for finding in found {
                println!("{}: {} at byte {}", path.display(), finding.rule, finding.range.start);
            }
        }
    }
    println!("{with} of {files} files hold something that looks like a secret");
}
