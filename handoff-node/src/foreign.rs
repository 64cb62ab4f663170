//! An object of JavaScript's that implements a port.

use std::sync::Arc;

use crate::bridge::{BoxFuture, Foreign, ForeignCall, ForeignError, Reply};

use crate::door::Environment;
use crate::message::Message;

/// Stands for the implementer that JavaScript keeps under this number; it is let go with the last of these.
pub struct Implementer {
    who: u32,
    environment: Arc<Environment>,
}

impl Implementer {
    /// The implementer number `who` of the environment.
    pub fn new(who: u32, environment: Arc<Environment>) -> Self {
        Self { who, environment }
    }
}

impl Foreign for Implementer {
    fn call(&self, call: ForeignCall) -> BoxFuture<'static, Result<Reply, ForeignError>> {
        let (who, environment) = (self.who, Arc::clone(&self.environment));
        Box::pin(async move {
            let method = call.method;
            let (id, answer) = environment.expect_answer();
            let mut running = Running { id, environment: Arc::clone(&environment), ended: false };
            let told = environment.tell(Message::Call { id, who, call });
            let answered = if told { answer.recv().await.ok() } else { None };
            running.ended = answered.is_some();
            answered.unwrap_or_else(|| Err(gone(method)))
        })
    }
}

impl Drop for Implementer {
    fn drop(&mut self) {
        self.environment.tell(Message::Release { who: self.who });
    }
}

fn gone(method: &str) -> ForeignError {
    ForeignError {
        kind: None,
        message: format!("{method} cannot be called: the Node environment that implements it has ended"),
        retryable: Some(false),
        cause: None,
    }
}

/// A call whose answer is awaited; when that is given up, JavaScript is told to abort it.
struct Running {
    id: u32,
    environment: Arc<Environment>,
    ended: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended && self.environment.forget_answer(self.id) {
            self.environment.tell(Message::Abort { id: self.id });
        }
    }
}
