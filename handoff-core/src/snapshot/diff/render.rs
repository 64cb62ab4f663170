//! A diff as text, in the format of git.

use super::{Change, ChangeKind, Origin, RepoDiff, SnapshotDiff, git_mode};
use crate::error::Error;
use crate::id::Oid;
use crate::snapshot::{Eol, FileState, Mode};
use crate::text;

/// Larger files are treated like binary ones.
const MAX_TEXT: u64 = 32 << 20;

/// Lines of context, as git's default.
const CONTEXT: usize = 3;

/// What to do about a content that cannot be read: given where to write, the path and the error.
type OnError = fn(&mut Vec<u8>, &[u8], Error) -> Result<(), Error>;

impl SnapshotDiff {
    pub(super) fn render(&self, out: &mut Vec<u8>, on_error: OnError) -> Result<(), Error> {
        for repo in &self.repos {
            if repo.repo.is_empty() {
                out.extend_from_slice(b"# files outside any repository\n");
            } else if self.repos.len() > 1 {
                out.extend_from_slice(b"# repository ");
                out.extend_from_slice(&quote(repo.repo.as_bytes()));
                out.push(b'\n');
            }
            if !repo.same_head {
                out.extend_from_slice(b"# HEAD differs: what only commits changed is not shown\n");
            }
            for path in &repo.unknown {
                note(out, path.as_bytes(), "not captured");
            }
            for change in &repo.changes {
                self.change(out, repo, change, on_error)?;
            }
        }
        Ok(())
    }

    fn change(
        &self,
        out: &mut Vec<u8>,
        repo: &RepoDiff,
        change: &Change,
        on_error: OnError,
    ) -> Result<(), Error> {
        let old = change.old.as_ref().map(|state| (state, change.old_from));
        let new = change.new.as_ref().map(|state| (state, change.new_from));
        // Git shows a file that became a symlink as two changes, since no patch turns one into the other.
        let parts: &[(Side<'_>, Side<'_>)] =
            if change.kind == ChangeKind::TypeChanged { &[(old, None), (None, new)] } else { &[(old, new)] };
        for (old, new) in parts {
            header(out, change, old.map(|old| old.0), new.map(|new| new.0));
            if old.zip(*new).is_some_and(|(old, new)| same_content(old.0, new.0)) {
                continue;
            }
            let read = |side: &Side<'_>| self.side(side, repo, change);
            match read(old).and_then(|old| Ok((old, read(new)?))) {
                Ok((old, new)) => body(out, change.path.as_bytes(), &old, &new),
                Err(error) => on_error(out, change.path.as_bytes(), error)?,
            }
        }
        Ok(())
    }

    /// What a side of a change is to a diff.
    fn side(&self, side: &Side<'_>, repo: &RepoDiff, change: &Change) -> Result<Content, Error> {
        let Some((state, from)) = side else { return Ok(Content::Nothing) };
        if state.mode == Mode::Gitlink {
            let line = state.oid.map(|oid| format!("Subproject commit {oid}\n").into_bytes());
            return Ok(line.map_or(Content::Absent, Content::Text));
        }
        if state.size > MAX_TEXT {
            return Ok(Content::Binary);
        }
        let Some(content) = self.content(*from, &repo.repo, &change.path)? else {
            return Ok(Content::Absent);
        };
        if text::is_binary(&content) {
            return Ok(Content::Binary);
        }
        // Git compares what it would commit, so line endings that come from its own settings do not count.
        let native = state.eol == Some(Eol::Native);
        Ok(Content::Text(if native { without_carriage_returns(&content) } else { content }))
    }
}

type Side<'a> = Option<(&'a FileState, Origin)>;

enum Content {
    /// No file.
    Nothing,
    Text(Vec<u8>),
    /// Not shown: binary, or too large.
    Binary,
    /// The snapshot does not carry it.
    Absent,
}

fn same_content(old: &FileState, new: &FileState) -> bool {
    old.oid.is_some() && old.oid == new.oid || old.blob.is_some() && old.blob == new.blob
}

/// A line that `git apply` passes over.
pub(super) fn note(out: &mut Vec<u8>, path: &[u8], what: &str) {
    out.extend_from_slice(b"# ");
    out.extend_from_slice(&quote(path));
    out.extend_from_slice(b": ");
    out.extend(what.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }));
    out.push(b'\n');
}

