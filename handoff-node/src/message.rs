//! What is told to JavaScript.

use crate::bridge;
use bytes::Bytes;
use napi::Status;
use napi::bindgen_prelude::{Buffer, FnArgs};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};

use crate::handle::Handle;

/// The arguments of the one function: kind, id, implementer, method, JSON, bytes, handles.
type Args = FnArgs<(u32, u32, u32, String, String, Option<Buffer>, Vec<Handle>)>;

/// The one function. Weak: an operation that nobody waits for does not keep the process alive.
pub type Receive =
    ThreadsafeFunction<Args, napi::threadsafe_function::UnknownReturnValue, Args, Status, false, true>;

/// One message. `js/door.cjs` has the same list.
pub enum Message {
    /// Call a method of an implementer; answered by `Door.answer` with the same id.
    Call { id: u32, who: u32, call: bridge::ForeignCall },
    /// The answer to that call is no longer wanted.
    Abort { id: u32 },
    /// An operation has ended: JSON of its value or error.
    Settled { id: u32, json: String, body: Option<Bytes>, handles: Vec<bridge::Handle> },
    /// An event of an operation; empty when there are no more.
    Event { id: u32, json: String },
    /// An implementer is no longer used.
    Release { who: u32 },
    /// A thrown value that was kept as a cause is no longer needed.
    Forget { id: u32 },
}

/// Queues `message`; false when the environment is gone.
pub fn tell(receive: &Receive, message: Message) -> bool {
    let plain = |kind, id, who| (kind, id, who, String::new(), String::new(), None, Vec::new());
    let args = match message {
        Message::Call { id, who, call } => {
            let handles = call.handles.into_iter().map(Handle::from).collect();
            (0, id, who, call.method.to_owned(), call.args.to_string(), call.body.map(buffer), handles)
        }
        Message::Abort { id } => plain(1, id, 0),
        Message::Settled { id, json, body, handles } => {
            let handles = handles.into_iter().map(Handle::from).collect();
            (2, id, 0, String::new(), json, body.map(buffer), handles)
        }
        Message::Event { id, json } => (3, id, 0, String::new(), json, None, Vec::new()),
        Message::Release { who } => plain(4, 0, who),
        Message::Forget { id } => plain(5, id, 0),
    };
    receive.call(args.into(), ThreadsafeFunctionCallMode::NonBlocking) == Status::Ok
}

/// Without a copy when nobody else holds the bytes.
fn buffer(bytes: Bytes) -> Buffer {
    Vec::from(bytes).into()
}
