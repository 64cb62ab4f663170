//! A session that keeps everything in memory, and judges what is done in it.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::agent::{ActiveSession, SessionFacts, SessionHost};
use crate::budget::{Budget, Usage};
use crate::conversation::{Attachment, ConversationHead, Message, open_calls};
use crate::digest::Digest;
use crate::error::Error;
use crate::id::{ActorId, ConversationId, OpId, RunId, SessionId, SnapshotId};
use crate::progress::CancelToken;
use crate::run::SnapshotRef;

/// What becomes of writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writes {
    /// They are kept.
    Kept,
    /// Another session has the run.
    Fenced,
    /// The storage is gone.
    Fail,
}

#[derive(Default)]
struct State {
    messages: Vec<Message>,
    refused: u64,
    used: Usage,
    fell: Option<String>,
    contents: Vec<(Attachment, Vec<u8>)>,
}

/// The session, and the test's view of it.
#[derive(Clone)]
pub(super) struct Host {
    facts: Arc<SessionFacts>,
    owner: ActorId,
    writes: Writes,
    state: Arc<Mutex<State>>,
}

impl Host {
    pub(super) fn new(prompt: &str, root: &Path, writes: Writes) -> Result<Self, String> {
        let facts = SessionFacts {
            run: RunId::new(),
            session: SessionId::new(),
            number: 1,
            prompt: prompt.to_owned(),
            model: None,
            root: root.to_owned(),
            repos: Vec::new(),
            variables: std::collections::BTreeMap::new(),
            restored: None,
            cancel: CancelToken::new(),
        };
        let owner = "ana".parse().map_err(|why| format!("{why}"))?;
        let state = State { messages: vec![Message::user(prompt)], ..State::default() };
        Ok(Self { facts: Arc::new(facts), owner, writes, state: Arc::new(Mutex::new(state)) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn session(&self) -> ActiveSession {
        ActiveSession::new(Arc::new(self.clone()))
    }

    pub(super) fn cancel(&self) {
        self.facts.cancel.cancel();
    }

    /// What the agent has said.
    pub(super) fn said(&self) -> Vec<Message> {
        self.state().messages.iter().skip(1).cloned().collect()
    }

    /// Writes that were refused.
    pub(super) fn refused(&self) -> u64 {
        self.state().refused
    }

    /// A report of usage that was lower than one before.
    pub(super) fn fell(&self) -> Option<String> {
        self.state().fell.clone()
    }

    fn write(&self) -> Result<(), Error> {
        match self.writes {
            Writes::Kept => return Ok(()),
            Writes::Fenced => self.state().refused += 1,
            Writes::Fail => {
                self.state().refused += 1;
                let gone = crate::storage::StorageError::new("the storage is gone");
                return Err(Error::storage("appending", gone));
            }
        }
        Err(Error::Fenced { what: format!("run {}", self.facts.run) })
    }
}

#[async_trait]
impl SessionHost for Host {
    fn facts(&self) -> &SessionFacts {
        &self.facts
    }

    async fn head(&self) -> Result<ConversationHead, Error> {
        let state = self.state();
        Ok(ConversationHead {
            id: ConversationId::new(),
            owner: self.owner.clone(),
            lineage: None,
            messages: state.messages.len() as u64,
            last: state.messages.last().map(|message| message.id),
            open_calls: open_calls(&[], &state.messages),
            epoch: 1,
            inbox: 1,
        })
    }

    async fn messages(&self, from: u64, limit: usize) -> Result<Vec<Message>, Error> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(self.state().messages.iter().skip(from).take(limit).cloned().collect())
    }

    async fn append(&self, messages: Vec<Message>) -> Result<(), Error> {
        self.write()?;
        self.state().messages.extend(messages);
        Ok(())
    }

    async fn follow_ups(&self) -> Result<Vec<Message>, Error> {
        Ok(Vec::new())
    }

    async fn usage(&self, used: Usage) -> Result<(), Error> {
        let mut state = self.state();
        for (unit, amount) in &used.0 {
            let before = state.used.get(unit);
            if *amount < before {
                state.fell = Some(format!("{unit} fell from {before} to {amount}"));
            }
        }
        state.used.merge(&used);
        Ok(())
    }

    fn remaining_budget(&self) -> Budget {
        Budget::default()
    }

    async fn checkpoint(&self) -> Result<SnapshotRef, Error> {
        self.write()?;
        let id = SnapshotId(Digest::of(OpId::new().bytes()));
        let key = format!("s/{id}/{}", OpId::new()).parse();
        Ok(SnapshotRef { id, key: key.map_err(|_| Error::format("a snapshot", "its key"))? })
    }

    async fn block(&self, question: Message) -> Result<Message, Error> {
        self.append(vec![question]).await?;
        let answer = Message::user("yes");
        self.append(vec![answer.clone()]).await?;
        Ok(answer)
    }

    async fn attach(&self, name: &str, media_type: &str, content: Vec<u8>) -> Result<Attachment, Error> {
        self.write()?;
        let attachment = Attachment::of(name, media_type, &content);
        self.state().contents.push((attachment.clone(), content));
        Ok(attachment)
    }

    async fn read_attachment(&self, attachment: &Attachment) -> Result<Vec<u8>, Error> {
        let state = self.state();
        let found = state.contents.iter().find(|(there, _)| there.blob == attachment.blob);
        found.map(|(_, content)| content.clone()).ok_or_else(|| Error::not_found("attachment"))
    }
}
