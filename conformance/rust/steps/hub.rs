//! The life of runs.

use std::sync::Arc;
use std::time::Duration;

use handoff_core::{
    ActorId, Affordance, CaptureOptions, ContinueRequest, Continued, ConversationSource, Handoff,
    ListRequest, Origin, PullAction, PullRequest, RunId, Runtime, StartRequest, Started, WorkspaceSource,
};
use serde_json::{Value, json};

use super::runs::builder;
use super::stored::fork_point;
use super::unknown;
use super::work::{apply_options, state};
use crate::agent::all_said;
use crate::case::{list, only, text};
use crate::data::{self, Failure};
use crate::disk::content_of;
use crate::given::Given;
use crate::world::{Ended, Made, Outcome, World};

/// How long a wait waits where nothing is said.
const LONG: Duration = Duration::from_secs(3600);

pub async fn step(verb: &str, world: &World<'_>, given: &mut Given<'_>) -> Ended {
    if verb == "handoff" {
        let runtime: Arc<dyn Runtime> = match world.made(&given.need("runtime")) {
            Some(Made::Runtime(runtime)) => runtime,
            Some(Made::Scripted(runtime)) => runtime,
            Some(Made::Queue(queue)) => queue,
            _ => panic!("no runtime"),
        };
        return Ok(Made::Hub(builder(world, given).hub(runtime)).into());
    }
    let Some(Made::Hub(hub)) = world.made(&given.need("hub")) else { panic!("no hub") };
    Ok(match verb {
        "handoff.start" => {
            let prompt = given.opt_text("prompt").unwrap_or_default();
            started(&hub.start(request(world, given, prompt)?).await?).into()
        }
        "handoff.fan_out" => {
            let prompts = given.texts("prompts").unwrap_or_default();
            let all = hub.fan_out(request(world, given, String::new())?, prompts).await?;
            let one = |one: Result<Started, handoff_core::Error>| match one {
                Ok(one) => started(&one),
                Err(error) => json!({ "error": Failure::from(error).json() }),
            };
            Value::from(all.into_iter().map(one).collect::<Vec<_>>()).into()
        }
        "handoff.list_runs" => {
            let mut request = ListRequest::new(given.parsed("actor")?);
            request.team = given.opt_parsed("team")?;
            request.parent = given.opt_parsed("parent")?;
            if let Some(limit) = given.number("limit") {
                request.limit = usize::try_from(limit).unwrap();
            }
            request.after = given.opt_text("after");
            data::page(&hub.list_runs(&request).await?).into()
        }
        _ => {
            let (run, actor): (RunId, ActorId) = (given.parsed("run")?, given.parsed("actor")?);
            of_run(verb, world, &hub, run, actor, given).await?
        }
    })
}

async fn of_run(
    verb: &str,
    world: &World<'_>,
    hub: &Handoff,
    run: RunId,
    actor: ActorId,
    given: &mut Given<'_>,
) -> Ended {
    Ok(match verb {
        "handoff.continue" => continued(&hub.continue_run(saying(run, actor, given)).await?).into(),
        "handoff.answer" => json!(hub.answer(saying(run, actor, given)).await?).into(),
        "handoff.cancel" => {
            hub.cancel(&run, &actor).await?;
            Outcome::default()
        }
        "handoff.wait" => {
            let deadline = given.millis("deadline").unwrap_or(LONG);
            data::run(&hub.wait(&run, &actor, deadline).await?).into()
        }
        "handoff.run" => data::run(&hub.run(&run, &actor).await?).into(),
        // Asks until the run is in the state that is awaited, which other steps do not wait for.
        "handoff.until" => {
            let state = given.text("state");
            for _ in 0..2000 {
                if hub.run(&run, &actor).await?.state.as_str() == state {
                    return Ok(json!({ "state": state }).into());
                }
                async_io::Timer::after(Duration::from_millis(5)).await;
            }
            panic!("the run never was {state}")
        }
        "handoff.affordance" => affordance(hub.affordance(&run, &actor).await?).into(),
        "handoff.result" => hub.result(&run, &actor).await?.map_or_else(Outcome::default, state),
        "handoff.watch" => {
            let mut watch = hub.watch(&run, &actor, given.json("cursor").unwrap_or_default()).await?;
            let mut events = Vec::new();
            while let Some(event) = watch.next().await? {
                events.push(data::event(&event, watch.cursor()));
            }
            Value::from(events).into()
        }
        "handoff.pull" => {
            let workspace = world.workspace(&given.need("workspace"))?;
            let mut request = PullRequest::new(run, actor);
            request.apply = apply_options(given)?;
            let actions = [("apply", PullAction::Apply), ("preview", PullAction::Preview)];
            given.word_into("action", &actions, &mut request.action)?;
            let pulled = hub.pull(request, &workspace).await?;
            json!({
                "conversation": pulled.conversation,
                "snapshot": pulled.snapshot.as_ref().map(data::snapshot),
                "report": pulled.report.as_ref().map(data::report),
                "nothing": pulled.nothing,
            })
            .into()
        }
        _ => unknown(verb),
    })
}

