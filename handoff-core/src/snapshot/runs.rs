//! What a spool has collected: runs of blocks, which one after another are a snapshot's stream.

use std::collections::HashSet;

use super::limits::{Limits, within};
use super::store::{Blob, Block};
use crate::digest::Digest;
use crate::error::Error;

/// All that has been collected so far.
#[derive(Default)]
pub(super) struct State {
    pub known: HashSet<Digest>,
    pub runs: Vec<Run>,
    /// The block that small contents are being gathered into.
    pub open: Batch,
    /// Buffers of batches that are stored, to use again: new memory has to be cleared by the system first.
    pub spare: Vec<Vec<u8>>,
}

/// Small contents that will share a block.
#[derive(Default)]
pub(super) struct Batch {
    pub raw: Vec<u8>,
    /// What is in `raw`, in order: digest and length.
    pub blobs: Vec<(Digest, usize)>,
}

/// Blocks that are written by one thread, or by one call of `add_reader`.
pub(super) struct Run {
    /// What the run holds, in order: digest and length.
    pub blobs: Vec<(Digest, u64)>,
    /// In order; a block that is still being compressed is absent.
    pub blocks: Vec<Option<Block>>,
}

impl State {
    /// A new run of `blocks` blocks that are to come; for 0, as many as are set.
    pub fn reserve(&mut self, blocks: usize) -> usize {
        let blocks = std::iter::repeat_with(|| None).take(blocks).collect();
        self.runs.push(Run { blobs: Vec::new(), blocks });
        self.runs.len() - 1
    }

    /// Ends the batch: its run, and the bytes of its one block.
    pub fn close(&mut self) -> (usize, Vec<u8>) {
        let Batch { raw, blobs } = std::mem::take(&mut self.open);
        let run = self.reserve(1);
        if let Some(run) = self.runs.get_mut(run) {
            run.blobs = blobs.into_iter().map(|(digest, len)| (digest, len as u64)).collect();
        }
        (run, raw)
    }

    pub fn name(&mut self, run: usize, digest: Digest, len: u64) {
        if let Some(run) = self.runs.get_mut(run) {
            run.blobs = vec![(digest, len)];
        }
    }

    pub fn set(&mut self, run: usize, at: usize, block: Block) {
        let Some(run) = self.runs.get_mut(run) else { return };
        if run.blocks.len() <= at {
            run.blocks.resize_with(at + 1, || None);
        }
        if let Some(slot) = run.blocks.get_mut(at) {
            *slot = Some(block);
        }
    }

    pub fn set_blocks(&mut self, run: usize, blocks: Vec<Option<Block>>) {
        if let Some(run) = self.runs.get_mut(run) {
            run.blocks = blocks;
        }
    }

    pub fn abandon(&mut self, run: usize) {
        if let Some(run) = self.runs.get_mut(run) {
            *run = Run { blobs: Vec::new(), blocks: Vec::new() };
        }
    }

    /// The stream that all runs make: its blocks, and which content is where in it.
    pub fn into_stream(self) -> Result<(Vec<Block>, Vec<Blob>), Error> {
        let (mut blocks, mut blobs, mut end) = (Vec::new(), Vec::with_capacity(self.known.len()), 0);
        for run in self.runs {
            for (digest, len) in run.blobs {
                // The empty content is at the start by definition, so that a snapshot has one form of it.
                blobs.push(Blob { digest, start: if len == 0 { 0 } else { end }, len });
                end += len;
            }
            for block in run.blocks {
                // A block that was never stored: its `add` failed, and the error was not heeded.
                blocks.push(block.ok_or_else(|| Error::Truncated { what: "the spool".to_owned() })?);
            }
        }
        blobs.sort_unstable_by_key(|blob| blob.digest);
        within("the size of all blobs in bytes", end, Limits::CEILING.total_bytes)?;
        Ok((blocks, blobs))
    }
}
