"""The public surface is what conformance/surface.txt says: names, arguments and options."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import handoff

SURFACE = Path(__file__).resolve().parents[2] / "conformance/surface.txt"
MADE_HERE = {"ApplyReport", "Operation", "Session", "Sessions", "Snapshot", "Watch"}
"""Classes that only the package itself makes: how is nobody's business."""
VALUES = {"from_dict", "to_dict"}
"""What every value has."""


def test_the_surface_is_the_one_of_surface_txt() -> None:
    rows = [line.split(" | ") for line in SURFACE.read_text().splitlines() if line and not line.startswith("#")]
    written = {row[2] for row in rows if row[2] != "-"}
    found = set(cells())
    assert len(found) > 200
    assert (sorted(found - written), sorted(written - found)) == ([], []), (
        "conformance/surface.txt differs: add or change the lines, and do the same in Rust and Node"
    )


def cells() -> Iterator[str]:
    """Every cell of this language's column."""
    for prefix, module in modules():
        for name in module.__all__:
            thing = getattr(module, name)
            # What is offered at the top is told of once.
            if name.startswith("__") or inspect.ismodule(thing) or (prefix and getattr(handoff, name, None) is thing):
                continue
            yield from described(prefix + name, thing)


def modules() -> Iterator[tuple[str, types.ModuleType]]:
    """The package, and every public module below it."""
    yield "", handoff
    for found in pkgutil.iter_modules(handoff.__path__):
        if not found.name.startswith("_") and found.name != "cli":
            module = importlib.import_module(f"handoff.{found.name}")
            if hasattr(module, "__all__"):
                yield f"{found.name}.", module


def described(name: str, thing: Any) -> Iterator[str]:
    """One public thing with what it offers."""
    if not inspect.isclass(thing):
        yield name + called(thing) if inspect.isroutine(thing) else name
        return
    if issubclass(thing, handoff.HandoffError) and thing is not handoff.HandoffError:
        yield name
        return
    if hasattr(thing, "__required_keys__"):
        yield f"{name}{{{', '.join(thing.__annotations__)}}}"
        return
    protocol = getattr(thing, "_is_protocol", False)
    yield name if protocol or name in MADE_HERE else name + called(thing)
    fields = getattr(thing, "__dataclass_fields__", {})
    for member in sorted(inspect.get_annotations(thing)):
        if not member.startswith("_") and not member.isupper() and member not in fields:
            yield f"{name}.{member}"
    for member in sorted(vars(thing) | {key: None for base in thing.__mro__ for key in ours(base)}):
        if member.startswith("_") or member in VALUES or member in fields:
            continue
        value = inspect.getattr_static(thing, member)
        if isinstance(value, (property, functools.cached_property, types.MemberDescriptorType)):
            yield f"{name}.{member}"
        elif callable(getattr(thing, member)):
            yield f"{name}.{member}{called(getattr(thing, member))}"


def ours(base: type) -> dict[str, Any]:
    """What a base class adds, if it is of this package."""
    return dict(vars(base)) if base.__module__.startswith("handoff") else {}


def called(function: Any) -> str:
    """Its arguments."""
    spelled: list[str] = []
    only_named = False
    for one in inspect.signature(function).parameters.values():
        if one.name == "self" or one.name.startswith("_"):
            continue
        if one.kind is one.KEYWORD_ONLY and not only_named:
            only_named = True
            spelled.append("*")
        spelled.append({one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "") + one.name)
    return f"({', '.join(spelled)})"
