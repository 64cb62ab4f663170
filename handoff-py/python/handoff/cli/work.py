"""The commands that work on disk."""

from __future__ import annotations

import base64
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from .. import apply as apply_
from .. import capture as capture_
from .. import plan as plan_
from .. import preview as preview_
from .. import undo as undo_
from ..capture import PlannedHistory
from ..errors import InvalidArgumentError
from ..report import ApplyReport
from ..snapshot import Snapshot
from ..workspace import Workspace
from .screen import Screen, size

COMPLETE, PARTIAL = 0, 3
"""Exit codes of what was done whole, and in part."""


def capture(options: Namespace, screen: Screen) -> int:
    """``handoff capture``"""
    output = Path(options.output)
    snapshot = capture_(
        workspace(options), **_what(options), spool_dir=output.absolute().parent, progress=screen.progress
    )
    snapshot.save(output, progress=screen.progress)
    if options.json:
        screen.json(
            {
                "id": snapshot.id,
                "file": options.output,
                "partial": snapshot.partial,
                "entries": len(snapshot.entries),
                "omissions": [omission.to_dict() for omission in snapshot.omissions],
            }
        )
    else:
        _contents(snapshot, screen)
        screen.say(f"saved as {screen.colour(str(output), 'bold')}, {size(output.stat().st_size)}")
    return _whole(snapshot)


def plan(options: Namespace, screen: Screen) -> int:
    """``handoff plan``"""
    planned = plan_(workspace(options), **_what(options), progress=screen.progress)
    code = COMPLETE if all(repo.failed is None for repo in planned.repos) else PARTIAL
    if options.json:
        screen.json(planned.to_dict())
        return code
    for repo in planned.repos:
        screen.say(screen.colour(repo.name, "bold"))
        for file in repo.files:
            screen.say(f"  {file.change:<15} {file.path} ({size(file.bytes)})")
        for omission in repo.omissions:
            screen.say(screen.colour(f"  stays: {omission.reason:<8} {omission.path}", "yellow"))
        if repo.history is not None:
            screen.say(_commits(repo.history, screen))
        if repo.failed is not None:
            screen.say(screen.colour(f"  cannot be captured: {repo.failed.get('message')}", "red"))
    for file in planned.loose_files:
        screen.say(f"  {file.change:<15} {file.path} ({size(file.bytes)})")
    for omission in planned.loose_omissions:
        screen.say(screen.colour(f"  stays: {omission.reason:<8} {omission.path}", "yellow"))
    screen.say(f"{len(planned.files)} files, {size(planned.bytes)}")
    return code


def _commits(history: PlannedHistory, screen: Screen) -> str:
    if history.left_out is None:
        return f"  {history.commits} unpushed commit{'s' if history.commits != 1 else ''}"
    return screen.colour(f"  stay: unpushed commits ({history.left_out})", "yellow")


def preview(options: Namespace, screen: Screen) -> int:
    """``handoff preview``"""
    snapshot = Snapshot.open(options.file)
    return report(
        preview_(snapshot, workspace(options), **how(options), progress=screen.progress), options, screen
    )


def apply(options: Namespace, screen: Screen) -> int:
    """``handoff apply``"""
    snapshot = Snapshot.open(options.file)
    return report(apply_(snapshot, workspace(options), **how(options), progress=screen.progress), options, screen)


def undo(options: Namespace, screen: Screen) -> int:
    """``handoff undo``"""
    return report(undo_(workspace(options), options.apply_id, progress=screen.progress), options, screen)


def show(options: Namespace, screen: Screen) -> int:
    """``handoff show``"""
    snapshot = Snapshot.open(options.file)
    if options.path is None:
        if options.json:
            screen.json({"id": snapshot.id, "manifest": snapshot.manifest})
        else:
            _contents(snapshot, screen)
        return COMPLETE
    repo, path = _split(snapshot, options.path)
    content = snapshot.read(repo, path, options.layer or "worktree")
    if content is None:
        raise InvalidArgumentError(
            f"path {options.path} is not carried in that layer; show without it lists what is", argument="path"
        )
    if options.json:
        screen.json({"base64": base64.b64encode(content).decode()})
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
    return COMPLETE


def diff(options: Namespace, screen: Screen) -> int:
    """``handoff diff``"""
    snapshot = Snapshot.open(options.file)
    found = snapshot.diff_base() if options.newer is None else snapshot.diff(Snapshot.open(options.newer))
    if options.json:
        unified = found.unified.decode(errors="replace")
        screen.json({"repos": [repo.to_dict() for repo in found.repos], "unified": unified})
        return COMPLETE
    sys.stdout.flush()
    sys.stdout.buffer.write(found.unified)
    return COMPLETE


def report(found: ApplyReport, options: Namespace, screen: Screen) -> int:
    """Prints a report; the exit code says whether all is in place."""
    if options.json:
        screen.json(found.to_dict())
    else:
        colour = {"complete": "green", "partial": "yellow"}.get(found.verdict, "red")
        head, _, rest = str(found).partition("\n")
        screen.say(screen.colour(head, colour) + "\n" + rest.rstrip())
    return COMPLETE if found.verdict == "complete" else PARTIAL


def how(options: Namespace) -> dict[str, Any]:
    """The options of an apply."""
    names = ("on_conflict", "staging", "history", "durability", "symlinks")
    return {name: getattr(options, name) for name in names}


def workspace(options: Namespace) -> Workspace:
    """The checkouts that are named, or this directory's."""
    return Workspace(options.roots or ["."])


def _what(options: Namespace) -> dict[str, Any]:
    return {
        "exclude": options.exclude,
        "include_ignored": options.include_ignored,
        "allow_secrets": options.allow_secret,
        "max_file_bytes": options.max_file_bytes,
        "max_total_bytes": options.max_total_bytes,
        "deadline": options.deadline,
    }


def _contents(snapshot: Snapshot, screen: Screen) -> None:
    for entry in snapshot.entries:
        where = f"{entry.repo}/{entry.path}" if entry.repo else entry.path
        gone = entry.worktree is None and not entry.flags.empty_dir
        mark = "-" if gone else "+" if entry.head is None else "*"
        screen.say(f"  {mark} {where}")
    for omission in snapshot.omissions:
        where = f"{omission.repo}/{omission.path}" if omission.repo else omission.path
        screen.say(screen.colour(f"  stays: {where} ({omission.reason})", "yellow"))
    screen.say(f"snapshot {snapshot.id}: {len(snapshot.entries)} paths, {len(snapshot.omissions)} stay here")


def _whole(snapshot: Snapshot) -> int:
    left = any(omission.reason not in ("ignored", "excluded") for omission in snapshot.omissions)
    failed = any(repo.get("failed") for repo in snapshot.manifest.get("repos", ()))
    return PARTIAL if left or failed or snapshot.partial else COMPLETE


def _split(snapshot: Snapshot, path: str) -> tuple[str, str]:
    for repo in snapshot.manifest.get("repos", ()):
        name = repo["name"]
        if path.startswith(name + "/"):
            return name, path[len(name) + 1 :]
    return "", path
