//! JSON of the bridge as Python objects.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};
use serde_json::{Map, Value};

use crate::handle::Handle;

/// `value` with `handles` in the places that point to them.
pub fn object(py: Python<'_>, value: &Value, handles: &[Py<Handle>]) -> PyResult<Py<PyAny>> {
    Ok(match value {
        Value::Null => py.None(),
        Value::Bool(bool) => bool.into_pyobject(py)?.to_owned().into_any().unbind(),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), ..) => number.into_pyobject(py)?.into_any().unbind(),
            (_, Some(number), _) => number.into_pyobject(py)?.into_any().unbind(),
            (.., number) => number.into_pyobject(py)?.into_any().unbind(),
        },
        Value::String(text) => PyString::new(py, text).into_any().unbind(),
        Value::Array(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(object(py, item, handles)?)?;
            }
            list.into_any().unbind()
        }
        Value::Object(fields) => match special(py, fields, handles)? {
            Some(special) => special,
            None => {
                let dict = PyDict::new(py);
                for (name, field) in fields {
                    dict.set_item(name, object(py, field, handles)?)?;
                }
                dict.into_any().unbind()
            }
        },
    })
}

/// What an object with one member stands for, when its name is one of ours.
fn special(
    py: Python<'_>,
    fields: &Map<String, Value>,
    handles: &[Py<Handle>],
) -> PyResult<Option<Py<PyAny>>> {
    if fields.len() != 1 {
        return Ok(None);
    }
    let found = fields.iter().next();
    Ok(match found {
        Some((name, Value::Number(at))) if name == "$handle" => {
            let at = at.as_u64().and_then(|at| usize::try_from(at).ok());
            at.and_then(|at| handles.get(at)).map(|handle| handle.clone_ref(py).into_any())
        }
        // Bytes in JSON are names of files, which Python writes as text with escapes.
        Some((name, Value::String(text))) if name == "$bytes" || name == "base64" => {
            match STANDARD.decode(text) {
                Ok(bytes) => Some(file_name(py, &bytes)?),
                Err(_) => None,
            }
        }
        _ => None,
    })
}

/// The name as Python's own functions for files give it.
pub fn file_name(py: Python<'_>, bytes: &[u8]) -> PyResult<Py<PyAny>> {
    let bytes = pyo3::types::PyBytes::new(py, bytes);
    Ok(bytes.call_method1("decode", ("utf-8", "surrogateescape"))?.unbind())
}
