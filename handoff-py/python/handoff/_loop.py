"""Event loops, for whoever has one: importing asyncio takes a fifth of a short script's time, and many need none."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


def running() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs on this thread."""
    # Every event loop has imported this.
    events = sys.modules.get("asyncio.events")
    try:
        return None if events is None else events.get_running_loop()
    except (AttributeError, RuntimeError):
        # None runs; or another thread is importing it just now.
        return None


def cancelled(error: BaseException) -> bool:
    """Whether it is what a task that was cancelled raises."""
    exceptions = sys.modules.get("asyncio.exceptions")
    return exceptions is not None and isinstance(error, exceptions.CancelledError)
