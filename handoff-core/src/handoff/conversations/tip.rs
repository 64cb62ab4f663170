//! The end of a conversation's log: finding it, remembering it, stepping on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Conversations;
use super::entry::Entry;
use crate::clock::{Clock as _, SystemClock};
use crate::digest::Digest;
use crate::error::Error;
use crate::id::ConversationId;
use crate::log::{self, Log};
use crate::record;
use crate::storage::{Key, Storage};

/// Numbers that a hint may be behind before a reader mends it.
const FAR: u64 = 8;

/// Heads remembered per process. What is forgotten is found again.
const REMEMBERED: usize = 1024;

/// The last entry of a log.
#[derive(Debug, Clone)]
pub(super) struct Tip {
    pub(super) seq: u64,
    pub(super) digest: Digest,
    pub(super) entry: Arc<Entry>,
}

impl Tip {
    pub(super) fn new(seq: u64, body: &[u8], entry: Entry) -> Self {
        Self { seq, digest: Digest::of(body), entry: Arc::new(entry) }
    }
}

/// Remembered tips, and when a hint was last written. Only ever a place to begin looking from.
#[derive(Debug, Default)]
pub(super) struct Tips(Mutex<HashMap<ConversationId, Known>>);

#[derive(Debug)]
struct Known {
    tip: Tip,
    /// By the monotonic clock, in seconds.
    hinted: Option<u64>,
}

impl Tips {
    pub(super) fn get(&self, id: &ConversationId) -> Option<Tip> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).map(|known| known.tip.clone())
    }

    pub(super) fn keep(&self, id: ConversationId, tip: Tip) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED && !known.contains_key(&id) {
            known.clear();
        }
        match known.get_mut(&id) {
            Some(known) if known.tip.seq <= tip.seq => known.tip = tip,
            Some(_) => {}
            None => drop(known.insert(id, Known { tip, hinted: None })),
        }
    }

    /// Whether a hint is due: at most one a second for one conversation, since some stores allow no more.
    pub(super) fn hint_is_due(&self, id: &ConversationId) -> bool {
        let now = SystemClock.monotonic().as_secs();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = known.get_mut(id) else { return false };
        let due = known.hinted != Some(now);
        known.hinted = Some(now);
        due
    }
}

/// Where to begin looking; never trusted.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Hint {
    head: u64,
}

fn key(id: &ConversationId, rest: &str) -> Result<Key, Error> {
    format!("c/{id}/{rest}").parse().map_err(|_| Error::format(format!("conversation {id}"), "its key"))
}

pub(super) fn pack_key(id: &ConversationId, from: u64) -> Result<Key, Error> {
    key(id, &format!("p/{from:012}"))
}

pub(super) fn log(storage: &Arc<dyn Storage>, id: &ConversationId) -> Result<Log, Error> {
    Ok(Log::new(Arc::clone(storage), key(id, "l")?, 12))
}

pub(super) fn name(id: &ConversationId, seq: u64) -> String {
    format!("entry {seq} of conversation {id}")
}

pub(super) fn encode(id: &ConversationId, seq: u64, entry: &Entry) -> Result<Bytes, Error> {
    record::encode(&name(id, seq), entry)
}

pub(super) fn decode(id: &ConversationId, seq: u64, body: &[u8]) -> Result<Entry, Error> {
    record::decode(&name(id, seq), body)
}

/// The entry after `tip`, which must be there.
pub(super) async fn step(log: &Log, id: &ConversationId, tip: &Tip) -> Result<Tip, Error> {
    next(log, id, tip).await?.ok_or_else(|| Error::Corrupt { what: name(id, tip.seq + 1) })
}

/// The entry after `tip`, if there is one.
pub(super) async fn next(log: &Log, id: &ConversationId, tip: &Tip) -> Result<Option<Tip>, Error> {
    let seq = tip.seq + 1;
    let Some(body) = log.get(seq).await? else { return Ok(None) };
    let entry = decode(id, seq, &body)?;
    if entry.prev != Some(tip.digest) || entry.first != tip.entry.end() {
        return Err(Error::Corrupt { what: name(id, seq) });
    }
    Ok(Some(Tip::new(seq, &body, entry)))
}

/// The end of the log, when `tip` was it once.
pub(super) async fn follow(log: &Log, id: &ConversationId, tip: Tip) -> Result<Tip, Error> {
    let Some((seq, body)) = log.head_from(tip.seq).await? else { return Ok(tip) };
    Ok(Tip::new(seq, &body, decode(id, seq, &body)?))
}

impl Conversations {
    /// The end of the log as it is now.
    pub(super) async fn tip(&self, id: &ConversationId) -> Result<Tip, Error> {
        let log = log(&self.storage, id)?;
        let tip = match self.tips.get(id) {
            Some(tip) => follow(&log, id, tip).await?,
            None => {
                let hint = log::get(&*self.storage, &key(id, "hint")?).await?;
                // A hint that cannot be read is no hint.
                let hint = hint.and_then(|body| record::decode::<Hint>("a hint", &body).ok());
                let hinted = hint.map(|hint| hint.head);
                let found = log.head_body(hinted).await?;
                let (seq, body) = found.ok_or_else(|| Error::not_found(format!("conversation {id}")))?;
                let tip = Tip::new(seq, &body, decode(id, seq, &body)?);
                if seq > hinted.unwrap_or(0).saturating_add(FAR) {
                    // Written at most once a second, it may lack all that was said in the last one. The next
                    // stranger shall not search as long.
                    self.tips.keep(*id, tip.clone());
                    self.hint(id, seq).await;
                }
                tip
            }
        };
        self.tips.keep(*id, tip.clone());
        Ok(tip)
    }

    /// Writes the hint, if it is due. May fail without harm.
    async fn hint(&self, id: &ConversationId, seq: u64) {
        if self.tips.hint_is_due(id)
            && let Ok(body) = record::encode("a hint", &Hint { head: seq })
            && let Ok(key) = key(id, "hint")
        {
            let _ = self.storage.put(&key, body).await;
        }
    }

    /// Housekeeping that may fail without harm: the hint, and packing a block that is full.
    pub(super) async fn after_append(&self, id: &ConversationId, seq: u64) {
        self.hint(id, seq).await;
        if (seq + 1).is_multiple_of(super::pack::BLOCK) {
            let _ = self.pack(id, seq + 1 - super::pack::BLOCK).await;
        }
    }
}
