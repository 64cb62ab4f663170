//! Agents, and the runtimes that launch them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_lite::future::block_on;
use handoff_core::{
    AgentKind, Checkouts, CommandAgent, Environment, LocalRuntime, Place, QueueRuntime, RunSession,
    SessionSpec, WhenEmpty, WorkOptions,
};
use serde_json::json;

use super::hub::builder;
use super::{Ended, off_thread};
use crate::args::Args;
use crate::handle::{Handle, Held};
use crate::operation::Context;
use crate::port::{ForeignAgent, ForeignRuntime, Refusals};
use crate::{Failure, Reply};

pub async fn command(mut args: Args, _: Context) -> Ended {
    let program = args.text("program")?;
    let mut agent = CommandAgent::new(program, args.texts("args")?.unwrap_or_default());
    let mut info = handoff_core::Agent::describe(&agent);
    if let Some(name) = args.opt_text("name")? {
        info.name = name;
    }
    info.models = args.texts("models")?.unwrap_or_default();
    let kinds = [("native", AgentKind::Native), ("third_party", AgentKind::ThirdParty)];
    args.word_into("kind", &kinds, &mut info.kind)?;
    agent = agent.info(info);
    if let Some(grace) = args.millis("grace")? {
        agent = agent.grace(grace);
    }
    if let Some(most) = args.number("max_output")? {
        agent = agent.max_output(most);
    }
    if let Some(mark) = args.opt_text("questions")? {
        agent = agent.questions(mark);
    }
    args.finish()?;
    Ok(Reply::handle(Held::Agent(Arc::new(agent)).into()))
}

pub async fn foreign(mut args: Args, _: Context) -> Ended {
    let agent = args.foreign("agent")?;
    args.finish()?;
    Ok(Reply::handle(Held::Agent(Arc::new(ForeignAgent::new(agent).await?)).into()))
}

fn environments(args: &mut Args) -> Result<Vec<Environment>, Failure> {
    let found = args.json("environments")?;
    found.ok_or_else(|| Failure::argument("environments", "is missing"))
}

fn checkouts(root: PathBuf, environments: &[Environment]) -> Checkouts {
    environments.iter().cloned().fold(Checkouts::new(root), Checkouts::with)
}

pub async fn local_runtime(mut args: Args, _: Context) -> Ended {
    let agent = args.held("agent", Handle::agent)?;
    let (root, environments) = (args.path("root")?, environments(&mut args)?);
    args.finish()?;
    let runtime = LocalRuntime::new(agent, checkouts(root, &environments));
    Ok(Reply::handle(Held::Runtime(Arc::new(runtime)).into()))
}

pub async fn queue_runtime(mut args: Args, _: Context) -> Ended {
    let storage = args.held("storage", Handle::storage)?;
    let (name, environments) = (args.text("name")?, environments(&mut args)?);
    args.finish()?;
    Ok(Reply::handle(Held::Queue(QueueRuntime::new(storage, &name, environments)?).into()))
}

pub async fn foreign_runtime(mut args: Args, _: Context) -> Ended {
    let runtime = args.foreign("runtime")?;
    args.finish()?;
    Ok(Reply::handle(Held::Runtime(Arc::new(ForeignRuntime(runtime))).into()))
}

fn spec(args: &mut Args) -> Result<(Arc<dyn RunSession>, SessionSpec), Failure> {
    let sessions = args.held("sessions", Handle::sessions)?;
    let spec = args.json("spec")?.ok_or_else(|| Failure::argument("spec", "is missing"))?;
    Ok((sessions, spec))
}

pub async fn run_session(mut args: Args, context: Context) -> Ended {
    let (sessions, spec) = spec(&mut args)?;
    let mut given = args.inner("place")?.ok_or_else(|| Failure::argument("place", "is missing"))?;
    let mut place = Place::new(given.path("root")?, given.paths("repos")?);
    place.loose = given.opt_path("loose")?;
    place.variables = given.json("variables")?.unwrap_or_default();
    let deadline = given.number("deadline")?;
    place.deadline = deadline.and_then(|at| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(at)));
    given.finish()?;
    place.cancel = context.cancel;
    let agent = args.held("agent", Handle::agent)?;
    args.finish()?;
    // On a thread of its own: restoring and capturing are between the waits.
    let ended = off_thread(move || block_on(sessions.run_session(&spec, place, agent))).await?;
    Ok(Reply::of(json!(ended)))
}

pub async fn fail_session(mut args: Args, _: Context) -> Ended {
    let (sessions, spec) = spec(&mut args)?;
    let reason = args.text("reason")?;
    args.finish()?;
    sessions.fail_session(&spec, &reason).await?;
    Ok(Reply::default())
}

pub async fn work(mut args: Args, context: Context) -> Ended {
    let queue = args.held("queue", Handle::queue)?;
    let agent = args.held("agent", Handle::agent)?;
    let checkouts = checkouts(args.path("root")?, &environments(&mut args)?);
    let mut options = WorkOptions::default();
    args.millis_into("poll", &mut options.poll)?;
    let when = [("wait", WhenEmpty::Wait), ("return", WhenEmpty::Return)];
    args.word_into("when_empty", &when, &mut options.when_empty)?;
    options.stop = context.cancel;
    let worker = builder(&mut args, &Refusals::default())?.worker();
    args.finish()?;
    let ran = off_thread(move || block_on(queue.work(&worker, &checkouts, agent, &options))).await?;
    Ok(Reply::of(ran))
}
