"""Objects that stand for something in the core."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from . import _native
from ._port import Port, describe
from .errors import InvalidArgumentError
from .operation import Operation, finish
from .progress import Progress

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")
H = TypeVar("H", bound="Held")


class Held:
    """Base of what has a handle. Also a context manager, which closes it."""

    _handle: _native.Handle
    _ports: tuple[Port, ...] = ()

    def close(self) -> None:
        """Lets go of it and of what belongs to it; any use afterwards is an error. May be called again."""
        self._handle.close()

    def __enter__(self: H) -> H:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def ports_of(*values: object) -> tuple[Port, ...]:
    """The Python objects that the core calls when it works with these."""
    found: dict[int, Port] = {}
    for value in values:
        if isinstance(value, list):
            found.update((id(port), port) for port in ports_of(*value))
        elif isinstance(value, Held):
            found.update((id(port), port) for port in value._ports)
        elif isinstance(value, Port):
            found[id(value)] = value
    return tuple(found.values())


def start(
    op: str,
    arguments: Mapping[str, object],
    make: Callable[[Any, bytes | None], T],
    body: bytes | None = None,
    event: Callable[[Any], Any] = Progress.from_dict,
) -> Operation[T]:
    """Starts an operation of the core's. Arguments that are ``None`` are left out."""
    ports = ports_of(*arguments.values())
    for port in ports:
        port.bind()
    packed = {name: _packed(value) for name, value in arguments.items() if value is not None}

    def loops() -> list[asyncio.AbstractEventLoop]:
        found = (port.running_loop() for port in ports)
        return [loop for loop in found if loop is not None]

    return Operation(_native.start(op, packed, body), make, event, loops)


def call(
    op: str,
    arguments: Mapping[str, object],
    make: Callable[[Any, bytes | None], T],
    body: bytes | None = None,
) -> T:
    """The result of an operation that takes no time worth reporting."""
    operation = start(op, arguments, make, body)
    # Nothing here waits for calls that need an event loop.
    operation._loops = list
    return finish(operation)


def _packed(value: object) -> object:
    if isinstance(value, Held):
        return value._handle
    if isinstance(value, Port):
        return value.native
    if isinstance(value, list):
        return [_packed(item) for item in value]
    return value


def value_only(value: Any, body: bytes | None) -> Any:
    """An answer that is a value."""
    return value


def handle_only(value: Any, body: bytes | None) -> Any:
    """An answer that is a handle."""
    return value["handle"]


def nothing(value: Any, body: bytes | None) -> None:
    """An answer that says nothing."""


def instance(value: object, cls: type[T], argument: str) -> T:
    """``value``, which must be a ``cls``."""
    if not isinstance(value, cls):
        raise InvalidArgumentError(f"{argument} is {describe(value)}; pass a {cls.__name__}", argument=argument)
    return value


def text(value: object, argument: str) -> str:
    """``value``, which must be a string."""
    return instance_named(value, str, argument, "string")


def instance_named(value: object, cls: type[T], argument: str, noun: str) -> T:
    """``value``, which must be a ``cls``, called ``noun`` in messages."""
    if not isinstance(value, cls):
        raise InvalidArgumentError(f"{argument} is {describe(value)}; pass a {noun}", argument=argument)
    return value


def content(value: object, argument: str) -> bytes:
    """Bytes, from anything that is bytes."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise InvalidArgumentError(f"{argument} is {describe(value)}; pass bytes", argument=argument)


def mapping(value: object, argument: str) -> dict[Any, Any]:
    """A mapping, as a dict."""
    if not isinstance(value, Mapping):
        raise InvalidArgumentError(f"{argument} is {describe(value)}; pass a mapping", argument=argument)
    return dict(value)


def strings(value: object, argument: str, noun: str = "strings") -> list[Any]:
    """A sequence of strings, or of what ``noun`` says; one string alone is a mistake."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise InvalidArgumentError(f"{argument} is {describe(value)}; pass a list of {noun}", argument=argument)
    return list(value)
