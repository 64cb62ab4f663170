//! Ids: git object ids, snapshot ids, apply ids. Each is a newtype that can only hold a valid value.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::{Digest, ParseIdError, hex, unhex};

/// How a repository names its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ObjectFormat {
    /// 20-byte ids.
    Sha1,
    /// 32-byte ids.
    Sha256,
}

/// The id that git gives an object: 20 bytes (SHA-1) or 32 bytes (SHA-256), written as lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Oid {
    // Shorter ids are padded with zeros, so that the derived order and equality are right within one format.
    bytes: [u8; 32],
    format: ObjectFormat,
}

impl Oid {
    /// An id from its raw bytes; `None` unless there are 20 or 32 of them.
    pub fn from_bytes(raw: &[u8]) -> Option<Self> {
        let format = match raw.len() {
            20 => ObjectFormat::Sha1,
            32 => ObjectFormat::Sha256,
            _ => return None,
        };
        let mut bytes = [0; 32];
        bytes.get_mut(..raw.len())?.copy_from_slice(raw);
        Some(Self { bytes, format })
    }

    /// The raw bytes: 20 or 32.
    pub fn as_bytes(&self) -> &[u8] {
        let len = match self.format {
            ObjectFormat::Sha1 => 20,
            ObjectFormat::Sha256 => 32,
        };
        self.bytes.get(..len).unwrap_or(&self.bytes)
    }

    /// Which of git's two formats this id has.
    pub const fn format(&self) -> ObjectFormat {
        self.format
    }
}

/// Names a snapshot: the SHA-256 of its canonical manifest. The same workspace state has the same id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SnapshotId(pub Digest);

/// Names one apply, so that it can be undone: `a` followed by 32 hexadecimal digits, the first twelve the
/// time in milliseconds, so that a sorted list is in order of time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApplyId([u8; 16]);

impl ApplyId {
    /// An id never given before.
    pub(crate) fn new() -> std::io::Result<Self> {
        fresh().map(Self)
    }
}

/// 16 bytes never given before: six of time in milliseconds, so that sorted ids are in order of time, then chance.
fn fresh() -> std::io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    let millis = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_millis() as u64);
    let time = millis.to_be_bytes();
    for (byte, of_time) in bytes.iter_mut().zip(time.iter().skip(2)) {
        *byte = *of_time;
    }
    Ok(bytes)
}

macro_rules! text_form {
    ($type:ident, $expected:literal, |$self:ident| $show:expr, |$text:ident| $read:expr) => {
        impl fmt::Display for $type {
            fn fmt(&$self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&$show)
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self)
            }
        }
        impl FromStr for $type {
            type Err = ParseIdError;
            fn from_str($text: &str) -> Result<Self, ParseIdError> {
                let read: Option<Self> = $read;
                read.ok_or_else(|| ParseIdError::new($text, $expected))
            }
        }
        impl Serialize for $type {
            fn serialize<S: Serializer>(&$self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&$show)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

text_form!(
    Oid,
    "a git object id (40 or 64 lower-case hexadecimal digits)",
    |self| hex(self.as_bytes()),
    |text| unhex(text).and_then(|raw| Self::from_bytes(&raw))
);
text_form!(
    SnapshotId,
    "a snapshot id (64 lower-case hexadecimal digits)",
    |self| self.0.to_string(),
    |text| text.parse().ok().map(Self)
);
text_form!(
    ApplyId,
    "an apply id (the letter a and 32 lower-case hexadecimal digits)",
    |self| format!("a{}", hex(&self.0)),
    |text| text.strip_prefix('a').and_then(unhex).and_then(|raw| raw.try_into().ok()).map(Self)
);

macro_rules! unique_ids {
    ($($(#[$doc:meta])* $type:ident = $letter:literal, $expected:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// Text form: the letter and 32 lower-case hexadecimal digits; sorted ids are in order of time.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type([u8; 16]);

        impl $type {
            /// An id never given before.
            ///
            /// # Panics
            /// When the operating system has no randomness to give.
            #[allow(clippy::new_without_default)]
            pub fn new() -> Self {
                Self(fresh().expect("the operating system gives randomness"))
            }

            /// The raw bytes.
            #[allow(dead_code, reason = "one macro for all, and not every id is asked for its bytes")]
            pub(crate) const fn bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// An id that `digest` decides, for operations that must find their own traces again.
            pub fn from_digest(digest: &Digest) -> Self {
                let mut bytes = [0; 16];
                for (byte, from) in bytes.iter_mut().zip(digest.as_bytes()) {
                    *byte = *from;
                }
                Self(bytes)
            }
        }

        text_form!(
            $type,
            $expected,
            |self| format!(concat!($letter, "{}"), hex(&self.0)),
            |text| text.strip_prefix($letter).and_then(unhex).and_then(|raw| raw.try_into().ok()).map(Self)
        );
    )*};
}

unique_ids! {
    /// Names a conversation.
    ConversationId = "c", "a conversation id (the letter c and 32 lower-case hexadecimal digits)";
    /// Names a message of a conversation; forks keep it.
    MessageId = "m", "a message id (the letter m and 32 lower-case hexadecimal digits)";
    /// Names a run through all its sessions.
    RunId = "r", "a run id (the letter r and 32 lower-case hexadecimal digits)";
    /// Names one execution of a run.
    SessionId = "s", "a session id (the letter s and 32 lower-case hexadecimal digits)";
    /// Names one write, so that its writer knows it again after a lost answer.
    OpId = "o", "an operation id (the letter o and 32 lower-case hexadecimal digits)";
}

macro_rules! host_names {
    ($($(#[$doc:meta])* $type:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// The host's own text: 1 to 256 bytes without control characters.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $type(Box<str>);

        impl $type {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                if text.is_empty() || text.len() > 256 || text.chars().any(char::is_control) {
                    return Err(ParseIdError::new(text, "a name of 1 to 256 bytes without control characters"));
                }
                Ok(Self(text.into()))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

host_names! {
    /// Names who asks: a person or a service.
    ActorId;
    /// Names a team that a run may belong to.
    TeamId;
    /// Names a place where sessions can run.
    EnvironmentId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_round_trip_and_refuse_what_is_not_theirs() {
        let sha1 = Oid::from_bytes(&[7; 20]).expect("20 bytes");
        let sha256 = Oid::from_bytes(&[7; 32]).expect("32 bytes");
        assert_ne!(sha1, sha256);
        for oid in [sha1, sha256] {
            assert_eq!(oid.to_string().parse(), Ok(oid));
        }
        assert!("07".parse::<Oid>().is_err());
        assert!(
            sha256.to_string().to_uppercase().parse::<Digest>().is_ok(),
            "digits only: no letters to upcase"
        );
        assert!("AB".repeat(20).parse::<Oid>().is_err(), "upper case is not canonical");
        let apply = ApplyId::new().expect("randomness");
        assert_eq!(apply.to_string().parse(), Ok(apply));
        assert!(apply.to_string()[1..].parse::<ApplyId>().is_err());
    }
}
