"""Threads that plain functions of implementers are called on: as many as are needed at once, kept for a while."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable

_KEPT = 10.0
"""Seconds that a thread waits for more to do."""

Job = Callable[[], object]


class Threads:
    """A pool without a bound: a call that waits for another one must not wait for a thread as well."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[queue.SimpleQueue[Job]] = []

    def run(self, job: Job) -> None:
        """Runs ``job`` on some thread. It must not raise."""
        with self._lock:
            inbox = self._idle.pop() if self._idle else None
        if inbox is None:
            inbox = queue.SimpleQueue()
            # Not waited for at exit: who does not come to an end must not keep the interpreter from it.
            threading.Thread(target=self._work, args=(inbox,), name="handoff-call", daemon=True).start()
        inbox.put(job)

    def _work(self, inbox: queue.SimpleQueue[Job]) -> None:
        while True:
            try:
                job = inbox.get(timeout=_KEPT)
            except queue.Empty:
                with self._lock:
                    if inbox in self._idle:
                        self._idle.remove(inbox)
                        return
                # Somebody has just taken this thread and is about to say for what.
                job = inbox.get()
            job()
            # Or it would live on with this thread.
            del job
            with self._lock:
                self._idle.append(inbox)


THREADS = Threads()


def _after_fork() -> None:
    # The parent's threads are not here.
    THREADS._lock = threading.Lock()
    THREADS._idle = []


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
