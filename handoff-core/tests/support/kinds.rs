//! The kinds of change in a snapshot, for counting what a generator met.

use std::collections::BTreeSet;

use handoff_core::Snapshot;
use handoff_core::snapshot::{Entry, Mode};

use super::states::{Action, Story};

/// Every kind that [`kinds`] can tell.
pub const KINDS: &[&str] = &[
    "nothing changed",
    "detached HEAD",
    "racy: changed within the index's own time",
    "index not refreshed since",
    "modified",
    "staged",
    "staged, then modified",
    "staged, then deleted",
    "staged, then put back",
    "new, staged",
    "untracked",
    "deleted",
    "deleted, staged",
    "removed from the index only",
    "renamed, staged",
    "renamed and edited",
    "copied",
    "intent to add",
    "mode change",
    "mode change, staged",
    "type change to a link",
    "type change from a link",
    "new link",
    "link to a directory",
    "dangling link",
    "file becomes a directory",
    "directory becomes a file",
    "names that differ in case only",
    "empty file",
    "binary",
    "a line of 100,000 bytes",
    "CRLF in the bytes",
    "mixed line endings",
    "no newline at the end",
    "conflict markers as content",
    "attribute eol=crlf",
    "attribute working-tree-encoding",
    "attribute ident",
    "attribute filter",
    "ignore rules changed",
    "nested ignore file",
    "tracked file that is ignored",
    "name that is not UTF-8",
    "name with a newline",
    "name with quotes and spaces",
    "name with a tab or backslash",
    "name that looks like an option or a pattern",
    "name outside ASCII, composed",
    "name outside ASCII, decomposed",
];

/// The kinds of change that are in `snapshot`, which was made of `story`.
pub fn kinds(snapshot: &Snapshot, story: &Story) -> BTreeSet<&'static str> {
    let mut met = BTreeSet::new();
    let repo = &snapshot.manifest().repos[0];
    let mut add = |kind: &'static str, holds: bool| {
        if holds {
            assert!(KINDS.contains(&kind), "{kind} is not in the list");
            met.insert(kind);
        }
    };
    add("nothing changed", repo.entries.is_empty());
    add("detached HEAD", repo.head.branch.is_none() && repo.head.commit.is_some());
    add("racy: changed within the index's own time", story.racy && !repo.entries.is_empty());
    add("index not refreshed since", !story.refreshed && !repo.entries.is_empty());
    for (_, action) in &story.steps {
        add("renamed and edited", matches!(action, Action::Rename { then: Some(_), .. }));
    }
    let oids = |entry: &Entry| entry.worktree.as_ref().and_then(|state| state.oid);
    for entry in &repo.entries {
        states(entry, &mut add);
        names(entry, &mut add);
        contents(snapshot, entry, &mut add);
        let others = |wanted: &dyn Fn(&Entry) -> bool| {
            repo.entries.iter().any(|other| other.path != entry.path && wanted(other))
        };
        if entry.head.is_none() && entry.index.is_some() {
            let staged = entry.index.as_ref().and_then(|state| state.oid);
            add(
                "renamed, staged",
                others(&|other| {
                    other.index.is_none() && other.head.as_ref().is_some_and(|head| head.oid == staged)
                }),
            );
        }
        let (path, mine) = (entry.path.as_bytes(), oids(entry));
        // The same content as another path has: committed, or at its own new path.
        add("copied", entry.head.is_none() && mine.is_some() && others(&|other| oids(other) == mine));
        let below = [path, b"/"].concat();
        let is_above = others(&|other| other.path.as_bytes().starts_with(&below) && other.worktree.is_some());
        add("file becomes a directory", entry.worktree.is_none() && is_above);
        let was_above =
            others(&|other| other.path.as_bytes().starts_with(&below) && other.worktree.is_none());
        add("directory becomes a file", entry.worktree.is_some() && was_above);
    }
    met
}

