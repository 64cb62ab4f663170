"""The commands that work on disk."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from .. import apply as apply_
from .. import capture as capture_
from .. import plan as plan_
from .. import preview as preview_
from .. import undo as undo_
from ..errors import InvalidArgumentError
from ..report import ApplyReport
from ..snapshot import Snapshot
from ..workspace import Workspace
from .screen import Screen, size


def capture(options: Namespace, screen: Screen) -> int:
    """``handoff capture``"""
    output = Path(options.output)
    snapshot = capture_(
        Workspace(options.roots), **_what(options), spool_dir=output.absolute().parent, progress=screen.progress
    )
    snapshot.save(output, progress=screen.progress)
    if options.json:
        screen.json({"id": snapshot.id, "file": str(output), "manifest": snapshot.manifest})
    else:
        _contents(snapshot, screen)
        screen.say(f"saved as {screen.colour(str(output), 'bold')}, {size(output.stat().st_size)}")
    return _whole(snapshot)


def plan(options: Namespace, screen: Screen) -> int:
    """``handoff plan``"""
    planned = plan_(Workspace(options.roots), **_what(options), progress=screen.progress)
    if options.json:
        screen.json(planned.to_dict())
        return 0
    for repo in planned.repos:
        screen.say(screen.colour(repo.name, "bold"))
        for file in repo.files:
            screen.say(f"  {file.change:<15} {file.path} ({size(file.bytes)})")
        for omission in repo.omissions:
            screen.say(screen.colour(f"  stays: {omission.reason:<8} {omission.path}", "yellow"))
        if repo.failed is not None:
            screen.say(screen.colour(f"  cannot be captured: {repo.failed.get('message')}", "red"))
    screen.say(f"{len(planned.files)} files, {size(planned.bytes)}")
    return 0 if all(repo.failed is None for repo in planned.repos) else 1


def preview(options: Namespace, screen: Screen) -> int:
    """``handoff preview``"""
    snapshot = Snapshot.open(options.file)
    return report(
        preview_(snapshot, Workspace(options.roots), **how(options), progress=screen.progress), options, screen
    )


def apply(options: Namespace, screen: Screen) -> int:
    """``handoff apply``"""
    snapshot = Snapshot.open(options.file)
    return report(apply_(snapshot, Workspace(options.roots), **how(options), progress=screen.progress), options, screen)


def undo(options: Namespace, screen: Screen) -> int:
    """``handoff undo``"""
    return report(undo_(Workspace(options.roots), options.apply_id, progress=screen.progress), options, screen)


def show(options: Namespace, screen: Screen) -> int:
    """``handoff show``"""
    snapshot = Snapshot.open(options.file)
    if options.path is None:
        if options.json:
            screen.json({"id": snapshot.id, "manifest": snapshot.manifest})
        else:
            _contents(snapshot, screen)
        return _whole(snapshot)
    repo, path = _split(snapshot, options.path)
    content = snapshot.read(repo, path, options.layer)
    if content is None:
        raise InvalidArgumentError(
            f"{options.path} is not carried in layer {options.layer}; `handoff show` lists what is", argument="path"
        )
    sys.stdout.buffer.write(content)
    return 0


def diff(options: Namespace, screen: Screen) -> int:
    """``handoff diff``"""
    snapshot = Snapshot.open(options.file)
    found = snapshot.diff_base() if options.newer is None else snapshot.diff(Snapshot.open(options.newer))
    if options.json:
        screen.json({"repos": [repo.to_dict() for repo in found.repos]})
        return 0
    sys.stdout.flush()
    sys.stdout.buffer.write(found.unified)
    return 0


def report(found: ApplyReport, options: Namespace, screen: Screen) -> int:
    """Prints a report; the exit code says whether all is in place."""
    if options.json:
        screen.json({"report": found.to_dict(), "text": str(found)})
    else:
        colour = {"complete": "green", "partial": "yellow"}.get(found.verdict, "red")
        head, _, rest = str(found).partition("\n")
        screen.say(screen.colour(head, colour) + "\n" + rest.rstrip())
    return 0 if found.verdict == "complete" else 1


def how(options: Namespace) -> dict[str, Any]:
    """The options of an apply."""
    return {"on_conflict": options.on_conflict, "staging": options.staging}


def _what(options: Namespace) -> dict[str, Any]:
    return {
        "exclude": options.exclude,
        "include_ignored": options.include_ignored,
        "allow_secrets": [(path, rule) for path, rule in options.allow_secret],
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
    return 1 if left or failed or snapshot.partial else 0


def _split(snapshot: Snapshot, path: str) -> tuple[str, str]:
    for repo in snapshot.manifest.get("repos", ()):
        name = repo["name"]
        if path.startswith(name + "/"):
            return name, path[len(name) + 1 :]
    return "", path
