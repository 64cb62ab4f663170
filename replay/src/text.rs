//! The text merge alone, over files that both sides of a case changed.

use std::collections::HashSet;

use crate::git::{Git, Objects, Result, Tree};

#[derive(Debug, Default)]
pub struct Texts {
    seen: HashSet<[String; 3]>,
    pub clean: usize,
    pub conflicts: usize,
    /// Git merges, ours conflicts, because of the limit on work.
    pub careful: usize,
    /// Clean where git conflicts, or other bytes.
    pub wrong: Vec<String>,
}

impl Texts {
    pub fn triples(&self) -> usize {
        self.seen.len()
    }

    /// Merges every file that differs from the base on both sides, differently.
    pub fn merge(&mut self, git: &Git, objects: &mut Objects, trees: [&Tree; 3], most: usize) -> Result<()> {
        let [base, ours, theirs] = trees;
        for (path, (mode, id)) in base {
            let (Some(our), Some(their)) = (ours.get(path), theirs.get(path)) else { continue };
            let files = [mode, &our.0, &their.0].iter().all(|mode| mode.starts_with("100"));
            if !files || our.1 == *id || their.1 == *id || our.1 == their.1 || self.seen.len() >= most {
                continue;
            }
            let triple = [id.clone(), our.1.clone(), their.1.clone()];
            if self.seen.contains(&triple) {
                continue;
            }
            let contents = [objects.blob(id)?, objects.blob(&our.1)?, objects.blob(&their.1)?];
            if contents.iter().any(|content| content.iter().take(8000).any(|byte| *byte == 0)) {
                continue;
            }
            self.one(git, path, &triple, &contents)?;
            self.seen.insert(triple);
        }
        Ok(())
    }

    fn one(&mut self, git: &Git, path: &[u8], ids: &[String; 3], contents: &[Vec<u8>; 3]) -> Result<()> {
        let [base_id, our_id, their_id] = ids;
        let args = ["merge-file", "-p", "-q", "--object-id", "--diff-algorithm=histogram"];
        let output = git.output(&[&args[..], &[our_id, base_id, their_id]].concat())?;
        let failed = output.status.code().is_none_or(|code| code > 127);
        if failed {
            return Err(format!("git merge-file: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        let [base, ours, theirs] = contents;
        let merged = handoff_core::testing::merge_texts(base, ours, theirs);
        let place = format!("{} ({base_id}, {our_id}, {their_id})", path.escape_ascii());
        match (output.status.success(), merged) {
            (true, Some(text)) if text == output.stdout => self.clean += 1,
            (true, Some(_)) => self.wrong.push(format!("other bytes: {place}")),
            (true, None) => self.careful += 1,
            (false, Some(_)) => self.wrong.push(format!("clean, and git conflicts: {place}")),
            (false, None) => self.conflicts += 1,
        }
        Ok(())
    }
}
