//! Ports: those of the core, and those that a scenario scripts.

use std::sync::Arc;
use std::time::Duration;

use handoff_core::{
    AgentInfo, Checkouts, CommandAgent, Environment, HandoffBuilder, LocalRuntime, QueueRuntime, Terms,
    WhenEmpty, WorkOptions,
};
use serde_json::Value;

use super::unknown;
use crate::agent::ScriptedAgent;
use crate::case::{list, only, text};
use crate::given::Given;
use crate::ports::{
    Script, ScriptedNotify, ScriptedPolicy, ScriptedRuntime, ScriptedScanner, ScriptedStorage,
};
use crate::world::{Ended, Made, Outcome, World};

pub async fn step(verb: &str, world: &World<'_>, given: &mut Given<'_>) -> Ended {
    Ok(match verb {
        "agent.command" => command(given).into(),
        "runtime.local" => {
            let agent = world.agent(&given.need("agent"));
            let checkouts = checkouts(given);
            Made::Runtime(Arc::new(LocalRuntime::new(agent, checkouts))).into()
        }
        "runtime.queue" => {
            let storage = world.storage(&given.need("storage"));
            let queue =
                QueueRuntime::new(storage, &given.text("name"), environments(&given.need("environments")))?;
            Made::Queue(Arc::new(queue)).into()
        }
        "work" => {
            let Some(Made::Queue(queue)) = world.made(&given.need("queue")) else { panic!("no queue") };
            let agent = world.agent(&given.need("agent"));
            let checkouts = checkouts(given);
            let mut options = WorkOptions::default();
            if let Some(poll) = given.millis("poll") {
                options.poll = poll;
            }
            let when = [("wait", WhenEmpty::Wait), ("return", WhenEmpty::Return)];
            given.word_into("when_empty", &when, &mut options.when_empty)?;
            let worker = builder(world, given).worker();
            Value::from(queue.work(&worker, &checkouts, agent, &options).await?).into()
        }
        _ => scripted(verb, world, given),
    })
}

fn scripted(verb: &str, world: &World<'_>, given: &mut Given<'_>) -> Outcome {
    let agent = (verb == "port.runtime").then(|| given.raw("agent")).filter(|agent| !agent.is_null());
    let all = given.all();
    let script = Script::new(&all["faults"]);
    let seen = Arc::clone(&script.seen);
    let made = match verb {
        "port.storage" => {
            only(&all, "faults", "a storage");
            Made::Storage(Arc::new(ScriptedStorage::new(script)))
        }
        "port.agent" => {
            only(&all, "name models kind sessions", "an agent");
            Made::Agent(Arc::new(ScriptedAgent::new(script, all)))
        }
        "port.runtime" => {
            only(&all, "environments start repos reason variables loose faults", "a runtime");
            let agent = agent.map(|agent| world.agent(&agent));
            let runtime = ScriptedRuntime::new(script, all, agent, world.root.join("places"));
            Made::Scripted(Arc::new(runtime))
        }
        "port.policy" => {
            only(&all, "relations store fork children budget faults", "a policy");
            Made::Policy(Arc::new(ScriptedPolicy { script, given: all }))
        }
        "port.notify" => {
            only(&all, "faults", "a notify");
            Made::Notify(Arc::new(ScriptedNotify(script)))
        }
        "port.scanner" => {
            only(&all, "find rule faults", "a scanner");
            let (word, rule) = (text(&all["find"], "find"), text(&all["rule"], "rule"));
            Made::Scanner(Arc::new(ScriptedScanner::new(script, word, rule)))
        }
        _ => unknown(verb),
    };
    Outcome { result: Value::Null, made: Some(made), seen: Some(seen) }
}

fn command(given: &mut Given<'_>) -> Made {
    let mut agent = CommandAgent::new(given.text("program"), given.texts("args").unwrap_or_default());
    if let Some(name) = given.opt_text("name") {
        let mut info = match given.opt_text("kind").as_deref() {
            Some("native") => AgentInfo::native(name),
            _ => AgentInfo::third_party(name),
        };
        info.models = given.texts("models").unwrap_or_default();
        agent = agent.info(info);
    }
    if let Some(most) = given.number("max_output") {
        agent = agent.max_output(most);
    }
    if let Some(grace) = given.millis("grace") {
        agent = agent.grace(grace);
    }
    Made::Agent(Arc::new(agent))
}

fn environments(given: &Value) -> Vec<Environment> {
    let all = list(given, "environments");
    all.iter().for_each(|one| only(one, "id repos models variables", "an environment"));
    all.iter().map(|one| serde_json::from_value(one.clone()).unwrap()).collect()
}

fn checkouts(given: &mut Given<'_>) -> Checkouts {
    let root = given.text("root");
    environments(&given.need("environments")).into_iter().fold(Checkouts::new(root), Checkouts::with)
}

/// What a hub and a worker are made of.
pub fn builder(world: &World<'_>, given: &mut Given<'_>) -> HandoffBuilder {
    let mut builder = HandoffBuilder::new(world.storage(&given.need("storage")));
    match world.made(&given.take("policy")) {
        None => {}
        Some(Made::Policy(policy)) => builder = builder.policy(policy),
        Some(_) => panic!("no policy"),
    }
    match world.made(&given.take("notify")) {
        None => {}
        Some(Made::Notify(notify)) => builder = builder.notify(notify),
        Some(_) => panic!("no notify"),
    }
    let given = given.take("terms");
    if !given.is_null() {
        only(&given, "lease checkpoint grace poll reserve", "terms");
        let mut terms = Terms::default();
        let time = |name: &str| given[name].as_u64().map(Duration::from_millis);
        terms.lease = time("lease").unwrap_or(terms.lease);
        terms.grace = time("grace").unwrap_or(terms.grace);
        terms.poll = time("poll").unwrap_or(terms.poll);
        terms.reserve = time("reserve").unwrap_or(terms.reserve);
        terms.checkpoint = match given["checkpoint"].as_str() {
            Some("never") => None,
            _ => time("checkpoint").or(terms.checkpoint),
        };
        builder = builder.terms(terms);
    }
    builder
}
