//! Taking a run out of the storage.

use bytes::Bytes;

use super::{Numbered, Runs, decode, key, marks};
use crate::error::Error;
use crate::id::{OpId, RunId};
use crate::log;
use crate::record;
use crate::run::Run;
use crate::storage::Key;

/// Objects listed and removed at once.
const PAGE: usize = 1_000;

impl Runs {
    /// Deletes a run for good, if `may` finds nothing against its latest record. `first` is its first record.
    ///
    /// The records are not removed but emptied: a number that was free again could be written by somebody who was
    /// stalled since long before. The last one, which is new and empty, decides; the first is emptied last, since it
    /// says who may do this, and so the same call again goes on where one was cut off.
    pub(crate) async fn erase(
        &self,
        first: &Run,
        may: &(dyn Fn(&Run) -> Result<(), Error> + Send + Sync),
    ) -> Result<(), Error> {
        let id = &first.id;
        let log = self.log(id)?;
        let end = loop {
            let (seq, body) = self.latest(id).await?;
            match decode(id, seq, &body) {
                // An earlier call came so far.
                Err(Error::NotFound { .. }) => break seq,
                Err(error) => return Err(error),
                Ok(run) => may(&run)?,
            }
            if log.put(seq + 1, nothing(id)?).await?.won() {
                break seq + 1;
            }
            self.remember(id, seq + 1);
        };
        self.remember(id, end);
        self.remove(&marks(first)?).await?;
        let whole = key(&format!("r/{id}"))?;
        let (first, records) = (log.key(0)?, key(&format!("r/{id}/l"))?);
        let mut after: Option<Key> = None;
        loop {
            let page = log::list(&*self.storage, &whole, after.as_ref(), PAGE).await?;
            let Some(last) = page.last().map(|meta| meta.key.clone()) else { break };
            let (in_log, others): (Vec<_>, Vec<_>) =
                page.into_iter().map(|meta| meta.key).partition(|key| key.is_below(&records));
            self.remove(&others).await?;
            for record in in_log.iter().filter(|record| **record != first) {
                self.empty(id, record).await?;
            }
            after = Some(last);
        }
        self.empty(id, &first).await
    }

    async fn empty(&self, id: &RunId, record: &Key) -> Result<(), Error> {
        let put = self.storage.put(record, nothing(id)?).await;
        put.map_err(|error| Error::storage(format!("emptying {record}"), error))
    }

    async fn remove(&self, keys: &[Key]) -> Result<(), Error> {
        if keys.is_empty() {
            return Ok(());
        }
        let removed = self.storage.delete(keys).await;
        removed.map_err(|error| Error::storage("removing what belongs to a run", error))
    }
}

/// A record that says nothing but that the run was deleted.
fn nothing(id: &RunId) -> Result<Bytes, Error> {
    record::encode(&format!("run {id}"), &Numbered { op: OpId::new(), run: None })
}
