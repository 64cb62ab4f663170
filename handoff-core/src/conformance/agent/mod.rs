//! The contract of [`Agent`] as a suite of named cases.

mod cases;
mod host;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use super::{Case, Cases, Report, cases, within};
use crate::agent::Agent;

/// How long one case may take before it counts as failed.
const LONGEST: Duration = Duration::from_secs(240);

/// An agent, and what to ask it.
#[derive(Clone)]
#[non_exhaustive]
pub struct Subject {
    /// The agent. One instance is asked many times, also at once.
    pub agent: Arc<dyn Agent>,
    /// A prompt that it answers, and ends well, within seconds and without being asked anything more.
    pub prompt: String,
    /// A prompt that keeps it busy for minutes, unless it is stopped.
    pub long: String,
    /// How soon it must have returned after it was asked to stop. Default 10 s.
    pub grace: Duration,
    /// How long it may take to answer `prompt`. Default 45 s.
    pub patience: Duration,
}

impl Subject {
    /// An agent with prompts as the fields say.
    pub fn new(agent: Arc<dyn Agent>, prompt: impl Into<String>, long: impl Into<String>) -> Self {
        Self {
            agent,
            prompt: prompt.into(),
            long: long.into(),
            grace: Duration::from_secs(10),
            patience: Duration::from_secs(45),
        }
    }
}

/// Every case: its name, the clause of the contract, what it does.
const CASES: &Cases<Subject> = cases! {
    "it returns soon after it is asked to stop" 1 cases::stops,
    "one that is asked to stop before it begins returns soon" 1 cases::stopped_before,
    "one that was stopped does not say that it succeeded" 1 cases::stopped_is_no_success,
    "one whose writes are refused returns soon" 1 cases::fenced,
    "what it answers is appended" 2 cases::answers,
    "it succeeds only when what it said is stored" 2 cases::unstored_is_no_success,
    "it speaks as itself and not as the user" 2 cases::speaks_as_itself,
    "every message has an id of its own" 2 cases::ids,
    "what it has used never falls" 3 cases::usage,
    "it is what it says each time it is asked" 3 cases::describes,
    "sessions at once do not mix" 4 cases::at_once,
    "a session after a failed one is as any other" 4 cases::after_failure,
    "a prompt of a mebibyte is no trouble" 5 cases::large_prompt,
    "odd prompts end the turn and nothing else" 5 cases::odd_prompts,
    "a working directory that is gone ends the turn" 5 cases::no_directory,
};

/// Checks an agent against the contract of [`Agent`]: each case is one turn or a few, in a temporary
/// directory, with a host that keeps everything in memory.
///
/// ```
/// use std::sync::Arc;
/// use handoff_core::CommandAgent;
/// use handoff_core::conformance::agent;
///
/// let shell = CommandAgent::new("sh", ["-c", "read line; case $line in wait*) sleep 300;; esac; echo done"]);
/// let subject = agent::Subject::new(Arc::new(shell), "hello", "wait");
/// let report = futures_lite::future::block_on(agent::check(&subject));
/// assert!(report.passed(), "{report}");
/// ```
pub async fn check(subject: &Subject) -> Report {
    let mut cases = Vec::new();
    for name in names() {
        cases.extend(run(name, subject).await);
    }
    Report { cases }
}

/// The names of the cases, in the order of the suite.
pub fn names() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|case| case.0)
}

/// One case of [`check`] by itself, for test frameworks that show each; `None` when there is none of that name.
pub async fn run(name: &str, subject: &Subject) -> Option<Case> {
    super::one(CASES, name, |case| within(LONGEST, case(subject))).await
}
