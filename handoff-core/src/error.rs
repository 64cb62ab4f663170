//! Errors.
//!
//! Rules: `Err` means that nothing could be done; trouble with one path, repository or blob is data in a
//! snapshot or report. A message says what failed, where, why, and what to do about it. Every variant has
//! one [`ErrorKind`], whose text is the stable name in every language. Messages never hold file contents.

mod errno;
mod kind;
mod remedy;

use std::io;
use std::path::{Path, PathBuf};

use crate::access::ContinueDecision;
use crate::id::{ApplyId, ConversationId, EnvironmentId, RunId};
use crate::run::RunState;

pub(crate) use errno::errno_name;
pub use kind::ErrorKind;
pub(crate) use remedy::remedy;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why an operation could do nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// See [`ErrorKind::NotARepository`].
    #[error("{} is not in a git repository; name a directory inside a checkout, or run `git init` there first", .path.display())]
    NotARepository {
        /// The directory asked for.
        path: PathBuf,
    },
    /// See [`ErrorKind::BareRepository`].
    #[error("{} is a bare repository and has no work tree; name one of its checkouts instead", .path.display())]
    BareRepository {
        /// The git directory.
        path: PathBuf,
    },
    /// See [`ErrorKind::UnsafeWorkspace`].
    #[error("{} is {what}, which is too wide to be a workspace; name the project's directory, or allow it explicitly", .path.display())]
    UnsafeWorkspace {
        /// The directory asked for.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// See [`ErrorKind::Repository`].
    #[error("{action} in {} failed; run `git fsck` there and try again", .path.display())]
    Repository {
        /// The repository's work tree or git directory.
        path: PathBuf,
        /// What was tried, as in "reading the index".
        action: String,
        /// What the git layer said.
        source: Source,
    },
    /// See [`ErrorKind::Unsupported`].
    #[error("{} uses {feature}, which this version cannot read; {remedy}", .path.display())]
    Unsupported {
        /// The repository.
        path: PathBuf,
        /// What it uses.
        feature: String,
        /// What to do.
        remedy: String,
    },
    /// See [`ErrorKind::Io`].
    #[error("{action} {} failed; {}", .path.display(), remedy::of_io(.source))]
    Io {
        /// What was tried, as in "writing".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// See [`ErrorKind::Format`].
    #[error(
        "{what} is not well formed: {why}; it was not written by handoff or has been changed since, so transfer or write it again"
    )]
    Format {
        /// What was read.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// See [`ErrorKind::Truncated`].
    #[error("{what} ends too early; transfer it again")]
    Truncated {
        /// What was read.
        what: String,
    },
    /// See [`ErrorKind::Corrupt`].
    #[error("{what} does not have the hash it must have; transfer it again")]
    Corrupt {
        /// What was read.
        what: String,
    },
    /// See [`ErrorKind::BlobMissing`].
    #[error("blob {blob} is not in this snapshot; transfer the snapshot again")]
    BlobMissing {
        /// The blob's digest.
        blob: crate::digest::Digest,
    },
    /// See [`ErrorKind::UnsupportedVersion`].
    #[error("{what} has format {found}, this version reads {supported}; update handoff on this machine")]
    UnsupportedVersion {
        /// What was read.
        what: String,
        /// The format it says it has.
        found: String,
        /// The format this version reads.
        supported: &'static str,
    },
    /// See [`ErrorKind::Limit`].
    #[error("{what} is {found}, the limit is {limit}; raise the limit if you trust the source")]
    Limit {
        /// What is too large.
        what: String,
        /// The configured limit.
        limit: u64,
        /// What was found or declared.
        found: u64,
    },
    /// See [`ErrorKind::Busy`].
    #[error("another apply or undo is at work in {}; wait for it and try again", .path.display())]
    Busy {
        /// The work tree.
        path: PathBuf,
    },
    /// See [`ErrorKind::JournalNotSafe`].
    #[error("the journal {} is not a plain directory or file of this user ({why}), so nothing was done; move it away and try again", .path.display())]
    JournalNotSafe {
        /// The journal directory.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// See [`ErrorKind::UnknownApply`].
    #[error(
        "no apply {id} is recorded in this workspace; name the checkout that it was made in. A record goes when it is undone"
    )]
    UnknownApply {
        /// The id asked for.
        id: ApplyId,
    },
    /// See [`ErrorKind::InvalidArgument`].
    #[error("{argument} {why}")]
    InvalidArgument {
        /// The argument's name.
        argument: &'static str,
        /// What is wrong with it and what to pass instead.
        why: String,
    },
    /// See [`ErrorKind::Cancelled`].
    #[error("cancelled by the caller; nothing is left behind, and the same call can be made again")]
    Cancelled,
    /// See [`ErrorKind::NotFound`].
    #[error("there is no {what} here, or it is not for you; check the id and who asks")]
    NotFound {
        /// What was asked for, as in "run r…".
        what: String,
        /// What the runtime said, where it was asked for an environment.
        #[source]
        source: Option<Source>,
    },
    /// See [`ErrorKind::NotContinuable`].
    #[error("run {run} cannot be continued: {why}")]
    NotContinuable {
        /// The run.
        run: RunId,
        /// Why not, in one stable word.
        reason: ContinueDecision,
        /// Why not, and what to do.
        why: &'static str,
    },
    /// See [`ErrorKind::WrongState`].
    #[error("run {run} is {state}, but {needs}")]
    WrongState {
        /// The run.
        run: RunId,
        /// Where it stands.
        state: RunState,
        /// What the call needs, and what to do.
        needs: &'static str,
    },
    /// See [`ErrorKind::Leased`].
    #[error("another session is at work on run {run}; send it a follow-up, or try again when it has ended")]
    Leased {
        /// The run.
        run: RunId,
    },
    /// See [`ErrorKind::Fenced`].
    #[error("another session has taken over {what}; this one must stop and can write nothing more")]
    Fenced {
        /// What was to be written.
        what: String,
    },
    /// See [`ErrorKind::Unsynced`].
    #[error(
        "conversation {conversation} has {have} of {want} messages here; wait until the rest is stored, or pass the messages themselves"
    )]
    Unsynced {
        /// The conversation.
        conversation: ConversationId,
        /// How many there are.
        have: u64,
        /// How many there should be.
        want: u64,
    },
    /// See [`ErrorKind::Model`].
    #[error("the model {asked} cannot be used: {why}")]
    Model {
        /// The model asked for.
        asked: String,
        /// Why not, and what to do.
        why: String,
    },
    /// See [`ErrorKind::EnvironmentMismatch`].
    #[error("environment {environment} does not fit: {why}")]
    EnvironmentMismatch {
        /// The environment.
        environment: EnvironmentId,
        /// What is missing, and what to do.
        why: String,
    },
    /// See [`ErrorKind::BudgetExhausted`].
    #[error("nothing is left of the budget in {unit}; raise it and try again")]
    BudgetExhausted {
        /// The unit that is used up.
        unit: String,
    },
    /// See [`ErrorKind::TimedOut`].
    #[error("{what} did not happen in time; it may still happen, so look again later or wait longer")]
    TimedOut {
        /// What was waited for.
        what: String,
    },
    /// See [`ErrorKind::Storage`].
    #[error("{action} failed in the storage; {}", if *.retryable { "try again in a moment" } else { "see that the storage is there and may be written, then try again" })]
    Storage {
        /// What was tried, as in "appending to conversation c…".
        action: String,
        /// Whether the same call may succeed later.
        retryable: bool,
        /// What the storage said.
        source: Source,
    },
    /// See [`ErrorKind::Runtime`].
    #[error("{action} failed in the runtime; {}", if *.retryable { "try again in a moment" } else { "mend what the runtime says, then try again" })]
    Runtime {
        /// What was tried.
        action: String,
        /// Whether the same call may succeed later.
        retryable: bool,
        /// What the runtime said.
        source: Source,
    },
    /// See [`ErrorKind::Agent`].
    #[error("the agent failed while {action}; mend what it says, then continue the run")]
    Agent {
        /// What it was doing.
        action: String,
        /// What it said.
        source: Source,
    },
    /// See [`ErrorKind::Policy`].
    #[error("refused by policy: {why}")]
    Policy {
        /// Why, in the host's words, and what to do.
        why: String,
    },
}

