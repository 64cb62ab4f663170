//! Run records: created once, then every step a new numbered object; index marks for lists; idempotency claims.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::id::{ActorId, RunId};
use crate::run::Run;
use crate::storage::Storage;

/// What an update decides.
pub(crate) enum Step {
    /// Write this.
    Write(Box<Run>),
    /// It is as it should be already.
    Keep,
}

/// Run records in a storage.
#[derive(Clone)]
pub(crate) struct Runs {
    storage: Arc<dyn Storage>,
}

impl Runs {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage }
    }

    /// Writes the first record, then the index marks. The same call again (same id) keeps and returns what is there.
    pub(crate) async fn create(&self, run: Run) -> Result<Run, Error> {
        let _ = (run, &self.storage);
        todo!()
    }

    /// The latest record; `NotFound` when there is none.
    pub(crate) async fn load(&self, id: &RunId) -> Result<Run, Error> {
        let _ = id;
        todo!()
    }

    /// The latest record and its number.
    pub(crate) async fn load_numbered(&self, id: &RunId) -> Result<(u64, Run), Error> {
        let _ = id;
        todo!()
    }

    /// The record with number `seq`.
    pub(crate) async fn record(&self, id: &RunId, seq: u64) -> Result<Option<Run>, Error> {
        let _ = (id, seq);
        todo!()
    }

    /// Reads the latest record, lets `step` decide, and writes the next number; begins again when somebody else
    /// wrote it first. `step` must be a pure function of the record it is given. Returns the record as it then is.
    pub(crate) async fn update(
        &self,
        id: &RunId,
        step: &(dyn Fn(&Run) -> Result<Step, Error> + Send + Sync),
    ) -> Result<Run, Error> {
        let _ = (id, step);
        todo!()
    }

    /// Ids of runs in the creator's or team's index, newest first, older than `before`.
    pub(crate) async fn index(
        &self,
        scope: &Scope,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, RunId)>, Error> {
        let _ = (scope, before, limit);
        todo!()
    }

    /// Claims an idempotency key: the first call stores `proposal` and returns it, every later one returns what the
    /// first stored.
    pub(crate) async fn claim<T: Serialize + DeserializeOwned + Send + Sync>(
        &self,
        scope: &ActorId,
        key: &str,
        proposal: &T,
    ) -> Result<T, Error> {
        let _ = (scope, key, proposal);
        todo!()
    }
}

/// Whose index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Runs that an actor started.
    Actor(ActorId),
    /// Runs of a team.
    Team(crate::id::TeamId),
    /// Children of a run.
    Parent(RunId),
}
