"""The command line: ``python -m handoff``, or ``handoff``.

Exit codes: 0 everything is in place; 1 something is not (a conflict, a path that was left behind, a run that failed);
2 the command was wrong; 3 nothing could be done, and the error says why; 130 interrupted.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

from ..errors import HandoffError, InvalidArgumentError
from .arguments import parser
from .screen import Screen

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    options = parser().parse_args(arguments)
    screen = Screen(plain=options.json)
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
        screen.clear()
        if options.json:
            print(json.dumps({"error": error.to_dict()}, ensure_ascii=True))
        else:
            screen.error(str(error))
        return 2 if isinstance(error, InvalidArgumentError) else 3
    return code
