"""Telling people who are not looking."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, runtime_checkable

from ._port import Answer, Port, require
from ._value import Value
from .run import Run

__all__ = ["Notice", "Notify"]


@dataclass(frozen=True)
class Notice(Value):
    """What there is to tell."""

    kind: str
    """``ended`` or ``input_required``."""
    run: Run
    """The run."""


@runtime_checkable
class Notify(Protocol):
    """Who is told when a run ends or waits for an answer. ``notify`` may be ``async def`` or plain.

    Called at least once for each notice, after it is durable; a notice may come again after a crash. An exception is
    recorded and does not fail the run.
    """

    def notify(self, notice: Notice) -> Awaitable[None] | None:
        """Tells somebody."""
        ...


def as_notify(value: Any, argument: str) -> Port | None:
    """Who is told; absent is nobody."""
    if value is None:
        return None
    require(value, argument, "notify", ("notify",))
    return Port(value, "notify", _METHODS)


def _nothing(found: Any) -> Answer:
    return None, None


_METHODS: dict[str, Any] = {
    "notify": lambda it, args, body: (partial(it.notify, Notice.from_dict(args["notice"])), _nothing),
}
