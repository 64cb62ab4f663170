"""Every public name is documented, there is one version, and the examples of the READMEs run."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import handoff
import pytest
from conftest import git
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
            assert hasattr(handoff, name) or importlib.util.find_spec(f"handoff.{name}"), name


def test_importing_leaves_asyncio_to_those_who_await() -> None:
    script = "import sys, handoff; sys.exit('asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def blocks(page: Path) -> list[str]:
    """The examples in a page."""
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.M | re.S)


# A program that may await where it likes, as a notebook does; one that does not is an ordinary one.
PLAY = """
import ast, asyncio, inspect, sys
done = eval(compile(sys.stdin.read(), "example", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), {"__name__": "__main__"})
if inspect.isawaitable(done):
    asyncio.run(done)
"""


def play(root: Path, *examples: str) -> subprocess.CompletedProcess[str]:
    """Runs examples as one program, in a place with the checkouts that they speak of."""
    git(root, "init", "-q", "origin")
    (root / "origin/README.md").write_text("one\n")
    git(root / "origin", "add", "README.md")
    git(root / "origin", "commit", "-q", "-m", "first")
    for place in ("laptop/app", "cloud/app", "app"):
        git(root, "clone", "-q", "origin", place)
    # Both sides changed this one.
    (root / "laptop/app/README.md").write_text("two\n")
    (root / "cloud/app/README.md").write_text("three\n")
    (root / "laptop/app/notes.txt").write_text("new\n")
    (root / "app/notes.txt").write_text("new\n")
    elsewhere = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{root / 'origin'}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://example.com/app.git",
    }
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PLAY],
        input="\n".join(examples),
        cwd=root,
        env={**os.environ, **elsewhere},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_examples_of_this_packages_readme_run(tmp_path: Path) -> None:
    there, runs, suites = blocks(ROOT / "handoff-py/README.md")
    done = play(tmp_path, there, runs)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert re.search(r"^README\.md was left alone; the incoming version is \S+$", done.stdout, re.M), done.stdout
    assert re.search(r"^message$", done.stdout, re.M) and re.search(r"^run$", done.stdout, re.M), done.stdout
    assert git(tmp_path / "cloud/app", "status", "--porcelain") == " M README.md\n"
    (tmp_path / "other").mkdir()
    checked = play(tmp_path / "other", suites)
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout + checked.stderr
    assert re.search(r"^passed  it returns soon after it is asked to stop", checked.stdout, re.M), checked.stdout


def test_the_example_of_the_first_readme_runs(tmp_path: Path) -> None:
    (example,) = blocks(ROOT / "README.md")
    done = play(tmp_path, example)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert "README.md was left alone" in done.stdout and (tmp_path / "work.handoff").is_file(), done.stdout
    assert git(tmp_path / "cloud/app", "status", "--porcelain") == " M README.md\n"


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("snapshot.save", "snapshot.store"), ('"cloud/app"', '"cloud/ap"'), ("file.outcome", "file.result")],
)
def test_an_example_with_a_wrong_line_fails(right: str, wrong: str, tmp_path: Path) -> None:
    example = blocks(ROOT / "handoff-py/README.md")[0]
    assert right in example
    done = play(tmp_path, example.replace(right, wrong))
    assert done.returncode != 0 and "Error" in done.stderr, done.stdout
