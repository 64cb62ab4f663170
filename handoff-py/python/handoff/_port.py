"""Python objects that implement ports: how the core calls them.

``async def`` methods run as tasks on the event loop of whoever last used the object there, plain ones on threads of their
own. Where no event loop runs, one in a thread of its own takes its place.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from . import _native
from ._threads import THREADS
from .errors import HandoffError, InvalidArgumentError

Answer = tuple[Any, "bytes | None"]
"""A value and bytes, as the core takes them."""

Method = Callable[[Any, Any, "bytes | None"], "tuple[Callable[[], Any], Callable[[Any], Answer]]"]
"""From an object, arguments and bytes: what to call, and what its result means."""


class Port:
    """One Python object as the core calls it."""

    def __init__(self, target: Any, noun: str, methods: dict[str, Method]) -> None:
        self.target = target
        self.noun = noun
        self.methods = methods
        self.loop: asyncio.AbstractEventLoop | None = None
        self.context: contextvars.Context | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        # What the core holds must not hold what holds the core's handle.
        self.native: _native.Port = _native.Port(self.dispatch)
        self.bind()

    def bind(self) -> None:
        """Calls from now on go to the event loop that runs here, if one does."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if loop is not self.loop:
            self.loop = loop
            self.context = contextvars.copy_context()
            # Tasks of a loop that was closed will not end.
            self.tasks = {task for task in self.tasks if not task.get_loop().is_closed()}

    def join(self, other: Port) -> None:
        """Calls go where those of ``other`` go, unless an event loop is known."""
        if self.running_loop() is None:
            self.loop, self.context = other.running_loop(), other.context

    def running_loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that calls go to, if there is one."""
        return None if self.loop is None or self.loop.is_closed() else self.loop

    def dispatch(self, call: _native.Call) -> None:
        """Answers a call of the core's, which is made on one of its threads."""
        function, meaning = self.methods[call.method](self.target, call.args, call.body)
        job = _Job(self, call, meaning)
        if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "func", None)):
            self.begin(job, function)
        else:
            THREADS.run(partial(job.call, function))

    def begin(self, job: _Job, function: Callable[[], Any]) -> None:
        """Runs ``function``, which gives something to await, on the event loop."""
        start = partial(self._start, job, function)
        loop = self.running_loop()
        if loop is not None:
            try:
                loop.call_soon_threadsafe(start, context=self.context)
                return
            except RuntimeError:
                # Closed just now.
                pass
        background().call_soon_threadsafe(start)

    def _start(self, job: _Job, function: Callable[[], Any]) -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(job.drive(function))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        job.native.on_cancel(partial(_cancel, loop, weakref.ref(task)))


class _Job:
    """One call, until it is answered."""

    def __init__(self, port: Port, native: _native.Call, meaning: Callable[[Any], Answer]) -> None:
        self.port = port
        self.native = native
        self.meaning = meaning

    def call(self, function: Callable[[], Any]) -> None:
        """On a thread."""
        try:
            found = function()
        except BaseException as error:
            self.fail(error)
            return
        if inspect.isawaitable(found):
            self.port.begin(self, partial(_itself, found))
        else:
            self.answer(found)

    async def drive(self, function: Callable[[], Any]) -> None:
        """On the event loop."""
        try:
            found = function()
            if inspect.isawaitable(found):
                found = await found
        except BaseException as error:
            self.fail(error)
            if not isinstance(error, Exception):
                raise
        else:
            self.answer(found)

    def answer(self, found: Any) -> None:
        try:
            self.native.done(*self.meaning(found))
        except (InvalidArgumentError, Nonsense) as error:
            self.fail(Nonsense(self.says(str(error))))
        except Exception as error:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        kind, retryable = None, None
        if isinstance(error, HandoffError):
            kind, retryable, message = error.kind, error.retryable, str(error)
        elif isinstance(error, asyncio.CancelledError):
            kind, message = "cancelled", "the task was cancelled"
        elif isinstance(error, Nonsense):
            message = str(error)
        else:
            flag = getattr(error, "retryable", None)
            retryable = flag if isinstance(flag, bool) else None
            message = self.says(f"raised {type(error).__name__}: {error}")
        self.native.failed(error, message, kind, retryable)

    def says(self, what: str) -> str:
        return f"{self.native.method} of this {self.port.noun} ({type(self.port.target).__name__}) {what}"


class Nonsense(TypeError):
    """An implementer returned what it must not."""


def nonsense(found: object, wanted: str) -> Nonsense:
    """The error for a result of the wrong type."""
    return Nonsense(f"returned {describe(found)}; it has to return {wanted}")


def describe(found: object) -> str:
    """What an object is, for messages: never what is in it."""
    return "None" if found is None else f"an object of type {type(found).__name__}"


async def _wait_for(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _itself(found: Any) -> Any:
    return found


def _cancel(loop: asyncio.AbstractEventLoop, task: weakref.ref[asyncio.Task[None]]) -> None:
    found = task()
    if found is not None and not loop.is_closed():
        loop.call_soon_threadsafe(found.cancel)


_lock = threading.Lock()
_background: tuple[int, asyncio.AbstractEventLoop] | None = None


def background() -> asyncio.AbstractEventLoop:
    """The event loop for where none runs, in a thread of its own."""
    global _background
    with _lock:
        if _background is None or _background[0] != os.getpid():
            loop = asyncio.new_event_loop()
            threading.Thread(target=_run, args=(loop,), name="handoff-loop", daemon=True).start()
            _background = (os.getpid(), loop)
        return _background[1]


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def require(target: object, argument: str, noun: str, methods: Iterable[str]) -> None:
    """Refuses what is no implementation, naming what it lacks."""
    if isinstance(target, type):
        why = f"is the class {target.__name__}; pass an instance of it"
    else:
        lacking = [name for name in methods if not callable(getattr(target, name, None))]
        if not lacking:
            return
        why = f"is {describe(target)}, which is no {noun}: it lacks {', '.join(lacking)}"
    raise InvalidArgumentError(f"{argument} {why}", argument=argument)
