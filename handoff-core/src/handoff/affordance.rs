//! What a person can do with a run right now: the button that never lies.

use super::Handoff;
use super::route::{Route, route};
use crate::access::ContinueDecision;
use crate::error::Error;
use crate::id::{ActorId, RunId};
use crate::run::{AgentKind, RunState};

/// The one thing to offer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Affordance {
    /// The run waits for an answer.
    Respond {
        /// To what.
        question: String,
    },
    /// Say something more to an ended or live run of a native agent.
    FollowUp,
    /// Continue an ended run of a third party's agent.
    Continue {
        /// What the button says, as in "Continue with codex".
        label: String,
    },
    /// The run cannot be continued here, and its result can be brought home.
    ContinueLocally,
    /// Only look.
    Watch,
    /// Nothing.
    Unavailable {
        /// Why.
        reason: ContinueDecision,
    },
}

impl Handoff {
    /// What `actor` can do with `run`: an action that could only fail is never offered.
    ///
    /// # Errors
    /// [`Error::Storage`]; [`Error::Policy`].
    ///
    /// ```
    /// # let (dir, laptop, hub) = handoff_core::testing::hub("echo done")?;
    /// # let ana: handoff_core::ActorId = "ana".parse()?;
    /// # futures_lite::future::block_on(async {
    /// use handoff_core::{Affordance, StartRequest};
    ///
    /// let started = hub.start(StartRequest::new(ana.clone(), "cloud".parse()?, "Go.")).await?;
    /// hub.wait(&started.run, &ana, std::time::Duration::from_secs(60)).await?;
    /// let Affordance::Continue { label } = hub.affordance(&started.run, &ana).await? else { panic!() };
    /// assert_eq!(label, "Continue with sh");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn affordance(&self, run: &RunId, actor: &ActorId) -> Result<Affordance, Error> {
        let run = match self.run(run, actor).await {
            Ok(run) => run,
            Err(Error::NotFound { .. }) => {
                return Ok(Affordance::Unavailable { reason: ContinueDecision::NotFound });
            }
            Err(error) => return Err(error),
        };
        let query = self.query(&run, actor).await?;
        // The kind of the last agent that answered; before any did, nothing is known against a follow-up.
        let answered = run.sessions.iter().rev().find(|session| session.epoch > 0);
        let third_party = answered.filter(|session| session.agent_kind == AgentKind::ThirdParty);
        match route(&query) {
            _ if run.state == RunState::Blocked => {
                let question =
                    run.question.as_ref().map(|question| question.text.clone()).unwrap_or_default();
                Ok(Affordance::Respond { question })
            }
            Route::AppendToPrompt => Ok(Affordance::FollowUp),
            Route::Deliver if third_party.is_some() => Ok(Affordance::Watch),
            Route::Deliver => Ok(Affordance::FollowUp),
            Route::NewSession { .. } => {
                let budget = self.parts.policy.budget(actor, Some(&run)).await?;
                let offered = self.check_environment(&run.environment, run.model.as_deref(), None).await;
                if budget.exhausted(&run.usage()).is_some() || offered.is_err() {
                    return Ok(Affordance::ContinueLocally);
                }
                Ok(match third_party {
                    Some(session) => {
                        Affordance::Continue { label: format!("Continue with {}", session.agent) }
                    }
                    None => Affordance::FollowUp,
                })
            }
            Route::Refuse(ContinueDecision::NoConversation) if query.snapshot => {
                Ok(Affordance::ContinueLocally)
            }
            Route::Refuse(ContinueDecision::NotEnded) => Ok(Affordance::Watch),
            Route::Refuse(reason) => Ok(Affordance::Unavailable { reason }),
        }
    }
}
