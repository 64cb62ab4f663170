"""Progress, and stopping what is under way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from ._value import Value

__all__ = ["CancelToken", "Progress", "ProgressFn"]


@dataclass(frozen=True)
class Progress(Value):
    """How far an operation has come. Reported some twenty times a second, and at the start and end of each phase."""

    phase: str
    """What is being done: ``scan``, ``read``, ``plan``, ``write``, ``verify``, ``undo`` or ``bundle``."""
    done: int = 0
    """Items finished in this phase."""
    total: int = 0
    """Items in this phase; 0 while unknown."""
    bytes: int = 0
    """Bytes of content handled in this phase."""
    path: str | None = None
    """The path at hand, as text for people."""


ProgressFn = Callable[[Progress], object]
"""What is called with progress: on the thread that made the call."""


class CancelToken:
    """Stops operations from elsewhere: another thread, a signal handler, a button.

    Pass one token to any number of calls. Once cancelled it stays so, and calls that get it later stop at once.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._cancelled = False
        self._watching: list[Callable[[], object]] = []

    def cancel(self) -> None:
        """Asks every operation that has this token to stop. Never blocks; cannot be taken back."""
        with self._lock:
            self._cancelled = True
            watching, self._watching = self._watching, []
        for stop in watching:
            stop()

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._cancelled

    def _watch(self, stop: Callable[[], object]) -> None:
        with self._lock:
            if not self._cancelled:
                self._watching.append(stop)
                return
        stop()

    def _forget(self, stop: Callable[[], object]) -> None:
        with self._lock:
            if stop in self._watching:
                self._watching.remove(stop)
