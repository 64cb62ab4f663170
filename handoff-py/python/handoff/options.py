"""The keyword arguments of functions that share them, each list once: typed for checkers, whole in signatures.

>>> def save(workspace: Workspace, **options: Unpack[CaptureOptions]) -> None:          # doctest: +SKIP
...     handoff.capture(workspace, **options).save("work.handoff")
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar

if TYPE_CHECKING:
    from .conversation import ConversationHead, Said
    from .run import SnapshotRef
    from .secrets import AllowSecret, SecretRules
    from .snapshot import Snapshot
    from .started import ConversationSource, PromptAttachment
    from .workspace import StrPath, Workspace

__all__ = ["ApplyOptions", "CaptureOptions", "StartOptions"]

F = TypeVar("F", bound=Callable[..., Any])


class CaptureOptions(TypedDict, total=False):
    """What :func:`handoff.capture` and :func:`handoff.plan` can be told; explained there."""

    include_ignored: Sequence[str]
    exclude: Sequence[str]
    allow_secrets: Iterable[AllowSecret | tuple[str, str]]
    secret_rules: SecretRules | None
    max_file_bytes: int | None
    max_total_bytes: int | None
    max_entries: int | None
    worktree_include: bool | None
    list_ignored: bool | None
    empty_dirs: bool | None
    bases: Literal["always", "never"] | None
    history: Literal["all", "auto", "never"] | None
    max_history_commits: int | None
    max_history_bytes: int | None
    deadline: float | None
    on_cancel: Literal["fail", "partial"] | None
    quiet: float | None
    attempts: int | None
    spool_memory: int | None
    spool_dir: StrPath | None


class ApplyOptions(TypedDict, total=False):
    """What :func:`handoff.apply`, :func:`handoff.preview` and :meth:`handoff.Handoff.pull` can be told; explained there."""

    on_conflict: Literal["keep", "markers", "theirs"] | None
    staging: Literal["restore", "leave"] | None
    history: Literal["leave", "objects", "branch"] | None
    durability: Literal["full", "process"] | None
    symlinks: Literal["inside", "anywhere"] | None
    map: Mapping[str, str] | None


class _Needed(TypedDict):
    actor: str
    environment: str


class StartOptions(_Needed, TypedDict, total=False):
    """What :meth:`handoff.Handoff.start` and :meth:`handoff.Handoff.fan_out` can be told; explained there."""

    conversation: str | ConversationSource | ConversationHead | Iterable[Said] | None
    workspace: Workspace | Snapshot | SnapshotRef | None
    attachments: Iterable[PromptAttachment]
    origin: str | None
    source: str | None
    task: str | None
    team: str | None
    model: str | None
    budget: Mapping[str, int] | None
    parent: str | None
    idempotency_key: str | None


class Spelled:
    """A type as it is written here: its names are not all known where the function is, so it is not a string to evaluate."""

    def __init__(self, text: object) -> None:
        self._text = text

    def __repr__(self) -> str:
        return str(self._text)


def keywords(options: type[Any]) -> Callable[[F], F]:
    """Gives a function with ``**options: Unpack[…]`` the signature that it has: each option by its name."""

    def spell(function: F) -> F:
        signature = inspect.signature(function)
        kept = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        first = [one for one in kept if one.kind is not inspect.Parameter.KEYWORD_ONLY]
        own = [one for one in kept if one.kind is inspect.Parameter.KEYWORD_ONLY]
        needed: frozenset[str] = options.__required_keys__
        spelled = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if name in needed else None,
                annotation=Spelled(getattr(hint, "__forward_arg__", hint)),
            )
            for name, hint in options.__annotations__.items()
        ]
        function.__signature__ = signature.replace(parameters=[*first, *spelled, *own])  # type: ignore[attr-defined]
        return function

    return spell
