//! Named arguments: read by type, refused by name.

use std::any::Any;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use handoff_core::RelPath;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::foreign::{Foreign, Host};
use crate::handle::Handle;
use crate::operation::Request;
use crate::ops::Op;

/// The arguments of one request. `null` is the same as absent.
pub(crate) struct Args {
    fields: Map<String, Value>,
    body: Option<Bytes>,
    handles: Vec<Handle>,
    foreign: Vec<Arc<dyn Foreign>>,
}

impl Args {
    /// The arguments of `request`: none that `op` does not take, and each that it needs.
    pub(crate) fn new(op: &Op, request: Request) -> Result<Self, Failure> {
        let Value::Object(mut fields) = request.args else {
            return Err(Failure::argument("args", "is not a JSON object; pass arguments by name"));
        };
        fields.retain(|_, value| !value.is_null());
        if let Some(unknown) =
            fields.keys().find(|name| op.info.args.iter().all(|known| plain(known) != **name))
        {
            let known: Vec<_> = op.info.args.iter().map(|name| plain(name)).collect();
            let why = format!("is not an argument of {}; it takes {}", op.info.name, known.join(", "));
            return Err(Failure::argument(unknown, why));
        }
        let needed = op.info.args.iter().filter(|name| !name.ends_with('?'));
        if let Some(missing) = needed.into_iter().find(|name| !fields.contains_key(**name)) {
            return Err(Failure::argument(missing, format!("is missing; {} needs it", op.info.name)));
        }
        Ok(Self { fields, body: request.body, handles: request.handles, foreign: request.foreign })
    }

    /// The argument as it came.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name)
    }

    fn need(&mut self, name: &str) -> Result<Value, Failure> {
        self.take(name).ok_or_else(|| Failure::argument(name, "is missing"))
    }

    /// Whether the argument is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// Text.
    pub(crate) fn text(&mut self, name: &str) -> Result<String, Failure> {
        self.need(name).and_then(|value| text(value, name))
    }

    /// Text that may be absent.
    pub(crate) fn opt_text(&mut self, name: &str) -> Result<Option<String>, Failure> {
        self.take(name).map(|value| text(value, name)).transpose()
    }

    /// Text of a certain form, such as an id.
    pub(crate) fn parse<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<T, Failure> {
        let text = self.text(name)?;
        text.parse().map_err(|why| Failure::argument(name, format!("cannot be read: {why}")))
    }

    /// Text of a certain form that may be absent.
    pub(crate) fn opt_parse<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<Option<T>, Failure> {
        if self.has(name) { self.parse(name).map(Some) } else { Ok(None) }
    }

    /// A value in one of the core's own JSON forms.
    pub(crate) fn json<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Failure> {
        let value = self.need(name)?;
        serde_json::from_value(value)
            .map_err(|why| Failure::argument(name, format!("has not the form it must have: {why}")))
    }

    /// A value in one of the core's own JSON forms that may be absent.
    pub(crate) fn opt_json<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Failure> {
        if self.has(name) { self.json(name).map(Some) } else { Ok(None) }
    }

    /// A number of things.
    pub(crate) fn opt_u64(&mut self, name: &str) -> Result<Option<u64>, Failure> {
        let read = |value: Value| {
            value.as_u64().ok_or_else(|| {
                Failure::argument(name, format!("is {}; pass a whole number, 0 or more", noun(&value)))
            })
        };
        self.take(name).map(read).transpose()
    }

    /// A time in milliseconds.
    pub(crate) fn opt_millis(&mut self, name: &str) -> Result<Option<Duration>, Failure> {
        Ok(self.opt_u64(name)?.map(Duration::from_millis))
    }

    /// Yes or no.
    pub(crate) fn opt_bool(&mut self, name: &str) -> Result<Option<bool>, Failure> {
        let read = |value: Value| {
            let why = || Failure::argument(name, format!("is {}; pass true or false", noun(&value)));
            value.as_bool().ok_or_else(why)
        };
        self.take(name).map(read).transpose()
    }

    /// One of some words.
    pub(crate) fn choice<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, Failure> {
        let Some(word) = self.opt_text(name)? else { return Ok(None) };
        match words.iter().find(|(known, _)| *known == word) {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => {
                let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                Err(Failure::argument(name, format!("is {word:?}; pass one of {}", known.join(", "))))
            }
        }
    }

    /// A list.
    pub(crate) fn opt_list(&mut self, name: &str) -> Result<Option<Vec<Value>>, Failure> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(Failure::argument(name, format!("is {}; pass a list", noun(&other)))),
        }
    }

    /// A list of texts; absent is empty.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Vec<String>, Failure> {
        let items = self.opt_list(name)?.unwrap_or_default().into_iter().enumerate();
        items.map(|(at, item)| text(item, &format!("{name}[{at}]"))).collect()
    }

    /// A path of this machine.
    pub(crate) fn path(&mut self, name: &str) -> Result<PathBuf, Failure> {
        self.need(name).and_then(|value| path(value, name))
    }

    /// A path of this machine that may be absent.
    pub(crate) fn opt_path(&mut self, name: &str) -> Result<Option<PathBuf>, Failure> {
        self.take(name).map(|value| path(value, name)).transpose()
    }

    /// Paths of this machine.
    pub(crate) fn paths(&mut self, name: &str) -> Result<Vec<PathBuf>, Failure> {
        let items = self.opt_list(name)?.unwrap_or_default().into_iter().enumerate();
        items.map(|(at, item)| path(item, &format!("{name}[{at}]"))).collect()
    }

    /// A path inside of a snapshot.
    pub(crate) fn rel_path(&mut self, name: &str) -> Result<RelPath, Failure> {
        self.need(name).and_then(|value| rel_path(value, name))
    }

    /// The bytes beside the JSON.
    pub(crate) fn body(&mut self) -> Result<Bytes, Failure> {
        self.body.take().ok_or_else(|| Failure::argument("body", "is missing; pass bytes"))
    }

    /// What a handle stands for.
    pub(crate) fn handle<T: Any + Send + Sync>(&mut self, name: &str, kind: &str) -> Result<Arc<T>, Failure> {
        let value = self.need(name)?;
        self.handle_in(&value, name, kind)
    }

    /// What a handle inside of a value that was taken stands for.
    pub(crate) fn handle_in<T: Any + Send + Sync>(
        &self,
        value: &Value,
        name: &str,
        kind: &str,
    ) -> Result<Arc<T>, Failure> {
        let Some(handle) = index(value, "$handle").and_then(|at| self.handles.get(at)) else {
            return Err(Failure::argument(name, format!("is {}; pass a {kind}", noun(value))));
        };
        if let Some(thing) = handle.get() {
            return Ok(thing);
        }
        if handle.is_closed() {
            return Err(Failure::argument(
                name,
                format!("is a {} that was closed; make a new one", handle.kind()),
            ));
        }
        Err(Failure::argument(name, format!("is a {}; pass a {kind}", handle.kind())))
    }

    /// A foreign object.
    pub(crate) fn foreign(&mut self, name: &str) -> Result<Host, Failure> {
        let value = self.need(name)?;
        self.foreign_in(&value, name)
    }

    /// A foreign object that may be absent.
    pub(crate) fn opt_foreign(&mut self, name: &str) -> Result<Option<Host>, Failure> {
        if self.has(name) { self.foreign(name).map(Some) } else { Ok(None) }
    }

    /// A foreign object inside of a value that was taken.
    pub(crate) fn foreign_in(&self, value: &Value, name: &str) -> Result<Host, Failure> {
        let found = index(value, "$foreign").and_then(|at| self.foreign.get(at));
        let why =
            || Failure::argument(name, format!("is {}; pass an object that implements it", noun(value)));
        found.map(|foreign| Host::new(Arc::clone(foreign))).ok_or_else(why)
    }
}

