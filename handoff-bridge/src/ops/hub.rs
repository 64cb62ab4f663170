//! The front door: making a hub, starting runs, saying more to them.

use std::sync::Arc;
use std::time::Duration;

use async_channel::Receiver;
use futures_lite::future::{block_on, or};
use handoff_core::{
    CaptureOptions, ContinueRequest, Continued, ConversationSource, Handoff, HandoffBuilder, Origin,
    StartRequest, Started, Terms, Workspace, WorkspaceSource,
};
use serde_json::{Value, json};

use super::conversation::{fork_point, messages_arg};
use super::{Ended, off_thread};
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

/// The request, and the workspace that is to be captured for it.
fn request(args: &mut Args, prompt: String) -> Result<(StartRequest, Option<Workspace>), Failure> {
    let mut checkout = None;
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
        let wrong = |why: String| Failure::argument("workspace", why);
        if let Some(handle) = source.opt_handle("checkout")? {
            checkout = Some(handle.workspace().map_err(wrong)?);
        } else if let Some(handle) = source.opt_handle("snapshot")? {
            request.workspace = WorkspaceSource::Snapshot(handle.snapshot().map_err(wrong)?);
        } else if let Some(reference) = source.json("stored")? {
            request.workspace = WorkspaceSource::Stored(reference);
        } else {
            return Err(wrong("is neither a snapshot nor a reference to one".to_owned()));
        }
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
    Ok((request, checkout))
}

/// How long a capture that is given up may take to clean up.
const LAST: Duration = Duration::from_secs(5);

/// Waits, when it is dropped, until the other end is.
struct Behind(Receiver<()>);

impl Drop for Behind {
    fn drop(&mut self) {
        let gone = async {
            let _ = self.0.recv().await;
        };
        let late = async {
            let _ = async_io::Timer::after(LAST).await;
        };
        block_on(or(gone, late));
    }
}

/// The request with the workspace as it is now.
async fn captured(
    mut request: StartRequest,
    checkout: Option<Workspace>,
    context: &Context,
) -> Result<StartRequest, Failure> {
    let Some(workspace) = checkout else { return Ok(request) };
    let mut options = CaptureOptions::default();
    options.control = context.control();
    let (working, done) = async_channel::bounded(1);
    // Given up, the thread heeds the token, and is waited for.
    let _behind = Behind(done);
    let work = move || {
        let _working = working;
        handoff_core::capture(&workspace, &options)
    };
    request.workspace = WorkspaceSource::Snapshot(off_thread(work).await?);
    Ok(request)
}

fn started_json(started: &Started) -> Value {
    json!({ "run": started.run, "session": started.session, "conversation": started.conversation })
}

/// A hub, and what makes failures of its policy whole.
pub fn hub(args: &mut Args) -> Result<(Handoff, Refusals), Failure> {
    args.held("hub", Handle::hub)
}

pub async fn start(mut args: Args, context: Context) -> Ended {
    let (hub, refusals) = hub(&mut args)?;
    let prompt = args.opt_text("prompt")?.unwrap_or_default();
    let (request, checkout) = request(&mut args, prompt)?;
    args.finish()?;
    let request = captured(request, checkout, &context).await?;
    let started = hub.start(request).await.map_err(|error| refusals.complete(error.into()))?;
    Ok(Reply::of(started_json(&started)))
}

pub async fn fan_out(mut args: Args, context: Context) -> Ended {
    let (hub, refusals) = hub(&mut args)?;
    let prompts = args.texts("prompts")?.unwrap_or_default();
    let (request, checkout) = request(&mut args, String::new())?;
    args.finish()?;
    let request = captured(request, checkout, &context).await?;
    let started = hub.fan_out(request, prompts).await.map_err(|error| refusals.complete(error.into()))?;
    let one = |started: Result<Started, handoff_core::Error>| match started {
        Ok(started) => started_json(&started),
        Err(error) => json!({ "error": Failure::from(error).fields() }),
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
