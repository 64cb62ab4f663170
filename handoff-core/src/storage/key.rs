//! Keys: where bytes live in a storage.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::ParseIdError;

/// The name of an object in a [`Storage`](super::Storage), or a prefix of such names.
///
/// 1 to 512 bytes of `a-z`, `0-9`, `/`, `.`, `_` and `-`, in components of 1 to 128 bytes that do not begin with
/// a dot; so every key is a relative path that means the same on every file system and in every bucket. Keys are
/// made here from ids, never from a user's text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Box<str>);

impl Key {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `self/component`. `component` must itself be a key's text.
    ///
    /// # Errors
    /// [`ParseIdError`] when the whole is no key.
    pub fn join(&self, component: &str) -> Result<Self, ParseIdError> {
        format!("{}/{component}", self.0).parse()
    }

    /// Whether `self` is `prefix` or below it.
    pub fn is_below(&self, prefix: &Self) -> bool {
        self.0.strip_prefix(&*prefix.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Whether `part` may stand between two slashes of a key.
pub(super) fn is_component(part: &str) -> bool {
    (1..=128).contains(&part.len())
        && !part.starts_with('.')
        && part
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
}

impl FromStr for Key {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        if text.len() <= 512 && text.split('/').all(is_component) {
            Ok(Self(text.into()))
        } else {
            Err(ParseIdError::new(text, "a storage key (components of a-z, 0-9, '.', '_' and '-')"))
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
