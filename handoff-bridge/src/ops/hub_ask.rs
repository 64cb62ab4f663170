//! The front door: following runs, asking about them, bringing them home.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_lite::future::block_on;
use handoff_core::{
    ActorId, Affordance, CollectAction, CollectOptions, Event, Garbage, Handoff, ListRequest, PullAction,
    PullRequest, RunId,
};
use serde_json::{Value, json};

use super::hub::hub;
use super::{Ended, apply, snapshot};
use crate::args::Args;
use crate::handle::{Handle, Held, message_json};
use crate::operation::Context;
use crate::port::Refusals;
use crate::{Failure, Reply};

/// How long `wait` waits when nothing is said.
const LONG: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

struct Asked {
    hub: Handoff,
    refusals: Refusals,
    run: RunId,
    actor: ActorId,
}

fn asked(args: &mut Args) -> Result<Asked, Failure> {
    let (hub, refusals) = hub(args)?;
    Ok(Asked { hub, refusals, run: args.parsed("run")?, actor: args.parsed("actor")? })
}

impl Asked {
    fn whole<T>(&self, found: Result<T, handoff_core::Error>) -> Result<T, Failure> {
        found.map_err(|error| self.refusals.complete(error.into()))
    }
}

pub async fn cancel(mut args: Args, _: Context) -> Ended {
    let asked = asked(&mut args)?;
    args.finish()?;
    asked.whole(asked.hub.cancel(&asked.run, &asked.actor).await)?;
    Ok(Reply::default())
}

pub async fn delete_run(mut args: Args, _: Context) -> Ended {
    let asked = asked(&mut args)?;
    args.finish()?;
    asked.whole(asked.hub.delete_run(&asked.run, &asked.actor).await)?;
    Ok(Reply::default())
}

pub async fn collect(mut args: Args, _: Context) -> Ended {
    let (hub, refusals) = hub(&mut args)?;
    let mut options = CollectOptions::default();
    args.millis_into("grace", &mut options.grace)?;
    args.millis_into("claims", &mut options.claims)?;
    options.keep = args.json("keep")?.unwrap_or_default();
    let actions = [("remove", CollectAction::Remove), ("preview", CollectAction::Preview)];
    args.word_into("action", &actions, &mut options.action)?;
    args.finish()?;
    let found = hub.collect(&options).await.map_err(|error| refusals.complete(error.into()))?;
    let garbage =
        |garbage: &Garbage| json!({ "key": garbage.key, "kind": garbage.kind, "size": garbage.size });
    Ok(Reply::of(json!({
        "removed": found.removed.iter().map(garbage).collect::<Vec<_>>(),
        "condemned": found.condemned.iter().map(garbage).collect::<Vec<_>>(),
        "kept": found.kept,
        "unreadable": found.unreadable,
        "wait": found.wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
    })))
}

pub async fn run(mut args: Args, _: Context) -> Ended {
    let asked = asked(&mut args)?;
    args.finish()?;
    Ok(Reply::of(json!(asked.whole(asked.hub.run(&asked.run, &asked.actor).await)?)))
}

pub async fn wait(mut args: Args, _: Context) -> Ended {
    let asked = asked(&mut args)?;
    let deadline = args.millis("deadline")?.unwrap_or(LONG);
    args.finish()?;
    Ok(Reply::of(json!(asked.whole(asked.hub.wait(&asked.run, &asked.actor, deadline).await)?)))
}

pub async fn watch(mut args: Args, _: Context) -> Ended {
    let asked = asked(&mut args)?;
    let cursor = args.json("cursor")?.unwrap_or_default();
    args.finish()?;
    let watch = asked.whole(asked.hub.watch(&asked.run, &asked.actor, cursor).await)?;
    Ok(Reply::handle(Held::Watch(Arc::new(Mutex::new(Some(watch)))).into()))
}

pub async fn next_event(mut args: Args, _: Context) -> Ended {
    let shared = args.held("watch", Handle::watch)?;
    args.finish()?;
    let taken = shared.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(watch) = taken else {
        return Err(Failure::argument(
            "watch",
            "is waited for by another call, or was cancelled; watch again from its cursor",
        ));
    };
    // Put back however the wait ends, but for being given up: then it may be in the middle of something.
    let mut watch = watch;
    let event = watch.next().await;
    let cursor = json!(watch.cursor());
    *shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(watch);
    Ok(Reply::of(match event? {
        None => Value::Null,
        Some(Event::Message { index, message }) => {
            json!({ "kind": "message", "index": index, "message": message_json(&message), "cursor": cursor })
        }
        Some(Event::Run(run)) => json!({ "kind": "run", "run": run, "cursor": cursor }),
        Some(_) => json!({ "kind": "unknown", "cursor": cursor }),
    }))
}

pub async fn pull(mut args: Args, context: Context) -> Ended {
    let asked = asked(&mut args)?;
    let workspace = args.held("workspace", Handle::workspace)?;
    let mut request = PullRequest::new(asked.run, asked.actor.clone());
    request.apply = apply::options(&mut args, &context)?;
    let actions = [("apply", PullAction::Apply), ("preview", PullAction::Preview)];
    args.word_into("action", &actions, &mut request.action)?;
    args.finish()?;
    let hub = asked.hub.clone();
    // On a thread of its own, so that giving it up never leaves an apply half way.
    let pulled = blocking::unblock(move || block_on(hub.pull(request, &workspace))).await;
    let pulled = asked.whole(pulled)?;
    let mut handles = Vec::new();
    let state = pulled.snapshot.map(|state| {
        let value = snapshot::json(&state, 0);
        handles.push(Handle::from(Held::Snapshot(state)));
        value
    });
    let value = json!({
        "conversation": pulled.conversation,
        "snapshot": state,
        "report": pulled.report.as_ref().map(apply::report_json),
        "nothing": pulled.nothing,
    });
    Ok(Reply { value, body: None, handles })
}

pub async fn result(mut args: Args, _: Context) -> Ended {
    let asked = asked(&mut args)?;
    args.finish()?;
    let found = asked.whole(asked.hub.result(&asked.run, &asked.actor).await)?;
    Ok(found.map_or_else(Reply::default, snapshot::reply))
}

pub async fn list_runs(mut args: Args, _: Context) -> Ended {
    let (hub, refusals) = hub(&mut args)?;
    let mut request = ListRequest::new(args.parsed("actor")?);
    request.team = args.opt_parsed("team")?;
    request.parent = args.opt_parsed("parent")?;
    if let Some(limit) = args.number("limit")? {
        request.limit = usize::try_from(limit).unwrap_or(usize::MAX);
    }
    request.after = args.opt_text("after")?;
    args.finish()?;
    let page = hub.list_runs(&request).await.map_err(|error| refusals.complete(error.into()))?;
    Ok(Reply::of(json!({ "runs": page.runs, "next": page.next })))
}

pub async fn affordance(mut args: Args, _: Context) -> Ended {
    let asked = asked(&mut args)?;
    args.finish()?;
    let offer = asked.whole(asked.hub.affordance(&asked.run, &asked.actor).await)?;
    Ok(Reply::of(match offer {
        Affordance::Respond { question } => json!({ "action": "respond", "question": question }),
        Affordance::FollowUp => json!({ "action": "follow_up" }),
        Affordance::Continue { label } => json!({ "action": "continue", "label": label }),
        Affordance::ContinueLocally => json!({ "action": "continue_locally" }),
        Affordance::Watch => json!({ "action": "watch" }),
        Affordance::Unavailable { reason } => json!({ "action": "unavailable", "reason": reason }),
        _ => json!({ "action": "unavailable", "reason": "unknown" }),
    }))
}
