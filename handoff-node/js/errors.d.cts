/** The stable name of each kind of error, the same in Rust, Python and JavaScript. */
export type ErrorKind =
  | "not_a_repository"
  | "bare_repository"
  | "unsafe_workspace"
  | "repository"
  | "unsupported"
  | "io"
  | "format"
  | "truncated"
  | "corrupt"
  | "blob_missing"
  | "unsupported_version"
  | "limit"
  | "busy"
  | "journal_not_safe"
  | "unknown_apply"
  | "invalid_argument"
  | "cancelled"
  | "not_found"
  | "not_continuable"
  | "wrong_state"
  | "leased"
  | "fenced"
  | "unsynced"
  | "model"
  | "environment_mismatch"
  | "budget_exhausted"
  | "timed_out"
  | "storage"
  | "runtime"
  | "agent"
  | "policy";

/** What {@link HandoffError} can be given beside its message. */
export interface ErrorFacts {
  /** The kind. Default: that of the class. */
  kind?: ErrorKind | (string & {});
  /** Whether the same call may succeed later. Default: that of the kind. */
  retryable?: boolean;
  /** The file or directory it is about. */
  path?: string;
  /** The argument it is about. */
  argument?: string;
  /** More, as data. */
  details?: unknown;
  /** What was thrown. */
  cause?: unknown;
}

/**
 * Every error of this package: nothing could be done. Trouble with one path is data in a snapshot or report instead.
 *
 * An implementer of a port may throw one to say what kind of trouble it is and whether to try again; the caller then
 * gets an error of the same kind, whose `cause` is the very object that was thrown.
 */
export class HandoffError extends Error {
  constructor(message: string, facts?: ErrorFacts);
  /** The stable kind. */
  readonly kind: ErrorKind | (string & {});
  /** The same, by Node's usual name. */
  readonly code: ErrorKind | (string & {});
  /** Whether the same call may succeed later without anything being mended. */
  readonly retryable: boolean;
  /** The file or directory it is about. */
  readonly path?: string;
  /** The argument that is wrong, as in `onConflict`. */
  readonly argument?: string;
  /** More, as data. */
  readonly details?: unknown;
  /** Everything but the stack and the cause. */
  toJSON(): { kind: string; message: string; retryable: boolean; path?: string; argument?: string; details?: unknown };
}

/** A checkout cannot be read or written as it is. */
export class WorkspaceError extends HandoffError {}
/** The path is in no git work tree. */
export class NotARepositoryError extends WorkspaceError {}
/** The repository has no work tree. */
export class BareRepositoryError extends WorkspaceError {}
/** The directory is too wide to be a workspace (`/`, the home directory). */
export class UnsafeWorkspaceError extends WorkspaceError {}
/** The repository is damaged or cannot be read. */
export class RepositoryError extends WorkspaceError {}
/** The repository uses something this version does not support. */
export class UnsupportedError extends WorkspaceError {}
/** Another apply or undo holds this work tree. */
export class BusyError extends WorkspaceError {}
/** The journal directory is not a plain directory of our own. */
export class JournalNotSafeError extends WorkspaceError {}
/** The operating system refused a read or write. */
export class IoError extends HandoffError {}
/** A manifest or bundle is not well formed. */
export class FormatError extends HandoffError {}
/** A bundle ends too early. */
export class TruncatedError extends FormatError {}
/** Bytes do not have the hash they must have. */
export class CorruptError extends FormatError {}
/** A blob that the manifest names is absent. */
export class BlobMissingError extends FormatError {}
/** The format is of a newer major version. */
export class UnsupportedVersionError extends FormatError {}
/** Something is larger than the configured limit. */
export class LimitError extends HandoffError {}
/** An argument makes no sense; {@link HandoffError.argument} names it. */
export class InvalidArgumentError extends HandoffError {}
/** The caller cancelled. */
export class CancelledError extends HandoffError {}
/** There is no such thing, as far as this actor may know. */
export class NotFoundError extends HandoffError {}
/** No apply with that id is recorded here. */
export class UnknownApplyError extends NotFoundError {}
/** The run cannot be continued as it is. */
export class NotContinuableError extends HandoffError {}
/** The run is in another state than the call needs. */
export class WrongStateError extends HandoffError {}
/** Another session holds the run. */
export class LeasedError extends HandoffError {}
/** Another session has taken the run; this one must stop. */
export class FencedError extends LeasedError {}
/** Messages that should be there are not there yet. */
export class UnsyncedError extends HandoffError {}
/** The run is pinned to another model, or the model is not on offer. */
export class ModelError extends HandoffError {}
/** The environment does not fit. */
export class EnvironmentMismatchError extends HandoffError {}
/** Nothing is left of the budget. */
export class BudgetExhaustedError extends HandoffError {}
/** The deadline of a wait passed. */
export class TimedOutError extends HandoffError {}
/** The storage failed. */
export class StorageError extends HandoffError {}
/** The runtime failed. */
export class RuntimeError extends HandoffError {}
/** The agent failed. */
export class AgentError extends HandoffError {}
/** The host's policy refused, with its own reason. */
export class NotPermittedError extends HandoffError {}
