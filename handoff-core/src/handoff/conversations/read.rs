//! Reading ranges of a conversation, through its forks, in bounded memory.

use std::sync::Arc;

use super::Conversations;
use super::entry::{Entry, Segment};
use super::pack::BLOCK;
use super::tip::{Tip, decode, log};
use crate::conversation::Message;
use crate::error::Error;
use crate::id::{ConversationId, MessageId};

/// Messages looked through at once when a message is searched for by its id.
const STRIDE: u64 = 256;

/// Entries at hand while reading forwards.
#[derive(Default)]
struct Window {
    /// The number of the first; absent before the first look.
    from: Option<u64>,
    /// None where the block has no pack, which is remembered too.
    entries: Option<Arc<[Entry]>>,
}

impl Conversations {
    /// All stretches of the conversation, its own last: who holds them, and where they end.
    pub(super) async fn stretches(&self, id: &ConversationId, tip: &Tip) -> Result<Vec<Segment>, Error> {
        let mut past = Vec::new();
        if tip.entry.lineage.is_some() {
            past = self.single(id, 0).await?.past;
        }
        if past.last().map_or(0, |segment| segment.end) < tip.entry.end() {
            past.push(Segment { conversation: *id, end: tip.entry.end(), seq: tip.seq });
        }
        Ok(past)
    }

    pub(super) async fn read(
        &self,
        id: &ConversationId,
        tip: &Tip,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Message>, Error> {
        let end = tip.entry.end().min(from.saturating_add(limit as u64));
        let mut messages = Vec::new();
        // The last entry is at hand already; a follower of a live conversation wants nothing else.
        if from >= tip.entry.first {
            let skip = (from - tip.entry.first) as usize;
            messages.extend(tip.entry.messages.iter().skip(skip).take(limit).cloned());
            return Ok(messages);
        }
        let mut at = from;
        let mut begin = 0;
        for segment in self.stretches(id, tip).await? {
            let stop = segment.end.min(end);
            if at < stop && begin <= at {
                self.read_stretch(&segment, at, stop, &mut messages).await?;
                at = stop;
            }
            begin = segment.end;
        }
        Ok(messages)
    }

    /// Messages `at..stop` of a conversation's own log.
    async fn read_stretch(
        &self,
        segment: &Segment,
        mut at: u64,
        stop: u64,
        messages: &mut Vec<Message>,
    ) -> Result<(), Error> {
        let id = &segment.conversation;
        let (mut seq, _) = self.entry_with(id, segment.seq, at).await?;
        let mut window = Window::default();
        while at < stop {
            let entry = self.next(id, seq, segment.seq, &mut window).await?;
            let skip = at.checked_sub(entry.first).ok_or_else(|| out_of_order(id, seq))?;
            let want = (stop - at) as usize;
            let before = messages.len();
            messages.extend(entry.messages.iter().skip(skip as usize).take(want).cloned());
            at += (messages.len() - before) as u64;
            if entry.end() < at || (seq >= segment.seq && at < stop) {
                return Err(out_of_order(id, seq));
            }
            seq += 1;
        }
        Ok(())
    }

    /// Entry `seq`, from a pack where the whole block lies before `last` and a pack is there.
    async fn next(
        &self,
        id: &ConversationId,
        seq: u64,
        last: u64,
        window: &mut Window,
    ) -> Result<Entry, Error> {
        let block = seq - seq % BLOCK;
        let whole = block + BLOCK - 1 <= last;
        if whole && window.from != Some(block) {
            *window = Window { from: Some(block), entries: self.packed(id, seq).await? };
        }
        let packed = window.entries.as_ref().filter(|_| window.from == Some(block));
        match packed.and_then(|entries| entries.get((seq - block) as usize)) {
            Some(entry) => Ok(entry.clone()),
            None => self.single(id, seq).await,
        }
    }

    /// Entry `seq` by itself.
    pub(super) async fn single(&self, id: &ConversationId, seq: u64) -> Result<Entry, Error> {
        let body = log(&self.storage, id)?.get(seq).await?;
        let body = body.ok_or_else(|| Error::not_found(format!("entry {seq} of conversation {id}")))?;
        decode(id, seq, &body)
    }

    /// The entry of `id`'s own log, at or before `last`, that holds message `index`: in steps back from the end,
    /// since most want what was said last and fences may follow it, then by bisection.
    pub(super) async fn entry_with(
        &self,
        id: &ConversationId,
        last: u64,
        index: u64,
    ) -> Result<(u64, Entry), Error> {
        let (mut low, mut high) = (0, last + 1);
        for back in [0, 1, 2, 4, 8] {
            let Some(seq) = last.checked_sub(back) else { break };
            let entry = self.single(id, seq).await?;
            if entry.first <= index && index < entry.end() {
                return Ok((seq, entry));
            }
            if entry.end() <= index {
                low = seq + 1;
                break;
            }
            high = seq;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = self.single(id, middle).await?;
            if entry.first <= index && index < entry.end() {
                return Ok((middle, entry));
            }
            if entry.end() <= index { low = middle + 1 } else { high = middle }
        }
        Err(Error::not_found(format!("message number {index} of conversation {id}")))
    }

    /// Which number the message `wanted` has, looking from the end.
    pub(super) async fn position(
        &self,
        id: &ConversationId,
        tip: &Tip,
        wanted: &MessageId,
    ) -> Result<u64, Error> {
        let mut end = tip.entry.end();
        while end > 0 {
            let from = end.saturating_sub(STRIDE);
            let messages = self.read(id, tip, from, (end - from) as usize).await?;
            if let Some(at) = messages.iter().rposition(|message| message.id == *wanted) {
                return Ok(from + at as u64);
            }
            end = from;
        }
        Err(Error::not_found(format!("message {wanted} in conversation {id}")))
    }
}

fn out_of_order(id: &ConversationId, seq: u64) -> Error {
    Error::Corrupt { what: format!("entry {seq} of conversation {id}") }
}
