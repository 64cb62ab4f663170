//! Where sessions run, as an object of the host's.

use std::sync::Arc;

use async_trait::async_trait;
use handoff_core::{Environment, EnvironmentId, RunSession, Runtime, RuntimeError, SessionId, SessionSpec};
use serde_json::json;

use super::shape;
use crate::handle::{Handle, Held};
use crate::{Foreign, ForeignCall, ForeignError};

/// A runtime of the host's.
pub struct ForeignRuntime(pub Arc<dyn Foreign>);

fn thrown(thrown: ForeignError) -> RuntimeError {
    let message = thrown.message.clone();
    let made = match (thrown.kind.as_deref(), thrown.retryable) {
        (Some("not_found"), _) => RuntimeError::not_found(message),
        (_, Some(true)) => RuntimeError::retryable(message),
        _ => RuntimeError::new(message),
    };
    made.because(thrown)
}

#[async_trait]
impl Runtime for ForeignRuntime {
    async fn environment(&self, id: &EnvironmentId) -> Result<Environment, RuntimeError> {
        let reply =
            self.0.call(ForeignCall::new("environment", json!({ "id": id }))).await.map_err(thrown)?;
        let shape = shape(&reply.value);
        serde_json::from_value(reply.value).map_err(|why| {
            RuntimeError::new(format!(
                "environment of this runtime returned {shape}, which cannot be used: {why}"
            ))
        })
    }

    async fn start(&self, spec: SessionSpec, sessions: Arc<dyn RunSession>) -> Result<(), RuntimeError> {
        let args = json!({ "spec": spec, "sessions": { "$handle": 0 } });
        let handles = vec![Handle::from(Held::Sessions(sessions))];
        let call = ForeignCall { handles, ..ForeignCall::new("start", args) };
        self.0.call(call).await.map(drop).map_err(thrown)
    }

    async fn wake(&self, session: &SessionId) -> Result<(), RuntimeError> {
        self.0.call(ForeignCall::new("wake", json!({ "session": session }))).await.map(drop).map_err(thrown)
    }

    async fn cancel(&self, session: &SessionId) -> Result<(), RuntimeError> {
        self.0.call(ForeignCall::new("cancel", json!({ "session": session }))).await.map(drop).map_err(thrown)
    }
}
