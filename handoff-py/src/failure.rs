//! Errors in both directions.

use std::error::Error;
use std::fmt;

use handoff_bridge::{Failure, ForeignError};
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::read;

/// A Python exception on its way through the bridge: comes out as the same object, as the cause of ours.
pub struct Cause {
    exception: Py<PyBaseException>,
    text: String,
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Cause {}

/// A foreign error for `exception`; `kind` and `retryable` where it is one of ours, or says so.
pub fn foreign(
    exception: &Bound<'_, PyBaseException>,
    kind: Option<String>,
    message: String,
    retryable: Option<bool>,
) -> ForeignError {
    let cause = Cause { exception: exception.clone().unbind(), text: message.clone() };
    ForeignError { kind, message, retryable, cause: Some(Box::new(cause)) }
}

/// The exception that `failure` is, made by the table in `handoff/errors.py`.
pub fn exception(py: Python<'_>, failure: &Failure) -> PyResult<PyErr> {
    let fields = PyDict::new(py);
    fields.set_item("kind", &failure.kind)?;
    fields.set_item("message", &failure.message)?;
    fields.set_item("retryable", failure.retryable)?;
    fields.set_item("path", &failure.path)?;
    fields.set_item("argument", &failure.argument)?;
    fields.set_item("details", read::object(py, &failure.details, &[])?)?;
    let made = errors(py)?.call_method("from_failure", (), Some(&fields))?;
    let error = PyErr::from_value(made);
    if let Some(cause) = failure.cause.as_deref().and_then(|cause| find(cause)) {
        error.set_cause(py, Some(PyErr::from_value(cause.exception.bind(py).clone().into_any())));
    }
    Ok(error)
}

/// The Python exception among what `error` was caused by.
fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Cause> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(cause) = error.downcast_ref::<Cause>() {
            return Some(cause);
        }
        next = error.source();
    }
    None
}

/// An exception for an argument that cannot be.
pub fn invalid_argument(py: Python<'_>, argument: &str, message: &str) -> PyResult<PyErr> {
    let fields = PyDict::new(py);
    fields.set_item("kind", "invalid_argument")?;
    fields.set_item("message", message)?;
    fields.set_item("argument", argument)?;
    Ok(PyErr::from_value(errors(py)?.call_method("from_failure", (), Some(&fields))?))
}

/// An exception for a call that comes when the interpreter, or this process, cannot carry it out.
pub fn unavailable(py: Python<'_>, message: &str) -> PyErr {
    let made = || -> PyResult<PyErr> {
        let fields = PyDict::new(py);
        fields.set_item("kind", "unsupported")?;
        fields.set_item("message", message)?;
        Ok(PyErr::from_value(errors(py)?.call_method("from_failure", (), Some(&fields))?))
    };
    made().unwrap_or_else(|error| error)
}

fn errors(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    py.import("handoff.errors")
}
