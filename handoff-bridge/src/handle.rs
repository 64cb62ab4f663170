//! What lives here and is passed back to us: workspaces, snapshots, storages and so on.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

type Thing = Arc<dyn Any + Send + Sync>;

/// An opaque reference to something of the core's. Clones are the same thing; closing one closes all.
#[derive(Clone)]
pub struct Handle {
    kind: &'static str,
    thing: Arc<Mutex<Option<Thing>>>,
}

impl Handle {
    /// A handle to `thing`, called `kind` in messages.
    pub(crate) fn new<T: Any + Send + Sync>(kind: &'static str, thing: T) -> Self {
        Self { kind, thing: Arc::new(Mutex::new(Some(Arc::new(thing)))) }
    }

    /// What it is, in one word.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Lets go of it. Operations under way keep it until they end; those that come later are refused.
    pub fn close(&self) {
        drop(self.slot().take());
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.slot().is_none()
    }

    /// The thing, `None` when closed or another.
    pub(crate) fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.slot().clone()?.downcast().ok()
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Thing>> {
        self.thing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.kind).finish()
    }
}
