//! Sessions at work: stopped, spoken to, failing, many.

use super::bench::{Bench, said};
use crate::conformance::ensure;
use crate::handoff::ContinueRequest;
use crate::run::RunState;

pub(super) async fn cancelled(bench: &Bench) -> Result<(), String> {
    let run = bench.start("wait").await?;
    bench.until_said(&run, "waits").await?;
    bench.hub.cancel(&run, &bench.actor).await.map_err(|error| said(&error))?;
    let run = bench.wait(&run).await?;
    ensure(run.state == RunState::Cancelled, || format!("the run ended as {}", run.state))
}

pub(super) async fn follow_up(bench: &Bench) -> Result<(), String> {
    let run = bench.start("wait").await?;
    bench.until_said(&run, "waits").await?;
    let more = ContinueRequest::new(run, bench.actor.clone(), "this too");
    bench.hub.continue_run(more).await.map_err(|error| said(&error))?;
    bench.player.go();
    let run = bench.wait(&run).await?;
    let heard = bench.said(&run).await?;
    ensure(heard == ["waits", "heard this too"], || format!("it said {heard:?}"))
}

pub(super) async fn answered(bench: &Bench) -> Result<(), String> {
    let run = bench.start("ask which one").await?;
    let blocked = bench.wait(&run).await?;
    ensure(blocked.state == RunState::Blocked, || format!("the run is {}", blocked.state))?;
    let answer = ContinueRequest::new(run, bench.actor.clone(), "that one");
    bench.hub.answer(answer).await.map_err(|error| said(&error))?;
    bench.until_said(&run, "heard that one").await?;
    let begun = bench.wait(&run).await?;
    ensure(begun.sessions.len() == 1, || format!("{} sessions", begun.sessions.len()))
}

pub(super) async fn panicked(bench: &Bench) -> Result<(), String> {
    let run = bench.start("panic").await?;
    let failed = bench.wait(&run).await?;
    let reason = failed.session().map(|session| session.reason.clone()).unwrap_or_default();
    ensure(failed.state == RunState::Failed && reason.contains("by design"), || {
        format!("the run ended as {} with the reason {reason:?}", failed.state)
    })?;
    let more = ContinueRequest::new(run, bench.actor.clone(), "say more");
    bench.hub.continue_run(more).await.map_err(|error| said(&error))?;
    let run = bench.wait(&run).await?;
    ensure(run.state == RunState::Succeeded, || format!("the next session ended as {}", run.state))
}

pub(super) async fn many(bench: &Bench) -> Result<(), String> {
    let mut runs = Vec::new();
    for number in 0..6 {
        runs.push(bench.start(&format!("say {number}")).await?);
    }
    for (number, run) in runs.iter().enumerate() {
        let run = bench.wait(run).await?;
        let heard = bench.said(&run).await?;
        ensure(heard == [format!("did say {number}")], || {
            format!("run {number} is {}: {heard:?}", run.state)
        })?;
    }
    Ok(())
}
