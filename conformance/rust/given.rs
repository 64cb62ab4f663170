//! The arguments of a step; each has to be taken.

use std::str::FromStr;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::case::Object;
use crate::data::Failure;
use crate::world::World;

pub struct Given<'a> {
    world: &'a World<'a>,
    left: Object,
}

impl<'a> Given<'a> {
    pub fn new(world: &'a World<'a>, with: &Value) -> Self {
        Self { world, left: with.as_object().cloned().unwrap_or_default() }
    }

    /// Nothing may be left.
    pub fn finish(&self) {
        let left: Vec<_> = self.left.keys().collect();
        assert!(left.is_empty(), "unknown arguments: {left:?}");
    }

    /// As it is written, without names and paths in their places.
    pub fn raw(&mut self, name: &str) -> Value {
        self.left.remove(name).unwrap_or_default()
    }

    pub fn all(&mut self) -> Value {
        self.world.value(&Value::Object(std::mem::take(&mut self.left)))
    }

    pub fn take(&mut self, name: &str) -> Value {
        let raw = self.raw(name);
        self.world.value(&raw)
    }

    pub fn need(&mut self, name: &str) -> Value {
        assert!(self.left.contains_key(name), "{name} is missing");
        self.take(name)
    }

    pub fn text(&mut self, name: &str) -> String {
        self.opt_text(name).unwrap_or_else(|| panic!("{name} is missing"))
    }

    pub fn opt_text(&mut self, name: &str) -> Option<String> {
        match self.take(name) {
            Value::Null => None,
            Value::String(text) => Some(text),
            other => panic!("{name} is no text: {other}"),
        }
    }

    pub fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        self.json(name)
    }

    pub fn number(&mut self, name: &str) -> Option<u64> {
        self.json(name)
    }

    pub fn number_into(&mut self, name: &str, field: &mut u64) {
        if let Some(number) = self.number(name) {
            *field = number;
        }
    }

    pub fn flag_into(&mut self, name: &str, field: &mut bool) {
        if let Some(flag) = self.json(name) {
            *field = flag;
        }
    }

    pub fn millis(&mut self, name: &str) -> Option<Duration> {
        self.number(name).map(Duration::from_millis)
    }

    /// A value of plain data.
    pub fn json<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let found = self.take(name);
        let read = || serde_json::from_value(found.clone()).unwrap_or_else(|why| panic!("{name}: {why}"));
        (!found.is_null()).then(read)
    }

    /// An id. What the type refuses, other languages refuse in the call.
    pub fn parsed<T: FromStr>(&mut self, name: &str) -> Result<T, Failure> {
        self.text(name).parse().map_err(|_| Failure::argument(name))
    }

    pub fn opt_parsed<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, Failure> {
        let Some(text) = self.opt_text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Failure::argument(name))
    }

    /// One of a few words. One that the type does not have, other languages refuse in the call.
    pub fn word_into<T: Copy>(
        &mut self,
        name: &str,
        words: &[(&str, T)],
        field: &mut T,
    ) -> Result<(), Failure> {
        let Some(text) = self.opt_text(name) else { return Ok(()) };
        let known = words.iter().find(|(word, _)| *word == text);
        *field = known.ok_or_else(|| Failure::argument(name))?.1;
        Ok(())
    }
}
