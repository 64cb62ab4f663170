//! One pass: remove what the last one condemned, condemn what is found now.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::mark::{Marked, Reader, key};
use super::{CollectAction, CollectOptions, Collected, Garbage, GarbageKind};
use crate::digest::Digest;
use crate::error::Error;
use crate::handoff::{Handoff, Parts};
use crate::id::OpId;
use crate::log::{self, Log};
use crate::record;
use crate::snapshot::Extra;
use crate::storage::{Key, Meta};

/// Most objects that one pass condemns; the rest has to wait for the next.
const MOST: usize = 100_000;

/// Objects deleted with one request.
const BATCH: usize = 1_000;

/// What a pass found unreachable, as record `n` of the log `g/l`.
#[derive(Serialize, Deserialize)]
struct Condemned {
    op: OpId,
    keys: Vec<Key>,
    #[serde(flatten)]
    extra: Extra,
}

/// The latest list: its number, what it condemns, and when it was written by the storage's clock.
struct Latest {
    seq: u64,
    keys: HashSet<Key>,
    written: SystemTime,
}

pub(super) struct Pass<'a> {
    parts: &'a Parts,
    options: &'a CollectOptions,
    /// Both as in the options, but for tests.
    grace: Duration,
}

impl<'a> Pass<'a> {
    pub(super) fn new(hub: &'a Handoff, options: &'a CollectOptions) -> Self {
        Self { parts: &hub.parts, options, grace: options.grace }
    }

    /// With a grace period that is too short for safety.
    #[cfg(test)]
    pub(super) fn reckless(hub: &'a Handoff, options: &'a CollectOptions, grace: Duration) -> Self {
        Self { grace, ..Self::new(hub, options) }
    }

    fn log(&self) -> Result<Log, Error> {
        Ok(Log::new(Arc::clone(&self.parts.storage), key("g/l")?, 12))
    }

    pub(super) async fn run(&self) -> Result<Collected, Error> {
        let preview = self.options.action == CollectAction::Preview;
        let now = if preview { self.parts.clock.now() } else { self.storage_time().await? };
        let latest = self.latest().await?;
        if let Some(latest) = &latest {
            let age = now.duration_since(latest.written).unwrap_or_default();
            if age < self.grace {
                return Ok(Collected { wait: Some(self.grace - age), ..Collected::default() });
            }
        }
        let reader = Reader { storage: &self.parts.storage, options: self.options };
        let marked = reader.mark().await?;
        // A list that is not the latest any more must not be acted on: what it condemns may have come to life since,
        // been condemned again, and be at work right now.
        let next = latest.as_ref().map_or(0, |latest| latest.seq + 1);
        if self.log()?.get(next).await?.is_some() {
            return Ok(Collected { wait: Some(self.grace), ..Collected::default() });
        }
        if !marked.unreadable.is_empty() {
            return Ok(Collected { unreadable: marked.unreadable, ..Collected::default() });
        }
        let collected = self.judge(marked, now, latest.as_ref());
        if !preview {
            self.remove(&collected.removed).await?;
            self.condemn(next, &collected.condemned).await?;
        }
        Ok(collected)
    }

    fn judge(&self, marked: Marked, now: SystemTime, latest: Option<&Latest>) -> Collected {
        let older =
            |meta: &Meta, than: Duration| now.duration_since(meta.modified).is_ok_and(|age| age >= than);
        let due = |meta: &Meta| latest.is_some_and(|latest| latest.keys.contains(&meta.key));
        let mut collected = Collected::default();
        let mut judge = |meta: &Meta, kind: GarbageKind, needed: bool| {
            if needed || !older(meta, self.grace) {
                collected.kept += 1;
            } else if due(meta) {
                collected.removed.push(Garbage::new(meta, kind));
                return true;
            } else if collected.condemned.len() < MOST {
                collected.condemned.push(Garbage::new(meta, kind));
            }
            false
        };
        let mut needed = HashSet::new();
        for meta in &marked.snapshots {
            let removed = judge(meta, GarbageKind::Snapshot, marked.named.contains(&meta.key));
            if !removed {
                needed.extend(marked.packs_of.get(&meta.key).into_iter().flatten());
            }
        }
        // Records that are gone since they were listed, and those that go now, need nothing any more.
        for meta in &marked.packs {
            judge(meta, GarbageKind::Pack, needed.contains(&meta.key));
        }
        for meta in &marked.attachments {
            let blob = meta.key.as_str().split('/').nth(2).and_then(|name| name.parse::<Digest>().ok());
            // What has no such name is nothing that this version wrote.
            let needed = blob.is_none_or(|blob| marked.blobs.contains(&blob));
            judge(meta, GarbageKind::Attachment, needed);
        }
        // Nothing is built on these, so one step is enough.
        for (metas, kind, age) in [
            (&marked.claims, GarbageKind::Claim, self.options.claims),
            (&marked.probes, GarbageKind::Probe, self.grace),
        ] {
            let (old, young): (Vec<_>, Vec<_>) = metas.iter().partition(|meta| older(meta, age));
            collected.kept += young.len() as u64;
            collected.removed.extend(old.into_iter().map(|meta| Garbage::new(meta, kind.clone())));
        }
        collected
    }

    async fn remove(&self, garbage: &[Garbage]) -> Result<(), Error> {
        for some in garbage.chunks(BATCH) {
            if self.options.cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let keys: Vec<Key> = some.iter().map(|garbage| garbage.key.clone()).collect();
            let deleted = self.parts.storage.delete(&keys).await;
            deleted.map_err(|error| Error::storage("removing garbage", error))?;
        }
        Ok(())
    }

    async fn condemn(&self, seq: u64, garbage: &[Garbage]) -> Result<(), Error> {
        let keys = garbage.iter().map(|garbage| garbage.key.clone()).collect();
        let list = Condemned { op: OpId::new(), keys, extra: Extra::new() };
        let body = record::encode("a list of garbage", &list)?;
        // Where another pass was quicker, its list is as good.
        self.log()?.put(seq, body).await?;
        Ok(())
    }

    async fn latest(&self) -> Result<Option<Latest>, Error> {
        let log = self.log()?;
        let Some((seq, body)) = log.head_body(None).await? else { return Ok(None) };
        // One that cannot be read condemns nothing: everything begins anew with the next.
        let keys = record::decode::<Condemned>("a list of garbage", &body)
            .map_or_else(|_| Vec::new(), |list| list.keys);
        let before = seq.checked_sub(1).map(|before| log.key(before)).transpose()?;
        let listed = log::list(&*self.parts.storage, &key("g/l")?, before.as_ref(), 1).await?;
        let at = log.key(seq)?;
        let meta = listed.into_iter().find(|meta| meta.key == at);
        let meta = meta.ok_or_else(|| Error::not_found(format!("the list of garbage {at}")))?;
        Ok(Some(Latest { seq, keys: keys.into_iter().collect(), written: meta.modified }))
    }

    /// The time by the storage's own clock, which dates everything else.
    async fn storage_time(&self) -> Result<SystemTime, Error> {
        let folder = key(&format!("probe/{}", OpId::new()))?;
        let probe = key(&format!("{folder}/now"))?;
        log::put_new(&*self.parts.storage, &probe, Bytes::new()).await?;
        let listed = log::list(&*self.parts.storage, &folder, None, 1).await?;
        let _ = self.parts.storage.delete(std::slice::from_ref(&probe)).await;
        let now = listed.first().map(|meta| meta.modified);
        now.ok_or_else(|| Error::not_found(format!("{probe}, which was just written")))
    }
}
