//! What git makes of a case: the merged tree, and what it says about conflicts.

use std::collections::BTreeSet;

use crate::git::{Git, Result, Tree};
use crate::history::Case;

/// A conflict, as git names it.
#[derive(Debug, Clone)]
pub struct Conflict {
    /// `CONFLICT (contents)` and the like.
    pub kind: String,
    pub paths: BTreeSet<Vec<u8>>,
    pub message: String,
}

pub struct Merged {
    pub tree: Tree,
    pub id: String,
    pub conflicts: Vec<Conflict>,
    /// Paths that git leaves with stages.
    pub staged: BTreeSet<Vec<u8>>,
    /// Everything else that it said, such as directories that it took for renamed.
    pub notes: Vec<Conflict>,
}

/// The id of the empty tree, as the source of attributes: no drivers, no line endings.
pub fn empty_tree(git: &Git) -> Result<String> {
    Ok(String::from_utf8_lossy(&git.feed(&["hash-object", "-w", "-t", "tree", "--stdin"], b"", None)?)
        .trim()
        .to_owned())
}

pub fn merge(git: &Git, empty: &str, case: &Case) -> Result<Merged> {
    let source = format!("--attr-source={empty}");
    let base = format!("--merge-base={}", case.base);
    let args = [&source, "merge-tree", "--write-tree", "-z", "--messages", &base, &case.ours, &case.theirs];
    let output = git.output(&args)?;
    if !matches!(output.status.code(), Some(0 | 1)) {
        return Err(format!("git merge-tree: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let mut fields = output.stdout.split(|byte| *byte == 0);
    let text = |field: Option<&[u8]>| String::from_utf8_lossy(field.unwrap_or_default()).into_owned();
    let id = text(fields.next());
    let mut staged = BTreeSet::new();
    if output.status.code() == Some(1) {
        for field in fields.by_ref().take_while(|field| !field.is_empty()) {
            if let Some(tab) = field.iter().position(|byte| *byte == b'\t') {
                staged.insert(field.iter().skip(tab + 1).copied().collect());
            }
        }
    } else {
        // An empty field stands where the conflicts would.
        fields.next();
    }
    let (mut conflicts, mut notes) = (Vec::new(), Vec::new());
    while let Some(count) = fields.next().and_then(|field| text(Some(field)).parse::<usize>().ok()) {
        let paths = fields.by_ref().take(count).map(<[u8]>::to_vec).collect();
        let said = Conflict { paths, kind: text(fields.next()), message: text(fields.next()) };
        if said.kind.starts_with("CONFLICT") { conflicts.push(said) } else { notes.push(said) }
    }
    Ok(Merged { tree: git.tree(&id)?, id, conflicts, staged, notes })
}
