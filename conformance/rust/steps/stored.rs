//! Storages, and the states and conversations in them.

use std::sync::Arc;

use handoff_core::{
    AppendRequest, ConversationHead, ConversationId, Conversations, DirStorage, ForkPoint, Key,
    MemoryStorage, PutNew, Snapshots, SystemClock,
};
use serde_json::{Value, json};

use super::unknown;
use super::work::state;
use crate::agent::all_said;
use crate::data::{self, Failure};
use crate::disk;
use crate::given::Given;
use crate::world::{Ended, Made, World};

pub async fn step(verb: &str, world: &World<'_>, given: &mut Given<'_>) -> Ended {
    Ok(match verb {
        "storage.memory" => Made::Storage(Arc::new(MemoryStorage::new())).into(),
        "storage.dir" => Made::Storage(Arc::new(DirStorage::open(given.text("path"))?)).into(),
        "snapshots.save" => {
            let (snapshot, parent) = (world.snapshot(&given.need("snapshot")), given.json("parent"));
            let snapshots = Snapshots::new(world.storage(&given.need("storage")));
            json!(snapshots.save(&snapshot, parent.as_ref()).await?.reference).into()
        }
        "snapshots.load" => {
            let reference = given.json("reference").expect("a reference");
            state(Snapshots::new(world.storage(&given.need("storage"))).load(&reference).await?)
        }
        "conversations" => {
            Made::Conversations(Conversations::new(world.storage(&given.need("storage")))).into()
        }
        _ if verb.starts_with("storage.") => stored(verb, world, given).await?.into(),
        _ => said(verb, world, given).await?.into(),
    })
}

async fn stored(verb: &str, world: &World<'_>, given: &mut Given<'_>) -> Result<Value, Failure> {
    let storage = world.storage(&given.need("storage"));
    Ok(match verb {
        "storage.put_new" => {
            let (key, body): (Key, _) = (given.parsed("key")?, given.text("text"));
            match storage.put_new(&key, body.into()).await? {
                PutNew::Created => "created".into(),
                PutNew::Exists => "exists".into(),
            }
        }
        "storage.put" => {
            let (key, body): (Key, _) = (given.parsed("key")?, given.text("text"));
            storage.put(&key, body.into()).await?;
            Value::Null
        }
        "storage.get" => {
            let (key, range): (Key, Option<(u64, u64)>) = (given.parsed("key")?, given.json("range"));
            let found = storage.get(&key, range.map(|(start, end)| start..end)).await?;
            found.map_or(Value::Null, |found| disk::plain(&found))
        }
        "storage.list" => {
            let (prefix, after): (Key, Option<Key>) = (given.parsed("prefix")?, given.opt_parsed("after")?);
            let limit = given.number("limit").map_or(1000, |limit| usize::try_from(limit).unwrap());
            let found = storage.list(&prefix, after.as_ref(), limit).await?;
            found.iter().map(|meta| json!({ "key": meta.key, "size": meta.size })).collect()
        }
        "storage.delete" => {
            let keys = given.texts("keys").unwrap_or_default();
            let keys: Result<Vec<Key>, _> = keys.iter().map(|key| key.parse()).collect();
            storage.delete(&keys.map_err(|_| Failure::argument("keys"))?).await?;
            Value::Null
        }
        _ => unknown(verb),
    })
}

async fn said(verb: &str, world: &World<'_>, given: &mut Given<'_>) -> Result<Value, Failure> {
    let Some(Made::Conversations(talk)) = world.made(&given.need("conversations")) else {
        panic!("no conversations")
    };
    Ok(match verb {
        "conversation.create" => {
            let (owner, id) = (given.parsed("owner")?, given.opt_parsed("id")?);
            json!(talk.create_as(id.unwrap_or_else(ConversationId::new), &owner).await?)
        }
        "conversation.attach" => {
            let (name, media_type) = (given.text("name"), given.opt_text("media_type").unwrap_or_default());
            json!(talk.attach(&name, &media_type, disk::content_of(&given.need("content"))).await?)
        }
        "conversation.read_attachment" => {
            let attachment = given.json("attachment").expect("an attachment");
            disk::plain(&talk.read_attachment(&attachment).await?)
        }
        _ => {
            let id: ConversationId = given.parsed("id")?;
            of_one(verb, &talk, &id, given).await?
        }
    })
}

async fn of_one(
    verb: &str,
    talk: &Conversations,
    id: &ConversationId,
    given: &mut Given<'_>,
) -> Result<Value, Failure> {
    let head: ConversationHead = match verb {
        "conversation.head" => talk.head(id).await?,
        "conversation.append" => {
            let mut request = AppendRequest::new(all_said(&given.need("messages"), "assistant"));
            given.number_into("epoch", &mut request.epoch);
            request.expect = given.number("expect");
            talk.append(id, request).await?
        }
        "conversation.messages" => {
            let from = given.number("from").unwrap_or(0);
            let limit = given.number("limit").map_or(256, |limit| usize::try_from(limit).unwrap());
            return Ok(data::messages(&talk.messages(id, from, limit).await?));
        }
        "conversation.fork" => {
            let (at, owner) = (fork_point(&given.take("at"))?, given.parsed("owner")?);
            talk.fork(id, &at, &owner).await?
        }
        "conversation.wait_synced" => {
            let messages = given.number("messages").expect("messages");
            let deadline = given.millis("deadline").expect("a deadline");
            talk.wait_synced(id, messages, deadline, &SystemClock).await?
        }
        _ => unknown(verb),
    };
    Ok(json!(head))
}

/// Where a fork leaves its source: at the end, after so many messages, after one.
pub fn fork_point(at: &Value) -> Result<ForkPoint, Failure> {
    Ok(match at {
        Value::Null => ForkPoint::Head,
        Value::Number(count) => ForkPoint::Count(count.as_u64().expect("a number of messages")),
        Value::String(word) if word == "head" => ForkPoint::Head,
        Value::String(id) => ForkPoint::After(id.parse().map_err(|_| Failure::argument("after"))?),
        other => panic!("{other} is no place in a conversation"),
    })
}
