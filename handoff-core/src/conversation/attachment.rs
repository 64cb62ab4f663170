//! Contents that travel with a conversation, named by their hash.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::snapshot::Extra;

/// A named blob of a conversation. The content is stored before the message that names it, under its hash, so
/// that a message never points to nothing and forks share it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Attachment {
    /// The content's SHA-256.
    pub blob: Digest,
    /// Its name as people know it; never used as a path.
    pub name: String,
    /// Its media type, such as `image/png`; empty when not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// Its length in bytes.
    pub size: u64,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Attachment {
    /// The attachment that `content` is.
    pub fn of(name: impl Into<String>, media_type: impl Into<String>, content: &[u8]) -> Self {
        Self {
            blob: Digest::of(content),
            name: name.into(),
            media_type: media_type.into(),
            size: content.len() as u64,
            extra: Extra::new(),
        }
    }
}
