"""Plain values: read from what the core says, written back as plain data."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

V = TypeVar("V", bound="Value")
Reader = Callable[[Any], Any]

_READERS: dict[type[Any], dict[str, Reader]] = {}


class Value:
    """Base of the frozen data classes of this package.

    Fields that a newer version of the core adds are in :meth:`to_dict` and are ignored otherwise.
    """

    @classmethod
    def from_dict(cls: type[V], data: Mapping[str, Any]) -> V:
        """The value that plain data of :meth:`to_dict`'s form stands for."""
        readers = _readers(cls)
        made = cls(**{name: read(data[name]) for name, read in readers.items() if name in data})
        object.__setattr__(made, "_data", data)
        return made

    def to_dict(self) -> dict[str, Any]:
        """The value as plain data, ready for ``json.dumps``."""
        data: dict[str, Any] | None = self.__dict__.get("_data")
        if data is not None:
            return data
        made = {}
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if value is not None and value != () and value != {}:
                made[field.name] = _plain(value)
        return made

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


def _plain(value: Any) -> Any:
    if isinstance(value, Value):
        return value.to_dict()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return value


def _readers(cls: type[Any]) -> dict[str, Reader]:
    known = _READERS.get(cls)
    if known is None:
        hints = typing.get_type_hints(cls)
        known = {field.name: _reader(hints[field.name]) for field in dataclasses.fields(cls)}
        _READERS[cls] = known
    return known


def _reader(hint: Any) -> Reader:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and issubclass(hint, Value):
        return hint.from_dict
    if origin is tuple:
        item = _reader(arguments[0])
        if item is _same:
            return tuple
        return lambda values: tuple(item(value) for value in values)
    if origin in (typing.Union, types.UnionType):
        inner = [_reader(argument) for argument in arguments if argument is not type(None)]
        first = inner[0]
        return _same if first is _same else lambda value: None if value is None else first(value)
    return _same


def _same(value: Any) -> Any:
    return value
