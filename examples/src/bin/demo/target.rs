//! The other machine: a clone that has moved on by commits which touch what the snapshot touches.

use std::fs;
use std::path::Path;

use console::style;
use handoff_core::Snapshot;
use handoff_core::snapshot::{Entry, Mode};

use crate::Done;
use crate::git::Git;
use crate::source::remarked;

pub struct Prepared {
    pub git: Git,
    /// What happened there, one line per commit.
    pub story: Vec<String>,
    /// The commit that both sides started from.
    pub base: Option<String>,
}

pub fn prepare(source: &Git, snapshot: &Snapshot, scratch: &Path) -> Done<Prepared> {
    let git = source.clone_to(&scratch.join("cloud"))?;
    let mut story = vec![format!("{} is a second clone", style(git.root().display()).cyan())];
    let base = git.head();
    if base.is_none() {
        story.push("There is no commit yet, so it has nothing to move on from.".to_owned());
        return Ok(Prepared { git, story, base });
    }
    let start = git.place();
    let entries: Vec<&Entry> =
        snapshot.manifest().repos.iter().take(1).flat_map(|repo| &repo.entries).collect();
    let mut edits: Vec<Edit> = entries.iter().filter_map(|entry| Edit::find(&git, snapshot, entry)).collect();

    if let Some(at) = edits.iter().position(|edit| edit.apart.is_some()) {
        let edit = edits.remove(at);
        edit.elsewhere(&git)?;
        story.push(commit(&git, &format!("Edit another part of {}", edit.file), "will merge")?);
    }
    if !edits.is_empty() {
        let edit = edits.remove(0);
        edit.same_place(&git)?;
        story.push(commit(&git, &format!("Edit the same line of {}", edit.file), "will conflict")?);
    } else if let Some(file) = entries.iter().find_map(|entry| new_file(entry)) {
        let path = git.root().join(&file);
        fs::create_dir_all(path.parent().unwrap_or(git.root()))?;
        fs::write(path, "Written on the other machine, under a name that the laptop uses too.\n")?;
        story.push(commit(&git, &format!("Create {file} with other content"), "will conflict")?);
    }
    if let Some(edit) = edits.pop() {
        let to = renamed(&edit.file);
        git.run(&["mv", "--", &edit.file, &to])?;
        story.push(commit(&git, &format!("Rename {} to {to}", edit.file), "the change should follow")?);
    }
    story.push(format!("from {start} to {}", git.place()));
    Ok(Prepared { git, story, base })
}

fn commit(git: &Git, subject: &str, effect: &str) -> Done<String> {
    git.run(&["add", "--all", "--force"])?;
    git.run(&["commit", "--quiet", "--message", subject])?;
    let id = git.lines(&["rev-parse", "--short", "HEAD"])?.concat();
    Ok(format!("{} {subject} {}", style(id).yellow(), style(format!("({effect})")).dim()))
}

/// A file that the snapshot creates, when its name is plain text.
fn new_file(entry: &Entry) -> Option<String> {
    let made =
        entry.head.is_none() && entry.worktree.as_ref().is_some_and(|state| state.mode == Mode::Regular);
    let path = std::str::from_utf8(entry.path.as_bytes()).ok()?;
    made.then(|| path.to_owned())
}

/// `dir/name.ext` as `dir/name_moved.ext`.
fn renamed(file: &str) -> String {
    let path = Path::new(file);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(ext) => format!("{stem}_moved.{}", ext.to_string_lossy()),
        None => format!("{stem}_moved"),
    };
    path.with_file_name(name).to_string_lossy().into_owned()
}

/// A text file that the snapshot changes, and where.
struct Edit {
    file: String,
    lines: Vec<String>,
    /// Lines of the target that the snapshot changes, from and up to; empty for an insertion.
    changed: (usize, usize),
    /// A line far enough from those to be edited without touching them.
    apart: Option<usize>,
}

impl Edit {
    fn find(git: &Git, snapshot: &Snapshot, entry: &Entry) -> Option<Self> {
        let (_, worktree) = (entry.head.as_ref()?, entry.worktree.as_ref()?);
        if !worktree.mode.is_file() || worktree.size > 1 << 20 || entry.flags.raw.is_some() {
            return None;
        }
        let file = std::str::from_utf8(entry.path.as_bytes()).ok()?.to_owned();
        let base = fs::read_to_string(git.root().join(&file)).ok()?;
        let theirs = String::from_utf8(snapshot.blob(worktree.blob.as_ref()?).ok()?).ok()?;
        if base.contains(['\0', '\r']) || theirs.contains(['\0', '\r']) {
            return None;
        }
        let lines: Vec<String> = base.lines().map(str::to_owned).collect();
        let new: Vec<&str> = theirs.lines().collect();
        let same = |(old, new): &(&String, &&str)| old.as_str() == **new;
        let head = lines.iter().zip(&new).take_while(same).count();
        let rest = (lines.len() - head).min(new.len() - head);
        let tail = lines.iter().rev().zip(new.iter().rev()).take(rest).take_while(same).count();
        let changed = (head, lines.len() - tail);
        if lines.is_empty() || (head == lines.len() && head == new.len()) {
            return None;
        }
        // Context lines between the two edits keep them apart for any diff.
        let wordy = |at: &usize| lines.get(*at).is_some_and(|line| line.trim().len() > 8);
        let apart = (changed.1 + 8..lines.len())
            .rev()
            .find(wordy)
            .or_else(|| (0..head.saturating_sub(8)).find(wordy));
        Some(Self { file, changed, apart, lines })
    }

    fn elsewhere(&self, git: &Git) -> Done {
        let mut lines = self.lines.clone();
        if let Some(line) = self.apart.and_then(|at| lines.get_mut(at)) {
            *line = remarked(line, &self.file, "written on the other machine");
        }
        self.write(git, &lines)
    }

    fn same_place(&self, git: &Git) -> Done {
        let mut lines = self.lines.clone();
        let (from, to) = self.changed;
        match lines.get_mut(from).filter(|_| from < to) {
            Some(line) => *line = remarked(line, &self.file, "written differently on the other machine"),
            None => {
                lines.insert(from.min(lines.len()), remarked("", &self.file, "put here on the other machine"))
            }
        }
        self.write(git, &lines)
    }

    fn write(&self, git: &Git, lines: &[String]) -> Done {
        Ok(fs::write(git.root().join(&self.file), lines.join("\n") + "\n")?)
    }
}
