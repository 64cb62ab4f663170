#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::block_on;
use proptest::prelude::*;

use super::{AppendRequest, Conversations};
use crate::clock::SystemClock;
use crate::conversation::{ForkPoint, Message, ToolCall, ToolResult, ToolStatus};
use crate::error::{Error, ErrorKind};
use crate::id::{ActorId, ConversationId, OpId};
use crate::storage::{MemoryStorage, Storage as _};

fn ana() -> ActorId {
    "ana".parse().unwrap()
}

fn fresh() -> (MemoryStorage, Conversations) {
    let storage = MemoryStorage::new();
    (storage.clone(), Conversations::new(Arc::new(storage)))
}

fn say(conversations: &Conversations, id: &ConversationId, texts: &[&str]) {
    let messages = texts.iter().map(|text| Message::user(*text)).collect();
    block_on(conversations.append(id, AppendRequest::new(messages))).unwrap();
}

fn texts(conversations: &Conversations, id: &ConversationId) -> Vec<String> {
    let messages = block_on(conversations.messages(id, 0, usize::MAX)).unwrap();
    messages.into_iter().map(|message| message.text).collect()
}

#[test]
fn a_long_conversation_is_read_in_ranges_from_packs_and_single_entries() {
    let (storage, conversations) = fresh();
    let id = block_on(conversations.create(&ana())).unwrap().id;
    let mut all = Vec::new();
    for turn in 0..700 {
        let some: Vec<String> = (0..turn % 3 + 1).map(|part| format!("{turn}.{part}")).collect();
        say(&conversations, &id, &some.iter().map(String::as_str).collect::<Vec<_>>());
        all.extend(some);
    }
    // Somebody who remembers nothing.
    let stranger = Conversations::new(Arc::new(storage.clone()));
    assert_eq!(texts(&stranger, &id), all);
    for (from, limit) in
        [(0, 1), (5, 7), (511, 300), (1_000, 5), (all.len() - 1, 10), (all.len(), 10), (all.len() + 5, 1)]
    {
        let read = block_on(stranger.messages(&id, from as u64, limit)).unwrap();
        let read: Vec<_> = read.into_iter().map(|message| message.text).collect();
        let end = all.len().min(from + limit);
        assert_eq!(read, all.get(from..end).unwrap_or_default(), "{limit} from {from}");
    }
    let packs = block_on(storage.list(&format!("c/{id}/p").parse().unwrap(), None, 10)).unwrap();
    assert_eq!(packs.len(), 2, "two full blocks");
}

#[test]
fn a_fork_leaves_every_byte_of_its_source() {
    let (storage, conversations) = fresh();
    let source = block_on(conversations.create(&ana())).unwrap().id;
    say(&conversations, &source, &["one", "two"]);
    say(&conversations, &source, &["three"]);
    let prefix = format!("c/{source}").parse().unwrap();
    let before = block_on(storage.list(&prefix, None, 100)).unwrap();
    let fork = block_on(conversations.fork(&source, &ForkPoint::Head, &"ben".parse().unwrap())).unwrap();
    say(&conversations, &fork.id, &["of the fork"]);
    assert_eq!(block_on(storage.list(&prefix, None, 100)).unwrap(), before);
    assert_eq!(fork.owner.as_str(), "ben");
    assert_eq!(fork.lineage.unwrap().messages, 3);
    say(&conversations, &source, &["four"]);
    assert_eq!(texts(&conversations, &fork.id), ["one", "two", "three", "of the fork"]);
    assert_eq!(texts(&conversations, &source), ["one", "two", "three", "four"]);
}

#[test]
fn forks_of_forks_cut_anywhere() {
    let (storage, conversations) = fresh();
    let mut ids = vec![block_on(conversations.create(&ana())).unwrap().id];
    let mut expected: Vec<Vec<String>> = vec![Vec::new()];
    for turn in 0..40 {
        let parent = turn * 7 % ids.len();
        let cut = turn * 5 % (expected[parent].len() + 1);
        let fork = block_on(conversations.fork(&ids[parent], &ForkPoint::Count(cut as u64), &ana())).unwrap();
        assert_eq!(fork.messages, cut as u64);
        let mut wanted = expected[parent][..cut].to_vec();
        let some: Vec<String> = (0..turn % 4).map(|part| format!("{turn}.{part}")).collect();
        if !some.is_empty() {
            say(&conversations, &fork.id, &some.iter().map(String::as_str).collect::<Vec<_>>());
        }
        wanted.extend(some);
        ids.push(fork.id);
        expected.push(wanted);
    }
    let stranger = Conversations::new(Arc::new(storage));
    for (id, expected) in ids.iter().zip(&expected) {
        assert_eq!(texts(&stranger, id), *expected);
    }
}

