//! One turn of an agent, and what it may do in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::begin::text_of;
use super::live::{Cause, Core};
use crate::agent::{SessionFacts, SessionHost};
use crate::budget::{Budget, Usage};
use crate::conversation::{Attachment, ConversationHead, Message};
use crate::error::Error;
use crate::handoff::AppendRequest;
use crate::notify::Notice;
use crate::run::{Question, RunState, SnapshotRef};

/// Shut when a turn is over, so that an agent that was left behind writes nothing more.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<AtomicBool>);

impl Gate {
    pub(super) fn shut(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// One turn of the agent: what it was asked, and its way to everything else.
#[derive(Clone)]
pub(super) struct Turn {
    core: Arc<Core>,
    facts: SessionFacts,
    gate: Gate,
}

impl Turn {
    pub(super) fn new(core: Arc<Core>, facts: SessionFacts) -> Self {
        Self { core, facts, gate: Gate::default() }
    }

    pub(super) fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// The next turn, which answers `asked`.
    pub(super) fn with_prompt(&self, asked: &[Message]) -> Self {
        let facts = SessionFacts { prompt: text_of(asked), ..self.facts.clone() };
        Self::new(Arc::clone(&self.core), facts)
    }

    fn open(&self) -> Result<&Core, Error> {
        if self.gate.0.load(Ordering::Acquire) {
            return Err(Error::Fenced { what: format!("run {}", self.core.run) });
        }
        Ok(&self.core)
    }
}

#[async_trait]
impl SessionHost for Turn {
    fn facts(&self) -> &SessionFacts {
        &self.facts
    }

    async fn head(&self) -> Result<ConversationHead, Error> {
        let head = self.open()?.head().await?;
        head.ok_or_else(|| Error::not_found("conversation of this run"))
    }

    async fn messages(&self, from: u64, limit: usize) -> Result<Vec<Message>, Error> {
        let core = self.open()?;
        match &core.conversation {
            Some(id) => core.worker.conversations.messages(id, from, limit).await,
            None => {
                let from = usize::try_from(from).unwrap_or(usize::MAX);
                Ok(core.state().unstored.iter().skip(from).take(limit).cloned().collect())
            }
        }
    }

    async fn append(&self, messages: Vec<Message>) -> Result<(), Error> {
        self.open()?.append(AppendRequest::new(messages)).await?;
        Ok(())
    }

    async fn follow_ups(&self) -> Result<Vec<Message>, Error> {
        self.open()?.hear().await
    }

    async fn usage(&self, used: Usage) -> Result<(), Error> {
        let core = self.open()?;
        let total = {
            let mut state = core.state();
            state.usage.merge(&used);
            let mut total = core.before.clone();
            total.add(&state.usage);
            total
        };
        if core.budget.exhausted(&total).is_some() {
            core.stop(Cause::Budget);
        }
        Ok(())
    }

    fn remaining_budget(&self) -> Budget {
        self.core.remaining()
    }

    async fn checkpoint(&self) -> Result<SnapshotRef, Error> {
        self.open()?.checkpoint().await
    }

    async fn block(&self, question: Message) -> Result<Message, Error> {
        let core = self.open()?;
        let asked = Question { message: question.id, text: question.text.clone() };
        // What was said before the question is no answer to it.
        core.put_by().await?;
        core.append(AppendRequest::new(vec![question])).await?;
        let run = core
            .update(|run, _| {
                run.state = RunState::Blocked;
                run.question = Some(asked.clone());
            })
            .await?;
        let notice = Notice::InputRequired(Box::new(run));
        // A failed notice is not a failed question: whoever looks at the run sees it.
        let _ = core.worker.parts.notify.notify(&notice).await;
        let mut pause = core.worker.parts.terms.poll / 50;
        let answer = loop {
            if core.cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let core = self.open()?;
            if let Some(answer) = core.take_answer().await? {
                break answer;
            }
            core.worker.parts.clock.sleep(pause).await;
            pause = (pause * 2).min(core.worker.parts.terms.poll);
        };
        core.update(|run, _| {
            run.state = RunState::Running;
            run.question = None;
        })
        .await?;
        Ok(answer)
    }

    async fn attach(&self, name: &str, media_type: &str, content: Vec<u8>) -> Result<Attachment, Error> {
        self.open()?.worker.conversations.attach(name, media_type, content).await
    }

    async fn read_attachment(&self, attachment: &Attachment) -> Result<Vec<u8>, Error> {
        self.open()?.worker.conversations.read_attachment(attachment).await
    }
}
