//! Thrown values. They never cross as exceptions: JavaScript keeps each in a table, and a number stands for it here, so
//! that the caller in the end gets the very object that the implementer threw.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::door::Environment;
use crate::message::Message;

/// Stands for a thrown value; the value is let go with the last of these.
pub struct Cause {
    id: u32,
    message: String,
    environment: Arc<Environment>,
}

impl Cause {
    /// The value kept as `id` by the environment.
    pub fn new(id: u32, message: String, environment: Arc<Environment>) -> Self {
        Self { id, message, environment }
    }

    /// The first thrown value among the causes of `error` that is of this environment.
    pub fn find(error: &(dyn Error + Send + Sync + 'static), environment: &Arc<Environment>) -> Option<u32> {
        let mut next: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(error) = next {
            if let Some(cause) =
                error.downcast_ref::<Self>().filter(|cause| Arc::ptr_eq(&cause.environment, environment))
            {
                return Some(cause.id);
            }
            next = error.source();
        }
        None
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cause").field("id", &self.id).field("message", &self.message).finish_non_exhaustive()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Cause {}

impl Drop for Cause {
    fn drop(&mut self) {
        self.environment.tell(Message::Forget { id: self.id });
    }
}
