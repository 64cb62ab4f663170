//! The front door: start, fan out, continue, answer, cancel, watch, wait, pull, list.
//!
//! The only place where storage and snapshots meet.

mod affordance;
mod attachments;
mod bring;
mod cancel;
mod children;
mod collect;
mod conversations;
mod delete;
mod inbox;
mod list;
mod pull;
mod repeat;
mod resume;
mod route;
mod runs;
mod say;
mod session;
mod snapshots;
mod source;
mod start;
mod watch;
#[cfg(test)]
mod world;

use std::sync::Arc;
use std::time::Duration;

pub use affordance::Affordance;
pub use collect::{CollectAction, CollectOptions, Collected, Garbage, GarbageKind};
pub use conversations::{AppendRequest, Conversations};
pub use list::{ListRequest, RunPage};
pub use pull::{PullAction, PullRequest, Pulled};
pub use resume::{ContinueRequest, Continued};
pub use route::{Route, route};
pub use session::Worker;
pub use snapshots::{Snapshots, Stored};
pub use start::{ConversationSource, StartRequest, Started, WorkspaceSource};
pub use watch::{Cursor, Event, Watch};

use crate::clock::{Clock, SystemClock};
use crate::lease::Leases;
use crate::notify::{NoNotify, Notify};
use crate::policy::{OpenPolicy, Policy};
use crate::runtime::Runtime;
use crate::storage::Storage;
use inbox::Inbox;
use runs::Runs;

/// Times that a host may tune.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Terms {
    /// How long a session may be silent before another may take its run. Default 90 s; heartbeats go out at a third.
    pub lease: Duration,
    /// Time between automatic checkpoints of a session; `None` for none. Default 5 minutes.
    pub checkpoint: Option<Duration>,
    /// How long an agent may go on after it was asked to stop. Default 10 s.
    pub grace: Duration,
    /// Longest time between two looks of `watch`, `wait` and an inbox. Default 1 s; they begin at a fiftieth of it.
    pub poll: Duration,
    /// How long before a place's deadline its session stops. Default 60 s.
    pub reserve: Duration,
}

impl Terms {
    /// How often a session looks around.
    pub(crate) fn tick(&self) -> Duration {
        (self.poll / 20).min(self.lease / 30).max(Duration::from_millis(2))
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(90),
            checkpoint: Some(Duration::from_secs(300)),
            grace: Duration::from_secs(10),
            poll: Duration::from_secs(1),
            reserve: crate::runtime::DEADLINE_RESERVE,
        }
    }
}

/// What every part of the front door works with.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) policy: Arc<dyn Policy>,
    pub(crate) notify: Arc<dyn Notify>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) leases: Arc<Leases>,
    pub(crate) terms: Terms,
}

impl Parts {
    fn snapshots(&self) -> Snapshots {
        Snapshots::with_clock(Arc::clone(&self.storage), Arc::clone(&self.clock))
    }
}

/// The life of runs, over a storage and a runtime. Clones are the same hub; any number of hubs in any number of
/// processes may share one storage.
#[derive(Clone)]
pub struct Handoff {
    parts: Parts,
    runtime: Arc<dyn Runtime>,
    conversations: Conversations,
    runs: Runs,
    inbox: Inbox,
}

/// Makes a [`Handoff`] or a [`Worker`] with other than the default ports.
pub struct HandoffBuilder {
    storage: Arc<dyn Storage>,
    policy: Arc<dyn Policy>,
    notify: Arc<dyn Notify>,
    clock: Arc<dyn Clock>,
    terms: Terms,
}

impl HandoffBuilder {
    /// Over `storage`, with the default for everything else.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            policy: Arc::new(OpenPolicy),
            notify: Arc::new(NoNotify),
            clock: Arc::new(SystemClock),
            terms: Terms::default(),
        }
    }

    /// Who may do what.
    #[must_use]
    pub fn policy(mut self, policy: Arc<dyn Policy>) -> Self {
        self.policy = policy;
        self
    }

    /// Who is told.
    #[must_use]
    pub fn notify(mut self, notify: Arc<dyn Notify>) -> Self {
        self.notify = notify;
        self
    }

    /// Another clock, for tests.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Other times.
    #[must_use]
    pub fn terms(mut self, terms: Terms) -> Self {
        self.terms = terms;
        self
    }

    /// A hub that launches sessions on `runtime`.
    pub fn hub(self, runtime: Arc<dyn Runtime>) -> Handoff {
        let parts = self.parts();
        let storage = || Arc::clone(&parts.storage);
        let (conversations, runs, inbox) =
            (Conversations::new(storage()), Runs::new(storage()), Inbox::new(storage()));
        Handoff { parts, runtime, conversations, runs, inbox }
    }

    /// A worker that runs sessions which others asked for.
    pub fn worker(self) -> Worker {
        Worker::from_parts(self.parts())
    }

    fn parts(self) -> Parts {
        let leases = Leases::new(Arc::clone(&self.storage), Arc::clone(&self.clock), self.terms.lease);
        Parts {
            storage: self.storage,
            policy: self.policy,
            notify: self.notify,
            clock: self.clock,
            leases: Arc::new(leases),
            terms: self.terms,
        }
    }
}

impl Handoff {
    /// A hub over `storage` and `runtime` with the default policy, clock and times.
    pub fn new(storage: Arc<dyn Storage>, runtime: Arc<dyn Runtime>) -> Self {
        HandoffBuilder::new(storage).hub(runtime)
    }

    /// The stored conversations.
    pub fn conversations(&self) -> Conversations {
        self.conversations.clone()
    }

    /// The stored workspace states.
    pub fn snapshots(&self) -> Snapshots {
        self.parts.snapshots()
    }
}
