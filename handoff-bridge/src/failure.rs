//! Errors as data.

use std::error::Error as StdError;

use handoff_core::{Error, ErrorKind};
use serde_json::{Map, Value, json};

use crate::ForeignError;

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
    /// What led to it; the host's own exception is among its sources.
    pub cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl Failure {
    /// An argument that makes no sense.
    pub fn argument(name: impl Into<String>, why: impl std::fmt::Display) -> Self {
        let name = name.into();
        let message = format!("{name} {why}");
        Self { argument: Some(name), ..Self::of(ErrorKind::InvalidArgument, message) }
    }

    /// All of it but the cause, as data.
    pub fn fields(&self) -> Map<String, Value> {
        let fields = [
            ("kind", json!(self.kind)),
            ("message", json!(self.message)),
            ("retryable", json!(self.retryable)),
            ("path", json!(self.path)),
            ("argument", json!(self.argument)),
            ("details", self.details.clone()),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    pub(crate) fn of(kind: ErrorKind, message: String) -> Self {
        Self {
            kind: kind.as_str().to_owned(),
            message,
            retryable: kind.is_retryable(),
            path: None,
            argument: None,
            details: Value::Null,
            cause: None,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut failure = Self::of(error.kind(), whole(&error));
        failure.retryable = error.is_retryable();
        match &error {
            Error::NotARepository { path }
            | Error::BareRepository { path }
            | Error::UnsafeWorkspace { path, .. }
            | Error::Repository { path, .. }
            | Error::Unsupported { path, .. }
            | Error::Io { path, .. }
            | Error::Busy { path }
            | Error::JournalNotSafe { path, .. } => failure.path = Some(path.to_string_lossy().into_owned()),
            Error::InvalidArgument { argument, .. } => failure.argument = Some((*argument).to_owned()),
            Error::NotContinuable { reason, .. } => failure.details = json!({ "reason": reason }),
            Error::WrongState { state, .. } => failure.details = json!({ "state": state }),
            Error::Unsynced { have, want, .. } => failure.details = json!({ "have": have, "want": want }),
            Error::Limit { limit, found, .. } => failure.details = json!({ "limit": limit, "found": found }),
            _ => {}
        }
        // An error of ours that an implementer threw keeps what it said of itself.
        if let Some(thrown) = thrown(&error) {
            if let Some(kind) = &thrown.kind {
                failure.kind.clone_from(kind);
            }
            if let Some(retryable) = thrown.retryable {
                failure.retryable = retryable;
            }
        }
        failure.cause = match error {
            Error::Storage { source, .. } | Error::Runtime { source, .. } | Error::Agent { source, .. } => {
                Some(source)
            }
            Error::NotFound { source, .. } => source,
            _ => None,
        };
        failure
    }
}

/// What an implementer threw, among the sources of `error`.
fn thrown<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a ForeignError> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<ForeignError>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The message with those of its sources, each once.
fn whole(error: &dyn StdError) -> String {
    let mut message = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let text = source.to_string();
        if !text.is_empty() && !message.ends_with(&text) {
            message = format!("{message}: {text}");
        }
        next = source.source();
    }
    message
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Failure {}
