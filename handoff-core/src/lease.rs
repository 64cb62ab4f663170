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

    /// How long it takes until a look at `run` may find its holder silent for a term, as far as earlier looks tell.
    pub(crate) fn expires_in(&self, run: &RunId) -> Option<Duration> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = self.clock.monotonic().saturating_sub(seen.get(run)?.at);
        Some(self.term.saturating_sub(silent))
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::SystemTime;

    use async_trait::async_trait;
    use futures_lite::future::block_on;

    use super::*;
    use crate::storage::MemoryStorage;

    const TERM: Duration = Duration::from_secs(90);

    #[derive(Default)]
    struct ByHand(AtomicU64);

    impl ByHand {
        fn pass(&self, seconds: u64) {
            self.0.fetch_add(seconds, Ordering::SeqCst);
        }
    }

    #[async_trait]
    impl Clock for ByHand {
        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::SeqCst))
        }

        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH
        }

        async fn sleep(&self, _: Duration) {}
    }

    #[test]
    fn a_look_when_the_lease_may_have_expired_finds_that_it_has() {
        let clock = Arc::new(ByHand::default());
        let leases = Leases::new(Arc::new(MemoryStorage::new()), Arc::clone(&clock) as Arc<dyn Clock>, TERM);
        let run: Run = serde_json::from_value(serde_json::json!({
            "id": RunId::new(), "creator": "ana", "origin": "cloud", "environment": "cloud", "state": "running",
            "epoch": 1, "created": 0, "task": "", "sessions": [],
        }))
        .unwrap();
        let look = || block_on(leases.state(&run)).unwrap();
        assert_eq!(leases.expires_in(&run.id), None, "nobody has looked");
        assert_eq!((look(), leases.expires_in(&run.id)), (LeaseState::Held, Some(TERM)));
        clock.pass(30);
        block_on(leases.beat(&run.id, 1)).unwrap();
        clock.pass(1);
        assert_eq!(
            (look(), leases.expires_in(&run.id)),
            (LeaseState::Held, Some(TERM)),
            "a beat begins it anew"
        );
        clock.pass(89);
        assert_eq!((look(), leases.expires_in(&run.id)), (LeaseState::Held, Some(Duration::from_secs(1))));
        clock.pass(1);
        assert_eq!((look(), leases.expires_in(&run.id)), (LeaseState::Expired, Some(Duration::ZERO)));
    }
}
