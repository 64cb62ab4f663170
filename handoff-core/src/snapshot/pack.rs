//! One content at a time, compressed for a storage, where each must be readable without the others.

use std::io::{self, Read, Write};

/// As for blocks of a bundle; the few bytes that a higher level saves cost more time than sending them.
const LEVEL: i32 = 1;

/// The window a decoder may be asked to keep: 8 MiB.
const WINDOW_LOG_MAX: u32 = 23;

/// The compressed form of `content`; `None` when that saves nothing worth having.
pub(crate) fn squeeze(content: &[u8]) -> Option<Vec<u8>> {
    let packed = zstd::bulk::compress(content, LEVEL).ok()?;
    (packed.len() + content.len() / 32 < content.len()).then_some(packed)
}

/// Compresses what is written to it into `out`. [`zstd::stream::write::Encoder::finish`] ends the frame.
pub(crate) fn squeezer<W: Write>(out: W) -> io::Result<zstd::stream::write::Encoder<'static, W>> {
    zstd::stream::write::Encoder::new(out, LEVEL)
}

/// Reads what was squeezed, and stops one byte after `len`, whatever a header claims.
pub(crate) fn expander<'a>(stored: impl Read + Send + 'a, len: u64) -> io::Result<Box<dyn Read + Send + 'a>> {
    let mut decoder = zstd::stream::read::Decoder::new(stored)?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(Box::new(decoder.take(len.saturating_add(1))))
}
