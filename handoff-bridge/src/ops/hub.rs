//! The front door: making a hub, starting runs, saying more to them.

use std::sync::Arc;

use handoff_core::{
    ContinueRequest, Continued, ConversationSource, Handoff, HandoffBuilder, Origin, StartRequest, Started,
    Terms, WorkspaceSource,
};
use serde_json::{Value, json};

use super::Ended;
use super::conversation::{fork_point, messages_arg};
use crate::args::{Args, bytes_of};
use crate::handle::{Handle, Held};
use crate::operation::Context;
use crate::port::{ForeignNotify, ForeignPolicy, Refusals};
use crate::{Failure, Reply};

/// A builder over the storage, policy, notify and terms among the arguments.
pub fn builder(args: &mut Args, refusals: &Refusals) -> Result<HandoffBuilder, Failure> {
    let mut builder = HandoffBuilder::new(args.held("storage", Handle::storage)?);
    if let Some(policy) = args.opt_foreign("policy")? {
        builder = builder.policy(Arc::new(ForeignPolicy { policy, refusals: refusals.clone() }));
    }
    if let Some(notify) = args.opt_foreign("notify")? {
        builder = builder.notify(Arc::new(ForeignNotify(notify)));
    }
    if let Some(mut given) = args.inner("terms")? {
        let mut terms = Terms::default();
        given.millis_into("lease", &mut terms.lease)?;
        given.millis_into("grace", &mut terms.grace)?;
        given.millis_into("poll", &mut terms.poll)?;
        given.millis_into("reserve", &mut terms.reserve)?;
        // Zero says that there are none.
        if let Some(checkpoint) = given.millis("checkpoint")? {
            terms.checkpoint = Some(checkpoint).filter(|time| !time.is_zero());
        }
        given.finish()?;
        builder = builder.terms(terms);
    }
    Ok(builder)
}

pub async fn new(mut args: Args, _: Context) -> Ended {
    let refusals = Refusals::default();
    let builder = builder(&mut args, &refusals)?;
    let runtime = args.held("runtime", Handle::runtime)?;
    args.finish()?;
    Ok(Reply::handle(Held::Hub(builder.hub(runtime), refusals).into()))
}

fn attachments(args: &mut Args) -> Result<Vec<(String, String, Vec<u8>)>, Failure> {
    let items = args.list("attachments")?.unwrap_or_default();
    let one = |(index, mut item): (usize, Value)| {
        let name = format!("attachments[{index}]");
        let mut field = |field: &str| item.get_mut(field).map(Value::take).unwrap_or_default();
        let text = |value: Value| value.as_str().map(str::to_owned).unwrap_or_default();
        let (title, media_type, content) = (text(field("name")), text(field("media_type")), field("content"));
        Ok((title, media_type, bytes_of(&format!("{name}.content"), content)?))
    };
    items.into_iter().enumerate().map(one).collect()
}

fn request(args: &mut Args, prompt: String) -> Result<StartRequest, Failure> {
    let mut request = StartRequest::new(args.parsed("actor")?, args.parsed("environment")?, prompt);
    request.attachments = attachments(args)?;
    if let Some(mut source) = args.inner("conversation")? {
        let id = source.opt_parsed("id")?;
        request.conversation = match id {
            Some(id) => {
                let (at, messages) = (fork_point(&mut source)?, source.number("expect")?);
                source.finish()?;
                ConversationSource::Stored { id, at, messages }
            }
            None => ConversationSource::Messages(messages_arg(&mut source, "messages")?),
        };
    }
    if let Some(mut source) = args.inner("workspace")? {
        request.workspace = match source.opt_handle("snapshot")? {
            Some(handle) => {
                let snapshot = handle.snapshot().map_err(|why| Failure::argument("workspace", why))?;
                WorkspaceSource::Snapshot(snapshot)
            }
            None => match source.json("stored")? {
                Some(reference) => WorkspaceSource::Stored(reference),
                None => {
                    return Err(Failure::argument(
                        "workspace",
                        "is neither a snapshot nor a reference to one",
                    ));
                }
            },
        };
        source.finish()?;
    }
    if let Some(origin) = args.opt_text("origin")? {
        let known = Origin::KNOWN;
        if !known.contains(&origin.as_str()) {
            return Err(Failure::argument(
                "origin",
                format_args!("is {origin:?}; pass one of: {}", known.join(", ")),
            ));
        }
        request.origin = Origin::from(origin.as_str());
    }
    request.source = args.opt_text("source")?;
    request.task = args.opt_text("task")?.unwrap_or_default();
    request.team = args.opt_parsed("team")?;
    request.model = args.opt_text("model")?;
    request.budget = args.json("budget")?.unwrap_or_default();
    request.parent = args.opt_parsed("parent")?;
    request.idempotency_key = args.opt_text("idempotency_key")?;
    Ok(request)
}

