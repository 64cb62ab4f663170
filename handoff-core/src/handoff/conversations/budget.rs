//! What conversations ask of a storage, counted: more requests than here are a regression. And what becomes of them
//! over a storage that fails.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use futures_lite::future::block_on;

use super::{AppendRequest, Conversations};
use crate::conformance::{Counting, Fault, Faulty, Requests};
use crate::conversation::{ForkPoint, Message};
use crate::error::Error;
use crate::id::{ActorId, ConversationId, OpId};
use crate::storage::{BodyStream, Key, MemoryStorage, Meta, PutNew, Storage, StorageError};

fn ana() -> ActorId {
    "ana".parse().unwrap()
}

fn counting() -> (Counting, Conversations) {
    let storage = Counting::new(Arc::new(MemoryStorage::new()));
    (storage.clone(), Conversations::new(Arc::new(storage)))
}

fn asked<T>(storage: &Counting, work: impl Future<Output = T>) -> (Requests, T) {
    let before = storage.requests();
    let done = block_on(work);
    (storage.requests() - before, done)
}

/// `count` messages in entries of `per_entry`.
fn fill(conversations: &Conversations, count: usize, per_entry: usize) -> ConversationId {
    let id = block_on(conversations.create(&ana())).unwrap().id;
    for _ in 0..count / per_entry {
        let messages = (0..per_entry).map(|_| Message::user("x")).collect();
        block_on(conversations.append(&id, AppendRequest::new(messages))).unwrap();
    }
    id
}

#[test]
fn an_append_by_one_holder_is_one_create() {
    let (storage, conversations) = counting();
    let id = fill(&conversations, 1, 1);
    for number in 2..200 {
        let (requests, _) =
            asked(&storage, conversations.append(&id, AppendRequest::new(vec![Message::user("x")])));
        assert_eq!(requests.put_new, 1, "append {number}");
        assert_eq!(requests.get + requests.list, 0, "append {number}");
        // The hint, once a second.
        assert!(requests.put <= 1);
    }
}

#[test]
fn packing_reads_a_block_once() {
    let (storage, conversations) = counting();
    let id = fill(&conversations, 254, 1);
    let (requests, _) = asked(
        &storage,
        conversations.append(&id, AppendRequest::new(vec![Message::user("the 256th entry")])),
    );
    assert_eq!((requests.put_new, requests.get), (2, 256));
}

#[test]
fn a_fork_costs_the_same_at_every_length() {
    let (storage, conversations) = counting();
    let mut costs = BTreeSet::new();
    for (count, per_entry) in [(10, 1), (10, 10), (1_000, 1), (100_000, 1_000)] {
        let id = fill(&conversations, count, per_entry);
        let (requests, fork) = asked(&storage, conversations.fork(&id, &ForkPoint::Head, &ana()));
        assert_eq!(fork.unwrap().messages, count as u64);
        costs.insert(format!("{requests:?}"));
        assert_eq!((requests.get, requests.total()), (2, 3), "fork of {count} by a process that knows it");

        // One that does not: the first mends the hint that the last second's appends left behind.
        let stranger = || Conversations::new(Arc::new(storage.clone()));
        block_on(stranger().head(&id)).unwrap();
        let other = stranger();
        let (requests, _) = asked(&storage, other.fork(&id, &ForkPoint::Head, &ana()));
        assert!(requests.get <= 9 && requests.put_new == 1, "fork of {count} by a stranger: {requests:?}");
        assert_eq!(requests.list, 0);
    }
    assert_eq!(costs.len(), 1, "{costs:?}");
}

