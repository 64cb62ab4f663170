//! The object that says that here is a store, and in which format.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::StorageError;

/// The marker's key.
pub(super) const KEY: &str = "handoff.json";

/// The layout of keys and records that this version reads and writes.
const FORMAT: u64 = 1;

#[derive(Serialize, Deserialize)]
struct Marker {
    format: u64,
    /// What a reader must know beside the format; none so far.
    #[serde(default)]
    features: Vec<String>,
}

/// What a new store's marker holds.
pub(super) fn body() -> Bytes {
    format!("{{\"format\":{FORMAT},\"features\":[]}}\n").into()
}

/// Refuses a store that this version would misread.
pub(super) fn check(body: &[u8]) -> Result<(), StorageError> {
    let marker: Marker = serde_json::from_slice(body).map_err(|error| {
        let why = format!("{KEY} is not what this SDK writes there; the store is damaged, or something else");
        StorageError::new(why).because(error)
    })?;
    if marker.format != FORMAT {
        return Err(StorageError::new(format!(
            "the store has format {}, this version reads {FORMAT}; update handoff on this machine",
            marker.format
        )));
    }
    match marker.features.first() {
        None => Ok(()),
        Some(feature) => Err(StorageError::new(format!(
            "the store needs the feature {feature:?}, which this version has not; update handoff on this machine"
        ))),
    }
}
