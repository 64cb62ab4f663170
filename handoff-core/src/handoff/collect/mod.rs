//! Garbage: stored states, contents and attachments that nothing reaches any more, taken away in two steps.
//!
//! How it cannot hit what is needed, without any lock. A *pass* lists everything, condemns what is unreachable and old,
//! and writes the list. The next pass, a grace period later, lists again and removes what was condemned and still is
//! unreachable. What makes that safe:
//!
//! 1. Names of records, packs and attachments are never used twice, so nothing condemned is written again.
//! 2. A pack is needed as long as any record names it, needed or not. So whoever builds on an old record
//!    (`Snapshots::save` with a parent, `Snapshots::renew`) finds its packs, even if the record is removed meanwhile:
//!    the packs are condemned only after that, and removed a grace period later still.
//! 3. From reading the old record to writing the new one, and from there to the run that names it, a writer has
//!    `LONGEST_SAVE`, which is half the shortest grace period; later it refuses itself.
//! 4. A run only ever takes over a record from its own latest state; anything else is written anew first.
//! 5. A pass uses the latest list only, and looks again whether it still is the latest after it has listed everything.

mod mark;
mod pass;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use super::Handoff;
use super::snapshots::LONGEST_SAVE;
use crate::error::Error;
use crate::names::names;
use crate::progress::CancelToken;
use crate::run::SnapshotRef;
use crate::storage::{Key, Meta};
use pass::Pass;

/// How garbage is taken away.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CollectOptions {
    /// How old something must be before it can be garbage, and how long it then stays condemned. Default and shortest:
    /// 24 hours.
    pub grace: Duration,
    /// After what time a repeated call with the same idempotency key is a new call. Default 7 days, shortest `grace`.
    pub claims: Duration,
    /// Stored states to keep although no run names them.
    pub keep: Vec<SnapshotRef>,
    /// Whether to remove anything.
    pub action: CollectAction,
    /// Stops the pass between two requests; what was removed by then stays removed.
    pub cancel: CancelToken,
}

impl Default for CollectOptions {
    fn default() -> Self {
        Self {
            grace: SHORTEST_GRACE,
            claims: Duration::from_secs(7 * 24 * 3600),
            keep: Vec::new(),
            action: CollectAction::default(),
            cancel: CancelToken::new(),
        }
    }
}

/// Twice what a writer has, see the top of this file.
const SHORTEST_GRACE: Duration = Duration::from_secs(2 * LONGEST_SAVE.as_secs());

/// Whether a collection removes anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CollectAction {
    /// Remove what was condemned a grace period ago, and condemn what is found now.
    #[default]
    Remove,
    /// Only say what would be removed and condemned, judged by this machine's clock. Writes nothing.
    Preview,
}

names! {
    /// What a piece of [`Garbage`] is.
    GarbageKind {
        /// The record of a stored workspace state.
        Snapshot = "snapshot",
        /// Contents of workspace states.
        Pack = "pack",
        /// The content of an attachment.
        Attachment = "attachment",
        /// What a call with an idempotency key did.
        Claim = "claim",
        /// Left behind by a check of the storage.
        Probe = "probe",
    }
}

/// An object that nothing needs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Garbage {
    /// Its name in the storage.
    pub key: Key,
    /// What it is.
    pub kind: GarbageKind,
    /// Its length in bytes.
    pub size: u64,
}

impl Garbage {
    fn new(meta: &Meta, kind: GarbageKind) -> Self {
        Self { key: meta.key.clone(), kind, size: meta.size }
    }
}

/// What a collection did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collected {
    /// Removed now.
    pub removed: Vec<Garbage>,
    /// Unreachable, and to be removed by a later call if it still is then.
    pub condemned: Vec<Garbage>,
    /// Objects that were looked at and are needed, or too young to judge.
    pub kept: u64,
    /// Records that cannot be read: what they need is not known, so nothing was removed and nothing condemned.
    pub unreadable: Vec<String>,
    /// When set, the last pass is not old enough for another: nothing was looked at. Call again after this time.
    pub wait: Option<Duration>,
}

impl Collected {
    /// Bytes of what was removed.
    pub fn removed_bytes(&self) -> u64 {
        self.removed.iter().map(|garbage| garbage.size).sum()
    }
}

impl fmt::Display for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(wait) = self.wait {
            return write!(f, "nothing is due; the next pass may begin in {} seconds", wait.as_secs());
        }
        if let Some(first) = self.unreadable.first() {
            let more = self.unreadable.len() - 1;
            return write!(
                f,
                "nothing was removed, since {first} cannot be read (and {more} more); restore or update first"
            );
        }
        write!(
            f,
            "{} objects of {} bytes removed, {} condemned, {} kept",
            self.removed.len(),
            self.removed_bytes(),
            self.condemned.len(),
            self.kept
        )
    }
}

impl Handoff {
    /// Takes garbage out of the storage: workspace states that no run names, contents that no state holds, attachments
    /// that no message names, idempotency keys of long ago. Conversations and runs stay, and so does everything that
    /// they reach. One call is one pass: it removes what an earlier one condemned at least [`CollectOptions::grace`]
    /// ago, and condemns what it finds; call it once a day, from any process, beside anything else.
    ///
    /// A state that a host has stored itself, and that no run names, must be named in [`CollectOptions::keep`].
    ///
    /// About one request per 1,000 objects, one per stored state and attachment-bearing conversation, and two to three
    /// per run. Memory grows with the number of packs and records, some 100 bytes each.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a shorter grace period than a day; [`Error::Cancelled`]; [`Error::Storage`]: then
    /// nothing that is needed is gone, and the next call goes on.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use handoff_core::storage::MemoryStorage;
    /// use handoff_core::{Checkouts, CollectAction, CollectOptions, CommandAgent, Handoff, LocalRuntime};
    ///
    /// # futures_lite::future::block_on(async {
    /// let runtime = LocalRuntime::new(Arc::new(CommandAgent::new("true", [""; 0])), Checkouts::new("runs"));
    /// let hub = Handoff::new(Arc::new(MemoryStorage::new()), Arc::new(runtime));
    ///
    /// let mut look = CollectOptions::default();
    /// look.action = CollectAction::Preview;
    /// println!("{}", hub.collect(&look).await?);
    ///
    /// let collected = hub.collect(&CollectOptions::default()).await?;
    /// assert!(collected.removed.is_empty(), "what is a day old is condemned first, and goes a day later");
    /// # Ok::<(), handoff_core::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn collect(&self, options: &CollectOptions) -> Result<Collected, Error> {
        for (argument, time, least) in
            [("grace", options.grace, SHORTEST_GRACE), ("claims", options.claims, options.grace)]
        {
            if time < least {
                let hours = least.as_secs() / 3600;
                let why = format!(
                    "is shorter than {hours} hours, and somebody may still be at work on what looks like garbage; \
                     name a longer time"
                );
                return Err(Error::InvalidArgument { argument, why });
            }
        }
        Pass::new(self, options).run().await
    }
}
