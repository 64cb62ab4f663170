"""The command line: ``python -m handoff``, or ``handoff``.

Exit codes: 0 everything is in place; 1 nothing could be done, and the error says why; 2 the command was wrong; 3 done in
part (a conflict, a path that was left behind, a run that did not succeed or has nothing to bring home); 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from .. import __version__
from ..errors import HandoffError, InvalidArgumentError
from .arguments import parse, usage
from .screen import Screen

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("help", "--help", "-h"):
        print(usage(), end="")
        return 0 if given else 2
    if given[0] == "--version":
        print(__version__)
        return 0
    options = parse(given[0], given[1:])
    if options is None:
        print(f"handoff: no command is called {given[0]}; see handoff --help", file=sys.stderr)
        return 2
    screen = Screen(plain=options.json or options.quiet)
    try:
        code: int = options.run(options, screen)
    except KeyboardInterrupt:
        screen.clear()
        print("interrupted; nothing was left half done", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read has what they wanted. What is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except HandoffError as error:
        told = _told(error)
        if options.json:
            screen.json({"error": told})
        screen.error(str(told["message"]))
        return 2 if isinstance(error, InvalidArgumentError) else 1
    return code


def _told(error: HandoffError) -> dict[str, object]:
    """The error, with the argument named as it is on this command line."""
    told = error.to_dict()
    if error.argument is not None:
        told["argument"] = error.argument.replace("_", "-")
        if str(error).startswith(error.argument + " "):
            told["message"] = told["argument"] + str(error)[len(error.argument) :]
    return told
