"use strict";
// One table of errors. The kinds are the core's, one stable string each in every language; a test compares the two.

/** What every error of this package is. */
class HandoffError extends Error {
  constructor(message, { kind, retryable, path, argument, details, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind ?? this.constructor.kind ?? "runtime";
    this.retryable = retryable ?? this.constructor.retryable ?? false;
    this.path = path ?? undefined;
    this.argument = argument ?? undefined;
    this.details = details ?? undefined;
  }

  get code() {
    return this.kind;
  }

  toJSON() {
    const { kind, message, retryable, path, argument, details } = this;
    return { kind, message, retryable, path, argument, details };
  }
}
HandoffError.prototype.name = "HandoffError";

/** Groups, so that one `instanceof` can stand for several kinds. */
class WorkspaceError extends HandoffError {}
class FormatError extends HandoffError {}
class StorageError extends HandoffError {}
class RuntimeError extends HandoffError {}
class AgentError extends HandoffError {}
class NotFoundError extends HandoffError {}
class LeasedError extends HandoffError {}

const classes = { HandoffError, WorkspaceError, FormatError, StorageError, RuntimeError, AgentError, NotFoundError, LeasedError };

/** kind: [name, base]. A name that exists already is that class itself. */
const TABLE = {
  not_a_repository: ["NotARepositoryError", WorkspaceError],
  bare_repository: ["BareRepositoryError", WorkspaceError],
  unsafe_workspace: ["UnsafeWorkspaceError", WorkspaceError],
  repository: ["RepositoryError", WorkspaceError],
  unsupported: ["UnsupportedError", WorkspaceError],
  io: ["IoError", HandoffError],
  format: ["FormatError", HandoffError],
  truncated: ["TruncatedError", FormatError],
  corrupt: ["CorruptError", FormatError],
  blob_missing: ["BlobMissingError", FormatError],
  unsupported_version: ["UnsupportedVersionError", FormatError],
  limit: ["LimitError", HandoffError],
  busy: ["BusyError", WorkspaceError],
  journal_not_safe: ["JournalNotSafeError", WorkspaceError],
  unknown_apply: ["UnknownApplyError", NotFoundError],
  invalid_argument: ["InvalidArgumentError", HandoffError],
  cancelled: ["CancelledError", HandoffError],
  not_found: ["NotFoundError", HandoffError],
  not_continuable: ["NotContinuableError", HandoffError],
  wrong_state: ["WrongStateError", HandoffError],
  leased: ["LeasedError", HandoffError],
  fenced: ["FencedError", LeasedError],
  unsynced: ["UnsyncedError", HandoffError],
  model: ["ModelError", HandoffError],
  environment_mismatch: ["EnvironmentMismatchError", HandoffError],
  budget_exhausted: ["BudgetExhaustedError", HandoffError],
  timed_out: ["TimedOutError", HandoffError],
  storage: ["StorageError", HandoffError],
  runtime: ["RuntimeError", HandoffError],
  agent: ["AgentError", HandoffError],
  policy: ["NotPermittedError", HandoffError],
};

/** Kinds of which the same call may succeed later, where the error does not say. */
const RETRYABLE = new Set(["busy", "leased", "unsynced", "timed_out"]);

const byKind = new Map();
for (const [kind, [name, base]] of Object.entries(TABLE)) {
  const type = classes[name] ?? { [name]: class extends base {} }[name];
  type.kind = kind;
  type.retryable = RETRYABLE.has(kind);
  classes[name] = type;
  byKind.set(kind, type);
}
for (const [name, type] of Object.entries(classes)) type.prototype.name = name;

/** The class of a kind; of a kind that this version does not know, the base. */
const errorClass = (kind) => byKind.get(kind) ?? HandoffError;

/** The error that an answer of the core stands for. */
function fromFailure(failure, cause) {
  const argument = failure.argument == null ? undefined : camel(failure.argument);
  // Named as the caller named it, also where the message begins with it.
  const said = argument !== undefined && failure.message.startsWith(`${failure.argument} `);
  const message = said ? argument + failure.message.slice(failure.argument.length) : failure.message;
  return new (errorClass(failure.kind))(message, { ...failure, argument, cause });
}

const camel = (name) => name.replace(/(?<=[a-z0-9])_([a-z0-9])/g, (_, letter) => letter.toUpperCase());

/** A wrong argument, named as the caller named it. */
const invalid = (name, why) => {
  const argument = camel(name);
  return new classes.InvalidArgumentError(`${argument} ${why}`, { argument });
};

module.exports = { classes, byKind, errorClass, fromFailure, invalid };
