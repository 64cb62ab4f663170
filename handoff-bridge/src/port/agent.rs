//! Who answers inside a session, as an object of the host's.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_lite::future;
use handoff_core::{ActiveSession, Agent, AgentError, AgentInfo, SessionEnd};
use serde_json::{Value, json};

use super::shape;
use crate::args::path_json;
use crate::handle::{Handle, Held};
use crate::ops::report_json;
use crate::{Failure, Foreign, ForeignCall, ForeignError};

/// How often a running session is asked whether it is to stop.
const LOOK: Duration = Duration::from_millis(25);

/// An agent of the host's.
pub struct ForeignAgent {
    agent: Arc<dyn Foreign>,
    info: AgentInfo,
}

impl ForeignAgent {
    /// Asks the agent what it is, once.
    pub async fn new(agent: Arc<dyn Foreign>) -> Result<Self, Failure> {
        let described = agent.call(ForeignCall::new("describe", json!({}))).await;
        let reply = described.map_err(|thrown| handoff_core::Error::Agent {
            action: "saying what it is".to_owned(),
            source: thrown.into(),
        })?;
        let info = crate::args::from_json("agent.describe", reply.value)?;
        Ok(Self { agent, info })
    }
}

fn thrown(thrown: ForeignError) -> AgentError {
    AgentError::new(thrown.message.clone()).because(thrown)
}

/// The facts that an agent is given at the start.
fn facts(session: &ActiveSession) -> Value {
    let facts = session.facts();
    json!({
        "run": facts.run,
        "session": facts.session,
        "number": facts.number,
        "prompt": facts.prompt,
        "model": facts.model,
        "root": path_json(&facts.root),
        "repos": facts.repos.iter().map(|repo| path_json(repo)).collect::<Vec<_>>(),
        "variables": facts.variables,
        "restored": facts.restored.as_ref().map(report_json),
    })
}

#[async_trait]
impl Agent for ForeignAgent {
    fn describe(&self) -> AgentInfo {
        self.info.clone()
    }

    async fn run(&self, session: ActiveSession) -> Result<SessionEnd, AgentError> {
        let handle = Handle::from(Held::Session(session.clone()));
        let args = json!({ "session": { "$handle": 0 }, "facts": facts(&session) });
        let call = ForeignCall { handles: vec![handle.clone()], ..ForeignCall::new("run", args) };
        // Told once that it is to stop; it is still the agent that ends its turn.
        let told = async {
            while !session.cancelled() {
                async_io::Timer::after(LOOK).await;
            }
            let _ = self
                .agent
                .call(ForeignCall::new("stop", json!({ "session": session.facts().session })))
                .await;
            future::pending().await
        };
        let ended = future::or(self.agent.call(call), told).await;
        handle.close();
        let value = ended.map_err(thrown)?.value;
        match (&value, value.get("failed").and_then(Value::as_str)) {
            (Value::Null, _) => Ok(SessionEnd::Succeeded),
            (Value::String(word), _) if word == "succeeded" => Ok(SessionEnd::Succeeded),
            (Value::String(word), _) if word == "cancelled" => Ok(SessionEnd::Cancelled),
            (_, Some(reason)) => Ok(SessionEnd::Failed(reason.to_owned())),
            (other, None) => Err(AgentError::new(format!(
                "run of this agent returned {}; it has to return nothing, succeeded, cancelled, or a reason why it failed",
                shape(other)
            ))),
        }
    }
}
