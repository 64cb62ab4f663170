"""Following a run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from ._held import Held, start
from ._value import Value
from .conversation import Message
from .errors import InvalidArgumentError
from .operation import Operation
from .run import Run

__all__ = ["Cursor", "RunEvent", "Watch"]


@dataclass(frozen=True)
class Cursor(Value):
    """How far a watcher has come; plain data to keep, and to go on with later or elsewhere."""

    messages: int = 0
    """Messages seen."""
    records: int = 0
    """Run records seen."""


@dataclass(frozen=True)
class RunEvent(Value):
    """Something that happened in a run."""

    kind: str
    """``message`` or ``run``."""
    index: int | None = None
    """For a message: its number in the conversation, from 0."""
    message: Any = None
    """The :class:`~handoff.conversation.Message`."""
    run: Run | None = None
    """The run's record, after a change of it."""
    cursor: Cursor = Cursor()
    """To go on after this event."""


class Watch:
    """The events of one run; see :meth:`Handoff.watch`."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._arguments = arguments
        self._held: Held | None = None
        self._closed = self._ended = False
        self.cursor: Cursor = Cursor()
        """How far it has come: after the last event."""

    def _opened(self, value: Any, body: bytes | None) -> Held:
        held = Held()
        held._handle = value["handle"]
        return held

    def _next(self, held: Held) -> Operation[RunEvent | None]:
        hub: Held = self._arguments["hub"]
        held._ports = hub._ports
        return start("watch.next", {"watch": held}, _event)

    def __aiter__(self) -> AsyncIterator[RunEvent]:
        return self

    async def __anext__(self) -> RunEvent:
        self._refuse_closed()
        if self._ended:
            raise StopAsyncIteration
        if self._held is None:
            opened: Held = await start("handoff.watch", self._arguments, self._opened)
            self._held = opened
        event = await self._next(self._held)
        if event is None:
            self._end()
            raise StopAsyncIteration
        self.cursor = event.cursor
        return event

    def __iter__(self) -> Watch:
        return self

    def __next__(self) -> RunEvent:
        self._refuse_closed()
        if self._ended:
            raise StopIteration
        if self._held is None:
            self._held = start("handoff.watch", self._arguments, self._opened).result()
        event = self._next(self._held).result()
        if event is None:
            self._end()
            raise StopIteration
        self.cursor = event.cursor
        return event

    def close(self) -> None:
        """Stops watching; asking for more afterwards is an error."""
        self._closed = True
        self._release()

    def _end(self) -> None:
        self._ended = True
        self._release()

    def _release(self) -> None:
        if self._held is not None:
            self._held.close()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise InvalidArgumentError("watch is a watch that is closed", argument="watch")


def _event(value: Any, body: bytes | None) -> RunEvent | None:
    if value is None:
        return None
    event = RunEvent.from_dict(value)
    if event.message is not None:
        object.__setattr__(event, "message", Message.from_dict(event.message))
    return event
