"""Errors: one class for each kind of the core, all of them :class:`HandoffError`.

An exception means that nothing could be done. Trouble with one path, repository or content is data in the snapshot or
report, and the rest goes on.
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = [
    "AgentError",
    "BareRepositoryError",
    "BlobMissingError",
    "BudgetExhaustedError",
    "BusyError",
    "CancelledError",
    "CorruptError",
    "EnvironmentMismatchError",
    "FencedError",
    "FormatError",
    "HandoffError",
    "InvalidArgumentError",
    "IoError",
    "JournalNotSafeError",
    "LeasedError",
    "LimitError",
    "ModelError",
    "NotARepositoryError",
    "NotContinuableError",
    "NotFoundError",
    "NotPermittedError",
    "RepositoryError",
    "RuntimeFailedError",
    "StorageError",
    "TimedOutError",
    "TruncatedError",
    "UnknownApplyError",
    "UnsafeWorkspaceError",
    "UnsupportedError",
    "UnsupportedVersionError",
    "UnsyncedError",
    "WorkspaceError",
    "WrongStateError",
]


class HandoffError(Exception):
    """What every error of this package is.

    An implementer of a port may raise one, of any class, and it keeps its kind and ``retryable`` on its way through the core.
    """

    KIND: ClassVar[str] = "runtime"
    _RETRYABLE: ClassVar[bool] = False

    kind: str
    """The stable name of what went wrong, the same in every language."""
    retryable: bool
    """Whether the same call may succeed later without anything being mended."""
    path: str | None
    """The file or directory it is about, where there is one."""
    argument: str | None
    """The argument that was wrong, as the caller named it."""
    details: Any
    """More, depending on the kind."""

    def __init__(
        self,
        message: str = "",
        *,
        kind: str | None = None,
        retryable: bool | None = None,
        path: str | None = None,
        argument: str | None = None,
        details: Any = None,
    ) -> None:
        super().__init__(message)
        self.kind = self.KIND if kind is None else kind
        self.retryable = self._RETRYABLE if retryable is None else retryable
        self.path = path
        self.argument = argument
        self.details = details

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (type(self), str(self), dict(self.__dict__)))

    def to_dict(self) -> dict[str, Any]:
        """The error as plain data, for logs and answers to other programs."""
        return {
            "kind": self.kind,
            "message": str(self),
            "retryable": self.retryable,
            "path": self.path,
            "argument": self.argument,
            "details": self.details,
        }


def _restore(cls: type[HandoffError], message: str, state: dict[str, Any]) -> HandoffError:
    error = cls(message)
    error.__dict__.update(state)
    return error


class WorkspaceError(HandoffError):
    """Something is wrong with a checkout; the classes below say what."""


class NotARepositoryError(WorkspaceError):
    """The path is in no git work tree."""

    KIND: ClassVar[str] = "not_a_repository"


class BareRepositoryError(WorkspaceError):
    """The repository has no work tree."""

    KIND: ClassVar[str] = "bare_repository"


class UnsafeWorkspaceError(WorkspaceError):
    """The directory is too wide to be a workspace: ``/``, or the home directory."""

    KIND: ClassVar[str] = "unsafe_workspace"


class RepositoryError(WorkspaceError):
    """The repository is damaged or cannot be read."""

    KIND: ClassVar[str] = "repository"


class UnsupportedError(WorkspaceError):
    """Something here is not supported: a feature of the repository, or a call at a time when it cannot work."""

    KIND: ClassVar[str] = "unsupported"


class BusyError(WorkspaceError):
    """Another apply or undo holds this work tree."""

    KIND: ClassVar[str] = "busy"
    _RETRYABLE: ClassVar[bool] = True


class JournalNotSafeError(WorkspaceError):
    """The journal directory is not a plain directory of our own."""

    KIND: ClassVar[str] = "journal_not_safe"


class IoError(HandoffError):
    """The operating system refused a read or write."""

    KIND: ClassVar[str] = "io"


class FormatError(HandoffError):
    """A manifest or bundle is not well formed; the classes below say how."""

    KIND: ClassVar[str] = "format"


class TruncatedError(FormatError):
    """A bundle ends too early."""

    KIND: ClassVar[str] = "truncated"


class CorruptError(FormatError):
    """Bytes do not have the hash they must have."""

    KIND: ClassVar[str] = "corrupt"


class BlobMissingError(FormatError):
    """A content that the manifest names is absent."""

    KIND: ClassVar[str] = "blob_missing"


class UnsupportedVersionError(FormatError):
    """The format is of a newer major version."""

    KIND: ClassVar[str] = "unsupported_version"


class LimitError(HandoffError):
    """Something is larger than the configured limit."""

    KIND: ClassVar[str] = "limit"


class InvalidArgumentError(HandoffError, ValueError):
    """An argument makes no sense; ``argument`` names it."""

    KIND: ClassVar[str] = "invalid_argument"


class CancelledError(HandoffError):
    """The caller cancelled; nothing is left behind.

    Not :class:`asyncio.CancelledError`, which is what a task that was cancelled gets.
    """

    KIND: ClassVar[str] = "cancelled"


class NotFoundError(HandoffError, LookupError):
    """There is no such thing, as far as this actor may know."""

    KIND: ClassVar[str] = "not_found"


class UnknownApplyError(NotFoundError):
    """No apply with that id is recorded here."""

    KIND: ClassVar[str] = "unknown_apply"


class NotContinuableError(HandoffError):
    """The run cannot be continued as it is."""

    KIND: ClassVar[str] = "not_continuable"


class WrongStateError(HandoffError):
    """The run is in another state than the call needs."""

    KIND: ClassVar[str] = "wrong_state"


class LeasedError(HandoffError):
    """Another session holds the run."""

    KIND: ClassVar[str] = "leased"
    _RETRYABLE: ClassVar[bool] = True


class FencedError(LeasedError):
    """Another session has taken the run; this one must stop."""

    KIND: ClassVar[str] = "fenced"
    _RETRYABLE: ClassVar[bool] = False


class UnsyncedError(HandoffError):
    """Messages that should be there are not there yet."""

    KIND: ClassVar[str] = "unsynced"
    _RETRYABLE: ClassVar[bool] = True


class ModelError(HandoffError):
    """The run is pinned to another model, or the model is not on offer."""

    KIND: ClassVar[str] = "model"


class EnvironmentMismatchError(HandoffError):
    """The environment does not fit."""

    KIND: ClassVar[str] = "environment_mismatch"


class BudgetExhaustedError(HandoffError):
    """Nothing is left of the budget."""

    KIND: ClassVar[str] = "budget_exhausted"


class TimedOutError(HandoffError, TimeoutError):
    """The deadline of a wait passed."""

    KIND: ClassVar[str] = "timed_out"
    _RETRYABLE: ClassVar[bool] = True


class StorageError(HandoffError):
    """The storage failed."""

    KIND: ClassVar[str] = "storage"


class RuntimeFailedError(HandoffError):
    """The runtime, where sessions are launched, failed."""

    KIND: ClassVar[str] = "runtime"


class AgentError(HandoffError):
    """The agent failed."""

    KIND: ClassVar[str] = "agent"


class NotPermittedError(HandoffError):
    """The host's policy failed or refused, with its own reason."""

    KIND: ClassVar[str] = "policy"


_BY_KIND: dict[str, type[HandoffError]] = {
    cls.KIND: cls
    for cls in list(globals().values())
    if isinstance(cls, type) and issubclass(cls, HandoffError) and "KIND" in cls.__dict__ and cls is not HandoffError
}


def error_class(kind: str) -> type[HandoffError]:
    """The class for ``kind``; :class:`HandoffError` itself for one that this version does not know."""
    return _BY_KIND.get(kind, HandoffError)


def from_failure(
    *,
    kind: str,
    message: str,
    retryable: bool = False,
    path: str | None = None,
    argument: str | None = None,
    details: Any = None,
) -> HandoffError:
    """The exception for what the native module reports."""
    return error_class(kind)(message, kind=kind, retryable=retryable, path=path, argument=argument, details=details)
