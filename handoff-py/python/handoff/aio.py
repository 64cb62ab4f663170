"""Capture, apply and the like as operations: to await, to iterate over for progress, to cancel.

>>> async with handoff.aio.capture(workspace) as operation:          # doctest: +SKIP
...     async for progress in operation:
...         print(progress.phase, progress.done, progress.total)
...     snapshot = await operation

The work is done on threads of the core's; the event loop goes on. The options are those of the functions of the same
names in :mod:`handoff`, without ``progress`` and ``cancel``, which the operation itself is for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._held import instance, nothing, start
from .apply import start as _apply_start
from .apply import start_undo as _undo_start
from .capture import CapturePlan, plan_of
from .capture import start as _capture_start
from .operation import Operation
from .options import ApplyOptions, CaptureOptions, keywords
from .report import ApplyReport
from .snapshot import Snapshot
from .workspace import StrPath, Workspace

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["apply", "capture", "open", "plan", "preview", "save", "undo", "verify"]


@keywords(CaptureOptions)
def capture(workspace: Workspace, **options: Unpack[CaptureOptions]) -> Operation[Snapshot]:
    """As :func:`handoff.capture`."""
    return _capture_start("capture", workspace, options, Snapshot._of)


@keywords(CaptureOptions)
def plan(workspace: Workspace, **options: Unpack[CaptureOptions]) -> Operation[CapturePlan]:
    """As :func:`handoff.plan`."""
    return _capture_start("plan", workspace, options, plan_of)


@keywords(ApplyOptions)
def apply(snapshot: Snapshot, workspace: Workspace, **options: Unpack[ApplyOptions]) -> Operation[ApplyReport]:
    """As :func:`handoff.apply`."""
    return _apply_start("apply", snapshot, workspace, options)


@keywords(ApplyOptions)
def preview(snapshot: Snapshot, workspace: Workspace, **options: Unpack[ApplyOptions]) -> Operation[ApplyReport]:
    """As :func:`handoff.preview`."""
    return _apply_start("preview", snapshot, workspace, options)


def undo(workspace: Workspace, apply_id: str) -> Operation[ApplyReport]:
    """As :func:`handoff.undo`."""
    return _undo_start(workspace, apply_id)


def open(path: StrPath) -> Operation[Snapshot]:
    """As :meth:`handoff.Snapshot.open`."""
    return start("snapshot.open", {"path": path, "manifest": "without"}, Snapshot._of)


def save(snapshot: Snapshot, path: StrPath) -> Operation[None]:
    """As :meth:`handoff.Snapshot.save`."""
    return start("snapshot.save", {"snapshot": instance(snapshot, Snapshot, "snapshot"), "path": path}, nothing)


def verify(snapshot: Snapshot) -> Operation[None]:
    """As :meth:`handoff.Snapshot.verify`."""
    return start("snapshot.verify", {"snapshot": instance(snapshot, Snapshot, "snapshot")}, nothing)
