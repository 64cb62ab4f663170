"""Python objects that implement ports: how the core calls them.

``async def`` methods run as tasks on the event loop of whoever last used the object there, plain ones on threads of their
own. Where no event loop runs, one in a thread of its own takes its place.
"""

from __future__ import annotations

import contextvars
import inspect
import os
import threading
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from . import _loop, _native
from ._threads import THREADS
from .errors import HandoffError, InvalidArgumentError

if TYPE_CHECKING:
    import asyncio

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
        self.bind()

    @property
    def native(self) -> _native.Port:
        """For the core. Not kept here: it holds this object, and no garbage collector sees through it."""
        return _native.Port(self.dispatch)

    def bind(self) -> None:
        """Calls from now on go to the event loop that runs here, if one does."""
        loop = _loop.running()
        if loop is not None and loop is not self.loop:
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
        import asyncio

        loop = asyncio.get_running_loop()
        task = loop.create_task(job.drive(function))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        task.add_done_callback(job.ended)
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
            if inspect.isawaitable(found):
                self.port.begin(self, partial(_itself, found))
            else:
                self.answer(found)
        except BaseException as error:
            self.fail(error)

    async def drive(self, function: Callable[[], Any]) -> None:
        """On the event loop."""
        try:
            found = function()
            if inspect.isawaitable(found):
                found = await found
            self.answer(found)
        except BaseException as error:
            self.fail(error)
            if not isinstance(error, Exception):
                raise

    def ended(self, task: asyncio.Task[None]) -> None:
        """Also a task that was cancelled before it began has answered then."""
        if task.cancelled():
            import asyncio

            self.fail(asyncio.CancelledError())
        else:
            # Asked for, so that nobody is told that it never was: the caller has it.
            task.exception()

    def answer(self, found: Any) -> None:
        try:
            self.native.done(*self.meaning(found))
        except (InvalidArgumentError, Nonsense) as error:
            self.fail(Nonsense(self.says(text_of(error))))

    def fail(self, error: BaseException) -> None:
        """Answers with ``error``, whatever it is like: nobody else would, and somebody waits."""
        kind, retryable, message = None, None, ""
        try:
            kind, retryable, message = self.told(error)
        except BaseException:
            # Something of the implementer's raises where nothing should. The error itself is the cause all the same.
            message = f"{self.native.method} of this {self.port.noun} raised an error that tells nothing of itself"
        self.native.failed(error, message, kind, retryable)

    def told(self, error: BaseException) -> tuple[str | None, bool | None, str]:
        """The kind, whether it may succeed later, and the text."""
        flag = getattr(error, "retryable", None)
        retryable = flag if isinstance(flag, bool) else None
        if isinstance(error, HandoffError):
            # A class of the implementer's may have left out what ours sets.
            kind = getattr(error, "kind", error.KIND)
            return _safe(kind) if isinstance(kind, str) else error.KIND, retryable, text_of(error)
        if _loop.cancelled(error):
            return "cancelled", None, "the task was cancelled"
        if isinstance(error, Nonsense):
            return None, None, text_of(error)
        return None, retryable, self.says(f"raised {type(error).__name__}: {text_of(error)}")

    def says(self, what: str) -> str:
        return _safe(
            f"{self.native.method} of this {self.port.noun} ({type(self.port.target).__name__}) {what}",
        )


class Nonsense(TypeError):
    """An implementer returned what it must not."""


def nonsense(found: object, wanted: str) -> Nonsense:
    """The error for a result of the wrong type."""
    return Nonsense(f"returned {describe(found)}; it has to return {wanted}")


def describe(found: object) -> str:
    """What an object is, for messages: never what is in it."""
    return "None" if found is None else f"an object of type {type(found).__name__}"


def text_of(error: BaseException) -> str:
    """What an exception says, as text that can be passed on; never raises, whatever the exception does."""
    try:
        return _safe(str(error))
    except BaseException as another:
        return _safe(f"(its text cannot be had: {type(another).__name__})")


def _safe(text: str) -> str:
    """``text`` without surrogates, which come from names of files that are not UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


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
    import asyncio

    with _lock:
        if _background is None or _background[0] != os.getpid():
            loop = asyncio.new_event_loop()
            threading.Thread(target=_run, args=(loop,), name="handoff-loop", daemon=True).start()
            _background = (os.getpid(), loop)
        return _background[1]


def _run(loop: asyncio.AbstractEventLoop) -> None:
    import asyncio

    asyncio.set_event_loop(loop)
    while not loop.is_closed():
        try:
            loop.run_forever()
        except BaseException:
            # An implementer's SystemExit: its caller has it, and the calls of others need this loop.
            continue


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
