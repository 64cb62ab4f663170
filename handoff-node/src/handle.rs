//! A value that lives in the core, as JavaScript holds it.

use crate::bridge;
use napi_derive::napi;

/// Opaque. Wrapped by a class of `js/` that gives it its methods.
#[napi]
pub struct Handle {
    inner: bridge::Handle,
}

#[napi]
impl Handle {
    /// What it is, as in `snapshot`.
    #[napi(getter)]
    pub fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    /// Gives up what it holds; every later use is an error.
    #[napi]
    pub fn close(&self) {
        self.inner.close();
    }

    /// What a snapshot says, as JSON.
    #[napi(catch_unwind)]
    pub fn manifest(&self) -> napi::Result<String> {
        self.inner.manifest().map_err(napi::Error::from_reason)
    }

    /// The bridge's own.
    pub(crate) fn to_bridge(&self) -> bridge::Handle {
        self.inner.clone()
    }
}

impl From<bridge::Handle> for Handle {
    fn from(inner: bridge::Handle) -> Self {
        Self { inner }
    }
}
