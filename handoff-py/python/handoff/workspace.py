"""Which checkouts and files on this machine belong together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ._held import Held, call, mapping, value_only
from ._value import Value

__all__ = ["LeftOut", "Workspace", "WorkspaceRepo"]

StrPath = str | os.PathLike[str]


@dataclass(frozen=True)
class WorkspaceRepo(Value):
    """One checkout of a :class:`Workspace`."""

    name: str
    """The logical name: the directory's own name, made unique within the workspace."""
    root: str
    """The root of the work tree: absolute, symlinks resolved."""


@dataclass(frozen=True)
class LeftOut(Value):
    """A path that :meth:`Workspace.discover` or :meth:`Workspace.from_declarations` did not take in."""

    path: str
    """The path, as it was given."""
    reason: str
    """Why, in one stable word."""


class Workspace(Held):
    """The checkouts that are captured from, or applied to, together; and files outside of them.

    Making one only finds the checkouts and reads no content. A directory or file below a root stands for its whole
    repository; naming one repository twice is the same as once. One of several that cannot be opened does not cost the
    others: every capture lists it as failed, with what to do. Alone it is an error.

    >>> workspace = Workspace(["app", "lib"])          # doctest: +SKIP
    >>> [repo.name for repo in workspace.repos]        # doctest: +SKIP
    ['app', 'lib']

    :param roots: directories, one or many.
    :param loose: files outside of any checkout, by the name that they travel under.
    :param loose_root: where such files land when a snapshot is applied.
    :param anywhere: also take in a work tree at ``/`` or in the home directory, which holds more than one project.
    :raises NotARepositoryError: for a directory that is in no git work tree.
    :raises UnsafeWorkspaceError: for ``/`` or the home directory.
    """

    def __init__(
        self,
        roots: StrPath | Iterable[StrPath] = (),
        *,
        loose: Mapping[str, StrPath] | None = None,
        loose_root: StrPath | None = None,
        anywhere: bool = False,
    ) -> None:
        self._take(
            "workspace.new",
            roots=paths(roots, "roots"),
            loose_files=None if loose is None else _loose(loose),
            loose_root=loose_root,
            wide="allow" if anywhere else None,
        )

    @classmethod
    def discover(
        cls, written: Iterable[StrPath], *, read: Iterable[StrPath] = (), loose_root: StrPath | None = None
    ) -> Workspace:
        """The workspace of the files that an agent wrote: their repositories, and those in none as loose files.

        What cannot be taken in is in :attr:`left_out`, with the reason; so are files that were only ``read`` in
        repositories that nothing was written to.
        """
        made = cls.__new__(cls)
        made._take(
            "workspace.discover",
            written=paths(written, "written"),
            read=paths(read, "read"),
            loose_root=loose_root,
        )
        return made

    @classmethod
    def from_declarations(cls, path: StrPath, *, loose_root: StrPath | None = None) -> Workspace:
        """The workspace that the declarations file at ``path`` names: one JSON object a line; see the core's guide."""
        made = cls.__new__(cls)
        made._take("workspace.from_declarations", path=path, loose_root=loose_root)
        return made

    def to_declarations(self) -> str:
        """The text of a declarations file that names this workspace."""
        found: str = call("workspace.to_declarations", {"workspace": self}, value_only)
        return found

    def _take(self, op: str, **arguments: Any) -> None:
        info = call(op, arguments, value_only)
        self._handle = info["handle"]
        self._info = info

    @property
    def repos(self) -> tuple[WorkspaceRepo, ...]:
        """The checkouts, in order of name."""
        return tuple(WorkspaceRepo.from_dict(repo) for repo in self._info["repos"])

    @property
    def loose_files(self) -> Mapping[str, str]:
        """Files outside of any checkout, by the name that they travel under."""
        return {file["name"]: file["path"] for file in self._info.get("loose_files", ())}

    @property
    def loose_root(self) -> str | None:
        """Where files outside of any checkout land when a snapshot is applied."""
        root: str | None = self._info.get("loose_root")
        return root

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What was named and not taken in."""
        return tuple(LeftOut.from_dict(left) for left in self._info.get("left_out", ()))

    def __repr__(self) -> str:
        return f"Workspace({[repo.root for repo in self.repos]!r})"


def _loose(loose: object) -> list[dict[str, Any]]:
    return [{"name": name, "path": path} for name, path in mapping(loose, "loose").items()]


def paths(given: StrPath | Iterable[StrPath], argument: str) -> list[StrPath]:
    """Paths as the core takes them; one alone counts too."""
    if isinstance(given, (str, bytes, os.PathLike)):
        return [given]
    try:
        return list(given)
    except TypeError:
        from ._port import describe
        from .errors import InvalidArgumentError

        raise InvalidArgumentError(
            f"{argument} is {describe(given)}; pass a path, or several", argument=argument
        ) from None
