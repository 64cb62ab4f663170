"""The arguments of every command."""

from __future__ import annotations

import argparse
import getpass
from typing import Any

from .. import __version__
from . import runs, work

_EPILOG = """\
exit codes:
  0    everything is in place
  1    something is not: a conflict, a path that was left behind, a run that did not succeed
  2    the command was wrong
  3    nothing could be done; the error says why
  130  interrupted

NO_COLOR turns colours off; --json prints what a program can read. Bars are shown on a terminal only.
"""


def parser() -> argparse.ArgumentParser:
    """The parser."""
    top = argparse.ArgumentParser(
        prog="handoff",
        description="Move an agent's uncommitted work and conversation between machines, losing nothing silently.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"handoff {__version__}")
    commands = top.add_subparsers(metavar="command", required=True)
    _work(commands)
    _runs(commands)
    return top


def _add(commands: Any, name: str, help: str, run: Any) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(name, help=help, description=help)
    added.add_argument("--json", action="store_true", help="print JSON")
    added.set_defaults(run=run)
    return added


def _roots(command: argparse.ArgumentParser) -> None:
    command.add_argument("roots", nargs="*", default=["."], help="checkouts (default: this directory's)")


def _what(command: argparse.ArgumentParser) -> None:
    _roots(command)
    command.add_argument(
        "--exclude", action="append", default=[], metavar="PATTERN", help="leave out, as in .gitignore"
    )
    command.add_argument(
        "--include-ignored", action="append", default=[], metavar="PATTERN", help="carry these ignored files"
    )
    command.add_argument(
        "--allow-secret", action="append", default=[], nargs=2, metavar=("PATH", "RULE"), help="let this secret travel"
    )


def _how(command: argparse.ArgumentParser) -> None:
    command.add_argument("--on-conflict", choices=["keep", "markers", "theirs"], help="default: keep what is there")
    command.add_argument("--staging", choices=["restore", "leave"], help="default: restore what was staged")


def _work(commands: Any) -> None:
    command = _add(commands, "capture", "take everything uncommitted, into one file", work.capture)
    _what(command)
    command.add_argument("-o", "--output", default="work.handoff", metavar="FILE", help="default: work.handoff")
    command = _add(commands, "plan", "list what a capture would carry, without reading it", work.plan)
    _what(command)
    for name, help, run in (
        ("preview", "say what apply would do, without writing", work.preview),
        ("apply", "put a captured state into checkouts", work.apply),
    ):
        command = _add(commands, name, help, run)
        command.add_argument("file", help="a .handoff file")
        _roots(command)
        _how(command)
    command = _add(commands, "undo", "put back what an apply replaced", work.undo)
    command.add_argument("apply_id", help="as apply printed it")
    _roots(command)
    command = _add(commands, "show", "list what is in a captured state, or print one of its files", work.show)
    command.add_argument("file", help="a .handoff file")
    command.add_argument("path", nargs="?", help="REPO/PATH of a file to print")
    command.add_argument("--layer", choices=["head", "index", "worktree"], default="worktree")
    command = _add(commands, "diff", "show what changed, as git would", work.diff)
    command.add_argument("file", help="a .handoff file")
    command.add_argument("newer", nargs="?", help="another; by default, against what is committed")


def _store(command: argparse.ArgumentParser) -> None:
    command.add_argument("--store", default=".handoff-store", metavar="DIR", help="default: .handoff-store")
    command.add_argument("--actor", default=_me(), metavar="NAME", help="who asks (default: %(default)s)")


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "me"


def _runs(commands: Any) -> None:
    command = _add(commands, "fork", "fork a conversation", runs.fork)
    command.add_argument("conversation")
    command.add_argument("--at", type=int, metavar="N", help="after so many messages (default: all)")
    _store(command)
    command = _add(commands, "runs", "list runs, newest first", runs.runs)
    command.add_argument("run_id", nargs="?", help="show one of them")
    command.add_argument("--limit", type=int, default=20)
    _store(command)
    command = _add(commands, "continue", "say something more to a run, and follow it to its end", runs.continue_)
    command.add_argument("run_id")
    command.add_argument("prompt")
    command.add_argument("--agent", required=True, metavar="COMMAND", help="the program that answers")
    command.add_argument("--root", default=".handoff-runs", metavar="DIR", help="where its sessions get their places")
    command.add_argument(
        "--repo", action="append", default=[], metavar="NAME=SOURCE", help="a repository of the environment"
    )
    _store(command)
    command = _add(commands, "pull", "merge a run's result into checkouts", runs.pull)
    command.add_argument("run_id")
    _roots(command)
    _how(command)
    command.add_argument("--preview", action="store_true", help="only say what would happen")
    _store(command)
