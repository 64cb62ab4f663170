//! The right to be the one live session of a run: heartbeats, and judging somebody else's by our own clock.

use std::sync::Arc;
use std::time::Duration;

use crate::access::LeaseState;
use crate::clock::Clock;
use crate::error::Error;
use crate::id::RunId;
use crate::run::Run;
use crate::storage::Storage;

/// Watches heartbeats of runs. A run's holder counts as alive until its beat has not changed for a whole term, as
/// measured here; clocks of two machines are never compared.
pub(crate) struct Leases {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    /// How long a holder may be silent.
    term: Duration,
}

impl Leases {
    pub(crate) fn new(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>, term: Duration) -> Self {
        Self { storage, clock, term }
    }

    /// Whether somebody is at work on `run`, as far as is known without waiting. The first look at a silent holder
    /// says `Held`; a look a term later says `Expired`.
    pub(crate) async fn state(&self, run: &Run) -> Result<LeaseState, Error> {
        let _ = (run, &self.storage, &self.clock, self.term);
        todo!()
    }

    /// Waits until the holder of `run` beats, ends or has been silent for a term, and says which.
    pub(crate) async fn settle(&self, run: &Run) -> Result<LeaseState, Error> {
        let _ = run;
        todo!()
    }

    /// One heartbeat of the holder with `epoch`.
    pub(crate) async fn beat(&self, run: &RunId, epoch: u64) -> Result<(), Error> {
        let _ = (run, epoch);
        todo!()
    }
}
