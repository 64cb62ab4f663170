//! Whether the storage has what it said it keeps.

use super::Conversations;
use super::pack::BLOCK;
use super::tip::{decode, log, name, pack_key};
use crate::digest::Digest;
use crate::error::Error;
use crate::id::ConversationId;
use crate::join;
use crate::log;

/// Entries read at once.
const READS: u64 = 16;

impl Conversations {
    /// Reads back what was appended with `epoch`, from the end that this process knows, each entry against the hash that
    /// the one after it names. Of a block that is packed only the first: it was read when it was packed.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for an entry that is another, or is not there; [`Error::Storage`].
    pub(in crate::handoff) async fn kept(&self, id: &ConversationId, epoch: u64) -> Result<(), Error> {
        let Some(tip) = self.tips.get(id) else { return Ok(()) };
        let log = log(&self.storage, id)?;
        let (mut last, mut digest) = (tip.seq, Some(tip.digest));
        loop {
            let block = last - last % BLOCK;
            let whole = last + 1 == block + BLOCK;
            let packed =
                whole && log::get_range(&*self.storage, &pack_key(id, block)?, 0..1).await?.is_some();
            let from = if packed { block } else { block.max(last.saturating_sub(READS - 1)) };
            let to = if packed { from } else { last };
            let bodies = join::all((from..=to).map(|seq| log.get(seq))).await;
            for (at, body) in bodies.into_iter().enumerate().rev() {
                let seq = from + at as u64;
                let ours = |body: &bytes::Bytes| digest.is_none_or(|digest| Digest::of(body) == digest);
                let lost = || Error::Corrupt { what: name(id, seq) };
                // The hash of a packed block's first entry stands in one that is not read.
                let body = body?.filter(|body| packed || ours(body)).ok_or_else(lost)?;
                let entry = decode(id, seq, &body)?;
                if entry.epoch < epoch {
                    return Ok(());
                }
                digest = entry.prev;
            }
            let Some(before) = from.checked_sub(1) else { return Ok(()) };
            last = before;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use futures_lite::future::block_on;

    use super::*;
    use crate::conversation::Message;
    use crate::handoff::AppendRequest;
    use crate::storage::{MemoryStorage, Storage as _};

    #[test]
    fn an_entry_that_is_gone_is_missed_as_far_back_as_it_is_not_packed() {
        let memory = MemoryStorage::new();
        let conversations = Conversations::new(Arc::new(memory.clone()));
        let id = block_on(conversations.create(&"ana".parse().unwrap())).unwrap().id;
        for number in 0..600 {
            // Somebody else's before the first hundred.
            let epoch = u64::from(number >= 100);
            let request =
                AppendRequest { epoch, ..AppendRequest::new(vec![Message::user(number.to_string())]) };
            block_on(conversations.append(&id, request)).unwrap();
        }
        let kept = |epoch| block_on(conversations.kept(&id, epoch));
        kept(0).unwrap();
        kept(1).unwrap();
        let without = |seq| {
            let key = log(&conversations.storage, &id).unwrap().key(seq).unwrap();
            let body = block_on(memory.get(&key, None)).unwrap().unwrap();
            block_on(memory.delete(std::slice::from_ref(&key))).unwrap();
            let found = kept(1);
            block_on(memory.put_new(&key, body)).unwrap();
            found
        };
        for seq in [600, 580, 512] {
            assert!(matches!(without(seq), Err(Error::Corrupt { .. })), "{seq}");
        }
        without(300).unwrap();
        // Without its pack, the block is read.
        block_on(memory.delete(&[pack_key(&id, 256).unwrap()])).unwrap();
        assert!(matches!(without(300), Err(Error::Corrupt { .. })));
        kept(1).unwrap();
    }
}
