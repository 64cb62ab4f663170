//! Something under way in the bridge.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use handoff_bridge::{Failure, Reply, Request};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::Value;

use crate::handle::Handle;
use crate::write::Luggage;
use crate::{executor, failure, gate, read};

/// An operation. How it ends is taken once; progress is asked for, one event at a time.
#[pyclass(frozen, module = "handoff._native")]
pub struct Operation {
    inner: handoff_bridge::Operation,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    settled: bool,
    outcome: Option<Result<Reply, Failure>>,
    done: Vec<Py<PyAny>>,
    event: Option<Option<Value>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts an operation. Never blocks.
#[pyfunction]
#[pyo3(signature = (op, args, body=None))]
pub fn start(
    py: Python<'_>,
    op: String,
    args: &Bound<'_, PyAny>,
    body: Option<&Bound<'_, PyBytes>>,
) -> PyResult<Operation> {
    // Held while the GIL is let go of below.
    let Some(_pass) = gate::admit(py) else {
        return Err(failure::unavailable(py, "the interpreter is shutting down, so nothing can be started"));
    };
    let mut luggage = Luggage::default();
    let args = luggage.pack(args, "")?;
    let body = body.map(|body| Bytes::copy_from_slice(body.as_bytes()));
    let request = Request { op, args, body, handles: luggage.handles, foreign: luggage.foreign };
    // Without the GIL, which a thread that is about to fork needs before it lets go of the locks that this takes.
    let inner = py.detach(|| handoff_bridge::start(request));
    let shared = Arc::new(Shared::default());
    let known = Arc::clone(&shared);
    let take = move |outcome| {
        let done = {
            let mut state = known.lock();
            state.settled = true;
            state.outcome = Some(outcome);
            known.changed.notify_all();
            std::mem::take(&mut state.done)
        };
        if !done.is_empty() {
            gate::attached(|py| done.iter().for_each(|done| tell(py, done)));
        }
    };
    py.detach(|| inner.give_to(take));
    Ok(Operation { inner, shared })
}

/// Calls back. An event loop that is closed by now refuses, and then nobody waits.
fn tell(py: Python<'_>, callback: &Py<PyAny>) {
    drop(callback.call0(py));
}

#[pymethods]
impl Operation {
    /// Asks it to stop. It settles after it has cleaned up.
    fn cancel(&self) {
        self.inner.cancel();
    }

    /// Whether it has settled.
    #[getter]
    fn settled(&self) -> bool {
        self.shared.lock().settled
    }

    /// Has `callback` called, on some thread, once it has settled.
    fn on_settled(&self, py: Python<'_>, callback: Py<PyAny>) {
        let _pass = gate::admit(py);
        let mut state = self.shared.lock();
        if state.settled {
            drop(state);
            tell(py, &callback);
        } else {
            state.done.push(callback);
        }
    }

    /// Asks for the next event; `callback` is called, on some thread, when it is there to be taken.
    fn ask_event(&self, py: Python<'_>, callback: Py<PyAny>) {
        // Nobody is told anything once the interpreter is on its way out.
        let Some(_pass) = gate::admit(py) else { return };
        let (inner, shared) = (self.inner.clone(), Arc::clone(&self.shared));
        let ask = async move {
            let event = inner.next_event().await;
            shared.lock().event = Some(event);
            shared.changed.notify_all();
            gate::attached(|py| tell(py, &callback));
        };
        py.detach(|| executor::spawn(ask));
    }

    /// The event asked for: `(True, event)`, or `(True, None)` after the last, or `(False, None)` when it is not there yet.
    fn take_event(&self, py: Python<'_>) -> PyResult<(bool, Py<PyAny>)> {
        let _pass = gate::admit(py);
        let event = self.shared.lock().event.take();
        Ok(match event {
            None => (false, py.None()),
            Some(None) => (true, py.None()),
            Some(Some(event)) => (true, read::object(py, &event, &[])?),
        })
    }

    /// Waits at most `seconds`, without the GIL, until it has settled or an event is there. Returns whether it has settled.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        let slice = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let Some(pass) = gate::admit(py) else {
            return Err(failure::unavailable(
                py,
                "the interpreter is shutting down, so nothing can be waited for",
            ));
        };
        let settled = py.detach(|| {
            let state = self.shared.lock();
            let waits = |state: &mut State| !state.settled && state.event.is_none() && !gate::is_closed();
            match self.shared.changed.wait_timeout_while(state, slice, waits) {
                Ok((state, _)) => state.settled,
                Err(poisoned) => poisoned.into_inner().0.settled,
            }
        });
        drop(pass);
        Ok(settled)
    }

    /// How it ended: `(value, body)`, or the exception. Once.
    fn take(&self, py: Python<'_>) -> PyResult<(Py<PyAny>, Option<Py<PyBytes>>)> {
        // Values and exceptions are made by Python's code, in which another thread may end the interpreter.
        let _pass = gate::admit(py);
        let outcome = self.shared.lock().outcome.take();
        let reply = match outcome {
            None => {
                return Err(failure::unavailable(py, "the outcome is not there yet, or was taken before"));
            }
            Some(Err(failed)) => return Err(failure::exception(py, &failed)?),
            Some(Ok(reply)) => reply,
        };
        let handles = reply.handles.into_iter().map(|handle| Py::new(py, Handle(handle)));
        let handles = handles.collect::<PyResult<Vec<_>>>()?;
        let value = read::object(py, &reply.value, &handles)?;
        Ok((value, reply.body.map(|body| PyBytes::new(py, &body).unbind())))
    }
}
