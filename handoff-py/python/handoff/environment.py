"""Where runs execute: repositories, models, variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ._port import describe
from ._value import Value
from .errors import InvalidArgumentError

__all__ = ["Environment", "EnvironmentRepo"]


@dataclass(frozen=True)
class EnvironmentRepo(Value):
    """One repository of an :class:`Environment`."""

    name: str
    """The directory it is checked out as."""
    source: str
    """Where it is cloned from: a URL or a path."""
    reference: str | None = None
    """The branch, tag or commit that is checked out; absent means the source's default branch."""


@dataclass(frozen=True)
class Environment(Value):
    """A place where sessions can run."""

    id: str
    """Its id."""
    repos: tuple[EnvironmentRepo, ...] = ()
    """The repositories it checks out."""
    models: tuple[str, ...] = ()
    """Models it can offer; empty means that it does not say, and any is tried."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Variables set for the agent."""


def environments(given: object, argument: str) -> list[dict[str, Any]]:
    """Environments as the core takes them."""
    if isinstance(given, Environment):
        given = [given]
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise InvalidArgumentError(f"{argument} is {describe(given)}; pass a list of Environment", argument=argument)
    found = list(given)
    for at, one in enumerate(found):
        if not isinstance(one, Environment):
            place = f"{argument}[{at}]"
            raise InvalidArgumentError(f"{place} is {describe(one)}; pass an Environment", argument=place)
    return [one.to_dict() for one in found]
