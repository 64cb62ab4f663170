"""Secrets: what stays at home, and what may travel all the same; and the search for them in anything.

>>> handoff.secrets.redact(log)                                      # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, runtime_checkable

from . import _native
from ._held import call, strings
from ._held import content as content_
from ._port import Answer, Port, describe, nonsense, require
from ._value import Value
from .errors import InvalidArgumentError

__all__ = ["AllowSecret", "SecretFinding", "SecretRule", "SecretRules", "SecretScanner", "redact", "rules", "scan"]


@dataclass(frozen=True)
class AllowSecret(Value):
    """One file that may travel though a rule finds a secret in it."""

    path: str
    """The file, exactly."""
    rule: str
    """The rule, exactly as the omission names it."""
    repo: str | None = None
    """The repository's name; absent for all of the workspace."""


@dataclass(frozen=True)
class SecretFinding(Value):
    """What a :class:`SecretScanner` found. The value itself is never asked for."""

    rule: str
    """The rule's id."""
    start: int
    """Where it begins, in bytes from the start of what was given."""
    end: int
    """Where it ends."""


@dataclass(frozen=True)
class SecretRule(Value):
    """A built-in rule."""

    id: str
    """As in omissions, and for :attr:`SecretRules.disabled`."""
    about: str
    """What it finds."""


@runtime_checkable
class SecretScanner(Protocol):
    """A search for secrets in contents, beside the built-in ones. Called on threads, many times at once.

    A scanner that fails finds a secret in everything that it was given: nothing travels unsearched.
    """

    def scan(self, content: bytes) -> Sequence[SecretFinding]:
        """What is found in ``content``, a piece of a file."""
        ...


@dataclass(frozen=True)
class SecretRules:
    """Changes to the rules for secrets. There is no switch for all of them."""

    names: Sequence[str] = ()
    """Patterns in gitignore syntax of further names that stay at home."""
    scanners: Sequence[SecretScanner] = ()
    """Further searches in contents."""
    disabled: Sequence[str] = ()
    """Ids of rules that are not to be applied."""


def rules() -> tuple[SecretRule, ...]:
    """Every built-in rule for contents."""
    return call("secrets.rules", {}, lambda value, body: tuple(SecretRule.from_dict(one) for one in value))


def scan(content: bytes | bytearray | memoryview) -> tuple[SecretFinding, ...]:
    """The secrets in ``content`` that the built-in rules find. The values themselves are not told."""
    given = content_(content, "content")
    return call("secrets.scan", {}, lambda value, body: tuple(SecretFinding.from_dict(one) for one in value), given)


def redact(content: bytes | bytearray | memoryview) -> bytes:
    """``content`` with every secret that the built-in rules find taken out, and everything else as it was."""
    return call("secrets.redact", {}, lambda value, body: body or b"", content_(content, "content"))


def rules_of(rules: Any) -> dict[str, Any]:
    """Rules for secrets as the core takes them."""
    if not isinstance(rules, SecretRules):
        raise InvalidArgumentError(f"secret_rules is {describe(rules)}; pass SecretRules", argument="secret_rules")
    return {
        "names": strings(rules.names, "secret_rules.names"),
        "disabled": strings(rules.disabled, "secret_rules.disabled"),
        "scanners": [_scanner(one, f"secret_rules.scanners[{at}]") for at, one in enumerate(rules.scanners)],
    }


def _scanner(scanner: Any, argument: str) -> _native.Port:
    require(scanner, argument, "scanner", ("scan",))
    return Port(scanner, "scanner", _METHODS).native


def _found(found: Any) -> Answer:
    if isinstance(found, (str, bytes)) or not isinstance(found, Iterable):
        raise nonsense(found, "a sequence of SecretFinding")
    items = list(found)
    for one in items:
        if not isinstance(one, SecretFinding):
            raise nonsense(one, "a sequence of SecretFinding")
    return [one.to_dict() for one in items], None


_METHODS: dict[str, Any] = {"scan": lambda it, args, body: (partial(it.scan, body or b""), _found)}
