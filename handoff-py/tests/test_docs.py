"""Every public name is documented, and there is one version."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import handoff

ROOT = Path(__file__).resolve().parents[2]


def test_every_public_name_has_a_docstring() -> None:
    lacking = []
    for name in handoff.__all__:
        thing = getattr(handoff, name)
        if name.startswith("_"):
            continue
        if not inspect.getdoc(thing):
            lacking.append(name)
        if inspect.isclass(thing):
            for member, value in vars(thing).items():
                public = not member.startswith("_") and (callable(value) or isinstance(value, property))
                if public and not inspect.getdoc(getattr(thing, member)):
                    lacking.append(f"{name}.{member}")
    assert not lacking


def test_there_is_one_version() -> None:
    found = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.M)
    assert found is not None and handoff.__version__ == found.group(1)


def test_the_readme_names_only_what_there_is() -> None:
    for text in ((ROOT / "handoff-py/README.md").read_text(), (ROOT / "README.md").read_text()):
        for name in re.findall(r"\bhandoff\.(\w+)", text):
            assert hasattr(handoff, name), name
