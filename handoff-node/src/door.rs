//! The one class through which JavaScript reaches the bridge, and what is known of its environment.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::bridge::{self, Failure, Foreign, ForeignError, Reply, Request};
use async_channel::{Receiver, Sender, bounded};
use bytes::Bytes;
use napi::bindgen_prelude::{Buffer, ClassInstance};
use napi::{Env, Error, Result};
use napi_derive::napi;
use serde_json::{Value, json};

use crate::cause::Cause;
use crate::executor;
use crate::foreign::Implementer;
use crate::handle::Handle;
use crate::message::{Message, Receive, tell};

/// How long the end of an environment waits for its cancelled operations to clean up.
const LAST_WAIT: Duration = Duration::from_secs(2);

type Answer = std::result::Result<Reply, ForeignError>;

/// What belongs to one Node environment: the main thread, or one worker.
pub struct Environment {
    receive: Receive,
    next: AtomicU32,
    ended: AtomicBool,
    answers: Mutex<HashMap<u32, Sender<Answer>>>,
    operations: Mutex<HashMap<u32, bridge::Operation>>,
}

impl Environment {
    /// Queues a message; false when the environment has ended.
    pub fn tell(&self, message: Message) -> bool {
        !self.ended.load(Ordering::Acquire) && tell(&self.receive, message)
    }

    /// A number for a call, and where its answer will be.
    pub fn expect_answer(&self) -> (u32, Receiver<Answer>) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = bounded(1);
        if !self.ended.load(Ordering::Acquire) {
            lock(&self.answers).insert(id, sender);
        }
        (id, receiver)
    }

    /// Whether the answer was still awaited.
    pub fn forget_answer(&self, id: u32) -> bool {
        lock(&self.answers).remove(&id).is_some()
    }

    /// Nothing more is told, every awaited answer fails, and every operation is cancelled and waited for, within bounds.
    fn end(&self) {
        self.ended.store(true, Ordering::Release);
        lock(&self.answers).clear();
        let operations: Vec<_> = lock(&self.operations).drain().map(|(_, operation)| operation).collect();
        for operation in &operations {
            operation.cancel();
        }
        let until = Instant::now() + LAST_WAIT;
        for operation in &operations {
            let _ = operation.wait_timeout(until.saturating_duration_since(Instant::now()));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The door. One an environment.
#[napi]
pub struct Door {
    environment: Arc<Environment>,
}

#[napi]
impl Door {
    /// A door that tells `receive` everything.
    #[napi(constructor)]
    pub fn new(env: Env, receive: Receive) -> Result<Self> {
        let environment = Arc::new(Environment {
            receive,
            next: AtomicU32::new(1),
            ended: AtomicBool::new(false),
            answers: Mutex::default(),
            operations: Mutex::default(),
        });
        env.add_env_cleanup_hook(Arc::clone(&environment), |environment| environment.end())?;
        Ok(Self { environment })
    }

    /// Starts an operation. Its end is told as `Settled` under `id`.
    #[napi(catch_unwind)]
    pub fn start(
        &self,
        id: u32,
        op: String,
        args: String,
        body: Option<Buffer>,
        handles: Vec<ClassInstance<'_, Handle>>,
        foreign: Vec<u32>,
    ) -> Result<()> {
        let environment = Arc::clone(&self.environment);
        let args: Value = serde_json::from_str(&args).map_err(|why| Error::from_reason(why.to_string()))?;
        let implementer = |who| Arc::new(Implementer::new(who, Arc::clone(&environment))) as Arc<dyn Foreign>;
        let request = Request {
            op,
            args,
            body: body.map(|body| Bytes::from(Vec::from(body))),
            handles: handles.iter().map(|handle| handle.to_bridge()).collect(),
            foreign: foreign.into_iter().map(implementer).collect(),
        };
        let operation = bridge::start(request);
        lock(&environment.operations).insert(id, operation.clone());
        operation.give_to(move |ended| tell_end(id, ended, &environment));
        Ok(())
    }

    /// Forgets an operation that has ended; until then its last events can be asked for.
    #[napi]
    pub fn forget(&self, id: u32) {
        lock(&self.environment.operations).remove(&id);
    }

    /// Asks for the next event of an operation, told as `Event` under the same number.
    #[napi(catch_unwind)]
    pub fn next_event(&self, id: u32) -> Result<bool> {
        let environment = Arc::clone(&self.environment);
        let Some(operation) = lock(&environment.operations).get(&id).cloned() else { return Ok(false) };
        let task = async move {
            let event = operation.next_event().await;
            let json = event.map(|event| event.to_string()).unwrap_or_default();
            environment.tell(Message::Event { id, json });
        };
        executor::spawn(task).map_err(Error::from_reason)?;
        Ok(true)
    }

    /// Cancels an operation; its end is told once the core has cleaned up.
    #[napi]
    pub fn cancel(&self, id: u32) {
        let operation = lock(&self.environment.operations).get(&id).cloned();
        if let Some(operation) = operation {
            operation.cancel();
        }
    }

    /// The answer to a call of an implementer: JSON of its value or error.
    #[napi(catch_unwind)]
    pub fn answer(
        &self,
        id: u32,
        json: String,
        body: Option<Buffer>,
        handles: Vec<ClassInstance<'_, Handle>>,
    ) -> Result<()> {
        let mut json: Value =
            serde_json::from_str(&json).map_err(|why| Error::from_reason(why.to_string()))?;
        let answer = match json.get_mut("error").map(Value::take) {
            Some(error) => Err(self.foreign_error(&error)),
            None => Ok(Reply {
                value: json.get_mut("value").map(Value::take).unwrap_or_default(),
                body: body.map(|body| Bytes::from(Vec::from(body))),
                handles: handles.iter().map(|handle| handle.to_bridge()).collect(),
            }),
        };
        // Whoever asked may have given up meanwhile.
        if let Some(sender) = lock(&self.environment.answers).remove(&id) {
            let _ = sender.try_send(answer);
        }
        Ok(())
    }

    fn foreign_error(&self, error: &Value) -> ForeignError {
        let text = |name| error.get(name).and_then(Value::as_str).map(str::to_owned);
        let message = text("message").unwrap_or_default();
        let cause = error.get("cause").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
        let cause = cause.map(|id| Cause::new(id, message.clone(), Arc::clone(&self.environment)));
        ForeignError {
            kind: text("kind"),
            message,
            retryable: error.get("retryable").and_then(Value::as_bool),
            cause: cause.map(|cause| Box::new(cause) as Box<dyn std::error::Error + Send + Sync>),
        }
    }
}

fn tell_end(id: u32, ended: std::result::Result<Reply, Failure>, environment: &Arc<Environment>) {
    match ended {
        Ok(reply) => {
            let json = json!({ "value": reply.value }).to_string();
            environment.tell(Message::Settled { id, json, body: reply.body, handles: reply.handles });
        }
        Err(failure) => {
            let cause = failure.cause.as_deref().and_then(|cause| Cause::find(cause, environment));
            let mut error = failure.fields();
            error.insert("cause".to_owned(), json!(cause));
            let json = json!({ "error": error });
            let (json, body, handles) = (json.to_string(), None, Vec::new());
            // Told before `failure` is dropped, which lets go of the thrown value.
            environment.tell(Message::Settled { id, json, body, handles });
        }
    }
}
