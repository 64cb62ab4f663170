//! The checkout whose work travels: the one asked for, or a scratch clone with realistic edits.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use console::style;

use crate::Done;
use crate::git::Git;

/// Where new files of the scratch clone go.
const DIR: &str = "handoff-demo";

pub struct Prepared {
    pub git: Git,
    /// Where the work comes from, for people.
    pub story: String,
    /// A smaller limit per file, where the edits contain a file to show what a limit does.
    pub max_file_bytes: Option<u64>,
}

pub fn prepare(repo: &Git, scratch: &Path) -> Done<Prepared> {
    let at = format!("{} ({})", style(repo.root().display()).cyan(), repo.place());
    let changes = repo.changes()?;
    if !changes.is_empty() {
        let story = format!("{at}, as it is: {} uncommitted", changes.len());
        return Ok(Prepared { git: Git::find(repo.root())?, story, max_file_bytes: None });
    }
    let git = repo.clone_to(&scratch.join("laptop"))?;
    edit(&git)?;
    let story = format!("{at} is clean, so a scratch clone of it gets some edits:");
    Ok(Prepared { git, story, max_file_bytes: Some(1 << 20) })
}

/// Edits of every kind that git knows.
fn edit(git: &Git) -> Done {
    let mut files = spread(git.text_files()?).into_iter();
    for _ in 0..3 {
        if let Some(file) = files.next() {
            change_line(git, &file, 3, "written on the laptop")?;
        }
    }
    if let Some(file) = files.next() {
        change_line(git, &file, 3, "staged on the laptop")?;
        git.run(&["--literal-pathspecs", "add", "--", &file])?;
        change_line(git, &file, 2, "and then written")?;
    }
    if let Some(file) = files.next() {
        fs::remove_file(git.root().join(&file))?;
    }
    if let Some(file) = files.next() {
        git.run(&["mv", "--", &file, &format!("{file}.renamed")])?;
    }
    let dir = git.root().join(DIR);
    fs::create_dir_all(&dir)?;
    fs::write(dir.join("notes.md"), "# Plan\n\n1. Finish the refactoring\n2. Run the tests again\n")?;
    fs::write(dir.join("check.sh"), "#!/bin/sh\nexec cargo test\n")?;
    fs::set_permissions(dir.join("check.sh"), fs::Permissions::from_mode(0o755))?;
    fs::write(dir.join("picture.png"), noise(48 << 10, b"\x89PNG\r\n\x1a\n"))?;
    fs::write(dir.join("memory.dump"), noise(2 << 20, b""))?;
    symlink("notes.md", dir.join("latest"))?;
    Ok(())
}

/// Items in an order that takes neighbours far apart first, so that edits do not all land in one directory.
fn spread(files: Vec<String>) -> Vec<String> {
    let step = (files.len() / 6).max(1);
    let mut order: Vec<usize> = (0..files.len()).collect();
    order.sort_by_key(|at| (at % step, *at));
    order.into_iter().filter_map(|at| files.get(at).cloned()).collect()
}

/// Adds a remark to a line of words about one `part`-th into the file.
fn change_line(git: &Git, file: &str, part: usize, remark: &str) -> Done {
    let path = git.root().join(file);
    let text = fs::read_to_string(&path)?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let from = lines.len() / part;
    if let Some(line) = lines.iter_mut().skip(from).find(|line| line.trim().len() > 8) {
        *line = remarked(line, file, remark);
    }
    fs::write(path, lines.join("\n") + "\n")?;
    Ok(())
}

/// The line with a remark in the file's own kind of comment.
pub fn remarked(line: &str, file: &str, remark: &str) -> String {
    match Path::new(file).extension().and_then(|ext| ext.to_str()).unwrap_or_default() {
        "rs" | "c" | "h" | "cc" | "cpp" | "js" | "ts" | "tsx" | "go" | "java" | "swift" | "kt" => {
            format!("{line} // {remark}")
        }
        "py" | "sh" | "toml" | "yaml" | "yml" | "rb" | "pl" => format!("{line}  # {remark}"),
        _ => format!("{line} ({remark})"),
    }
}

/// Bytes that do not compress, the same in every run.
fn noise(len: usize, head: &[u8]) -> Vec<u8> {
    let mut bytes = head.to_vec();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_be_bytes());
    }
    bytes.truncate(len);
    bytes
}
