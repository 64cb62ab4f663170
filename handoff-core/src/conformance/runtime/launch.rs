//! Launching: once, without waiting, and never in vain without a word.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_lite::future::block_on;

use super::bench::{Bench, Counted, said};
use crate::conformance::ensure;
use crate::id::{EnvironmentId, SessionId};
use crate::run::RunState;

async fn once(bench: &Bench, sessions: &Counted) -> Result<(), String> {
    // One that is run behind it tells when the others would have been.
    let next = bench.start("say more").await?;
    bench.wait(&next).await?;
    let turns = bench.player.seen().iter().filter(|seen| seen.prompt == "say it").count();
    let calls = sessions.calls.load(Ordering::SeqCst);
    ensure(turns == 1 && calls <= 1, || format!("{turns} turns of the agent, {calls} sessions run"))
}

pub(super) async fn thrice(bench: &Bench) -> Result<(), String> {
    let spec = bench.recorded(&bench.subject.environment, "say it").await?;
    let sessions = bench.counted();
    for _ in 0..3 {
        let launched = bench.subject.runtime.start(spec.clone(), sessions.clone()).await;
        launched.map_err(|error| said(&error))?;
    }
    let run = bench.wait(&spec.run).await?;
    ensure(run.state == RunState::Succeeded, || {
        format!("the run ended as {}: {:?}", run.state, run.session())
    })?;
    once(bench, &sessions).await
}

pub(super) async fn at_once(bench: &Bench) -> Result<(), String> {
    let spec = bench.recorded(&bench.subject.environment, "say it").await?;
    let sessions = bench.counted();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (runtime, spec) = (Arc::clone(&bench.subject.runtime), spec.clone());
            let sessions = sessions.clone();
            blocking::unblock(move || block_on(runtime.start(spec, sessions)))
        })
        .collect();
    for thread in threads {
        thread.await.map_err(|error| said(&error))?;
    }
    bench.wait(&spec.run).await?;
    once(bench, &sessions).await
}

pub(super) async fn ended(bench: &Bench) -> Result<(), String> {
    let spec = bench.recorded(&bench.subject.environment, "say it").await?;
    let sessions = bench.counted();
    let start = || bench.subject.runtime.start(spec.clone(), sessions.clone());
    start().await.map_err(|error| said(&error))?;
    let before = bench.wait(&spec.run).await?;
    start().await.map_err(|error| said(&error))?;
    once(bench, &sessions).await?;
    let after = bench.wait(&spec.run).await?;
    ensure(before == after, || format!("the run was {before:?} and is {after:?}"))
}

pub(super) async fn returns(bench: &Bench) -> Result<(), String> {
    let late = async {
        use crate::clock::{Clock as _, SystemClock};
        SystemClock.sleep(bench.subject.patience).await;
        Err("the launch did not return while the session was going on".to_owned())
    };
    let run = futures_lite::future::or(bench.start("wait"), late).await?;
    bench.until_said(&run, "waits").await?;
    bench.player.go();
    let run = bench.wait(&run).await?;
    ensure(run.state == RunState::Succeeded, || format!("then the run ended as {}", run.state))
}

fn nowhere() -> Result<EnvironmentId, String> {
    "an-environment-that-nobody-has".parse().map_err(|why| format!("{why}"))
}

pub(super) async fn no_place(bench: &Bench) -> Result<(), String> {
    let spec = bench.recorded(&nowhere()?, "say it").await?;
    if bench.subject.runtime.start(spec.clone(), bench.counted()).await.is_err() {
        return Ok(());
    }
    let run = bench.wait(&spec.run).await?;
    let reason = run.session().map(|session| session.reason.clone()).unwrap_or_default();
    ensure(run.state == RunState::Failed && !reason.is_empty(), || {
        format!("the run ended as {} with the reason {reason:?}", run.state)
    })
}

pub(super) async fn unknown_environment(bench: &Bench) -> Result<(), String> {
    match bench.subject.runtime.environment(&nowhere()?).await {
        Ok(found) => Err(format!("there was one: {found:?}")),
        Err(error) => ensure(error.not_found, || format!("it was another error: {error}")),
    }
}

pub(super) async fn environment(bench: &Bench) -> Result<(), String> {
    let id = &bench.subject.environment;
    let found = bench.subject.runtime.environment(id).await.map_err(|error| said(&error))?;
    ensure(found.id == *id, || format!("asked for {id}, got {}", found.id))?;
    ensure(!found.repos.is_empty() && !found.variables.is_empty(), || {
        "it has no repository or no variable, which this suite needs".to_owned()
    })
}

pub(super) async fn cancel_nothing(bench: &Bench) -> Result<(), String> {
    let runtime = &bench.subject.runtime;
    runtime.cancel(&SessionId::new()).await.map_err(|error| said(&error))?;
    let run = bench.start("say it").await?;
    let run = bench.wait(&run).await?;
    for session in &run.sessions {
        runtime.cancel(&session.id).await.map_err(|error| said(&error))?;
    }
    let after = bench.wait(&run.id).await?;
    ensure(after == run && run.state == RunState::Succeeded, || format!("the run is {after:?}"))
}

pub(super) async fn wake_anything(bench: &Bench) -> Result<(), String> {
    let runtime = &bench.subject.runtime;
    runtime.wake(&SessionId::new()).await.map_err(|error| said(&error))?;
    let run = bench.start("say it").await?;
    let run = bench.wait(&run).await?;
    for session in &run.sessions {
        runtime.wake(&session.id).await.map_err(|error| said(&error))?;
    }
    ensure(run.state == RunState::Succeeded, || format!("the run ended as {}", run.state))
}
