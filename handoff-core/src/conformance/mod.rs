//! For implementers of the ports: suites that check an implementation against its contract, and storages that fail
//! or count on purpose. Behind the feature `conformance`.

mod counting;
mod faulty;
pub mod storage;

use std::fmt;

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
