//! Something that lives in the bridge.

use pyo3::prelude::*;

use crate::gate;

/// A workspace, snapshot, storage, runtime, hub and so on. Opaque: passed back to the bridge as an argument.
#[pyclass(frozen, module = "handoff._native")]
pub struct Handle(pub handoff_bridge::Handle);

#[pymethods]
impl Handle {
    /// What it is, in one word.
    #[getter]
    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    /// Lets go of it; using it afterwards is an error with a kind of its own.
    fn close(&self, py: Python<'_>) {
        // What is let go of may have files to close.
        match gate::enter() {
            Some(_pass) => py.detach(|| self.0.close()),
            None => self.0.close(),
        }
    }

    fn __repr__(&self) -> String {
        format!("<handoff {} handle>", self.0.kind())
    }
}
