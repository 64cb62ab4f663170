//! Whether something that is needed is gone.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_lite::future::block_on;

use super::Scene;
use crate::handoff::runs::Runs;
use crate::handoff::{Conversations, Snapshots};
use crate::storage::Storage;

impl Scene {
    /// Looks at everything at once whether something that is needed is gone.
    pub(super) fn audit(&self, thorough: bool) -> Result<(), String> {
        self.counts.lock().unwrap().audits += 1;
        let storage: Arc<dyn Storage> = Arc::new(self.memory.clone());
        let (runs, snapshots) = (Runs::new(Arc::clone(&storage)), Snapshots::new(Arc::clone(&storage)));
        for run in self.runs.lock().unwrap().iter() {
            let run = block_on(runs.load(run)).map_err(|error| error.to_string())?;
            for session in &run.sessions {
                for reference in [&session.snapshot_in, &session.snapshot_out].into_iter().flatten() {
                    let what = || format!("{} of run {}", reference.key, run.id);
                    let body = block_on(self.memory.get(&reference.key, None)).unwrap().ok_or_else(what)?;
                    for pack in Snapshots::packs_in(&reference.key, &body).unwrap() {
                        let there = block_on(self.memory.get(&pack, Some(0..1))).unwrap();
                        there.ok_or_else(|| format!("{pack} of {}", what()))?;
                    }
                    if thorough {
                        block_on(snapshots.load(reference))
                            .map_err(|error| format!("{}: {error}", what()))?;
                    }
                }
            }
        }
        let conversations = Conversations::new(storage);
        for id in self.conversations.lock().unwrap().iter() {
            let messages =
                block_on(conversations.messages(id, 0, 10_000)).map_err(|error| error.to_string())?;
            for attachment in messages.iter().flat_map(|message| &message.attachments) {
                let read = block_on(conversations.read_attachment(attachment));
                read.map_err(|error| format!("in conversation {id}: {error}"))?;
            }
        }
        Ok(())
    }

    pub(super) fn keys(&self, prefix: &str) -> BTreeSet<String> {
        let listed = block_on(self.memory.list(&prefix.parse().unwrap(), None, usize::MAX)).unwrap();
        listed.into_iter().map(|meta| meta.key.to_string()).collect()
    }
}
