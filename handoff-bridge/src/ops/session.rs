//! What an agent may do in its session.

use serde_json::{Value, json};

use super::Ended;
use super::conversation::{head_json, message_arg, messages_arg, messages_reply};
use crate::args::Args;
use crate::handle::{Handle, message_json};
use crate::operation::Context;
use crate::{Failure, Reply};

fn session(args: &mut Args) -> Result<handoff_core::ActiveSession, Failure> {
    args.held("session", Handle::session)
}

pub async fn head(mut args: Args, _: Context) -> Ended {
    let session = session(&mut args)?;
    args.finish()?;
    Ok(Reply::of(head_json(&session.head().await?)))
}

pub async fn messages(mut args: Args, _: Context) -> Ended {
    let session = session(&mut args)?;
    let from = args.number("from")?.unwrap_or(0);
    let limit = usize::try_from(args.number("limit")?.unwrap_or(1_000)).unwrap_or(usize::MAX);
    args.finish()?;
    Ok(messages_reply(&session.messages(from, limit).await?))
}

pub async fn append(mut args: Args, _: Context) -> Ended {
    let session = session(&mut args)?;
    let messages = messages_arg(&mut args, "messages")?;
    args.finish()?;
    session.append(messages).await?;
    Ok(Reply::default())
}

pub async fn follow_ups(mut args: Args, _: Context) -> Ended {
    let session = session(&mut args)?;
    args.finish()?;
    Ok(messages_reply(&session.follow_ups().await?))
}

pub async fn usage(mut args: Args, _: Context) -> Ended {
    let session = session(&mut args)?;
    let used = args.json("used")?.ok_or_else(|| Failure::argument("used", "is missing"))?;
    args.finish()?;
    session.usage(used).await?;
    Ok(Reply::default())
}

pub async fn remaining_budget(mut args: Args, _: Context) -> Ended {
    let session = session(&mut args)?;
    args.finish()?;
    Ok(Reply::of(json!(session.remaining_budget())))
}

pub async fn cancelled(mut args: Args, _: Context) -> Ended {
    let session = session(&mut args)?;
    args.finish()?;
    Ok(Reply::of(session.cancelled()))
}

pub async fn checkpoint(mut args: Args, _: Context) -> Ended {
    let session = session(&mut args)?;
    args.finish()?;
    Ok(Reply::of(json!(session.checkpoint().await?)))
}

pub async fn block(mut args: Args, _: Context) -> Ended {
    let session = session(&mut args)?;
    let question = message_arg("question", args.take("question").unwrap_or(Value::Null))?;
    args.finish()?;
    Ok(Reply::of(message_json(&session.block(question).await?)))
}

pub async fn attach(mut args: Args, _: Context) -> Ended {
    let session = session(&mut args)?;
    let (name, content) = (args.text("name")?, args.body());
    let media_type = args.opt_text("media_type")?.unwrap_or_default();
    args.finish()?;
    Ok(Reply::of(json!(session.attach(&name, &media_type, content.into()).await?)))
}

pub async fn read_attachment(mut args: Args, _: Context) -> Ended {
    let session = session(&mut args)?;
    let attachment = args.json("attachment")?.ok_or_else(|| Failure::argument("attachment", "is missing"))?;
    args.finish()?;
    let content = session.read_attachment(&attachment).await?;
    Ok(Reply { body: Some(content.into()), ..Reply::default() })
}