/// What a reader holds at once does not grow with what it reads from.
#[test]
fn a_range_of_a_long_conversation_is_read_in_bounded_memory() {
    let text = "x".repeat(50);
    let mut most = Vec::new();
    for count in [30_000, 100_000] {
        let memory = MemoryStorage::new();
        let writer = Conversations::new(Arc::new(memory.clone()));
        let id = block_on(writer.create(&ana())).unwrap().id;
        for _ in 0..count / 50 {
            let messages = (0..50).map(|_| Message::user(text.clone())).collect();
            block_on(writer.append(&id, AppendRequest::new(messages))).unwrap();
        }
        let weighing = Weighing { inner: memory, bytes: Arc::default(), requests: Arc::default() };
        let reader = Conversations::new(Arc::new(weighing.clone()));
        block_on(reader.head(&id)).unwrap();
        let (mut bytes, mut requests) = (0, 0);
        for part in 0..10 {
            let from = count / 10 * part + 137;
            weighing.bytes.store(0, Ordering::SeqCst);
            weighing.requests.store(0, Ordering::SeqCst);
            let some = block_on(reader.messages(&id, from, 500)).unwrap();
            assert_eq!(some.len(), 500);
            bytes = weighing.bytes.load(Ordering::SeqCst).max(bytes);
            requests = weighing.requests.load(Ordering::SeqCst).max(requests);
        }
        most.push((bytes, requests));
    }
    let [(small, few), (large, many)] = most[..] else { panic!("{most:?}") };
    // Finding the place takes some looks more in ten times as many entries.
    assert!(large <= small * 3 / 2 && many <= few + 8, "{most:?}");
    assert!(large < 4 << 20, "{most:?}");
}

/// Sums up what is read.
#[derive(Clone)]
struct Weighing {
    inner: MemoryStorage,
    bytes: Arc<AtomicU64>,
    requests: Arc<AtomicU64>,
}

#[async_trait::async_trait]
impl Storage for Weighing {
    async fn put_new(&self, key: &Key, body: Bytes) -> Result<PutNew, StorageError> {
        self.inner.put_new(key, body).await
    }

    async fn put(&self, key: &Key, body: Bytes) -> Result<(), StorageError> {
        self.inner.put(key, body).await
    }

    async fn put_stream(&self, key: &Key, body: BodyStream) -> Result<(), StorageError> {
        self.inner.put_stream(key, body).await
    }

