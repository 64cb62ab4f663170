"""Where bytes live: the storages that come with this package, and the protocol for your own."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterable, Awaitable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from ._held import Held, call, content, handle_only, instance, nothing, start, strings, text, value_only
from ._port import Answer, Port, describe, nonsense, require
from ._value import Value
from .errors import InvalidArgumentError
from .operation import Operation
from .run import SnapshotRef
from .snapshot import Snapshot
from .workspace import StrPath

__all__ = ["Body", "DirStorage", "MemoryStorage", "Meta", "Snapshots", "Storage"]

PutNew: TypeAlias = Literal["created", "exists"]


@dataclass(frozen=True)
class Meta(Value):
    """One object in a list."""

    key: str
    """Its name."""
    size: int
    """Its length in bytes."""
    modified: float
    """When it was written, in seconds since 1970 by the storage's own clock."""


class Body(Held):
    """The body of a stream, piece by piece: ``async for`` in a coroutine, ``for`` in plain code. Good during the call."""

    def __init__(self) -> None:
        raise TypeError("a body is given to a storage's put_stream(); it is not made")

    @classmethod
    def _of(cls, handle: Any) -> Body:
        made = cls.__new__(cls)
        made._handle = handle
        return made

    def _next(self) -> Operation[bytes | None]:
        return _start_op("body.next", {"body": self}, lambda value, body: body)

    def __aiter__(self) -> Body:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._next()
        if piece is None:
            raise StopAsyncIteration
        return piece

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> bytes:
        piece = self._next().result()
        if piece is None:
            raise StopIteration
        return piece


@runtime_checkable
class Storage(Protocol):
    """Bytes under keys. Implement it for wherever your bytes live; each method may be ``async def`` or plain.

    All consistency rests on :meth:`put_new`: of any number of concurrent calls for one key, in any number of processes,
    exactly one returns ``"created"``, and its body is what every later :meth:`get` returns, whole and durable.

    Plain methods are called on threads, many at once. Raise :class:`~handoff.errors.StorageError` with ``retryable=True``
    for what may succeed later; any other exception counts as a failure that will not go away by itself.
    """

    def put_new(self, key: str, body: bytes) -> PutNew | Awaitable[PutNew]:
        """Creates an object that must not exist. Atomic, and durable on return."""
        ...

    def put(self, key: str, body: bytes) -> Awaitable[None] | None:
        """Creates or replaces an object. Only for hints, which are never trusted."""
        ...

    def put_stream(self, key: str, body: Body) -> Awaitable[None] | None:
        """Creates an object of any size under a name that nobody else uses: all of it or nothing."""
        ...

    def get(self, key: str, start: int | None, end: int | None) -> bytes | Awaitable[bytes | None] | None:
        """An object's body, or the part from ``start`` to before ``end``, cut at its end; ``None`` when there is none."""
        ...

    def list(self, prefix: str, after: str | None, limit: int) -> Sequence[Meta] | Awaitable[Sequence[Meta]]:
        """Objects below ``prefix`` (``prefix + "/"``), sorted by key, after ``after``, at most ``limit``."""
        ...

    def delete(self, keys: Sequence[str]) -> Awaitable[None] | None:
        """Deletes objects; absent ones are fine."""
        ...


class BuiltInStorage(Held):
    """A storage of the core's. Its methods return operations: ``await`` them, or ask for their ``result()``."""

    def put_new(self, key: str, body: bytes) -> Operation[PutNew]:
        """Creates an object that must not exist. Atomic, and durable on return."""
        return start("storage.put_new", {"storage": self, "key": text(key, "key")}, value_only, content(body, "body"))

    def put(self, key: str, body: bytes) -> Operation[None]:
        """Creates or replaces an object."""
        return start("storage.put", {"storage": self, "key": text(key, "key")}, nothing, content(body, "body"))

    def put_stream(self, key: str, body: Iterable[bytes] | AsyncIterable[bytes]) -> Operation[None]:
        """Creates an object of any size, piece by piece, under a name that nobody else uses: all of it or nothing."""
        arguments = {"storage": self, "key": text(key, "key"), "stream": Port(_iterator(body), "body", _BODY)}
        return _start_op("storage.put_stream", arguments, nothing)

    def get(self, key: str, start: int | None = None, end: int | None = None) -> Operation[bytes | None]:
        """An object's body, or a part of it; ``None`` when there is no such object."""
        range_ = None if start is None and end is None else {"start": start or 0, "end": end}
        arguments = {"storage": self, "key": text(key, "key"), "range": range_}
        return _start_op("storage.get", arguments, lambda value, body: body)

    def list(self, prefix: str, after: str | None = None, limit: int = 1000) -> Operation[tuple[Meta, ...]]:
        """Objects below ``prefix``, sorted by key."""
        arguments = {"storage": self, "prefix": text(prefix, "prefix"), "after": after, "limit": limit}
        return _start_op("storage.list", arguments, _metas)

    def delete(self, keys: str | Sequence[str]) -> Operation[None]:
        """Deletes objects; absent ones are fine."""
        arguments = {"storage": self, "keys": [keys] if isinstance(keys, str) else strings(keys, "keys")}
        return _start_op("storage.delete", arguments, nothing)


_start_op = start


class MemoryStorage(BuiltInStorage):
    """A storage in memory, for tests and for what need not outlive the process."""

    def __init__(self) -> None:
        self._handle = call("storage.memory", {}, handle_only)

    def __repr__(self) -> str:
        return "MemoryStorage()"