fn started(started: &Started) -> Value {
    json!({ "run": started.run, "session": started.session, "conversation": started.conversation })
}

fn continued(went: &Continued) -> Value {
    match went {
        Continued::Delivered { session } => json!({ "went": "delivered", "session": session }),
        Continued::Appended { session } => json!({ "went": "appended", "session": session }),
        Continued::NewSession { session, workspace } => {
            json!({ "went": "new_session", "session": session, "workspace": workspace })
        }
        other => panic!("{other:?} has no name here"),
    }
}

fn affordance(offer: Affordance) -> Value {
    match offer {
        Affordance::Respond { question } => json!({ "action": "respond", "question": question }),
        Affordance::FollowUp => json!({ "action": "follow_up" }),
        Affordance::Continue { label } => json!({ "action": "continue", "label": label }),
        Affordance::ContinueLocally => json!({ "action": "continue_locally" }),
        Affordance::Watch => json!({ "action": "watch" }),
        Affordance::Unavailable { reason } => json!({ "action": "unavailable", "reason": reason }),
        other => panic!("{other:?} has no name here"),
    }
}

fn attachments(given: &mut Given<'_>) -> Vec<(String, String, Vec<u8>)> {
    let all = given.take("attachments");
    let one = |one: &Value| {
        only(one, "name text base64 times media_type", "an attachment");
        let media_type = one["media_type"].as_str().unwrap_or_default();
        (text(&one["name"], "name").to_owned(), media_type.to_owned(), content_of(one))
    };
    list(&all, "attachments").iter().map(one).collect()
}

fn saying(run: RunId, actor: ActorId, given: &mut Given<'_>) -> ContinueRequest {
    let mut request = ContinueRequest::new(run, actor, given.opt_text("prompt").unwrap_or_default());
    request.attachments = attachments(given);
    request.model = given.opt_text("model");
    request.idempotency_key = given.opt_text("idempotency_key");
    request
}

fn request(world: &World<'_>, given: &mut Given<'_>, prompt: String) -> Result<StartRequest, Failure> {
    let mut request = StartRequest::new(given.parsed("actor")?, given.parsed("environment")?, prompt);
    request.attachments = attachments(given);
    request.conversation = match given.take("conversation") {
        Value::Null => ConversationSource::None,
        Value::String(id) => stored(&json!({ "id": id }))?,
        messages @ Value::Array(_) => ConversationSource::Messages(all_said(&messages, "assistant")),
        source => stored(&source)?,
    };
    let workspace = given.take("workspace");
    request.workspace = match world.made(&workspace) {
        Some(Made::Snapshot(snapshot)) => WorkspaceSource::Snapshot(snapshot),
        Some(Made::Workspace(workspace)) => captured(&workspace)?,
        Some(_) => panic!("{workspace} is no state"),
        None if workspace.is_null() => WorkspaceSource::None,
        None if workspace.is_array() => captured(&world.workspace(&workspace)?)?,
        None => WorkspaceSource::Stored(serde_json::from_value(workspace).unwrap()),
    };
    if let Some(origin) = given.opt_text("origin") {
        request.origin = match Origin::from(origin.as_str()) {
            // Other languages refuse it in the call.
            Origin::Unknown(_) => return Err(Failure::argument("origin")),
            known => known,
        };
    }
    request.source = given.opt_text("source");
    request.task = given.opt_text("task").unwrap_or_default();
    request.team = given.opt_parsed("team")?;
    request.model = given.opt_text("model");
    request.budget = given.json("budget").unwrap_or_default();
    request.parent = given.opt_parsed("parent")?;
    request.idempotency_key = given.opt_text("idempotency_key");
    Ok(request)
}

/// The other languages capture a workspace by themselves, with default options.
fn captured(workspace: &handoff_core::Workspace) -> Result<WorkspaceSource, Failure> {
    Ok(handoff_core::capture(workspace, &CaptureOptions::default())?.into())
}

fn stored(source: &Value) -> Result<ConversationSource, Failure> {
    only(source, "id at messages", "a conversation");
    let id = text(&source["id"], "id").parse().map_err(|_| Failure::argument("id"))?;
    Ok(ConversationSource::Stored {
        id,
        at: fork_point(&source["at"])?,
        messages: source["messages"].as_u64(),
    })
}
