"""Secrets: what stays at home, and what may travel all the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ._value import Value

__all__ = ["AllowSecret", "SecretFinding", "SecretRules", "SecretScanner"]


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


@runtime_checkable
class SecretScanner(Protocol):
    """A search for secrets in contents, beside the built-in ones. Called on threads, many times at once."""

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
