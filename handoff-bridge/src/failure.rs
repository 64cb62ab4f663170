//! Why an operation could do nothing, as plain data.

use std::error::Error as _;
use std::fmt;

use handoff_core::{Error, ErrorKind};
use serde_json::{Value, json};

use crate::foreign::{Carried, ForeignError};

/// Why an operation could do nothing.
#[derive(Debug)]
pub struct Failure {
    /// The stable kind, one of [`error_kinds`](crate::error_kinds).
    pub kind: String,
    /// What failed, where, why, and what to do.
    pub message: String,
    /// Whether the same call may succeed later without anything being mended.
    pub retryable: bool,
    /// The file or directory it is about.
    pub path: Option<String>,
    /// The argument that was wrong, with the place in it: `environments[1].id`.
    pub argument: Option<String>,
    /// More, depending on the kind.
    pub details: Value,
    /// The host's own exception that led to it.
    pub cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Failure {
    /// A failure of `kind`.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind: kind.as_str().to_owned(),
            message: message.into(),
            retryable: false,
            path: None,
            argument: None,
            details: Value::Null,
            cause: None,
        }
    }

    /// A wrong argument; `why` goes on from its name: "is a number; pass a string".
    pub(crate) fn argument(argument: &str, why: impl fmt::Display) -> Self {
        Self {
            argument: Some(argument.to_owned()),
            ..Self::new(ErrorKind::InvalidArgument, format!("{argument} {why}"))
        }
    }

    /// As plain data, for results that hold failures of their parts.
    pub(crate) fn to_value(&self) -> Value {
        json!({
            "kind": self.kind, "message": self.message, "retryable": self.retryable,
            "path": self.path, "argument": self.argument, "details": self.details,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut failure = Self {
            retryable: error.is_retryable(),
            path: path(&error),
            details: details(&error),
            ..Self::new(error.kind(), whole_message(&error))
        };
        if let Error::InvalidArgument { argument, .. } = &error {
            failure.argument = Some((*argument).to_owned());
        }
        let mut next = error.source();
        while let Some(source) = next {
            if let Some(carried) = source.downcast_ref::<Carried>() {
                failure.take_over(carried);
                break;
            }
            next = source.source();
        }
        failure
    }
}

impl Failure {
    /// What the host said of its own error holds: the kind, if it is one, whether to try again, and its exception.
    fn take_over(&mut self, carried: &Carried) {
        if let Some(kind) = &carried.kind
            && ErrorKind::ALL.iter().any(|known| known.as_str() == kind)
        {
            self.kind.clone_from(kind);
        }
        self.retryable = carried.retryable.unwrap_or(self.retryable);
        self.cause = carried.take_cause();
    }
}

impl From<ForeignError> for Failure {
    /// Only for foreign objects that are called on behalf of no port.
    fn from(error: ForeignError) -> Self {
        let mut failure = Self::new(ErrorKind::Runtime, error.message);
        if let Some(kind) = error.kind {
            failure.kind = kind;
        }
        failure.retryable = error.retryable.unwrap_or_default();
        failure.cause = error.cause;
        failure
    }
}

/// The message with those of its causes, each once.
fn whole_message(error: &Error) -> String {
    let mut message = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let text = source.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        next = source.source();
    }
    message
}

fn path(error: &Error) -> Option<String> {
    let path = match error {
        Error::NotARepository { path }
        | Error::BareRepository { path }
        | Error::UnsafeWorkspace { path, .. }
        | Error::Repository { path, .. }
        | Error::Unsupported { path, .. }
        | Error::Io { path, .. }
        | Error::Busy { path, .. }
        | Error::JournalNotSafe { path, .. } => path,
        _ => return None,
    };
    Some(path.to_string_lossy().into_owned())
}

fn details(error: &Error) -> Value {
    match error {
        Error::Limit { limit, found, .. } => json!({ "limit": limit, "found": found }),
        Error::UnknownApply { id, .. } => json!({ "apply_id": id.to_string() }),
        Error::NotContinuable { run, reason, .. } => {
            json!({ "run": run.to_string(), "reason": reason.as_str() })
        }
        Error::WrongState { run, state, .. } => json!({ "run": run.to_string(), "state": state.as_str() }),
        Error::Leased { run, .. } => json!({ "run": run.to_string() }),
        Error::Unsynced { conversation, have, want, .. } => {
            json!({ "conversation": conversation.to_string(), "have": have, "want": want })
        }
        Error::BudgetExhausted { unit, .. } => json!({ "unit": unit }),
        _ => Value::Null,
    }
}
