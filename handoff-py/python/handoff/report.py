"""What an apply, preview or undo did: every path exactly once, and a text that an agent can read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ._value import Value

__all__ = [
    "ApplyReport",
    "Drift",
    "FileReport",
    "Finding",
    "HistoryReport",
    "LooseReport",
    "RepoReport",
    "StagingReport",
]


@dataclass(frozen=True)
class FileReport(Value):
    """One path's fate."""

    path: str
    """The path in the snapshot."""
    outcome: str = ""
    """``unchanged``, ``applied``, ``merged``, ``conflict``, ``skipped``, ``failed`` or ``not_captured``."""
    detail: str | None = None
    """For ``applied`` created, modified, deleted, mode or type; for ``conflict`` its kind."""
    reason: str | None = None
    """Why, for ``skipped``, ``failed`` and ``not_captured``: a stable word."""
    message: str | None = None
    """The operating system's words for ``failed``, or more about a reason."""
    at: str | None = None
    """Where the change landed, when the target has renamed the path."""
    incoming: str | None = None
    """Where the incoming version was kept, when it was not put in place."""
    hash: str | None = None
    """SHA-256 of what is on disk after the apply."""
    notes: tuple[str, ...] = ()
    """Things worth knowing about a path that is in place."""
    auto_run: bool = False
    """Some tool runs this file by itself, so a host may want to ask first."""
    repo: str = ""
    """The repository's name; empty for files outside any."""


@dataclass(frozen=True)
class Drift(Value):
    """How the target's HEAD relates to the snapshot's."""

    kind: str
    """``same``, ``ahead``, ``behind``, ``diverged``, ``unrelated``, ``base_missing`` or ``no_target``."""
    ahead: int | None = None
    """Commits at the target that the snapshot's HEAD lacks, where countable."""
    behind: int | None = None
    """Commits of the snapshot's HEAD that the target lacks, where countable."""
    remedy: str = ""
    """What to do about it; empty when nothing needs doing."""
    source: str | None = None
    """The snapshot's HEAD."""
    target: str | None = None
    """The target's HEAD."""


@dataclass(frozen=True)
class Finding(Value):
    """Something about a repository as a whole."""

    kind: str
    """A stable word."""
    message: str = ""
    """For people."""


@dataclass(frozen=True)
class HistoryReport(Value):
    """What became of the commits that the source had not pushed."""

    outcome: str
    """``not_asked``, ``present``, ``stored``, ``moved``, ``not_captured`` or ``failed``."""
    commits: int = 0
    """How many there are."""
    branch: str | None = None
    """The branch that the checkout was put on."""
    reason: str | None = None
    """Why they are not where they were asked to be: a stable word."""
    message: str | None = None
    """More about the reason, for people."""


@dataclass(frozen=True)
class StagingReport(Value):
    """What became of the staged state."""

    restored: int = 0
    """Index entries that now are as in the snapshot."""
    left: Mapping[str, int] | None = None
    """How many could not be restored, by a stable reason."""
    left_paths: tuple[Any, ...] = ()
    """The paths behind ``left``, each with its reason."""


@dataclass(frozen=True)
class RepoReport(Value):
    """What happened in one repository."""

    name: str
    """The repository's name in the snapshot."""
    drift: Drift | None = None
    """How the target's history relates to the snapshot's."""
    files: tuple[FileReport, ...] = ()
    """One for each path."""
    findings: tuple[Finding, ...] = ()
    """Things to know about the repository as a whole."""
    staging: StagingReport | None = None
    """What became of the staged state."""
    history: HistoryReport | None = None
    """What became of commits that the source had not pushed; absent where there were none."""
    target: str | None = None
    """The target's work tree; absent when no repository here matches."""


@dataclass(frozen=True)
class LooseReport(Value):
    """What happened to files outside any repository."""

    files: tuple[FileReport, ...] = ()
    """One for each."""
    findings: tuple[Finding, ...] = ()
    """Things to know about all of them."""
    target: str | None = None
    """The directory below which they are."""


class ApplyReport:
    """The full record of one apply, preview or undo.

    ``str()`` is a bounded text for an agent or a person; :meth:`to_dict` has everything.
    """

    def __init__(self, data: Mapping[str, Any], text: str) -> None:
        self._data = data
        self._text = text

    @classmethod
    def _of(cls, value: Any, body: bytes | None = None) -> ApplyReport:
        return cls(value["report"], value["text"])

    @property
    def action(self) -> str:
        """``apply``, ``preview`` or ``undo``."""
        return str(self._data["action"])

    @property
    def apply_id(self) -> str | None:
        """Names the apply for :func:`handoff.undo`; absent in a preview and where nothing was written."""
        found: str | None = self._data.get("apply_id")
        return found

    @property
    def snapshot(self) -> str:
        """The snapshot's id."""
        return str(self._data["snapshot"])

    @property
    def verdict(self) -> str:
        """All of it in one word: ``complete``, ``partial`` or ``nothing_applied``."""
        return str(self._data["verdict"])

    @cached_property
    def repos(self) -> tuple[RepoReport, ...]:
        """One for each repository of the snapshot."""
        return tuple(
            RepoReport.from_dict({**repo, "files": [{**file, "repo": repo["name"]} for file in repo["files"]]})
            for repo in self._data["repos"]
        )

    @cached_property
    def loose(self) -> LooseReport | None:
        """What happened to files outside any repository; absent where the snapshot has none."""
        loose = self._data.get("loose")
        return None if loose is None else LooseReport.from_dict(loose)

    @cached_property
    def files(self) -> tuple[FileReport, ...]:
        """Every path with its fate, each with the name of its repository."""
        loose = () if self.loose is None else self.loose.files
        return tuple(file for repo in self.repos for file in repo.files) + loose

    def count(self, outcome: str) -> int:
        """How many paths ended with ``outcome``."""
        return sum(file.outcome == outcome for file in self.files)

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for ``json.dumps``."""
        return dict(self._data)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<ApplyReport {self.action} {self.verdict}>"
