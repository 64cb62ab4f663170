//! Paths inside a repository: bytes, never text, never trusted before they were checked.
//!
//! The policy is pure and has a file for each question: `check` (may this path be written at all), `alias` (what
//! is taken for `.git`), `link` (may this symlink be made), `set` (what is wrong with paths together), `auto_run`
//! (which files are run by some tool). None of it replaces the resolver in `rooted`.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod alias;
mod auto_run;
mod check;
mod fold;
mod link;
mod set;
#[cfg(test)]
mod tests;

pub(crate) use auto_run::auto_run;
pub(crate) use check::{PathFault, PathLimits, Platform, check_component};
pub(crate) use link::{LinkReach, check_link};
pub(crate) use set::{After, SetItem, check_set};

/// A path below a repository's root, as bytes with `/` between components.
///
/// A value of this type may come from a hostile manifest and promises nothing until `check`
/// accepts it. Serialised as a string where it is UTF-8, else as `{"base64": "…"}`; the two forms of one
/// path are equal after reading. `Display` escapes control and bidirectional characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelPath(Box<[u8]>);

impl RelPath {
    /// A path of exactly these bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into().into_boxed_slice())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path as text, with invalid UTF-8 replaced; for people, never for opening files.
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// The part before the last `/`, if there is one.
    pub fn parent(&self) -> Option<&[u8]> {
        let slash = self.0.iter().rposition(|byte| *byte == b'/')?;
        self.0.get(..slash)
    }

    /// The part after the last `/`.
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|byte| *byte == b'/').next().unwrap_or(&self.0)
    }
}

impl From<&str> for RelPath {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

impl From<&[u8]> for RelPath {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes)
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl fmt::Display for RelPath {
    /// Control characters, bidirectional and zero-width characters and invalid bytes are escaped, so that a
    /// hostile name cannot forge a line of a report or move a terminal's cursor.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    '\u{200b}'..='\u{200f}'
                    | '\u{202a}'..='\u{202e}'
                    | '\u{2060}'..='\u{206f}'
                    | '\u{feff}'
                    | '\u{61c}' => {
                        write!(f, "\\u{{{:x}}}", u32::from(c))?;
                    }
                    c if c.is_control() => write!(f, "{}", c.escape_default())?,
                    c => f.write_char(c)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Wire<'a> {
    Text(Cow<'a, str>),
    Bytes { base64: Cow<'a, str> },
}

impl Serialize for RelPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => Wire::Bytes { base64: BASE64.encode(&self.0).into() }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for RelPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Wire::deserialize(deserializer)? {
            Wire::Text(text) => Ok(Self::new(text.into_owned().into_bytes())),
            Wire::Bytes { base64 } => BASE64
                .decode(base64.as_bytes())
                .map(Self::new)
                .map_err(|why| serde::de::Error::custom(format!("a path's base64 form is damaged: {why}"))),
        }
    }
}
