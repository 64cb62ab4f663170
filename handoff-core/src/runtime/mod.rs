//! Where a session is launched: the [`Runtime`] port.

mod checkout;
mod local;
mod queue;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::agent::Agent;
use crate::environment::Environment;
use crate::error::Error;
use crate::id::{EnvironmentId, RunId, SessionId};
use crate::progress::CancelToken;
use crate::run::SessionState;
use crate::snapshot::Extra;

pub use checkout::Checkouts;
pub use local::LocalRuntime;
pub use queue::{QueueRuntime, WhenEmpty, WorkOptions};

/// What a runtime needs to launch one session. Plain data: it may travel as JSON to another machine, which
/// reads everything else from the storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SessionSpec {
    /// The run.
    pub run: RunId,
    /// The session.
    pub session: SessionId,
    /// Where it is to run.
    pub environment: EnvironmentId,
    /// The model that the run is pinned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl SessionSpec {
    /// A spec without a model.
    pub fn new(run: RunId, session: SessionId, environment: EnvironmentId) -> Self {
        Self { run, session, environment, model: None, extra: Extra::new() }
    }
}

/// The prepared place of one session: checkouts of the environment's repositories.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Place {
    /// The directory that holds the checkouts; the agent's working directory when there is not exactly one.
    pub root: PathBuf,
    /// The checkouts.
    pub repos: Vec<PathBuf>,
    /// Where files outside any repository are restored, and taken along from; absent means that they are not restored.
    pub loose: Option<PathBuf>,
    /// Variables for the agent.
    pub variables: BTreeMap<String, String>,
    /// When this place will be taken away. The session ends itself in time before, with a last capture.
    pub deadline: Option<SystemTime>,
    /// Cancelled when the place is being taken away at once.
    pub cancel: CancelToken,
}

impl Place {
    /// A place with these checkouts in `root`.
    pub fn new(root: impl Into<PathBuf>, repos: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { root: root.into(), repos: repos.into_iter().collect(), ..Self::default() }
    }
}

/// Runs sessions in prepared places. Given to a [`Runtime`] with each launch; a process on another machine makes
/// its own with [`Worker::new`](crate::Worker::new) over the same storage.
#[async_trait]
pub trait RunSession: Send + Sync + 'static {
    /// Takes the run, restores its workspace state into `place`, lets `agent` answer, captures, and records the
    /// end. Returns how the session ended; an error only when the session could not even be taken (somebody else
    /// holds the run, or the storage failed), and then nothing was done.
    async fn run_session(
        &self,
        spec: &SessionSpec,
        place: Place,
        agent: Arc<dyn Agent>,
    ) -> Result<SessionState, Error>;

    /// Records that the session could not be given a place or an agent, with the reason; the run then has ended as
    /// failed and can be continued.
    async fn fail_session(&self, spec: &SessionSpec, reason: &str) -> Result<(), Error>;
}

/// Where sessions run: a cloud, a queue, this machine. Implement it for your own fleet;
/// `handoff_core::conformance::runtime::check` (feature `conformance`) checks an implementation against this contract.
///
/// # Contract
/// 1. `start` is idempotent per session id: a second call for the same session does nothing.
/// 2. `start` returns once the session is certain to be launched, or to be reported as failed; it does not wait
///    for the session.
/// 3. `cancel` may be called for a session that is not there or has ended.
/// 4. `wake` is a nudge that may be lost: everything it tells is in the storage.
/// 5. Each session gets a place of its own: fresh checkouts of the environment's repositories, and its variables.
/// 6. Sessions do not depend on each other: one that waits, fails or panics leaves the others as they are.
#[async_trait]
pub trait Runtime: Send + Sync + 'static {
    /// What `id` is; an error of kind not found when there is no such environment.
    async fn environment(&self, id: &EnvironmentId) -> Result<Environment, RuntimeError>;

    /// Launches a session.
    async fn start(&self, spec: SessionSpec, sessions: Arc<dyn RunSession>) -> Result<(), RuntimeError>;

    /// Something new waits in the run's inbox.
    async fn wake(&self, session: &SessionId) -> Result<(), RuntimeError> {
        let _ = session;
        Ok(())
    }

    /// Takes the session's place away at once. The polite request is already in the run's inbox.
    async fn cancel(&self, session: &SessionId) -> Result<(), RuntimeError>;
}

/// Why a runtime could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct RuntimeError {
    /// What failed, where, and what to do.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// Whether the thing asked for is not there.
    pub not_found: bool,
    /// What the runtime said.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl RuntimeError {
    /// An error that will not go away by itself.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), retryable: false, not_found: false, source: None }
    }

    /// There is no such environment.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { not_found: true, ..Self::new(message) }
    }

    /// An error that may go away by itself.
    pub fn retryable(message: impl Into<String>) -> Self {
        Self { retryable: true, ..Self::new(message) }
    }

    /// With what the runtime said.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl Error {
    /// An [`Error::Runtime`]; `action` reads as in "launching session s…".
    pub(crate) fn runtime(action: impl Into<String>, source: RuntimeError) -> Self {
        Self::Runtime { action: action.into(), retryable: source.retryable, source: source.into() }
    }
}

/// How long before its place's deadline a session stops the agent, so that the last capture is in time.
pub const DEADLINE_RESERVE: Duration = Duration::from_secs(60);
