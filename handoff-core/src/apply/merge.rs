//! Three-way merge of one text file, line endings put aside and those of the target's file put back.

use super::sides::{Reader, Trouble, held, is_mostly_crlf, to_crlf};
use super::state::{HELD, Here};
use crate::path::RelPath;
use crate::snapshot::FileState;
use crate::text::{self, Labels, Merged};

/// What merging came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// No overlap; the bytes to write.
    Clean(Vec<u8>),
    /// The sides overlap; the text with markers.
    Conflict(Vec<u8>),
    /// A side is not text, or too large to merge.
    NotText,
    /// The base is neither in the snapshot nor at the target.
    NoBase,
}

/// Merges `incoming` into what is `here`. Without a `base` both sides created the file, and everything that
/// differs is a conflict.
pub(super) fn three_way(
    reader: &mut Reader<'_>,
    path: &RelPath,
    base: Option<&FileState>,
    incoming: &FileState,
    here: &Here,
) -> Result<Outcome, Trouble> {
    let Some(raw) = held(here) else { return Ok(Outcome::NotText) };
    if incoming.size > HELD || base.is_some_and(|base| base.size > HELD) {
        return Ok(Outcome::NotText);
    }
    let base = match base {
        None => Vec::new(),
        Some(base) => match reader.stored(base)? {
            Some(bytes) => bytes,
            None => return Ok(Outcome::NoBase),
        },
    };
    let normal = reader.normalise(path, raw)?;
    let ours = normal.changed.as_deref().unwrap_or(raw);
    let carried = reader.carried(incoming)?;
    let theirs = match reader.incoming_stored(path, incoming, &carried)? {
        Some(stored) => stored,
        None if normal.converts => match reader.normalise(path, &carried)?.changed {
            Some(stored) => stored,
            None => carried,
        },
        None => carried,
    };
    // Bytes that are not in the form their attributes promise cannot be brought back into it.
    let broken = |raw: &Option<String>| raw.as_deref().is_some_and(|raw| !raw.starts_with("filter"));
    if broken(&normal.raw) {
        return Ok(Outcome::NotText);
    }
    if [&base, ours, &theirs].into_iter().any(text::is_binary) {
        return Ok(Outcome::NotText);
    }
    let label = format!("snapshot {}", short(reader));
    let labels = Labels { ours: "here", base: "base", theirs: &label };
    let merged = text::merge(&base, ours, &theirs, labels);
    let endings = Endings { converted: normal.changed.is_some(), ours, raw };
    Ok(match merged {
        Merged::Clean(text) => Outcome::Clean(endings.put_back(reader, path, text)?),
        Merged::Conflict { text, .. } => Outcome::Conflict(endings.put_back(reader, path, text)?),
    })
}

fn short(reader: &Reader<'_>) -> String {
    reader.snapshot.id().to_string().chars().take(12).collect()
}

/// How the target's file ends its lines.
struct Endings<'a> {
    /// Whether the file's bytes differ from their stored form.
    converted: bool,
    ours: &'a [u8],
    raw: &'a [u8],
}

impl Endings<'_> {
    fn put_back(&self, reader: &mut Reader<'_>, path: &RelPath, text: Vec<u8>) -> Result<Vec<u8>, Trouble> {
        if !self.converted {
            return Ok(text);
        }
        // Where the file is what git would check out, git's own conversion (which may be more than line
        // endings) is the way back. Else somebody chose other endings, and the file's majority counts.
        if reader.check_out(path, self.ours.to_vec(), self.raw)?.as_deref() == Some(self.raw)
            && let Some(text) = reader.check_out(path, text.clone(), self.raw)?
        {
            return Ok(text);
        }
        let Some(encoding) = reader.encoding(path)? else {
            return Ok(if is_mostly_crlf(self.raw) { to_crlf(&text) } else { text });
        };
        let here = encoding.decode(self.raw);
        let text = if here.is_some_and(|here| is_mostly_crlf(&here)) { to_crlf(&text) } else { text };
        encoding
            .encode(&text, self.raw)
            .ok_or_else(|| Trouble { reason: "encoding".into(), message: Some(UNENCODED.into()) })
    }
}

/// Why a merged text cannot be written.
const UNENCODED: &str = "the merged text does not fit the encoding that its attributes name";
