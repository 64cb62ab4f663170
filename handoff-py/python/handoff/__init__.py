"""Move an AI agent's uncommitted work and conversation between machines, losing nothing silently.

>>> import handoff                                                             # doctest: +SKIP
>>> snapshot = handoff.capture(handoff.Workspace("laptop/app"))                # doctest: +SKIP
>>> report = handoff.apply(snapshot, handoff.Workspace("cloud/app"))           # doctest: +SKIP
>>> print(report)                                                              # doctest: +SKIP

Functions that work on disk (:func:`plan`, :func:`capture`, :func:`preview`, :func:`apply`, :func:`undo`) are plain,
release the GIL, and stop at once for Ctrl-C; :mod:`handoff.aio` has them as operations to await. What asks a storage or
runtime returns an :class:`Operation`. Paths are ``str`` as Python's own functions give them, also those that are not UTF-8.
"""

from __future__ import annotations

import atexit as _atexit
import os as _os

try:
    from . import _native
except ImportError as _error:
    from ._platform import explain as _explain

    raise ImportError(_explain(_error)) from _error

from . import aio, errors
from .agent import Agent, AgentInfo, CommandAgent, Session, SessionEnd
from .apply import apply, preview, undo
from .capture import CapturePlan, PlannedFile, PlannedHistory, RepoPlan, capture, plan
from .collect import Collected, Garbage
from .conversation import (
    Attachment,
    ConversationHead,
    Conversations,
    Lineage,
    Message,
    OpenCall,
    ToolCall,
    ToolResult,
)
from .environment import Environment, EnvironmentRepo
from .errors import (
    AgentError,
    BareRepositoryError,
    BlobMissingError,
    BudgetExhaustedError,
    BusyError,
    CancelledError,
    CorruptError,
    EnvironmentMismatchError,
    FencedError,
    FormatError,
    HandoffError,
    InvalidArgumentError,
    IoError,
    JournalNotSafeError,
    LeasedError,
    LimitError,
    ModelError,
    NotARepositoryError,
    NotContinuableError,
    NotFoundError,
    NotPermittedError,
    RepositoryError,
    RuntimeFailedError,
    StorageError,
    TimedOutError,
    TruncatedError,
    UnknownApplyError,
    UnsafeWorkspaceError,
    UnsupportedError,
    UnsupportedVersionError,
    UnsyncedError,
    WorkspaceError,
    WrongStateError,
)
from .hub import Handoff
from .notify import Notice, Notify
from .operation import Operation
from .options import ApplyOptions, CaptureOptions, StartOptions
from .policy import Policy
from .progress import CancelToken, Progress
from .report import (
    ApplyReport,
    Drift,
    FileReport,
    Finding,
    HistoryReport,
    LooseReport,
    RepoReport,
    StagingReport,
)
from .run import Question, Run, RunPage, RunSession, SnapshotRef
from .runtime import LocalRuntime, Place, QueueRuntime, Runtime, Sessions, SessionSpec, Terms, work
from .secrets import AllowSecret, SecretFinding, SecretRules, SecretScanner
from .snapshot import Change, Diff, Entry, EntryFlags, FileState, Omission, RepoDiff, Snapshot
from .started import Affordance, Continued, ConversationSource, PromptAttachment, Pulled, Started
from .storage import DirStorage, MemoryStorage, Meta, Snapshots, Storage
from .watch import Cursor, RunEvent, Watch
from .workspace import LeftOut, Workspace, WorkspaceRepo

__all__ = [
    "Affordance",
    "Agent",
    "AgentError",
    "AgentInfo",
    "AllowSecret",
    "ApplyOptions",
    "ApplyReport",
    "Attachment",
    "BareRepositoryError",
    "BlobMissingError",
    "BudgetExhaustedError",
    "BusyError",
    "CancelToken",
    "CancelledError",
    "CaptureOptions",
    "CapturePlan",
    "Change",
    "Collected",
    "CommandAgent",
    "Continued",
    "ConversationHead",
    "ConversationSource",
    "Conversations",
    "CorruptError",
    "Cursor",
    "Diff",
    "DirStorage",
    "Drift",
    "Entry",
    "EntryFlags",
    "Environment",
    "EnvironmentMismatchError",
    "EnvironmentRepo",
    "FencedError",
    "FileReport",
    "FileState",
    "Finding",
    "FormatError",
    "Garbage",
    "Handoff",
    "HandoffError",
    "HistoryReport",
    "InvalidArgumentError",
    "IoError",
    "JournalNotSafeError",
    "LeasedError",
    "LeftOut",
    "LimitError",
    "Lineage",
    "LocalRuntime",
    "LooseReport",
    "MemoryStorage",
    "Message",
    "Meta",
    "ModelError",
    "NotARepositoryError",
    "NotContinuableError",
    "NotFoundError",
    "NotPermittedError",
    "Notice",
    "Notify",
    "Omission",
    "OpenCall",
    "Operation",
    "Place",
    "PlannedFile",
    "PlannedHistory",
    "Policy",
    "Progress",
    "PromptAttachment",
    "Pulled",
    "Question",
    "QueueRuntime",
    "RepoDiff",
    "RepoPlan",
    "RepoReport",
    "RepositoryError",
    "Run",
    "RunEvent",
    "RunPage",
    "RunSession",
    "Runtime",
    "RuntimeFailedError",
    "SecretFinding",
    "SecretRules",
    "SecretScanner",
    "Session",
    "SessionEnd",
    "SessionSpec",
    "Sessions",
    "Snapshot",
    "SnapshotRef",
    "Snapshots",
    "StagingReport",
    "StartOptions",
    "Started",
    "Storage",
    "StorageError",
    "Terms",
    "TimedOutError",
    "ToolCall",
    "ToolResult",
    "TruncatedError",
    "UnknownApplyError",
    "UnsafeWorkspaceError",
    "UnsupportedError",
    "UnsupportedVersionError",
    "UnsyncedError",
    "Watch",
    "Workspace",
    "WorkspaceError",
    "WorkspaceRepo",
    "WrongStateError",
    "__version__",
    "aio",
    "apply",
    "capture",
    "errors",
    "plan",
    "preview",
    "undo",
    "work",
]

__version__: str = _native.version()

_atexit.register(_native.shutdown, 5.0)
if hasattr(_os, "register_at_fork"):
    _os.register_at_fork(
        before=_native.before_fork,
        after_in_parent=_native.after_fork_in_parent,
        after_in_child=_native.after_fork_in_child,
    )
