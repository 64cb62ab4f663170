"""An immutable state of a workspace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ._held import Held, call, content, instance, nothing, start, text, value_only
from ._value import Value
from .operation import finish
from .progress import CancelToken, ProgressFn
from .workspace import StrPath

__all__ = ["Change", "Diff", "Entry", "EntryFlags", "FileState", "Layer", "Omission", "RepoDiff", "Snapshot"]

Layer = Literal["head", "index", "worktree"]
"""One of git's three layers: as committed, as staged, as on disk."""


@dataclass(frozen=True)
class FileState(Value):
    """A file in one layer."""

    mode: str
    """``regular``, ``executable``, ``symlink`` or ``gitlink``."""
    size: int = 0
    """Length in bytes."""
    blob: str | None = None
    """SHA-256 of the content; absent where the snapshot does not carry it."""
    oid: str | None = None
    """Git's id of the content as git would store it."""
    eol: str | None = None
    """Whether line endings may follow the target's."""


@dataclass(frozen=True)
class EntryFlags(Value):
    """What else is to be known of an entry."""

    untracked: bool = False
    """New to git."""
    ignored: bool = False
    """Ignored by git, and asked for."""
    intent_to_add: bool = False
    """Marked to be added."""
    assume_unchanged: bool = False
    """Hidden from git at the source."""
    skip_worktree: bool = False
    """Hidden from git at the source."""
    unstable: bool = False
    """Kept changing while it was read."""
    auto_run: bool = False
    """Some tool runs this file by itself."""
    empty_dir: bool = False
    """A directory with nothing in it."""
    raw: str | None = None
    """Why the content was not normalised."""
    allowed_secrets: tuple[str, ...] = ()
    """Rules in spite of which it travels."""
    stages: tuple[Any, ...] = ()
    """The sides of a conflict in the index."""


@dataclass(frozen=True)
class Entry(Value):
    """One changed path that is carried."""

    path: str
    """The path below its repository's root."""
    head: FileState | None = None
    """The file as committed; absent where it does not exist there."""
    index: FileState | None = None
    """The file as staged."""
    worktree: FileState | None = None
    """The file as on disk."""
    flags: EntryFlags = field(default_factory=EntryFlags)
    """What else is to be known."""
    repo: str = ""
    """The repository's name; empty for files outside any."""


@dataclass(frozen=True)
class Omission(Value):
    """A changed path, or directory of them, that is not carried."""

    path: str
    """The path below its repository's root."""
    reason: str = ""
    """Why, in one stable word: ``ignored``, ``secret_name``, ``secret_content``, ``too_large`` and so on."""
    size: int | None = None
    """Bytes, where known."""
    rule: str | None = None
    """The rule that decided."""
    line: int | None = None
    """For a secret: the line that it is on, from 1."""
    count: int | None = None
    """How many paths it stands for."""
    repo: str = ""
    """The repository's name; empty for files outside any."""


@dataclass(frozen=True)
class Change(Value):
    """One changed path between two states."""

    path: str
    """The path."""
    kind: str = ""
    """``created``, ``modified``, ``deleted`` or ``type_changed``."""
    old: FileState | None = None
    """The file before; absent when there was none."""
    new: FileState | None = None
    """The file after; absent when there is none."""


@dataclass(frozen=True)
class RepoDiff(Value):
    """The changes in one repository."""

    repo: str = ""
    """Its name; empty for files outside any."""
    changes: tuple[Change, ...] = ()
    """One for each path, in order."""
    unknown: tuple[str, ...] = ()
    """Paths that one of the states does not carry."""
    same_head: bool = True
    """Whether both states are based on the same commit."""


class Diff:
    """What changed between two states. ``str()`` is the unified diff as text."""

    def __init__(self, repos: tuple[RepoDiff, ...], unified: bytes) -> None:
        self.repos = repos
        """The changes, repository by repository."""
        self.unified = unified
        """The unified diff, as ``git apply`` takes it."""

    def __str__(self) -> str:
        return self.unified.decode("utf-8", "replace")

    def __bool__(self) -> bool:
        return any(repo.changes or repo.unknown for repo in self.repos)


