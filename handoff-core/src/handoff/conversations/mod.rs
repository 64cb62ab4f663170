//! Stored conversations: an append-only log each, forks by reference.

#[cfg(test)]
mod budget;
mod entry;
mod import;
mod kept;
mod pack;
mod read;
#[cfg(test)]
mod tests;
mod tip;

use std::sync::Arc;
use std::time::Duration;

use super::attachments;
use crate::clock::Clock;
use crate::conversation::{
    Attachment, ConversationHead, ForkPoint, Lineage, Message, OpenCall, close, open_calls,
};
use crate::digest::Digest;
use crate::error::Error;
use crate::id::{ActorId, ConversationId, MessageId, OpId};
use crate::log::Put;
use crate::storage::Storage;
use entry::{Entry, Segment};
use tip::{Tip, Tips};

/// The most stretches of other conversations that a fork's past may consist of.
const MAX_PAST: usize = 4096;

/// Conversations in a storage. Appends of several writers do not lose each other; a fork shares its past by
/// reference and costs the same whatever its length. Clones share what is remembered of heads.
///
/// ```
/// use std::sync::Arc;
/// use handoff_core::storage::MemoryStorage;
/// use handoff_core::{AppendRequest, Conversations, ForkPoint, Message};
///
/// # futures_lite::future::block_on(async {
/// let conversations = Conversations::new(Arc::new(MemoryStorage::new()));
/// let ana = "ana".parse()?;
/// let source = conversations.create(&ana).await?;
/// conversations.append(&source.id, AppendRequest::new(vec![Message::user("Is it green?")])).await?;
///
/// let fork = conversations.fork(&source.id, &ForkPoint::Head, &ana).await?;
/// conversations.append(&fork.id, AppendRequest::new(vec![Message::assistant("Yes.")])).await?;
/// assert_eq!(conversations.messages(&fork.id, 0, 10).await?.len(), 2);
/// assert_eq!(conversations.head(&source.id).await?.messages, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Conversations {
    storage: Arc<dyn Storage>,
    tips: Arc<Tips>,
}

/// What to append, and with which right.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct AppendRequest {
    /// All in one step.
    pub messages: Vec<Message>,
    /// The fencing token of the session that writes; 0 for a host that keeps its own transcript outside any run.
    pub epoch: u64,
    /// Makes a repeated call a no-op that returns the first result, as long as nobody else has appended since.
    pub op: Option<OpId>,
    /// Inbox records up to this number are taken in by this append.
    pub inbox: Option<u64>,
    /// When set, the append is refused unless the conversation has exactly so many messages.
    pub expect: Option<u64>,
}

impl AppendRequest {
    /// Messages of a host outside any run.
    pub fn new(messages: Vec<Message>) -> Self {
        Self { messages, ..Self::default() }
    }
}

