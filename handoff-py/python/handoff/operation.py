"""Something that is under way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from . import _loop
from .errors import HandoffError, InvalidArgumentError
from .progress import CancelToken, Progress, ProgressFn

if TYPE_CHECKING:
    import asyncio

    from . import _native

__all__ = ["Operation"]

T = TypeVar("T")

_SLICE = 0.05
"""Seconds after which a thread that waits lets signal handlers run."""


class Operation(Generic[T]):
    """Something under way, which began when it was made.

    - ``await`` it for its result, any number of times. A task that is cancelled meanwhile, also by
      :func:`asyncio.wait_for` or Ctrl-C in :func:`asyncio.run`, cancels the operation, and the cancellation returns after
      the core has cleaned up.
    - ``async for`` goes over its progress, up to its end; ``await`` it after.
    - ``async with`` cancels it on the way out, unless it has ended, and waits until it has cleaned up.
    - :meth:`result` waits in code that is not asynchronous.

    Made by this package, not by you.
    """

    def __init__(
        self,
        native: _native.Operation,
        make: Callable[[Any, bytes | None], T],
        event: Callable[[Any], Any] = Progress.from_dict,
        loops: Callable[[], list[asyncio.AbstractEventLoop]] = list,
    ) -> None:
        self._native = native
        self._make = make
        self._event = event
        self._loops = loops
        self._lock = threading.Lock()
        self._settled: tuple[Any, Exception | None] | None = None
        self._asked = False

    def cancel(self) -> None:
        """Asks it to stop. It ends with :class:`~handoff.errors.CancelledError` after it has cleaned up."""
        self._native.cancel()

    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self._native.settled

    def result(self, timeout: float | None = None) -> T:
        """Waits for the end, at most ``timeout`` seconds, and returns the result.

        Ctrl-C cancels the operation and is raised once the core has cleaned up. A ``TimeoutError`` leaves it running.

        In a coroutine, ``await`` the operation instead: waiting here would keep the event loop from what it may need.
        """
        _refuse_on_loop(self._loops())
        until = None if timeout is None else time.monotonic() + timeout
        try:
            while not self._native.wait(_SLICE if until is None else min(_SLICE, until - time.monotonic())):
                if until is not None and time.monotonic() >= until:
                    raise TimeoutError(f"the operation did not end within {timeout} seconds; it goes on")
        except TimeoutError:
            raise
        except BaseException:
            self._stop()
            raise
        return self._finish()

    def __await__(self) -> Generator[Any, None, T]:
        return self._wait().__await__()

    async def _wait(self) -> T:
        await self._settle(self._native.on_settled)
        return self._finish()

    async def _settle(self, register: Callable[[Callable[[], object]], object]) -> None:
        """Waits for what calls back; when cancelled meanwhile, for the end of the operation."""
        import asyncio

        loop = asyncio.get_running_loop()
        called = loop.create_future()
        register(partial(_wake, loop, called))
        try:
            await asyncio.shield(called)
        except asyncio.CancelledError:
            await self._cancel_and_settle()
            raise

    async def _cancel_and_settle(self) -> None:
        import asyncio

        self._native.cancel()
        loop = asyncio.get_running_loop()
        settled = loop.create_future()
        self._native.on_settled(partial(_wake, loop, settled))
        again = False
        while not settled.done():
            try:
                await asyncio.wait([settled])
            except asyncio.CancelledError:
                # Asked already; what is left behind otherwise would be ours.
                again = True
        if again:
            raise asyncio.CancelledError

    async def __aenter__(self) -> Operation[T]:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._native.settled:
            await self._cancel_and_settle()

    def __aiter__(self) -> Operation[T]:
        return self

    async def __anext__(self) -> Any:
        if not self._asked:
            self._asked = True
            await self._settle(self._native.ask_event)
        else:
            raise RuntimeError("one at a time: another task is iterating over this operation")
        self._asked = False
        there, event = self._native.take_event()
        if not there or event is None:
            raise StopAsyncIteration
        return self._event(event)

    def _stop(self) -> None:
        """Cancels and waits, whatever else comes."""
        self._native.cancel()
        while True:
            try:
                while not self._native.wait(_SLICE):
                    pass
                return
            except KeyboardInterrupt:
                continue
            except HandoffError:
                return

    def _finish(self) -> T:
        with self._lock:
            if self._settled is None:
                try:
                    self._settled = (self._make(*self._native.take()), None)
                except Exception as error:
                    self._settled = (None, error)
            made, failed = self._settled
        if failed is not None:
            raise failed
        return cast(T, made)

    def __repr__(self) -> str:
        return f"<Operation {'ended' if self.done() else 'under way'}>"


def _wake(loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> None:
    """Called on any thread."""
    loop.call_soon_threadsafe(_set, future)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _refuse_on_loop(loops: list[asyncio.AbstractEventLoop]) -> None:
    if loops and _loop.running() in loops:
        raise RuntimeError("this would wait for calls of your own code, which need this event loop; await it instead")


def finish(
    operation: Operation[T],
    progress: ProgressFn | None = None,
    cancel: CancelToken | None = None,
) -> T:
    """The result, waited for on this thread, with progress reported here."""
    native = operation._native
    for given, name, right in (
        (progress, "progress", progress is None or callable(progress)),
        (cancel, "cancel", cancel is None or isinstance(cancel, CancelToken)),
    ):
        if not right:
            operation._stop()
            noun = "function" if name == "progress" else "CancelToken"
            message = f"{name} is an object of type {type(given).__name__}; pass a {noun}"
            raise InvalidArgumentError(message, argument=name)
    if cancel is not None:
        cancel._watch(native.cancel)
    try:
        if progress is not None:
            _report(operation, progress)
        return operation.result()
    finally:
        if cancel is not None:
            cancel._forget(native.cancel)


def _report(operation: Operation[Any], progress: ProgressFn) -> None:
    native = operation._native
    _refuse_on_loop(operation._loops())
    try:
        native.ask_event(_nothing)
        while True:
            native.wait(_SLICE)
            there, event = native.take_event()
            if not there:
                if native.settled:
                    time.sleep(0)
                continue
            if event is None:
                return
            progress(Progress.from_dict(event))
            native.ask_event(_nothing)
    except BaseException:
        operation._stop()
        raise


def _nothing() -> None:
    pass
