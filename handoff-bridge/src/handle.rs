//! Values that live here while the host holds them.

use std::sync::{Arc, Mutex, PoisonError};

use handoff_core::conversation::Message;
use handoff_core::{
    ActiveSession, Agent, Conversations, Handoff, QueueRuntime, RunSession, Runtime, Snapshot, Snapshots,
    Storage, Watch, Workspace,
};

use crate::port::Refusals;

/// One value. Clones are the same one; closing it closes all of them.
#[derive(Clone)]
pub struct Handle {
    kind: &'static str,
    held: Arc<Mutex<Option<Held>>>,
}

/// A watch, which is busy while somebody waits for its next event.
pub type SharedWatch = Arc<Mutex<Option<Watch>>>;
/// A stream, which is busy while somebody waits for its next piece.
pub type SharedBody = Arc<Mutex<Option<handoff_core::storage::BodyStream>>>;

/// What there is.
#[derive(Clone)]
pub enum Held {
    Workspace(Workspace),
    Snapshot(Snapshot),
    Storage(Arc<dyn Storage>),
    Conversations(Conversations),
    Snapshots(Snapshots),
    Agent(Arc<dyn Agent>),
    Runtime(Arc<dyn Runtime>),
    Queue(QueueRuntime),
    Hub(Handoff, Refusals),
    Watch(SharedWatch),
    Session(ActiveSession),
    Sessions(Arc<dyn RunSession>),
    Body(SharedBody),
}

impl Held {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Workspace(_) => "workspace",
            Self::Snapshot(_) => "snapshot",
            Self::Storage(_) => "storage",
            Self::Conversations(_) => "conversations",
            Self::Snapshots(_) => "snapshots",
            Self::Agent(_) => "agent",
            Self::Runtime(_) => "runtime",
            Self::Queue(_) => "queue",
            Self::Hub(..) => "hub",
            Self::Watch(_) => "watch",
            Self::Session(_) => "session",
            Self::Sessions(_) => "sessions",
            Self::Body(_) => "body",
        }
    }
}

impl From<Held> for Handle {
    fn from(held: Held) -> Self {
        Self { kind: held.kind(), held: Arc::new(Mutex::new(Some(held))) }
    }
}

macro_rules! getters {
    ($($name:ident $variant:ident $type:ty,)*) => {$(
        /// What it holds, if that is of this kind.
        pub fn $name(&self) -> Result<$type, String> {
            match self.get()? {
                Held::$variant(held) => Ok(held),
                other => Err(format!("is a {}; pass a {}", other.kind(), stringify!($name))),
            }
        }
    )*};
}

impl Handle {
    /// What it is.
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// Gives up what it holds.
    pub fn close(&self) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Outside the lock: letting go may call out.
        drop(held);
    }

    /// What a snapshot says, as the JSON of the published format: for hosts that read it when they are asked for it, in a
    /// call that cannot wait.
    pub fn manifest(&self) -> Result<String, String> {
        let snapshot = self.snapshot()?;
        serde_json::to_string(snapshot.manifest()).map_err(|why| why.to_string())
    }

    fn get(&self) -> Result<Held, String> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        held.ok_or_else(|| format!("is a {} that is closed", self.kind))
    }

    getters! {
        workspace Workspace Workspace,
        snapshot Snapshot Snapshot,
        storage Storage Arc<dyn Storage>,
        conversations Conversations Conversations,
        snapshots Snapshots Snapshots,
        agent Agent Arc<dyn Agent>,
        queue Queue QueueRuntime,
        watch Watch SharedWatch,
        session Session ActiveSession,
        sessions Sessions Arc<dyn RunSession>,
        body Body SharedBody,
    }

    /// A runtime, whichever.
    pub fn runtime(&self) -> Result<Arc<dyn Runtime>, String> {
        match self.get()? {
            Held::Runtime(runtime) => Ok(runtime),
            Held::Queue(queue) => Ok(Arc::new(queue)),
            other => Err(format!("is a {}; pass a runtime", other.kind())),
        }
    }

    /// A hub, with what its policy refused.
    pub fn hub(&self) -> Result<(Handoff, Refusals), String> {
        match self.get()? {
            Held::Hub(hub, refusals) => Ok((hub, refusals)),
            other => Err(format!("is a {}; pass a hub", other.kind())),
        }
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Handle").field(&self.kind).finish()
    }
}

/// Messages as JSON. A body is passed as text, so that nothing in it is taken for one of our words.
pub fn message_json(message: &Message) -> serde_json::Value {
    let mut plain = message.clone();
    let body = plain.body.take();
    let mut value = serde_json::to_value(&plain).unwrap_or_default();
    if let (Some(body), Some(object)) = (body, value.as_object_mut()) {
        object.insert("body".to_owned(), body.get().into());
    }
    value
}