    async fn get(
        &self,
        key: &Key,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<Option<Bytes>, StorageError> {
        let found = self.inner.get(key, range).await?;
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.bytes.fetch_add(found.as_ref().map_or(0, |body| body.len() as u64), Ordering::SeqCst);
        Ok(found)
    }

    async fn list(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, StorageError> {
        self.inner.list(prefix, after, limit).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), StorageError> {
        self.inner.delete(keys).await
    }
}

#[test]
fn a_long_conversation_is_read_back_from_packs() {
    let (storage, conversations) = counting();
    let id = fill(&conversations, 1_000, 1);
    let stranger = Conversations::new(Arc::new(storage.clone()));
    let (requests, messages) = asked(&storage, stranger.messages(&id, 0, usize::MAX));
    assert_eq!(messages.unwrap().len(), 1_000);
    // Three packs, the 233 entries after them, the search for the end (no hint has to be right), and for the begin.
    assert!(requests.get <= 3 + 233 + 25 + 15, "{requests:?}");
    assert_eq!(requests.list, 0);
    // Somebody who follows.
    let (requests, messages) = asked(&storage, stranger.messages(&id, 999, 10));
    assert_eq!((messages.unwrap().len(), requests.total()), (1, 1));
}

#[test]
fn blocks_without_a_pack_cost_one_look_more() {
    let (storage, conversations) = counting();
    let id = fill(&conversations, 600, 1);
    let packs = block_on(storage.list(&format!("c/{id}/p").parse().unwrap(), None, 10)).unwrap();
    let packs: Vec<_> = packs.into_iter().map(|meta| meta.key).collect();
    block_on(storage.delete(&packs)).unwrap();
    let (requests, messages) = asked(&storage, conversations.messages(&id, 0, usize::MAX));
    assert_eq!(messages.unwrap().len(), 600);
    assert!(requests.get <= 601 + 2 + 20, "{requests:?}");
}

#[test]
fn a_writer_that_fell_behind_reads_each_entry_once() {
    let (storage, old) = counting();
    let id = fill(&old, 1, 1);
    let other = Conversations::new(Arc::new(storage.clone()));
    for _ in 0..100 {
        block_on(other.append(&id, AppendRequest::new(vec![Message::user("x")]))).unwrap();
    }
    let (requests, head) = asked(&storage, old.append(&id, AppendRequest::new(vec![Message::user("x")])));
    assert_eq!(head.unwrap().messages, 102);
    assert!(requests.put_new <= 3 && requests.get <= 105, "{requests:?}");
}

/// Appends once, as a host would: again with the same mark when the answer was lost for good.
fn append_once(conversations: &Conversations, id: &ConversationId, text: &str) {
    let op = Some(OpId::new());
    let request = AppendRequest { op, ..AppendRequest::new(vec![Message::user(text)]) };
    loop {
        match block_on(conversations.append(id, request.clone())) {
            Ok(_) => return,
            Err(Error::Storage { retryable: true, .. }) => {}
            Err(error) => panic!("{text}: {error}"),
        }
    }
}

#[test]
fn eight_writers_over_a_failing_storage_append_each_message_once() {
    for seed in 0..3 {
        let memory = MemoryStorage::new();
        let faulty = Faulty::new(Arc::new(memory.clone()), seed, 80);
        let id = block_on(Conversations::new(Arc::new(memory.clone())).create(&ana())).unwrap().id;
        let threads: Vec<_> = (0..8)
            .map(|writer| {
                let conversations = Conversations::new(Arc::new(faulty.clone()));
                std::thread::spawn(move || {
                    for turn in 0..30 {
                        append_once(&conversations, &id, &format!("{writer}.{turn}"));
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        block_on(faulty.settle()).unwrap();
        let reader = Conversations::new(Arc::new(memory));
        let messages = block_on(reader.messages(&id, 0, usize::MAX)).unwrap();
        assert_eq!(messages.len(), 240, "seed {seed}");
        for writer in 0..8 {
            let said: Vec<_> = messages
                .iter()
                .filter_map(|message| message.text.strip_prefix(&format!("{writer}."))?.parse::<u32>().ok())
                .collect();
            assert_eq!(said, (0..30).collect::<Vec<_>>(), "writer {writer}, seed {seed}");
        }
        for fault in [Fault::Before, Fault::After, Fault::Exists, Fault::Twice, Fault::Again, Fault::Late] {
            assert!(faulty.happened(fault) > 5, "{fault:?} was hardly tried: {faulty:?}");
        }
    }
}

#[test]
fn what_is_read_over_a_failing_storage_is_what_was_said() {
    let memory = MemoryStorage::new();
    let faulty = Faulty::new(Arc::new(memory), 9, 70);
    let writer = Conversations::new(Arc::new(faulty.clone()));
    let id = loop {
        if let Ok(head) = block_on(writer.create(&ana())) {
            break head.id;
        }
    };
    for turn in 0..300 {
        append_once(&writer, &id, &turn.to_string());
    }
    let fork = ConversationId::new();
    let made = block_on(writer.fork_as(fork, &id, &ForkPoint::Count(123), &ana())).unwrap();
    assert_eq!(made.messages, 123);
    append_once(&writer, &fork, "of the fork");
    let reader = Conversations::new(Arc::new(faulty));
    let messages = block_on(reader.messages(&fork, 0, usize::MAX)).unwrap();
    let texts: Vec<_> = messages.iter().map(|message| message.text.as_str()).collect();
    let mut expected: Vec<_> = (0..123).map(|turn| turn.to_string()).collect();
    expected.push("of the fork".to_owned());
    assert_eq!(texts, expected);
}