impl Error {
    /// The stable kind.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::NotARepository { .. } => ErrorKind::NotARepository,
            Self::BareRepository { .. } => ErrorKind::BareRepository,
            Self::UnsafeWorkspace { .. } => ErrorKind::UnsafeWorkspace,
            Self::Repository { .. } => ErrorKind::Repository,
            Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::Io { .. } => ErrorKind::Io,
            Self::Format { .. } => ErrorKind::Format,
            Self::Truncated { .. } => ErrorKind::Truncated,
            Self::Corrupt { .. } => ErrorKind::Corrupt,
            Self::BlobMissing { .. } => ErrorKind::BlobMissing,
            Self::UnsupportedVersion { .. } => ErrorKind::UnsupportedVersion,
            Self::Limit { .. } => ErrorKind::Limit,
            Self::Busy { .. } => ErrorKind::Busy,
            Self::JournalNotSafe { .. } => ErrorKind::JournalNotSafe,
            Self::UnknownApply { .. } => ErrorKind::UnknownApply,
            Self::InvalidArgument { .. } => ErrorKind::InvalidArgument,
            Self::Cancelled => ErrorKind::Cancelled,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::NotContinuable { .. } => ErrorKind::NotContinuable,
            Self::WrongState { .. } => ErrorKind::WrongState,
            Self::Leased { .. } => ErrorKind::Leased,
            Self::Fenced { .. } => ErrorKind::Fenced,
            Self::Unsynced { .. } => ErrorKind::Unsynced,
            Self::Model { .. } => ErrorKind::Model,
            Self::EnvironmentMismatch { .. } => ErrorKind::EnvironmentMismatch,
            Self::BudgetExhausted { .. } => ErrorKind::BudgetExhausted,
            Self::TimedOut { .. } => ErrorKind::TimedOut,
            Self::Storage { .. } => ErrorKind::Storage,
            Self::Runtime { .. } => ErrorKind::Runtime,
            Self::Agent { .. } => ErrorKind::Agent,
            Self::Policy { .. } => ErrorKind::Policy,
        }
    }

    /// Whether the same call may succeed later without anything being mended.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Storage { retryable, .. } | Self::Runtime { retryable, .. } => *retryable,
            _ => self.kind().is_retryable(),
        }
    }

    /// An [`Error::Io`] for `path`; `action` reads before the path, as in "reading".
    pub(crate) fn io(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        // A library may wrap what the system said in words of its own, which name the path, too.
        let plain =
            errno::of_system(&source).and_then(io::Error::raw_os_error).map(io::Error::from_raw_os_error);
        Self::Io { action, path: path.to_owned(), source: plain.unwrap_or(source) }
    }

    /// An [`Error::Repository`] from whatever the git layer returned.
    pub(crate) fn repository(path: &Path, action: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Repository { path: path.to_owned(), action: action.into(), source: source.into() }
    }

    /// An [`Error::NotFound`].
    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into(), source: None }
    }

    /// An [`Error::Format`].
    pub(crate) fn format(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Format { what: what.into(), why: why.into() }
    }
}
