//! A host's rules, and whom it tells.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use handoff_core::{ActorId, Budget, ConversationHead, Error, Notice, Notify, Policy, Relation, Run, RunId};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::shape;
use crate::{Failure, Foreign, ForeignCall, ForeignError};

/// What a policy threw last. The core's error for a refusal has only words, so the thrown object waits here for the
/// failure with the same words.
#[derive(Clone, Default)]
pub struct Refusals(Arc<Mutex<Option<ForeignError>>>);

impl Refusals {
    /// Gives a failure what was thrown, if it is of this refusal.
    pub fn complete(&self, mut failure: Failure) -> Failure {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failure.kind == "policy"
            && let Some(thrown) = last.take_if(|thrown| failure.message.ends_with(&thrown.message))
        {
            failure.kind = thrown.kind.clone().unwrap_or(failure.kind);
            failure.retryable = thrown.retryable.unwrap_or(false);
            failure.cause = Some(Box::new(thrown));
        }
        failure
    }
}

/// Rules of the host's. A method that it leaves out answers `{"default": true}`.
pub struct ForeignPolicy {
    pub policy: Arc<dyn Foreign>,
    pub refusals: Refusals,
}

impl ForeignPolicy {
    async fn ask(&self, method: &'static str, args: Value) -> Result<Value, Error> {
        self.policy.call(ForeignCall::new(method, args)).await.map(|reply| reply.value).map_err(|thrown| {
            let why = thrown.message.clone();
            *self.refusals.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(thrown);
            Error::Policy { why }
        })
    }

    /// `None` for the default.
    async fn optional<T: DeserializeOwned>(
        &self,
        method: &'static str,
        args: Value,
    ) -> Result<Option<T>, Error> {
        let mut answer = self.ask(method, args).await?;
        if answer.get("default").is_some() {
            return Ok(None);
        }
        let answer = answer.get_mut("is").map(Value::take).unwrap_or_default();
        let shape = shape(&answer);
        serde_json::from_value(answer).map(Some).map_err(|why| Error::Policy {
            why: format!("{method} of this policy returned {shape}, which cannot be used: {why}"),
        })
    }
}

#[async_trait]
impl Policy for ForeignPolicy {
    async fn relation(&self, actor: &ActorId, run: &Run) -> Result<Relation, Error> {
        let answer = self.ask("relation", json!({ "actor": actor, "run": run })).await?;
        Ok(match answer.as_str() {
            Some("creator") => Relation::Creator,
            Some("team_member") => Relation::TeamMember,
            Some("same_organisation") => Relation::SameOrganisation,
            Some("outsider") => Relation::Outsider,
            Some("anonymous") => Relation::Anonymous,
            _ => {
                let why = format!(
                    "relation of this policy returned {}; it has to return creator, team_member, same_organisation, outsider or anonymous",
                    shape(&answer)
                );
                return Err(Error::Policy { why });
            }
        })
    }

    async fn may_store_conversations(&self, actor: &ActorId) -> Result<bool, Error> {
        Ok(self.optional("may_store_conversations", json!({ "actor": actor })).await?.unwrap_or(true))
    }

    async fn may_fork(&self, actor: &ActorId, conversation: &ConversationHead) -> Result<bool, Error> {
        let args = json!({ "actor": actor, "conversation": conversation });
        Ok(self.optional("may_fork", args).await?.unwrap_or(*actor == conversation.owner))
    }

    async fn may_leave_children(&self, run: &Run, live: &[RunId]) -> Result<bool, Error> {
        let args = json!({ "run": run, "live": live });
        Ok(self.optional("may_leave_children", args).await?.unwrap_or(false))
    }

    async fn may_delete(&self, actor: &ActorId, run: &Run) -> Result<bool, Error> {
        match self.optional("may_delete", json!({ "actor": actor, "run": run })).await? {
            Some(may) => Ok(may),
            None => Ok(self.relation(actor, run).await? == Relation::Creator),
        }
    }

    async fn budget(&self, actor: &ActorId, run: Option<&Run>) -> Result<Budget, Error> {
        let own = || run.map(|run| run.budget.clone()).unwrap_or_default();
        Ok(self.optional("budget", json!({ "actor": actor, "run": run })).await?.unwrap_or_else(own))
    }
}

/// Whom the host tells.
pub struct ForeignNotify(pub Arc<dyn Foreign>);

#[async_trait]
impl Notify for ForeignNotify {
    async fn notify(&self, notice: &Notice) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let notice = match notice {
            Notice::Ended(run) => json!({ "kind": "ended", "run": run }),
            Notice::InputRequired(run) => json!({ "kind": "input_required", "run": run }),
            _ => return Ok(()),
        };
        self.0
            .call(ForeignCall::new("notify", json!({ "notice": notice })))
            .await
            .map(drop)
            .map_err(Into::into)
    }
}
