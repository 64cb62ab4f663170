//! The native half of the Python package `handoff`: handles, operations and calls of Python objects. Everything that a
//! Python programmer sees is written in Python, on top of this; everything about the domain is in `handoff-bridge`.

mod call;
mod executor;
mod failure;
mod fork;
mod gate;
mod handle;
mod operation;
mod read;
mod write;

use std::time::Duration;

use pyo3::prelude::*;

/// The module.
#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use super::call::{Call, Port};
    #[pymodule_export]
    use super::fork::{after_fork_in_child, after_fork_in_parent, before_fork};
    #[pymodule_export]
    use super::handle::Handle;
    #[pymodule_export]
    use super::operation::{Operation, start};
    #[pymodule_export]
    use super::{error_kinds, operations, shutdown, version};
}

/// The names of all operations of the core's, each with the names of its arguments.
#[pyfunction]
fn operations() -> Vec<(&'static str, Vec<&'static str>)> {
    handoff_bridge::operations().map(|known| (known.name, known.arguments().collect())).collect()
}

/// The stable names of all kinds of errors, each with whether it is worth trying again.
#[pyfunction]
fn error_kinds() -> Vec<(&'static str, bool)> {
    handoff_bridge::error_kinds()
}

/// The version of this package.
#[pyfunction]
fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Ends all work: called once, when the interpreter exits. When it returns, no thread of ours touches Python any more.
#[pyfunction]
fn shutdown(py: Python<'_>, seconds: f64) {
    let limit = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(5));
    // Interpreters up to 3.13 end a thread that wants the GIL while they finalize by unwinding it, through our frames.
    py.detach(|| {
        gate::close();
        handoff_bridge::shutdown(limit);
        gate::drain(limit);
    });
}
