"""Putting a captured state into checkouts that may have moved on, and taking it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ._held import instance, mapping, text
from ._held import start as _start
from .operation import Operation, finish
from .options import ApplyOptions, keywords
from .progress import CancelToken, ProgressFn
from .report import ApplyReport
from .snapshot import Snapshot
from .workspace import Workspace

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["apply", "preview", "undo"]

@keywords(ApplyOptions)
def apply(
    snapshot: Snapshot,
    workspace: Workspace,
    *,
    progress: ProgressFn | None = None,
    cancel: CancelToken | None = None,
    **options: Unpack[ApplyOptions],
) -> ApplyReport:
    """Applies ``snapshot`` to ``workspace``, path by path, with a report on each.

    What the target has not touched becomes what the snapshot says; what both have changed is merged, or left alone as a
    conflict. HEAD and branches are only touched for ``history="branch"``, stashes never. Releases the GIL.

    :param on_conflict: leave the target and keep the incoming version beside it (``keep``, the default), write conflict
        markers (``markers``), or take the snapshot's version (``theirs``).
    :param staging: whether staged state is restored. Default ``restore``.
    :param history: whether commits that the source had not pushed become available here (``objects``), and a clean
        checkout is also put on their branch (``branch``). Default ``leave``.
    :param durability: whether it survives a power cut (``full``, the default) or a crash of the process.
    :param symlinks: whether links may point out of the work tree. Default ``inside``.
    :param map: names of the snapshot's repositories → names of the workspace's; overrides matching by identity.
    :raises BusyError: while another apply or undo is at work there.
    """
    return finish(start("apply", snapshot, workspace, options), progress, cancel)


@keywords(ApplyOptions)
def preview(
    snapshot: Snapshot,
    workspace: Workspace,
    *,
    progress: ProgressFn | None = None,
    cancel: CancelToken | None = None,
    **options: Unpack[ApplyOptions],
) -> ApplyReport:
    """The report that :func:`apply` would give, without writing anything."""
    return finish(start("preview", snapshot, workspace, options), progress, cancel)


def undo(
    workspace: Workspace,
    apply_id: str,
    *,
    progress: ProgressFn | None = None,
    cancel: CancelToken | None = None,
) -> ApplyReport:
    """Puts back what the apply ``apply_id`` replaced, where the file still is as the apply left it.

    A file that was edited since is kept and reported as a conflict.

    :raises UnknownApplyError: when no checkout of ``workspace`` has a record of it.
    """
    return finish(start_undo(workspace, apply_id), progress, cancel)


def start(op: str, snapshot: object, workspace: object, options: Mapping[str, Any]) -> Operation[ApplyReport]:
    """An apply or preview, under way."""
    arguments = {
        "snapshot": instance(snapshot, Snapshot, "snapshot"),
        "workspace": instance(workspace, Workspace, "workspace"),
        **options,
    }
    if options.get("map") is not None:
        arguments["map"] = mapping(options["map"], "map")
    return _start(op, arguments, ApplyReport._of)


def start_undo(workspace: object, apply_id: object) -> Operation[ApplyReport]:
    """An undo, under way."""
    arguments = {
        "workspace": instance(workspace, Workspace, "workspace"),
        "apply_id": text(apply_id, "apply_id"),
    }
    return _start("undo", arguments, ApplyReport._of)
