//! Telling people who are not looking: the [`Notify`] port.

use async_trait::async_trait;

use crate::run::Run;

/// What there is to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The run ended.
    Ended(Box<Run>),
    /// The run waits for an answer.
    InputRequired(Box<Run>),
}

/// Called at least once for each notice, after it is durable; a notice may come again after a crash, so tell
/// people by run and session id. A failure is recorded and does not fail the run.
#[async_trait]
pub trait Notify: Send + Sync + 'static {
    /// Tells somebody.
    async fn notify(&self, notice: &Notice) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoNotify;

#[async_trait]
impl Notify for NoNotify {
    async fn notify(&self, _: &Notice) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(())
    }
}
