//! The core's ports, implemented by objects of the host's.

mod agent;
mod body;
mod open;
mod policy;
mod runtime;
mod scanner;
mod storage;

pub use agent::ForeignAgent;
pub use body::foreign_body;
pub use open::{ForeignOpen, stopped};
pub use policy::{ForeignNotify, ForeignPolicy, Refusals};
pub use runtime::ForeignRuntime;
pub use scanner::ForeignScanner;
pub use storage::ForeignStorage;

use serde_json::Value;

/// What an answer is, for messages; never what it holds.
fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
