//! Python objects as JSON for the bridge.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use handoff_bridge::Foreign;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde_json::{Map, Number, Value, json};

use crate::call::Port;
use crate::failure;
use crate::handle::Handle;

/// Deeper nesting is refused; a list that holds itself is one.
const DEEPEST: usize = 64;

/// What goes to the bridge beside the JSON.
#[derive(Default)]
pub struct Luggage {
    /// Handles that the JSON points to.
    pub handles: Vec<handoff_bridge::Handle>,
    /// Python objects that the JSON points to.
    pub foreign: Vec<Arc<dyn Foreign>>,
}

impl Luggage {
    /// `object` as JSON. What cannot be is an error that names `place`, the argument or the part of it.
    pub fn pack(&mut self, object: &Bound<'_, PyAny>, place: &str) -> PyResult<Value> {
        self.value(object, place, 0)
    }

    fn value(&mut self, object: &Bound<'_, PyAny>, place: &str, depth: usize) -> PyResult<Value> {
        if depth > DEEPEST {
            return Err(wrong(object, place, "is nested too deeply"));
        }
        if object.is_none() {
            Ok(Value::Null)
        } else if let Ok(text) = object.cast::<PyString>() {
            text_of(text, place)
        } else if let Ok(bool) = object.cast::<PyBool>() {
            Ok(Value::Bool(bool.is_true()))
        } else if object.is_instance_of::<PyInt>() {
            let number = object
                .extract::<u64>()
                .map(Number::from)
                .or_else(|_| object.extract::<i64>().map(Number::from));
            number.map(Value::Number).map_err(|_| wrong(object, place, "is too large"))
        } else if object.is_instance_of::<PyFloat>() {
            let number = Number::from_f64(object.extract()?);
            number.map(Value::Number).ok_or_else(|| wrong(object, place, "is not a finite number"))
        } else if let Ok(handle) = object.cast::<Handle>() {
            self.handles.push(handle.get().0.clone());
            Ok(json!({ "$handle": self.handles.len() - 1 }))
        } else if let Ok(port) = object.cast::<Port>() {
            self.foreign.push(port.get().foreign());
            Ok(json!({ "$foreign": self.foreign.len() - 1 }))
        } else if let Ok(dict) = object.cast::<PyDict>() {
            self.dict(dict, place, depth)
        } else if let Ok(list) = object.cast::<PyList>() {
            self.items(list.iter(), place, depth)
        } else if let Ok(tuple) = object.cast::<PyTuple>() {
            self.items(tuple.iter(), place, depth)
        } else if let Ok(bytes) = object.cast::<PyBytes>() {
            Ok(json!({ "$bytes": STANDARD.encode(bytes.as_bytes()) }))
        } else if object.is_instance_of::<PyByteArray>() {
            Ok(json!({ "$bytes": STANDARD.encode(object.extract::<Vec<u8>>()?) }))
        } else if object.hasattr("__fspath__")? {
            self.value(&object.call_method0("__fspath__")?, place, depth + 1)
        } else {
            let kind = object.get_type().name()?;
            Err(wrong(object, place, &format!("is a {kind}, which has no place here")))
        }
    }

    fn items<'py>(
        &mut self,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        place: &str,
        depth: usize,
    ) -> PyResult<Value> {
        let items =
            items.enumerate().map(|(at, item)| self.value(&item, &format!("{place}[{at}]"), depth + 1));
        Ok(Value::Array(items.collect::<PyResult<_>>()?))
    }

    fn dict(&mut self, dict: &Bound<'_, PyDict>, place: &str, depth: usize) -> PyResult<Value> {
        let mut fields = Map::new();
        for (name, value) in dict {
            let Ok(text) = name.cast::<PyString>() else {
                return Err(wrong(&name, place, "has a key that is not a string"));
            };
            let name = text.to_str().map_err(|_| wrong(&name, place, "has a key that is not UTF-8"))?;
            let inside = if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
            fields.insert(name.to_owned(), self.value(&value, &inside, depth + 1)?);
        }
        Ok(Value::Object(fields))
    }
}

/// Text; with escapes for bytes that are not UTF-8, those bytes.
fn text_of(text: &Bound<'_, PyString>, place: &str) -> PyResult<Value> {
    if let Ok(text) = text.to_str() {
        return Ok(Value::String(text.to_owned()));
    }
    let bytes = text.call_method1("encode", ("utf-8", "surrogateescape"));
    let bytes = bytes.map_err(|_| wrong(text, place, "has characters that no file name can have"))?;
    Ok(json!({ "$bytes": STANDARD.encode(bytes.extract::<Vec<u8>>()?) }))
}

fn wrong(object: &Bound<'_, PyAny>, place: &str, why: &str) -> PyErr {
    let place = if place.is_empty() { "the value" } else { place };
    failure::invalid_argument(object.py(), place, &format!("{place} {why}"))
        .unwrap_or_else(|_| PyTypeError::new_err(format!("{place} {why}")))
}