impl Conversations {
    /// The conversations in `storage`.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, tips: Arc::default() }
    }

    /// A new, empty conversation. One write.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn create(&self, owner: &ActorId) -> Result<ConversationHead, Error> {
        self.create_as(ConversationId::new(), owner).await
    }

    /// A new, empty conversation with an id of the caller's; the same call again returns what is there.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when `id` is somebody else's; [`Error::Storage`].
    pub async fn create_as(&self, id: ConversationId, owner: &ActorId) -> Result<ConversationHead, Error> {
        self.begin(id, owner, None, Vec::new(), &[]).await
    }

    /// What is known of a conversation. The number of requests grows with the logarithm of what the hint misses.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`], [`Error::Storage`].
    pub async fn head(&self, id: &ConversationId) -> Result<ConversationHead, Error> {
        Ok(self.tip(id).await?.entry.head(*id))
    }

    /// Appends messages in one step: all of them, or none. One write when nobody else writes.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Fenced`] when a session with a higher epoch has taken over;
    /// [`Error::InvalidArgument`] when `expect` does not hold or there is nothing to append; [`Error::Limit`] beyond
    /// 16 MiB; [`Error::Storage`].
    pub async fn append(
        &self,
        id: &ConversationId,
        request: AppendRequest,
    ) -> Result<ConversationHead, Error> {
        if request.messages.is_empty() && request.inbox.is_none() {
            let why = "holds no message; append at least one".to_owned();
            return Err(Error::InvalidArgument { argument: "messages", why });
        }
        self.write(id, request).await
    }

    /// Marks that the session with `epoch` has taken over: every writer with a lower one is refused from here on.
    pub(crate) async fn fence(
        &self,
        id: &ConversationId,
        epoch: u64,
        op: OpId,
    ) -> Result<ConversationHead, Error> {
        self.write(id, AppendRequest { epoch, op: Some(op), ..AppendRequest::default() }).await
    }

    /// A new conversation that shares the past of `source` up to `at`; `source` is not written. Tool calls that are
    /// open there are closed in the fork. The same number of requests at any length, but for
    /// [`ForkPoint::After`], which reads backwards from the end until it finds the message.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the source or the point; [`Error::Storage`].
    pub async fn fork(
        &self,
        source: &ConversationId,
        at: &ForkPoint,
        owner: &ActorId,
    ) -> Result<ConversationHead, Error> {
        self.fork_as(ConversationId::new(), source, at, owner).await
    }

    /// As [`fork`](Self::fork), with an id of the caller's; the same call again returns what is there, even when
    /// the source has grown since.
    ///
    /// # Errors
    /// As [`fork`](Self::fork).
    pub async fn fork_as(
        &self,
        id: ConversationId,
        source: &ConversationId,
        at: &ForkPoint,
        owner: &ActorId,
    ) -> Result<ConversationHead, Error> {
        let tip = self.tip(source).await?;
        let (past, last, open) = self.past_until(source, &tip, at).await?;
        let shared = past.last().map_or(0, |segment| segment.end);
        let lineage = Lineage { source: *source, messages: shared, entry: last };
        self.begin(id, owner, Some(lineage), past, &open).await
    }

    /// At most `limit` messages from number `from` on, shared ones included; memory and requests are bounded by
    /// what is returned, not by the conversation's length.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`], [`Error::Storage`].
    pub async fn messages(
        &self,
        id: &ConversationId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Message>, Error> {
        let tip = self.tip(id).await?;
        self.read(id, &tip, from, limit).await
    }

    /// Waits until the conversation has `messages` messages, at most `deadline`.
    ///
    /// # Errors
    /// [`Error::Unsynced`] saying how many there are; as [`head`](Self::head).
    pub async fn wait_synced(
        &self,
        id: &ConversationId,
        messages: u64,
        deadline: Duration,
        clock: &dyn Clock,
    ) -> Result<ConversationHead, Error> {
        let begin = clock.monotonic();
        let mut pause = Duration::from_millis(20);
        loop {
            let head = match self.head(id).await {
                Ok(head) => Some(head),
                Err(Error::NotFound { .. }) => None,
                Err(error) => return Err(error),
            };
            let have = head.as_ref().map_or(0, |head| head.messages);
            match head {
                Some(head) if have >= messages => return Ok(head),
                _ if clock.monotonic().saturating_sub(begin) >= deadline => {
                    return Err(Error::Unsynced { conversation: *id, have, want: messages });
                }
                _ => clock.sleep(pause).await,
            }
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Stores a content, to be named by a message appended later: within 12 hours, or [`Handoff::collect`] may take it.
    ///
    /// [`Handoff::collect`]: crate::Handoff::collect
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn attach(&self, name: &str, media_type: &str, content: Vec<u8>) -> Result<Attachment, Error> {
        attachments::put(&*self.storage, name, media_type, content).await
    }

    /// The content of an attachment, checked against its hash.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`], [`Error::Storage`].
    pub async fn read_attachment(&self, attachment: &Attachment) -> Result<Vec<u8>, Error> {
        attachments::get(&*self.storage, attachment).await
    }

    /// Writes number 0.
    async fn begin(
        &self,
        id: ConversationId,
        owner: &ActorId,
        lineage: Option<Lineage>,
        past: Vec<Segment>,
        open: &[OpenCall],
    ) -> Result<ConversationHead, Error> {
        let entry = Entry {
            // Decided by the id, so that the same call again makes the same body and finds its own.
            op: OpId::from_digest(&Digest::of(format!("{id} begins").as_bytes())),
            epoch: 0,
            prev: None,
            owner: owner.clone(),
            first: lineage.as_ref().map_or(0, |lineage| lineage.messages),
            last: lineage.as_ref().and_then(|lineage| lineage.entry),
            open: open.to_vec(),
            inbox: 0,
            messages: close(open, &id).into_iter().collect(),
            lineage,
            past,
        };
        let body = tip::encode(&id, 0, &entry)?;
        let log = tip::log(&self.storage, &id)?;
        if log.put(0, body.clone()).await? != Put::Created {
            let there = self.tip(&id).await?;
            let same_source = |a: &Option<Lineage>, b: &Option<Lineage>| {
                a.as_ref().map(|lineage| lineage.source) == b.as_ref().map(|lineage| lineage.source)
            };
            if there.entry.owner != *owner || !same_source(&there.entry.lineage, &entry.lineage) {
                let why = format!("{id} is another conversation; pass a new id");
                return Err(Error::InvalidArgument { argument: "id", why });
            }
            return Ok(there.entry.head(id));
        }
        let head = entry.head(id);
        self.tips.keep(id, Tip::new(0, &body, entry));
        Ok(head)
    }

    async fn write(&self, id: &ConversationId, request: AppendRequest) -> Result<ConversationHead, Error> {
        let log = tip::log(&self.storage, id)?;
        let op = request.op.unwrap_or_else(OpId::new);
        attachments::mark(&*self.storage, &format!("c/{id}"), &request.messages).await?;
        // A remembered tip may be old; then the number is taken, and the log is followed from there.
        let mut tip = match self.tips.get(id) {
            Some(tip) => tip,
            None => self.tip(id).await?,
        };
        let mut lost = 0;
        loop {
            let known = &tip.entry;
            if known.op == op {
                return Ok(known.head(*id));
            }
            if known.epoch > request.epoch {
                return Err(Error::Fenced { what: format!("conversation {id}") });
            }
            if let Some(expected) = request.expect.filter(|expected| *expected != known.end()) {
                // Not known for sure before the log itself was asked.
                let fresh = tip::follow(&log, id, tip.clone()).await?;
                if fresh.seq == tip.seq {
                    let why = format!(
                        "expects {expected} messages, and there are {}; read them first",
                        known.end()
                    );
                    return Err(Error::InvalidArgument { argument: "expect", why });
                }
                tip = fresh;
                continue;
            }
            let entry = Entry {
                op,
                epoch: request.epoch,
                prev: Some(tip.digest),
                owner: known.owner.clone(),
                lineage: known.lineage.clone(),
                first: known.end(),
                last: known.messages.last().map(|message| message.id).or(known.last),
                open: open_calls(&known.open, &known.messages),
                inbox: request.inbox.unwrap_or_default().max(known.inbox),
                past: Vec::new(),
                messages: request.messages.clone(),
            };
            let seq = tip.seq + 1;
            let body = tip::encode(id, seq, &entry)?;
            if log.put(seq, body.clone()).await?.won() {
                let head = entry.head(*id);
                self.tips.keep(*id, Tip::new(seq, &body, entry));
                self.after_append(id, seq).await;
                return Ok(head);
            }
            tip = tip::step(&log, id, &tip).await?;
            lost += 1;
            // One lost number is a race, more are a log that went on without us: then each number is read, since
            // this very operation may stand among them, but none is tried before the end.
            while lost > 1
                && tip.entry.op != op
                && let Some(next) = tip::next(&log, id, &tip).await?
            {
                tip = next;
            }
        }
    }

    /// What a fork of `source` at `at` shares: the stretches, the last message, and the calls open there.
    async fn past_until(
        &self,
        source: &ConversationId,
        tip: &Tip,
        at: &ForkPoint,
    ) -> Result<(Vec<Segment>, Option<MessageId>, Vec<OpenCall>), Error> {
        let total = tip.entry.end();
        let count = match at {
            ForkPoint::Head => total,
            ForkPoint::Count(count) if *count <= total => *count,
            ForkPoint::Count(count) => {
                return Err(Error::not_found(format!("message number {count} in a conversation of {total}")));
            }
            ForkPoint::After(message) => self.position(source, tip, message).await? + 1,
        };
        let own = self.stretches(source, tip).await?;
        let mut past: Vec<Segment> = Vec::new();
        for segment in own {
            let begin = past.last().map_or(0, |before| before.end);
            if begin >= count {
                break;
            }
            past.push(Segment { end: segment.end.min(count), ..segment });
        }
        let Some(last) = past.last_mut() else { return Ok((past, None, Vec::new())) };
        let (seq, entry) = self.entry_with(&last.conversation.clone(), last.seq, count - 1).await?;
        last.seq = seq;
        if past.len() > MAX_PAST {
            return Err(Error::Limit {
                what: format!("number of forks behind {source}"),
                limit: MAX_PAST as u64,
                found: past.len() as u64,
            });
        }
        let shared = entry.messages.get(..(count - entry.first) as usize).unwrap_or_default();
        Ok((past, shared.last().map(|message| message.id), open_calls(&entry.open, shared)))
    }
}
