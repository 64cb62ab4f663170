//! Sessions as work items in the storage, taken by any number of worker processes: how it scales past one machine.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Checkouts, RunSession, Runtime, RuntimeError, SessionSpec};
use crate::agent::Agent;
use crate::clock::{Clock, SystemClock};
use crate::environment::Environment;
use crate::error::Error;
use crate::handoff::Worker;
use crate::id::{EnvironmentId, SessionId};
use crate::log::{self, Put};
use crate::progress::CancelToken;
use crate::record;
use crate::run::SessionState;
use crate::storage::{Key, Storage};

/// Items listed at once.
const PAGE: usize = 100;

/// A queue in a storage. The hub puts sessions in; [`work`](Self::work), in any number of processes on any number of
/// machines, takes them out. Nothing else is shared.
#[derive(Clone)]
pub struct QueueRuntime {
    storage: Arc<dyn Storage>,
    name: Key,
    environments: Vec<Environment>,
}

/// How a worker goes about it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorkOptions {
    /// Longest time between two looks into the queue. Default 1 s.
    pub poll: Duration,
    /// When to return: after the session at hand, once this is cancelled.
    pub stop: CancelToken,
    /// Return when nothing is left to do, instead of waiting for more.
    pub when_empty: WhenEmpty,
}

/// What a worker does when the queue has nothing for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenEmpty {
    /// Wait for more.
    #[default]
    Wait,
    /// Return.
    Return,
}

impl Default for WorkOptions {
    fn default() -> Self {
        Self { poll: Duration::from_secs(1), stop: CancelToken::new(), when_empty: WhenEmpty::Wait }
    }
}

/// What messages call an item.
const ITEM: &str = "a queued session";

/// What became of an item.
enum Taken {
    /// Its session was run.
    Ran,
    /// Another has it, and may vanish; after this time at the earliest.
    Waits { free_in: Option<Duration> },
    /// There is nothing to be had.
    Not,
}

impl QueueRuntime {
    /// The queue named `name` (a key's component: lower-case letters, digits, `.`, `_`, `-`), for sessions in these
    /// environments.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a name that is no key.
    pub fn new(storage: Arc<dyn Storage>, name: &str, environments: Vec<Environment>) -> Result<Self, Error> {
        let key = if name.contains('/') { None } else { format!("q/{name}").parse().ok() };
        let name = key.ok_or_else(|| Error::InvalidArgument {
            argument: "name",
            why: "is no plain name; use a-z, 0-9, '.', '_' and '-'".to_owned(),
        })?;
        Ok(Self { storage, name, environments })
    }

    /// Takes sessions out of the queue and runs them, one at a time, until told to stop. A session whose worker
    /// vanished is taken again, from its last checkpoint, once its lease has expired: by a worker that is idle, since one
    /// that runs a session looks at no other. Returns how many sessions it ran.
    ///
    /// # Errors
    /// [`Error::Storage`] when the queue cannot be read; trouble with one session is recorded in its run.
    pub async fn work(
        &self,
        worker: &Worker,
        checkouts: &Checkouts,
        agent: Arc<dyn Agent>,
        options: &WorkOptions,
    ) -> Result<u64, Error> {
        let mut done = 0;
        let mut pause = options.poll / 50;
        while !options.stop.is_cancelled() {
            let mut ran = false;
            let mut waiting = false;
            // When the first of those that others hold may be free.
            let mut due = Duration::MAX;
            let mut last = None;
            loop {
                let listed = log::list(&*self.storage, &self.name, last.as_ref(), PAGE).await?;
                last = listed.last().map(|meta| meta.key.clone());
                for meta in &listed {
                    if options.stop.is_cancelled() {
                        return Ok(done);
                    }
                    match self.take(&meta.key, worker, checkouts, &agent).await? {
                        Taken::Ran => {
                            ran = true;
                            done += 1;
                        }
                        Taken::Waits { free_in } => {
                            waiting = true;
                            due = due.min(free_in.unwrap_or(Duration::MAX));
                        }
                        Taken::Not => {}
                    }
                }
                if listed.len() < PAGE {
                    break;
                }
            }
            if ran {
                pause = options.poll / 50;
                continue;
            }
            if options.when_empty == WhenEmpty::Return && !waiting {
                break;
            }
            // No later than that: silence was noticed late by a pause already, and not again by another.
            SystemClock.sleep(pause.min(due.max(Duration::from_millis(5)))).await;
            pause = (pause * 2).min(options.poll);
        }
        Ok(done)
    }

