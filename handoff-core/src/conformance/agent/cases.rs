//! What is asked of an agent.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_channel::Sender;
use futures_lite::FutureExt as _;
use futures_lite::future::{block_on, or};

use super::Subject;
use super::host::{Host, Writes};
use crate::agent::{AgentError, SessionEnd};
use crate::clock::{Clock as _, SystemClock};
use crate::conformance::ensure;
use crate::conversation::Role;

type Returned = Result<SessionEnd, AgentError>;

/// A turn under way, on a thread of its own as in a real session. Dropped, it takes the agent's future with it.
struct Turn {
    host: Host,
    _wanted: Sender<()>,
    _dir: tempfile::TempDir,
    returned: blocking::Task<Result<Returned, String>>,
}

fn begin(subject: &Subject, prompt: &str, writes: Writes) -> Result<Turn, String> {
    let dir = tempfile::tempdir().map_err(|error| format!("a directory: {error}"))?;
    let host = Host::new(prompt, dir.path(), writes)?;
    Ok(answer(subject, host, dir))
}

fn answer(subject: &Subject, host: Host, dir: tempfile::TempDir) -> Turn {
    let (agent, session) = (Arc::clone(&subject.agent), host.session());
    let (wanted, unwanted) = async_channel::bounded::<()>(1);
    let returned = blocking::unblock(move || {
        let turn = AssertUnwindSafe(async move { agent.run(session).await }).catch_unwind();
        let turn = async { turn.await.map_err(|_| "the agent panicked".to_owned()) };
        // One that never returns must not keep the thread for ever.
        let given_up = async {
            let _ = unwanted.recv().await;
            Err("the case is over".to_owned())
        };
        block_on(or(turn, given_up))
    });
    Turn { host, _wanted: wanted, _dir: dir, returned }
}

impl Turn {
    /// How it returns within `limit`.
    async fn end(&mut self, limit: Duration) -> Result<Returned, String> {
        let late = async {
            SystemClock.sleep(limit).await;
            Err(format!("it has not returned after {} seconds", limit.as_secs_f64()))
        };
        or(&mut self.returned, late).await
    }
}

/// How long an agent is let go before it is stopped.
const HEAD_START: Duration = Duration::from_millis(300);

async fn stopped(subject: &Subject) -> Result<Returned, String> {
    let mut turn = begin(subject, &subject.long, Writes::Kept)?;
    if let Ok(early) = turn.end(HEAD_START).await {
        return Err(format!("`long` did not keep it busy: {early:?}"));
    }
    turn.host.cancel();
    turn.end(subject.grace).await
}

pub(super) async fn stops(subject: &Subject) -> Result<(), String> {
    stopped(subject).await.map(drop)
}

pub(super) async fn stopped_is_no_success(subject: &Subject) -> Result<(), String> {
    let returned = stopped(subject).await?;
    ensure(!matches!(returned, Ok(SessionEnd::Succeeded)), || "it said that it succeeded".to_owned())
}

pub(super) async fn stopped_before(subject: &Subject) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|error| format!("a directory: {error}"))?;
    let host = Host::new(&subject.long, dir.path(), Writes::Kept)?;
    host.cancel();
    answer(subject, host, dir).end(subject.grace).await.map(drop)
}

pub(super) async fn fenced(subject: &Subject) -> Result<(), String> {
    let mut turn = begin(subject, &subject.prompt, Writes::Fenced)?;
    let returned = turn.end(subject.patience).await?;
    ensure(turn.host.refused() > 0, || "it wrote nothing, so nothing is known".to_owned())?;
    ensure(!matches!(returned, Ok(SessionEnd::Succeeded)), || "it said that it succeeded".to_owned())
}

/// One whole turn that must end well.
async fn well(subject: &Subject, prompt: &str) -> Result<Host, String> {
    let mut turn = begin(subject, prompt, Writes::Kept)?;
    match turn.end(subject.patience).await? {
        Ok(SessionEnd::Succeeded) => Ok(turn.host.clone()),
        other => Err(format!("the turn did not end well: {other:?}")),
    }
}

pub(super) async fn answers(subject: &Subject) -> Result<(), String> {
    let host = well(subject, &subject.prompt).await?;
    ensure(!host.said().is_empty(), || "nothing was appended".to_owned())
}

