"""What a collection of garbage did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ._value import Value

__all__ = ["Collected", "Garbage"]


@dataclass(frozen=True)
class Garbage(Value):
    """An object of a storage that nothing needs."""

    key: str
    """Its name in the storage."""
    kind: str = ""
    """``snapshot``, ``pack``, ``attachment``, ``claim`` or ``probe``."""
    size: int = 0
    """Its length in bytes."""


@dataclass(frozen=True)
class Collected(Value):
    """What a collection did, or would do."""

    removed: tuple[Garbage, ...] = ()
    """Removed now."""
    condemned: tuple[Garbage, ...] = ()
    """Unreachable, and to be removed by a later call if it still is then."""
    kept: int = 0
    """Objects that were looked at and are needed, or too young to judge."""
    unreadable: tuple[str, ...] = ()
    """Records that cannot be read: what they need is not known, so nothing was removed and nothing condemned."""
    wait: float | None = None
    """When set, nothing was looked at, since the last call is not old enough: seconds after which to call again."""


def collected_of(value: Any, body: bytes | None) -> Collected:
    """A collection's answer, with times as this language has them."""
    wait = value.get("wait")
    return Collected.from_dict({**value, "wait": None if wait is None else wait / 1000})
