"""Every public name is documented, and there is one version."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import handoff
from handoff import ApplyOptions, CaptureOptions, StartOptions

ROOT = Path(__file__).resolve().parents[2]


def undocumented(module: str, source: str) -> list[str]:
    """The public names of a module that nothing is said about: functions, classes, their methods and their fields."""
    tree = ast.parse(source)
    lacking = [] if ast.get_docstring(tree) else [module]

    def look(body: list[ast.stmt], within: str, fields: bool) -> None:
        for at, node in enumerate(body):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                if node.name.startswith("_"):
                    continue
                if not ast.get_docstring(node):
                    lacking.append(f"{within}.{node.name}")
                if isinstance(node, ast.ClassDef) and not explained_elsewhere(node):
                    look(node.body, f"{within}.{node.name}", True)
            elif fields and isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                if node.target.id.startswith("_") or node.target.id == "KIND":
                    continue
                after = body[at + 1] if at + 1 < len(body) else None
                said = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                if not said:
                    lacking.append(f"{within}.{node.target.id}")

    look(tree.body, module, False)
    return lacking


def explained_elsewhere(node: ast.ClassDef) -> bool:
    """Whether it is a list of keyword arguments, which the functions that take them explain."""
    return (ast.get_docstring(node) or "").endswith("explained there.")


def test_every_keyword_argument_is_explained_by_each_function_that_takes_it() -> None:
    takers: dict[type, list[Any]] = {
        CaptureOptions: [handoff.capture, handoff.plan],
        ApplyOptions: [handoff.apply, handoff.preview, handoff.Handoff.pull],
        StartOptions: [handoff.Handoff.start, handoff.Handoff.fan_out],
    }
    for options, functions in takers.items():
        texts = [inspect.getdoc(function) or "" for function in functions]
        # Those after the first may point to it.
        first = functions[0].__name__
        for name in options.__annotations__:
            assert f":param {name}:" in texts[0], (options, name)
            for text in texts[1:]:
                assert f":param {name}:" in text or re.search(rf":(func|meth):`[\w.]*\b{first}`", text), (options, text)


def test_every_public_name_is_documented() -> None:
    home = Path(handoff.__file__).parent
    modules = [file for file in home.rglob("*.py") if not file.name.startswith("_") or file.name == "__init__.py"]
    assert len(modules) > 20
    lacking = [name for file in modules for name in undocumented(file.stem, file.read_text())]
    assert not lacking


def test_a_name_without_a_word_is_found() -> None:
    source = '''
class A:
    """One."""

    b: int
    c: int
    """Two."""

    def d(self): ...

def _private(): ...
'''
    assert undocumented("m", source) == ["m", "m.A.b", "m.A.d"]


def test_every_exported_name_has_a_docstring() -> None:
    for name in handoff.__all__:
        assert name.startswith("_") or inspect.getdoc(getattr(handoff, name)), name


def test_there_is_one_version() -> None:
    found = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.M)
    assert found is not None and handoff.__version__ == found.group(1)


def test_the_readme_names_only_what_there_is() -> None:
    for text in ((ROOT / "handoff-py/README.md").read_text(), (ROOT / "README.md").read_text()):
        for name in re.findall(r"\bhandoff\.(\w+)", text):
            assert hasattr(handoff, name), name
