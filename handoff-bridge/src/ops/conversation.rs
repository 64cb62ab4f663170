//! Conversations in a storage.

use handoff_core::conversation::Message;
use handoff_core::{
    ActorId, AppendRequest, ConversationHead, ConversationId, Conversations, Digest, ForkPoint, MessageId,
    OpId, SystemClock,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Ended;
use crate::args::{Args, from_json};
use crate::handle::{Handle, Held, message_json};
use crate::operation::Context;
use crate::{Failure, Reply};

/// Messages as an argument. The host's own JSON comes as text in `body`, to be kept as it is.
pub fn messages_arg(args: &mut Args, name: &'static str) -> Result<Vec<Message>, Failure> {
    let items = args.list(name)?.ok_or_else(|| Failure::argument(name, "is missing"))?;
    items
        .into_iter()
        .enumerate()
        .map(|(index, item)| message_arg(&format!("{name}[{index}]"), item))
        .collect()
}

/// One message.
pub fn message_arg(name: &str, mut item: Value) -> Result<Message, Failure> {
    let Some(fields) = item.as_object_mut() else {
        return Err(Failure::argument(name, "is no message"));
    };
    let known = ["id", "kind", "role", "text", "tool_calls", "tool_results", "attachments", "at"];
    let body = fields.remove("body").filter(|body| !body.is_null());
    if let Some(unknown) = fields.keys().find(|field| !known.contains(&field.as_str())) {
        return Err(Failure::argument(
            format!("{name}.{unknown}"),
            format_args!("is not known; known are: {}, body", known.join(", ")),
        ));
    }
    fields.entry("id").or_insert_with(|| json!(MessageId::new()));
    let mut message: Message = from_json(name, item)?;
    if let Some(body) = body {
        let text = body.as_str().map(str::to_owned).unwrap_or_else(|| body.to_string());
        let raw = RawValue::from_string(text);
        let raw =
            raw.map_err(|why| Failure::argument(format!("{name}.body"), format_args!("is no JSON: {why}")))?;
        message = message.with_body(raw);
    }
    Ok(message)
}

pub fn messages_reply(messages: &[Message]) -> Reply {
    Reply::of(messages.iter().map(message_json).collect::<Vec<_>>())
}

pub fn head_json(head: &ConversationHead) -> Value {
    json!(head)
}

/// Where a fork leaves its source.
pub fn fork_point(args: &mut Args) -> Result<ForkPoint, Failure> {
    let Some(mut at) = args.inner("at")? else { return Ok(ForkPoint::Head) };
    let (after, count) = (at.opt_parsed("after")?, at.number("count")?);
    at.finish()?;
    match (after, count) {
        (Some(id), None) => Ok(ForkPoint::After(id)),
        (None, Some(count)) => Ok(ForkPoint::Count(count)),
        _ => Err(Failure::argument("at", "needs either after, a message's id, or count")),
    }
}

struct Asked {
    conversations: Conversations,
    id: ConversationId,
}

fn asked(args: &mut Args) -> Result<Asked, Failure> {
    Ok(Asked { conversations: args.held("conversations", Handle::conversations)?, id: args.parsed("id")? })
}

pub async fn new(mut args: Args, _: Context) -> Ended {
    let storage = args.held("storage", Handle::storage)?;
    args.finish()?;
    Ok(Reply::handle(Held::Conversations(Conversations::new(storage)).into()))
}

pub async fn create(mut args: Args, _: Context) -> Ended {
    let conversations = args.held("conversations", Handle::conversations)?;
    let owner: ActorId = args.parsed("owner")?;
    let id = args.opt_parsed("id")?.unwrap_or_else(ConversationId::new);
    args.finish()?;
    Ok(Reply::of(head_json(&conversations.create_as(id, &owner).await?)))
}

pub async fn head(mut args: Args, _: Context) -> Ended {
    let Asked { conversations, id } = asked(&mut args)?;
    args.finish()?;
    Ok(Reply::of(head_json(&conversations.head(&id).await?)))
}

pub async fn append(mut args: Args, _: Context) -> Ended {
    // The messages first: what is wrong with them is the likelier mistake.
    let messages = messages_arg(&mut args, "messages")?;
    let Asked { conversations, id } = asked(&mut args)?;
    let mut request = AppendRequest::new(messages);
    args.number_into("epoch", &mut request.epoch)?;
    request.expect = args.number("expect")?;
    let key = args.opt_text("idempotency_key")?;
    request.op = key.map(|key| OpId::from_digest(&Digest::of(format!("append {id} {key}").as_bytes())));
    args.finish()?;
    Ok(Reply::of(head_json(&conversations.append(&id, request).await?)))
}

pub async fn messages(mut args: Args, _: Context) -> Ended {
    let Asked { conversations, id } = asked(&mut args)?;
    let from = args.number("from")?.unwrap_or(0);
    let limit = usize::try_from(args.number("limit")?.unwrap_or(1_000)).unwrap_or(usize::MAX);
    args.finish()?;
    Ok(messages_reply(&conversations.messages(&id, from, limit).await?))
}

pub async fn fork(mut args: Args, _: Context) -> Ended {
    let conversations = args.held("conversations", Handle::conversations)?;
    let source: ConversationId = args.parsed("id")?;
    let owner: ActorId = args.parsed("owner")?;
    let at = fork_point(&mut args)?;
    let id = args.opt_parsed("new_id")?.unwrap_or_else(ConversationId::new);
    args.finish()?;
    Ok(Reply::of(head_json(&conversations.fork_as(id, &source, &at, &owner).await?)))
}

pub async fn wait_synced(mut args: Args, _: Context) -> Ended {
    let Asked { conversations, id } = asked(&mut args)?;
    let messages = args.number("messages")?.ok_or_else(|| Failure::argument("messages", "is missing"))?;
    let deadline = args.millis("deadline")?.ok_or_else(|| Failure::argument("deadline", "is missing"))?;
    args.finish()?;
    Ok(Reply::of(head_json(&conversations.wait_synced(&id, messages, deadline, &SystemClock).await?)))
}

pub async fn attach(mut args: Args, _: Context) -> Ended {
    let conversations = args.held("conversations", Handle::conversations)?;
    let (name, content) = (args.text("name")?, args.body());
    let media_type = args.opt_text("media_type")?.unwrap_or_default();
    args.finish()?;
    Ok(Reply::of(json!(conversations.attach(&name, &media_type, content.into()).await?)))
}

pub async fn read_attachment(mut args: Args, _: Context) -> Ended {
    let conversations = args.held("conversations", Handle::conversations)?;
    let attachment = args.json("attachment")?.ok_or_else(|| Failure::argument("attachment", "is missing"))?;
    args.finish()?;
    let content = conversations.read_attachment(&attachment).await?;
    Ok(Reply { body: Some(content.into()), ..Reply::default() })
}
