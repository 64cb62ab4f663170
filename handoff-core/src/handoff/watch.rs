//! Following a run: transcript and state, in order, across disconnects.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Handoff;
use crate::conversation::Message;
use crate::error::Error;
use crate::id::{ActorId, RunId};
use crate::run::{Run, RunState};

/// How far a watcher has come; plain text to keep, and to go on with later or elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Cursor {
    /// Messages seen.
    pub messages: u64,
    /// Run records seen.
    pub records: u64,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A message was appended.
    Message {
        /// Its number in the conversation, from 0.
        index: u64,
        /// The message.
        message: Box<Message>,
    },
    /// The run's record changed.
    Run(Box<Run>),
}

/// A stream of events; see [`Handoff::watch`].
pub struct Watch {
    hub: Handoff,
    run: RunId,
    cursor: Cursor,
    /// Read, and not returned yet.
    ready: VecDeque<(Event, Cursor)>,
}

impl Watch {
    /// Messages read at once.
    const BATCH: usize = 256;

    /// The next event; waits for it. `None` once the run has ended and everything was seen; when it is continued
    /// later, a new watch with this one's cursor goes on.
    ///
    /// # Errors
    /// [`Error::Storage`]; the same call again goes on where this one was.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        let mut pause = self.hub.parts.terms.poll / 50;
        loop {
            if let Some((event, cursor)) = self.ready.pop_front() {
                self.cursor = cursor;
                return Ok(Some(event));
            }
            if !self.read().await? {
                if self.hub.runs.load(&self.run).await?.state.is_terminal() && !self.read().await? {
                    return Ok(None);
                }
                if self.ready.is_empty() {
                    self.hub.parts.clock.sleep(pause).await;
                    pause = (pause * 2).min(self.hub.parts.terms.poll);
                }
            }
        }
    }

    /// How far this watch has come: after the last event that [`next`](Self::next) returned.
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Reads what is new; false when nothing is.
    ///
    /// The record is read before the messages: whatever was said before a step was recorded is in the conversation
    /// by then, so it comes before the step here too.
    async fn read(&mut self) -> Result<bool, Error> {
        let mut cursor = self.cursor;
        let record = self.hub.runs.record(&self.run, cursor.records).await?;
        let conversation = match &record {
            Some(run) => run.conversation,
            None => self.hub.runs.load(&self.run).await?.conversation,
        };
        let mut whole = true;
        if let Some(id) = conversation {
            let messages = self.hub.conversations.messages(&id, cursor.messages, Self::BATCH).await?;
            whole = messages.len() < Self::BATCH;
            for message in messages {
                let event = Event::Message { index: cursor.messages, message: Box::new(message) };
                cursor.messages += 1;
                self.ready.push_back((event, cursor));
            }
        }
        if let Some(run) = record.filter(|_| whole) {
            cursor.records += 1;
            self.ready.push_back((Event::Run(Box::new(run)), cursor));
        }
        Ok(!self.ready.is_empty())
    }
}

impl Handoff {
    /// Follows a run from `cursor` on: every message and every record once, in order. The default cursor begins with
    /// the first message, shared ones of a fork included.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Storage`].
    ///
    /// ```
    /// # let (dir, laptop, hub) = handoff_core::testing::hub("echo done")?;
    /// # let ana: handoff_core::ActorId = "ana".parse()?;
    /// # futures_lite::future::block_on(async {
    /// use handoff_core::{Cursor, Event, StartRequest};
    ///
    /// let started = hub.start(StartRequest::new(ana.clone(), "cloud".parse()?, "Go.")).await?;
    /// let mut watch = hub.watch(&started.run, &ana, Cursor::default()).await?;
    /// let mut said = Vec::new();
    /// while let Some(event) = watch.next().await? {
    ///     if let Event::Message { message, .. } = event {
    ///         said.push(message.text.clone());
    ///     }
    /// }
    /// assert_eq!(said.last().unwrap(), "done");
    /// // What is left to see after a break: nothing.
    /// assert!(hub.watch(&started.run, &ana, watch.cursor()).await?.next().await?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn watch(&self, run: &RunId, actor: &ActorId, cursor: Cursor) -> Result<Watch, Error> {
        self.run(run, actor).await?;
        Ok(Watch { hub: self.clone(), run: *run, cursor, ready: VecDeque::new() })
    }

    /// Waits until a run has ended or is blocked, at most `deadline`.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; [`Error::NotFound`]; [`Error::Storage`].
    ///
    /// ```
    /// # let (dir, laptop, hub) = handoff_core::testing::hub("echo done")?;
    /// # let ana: handoff_core::ActorId = "ana".parse()?;
    /// # futures_lite::future::block_on(async {
    /// use handoff_core::{RunState, StartRequest};
    ///
    /// let started = hub.start(StartRequest::new(ana.clone(), "cloud".parse()?, "Go.")).await?;
    /// let run = hub.wait(&started.run, &ana, std::time::Duration::from_secs(60)).await?;
    /// assert_eq!(run.state, RunState::Succeeded);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn wait(&self, run: &RunId, actor: &ActorId, deadline: Duration) -> Result<Run, Error> {
        let begin = self.parts.clock.monotonic();
        let mut pause = self.parts.terms.poll / 50;
        loop {
            let found = self.run(run, actor).await?;
            if found.state.is_terminal() || found.state == RunState::Blocked {
                return Ok(found);
            }
            let left = deadline.saturating_sub(self.parts.clock.monotonic().saturating_sub(begin));
            if left.is_zero() {
                return Err(Error::TimedOut { what: format!("the end of run {run}") });
            }
            self.parts.clock.sleep(pause.min(left)).await;
            pause = (pause * 2).min(self.parts.terms.poll);
        }
    }
}
