//! The index of a bundle: where each block's frame is, and which range of their stream each blob is.

use super::frame::Fields;
use crate::digest::Digest;
use crate::error::Error;
use crate::snapshot::blob::MAX_BLOCK;
use crate::snapshot::limits::{Limits, within};
use crate::snapshot::store::Blob;

const COUNTS_LEN: usize = 8;
const ROW_LEN: usize = 20;
const BLOB_LEN: usize = 48;

/// What the index says of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    /// Where its frame begins.
    pub offset: u64,
    pub stored: u32,
    pub raw: u32,
    pub crc: u32,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Index {
    pub rows: Vec<Row>,
    pub blobs: Vec<Blob>,
}

impl Index {
    pub(super) fn encode(rows: &[Row], blobs: &[Blob]) -> Vec<u8> {
        let mut out = Vec::with_capacity(COUNTS_LEN + rows.len() * ROW_LEN + blobs.len() * BLOB_LEN);
        // Both counts are below 2^32: `Limits::CEILING` holds for writers, too.
        out.extend_from_slice(&(rows.len() as u32).to_le_bytes());
        out.extend_from_slice(&(blobs.len() as u32).to_le_bytes());
        for row in rows {
            out.extend_from_slice(&row.offset.to_le_bytes());
            for field in [row.stored, row.raw, row.crc] {
                out.extend_from_slice(&field.to_le_bytes());
            }
        }
        for blob in blobs {
            out.extend_from_slice(blob.digest.as_bytes());
            out.extend_from_slice(&blob.start.to_le_bytes());
            out.extend_from_slice(&blob.len.to_le_bytes());
        }
        out
    }

    /// The longest index within `limits`, in bytes.
    pub(super) fn max_len(limits: &Limits) -> u64 {
        COUNTS_LEN as u64 + limits.blocks() * ROW_LEN as u64 + limits.blobs() * BLOB_LEN as u64
    }

    /// Checks everything but whether the offsets are right.
    pub(super) fn decode(bytes: &[u8], limits: &Limits, what: &str) -> Result<Self, Error> {
        let fault = |why: &str| Error::format(format!("the index of {what}"), why);
        let mut fields = Fields(bytes);
        let (rows, blobs) = (fields.u32() as usize, fields.u32() as usize);
        within("the number of blocks", rows as u64, limits.blocks())?;
        within("the number of blobs", blobs as u64, limits.blobs())?;
        if bytes.len() != COUNTS_LEN + rows * ROW_LEN + blobs * BLOB_LEN {
            return Err(fault("its length does not fit its counts"));
        }
        let rows: Vec<Row> = (0..rows)
            .map(|_| Row { offset: fields.u64(), stored: fields.u32(), raw: fields.u32(), crc: fields.u32() })
            .collect();
        let blobs: Vec<Blob> = (0..blobs)
            .map(|_| Blob {
                digest: Digest::from_bytes(fields.take().unwrap_or_default()),
                start: fields.u64(),
                len: fields.u64(),
            })
            .collect();
        if rows.iter().any(|row| !(1..=MAX_BLOCK).contains(&row.raw) || !(1..=row.raw).contains(&row.stored))
        {
            return Err(fault("a block's lengths are out of range"));
        }
        let total = rows.iter().map(|row| u64::from(row.raw)).sum();
        within("the size of all blobs in bytes", total, limits.total_bytes)?;
        if !blobs.is_sorted_by(|a, b| a.digest < b.digest) {
            return Err(fault("its blobs are not in order of digest"));
        }
        if !tiles(&blobs, total) {
            return Err(fault("its blobs do not cover the blocks exactly once"));
        }
        Ok(Self { rows, blobs })
    }
}

/// Whether every byte of a stream of `total` bytes is in exactly one blob; empty blobs start at 0. Ranges
/// that overlap would let a small file ask for an unbounded amount of work.
fn tiles(blobs: &[Blob], total: u64) -> bool {
    let mut ranges: Vec<(u64, u64)> = blobs.iter().map(|blob| (blob.start, blob.len)).collect();
    ranges.sort_unstable();
    let mut end = 0_u64;
    for (start, len) in ranges {
        if start != end || (len == 0 && start != 0) {
            return false;
        }
        let Some(next) = end.checked_add(len) else { return false };
        end = next;
    }
    end == total
}
