//! Places: whole, of their own, and with what came before.

use super::bench::{Bench, Seen, said};
use crate::conformance::ensure;
use crate::handoff::ContinueRequest;
use crate::run::RunState;

/// What the agent found in a session that ended well.
async fn seen(bench: &Bench, prompt: &str) -> Result<Seen, String> {
    let run = bench.start(prompt).await?;
    let run = bench.wait(&run).await?;
    ensure(run.state == RunState::Succeeded, || {
        format!("the run ended as {}: {:?}", run.state, run.session())
    })?;
    let seen = bench.player.seen().into_iter().rev().find(|seen| seen.prompt == prompt);
    seen.ok_or_else(|| "the agent was not asked".to_owned())
}

pub(super) async fn checkouts(bench: &Bench) -> Result<(), String> {
    let runtime = &bench.subject.runtime;
    let environment = runtime.environment(&bench.subject.environment).await.map_err(|error| said(&error))?;
    let seen = seen(bench, "say it").await?;
    let mut expected: Vec<_> = environment.repos.iter().map(|repo| repo.name.clone()).collect();
    let name = |path: &std::path::PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let mut found: Vec<_> = seen.repos.iter().filter_map(name).collect();
    expected.sort();
    found.sort();
    ensure(found == expected && !found.is_empty(), || format!("{found:?} instead of {expected:?}"))?;
    let missing = seen.repos.iter().find(|repo| !repo.join(".git").exists());
    ensure(missing.is_none(), || format!("{missing:?} is no checkout"))
}

pub(super) async fn variables(bench: &Bench) -> Result<(), String> {
    let runtime = &bench.subject.runtime;
    let environment = runtime.environment(&bench.subject.environment).await.map_err(|error| said(&error))?;
    let seen = seen(bench, "say it").await?;
    let missing = environment.variables.iter().find(|(name, value)| seen.variables.get(*name) != Some(value));
    ensure(missing.is_none() && !environment.variables.is_empty(), || format!("{missing:?} is not set"))
}

pub(super) async fn own(bench: &Bench) -> Result<(), String> {
    let one = seen(bench, "write of-another-run.txt").await?;
    let run = bench.start("read of-another-run.txt").await?;
    let run = bench.wait(&run).await?;
    let other = bench.player.seen().pop().ok_or("the agent was not asked")?;
    let read = bench.said(&run).await?;
    ensure(one.root != other.root && read == ["absent"], || {
        format!("{} and {} hold what the other wrote: {read:?}", one.root.display(), other.root.display())
    })
}

pub(super) async fn restored(bench: &Bench) -> Result<(), String> {
    let run = bench.start("write kept.txt").await?;
    bench.wait(&run).await?;
    let more = ContinueRequest::new(run, bench.actor.clone(), "read kept.txt");
    bench.hub.continue_run(more).await.map_err(|error| said(&error))?;
    let run = bench.wait(&run).await?;
    let read = bench.said(&run).await?;
    ensure(read == ["written"], || format!("the next session read {read:?}: {:?}", run.session()))
}