class DirStorage(BuiltInStorage):
    """A storage in a directory, safe for any number of processes, in any of this package's languages, at once.

    :param directory: created when it is not there.
    :param durability: whether what was written survives a power cut (``full``, the default) or a crash of the process.
    :param network: whether the directory may be on a network file system. Default ``refuse``.
    """

    def __init__(
        self,
        directory: StrPath,
        *,
        durability: Literal["full", "process"] | None = None,
        network: Literal["refuse", "allow"] | None = None,
    ) -> None:
        arguments = {"path": directory, "durability": durability, "network": network}
        self._handle = call("storage.dir", arguments, handle_only)
        self.directory = directory
        """Where it is."""

    def __repr__(self) -> str:
        return f"DirStorage({self.directory!r})"


class ForeignStorage(BuiltInStorage):
    """A storage of the caller's, as the core sees it."""

    def __init__(self, storage: Storage) -> None:
        port = Port(storage, "storage", _METHODS)
        self._ports = (port,)
        self._handle = call("storage.foreign", {"storage": port}, handle_only)


class Snapshots(Held):
    """The workspace states in a storage."""

    def __init__(self, storage: Storage | BuiltInStorage) -> None:
        store = as_storage(storage, "storage")
        self._ports = store._ports
        self._handle = call("snapshots.new", {"storage": store}, handle_only)

    def save(self, snapshot: Snapshot, *, parent: SnapshotRef | None = None) -> Operation[SnapshotRef]:
        """Stores a state; contents that are there already, with ``parent``, are not stored again."""
        arguments = {
            "snapshots": self,
            "snapshot": instance(snapshot, Snapshot, "snapshot"),
            "parent": None if parent is None else instance(parent, SnapshotRef, "parent").to_dict(),
        }
        return start("snapshots.save", arguments, lambda value, body: SnapshotRef.from_dict(value["reference"]))

    def load(self, reference: SnapshotRef) -> Operation[Snapshot]:
        """A stored state; contents are read when they are asked for."""
        arguments = {"snapshots": self, "reference": instance(reference, SnapshotRef, "reference").to_dict()}
        return start("snapshots.load", arguments, Snapshot._of)


def as_storage(value: Any, argument: str) -> BuiltInStorage:
    """The storage that an argument is, of the core's or the caller's."""
    if isinstance(value, BuiltInStorage):
        return value
    require(value, argument, "storage", ("put_new", "put", "put_stream", "get", "list", "delete"))
    return ForeignStorage(value)


def _metas(value: Any, body: bytes | None) -> tuple[Meta, ...]:
    return tuple(Meta(meta["key"], meta["size"], meta["modified"] / 1000) for meta in value)


def _iterator(body: Any) -> Any:
    if hasattr(body, "__aiter__"):
        return aiter(body)
    if isinstance(body, (str, bytes, bytearray, memoryview)) or not isinstance(body, Iterable):
        raise InvalidArgumentError(f"body is {describe(body)}; pass pieces of bytes", argument="body")
    return iter(body)


def _piece(it: Any, args: Any, body: bytes | None) -> Any:
    async def later() -> Any:
        try:
            return await anext(it)
        except StopAsyncIteration:
            return None

    def meaning(found: Any) -> Answer:
        if found is None:
            return None, None
        return True, content(found, "a piece of body")

    return (later if hasattr(it, "__anext__") else partial(next, it, None)), meaning


_BODY: dict[str, Any] = {"next": _piece}


def _nothing(found: Any) -> Answer:
    return None, None


def _put_new(found: Any) -> Answer:
    if found not in ("created", "exists"):
        raise nonsense(found, '"created" or "exists"')
    return found, None


def _get(found: Any) -> Answer:
    if found is None:
        return None, None
    if not isinstance(found, (bytes, bytearray, memoryview)):
        raise nonsense(found, "bytes or None")
    return True, bytes(found)


def _list(found: Any) -> Answer:
    if isinstance(found, (str, bytes)) or not isinstance(found, Iterable):
        raise nonsense(found, "a sequence of Meta")
    return [_meta(meta) for meta in found], None


def _meta(meta: Any) -> dict[str, Any]:
    modified = getattr(meta, "modified", None)
    if isinstance(modified, datetime.datetime):
        modified = modified.timestamp()
    key, size = getattr(meta, "key", None), getattr(meta, "size", None)
    if not isinstance(key, str) or not isinstance(size, int) or not isinstance(modified, (int, float)):
        raise nonsense(meta, "a sequence of Meta")
    return {"key": key, "size": size, "modified": round(modified * 1000)}


def _range(given: Any) -> tuple[int | None, int | None]:
    return (None, None) if given is None else (given["start"], given["end"])


_METHODS: dict[str, Any] = {
    "put_new": lambda it, args, body: (partial(it.put_new, args["key"], body or b""), _put_new),
    "put": lambda it, args, body: (partial(it.put, args["key"], body or b""), _nothing),
    "put_stream": lambda it, args, body: (
        partial(it.put_stream, args["key"], Body._of(args["body"])),
        _nothing,
    ),
    "get": lambda it, args, body: (partial(it.get, args["key"], *_range(args.get("range"))), _get),
    "list": lambda it, args, body: (
        partial(it.list, args["prefix"], args.get("after"), args["limit"]),
        _list,
    ),
    "presign": lambda it, args, body: ((lambda: None), lambda found: (None, None)),
    "delete": lambda it, args, body: (partial(it.delete, args["keys"]), _nothing),
}
