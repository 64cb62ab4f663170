//! The one table of error kinds.

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What kind of thing went wrong: one stable string each, the same in Rust, Python and Node.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind { $($(#[$doc])* $name,)* }

        impl ErrorKind {
            /// Every kind, for tables in other languages.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

kinds! {
    /// The path is in no git work tree.
    NotARepository = "not_a_repository",
    /// The repository has no work tree.
    BareRepository = "bare_repository",
    /// The directory is too wide to be a workspace (`/`, the home directory).
    UnsafeWorkspace = "unsafe_workspace",
    /// The repository is damaged or cannot be read.
    Repository = "repository",
    /// The repository uses something this version does not support.
    Unsupported = "unsupported",
    /// The operating system refused a read or write.
    Io = "io",
    /// A manifest or bundle is not well formed.
    Format = "format",
    /// A bundle ends too early.
    Truncated = "truncated",
    /// Bytes do not have the hash they must have.
    Corrupt = "corrupt",
    /// A blob that the manifest names is absent.
    BlobMissing = "blob_missing",
    /// The format is of a newer major version.
    UnsupportedVersion = "unsupported_version",
    /// Something is larger than the configured limit.
    Limit = "limit",
    /// Another apply or undo holds this work tree.
    Busy = "busy",
    /// The journal directory is not a plain directory of our own.
    JournalNotSafe = "journal_not_safe",
    /// No apply with that id is recorded here.
    UnknownApply = "unknown_apply",
    /// An argument makes no sense.
    InvalidArgument = "invalid_argument",
    /// The caller cancelled.
    Cancelled = "cancelled",
    /// There is no such thing, as far as this actor may know.
    NotFound = "not_found",
    /// The run cannot be continued as it is.
    NotContinuable = "not_continuable",
    /// The run is in another state than the call needs.
    WrongState = "wrong_state",
    /// Another session holds the run.
    Leased = "leased",
    /// Another session has taken the run; this one must stop.
    Fenced = "fenced",
    /// Messages that should be there are not there yet.
    Unsynced = "unsynced",
    /// The run is pinned to another model, or the model is not on offer.
    Model = "model",
    /// The environment does not fit.
    EnvironmentMismatch = "environment_mismatch",
    /// Nothing is left of the budget.
    BudgetExhausted = "budget_exhausted",
    /// The deadline of a wait passed.
    TimedOut = "timed_out",
    /// The storage failed.
    Storage = "storage",
    /// The runtime failed.
    Runtime = "runtime",
    /// The agent failed.
    Agent = "agent",
    /// The host's policy failed or refused, with its own reason.
    Policy = "policy",
}

impl ErrorKind {
    /// Whether the same call may succeed later without anything being mended. An error of a storage or a runtime says so
    /// itself: see [`Error::is_retryable`](crate::Error::is_retryable).
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Busy | Self::Leased | Self::Unsynced | Self::TimedOut)
    }
}

impl std::fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
