//! For implementers of the ports: suites that check an implementation against its contract, and storages that fail
//! or count on purpose. Behind the feature `conformance`.

pub mod agent;
mod counting;
mod faulty;
pub mod runtime;
pub mod storage;

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::Duration;

use futures_lite::FutureExt as _;

use crate::clock::{Clock as _, SystemClock};

pub use counting::{Counting, Requests};
pub use faulty::{Fault, Faulty};

pub use crate::storage::live_check;

/// What a suite found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Every case, in the order of the suite.
    pub cases: Vec<Case>,
}

/// One case of a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Case {
    /// Its name, which stays the same from version to version.
    pub name: &'static str,
    /// The number of the contract's clause that it is about.
    pub clause: u8,
    /// Why it failed; absent when it passed.
    pub failure: Option<String>,
}

/// What a case found, once it is done.
type Outcome<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// A suite: names, clauses, and what each case does with a `B`.
type Cases<B> = [(&'static str, u8, for<'a> fn(&'a B) -> Outcome<'a>)];

macro_rules! cases {
    ($($name:literal $clause:literal $case:path,)*) => {
        &[$(($name, $clause, |bench| Box::pin($case(bench)))),*]
    };
}
use cases;

/// What `work` found; a failure when it takes longer than `longest`, or panics.
async fn within(longest: Duration, work: Outcome<'_>) -> Result<(), String> {
    let late = async {
        SystemClock.sleep(longest).await;
        Err(format!("was not done after {} seconds", longest.as_secs_f64()))
    };
    let caught = AssertUnwindSafe(futures_lite::future::or(work, late)).catch_unwind().await;
    caught.unwrap_or_else(|_| Err("it panicked".to_owned()))
}

/// A failure unless `holds`.
fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

/// The case named `name`, judged by `run`; `None` when the suite has no such case.
async fn one<B, F: Future<Output = Result<(), String>>>(
    cases: &'static Cases<B>,
    name: &str,
    run: impl FnOnce(for<'a> fn(&'a B) -> Outcome<'a>) -> F,
) -> Option<Case> {
    let (name, clause, case) = cases.iter().find(|case| case.0 == name)?;
    Some(Case { name, clause: *clause, failure: run(*case).await.err() })
}

impl Report {
    /// Whether every case passed.
    pub fn passed(&self) -> bool {
        self.failures().next().is_none()
    }

    /// The cases that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(|case| case.failure.is_some())
    }
}

impl FromIterator<Case> for Report {
    fn from_iter<I: IntoIterator<Item = Case>>(cases: I) -> Self {
        Self { cases: cases.into_iter().collect() }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for case in &self.cases {
            match &case.failure {
                None => writeln!(f, "passed  {} (clause {})", case.name, case.clause)?,
                Some(why) => writeln!(f, "FAILED  {} (clause {}): {why}", case.name, case.clause)?,
            }
        }
        write!(f, "{} cases, {} failed", self.cases.len(), self.failures().count())
    }
}
