//! Python objects that implement ports, called from the bridge.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use handoff_bridge::{BoxFuture, Foreign, ForeignCall, ForeignError, Reply};
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::handle::Handle;
use crate::write::Luggage;
use crate::{failure, gate, read};

/// A Python object as the bridge calls it: `dispatch(call)` is called, on some thread, for each [`Call`], and must see to it
/// that the call is answered.
#[pyclass(frozen, module = "handoff._native")]
pub struct Port(Arc<Dispatch>);

struct Dispatch(Py<PyAny>);

#[pymethods]
impl Port {
    #[new]
    fn new(dispatch: Py<PyAny>) -> Self {
        Self(Arc::new(Dispatch(dispatch)))
    }
}

impl Port {
    /// For a request.
    pub fn foreign(&self) -> Arc<dyn Foreign> {
        Arc::clone(&self.0) as Arc<dyn Foreign>
    }
}

impl Foreign for Dispatch {
    fn call(&self, call: ForeignCall) -> BoxFuture<'static, Result<Reply, ForeignError>> {
        let shared = Arc::new(Answer::default());
        let begun = gate::attached(|py| begin(py, &self.0, call, &shared));
        match begun {
            Some(Ok(())) => {}
            Some(Err(error)) => shared.settle(Err(error)),
            None => shared.settle(Err(ForeignError {
                kind: Some("cancelled".to_owned()),
                message: "the interpreter is shutting down".to_owned(),
                retryable: None,
                cause: None,
            })),
        }
        Box::pin(Waiting(shared))
    }
}

fn begin(
    py: Python<'_>,
    dispatch: &Py<PyAny>,
    call: ForeignCall,
    shared: &Arc<Answer>,
) -> Result<(), ForeignError> {
    let begin = || -> PyResult<()> {
        let handles = call.handles.into_iter().map(|handle| Py::new(py, Handle(handle)));
        let handles = handles.collect::<PyResult<Vec<_>>>()?;
        let args = read::object(py, &call.args, &handles)?;
        let body = call.body.map(|body| PyBytes::new(py, &body).unbind());
        let process = std::process::id();
        let call = Call { method: call.method, args, body, answer: Arc::clone(shared), process };
        dispatch.call1(py, (call,)).map(drop)
    };
    begin().map_err(|error| {
        let message = error.to_string();
        failure::foreign(error.value(py), None, message, None)
    })
}

/// One call of a Python object, to be answered once with `done` or `failed`. Let go of without an answer it has failed, or
/// somebody would wait for ever.
#[pyclass(frozen, module = "handoff._native")]
pub struct Call {
    /// Which method.
    #[pyo3(get)]
    method: &'static str,
    /// Its arguments by name.
    #[pyo3(get)]
    args: Py<PyAny>,
    /// Bytes that come with it.
    #[pyo3(get)]
    body: Option<Py<PyBytes>>,
    answer: Arc<Answer>,
    /// The process that waits; a forked one has only a copy of this, and perhaps of a locked lock.
    process: u32,
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            self.answer.settle(Err(ForeignError {
                kind: None,
                message: format!(
                    "{} was let go of without an answer, as when its event loop ends",
                    self.method
                ),
                retryable: None,
                cause: None,
            }));
        }
    }
}

#[pymethods]
impl Call {
    /// Answers.
    #[pyo3(signature = (value, body=None))]
    fn done(&self, value: &Bound<'_, PyAny>, body: Option<&Bound<'_, PyBytes>>) -> PyResult<()> {
        let _pass = gate::admit(value.py());
        let mut luggage = Luggage::default();
        let value = luggage.pack(value, "what it returned")?;
        let body = body.map(|body| Bytes::copy_from_slice(body.as_bytes()));
        self.answer.settle(Ok(Reply { value, body, handles: luggage.handles }));
        Ok(())
    }

    /// Answers with an error whose cause is `exception`.
    #[pyo3(signature = (exception, message, kind=None, retryable=None))]
    fn failed(
        &self,
        exception: &Bound<'_, PyBaseException>,
        message: String,
        kind: Option<String>,
        retryable: Option<bool>,
    ) {
        let _pass = gate::admit(exception.py());
        self.answer.settle(Err(failure::foreign(exception, kind, message, retryable)));
    }

    /// Has `callback` called, on some thread, when nobody wants the answer any more.
    fn on_cancel(&self, py: Python<'_>, callback: Py<PyAny>) {
        let _pass = gate::admit(py);
        let mut slot = self.answer.lock();
        if self.answer.dropped.load(Ordering::Acquire) {
            drop(slot);
            drop(callback.call0(py));
        } else {
            slot.cancel = Some(callback);
        }
    }

    /// Whether nobody wants the answer any more.
    #[getter]
    fn cancelled(&self) -> bool {
        self.answer.dropped.load(Ordering::Acquire)
    }
}

#[derive(Default)]
struct Answer {
    slot: Mutex<Slot>,
    dropped: AtomicBool,
}

#[derive(Default)]
struct Slot {
    answered: bool,
    answer: Option<Result<Reply, ForeignError>>,
    waker: Option<Waker>,
    cancel: Option<Py<PyAny>>,
}

impl Answer {
    fn lock(&self) -> std::sync::MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first answer counts.
    fn settle(&self, answer: Result<Reply, ForeignError>) {
        let (waker, cancel, unwanted) = {
            let mut slot = self.lock();
            if slot.answered {
                return;
            }
            slot.answered = true;
            // Kept for nobody, an exception would hold the call by its traceback, and the call this.
            let unwanted = if self.dropped.load(Ordering::Acquire) {
                Some(answer)
            } else {
                slot.answer = Some(answer);
                None
            };
            (slot.waker.take(), slot.cancel.take(), unwanted)
        };
        // What is let go of may end in here again.
        drop((cancel, unwanted));
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The bridge's wait for an answer. Dropped before there is one, it cancels the call.
struct Waiting(Arc<Answer>);

impl Future for Waiting {
    type Output = Result<Reply, ForeignError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = self.0.lock();
        match slot.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                slot.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dropped.store(true, Ordering::Release);
        let (cancel, _unwanted) = {
            let mut slot = self.0.lock();
            slot.waker = None;
            (if slot.answered { None } else { slot.cancel.take() }, slot.answer.take())
        };
        if let Some(cancel) = cancel {
            gate::attached(|py| drop(cancel.call0(py)));
        }
    }
}
