//! Blocks of small entries in one object, so that a long conversation is read with few requests.

use std::sync::Arc;

use super::Conversations;
use super::entry::Entry;
use super::tip::{decode, log, pack_key};
use crate::error::Error;
use crate::id::ConversationId;
use crate::join;
use crate::log;
use crate::record;

/// Entries of one pack. Bounds are fixed, so that two packers write the same object.
pub(super) const BLOCK: u64 = 256;

/// Entries read at once while packing: somebody waits for the append that fills a block.
const READS: usize = 16;

impl Conversations {
    /// Packs the entries from `from`, a multiple of [`BLOCK`], on. A block too large for one record stays unpacked.
    pub(super) async fn pack(&self, id: &ConversationId, from: u64) -> Result<(), Error> {
        let log = log(&self.storage, id)?;
        let mut entries = Vec::new();
        let mut bytes = 0;
        for some in (from..from + BLOCK).step_by(READS) {
            let bodies = join::all((some..some + READS as u64).map(|seq| log.get(seq))).await;
            for (seq, body) in (some..).zip(bodies) {
                let body = body?.ok_or_else(|| Error::not_found(format!("entry {seq}")))?;
                bytes += body.len() as u64;
                if bytes > record::MAX_RECORD / 2 {
                    return Ok(());
                }
                entries.push(decode(id, seq, &body)?);
            }
        }
        let body = record::encode(&format!("pack {from} of conversation {id}"), &entries)?;
        log::put_new(&*self.storage, &pack_key(id, from)?, body).await?;
        Ok(())
    }

    /// The entries of the block that `seq` is in, from a pack; `None` where there is none.
    pub(super) async fn packed(&self, id: &ConversationId, seq: u64) -> Result<Option<Arc<[Entry]>>, Error> {
        let from = seq - seq % BLOCK;
        let Some(body) = log::get(&*self.storage, &pack_key(id, from)?).await? else { return Ok(None) };
        let entries: Vec<Entry> = record::decode(&format!("pack {from} of conversation {id}"), &body)?;
        Ok((entries.len() as u64 == BLOCK).then(|| entries.into()))
    }
}
