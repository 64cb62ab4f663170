//! The contract of [`Runtime`] as a suite of named cases.

mod bench;
mod launch;
mod life;
mod place;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use super::{Case, Cases, Outcome, Report, cases, within};
use crate::agent::Agent;
use crate::handoff::Terms;
use crate::id::EnvironmentId;
use crate::runtime::Runtime;
use crate::storage::Storage;
use bench::Bench;

/// How long one case may take before it counts as failed.
const LONGEST: Duration = Duration::from_secs(240);

/// What a runtime is opened with.
#[non_exhaustive]
pub struct Setup {
    /// The storage that the hub and the workers share.
    pub storage: Arc<dyn Storage>,
    /// The agent that is to answer in every session.
    pub agent: Arc<dyn Agent>,
    /// Times for a runtime that makes workers of its own.
    pub terms: Terms,
}

/// An open runtime.
#[non_exhaustive]
pub struct Subject {
    /// The runtime.
    pub runtime: Arc<dyn Runtime>,
    /// An environment of it with at least one repository and one variable.
    pub environment: EnvironmentId,
    /// How long anything may take that is to happen. Default 30 s.
    pub patience: Duration,
    /// Dropped when the case is over: worker processes or threads, temporary directories.
    pub alongside: Box<dyn Any + Send + Sync>,
}

impl Subject {
    /// A runtime with an environment of it.
    pub fn new(runtime: Arc<dyn Runtime>, environment: EnvironmentId) -> Self {
        Self { runtime, environment, patience: Duration::from_secs(30), alongside: Box::new(()) }
    }

    /// With something that is dropped when the case is over.
    #[must_use]
    pub fn alongside(mut self, what: impl Any + Send + Sync) -> Self {
        self.alongside = Box::new(what);
        self
    }
}

type Open = Arc<dyn Fn(Setup) -> Subject + Send + Sync>;

/// Every case: its name, the clause of the contract, what it does.
const CASES: &Cases<Bench> = cases! {
    "a session that is asked for three times runs once" 1 launch::thrice,
    "a session that is asked for by four threads at once runs once" 1 launch::at_once,
    "a session that has ended is not run again" 1 launch::ended,
    "a launch does not wait for the session" 2 launch::returns,
    "a session that can have no place is refused, or recorded as failed" 2 launch::no_place,
    "an environment that is not there is not found" 2 launch::unknown_environment,
    "an environment is the one that was asked for" 2 launch::environment,
    "a session that is not there can be cancelled" 3 launch::cancel_nothing,
    "a nudge for any session is fine" 4 launch::wake_anything,
    "a session has the environment's checkouts" 5 place::checkouts,
    "a session has the environment's variables" 5 place::variables,
    "a session has a place of its own" 5 place::own,
    "a session goes on with the workspace of the one before" 5 place::restored,
    "a session that is asked to stop ends" 6 life::cancelled,
    "what is said to a live session reaches it" 6 life::follow_up,
    "an answer reaches the session that asks" 6 life::answered,
    "a session whose agent panics is recorded, and the next one runs" 6 life::panicked,
    "six sessions that are asked for at once all end" 6 life::many,
};

/// Checks a runtime against the contract of [`Runtime`]. `open` makes one for each case, over the
/// storage and with the agent it is given; real sessions are run in it.
///
/// ```
/// use std::sync::Arc;
/// use handoff_core::conformance::runtime::{self, Subject};
/// use handoff_core::{Checkouts, Environment, EnvironmentId, LocalRuntime};
/// # let (dir, laptop, _) = handoff_core::testing::laptop_and_cloud()?;
///
/// let id: EnvironmentId = "here".parse()?;
/// let mut environment = Environment::new(id.clone()).with_repo("app", laptop.to_string_lossy());
/// environment.variables.insert("GREETING".into(), "hello".into());
/// let checkouts = Checkouts::new(dir.path().join("runs")).with(environment);
/// let report = futures_lite::future::block_on(runtime::check(move |setup| {
///     Subject::new(Arc::new(LocalRuntime::new(setup.agent, checkouts.clone())), id.clone())
/// }));
/// assert!(report.passed(), "{report}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn check(open: impl Fn(Setup) -> Subject + Send + Sync + 'static) -> Report {
    let open: Open = Arc::new(open);
    let mut cases = Vec::new();
    for name in names() {
        cases.extend(super::one(CASES, name, |case| judge(Arc::clone(&open), case)).await);
    }
    Report { cases }
}

/// The names of the cases, in the order of the suite.
pub fn names() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|case| case.0)
}

/// One case of [`check`] by itself, for test frameworks that show each; `None` when there is none of that name.
pub async fn run(name: &str, open: impl Fn(Setup) -> Subject + Send + Sync + 'static) -> Option<Case> {
    super::one(CASES, name, |case| judge(Arc::new(open), case)).await
}

async fn judge(open: Open, case: for<'a> fn(&'a Bench) -> Outcome<'a>) -> Result<(), String> {
    let bench = Bench::new(&open)?;
    let outcome = within(LONGEST, case(&bench)).await;
    bench.end();
    outcome
}