#[test]
fn a_fork_after_a_message_shares_up_to_it() {
    let (_, conversations) = fresh();
    let id = block_on(conversations.create(&ana())).unwrap().id;
    for turn in 0..400 {
        say(&conversations, &id, &[&turn.to_string()]);
    }
    let messages = block_on(conversations.messages(&id, 0, 500)).unwrap();
    for at in [0, 1, 143, 144, 255, 256, 399] {
        let fork = block_on(conversations.fork(&id, &ForkPoint::After(messages[at].id), &ana())).unwrap();
        assert_eq!(fork.last, Some(messages[at].id));
        assert_eq!(texts(&conversations, &fork.id).len(), at + 1);
    }
    let nowhere = ForkPoint::After(Message::user("").id);
    let error = block_on(conversations.fork(&id, &nowhere, &ana())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn open_tool_calls_are_closed_in_the_fork_only() {
    let (_, conversations) = fresh();
    let id = block_on(conversations.create(&ana())).unwrap().id;
    let mut calls = Message::assistant("two tools");
    calls.tool_calls = vec![ToolCall::new("a", "shell", "ls"), ToolCall::new("b", "shell", "cat")];
    let mut answer = Message::new(crate::Role::Tool, "");
    answer.tool_results = vec![ToolResult::new("a", "done", ToolStatus::Done)];
    block_on(conversations.append(&id, AppendRequest::new(vec![Message::user("go"), calls]))).unwrap();
    block_on(conversations.append(&id, AppendRequest::new(vec![answer]))).unwrap();
    assert_eq!(block_on(conversations.head(&id)).unwrap().open_calls.len(), 1);

    let fork = block_on(conversations.fork(&id, &ForkPoint::Head, &ana())).unwrap();
    assert!(fork.open_calls.is_empty());
    let messages = block_on(conversations.messages(&fork.id, 0, 10)).unwrap();
    assert_eq!(messages.len(), 4);
    assert_eq!(messages[3].tool_results.len(), 1);
    assert_eq!(messages[3].tool_results[0].status, ToolStatus::Interrupted);
    // Between the calls and the answer both are open.
    let fork = block_on(conversations.fork(&id, &ForkPoint::Count(2), &ana())).unwrap();
    assert_eq!(block_on(conversations.messages(&fork.id, 2, 10)).unwrap()[0].tool_results.len(), 2);
}

#[test]
fn a_repeated_call_finds_its_own_traces() {
    let (storage, conversations) = fresh();
    let (source, fork) = (ConversationId::new(), ConversationId::new());
    block_on(conversations.create_as(source, &ana())).unwrap();
    say(&conversations, &source, &["one"]);
    let first = block_on(conversations.fork_as(fork, &source, &ForkPoint::Head, &ana())).unwrap();
    say(&conversations, &source, &["two"]);
    assert_eq!(block_on(conversations.create_as(source, &ana())).unwrap().messages, 2);
    let again = block_on(conversations.fork_as(fork, &source, &ForkPoint::Head, &ana())).unwrap();
    assert_eq!(again, first, "the source has grown since, and the fork has not");
    let theirs = block_on(conversations.create_as(source, &"ben".parse().unwrap()));
    assert!(matches!(theirs, Err(Error::InvalidArgument { .. })));

    let op = OpId::new();
    let request = AppendRequest { op: Some(op), ..AppendRequest::new(vec![Message::user("once")]) };
    block_on(conversations.append(&source, request.clone())).unwrap();
    let stranger = Conversations::new(Arc::new(storage));
    assert_eq!(block_on(stranger.append(&source, request)).unwrap().messages, 3);
}

#[test]
fn a_fence_stops_every_writer_with_a_lower_epoch() {
    let (storage, old) = fresh();
    let id = block_on(old.create(&ana())).unwrap().id;
    let by = |epoch| AppendRequest { epoch, ..AppendRequest::new(vec![Message::assistant("mine")]) };
    block_on(old.append(&id, by(1))).unwrap();
    let new = Conversations::new(Arc::new(storage));
    block_on(new.fence(&id, 2, OpId::new())).unwrap();
    let refused = block_on(old.append(&id, by(1))).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Fenced);
    block_on(new.append(&id, by(2))).unwrap();
    assert_eq!(block_on(old.head(&id)).unwrap().messages, 2);
}

#[test]
fn an_append_that_expects_another_length_is_refused() {
    let (storage, conversations) = fresh();
    let id = block_on(conversations.create(&ana())).unwrap().id;
    say(&conversations, &id, &["one"]);
    let other = Conversations::new(Arc::new(storage));
    say(&other, &id, &["two"]);
    let expecting =
        |count| AppendRequest { expect: Some(count), ..AppendRequest::new(vec![Message::user("x")]) };
    assert!(block_on(conversations.append(&id, expecting(1))).is_err(), "what it remembers is old");
    assert_eq!(block_on(conversations.append(&id, expecting(2))).unwrap().messages, 3);
}

#[test]
fn waiting_for_the_rest_says_what_is_missing() {
    let (_, conversations) = fresh();
    let id = ConversationId::new();
    let wait = |want| block_on(conversations.wait_synced(&id, want, Duration::ZERO, &SystemClock));
    assert!(matches!(wait(1), Err(Error::Unsynced { have: 0, want: 1, .. })));
    block_on(conversations.create_as(id, &ana())).unwrap();
    say(&conversations, &id, &["one", "two"]);
    assert!(matches!(wait(3), Err(Error::Unsynced { have: 2, want: 3, .. })));
    assert_eq!(wait(2).unwrap().messages, 2);
}

#[test]
fn a_damaged_entry_is_named_and_the_hint_is_not_believed() {
    let (storage, conversations) = fresh();
    let id = block_on(conversations.create(&ana())).unwrap().id;
    say(&conversations, &id, &["one"]);
    say(&conversations, &id, &["two"]);
    let key = |rest: &str| format!("c/{id}/{rest}").parse().unwrap();
    block_on(storage.put(&key("hint"), "not a record".into())).unwrap();
    let stranger = || Conversations::new(Arc::new(storage.clone()));
    assert_eq!(block_on(stranger().head(&id)).unwrap().messages, 2);
    block_on(storage.put(&key("l/000000000001"), "not a record".into())).unwrap();
    let error = block_on(stranger().messages(&id, 0, 10)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("entry 1"), "{error}");
}

#[test]
fn a_body_is_kept_byte_for_byte() {
    let (storage, conversations) = fresh();
    let id = block_on(conversations.create(&ana())).unwrap().id;
    let body = r#"{"z":1.0,  "a":[1e3, "\u00e9é"],"n":123456789012345678901234567890}"#;
    let message = Message::user("x").with_body(serde_json::from_str(body).unwrap());
    block_on(conversations.append(&id, AppendRequest::new(vec![message]))).unwrap();
    let stranger = Conversations::new(Arc::new(storage));
    assert_eq!(block_on(stranger.messages(&id, 0, 1)).unwrap()[0].body.as_ref().unwrap().get(), body);
}

#[test]
fn an_import_goes_on_where_it_was_interrupted() {
    let messages: Vec<_> = (0..40)
        .map(|number| {
            let mut message = Message::user(number.to_string());
            // Most of a message's weight may be outside its text.
            message.tool_results = vec![ToolResult::new("a", "x".repeat(900_000), ToolStatus::Done)];
            message
        })
        .collect();
    let (storage, conversations) = fresh();
    let id = block_on(conversations.create(&ana())).unwrap().id;
    // As far as a process got that was killed after a step.
    block_on(conversations.append(&id, AppendRequest::new(messages[..7].to_vec()))).unwrap();
    let threads = (0..3).map(|_| {
        let (storage, messages) = (storage.clone(), messages.clone());
        std::thread::spawn(move || {
            block_on(Conversations::new(Arc::new(storage)).import(&id, &messages)).unwrap();
        })
    });
    threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(texts(&conversations, &id), (0..40).map(|number| number.to_string()).collect::<Vec<_>>());
    block_on(conversations.import(&id, &messages)).unwrap();
    assert_eq!(block_on(conversations.head(&id)).unwrap().messages, 40);
}

#[test]
fn a_fork_of_what_ends_in_fences_shares_all() {
    let (_, conversations) = fresh();
    let id = block_on(conversations.create(&ana())).unwrap().id;
    say(&conversations, &id, &["one", "two"]);
    for epoch in 1..30 {
        block_on(conversations.fence(&id, epoch, OpId::new())).unwrap();
        for at in [ForkPoint::Head, ForkPoint::Count(1)] {
            let fork = block_on(conversations.fork(&id, &at, &ana())).unwrap();
            assert_eq!(texts(&conversations, &fork.id), ["one", "two"][..fork.messages as usize]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Whatever is appended and forked, in whatever order, a conversation is what was said in it.
    #[test]
    fn conversations_are_what_was_said(steps in prop::collection::vec((any::<u8>(), any::<u8>(), 0..4usize), 1..60)) {
        let (storage, conversations) = fresh();
        let mut model: BTreeMap<ConversationId, Vec<String>> = BTreeMap::new();
        model.insert(block_on(conversations.create(&ana())).unwrap().id, Vec::new());
        for (which, cut, count) in steps {
            let id = *model.keys().nth(usize::from(which) % model.len()).unwrap();
            let mut said = model[&id].clone();
            if count == 0 {
                let cut = usize::from(cut) % (said.len() + 1);
                let fork = block_on(conversations.fork(&id, &ForkPoint::Count(cut as u64), &ana())).unwrap();
                said.truncate(cut);
                model.insert(fork.id, said);
            } else {
                let some: Vec<String> = (0..count).map(|part| format!("{which}.{cut}.{part}")).collect();
                say(&conversations, &id, &some.iter().map(String::as_str).collect::<Vec<_>>());
                model.get_mut(&id).unwrap().extend(some);
            }
        }
        let stranger = Conversations::new(Arc::new(storage));
        for (id, said) in &model {
            prop_assert_eq!(&texts(&stranger, id), said);
        }
    }
}
