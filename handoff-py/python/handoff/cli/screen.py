"""What is shown: colours and bars on a terminal, plain text elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from ..progress import Progress

_COLOURS = {"bold": "1", "green": "32", "yellow": "33", "red": "31", "dim": "2"}
_EVERY = 0.1
"""Seconds between two pictures of a bar."""


class Screen:
    """Where output goes."""

    def __init__(self, *, plain: bool) -> None:
        self.plain = plain
        self._bar = not plain and _is_terminal(sys.stderr)
        self._shown = 0.0
        self._drawn = False

    def say(self, text: str = "") -> None:
        """One line of the result."""
        self.clear()
        # Names that are not UTF-8 are shown as they can be.
        print(text.encode("utf-8", "backslashreplace").decode("utf-8"))

    def json(self, value: Any) -> None:
        """The result for another program. What is absent is left out."""
        print(json.dumps(_present(value), indent=2, ensure_ascii=True, sort_keys=True))

    def colour(self, text: str, name: str, stream: TextIO | None = None) -> str:
        """``text`` in a colour, where there are any."""
        if os.environ.get("NO_COLOR") or not _is_terminal(stream or sys.stdout):
            return text
        return f"\x1b[{_COLOURS[name]}m{text}\x1b[0m"

    def error(self, text: str) -> None:
        """Why nothing could be done."""
        self.clear()
        word = self.colour("error:", "red", sys.stderr)
        print(word, text.encode("utf-8", "backslashreplace").decode("utf-8"), file=sys.stderr)

    def progress(self, progress: Progress) -> None:
        """One picture of how far it is."""
        now = time.monotonic()
        if not self._bar or now - self._shown < _EVERY:
            return
        self._shown, self._drawn = now, True
        width = shutil.get_terminal_size().columns - 1
        counts = f"{progress.done}/{progress.total}" if progress.total else f"{progress.done}"
        line = f"{progress.phase:>7} {_bar(progress)} {counts} {_size(progress.bytes)} {progress.path or ''}"
        sys.stderr.write("\r\x1b[K" + line[:width])
        sys.stderr.flush()

    def clear(self) -> None:
        """Takes the bar away."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn = False


def _present(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _present(item) for name, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_present(item) for item in value]
    return value


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def _bar(progress: Progress) -> str:
    if not progress.total:
        return "[" + " " * 20 + "]"
    full = min(20, 20 * progress.done // progress.total)
    return "[" + "#" * full + " " * (20 - full) + "]"


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def size(count: int) -> str:
    """A number of bytes for people."""
    return _size(count)