fn started_json(started: &Started) -> Value {
    json!({ "run": started.run, "session": started.session, "conversation": started.conversation })
}

/// A hub, and what makes failures of its policy whole.
pub fn hub(args: &mut Args) -> Result<(Handoff, Refusals), Failure> {
    args.held("hub", Handle::hub)
}

pub async fn start(mut args: Args, _: Context) -> Ended {
    let (hub, refusals) = hub(&mut args)?;
    let prompt = args.opt_text("prompt")?.unwrap_or_default();
    let request = request(&mut args, prompt)?;
    args.finish()?;
    let started = hub.start(request).await.map_err(|error| refusals.complete(error.into()))?;
    Ok(Reply::of(started_json(&started)))
}

pub async fn fan_out(mut args: Args, _: Context) -> Ended {
    let (hub, refusals) = hub(&mut args)?;
    let prompts = args.texts("prompts")?.unwrap_or_default();
    let request = request(&mut args, String::new())?;
    args.finish()?;
    let started = hub.fan_out(request, prompts).await.map_err(|error| refusals.complete(error.into()))?;
    let one = |started: Result<Started, handoff_core::Error>| match started {
        Ok(started) => started_json(&started),
        Err(error) => {
            let failure = Failure::from(error);
            json!({ "error": {
                "kind": failure.kind,
                "message": failure.message,
                "retryable": failure.retryable,
                "path": failure.path,
                "argument": failure.argument,
                "details": failure.details,
            } })
        }
    };
    Ok(Reply::of(started.into_iter().map(one).collect::<Vec<_>>()))
}

fn saying(args: &mut Args) -> Result<ContinueRequest, Failure> {
    let prompt = args.opt_text("prompt")?.unwrap_or_default();
    let mut request = ContinueRequest::new(args.parsed("run")?, args.parsed("actor")?, prompt);
    request.attachments = attachments(args)?;
    request.model = args.opt_text("model")?;
    request.idempotency_key = args.opt_text("idempotency_key")?;
    Ok(request)
}

pub async fn continue_run(mut args: Args, _: Context) -> Ended {
    let (hub, refusals) = hub(&mut args)?;
    let request = saying(&mut args)?;
    args.finish()?;
    let went = hub.continue_run(request).await.map_err(|error| refusals.complete(error.into()))?;
    Ok(Reply::of(match went {
        Continued::Delivered { session } => json!({ "went": "delivered", "session": session }),
        Continued::Appended { session } => json!({ "went": "appended", "session": session }),
        Continued::NewSession { session, workspace } => {
            json!({ "went": "new_session", "session": session, "workspace": workspace })
        }
        _ => json!({ "went": "unknown" }),
    }))
}

pub async fn answer(mut args: Args, _: Context) -> Ended {
    let (hub, refusals) = hub(&mut args)?;
    let request = saying(&mut args)?;
    args.finish()?;
    let session = hub.answer(request).await.map_err(|error| refusals.complete(error.into()))?;
    Ok(Reply::of(json!({ "session": session })))
}