    /// Runs the session of one item, if it is to be had.
    async fn take(
        &self,
        key: &Key,
        worker: &Worker,
        checkouts: &Checkouts,
        agent: &Arc<dyn Agent>,
    ) -> Result<Taken, Error> {
        let Some(body) = log::get(&*self.storage, key).await? else { return Ok(Taken::Not) };
        let spec: SessionSpec = match record::decode(ITEM, &body) {
            Ok(spec) => spec,
            // An item of a newer version is for newer workers; a damaged one is replaced when its run is launched again.
            Err(_) => return Ok(Taken::Not),
        };
        match worker.is_free(&spec).await {
            Ok(true) => {}
            Ok(false) => return Ok(Taken::Waits { free_in: worker.expires_in(&spec) }),
            // The run is gone or over: so is the item.
            Err(Error::NotFound { .. }) => {
                self.forget(key).await;
                return Ok(Taken::Not);
            }
            Err(error @ Error::Storage { .. }) => return Err(error),
            // A damaged run is not to keep the workers from the others.
            Err(_) => return Ok(Taken::Not),
        }
        let (preparing, spec_here) = (checkouts.clone(), spec.clone());
        let place = match blocking::unblock(move || preparing.prepare(&spec_here)).await {
            Ok(place) => place,
            Err(error) => {
                let reason = format!("the environment could not be prepared: {error}");
                worker.fail_session(&spec, &reason).await?;
                self.forget(key).await;
                return Ok(Taken::Ran);
            }
        };
        let root = place.root.clone();
        match worker.run_session(&spec, place, Arc::clone(agent)).await {
            // Another worker was quicker; its place is another one.
            Err(Error::Leased { .. }) => {
                let _ = blocking::unblock(move || std::fs::remove_dir_all(root)).await;
                Ok(Taken::Waits { free_in: None })
            }
            // It took itself for dead, and nobody may have noticed yet: whoever looks next decides.
            Ok(SessionState::Lost) => Ok(Taken::Ran),
            Ok(_) => {
                self.forget(key).await;
                Ok(Taken::Ran)
            }
            // Recorded where it could be; the item stays until the run says that it is over.
            Err(_) => Ok(Taken::Ran),
        }
    }

    async fn forget(&self, key: &Key) {
        // One that stays is found to be over at the next look.
        let _ = self.storage.delete(std::slice::from_ref(key)).await;
    }
}

#[async_trait]
impl Runtime for QueueRuntime {
    async fn environment(&self, id: &EnvironmentId) -> Result<Environment, RuntimeError> {
        let found = self.environments.iter().find(|environment| environment.id == *id).cloned();
        found.ok_or_else(|| RuntimeError::not_found(format!("the queue serves no environment {id}")))
    }

    async fn start(&self, spec: SessionSpec, _: Arc<dyn RunSession>) -> Result<(), RuntimeError> {
        let failed = |error: Error| RuntimeError::new("the session could not be queued").because(error);
        let key = self.name.join(&spec.session.to_string());
        let key = key.map_err(|error| RuntimeError::new("the session has no key").because(error))?;
        let body = record::encode(ITEM, &spec).map_err(failed)?;
        if log::put_new(&*self.storage, &key, body.clone()).await.map_err(failed)? != Put::Theirs {
            return Ok(());
        }
        // Asked for again, because nobody takes it: one that no worker can read would wait for ever.
        let there = log::get(&*self.storage, &key).await.map_err(failed)?;
        let damaged = there.is_some_and(|there| match record::decode::<SessionSpec>(ITEM, &there) {
            Ok(_) | Err(Error::UnsupportedVersion { .. }) => false,
            Err(_) => true,
        });
        if damaged {
            self.forget(&key).await;
            log::put_new(&*self.storage, &key, body).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn cancel(&self, session: &SessionId) -> Result<(), RuntimeError> {
        // The worker that has it reads the run's inbox; one that takes it later finds the run over.
        let _ = session;
        Ok(())
    }
}
