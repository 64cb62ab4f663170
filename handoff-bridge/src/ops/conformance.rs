//! The suites for implementers, run on what the host has made.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_lite::future::{block_on, or};
use handoff_core::conformance::{Case, Report, agent, runtime, storage};
use serde_json::{Value, json};

use super::{Ended, off_thread};
use crate::args::Args;
use crate::handle::Handle;
use crate::operation::Context;
use crate::port::{ForeignOpen, stopped};
use crate::{Failure, Reply};

fn case_json(case: &Case) -> Value {
    json!({ "name": case.name, "clause": case.clause, "failure": case.failure })
}

fn reply(cases: Vec<Case>) -> Reply {
    let report = Report::from_iter(cases);
    let cases: Vec<_> = report.cases.iter().map(case_json).collect();
    Reply::of(json!({ "cases": cases, "text": report.to_string() }))
}

/// The cases that are asked for, in the order of the suite.
fn chosen(args: &mut Args, suite: impl Iterator<Item = &'static str>) -> Result<Vec<&'static str>, Failure> {
    let known: Vec<_> = suite.collect();
    let Some(asked) = args.texts("cases")? else { return Ok(known) };
    for (index, name) in asked.iter().enumerate() {
        if !known.contains(&name.as_str()) {
            let why = format!("is {name:?}, which is no case of this suite");
            return Err(Failure::argument(format!("cases[{index}]"), why));
        }
    }
    Ok(known.into_iter().filter(|name| asked.iter().any(|asked| asked == name)).collect())
}

/// The names of a suite's cases.
pub async fn cases(mut args: Args, _: Context) -> Ended {
    let suites = [("storage", 0), ("runtime", 1), ("agent", 2)];
    let suite = args.word("suite", &suites)?.ok_or_else(|| Failure::argument("suite", "is missing"))?;
    args.finish()?;
    let names: Vec<_> = match suite {
        0 => storage::names().collect(),
        1 => runtime::names().collect(),
        _ => agent::names().collect(),
    };
    Ok(Reply::of(json!(names)))
}

/// Checks a storage, through handles that may each have a connection of its own.
pub async fn check_storage(mut args: Args, context: Context) -> Ended {
    let storages = args.all_held("storages", Handle::storage)?;
    let Some(first) = storages.first().cloned() else {
        return Err(Failure::argument("storages", "is empty"));
    };
    let patience = args.millis("patience")?.unwrap_or(storage::PATIENCE);
    let chosen = chosen(&mut args, storage::names())?;
    args.finish()?;
    let next = Arc::new(AtomicUsize::new(0));
    let open = move || {
        let at = next.fetch_add(1, Ordering::Relaxed).checked_rem(storages.len()).unwrap_or_default();
        Arc::clone(storages.get(at).unwrap_or(&first))
    };
    let mut found = Vec::new();
    for name in chosen {
        let case = storage::run_within(name, patience, open.clone()).await;
        found.extend(case.inspect(|case| context.tell(case_json(case))));
    }
    Ok(reply(found))
}

/// Checks an agent.
pub async fn check_agent(mut args: Args, context: Context) -> Ended {
    let who = args.held("agent", Handle::agent)?;
    let mut subject = agent::Subject::new(who, args.text("prompt")?, args.text("long")?);
    args.millis_into("grace", &mut subject.grace)?;
    args.millis_into("patience", &mut subject.patience)?;
    let chosen = chosen(&mut args, agent::names())?;
    args.finish()?;
    let mut found = Vec::new();
    for name in chosen {
        let case = agent::run(name, &subject).await;
        found.extend(case.inspect(|case| context.tell(case_json(case))));
    }
    Ok(reply(found))
}

/// Checks the runtimes that the host opens, one for each case.
pub async fn check_runtime(mut args: Args, context: Context) -> Ended {
    let open = args.foreign("open")?;
    let environment = args.parsed("environment")?;
    let patience = args.millis("patience")?.unwrap_or(Duration::from_secs(30));
    let chosen = chosen(&mut args, runtime::names())?;
    args.finish()?;
    let open = ForeignOpen::new(open, environment, patience, context.cancel.clone());
    // On a thread of its own: the suite opens and closes runtimes without waiting in the asynchronous way.
    let check = move || {
        let cases = async {
            let mut found = Vec::new();
            for name in chosen {
                let opening = open.clone();
                let case = runtime::run(name, move |setup| opening.open(setup)).await;
                if let Some(failure) = open.failed() {
                    return Err(failure);
                }
                found.extend(case.inspect(|case| context.tell(case_json(case))));
            }
            Ok(found)
        };
        let cancelled = async {
            stopped(&context.cancel).await;
            Err(Failure::from(handoff_core::Error::Cancelled))
        };
        Ok(block_on(or(cases, cancelled)))
    };
    off_thread(check).await?.map(reply)
}
