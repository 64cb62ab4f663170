//! The contract of [`Storage`] as a suite of named cases.

mod bench;
mod body;
mod create;
mod list;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use super::{Case, Cases, Outcome, Report, cases, within};
use crate::storage::Storage;
use bench::Bench;

/// How long one case may take before it counts as failed, unless it is said.
pub const PATIENCE: Duration = Duration::from_secs(120);

type Open = Arc<dyn Fn() -> Arc<dyn Storage> + Send + Sync>;

/// Every case: its name, the clause of the contract, what it does.
const CASES: &Cases<Bench> = cases! {
    "an object is created once" 1 create::once,
    "an empty object is an object" 1 create::empty,
    "one of eight racing creates wins" 1 create::race,
    "one of eight creates racing from threads wins" 1 create::race_of_threads,
    "every odd key works" 1 create::odd_keys,
    "everybody sees a write at once" 2 body::seen_by_all,
    "a list is sorted and has what is below its prefix" 3 list::sorted,
    "a list of more than 2,000 keys is read in pages" 3 list::pages,
    "what stays is in every list" 3 list::stable,
    "ranges are cut at the end" 4 body::ranges,
    "what is absent is none" 4 body::absent,
    "16 MiB come back whole" 4 body::large,
    "a put replaces the whole body" 5 body::replaced,
    "a get beside a put sees the old or the new body" 5 body::never_torn,
    "a stream is stored whole" 6 stream::whole,
    "an error in a stream stores nothing" 6 stream::failed,
    "deleted objects are gone, and absent ones are fine" 7 list::deleted,
    "1,500 objects are deleted at once" 7 list::many_deleted,
    "64 requests at once are served" 8 create::many_at_once,
    "a dropped create happened or not" 8 create::dropped,
    "a dropped stream stores nothing" 8 stream::dropped,
};

/// Checks a storage against the contract of [`Storage`]. `open` gives a handle to the storage, which
/// need not be empty: always to the same bytes, if it can with a connection of its own each time, as another process
/// would have. Everything is written below `probe/` and deleted at the end; some 6,000 requests and 60 MiB.
///
/// Durability against a power cut (the second half of clause 1) cannot be checked from here.
///
/// ```
/// use std::sync::Arc;
/// use handoff_core::conformance::storage;
/// use handoff_core::storage::MemoryStorage;
///
/// let mine = MemoryStorage::new();
/// let report = futures_lite::future::block_on(storage::check(move || Arc::new(mine.clone())));
/// assert!(report.passed(), "{report}");
/// ```
pub async fn check(open: impl Fn() -> Arc<dyn Storage> + Send + Sync + 'static) -> Report {
    let open: Open = Arc::new(open);
    let mut cases = Vec::new();
    for name in names() {
        cases.extend(super::one(CASES, name, |case| judge(Arc::clone(&open), PATIENCE, case)).await);
    }
    Report { cases }
}

/// The names of the cases, in the order of the suite.
pub fn names() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|case| case.0)
}

/// One case of [`check`] by itself, for test frameworks that show each; `None` when there is none of that name.
pub async fn run(name: &str, open: impl Fn() -> Arc<dyn Storage> + Send + Sync + 'static) -> Option<Case> {
    run_within(name, PATIENCE, open).await
}

/// The same, for a storage that may hang: the case fails after `patience`, and so does the clearing up behind it.
pub async fn run_within(
    name: &str,
    patience: Duration,
    open: impl Fn() -> Arc<dyn Storage> + Send + Sync + 'static,
) -> Option<Case> {
    super::one(CASES, name, |case| judge(Arc::new(open), patience, case)).await
}

async fn judge(
    open: Open,
    patience: Duration,
    case: for<'a> fn(&'a Bench) -> Outcome<'a>,
) -> Result<(), String> {
    let bench = Bench::new(&open, patience)?;
    let outcome = within(patience, case(&bench)).await;
    let cleared = within(patience, Box::pin(bench.clear())).await;
    outcome.and(cleared)
}
