//! The right to be the one live session of a run: heartbeats, and judging somebody else's by our own clock.
//!
//! Taking a run is writing its next record with a higher epoch, which only one can do; see `handoff/session`. What is
//! judged here is only when that may be tried.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::access::LeaseState;
use crate::clock::Clock;
use crate::digest::Digest;
use crate::error::Error;
use crate::id::{OpId, RunId};
use crate::log;
use crate::record;
use crate::run::{Run, RunState};
use crate::storage::{Key, Storage};

/// Runs watched at once; what is forgotten is watched anew, which only ever takes longer.
const WATCHED: usize = 4096;

/// Watches heartbeats of runs. A run's holder counts as alive until its beat has not changed for a whole term, as
/// measured here; clocks of two machines are never compared.
pub(crate) struct Leases {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    /// How long a holder may be silent.
    term: Duration,
    seen: Mutex<HashMap<RunId, Seen>>,
}

/// The last change of a heartbeat, by our own monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Seen {
    epoch: u64,
    beat: Option<Digest>,
    at: Duration,
}

impl Leases {
    pub(crate) fn new(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>, term: Duration) -> Self {
        Self { storage, clock, term, seen: Mutex::default() }
    }

    /// How long a holder may be silent.
    pub(crate) const fn term(&self) -> Duration {
        self.term
    }

    /// Whether somebody is at work on `run`, as far as is known without waiting. The first look at a silent holder
    /// says `Held`; a look a term later says `Expired`.
    pub(crate) async fn state(&self, run: &Run) -> Result<LeaseState, Error> {
        if !matches!(run.state, RunState::Running | RunState::Blocked) {
            return Ok(LeaseState::Free);
        }
        let body = log::get(&*self.storage, &key(&run.id)?).await?;
        let beat = body.map(|body| Digest::of(&body));
        // Read after the beat, so that silence is never measured too long.
        let now = self.clock.monotonic();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= WATCHED {
            seen.clear();
        }
        let fresh = Seen { epoch: run.epoch, beat, at: now };
        let known = seen.entry(run.id).or_insert(fresh);
        if known.epoch != run.epoch || known.beat != beat {
            *known = fresh;
        }
        let silent = now.saturating_sub(known.at);
        Ok(if silent >= self.term { LeaseState::Expired } else { LeaseState::Held })
    }

    /// One heartbeat of the holder with `epoch`.
    pub(crate) async fn beat(&self, run: &RunId, epoch: u64) -> Result<(), Error> {
        // The mark makes each beat other bytes than the one before.
        let body = record::encode("a heartbeat", &(epoch, OpId::new()))?;
        let key = key(run)?;
        self.storage.put(&key, body).await.map_err(|error| Error::storage(format!("writing {key}"), error))
    }
}

fn key(run: &RunId) -> Result<Key, Error> {
    format!("r/{run}/beat").parse().map_err(|_| Error::format(format!("run {run}"), "its key"))
}
