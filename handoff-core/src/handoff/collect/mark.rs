//! What is there, and what of it is needed.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::CollectOptions;
use crate::digest::Digest;
use crate::error::Error;
use crate::handoff::Snapshots;
use crate::handoff::runs::Runs;
use crate::id::RunId;
use crate::join;
use crate::log;
use crate::storage::{Key, Meta, Storage};

/// Objects listed at once.
const PAGE: usize = 1_000;

/// Requests under way at once.
const WIDTH: usize = 16;

/// Everything that may be garbage, and what is needed of it.
#[derive(Default)]
pub(super) struct Marked {
    pub(super) snapshots: Vec<Meta>,
    pub(super) packs: Vec<Meta>,
    pub(super) attachments: Vec<Meta>,
    pub(super) claims: Vec<Meta>,
    pub(super) probes: Vec<Meta>,
    /// Records that a run names.
    pub(super) named: HashSet<Key>,
    /// Packs that each record names, whether the record is needed or not.
    pub(super) packs_of: HashMap<Key, Vec<Key>>,
    /// Contents that a message names.
    pub(super) blobs: HashSet<Digest>,
    /// What could not be read, and is needed perhaps.
    pub(super) unreadable: Vec<String>,
}

pub(super) struct Reader<'a> {
    pub(super) storage: &'a Arc<dyn Storage>,
    pub(super) options: &'a CollectOptions,
}

impl Reader<'_> {
    /// Lists everything and follows every name.
    pub(super) async fn mark(&self) -> Result<Marked, Error> {
        let mut marked = Marked {
            packs: self.list("k").await?,
            snapshots: self.list("s").await?,
            attachments: self.list("a").await?,
            claims: self.list("i").await?,
            probes: self.list("probe").await?,
            ..Marked::default()
        };
        marked.named.extend(self.options.keep.iter().map(|reference| reference.key.clone()));
        let runs = self.children("r").await?;
        self.read_runs(&runs, &mut marked).await?;
        self.read_records(&mut marked).await?;
        if !marked.attachments.is_empty() {
            let holders = runs.iter().map(|run| format!("r/{run}"));
            let conversations = self.children("c").await?;
            let holders = holders.chain(conversations.iter().map(|id| format!("c/{id}"))).collect::<Vec<_>>();
            self.read_marks(&holders, &mut marked).await?;
        }
        Ok(marked)
    }

    fn go_on(&self) -> Result<(), Error> {
        if self.options.cancel.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Meta>, Error> {
        let prefix = key(prefix)?;
        let mut all: Vec<Meta> = Vec::new();
        loop {
            self.go_on()?;
            let after = all.last().map(|meta| meta.key.clone());
            let page = log::list(&**self.storage, &prefix, after.as_ref(), PAGE).await?;
            let last = page.len() < PAGE;
            all.extend(page);
            if last {
                return Ok(all);
            }
        }
    }

    /// The names directly below `prefix`, without listing all that is below each of them.
    pub(super) async fn children(&self, prefix: &str) -> Result<BTreeSet<String>, Error> {
        let whole = key(prefix)?;
        let mut children = BTreeSet::new();
        let mut after = None;
        loop {
            self.go_on()?;
            let page = log::list(&**self.storage, &whole, after.as_ref(), PAGE).await?;
            let name = |meta: &Meta| {
                let below = meta.key.as_str().strip_prefix(prefix)?.strip_prefix('/')?;
                Some(below.split('/').next()?.to_owned())
            };
            children.extend(page.iter().filter_map(name));
            let Some(last) = page.last().filter(|_| page.len() >= PAGE) else { return Ok(children) };
            // Behind everything that this version, or a later one, has below the last name.
            after = Some(match name(last) {
                Some(child) => key(&format!("{prefix}/{child}/zzzz"))?.max(last.key.clone()),
                None => last.key.clone(),
            });
        }
    }

    async fn read_runs(&self, runs: &BTreeSet<String>, marked: &mut Marked) -> Result<(), Error> {
        let records = Runs::new(Arc::clone(self.storage));
        for some in runs.iter().collect::<Vec<_>>().chunks(WIDTH) {
            self.go_on()?;
            let records = &records;
            let read = some.iter().map(|name| async move {
                let id: RunId = name.parse().map_err(|_| Error::format(format!("run {name}"), "its id"))?;
                records.load(&id).await
            });
            for (name, run) in some.iter().zip(join::all(read).await) {
                match run {
                    Ok(run) => {
                        let states = run.sessions.into_iter().flat_map(|session| {
                            [session.snapshot_in, session.snapshot_out].into_iter().flatten()
                        });
                        marked.named.extend(states.map(|reference| reference.key));
                    }
                    // Only said to, so far: its first record names what is too young to be garbage.
                    Err(Error::NotFound { .. }) => {}
                    Err(error @ Error::Storage { .. }) => return Err(error),
                    Err(error) => marked.unreadable.push(format!("run {name} ({error})")),
                }
            }
        }
        Ok(())
    }

    async fn read_records(&self, marked: &mut Marked) -> Result<(), Error> {
        for some in marked.snapshots.chunks(WIDTH) {
            self.go_on()?;
            let read = some.iter().map(|meta| log::get(&**self.storage, &meta.key));
            for (meta, body) in some.iter().zip(join::all(read).await) {
                // One that is gone was removed by another pass, which had condemned it long before.
                let Some(body) = body? else { continue };
                match Snapshots::packs_in(&meta.key, &body) {
                    Ok(packs) => drop(marked.packs_of.insert(meta.key.clone(), packs)),
                    Err(error) => marked.unreadable.push(format!("{} ({error})", meta.key)),
                }
            }
        }
        Ok(())
    }

    async fn read_marks(&self, holders: &[String], marked: &mut Marked) -> Result<(), Error> {
        for some in holders.chunks(WIDTH) {
            let lists = some.iter().map(|holder| async move { self.list(&format!("{holder}/a")).await });
            for marks in join::all(lists).await {
                for mark in marks? {
                    let name = mark.key.as_str().rsplit('/').next().unwrap_or_default();
                    match name.parse() {
                        Ok(blob) => drop(marked.blobs.insert(blob)),
                        Err(error) => marked.unreadable.push(format!("{} ({error})", mark.key)),
                    }
                }
            }
        }
        Ok(())
    }
}

pub(super) fn key(text: &str) -> Result<Key, Error> {
    text.parse().map_err(|_| Error::format(text, "a key"))
}
