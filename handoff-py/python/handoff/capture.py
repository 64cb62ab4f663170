"""Listing and taking the uncommitted state of a workspace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._held import instance, strings
from ._held import start as _start
from ._port import describe
from ._value import Value
from .errors import InvalidArgumentError
from .operation import Operation, finish
from .options import CaptureOptions, keywords
from .progress import CancelToken, ProgressFn
from .secrets import AllowSecret, rules_of
from .snapshot import Omission, Snapshot
from .workspace import Workspace

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["CapturePlan", "PlannedFile", "PlannedHistory", "RepoPlan", "capture", "plan"]


@dataclass(frozen=True)
class PlannedFile(Value):
    """One path of a :class:`CapturePlan`."""

    path: str
    """The path."""
    change: str = ""
    """``untracked``, ``ignored``, ``empty_directory``, ``modified`` or ``deleted``."""
    bytes: int = 0
    """Bytes of content that would be read."""


@dataclass(frozen=True)
class PlannedHistory(Value):
    """The unpushed commits of a :class:`RepoPlan`."""

    commits: int = 0
    """How many there are; at least so many where counting was given up, 0 where it was not begun."""
    left_out: str | None = None
    """Why none of them would travel, if that is known before they are read: ``no_remote``, ``too_many_commits``,
    ``unreadable``. Reading them may tell other reasons: a secret, their size."""


@dataclass(frozen=True)
class RepoPlan(Value):
    """One repository of a :class:`CapturePlan`."""

    name: str
    """The repository's name."""
    files: tuple[PlannedFile, ...] = ()
    """Paths that look changed. A path may turn out unchanged once it is read."""
    omissions: tuple[Omission, ...] = ()
    """Changed paths that would be left out."""
    history: PlannedHistory | None = None
    """Unpushed commits; ``None`` where there are none, or nobody wants them."""
    failed: Any = None
    """Why this repository cannot be captured."""


@dataclass(frozen=True)
class CapturePlan(Value):
    """What a capture would carry, found without reading any content: for consent."""

    repos: tuple[RepoPlan, ...] = ()
    """One for each repository, in order of name."""
    loose_files: tuple[PlannedFile, ...] = ()
    """Files outside any repository."""
    loose_omissions: tuple[Omission, ...] = ()
    """Files outside any repository that would be left out."""

    @property
    def files(self) -> tuple[PlannedFile, ...]:
        """All files of all repositories, and those outside any."""
        return tuple(file for repo in self.repos for file in repo.files) + self.loose_files

    @property
    def bytes(self) -> int:
        """Bytes of content that would be read."""
        return sum(file.bytes for file in self.files)


@keywords(CaptureOptions)
def capture(
    workspace: Workspace,
    *,
    progress: ProgressFn | None = None,
    cancel: CancelToken | None = None,
    **options: Unpack[CaptureOptions],
) -> Snapshot:
    """Takes everything uncommitted in ``workspace``. Nothing in it is written, and no program of it is run.

    Releases the GIL. Ctrl-C ends it within moments and leaves nothing behind.

    >>> snapshot = handoff.capture(Workspace("app"), progress=print)     # doctest: +SKIP
    >>> snapshot.save("work.handoff")                                    # doctest: +SKIP

    :param include_ignored: patterns in gitignore syntax of ignored files to carry.
    :param exclude: patterns in gitignore syntax of changed paths to leave out; each is listed as an omission.
    :param allow_secrets: secrets that may travel, each by exact path and rule, as the omission names them.
    :param secret_rules: rules for secrets beside the built-in ones.
    :param max_file_bytes: largest file carried; larger ones are omitted with a reason. Default 100 MiB.
    :param max_total_bytes: most content carried, before compression. Default 1 GiB.
    :param max_entries: most entries. Default 50,000.
    :param worktree_include: whether ``.worktreeinclude`` counts like ``include_ignored``. Default true.
    :param list_ignored: whether ignored files that are not carried are listed. Default false.
    :param empty_dirs: whether empty directories travel. Default true.
    :param bases: whether committed contents of changed files travel, so that a merge never lacks them. Default always.
    :param history: whether commits travel that no remote-tracking ref has (``auto``), or all that HEAD has (``all``).
        Default auto.
    :param max_history_commits: most such commits; with more, none travel. Default 10,000.
    :param max_history_bytes: most bytes of them, compressed; with more, none travel. Default 64 MiB.
    :param deadline: seconds after which the capture ends with what it has, marked partial.
    :param on_cancel: what cancelling leaves: nothing (``fail``), or what was read so far (``partial``).
    :param quiet: seconds that nobody may have written to a file for. Default 0.05.
    :param attempts: times that a file which keeps changing is read. Default 4.
    :param spool_memory: bytes kept in memory before content goes to a temporary file. Default 32 MiB.
    :param spool_dir: where that temporary file is; name the directory to save to, and saving copies nothing.
    :param progress: called with :class:`~handoff.progress.Progress` on this thread.
    :param cancel: stops the capture from elsewhere.
    :raises CancelledError: when it was stopped by ``cancel``.
    """
    snapshot: Snapshot = finish(start("capture", workspace, options, Snapshot._of), progress, cancel)
    return snapshot


@keywords(CaptureOptions)
def plan(
    workspace: Workspace,
    *,
    progress: ProgressFn | None = None,
    cancel: CancelToken | None = None,
    **options: Unpack[CaptureOptions],
) -> CapturePlan:
    """What :func:`capture` would carry, with sizes, found without reading any content. For the arguments see there."""
    planned: CapturePlan = finish(start("plan", workspace, options, plan_of), progress, cancel)
    return planned


def start(op: str, workspace: object, options: Mapping[str, Any], make: Any) -> Operation[Any]:
    """A capture or plan, under way."""
    given = {name: value for name, value in options.items() if value is not None and value != ()}
    arguments: dict[str, Any] = {"workspace": instance(workspace, Workspace, "workspace"), **given}
    for name in ("include_ignored", "exclude"):
        if name in arguments:
            arguments[name] = strings(arguments[name], name)
    if "allow_secrets" in arguments:
        arguments["allow_secrets"] = [_allowed(item) for item in arguments["allow_secrets"]]
    for name in ("deadline", "quiet"):
        if name in arguments:
            arguments[name] = milliseconds(arguments[name], name)
    rules = arguments.pop("secret_rules", None)
    if rules is not None:
        arguments["secret_rules"] = rules_of(rules)
    if op == "capture":
        arguments["manifest"] = "without"
    return _start(op, arguments, make)


def milliseconds(seconds: object, argument: str) -> int:
    """Seconds as the core takes them."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < 1e12:
        raise InvalidArgumentError(f"{argument} is no number of seconds; pass 0 or more", argument=argument)
    return round(seconds * 1000)


def _allowed(item: object) -> dict[str, Any]:
    if isinstance(item, tuple) and len(item) == 2:
        return {"path": item[0], "rule": item[1]}
    return instance(item, AllowSecret, "allow_secrets").to_dict()


def plan_of(value: Any, body: bytes | None) -> CapturePlan:
    """A plan as the core says it, with the repository's name in each omission."""
    for repo in value["repos"]:
        repo["omissions"] = [{**omission, "repo": repo["name"]} for omission in repo["omissions"]]
    return CapturePlan.from_dict(value)
