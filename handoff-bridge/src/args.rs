//! Named arguments, checked one by one: whatever is wrong is said with the argument's name.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use handoff_core::RelPath;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Failure, Foreign, Handle};

type Found<T> = Result<T, Failure>;

/// The arguments of one operation. Each is taken once; what is left at the end is unknown.
pub struct Args {
    left: Map<String, Value>,
    asked: Vec<&'static str>,
    /// Of a whole operation: what it takes, whether or not it was asked for yet.
    known: Option<Vec<&'static str>>,
    body: Option<Bytes>,
    handles: Vec<Handle>,
    foreign: Vec<Arc<dyn Foreign>>,
}

impl Args {
    /// The arguments of a request.
    pub fn new(
        args: Value,
        body: Option<Bytes>,
        handles: Vec<Handle>,
        foreign: Vec<Arc<dyn Foreign>>,
    ) -> Found<Self> {
        match args {
            Value::Object(left) => Ok(Self { left, asked: Vec::new(), known: None, body, handles, foreign }),
            _ => Err(Failure::argument("options", "is no object")),
        }
    }

    /// These arguments, of which those that are not among `known` are refused before anything is done.
    pub fn known(mut self, known: Vec<&'static str>) -> Found<Self> {
        match self.left.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(unknown(name, &known)),
            None => {
                self.known = Some(known);
                Ok(self)
            }
        }
    }

    /// Nothing more is taken: an argument that is left is refused.
    pub fn finish(self) -> Found<()> {
        self.left.keys().next().map_or(Ok(()), |name| Err(unknown(name, &self.asked)))
    }

    /// The bytes that came beside the arguments.
    pub fn body(&mut self) -> Bytes {
        self.body.take().unwrap_or_default()
    }

    /// The argument, unless it is absent or null.
    pub fn take(&mut self, name: &'static str) -> Option<Value> {
        // Else nobody could pass it.
        debug_assert!(self.known.as_ref().is_none_or(|known| known.contains(&name)), "{name} is in no table");
        self.asked.push(name);
        self.left.remove(name).filter(|value| !value.is_null())
    }

    fn need<T>(name: &str, found: Option<T>) -> Found<T> {
        found.ok_or_else(|| Failure::argument(name, "is missing"))
    }

    fn wrong<T>(name: &str, value: &Value, wanted: &str) -> Found<T> {
        Err(Failure::argument(name, format_args!("is {}; pass {wanted}", kind_of(value))))
    }

    /// Text, where it is given.
    pub fn opt_text(&mut self, name: &'static str) -> Found<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Self::wrong(name, &other, "a string"),
        }
    }

    /// Text.
    pub fn text(&mut self, name: &'static str) -> Found<String> {
        Self::need(name, self.opt_text(name)?)
    }

    /// Text that has a form, such as an id.
    pub fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&mut self, name: &'static str) -> Found<T> {
        Self::need(name, self.opt_parsed(name)?)
    }

    /// The same, where it is given.
    pub fn opt_parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &mut self,
        name: &'static str,
    ) -> Found<Option<T>> {
        let Some(text) = self.opt_text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|why| Failure::argument(name, format_args!("cannot be used: {why}")))
    }

    /// A whole number, where it is given.
    pub fn number(&mut self, name: &'static str) -> Found<Option<u64>> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => match whole_number(&value) {
                Some(number) => Ok(Some(number)),
                None => Self::wrong(name, &value, "a whole number that is not negative"),
            },
        }
    }

    /// The same into a field.
    pub fn number_into(&mut self, name: &'static str, field: &mut u64) -> Found<()> {
        if let Some(number) = self.number(name)? {
            *field = number;
        }
        Ok(())
    }

    /// Milliseconds, where they are given.
    pub fn millis(&mut self, name: &'static str) -> Found<Option<Duration>> {
        Ok(self.number(name)?.map(Duration::from_millis))
    }

    /// The same into a field.
    pub fn millis_into(&mut self, name: &'static str, field: &mut Duration) -> Found<()> {
        if let Some(time) = self.millis(name)? {
            *field = time;
        }
        Ok(())
    }

    /// True or false into a field.
    pub fn flag_into(&mut self, name: &'static str, field: &mut bool) -> Found<()> {
        match self.take(name) {
            None => {}
            Some(Value::Bool(flag)) => *field = flag,
            Some(other) => return Self::wrong(name, &other, "true or false"),
        }
        Ok(())
    }

    /// A list of strings, where it is given.
    pub fn texts(&mut self, name: &'static str) -> Found<Option<Vec<String>>> {
        let Some(items) = self.list(name)? else { return Ok(None) };
        let text = |(index, item)| match item {
            Value::String(text) => Ok(text),
            other => Self::wrong(&format!("{name}[{index}]"), &other, "a string"),
        };
        items.into_iter().enumerate().map(text).collect::<Found<_>>().map(Some)
    }

    /// A list, where it is given.
    pub fn list(&mut self, name: &'static str) -> Found<Option<Vec<Value>>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Self::wrong(name, &other, "an array"),
        }
    }

    /// One of a few words, where it is given.
    pub fn word<T: Copy>(&mut self, name: &'static str, words: &[(&str, T)]) -> Found<Option<T>> {
        let Some(text) = self.opt_text(name)? else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                Err(Failure::argument(name, format_args!("is {text:?}; pass one of: {}", known.join(", "))))
            }
        }
    }

    /// The same into a field.
    pub fn word_into<T: Copy>(
        &mut self,
        name: &'static str,
        words: &[(&str, T)],
        field: &mut T,
    ) -> Found<()> {
        if let Some(value) = self.word(name, words)? {
            *field = value;
        }
        Ok(())
    }

    /// A path of this machine, where it is given: text or bytes.
    pub fn opt_path(&mut self, name: &'static str) -> Found<Option<PathBuf>> {
        self.take(name).map(|value| os_path(name, value)).transpose()
    }

    /// A path of this machine.
    pub fn path(&mut self, name: &'static str) -> Found<PathBuf> {
        Self::need(name, self.opt_path(name)?)
    }

    /// Paths of this machine, where they are given.
    pub fn paths(&mut self, name: &'static str) -> Found<Vec<PathBuf>> {
        let items = self.list(name)?.unwrap_or_default().into_iter().enumerate();
        items.map(|(index, item)| os_path(&format!("{name}[{index}]"), item)).collect()
    }

    /// A path inside a repository.
    pub fn rel_path(&mut self, name: &'static str) -> Found<RelPath> {
        let value = Self::need(name, self.take(name))?;
        bytes_or_text(name, value).map(RelPath::new)
    }

    /// Anything with a JSON form, where it is given.
    pub fn json<T: DeserializeOwned>(&mut self, name: &'static str) -> Found<Option<T>> {
        self.take(name).map(|value| from_json(name, value)).transpose()
    }

    /// Arguments inside an argument, where it is given. They share handles and implementers with these.
    pub fn inner(&mut self, name: &'static str) -> Found<Option<Args>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(left)) => Ok(Some(Self {
                left,
                asked: Vec::new(),
                known: None,
                body: None,
                handles: self.handles.clone(),
                foreign: self.foreign.clone(),
            })),
            Some(other) => Self::wrong(name, &other, "an object"),
        }
    }

    /// An implementer, where one is given.
    pub fn opt_foreign(&mut self, name: &'static str) -> Found<Option<Arc<dyn Foreign>>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let index =
            value.get("$foreign").and_then(whole_number).and_then(|index| usize::try_from(index).ok());
        match index.and_then(|index| self.foreign.get(index)) {
            Some(foreign) => Ok(Some(Arc::clone(foreign))),
            None => Self::wrong(name, &value, "an implementer"),
        }
    }

    /// An implementer inside of a value that was taken.
    pub fn foreign_in(&self, name: &str, value: &Value) -> Found<Arc<dyn Foreign>> {
        let index =
            value.get("$foreign").and_then(whole_number).and_then(|index| usize::try_from(index).ok());
        match index.and_then(|index| self.foreign.get(index)) {
            Some(foreign) => Ok(Arc::clone(foreign)),
            None => Self::wrong(name, value, "an implementer"),
        }
    }

    /// An implementer.
    pub fn foreign(&mut self, name: &'static str) -> Found<Arc<dyn Foreign>> {
        Self::need(name, self.opt_foreign(name)?)
    }

    /// A handle, where one is given.
    pub fn opt_handle(&mut self, name: &'static str) -> Found<Option<Handle>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        self.handle_in(name, &value).map(Some)
    }

    fn handle_in(&self, name: &str, value: &Value) -> Found<Handle> {
        let index = value.get("$handle").and_then(whole_number).and_then(|index| usize::try_from(index).ok());
        match index.and_then(|index| self.handles.get(index)) {
            Some(handle) => Ok(handle.clone()),
            None => Self::wrong(name, value, "an object of this package"),
        }
    }

    /// What each of a list of handles of one kind holds.
    pub fn all_held<T>(&mut self, name: &'static str, of: fn(&Handle) -> Result<T, String>) -> Found<Vec<T>> {
        let items = self.list(name)?.unwrap_or_default().into_iter().enumerate();
        let one = |(index, item): (usize, Value)| {
            let name = format!("{name}[{index}]");
            of(&self.handle_in(&name, &item)?).map_err(|why| Failure::argument(name, why))
        };
        items.map(one).collect()
    }

    /// What a handle of one kind holds.
    pub fn held<T>(&mut self, name: &'static str, of: fn(&Handle) -> Result<T, String>) -> Found<T> {
        let handle = Self::need(name, self.opt_handle(name)?)?;
        of(&handle).map_err(|why| Failure::argument(name, why))
    }
}