/// An argument's name without the mark that it may be left out.
fn plain(name: &'static str) -> &'static str {
    name.strip_suffix('?').unwrap_or(name)
}

fn index(value: &Value, what: &str) -> Option<usize> {
    usize::try_from(value.get(what)?.as_u64()?).ok()
}

/// Text.
pub(crate) fn text(value: Value, name: &str) -> Result<String, Failure> {
    match value {
        Value::String(text) => Ok(text),
        other if bytes_of(&other).is_some() => {
            Err(Failure::argument(name, "is not valid UTF-8; only paths may be other bytes"))
        }
        other => Err(Failure::argument(name, format!("is {}; pass a string", noun(&other)))),
    }
}

/// A path of this machine.
pub(crate) fn path(value: Value, name: &str) -> Result<PathBuf, Failure> {
    let bytes = raw(&value, name)?;
    if bytes.is_empty() {
        return Err(Failure::argument(name, "is an empty path; name a file or directory"));
    }
    if bytes.contains(&0) {
        return Err(Failure::argument(name, "has a zero byte in it, which no path can have"));
    }
    os_path(bytes)
        .ok_or_else(|| Failure::argument(name, "is not valid UTF-8, which paths on this system must be"))
}

#[cfg(unix)]
fn os_path(bytes: Vec<u8>) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    Some(std::ffi::OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn os_path(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

/// A path inside of a snapshot.
pub(crate) fn rel_path(value: Value, name: &str) -> Result<RelPath, Failure> {
    raw(&value, name).map(RelPath::new)
}

fn raw(value: &Value, name: &str) -> Result<Vec<u8>, Failure> {
    match value {
        Value::String(text) => Ok(text.as_bytes().to_vec()),
        other => {
            bytes_of(other).ok_or_else(|| Failure::argument(name, format!("is {}; pass a path", noun(other))))
        }
    }
}

/// Bytes in JSON.
pub(crate) fn bytes_of(value: &Value) -> Option<Vec<u8>> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    STANDARD.decode(fields.get("$bytes")?.as_str()?).ok()
}

/// What a value is, for messages: never what is in it.
pub(crate) fn noun(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(fields) if fields.contains_key("$handle") => "another object of this SDK's",
        Value::Object(fields) if fields.contains_key("$foreign") => "an object of the host's",
        Value::Object(fields) if fields.contains_key("$bytes") => "bytes",
        Value::Object(_) => "an object",
    }
}
