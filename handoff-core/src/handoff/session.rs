//! One session from taking the run to recording its end.

use std::sync::Arc;

use async_trait::async_trait;

use super::Parts;
use crate::agent::Agent;
use crate::error::Error;
use crate::run::SessionState;
use crate::runtime::{Place, RunSession, SessionSpec};

/// Runs sessions in prepared places, over a storage that a hub somewhere shares.
#[derive(Clone)]
pub struct Worker {
    parts: Parts,
}

impl Worker {
    pub(crate) const fn from_parts(parts: Parts) -> Self {
        Self { parts }
    }
}

#[async_trait]
impl RunSession for Worker {
    async fn run_session(
        &self,
        spec: &SessionSpec,
        place: Place,
        agent: Arc<dyn Agent>,
    ) -> Result<SessionState, Error> {
        let _ = (spec, place, agent, &self.parts);
        todo!()
    }

    async fn fail_session(&self, spec: &SessionSpec, reason: &str) -> Result<(), Error> {
        let _ = (spec, reason);
        todo!()
    }
}