pub(super) async fn unstored_is_no_success(subject: &Subject) -> Result<(), String> {
    let mut turn = begin(subject, &subject.prompt, Writes::Fail)?;
    let returned = turn.end(subject.patience).await?;
    ensure(turn.host.refused() > 0, || "it wrote nothing, so nothing is known".to_owned())?;
    ensure(!matches!(returned, Ok(SessionEnd::Succeeded)), || {
        "it said that it succeeded, and nothing that it said is stored".to_owned()
    })
}

pub(super) async fn speaks_as_itself(subject: &Subject) -> Result<(), String> {
    let host = well(subject, &subject.prompt).await?;
    let said = host.said();
    ensure(said.iter().any(|message| message.role == Role::Assistant), || {
        format!("no message is the assistant's: {said:?}")
    })?;
    ensure(said.iter().all(|message| message.role != Role::User), || {
        format!("it spoke for the user: {said:?}")
    })
}

pub(super) async fn ids(subject: &Subject) -> Result<(), String> {
    let mut all = Vec::new();
    for _ in 0..3 {
        all.extend(well(subject, &subject.prompt).await?.said());
    }
    let different: BTreeSet<_> = all.iter().map(|message| message.id.to_string()).collect();
    ensure(different.len() == all.len(), || format!("{} ids for {} messages", different.len(), all.len()))
}

pub(super) async fn usage(subject: &Subject) -> Result<(), String> {
    let host = well(subject, &subject.prompt).await?;
    host.fell().map_or(Ok(()), Err)
}

pub(super) async fn describes(subject: &Subject) -> Result<(), String> {
    let first = subject.agent.describe();
    ensure(!first.name.trim().is_empty(), || "it has no name".to_owned())?;
    let models: BTreeSet<_> = first.models.iter().collect();
    ensure(models.len() == first.models.len(), || format!("a model stands twice in {:?}", first.models))?;
    well(subject, &subject.prompt).await?;
    let then = subject.agent.describe();
    ensure(then == first, || format!("it was {first:?} and is {then:?}"))
}

pub(super) async fn at_once(subject: &Subject) -> Result<(), String> {
    let turns = (0..4).map(|_| begin(subject, &subject.prompt, Writes::Kept));
    let mut turns = turns.collect::<Result<Vec<_>, _>>()?;
    let alone = well(subject, &subject.prompt).await?.said().len();
    for turn in &mut turns {
        let returned = turn.end(subject.patience).await?;
        ensure(matches!(returned, Ok(SessionEnd::Succeeded)), || {
            format!("one of four ended with {returned:?}")
        })?;
        let said = turn.host.said().len();
        ensure(said > 0 && (alone > 1 || said == alone), || {
            format!("one of four has {said} messages; alone it has {alone}")
        })?;
    }
    Ok(())
}

pub(super) async fn after_failure(subject: &Subject) -> Result<(), String> {
    let mut failed = begin(subject, &subject.prompt, Writes::Fail)?;
    let _ = failed.end(subject.patience).await?;
    let _ = stopped(subject).await?;
    answers(subject).await
}

/// How long an agent may think about an odd prompt before it is told to stop.
const AN_ODD_ONE: Duration = Duration::from_secs(2);

/// A turn that may end as it likes, but must end.
async fn ends(subject: &Subject, prompt: &str) -> Result<(), String> {
    let mut turn = begin(subject, prompt, Writes::Kept)?;
    if turn.end(AN_ODD_ONE.min(subject.patience)).await.is_err_and(|why| why.contains("panicked")) {
        return Err(format!("it panicked at {:?}", prompt.chars().take(40).collect::<String>()));
    }
    // One that works on whatever it was asked has to stop when it is told to.
    turn.host.cancel();
    if turn.returned.is_finished() { Ok(()) } else { turn.end(subject.grace).await.map(drop) }
}

pub(super) async fn large_prompt(subject: &Subject) -> Result<(), String> {
    let prompt = format!("{}\n{}", subject.prompt, "and so on ".repeat(105_000));
    ends(subject, &prompt).await
}

pub(super) async fn odd_prompts(subject: &Subject) -> Result<(), String> {
    for prompt in ["", "\n", "a\0b", "$(exit 3) `exit 4` \"'\\ %s {}", "\u{202e}\u{fffd}\u{1f600}"] {
        ends(subject, prompt).await?;
    }
    Ok(())
}

pub(super) async fn no_directory(subject: &Subject) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|error| format!("a directory: {error}"))?;
    let host = Host::new(&subject.prompt, &dir.path().join("gone"), Writes::Kept)?;
    answer(subject, host, dir).end(subject.patience).await.map(drop)
}