fn unknown(name: &str, known: &[&str]) -> Failure {
    match known {
        [] => Failure::argument(name, "is not known; there are no arguments"),
        _ => Failure::argument(name, format_args!("is not known; known are: {}", known.join(", "))),
    }
}

/// Parses JSON, naming the argument.
pub fn from_json<T: DeserializeOwned>(name: &str, value: Value) -> Found<T> {
    serde_json::from_value(value)
        .map_err(|why| Failure::argument(name, format_args!("cannot be used: {why}")))
}

fn whole_number(value: &Value) -> Option<u64> {
    // Numbers of hosts that know only floating point arrive as such.
    let float = || value.as_f64().filter(|float| float.fract() == 0.0 && (0.0..9.1e15).contains(float));
    value.as_u64().or_else(|| float().map(|float| float as u64))
}

fn bytes_or_text(name: &str, value: Value) -> Found<Vec<u8>> {
    match &value {
        Value::String(text) => Ok(text.clone().into_bytes()),
        Value::Object(object) => {
            match object.get("$bytes").and_then(Value::as_str).map(|text| BASE64.decode(text)) {
                Some(Ok(bytes)) => Ok(bytes),
                _ => Args::wrong(name, &value, "a string or bytes"),
            }
        }
        _ => Args::wrong(name, &value, "a string or bytes"),
    }
}

/// A path of this machine.
pub fn os_path(name: &str, value: Value) -> Found<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    let bytes = bytes_or_text(name, value)?;
    if bytes.contains(&0) {
        return Err(Failure::argument(name, "holds a zero byte, which no path can"));
    }
    Ok(std::ffi::OsString::from_vec(bytes).into())
}

/// Bytes in JSON.
pub fn bytes_of(name: &str, value: Value) -> Found<Vec<u8>> {
    bytes_or_text(name, value)
}

/// The JSON of a path of this machine: text, or bytes where it is not UTF-8.
pub fn path_json(path: &std::path::Path) -> Value {
    use std::os::unix::ffi::OsStrExt as _;
    match path.to_str() {
        Some(text) => text.into(),
        None => serde_json::json!({ "$bytes": BASE64.encode(path.as_os_str().as_bytes()) }),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.as_f64().is_some_and(|float| float < 0.0) => "a negative number",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