fn states(entry: &Entry, add: &mut impl FnMut(&'static str, bool)) {
    let same = |a: &Option<handoff_core::snapshot::FileState>,
                b: &Option<handoff_core::snapshot::FileState>| {
        match (a, b) {
            (Some(a), Some(b)) => a.mode == b.mode && a.oid == b.oid,
            (None, None) => true,
            _ => false,
        }
    };
    let (head, index, disk) = (&entry.head, &entry.index, &entry.worktree);
    let intent = entry.flags.intent_to_add;
    let staged = !same(head, index) && !intent;
    let changed = !same(index, disk);
    let all = head.is_some() && index.is_some() && disk.is_some();
    add("modified", all && !staged && changed);
    add("staged", all && staged && !changed);
    add("staged, then modified", all && staged && changed && !same(head, disk));
    add("staged, then put back", all && staged && same(head, disk));
    add("staged, then deleted", staged && index.is_some() && disk.is_none());
    add("new, staged", head.is_none() && index.is_some() && !intent);
    add("untracked", entry.flags.untracked);
    add("deleted", head.is_some() && index.is_some() && disk.is_none());
    add("deleted, staged", head.is_some() && index.is_none() && disk.is_none());
    add("removed from the index only", head.is_some() && index.is_none() && disk.is_some());
    add("intent to add", intent);
    add(
        "tracked file that is ignored",
        !entry.flags.untracked && {
            let name = entry.path.name();
            name.ends_with(b".log") || entry.path.as_bytes().starts_with(b"build/") || name.ends_with(b".tmp")
        },
    );
    let mode =
        |state: &Option<handoff_core::snapshot::FileState>| state.as_ref().map(|state| state.mode.clone());
    let file = |mode: &Option<Mode>| mode.as_ref().is_some_and(Mode::is_file);
    let (was, is, on_disk) = (mode(head), mode(index), mode(disk));
    let link = Some(Mode::Symlink);
    add("mode change", file(&is) && file(&on_disk) && is != on_disk);
    add("mode change, staged", file(&was) && file(&is) && was != is);
    add("type change to a link", file(&was) && (is == link || on_disk == link));
    add("type change from a link", was == link && (file(&is) || file(&on_disk)));
    add("new link", was.is_none() && on_disk == link);
}

fn names(entry: &Entry, add: &mut impl FnMut(&'static str, bool)) {
    let path = entry.path.as_bytes();
    let has = |bytes: &[u8]| path.windows(bytes.len()).any(|window| window == bytes);
    add("names that differ in case only", path == b"README.MD");
    add("name that is not UTF-8", std::str::from_utf8(path).is_err());
    add("name with a newline", has(b"\n"));
    add("name with quotes and spaces", has(b"\"") || has(b" "));
    add("name with a tab or backslash", has(b"\t") || has(b"\\"));
    add("name that looks like an option or a pattern", path.starts_with(b"-") || has(b"*") || has(b"["));
    add("name outside ASCII, composed", has("é".as_bytes()));
    add("name outside ASCII, decomposed", has("e\u{301}".as_bytes()));
    add("attribute eol=crlf", path.ends_with(b".crlf"));
    add("attribute working-tree-encoding", path.ends_with(b".u16"));
    add("attribute ident", path.ends_with(b".id"));
    add("attribute filter", path.ends_with(b".lfs"));
    add("ignore rules changed", path == b".gitignore");
    add("nested ignore file", path == b"src/.gitignore");
}

fn contents(snapshot: &Snapshot, entry: &Entry, add: &mut impl FnMut(&'static str, bool)) {
    let Some(state) = &entry.worktree else { return };
    let Some(Ok(content)) = state.blob.as_ref().map(|blob| snapshot.blob(blob)) else { return };
    let content = content.as_slice();
    let has = |bytes: &[u8]| content.windows(bytes.len()).any(|window| window == bytes);
    if state.mode == Mode::Symlink {
        add("link to a directory", [&b"src"[..], b"."].contains(&content));
        add("dangling link", content == b"nowhere/at/all");
        return;
    }
    let count = |byte: u8| content.iter().filter(|other| **other == byte).count();
    let dos = content.windows(2).filter(|window| window == b"\r\n").count();
    add("empty file", content.is_empty());
    add("binary", content.iter().take(8000).any(|byte| *byte == 0));
    add("a line of 100,000 bytes", content.len() == 100_001);
    add("CRLF in the bytes", dos > 0 && dos == count(b'\n'));
    add("mixed line endings", dos > 0 && dos < count(b'\n'));
    add("no newline at the end", content.last().is_some_and(|byte| *byte != b'\n'));
    add("conflict markers as content", has(b"<<<<<<< ours\n"));
}
