//! Sessions on this machine, each in a thread and a fresh clone of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_lite::future::block_on;

use super::{Checkouts, RunSession, Runtime, RuntimeError, SessionSpec};
use crate::agent::Agent;
use crate::environment::Environment;
use crate::id::{EnvironmentId, SessionId};
use crate::progress::CancelToken;

/// Runs sessions on this machine. They end with the process: what was stored by then can be continued anywhere.
#[derive(Clone)]
pub struct LocalRuntime {
    agent: Arc<dyn Agent>,
    checkouts: Checkouts,
    /// Every session that was ever started here, so that a second call for one does nothing.
    started: Arc<Mutex<HashMap<SessionId, CancelToken>>>,
}

impl LocalRuntime {
    /// A runtime whose sessions are answered by `agent` in clones that `checkouts` makes.
    pub fn new(agent: Arc<dyn Agent>, checkouts: Checkouts) -> Self {
        Self { agent, checkouts, started: Arc::default() }
    }

    fn started(&self) -> MutexGuard<'_, HashMap<SessionId, CancelToken>> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Runtime for LocalRuntime {
    async fn environment(&self, id: &EnvironmentId) -> Result<Environment, RuntimeError> {
        let mut environment = self.checkouts.environment(id)?;
        if environment.models.is_empty() {
            environment.models = self.agent.describe().models;
        }
        Ok(environment)
    }

    async fn start(&self, spec: SessionSpec, sessions: Arc<dyn RunSession>) -> Result<(), RuntimeError> {
        let cancel = CancelToken::new();
        if self.started().insert(spec.session, cancel.clone()).is_some() {
            return Ok(());
        }
        let (agent, checkouts) = (Arc::clone(&self.agent), self.checkouts.clone());
        let session = spec.session;
        let work = move || {
            let ended = match checkouts.prepare(&spec) {
                Ok(mut place) => {
                    place.cancel = cancel;
                    block_on(sessions.run_session(&spec, place, agent)).map(|_| ())
                }
                Err(error) => {
                    let reason = format!("the environment could not be prepared: {error}");
                    block_on(sessions.fail_session(&spec, &reason))
                }
            };
            // Nobody is there to be told; what could be recorded is in the storage.
            drop(ended);
        };
        let thread = std::thread::Builder::new().name(format!("session {session}"));
        thread.spawn(work).map_err(|error| {
            self.started().remove(&session);
            RuntimeError::retryable("a thread for the session could not be started").because(error)
        })?;
        Ok(())
    }

    async fn cancel(&self, session: &SessionId) -> Result<(), RuntimeError> {
        if let Some(cancel) = self.started().get(session) {
            cancel.cancel();
        }
        Ok(())
    }
}