class Snapshot(Held):
    """A captured state: which paths changed, and how, with their contents. Immutable; same state, same :attr:`id`.

    Made by :func:`handoff.capture`, :meth:`open` and :meth:`from_bytes`.
    """

    def __init__(self) -> None:
        raise TypeError("a snapshot is made by handoff.capture(), Snapshot.open() or Snapshot.from_bytes()")

    @classmethod
    def _of(cls, info: Any, body: bytes | None = None) -> Snapshot:
        made = cls.__new__(cls)
        made._handle = info["handle"]
        made._id = info["id"]
        made._partial = info.get("partial")
        made._manifest = info.get("manifest")
        made._entries = None
        made._omissions = None
        return made

    _id: str
    _partial: str | None
    _manifest: dict[str, Any] | None
    _entries: tuple[Entry, ...] | None
    _omissions: tuple[Omission, ...] | None

    @classmethod
    def open(cls, path: StrPath, *, progress: ProgressFn | None = None, cancel: CancelToken | None = None) -> Snapshot:
        """Opens a bundle file. Contents are read, and checked against their hashes, when they are asked for."""
        return finish(start("snapshot.open", {"path": path, "manifest": "without"}, cls._of), progress, cancel)

    @classmethod
    def from_bytes(cls, bundle: bytes | bytearray | memoryview) -> Snapshot:
        """Reads a bundle from memory and checks all of it."""
        return call("snapshot.from_bytes", {"manifest": "without"}, cls._of, content(bundle, "bundle"))

    @property
    def id(self) -> str:
        """SHA-256 of the canonical manifest."""
        return self._id

    @property
    def manifest(self) -> dict[str, Any]:
        """What the snapshot says, without the contents: the JSON of the published format."""
        manifest = self._manifest
        if manifest is None:
            manifest = self._manifest = call("snapshot.manifest", {"snapshot": self}, value_only)
        return manifest

    @property
    def partial(self) -> str | None:
        """Why the capture ended early; ``None`` when it did not."""
        return self._partial

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every carried path, in the order of repositories and paths; files outside any repository last."""
        if self._entries is None:
            self._entries = tuple(
                Entry.from_dict({**entry, "repo": repo}) for repo, entry in self._all("entries", "loose_files")
            )
        return self._entries

    @property
    def omissions(self) -> tuple[Omission, ...]:
        """Every changed path that is not carried, with the reason."""
        if self._omissions is None:
            self._omissions = tuple(
                Omission.from_dict({**omission, "repo": repo})
                for repo, omission in self._all("omissions", "loose_omissions")
            )
        return self._omissions

    def _all(self, inside: str, loose: str) -> list[tuple[str, Mapping[str, Any]]]:
        manifest = self.manifest
        found = [(repo["name"], item) for repo in manifest.get("repos", ()) for item in repo.get(inside, ())]
        return found + [("", item) for item in manifest.get(loose, ())]

    def read(self, repo: str, path: StrPath, layer: Layer = "worktree") -> bytes | None:
        """The content of one file, checked; a symlink's is its target. ``None`` when the snapshot does not carry it.

        An empty ``repo`` means the files outside any repository.
        """
        arguments = {"snapshot": self, "repo": text(repo, "repo"), "path": path, "layer": layer}
        return call("snapshot.read", arguments, lambda value, body: body)

    def diff(self, newer: Snapshot) -> Diff:
        """What changed from this state to ``newer``."""
        return call("snapshot.diff", {"snapshot": self, "newer": instance(newer, Snapshot, "newer")}, _diff)

    def diff_base(self) -> Diff:
        """What changed from what is committed to this state."""
        return call("snapshot.diff_base", {"snapshot": self}, _diff)

    def since(self, base: Snapshot) -> Snapshot:
        """The part of this state that came after ``base``."""
        return call("snapshot.since", {"snapshot": self, "base": instance(base, Snapshot, "base")}, Snapshot._of)

    def save(self, path: StrPath, *, progress: ProgressFn | None = None, cancel: CancelToken | None = None) -> None:
        """Writes one bundle file, by convention named ``*.handoff``. The path never holds part of one."""
        finish(start("snapshot.save", {"snapshot": self, "path": path}, nothing), progress, cancel)

    def to_bytes(self) -> bytes:
        """The bundle in memory."""
        return call("snapshot.to_bytes", {"snapshot": self}, lambda value, body: body or b"")

    def verify(self, *, progress: ProgressFn | None = None, cancel: CancelToken | None = None) -> None:
        """Reads every content and checks it.

        :raises CorruptError: naming the first damaged part.
        """
        finish(start("snapshot.verify", {"snapshot": self}, nothing), progress, cancel)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot) and other._id == self._id

    def __hash__(self) -> int:
        return hash(self._id)

    def __repr__(self) -> str:
        return f"<Snapshot {self._id[:12]}>"


def _diff(value: Any, body: bytes | None) -> Diff:
    return Diff(tuple(RepoDiff.from_dict(repo) for repo in value["repos"]), body or b"")
