"""The arguments of every command; the same as those of ``npx handoff-node``."""

from __future__ import annotations

import argparse
import os
import pwd
from collections.abc import Callable, Sequence

from . import runs, work
from .screen import Screen

Run = Callable[[argparse.Namespace, Screen], int]

HELP = """\
usage: handoff COMMAND [ARGUMENTS] [OPTIONS]

Move an agent's uncommitted work and conversation between machines, losing nothing silently.

{commands}

DIR defaults to the current directory; `handoff COMMAND --help` tells the options of one command.

exit codes:
  0    everything is in place
  1    nothing could be done; the error says why
  2    the command was wrong
  3    done in part: a conflict, a path that was left behind, a run that did not succeed or has nothing to bring home
  130  interrupted, with nothing left behind

NO_COLOR turns colours off; --json prints what a program can read. Bars are shown on a terminal only.
"""


class _Command:
    """One command: its parser, filled in below, and what it does."""

    def __init__(self, name: str, about: str, run: Run, *parts: Callable[[argparse.ArgumentParser], None]) -> None:
        self.about = about
        self.run = run
        self.parser = argparse.ArgumentParser(prog=f"handoff {name}", description=about, allow_abbrev=False)
        for part in parts:
            part(self.parser)
        self.parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
        self.parser.add_argument("-q", "--quiet", action="store_true", help="no progress")


def parse(name: str, arguments: Sequence[str]) -> argparse.Namespace | None:
    """What one command is told; ``None`` when no command is called so."""
    known = _commands().get(name)
    if known is None:
        return None
    options = known.parser.parse_intermixed_args(arguments)
    options.run = known.run
    return options


def usage() -> str:
    """The help for all commands."""
    lines = [f"  {name:<10} {command.about}" for name, command in _commands().items()]
    return HELP.format(commands="\n".join(lines))


def _roots(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("roots", nargs="*", metavar="DIR", help="checkouts (default: this directory's)")


def _file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a .handoff file")


def _run_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", metavar="RUN", help="a run's id")


def _what(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--exclude", action="append", default=[], metavar="PATTERN", help="leave out, as in .gitignore; repeatable")
    add("--include-ignored", action="append", default=[], metavar="PATTERN", help="carry these ignored files")
    add(
        "--allow-secret",
        action="append",
        default=[],
        type=_secret,
        metavar="PATH:RULE",
        help="let one file travel in spite of one rule; repeatable",
    )
    add("--max-file-bytes", type=int, metavar="N", help="largest file carried")
    add("--max-total-bytes", type=int, metavar="N", help="most content carried")
    add("--deadline", type=float, metavar="SECONDS", help="end with what there is")


def _how(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--on-conflict", metavar="keep|markers|theirs", help="default: keep what is there")
    add("--staging", metavar="restore|leave", help="default: restore what was staged")
    add("--history", metavar="leave|objects|branch", help="what becomes of unpushed commits; default: leave")
    add("--durability", metavar="full|process", help="what it survives; default: a power cut")
    add("--symlinks", metavar="inside|anywhere", help="where links may point; default: inside")


def _store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store", default=".handoff-store", metavar="DIR", help="default: .handoff-store")
    parser.add_argument("--actor", default=_me(), metavar="NAME", help="who asks (default: %(default)s)")


def _output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", default="work.handoff", metavar="FILE", help="default: work.handoff")


def _apply_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("apply_id", metavar="APPLY_ID", help="as apply printed it")


def _content(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", metavar="PATH", help="REPO/PATH of a file to print")
    parser.add_argument("--layer", metavar="head|index|worktree", help="which of its contents; default: worktree")


def _newer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("newer", nargs="?", metavar="NEWER", help="another; by default, against what is committed")


def _fork(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("conversation", metavar="CONVERSATION")
    parser.add_argument("--at", metavar="N|MESSAGE", help="after so many messages, or after this one (default: all)")


def _list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", nargs="?", metavar="RUN", help="show one of them")
    parser.add_argument("--team", metavar="TEAM", help="a team's instead of the actor's")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="default: 20")


def _say(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("prompt", metavar="PROMPT")
    add("--agent", metavar="COMMAND", help="the shell command that answers, here; the run is followed to its end")
    add("--root", default=".handoff-runs", metavar="DIR", help="where its sessions get their places")
    add("--repo", action="append", default=[], metavar="NAME=SOURCE", help="a repository of the environment")
    add("--queue", default="default", metavar="NAME", help="without --agent: whose workers go on with it")
    add("--model", metavar="MODEL", help="the model that answers")
    add("--idempotency-key", metavar="KEY", help="makes a repeated call say it once")


def _preview(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preview", action="store_true", help="only say what would happen")


def _commands() -> dict[str, _Command]:
    rows: list[tuple[str, str, Run, tuple[Callable[[argparse.ArgumentParser], None], ...]]] = [
        ("plan", "list what a capture would carry, without reading it", work.plan, (_roots, _what)),
        ("capture", "take everything uncommitted, into one file", work.capture, (_roots, _what, _output)),
        ("show", "list what is in a captured state, or print one of its files", work.show, (_file, _content)),
        ("diff", "show what changed, as git would", work.diff, (_file, _newer)),
        ("preview", "say what apply would do, without writing", work.preview, (_file, _roots, _how)),
        ("apply", "put a captured state into checkouts", work.apply, (_file, _roots, _how)),
        ("undo", "put back what an apply replaced", work.undo, (_apply_id, _roots)),
        ("fork", "fork a stored conversation", runs.fork, (_fork, _store)),
        ("runs", "list runs, newest first", runs.runs, (_list, _store)),
        ("continue", "say something more to a run", runs.continue_, (_run_id, _say, _store)),
        ("pull", "merge a run's result into checkouts", runs.pull, (_run_id, _roots, _how, _preview, _store)),
    ]
    return {name: _Command(name, about, run, *parts) for name, about, run, parts in rows}


def _secret(given: str) -> tuple[str, str]:
    path, colon, rule = given.rpartition(":")
    if not colon or not path:
        raise argparse.ArgumentTypeError(f"{given} is not PATH:RULE")
    return path, rule


def _me() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name.lower()
    except KeyError:
        return "me"