fn header(out: &mut Vec<u8>, change: &Change, old: Option<&FileState>, new: Option<&FileState>) {
    let path = change.path.as_bytes();
    line(out, &[b"diff --git ", &quote(&prefixed(b"a/", path)), b" ", &quote(&prefixed(b"b/", path))]);
    let mut shared_mode = None;
    match (old, new) {
        (None, Some(new)) => line(out, &[b"new file mode ", git_mode(&new.mode).as_bytes()]),
        (Some(old), None) => line(out, &[b"deleted file mode ", git_mode(&old.mode).as_bytes()]),
        (Some(old), Some(new)) if old.mode != new.mode => {
            line(out, &[b"old mode ", git_mode(&old.mode).as_bytes()]);
            line(out, &[b"new mode ", git_mode(&new.mode).as_bytes()]);
        }
        (Some(old), Some(_)) => shared_mode = Some(git_mode(&old.mode)),
        (None, None) => {}
    }
    if old.zip(new).is_some_and(|(old, new)| same_content(old, new)) {
        return;
    }
    // Without both ids the line would be wrong, and a patch is whole without it.
    let ids = (old.map(|state| state.oid), new.map(|state| state.oid));
    let (old, new) = match ids {
        (Some(Some(old)), Some(Some(new))) => (old.to_string(), new.to_string()),
        (None, Some(Some(new))) => (zeros(&new), new.to_string()),
        (Some(Some(old)), None) => (old.to_string(), zeros(&old)),
        _ => return,
    };
    let mode = shared_mode.map(|mode| format!(" {mode}")).unwrap_or_default();
    line(out, &[b"index ", old.as_bytes(), b"..", new.as_bytes(), mode.as_bytes()]);
}

fn body(out: &mut Vec<u8>, path: &[u8], old: &Content, new: &Content) {
    let name = |prefix: &[u8], content: &Content| match content {
        Content::Nothing => b"/dev/null".to_vec(),
        _ => quote(&prefixed(prefix, path)),
    };
    let (old_name, new_name) = (name(b"a/", old), name(b"b/", new));
    let text = |content| match content {
        &Content::Nothing => Ok([].as_slice()),
        Content::Text(text) => Ok(text.as_slice()),
        Content::Binary => Err(true),
        Content::Absent => Err(false),
    };
    match (text(old), text(new)) {
        (Ok(old), Ok(new)) => {
            let hunks = text::unified(old, new, CONTEXT);
            if !hunks.is_empty() {
                // A tab tells where a name with spaces ends.
                let tab = |name: &[u8]| -> &[u8] { if name.contains(&b' ') { b"\t" } else { b"" } };
                line(out, &[b"--- ", &old_name, tab(&old_name)]);
                line(out, &[b"+++ ", &new_name, tab(&new_name)]);
                out.extend_from_slice(&hunks);
            }
        }
        (Err(false), _) | (_, Err(false)) => note(out, path, "a side's content is not in the snapshot"),
        _ => line(out, &[b"Binary files ", &old_name, b" and ", &new_name, b" differ"]),
    }
}

fn line(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
    out.push(b'\n');
}

fn prefixed(prefix: &[u8], path: &[u8]) -> Vec<u8> {
    [prefix, path].concat()
}

fn zeros(like: &Oid) -> String {
    "0".repeat(like.as_bytes().len() * 2)
}

fn without_carriage_returns(content: &[u8]) -> Vec<u8> {
    let next = content.iter().skip(1).map(Some).chain([None]);
    let kept = content.iter().zip(next).filter(|(byte, next)| **byte != b'\r' || *next != Some(&b'\n'));
    kept.map(|(byte, _)| *byte).collect()
}

/// A path as git prints it: in double quotes with C escapes when it has bytes that need them.
pub(super) fn quote(path: &[u8]) -> Vec<u8> {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if path.iter().all(plain) {
        return path.to_vec();
    }
    let mut out = vec![b'"'];
    for byte in path {
        let short = match byte {
            0x07 => b'a',
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0b => b'v',
            0x0c => b'f',
            b'\r' => b'r',
            b'"' => b'"',
            b'\\' => b'\\',
            byte if plain(byte) => {
                out.push(*byte);
                continue;
            }
            byte => {
                out.extend_from_slice(format!("\\{byte:03o}").as_bytes());
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    }
    out.push(b'"');
    out
}
