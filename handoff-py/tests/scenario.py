"""Scenarios that every language runs: read, laid out on disk, compared with what they expect, written down.

The format is described in ``conformance/README.md``; ``scenario_steps`` has what a step does.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

CASES = Path(__file__).resolve().parents[2] / "conformance" / "cases"

_GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "Ana",
    "GIT_AUTHOR_EMAIL": "ana@example.invalid",
    "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
    "GIT_COMMITTER_NAME": "Ana",
    "GIT_COMMITTER_EMAIL": "ana@example.invalid",
    "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
}


class Wrong(Exception):
    """The case itself is not well formed."""


def only(given: Mapping[str, Any], known: str, what: str) -> None:
    """Refuses keys that are not known, so that a slip is not passed over."""
    unknown = set(given) - set(known.split())
    if unknown:
        raise Wrong(f"{what} has unknown keys: {', '.join(sorted(unknown))}")


# ---- reading ---------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Scenario:
    """One row of one case."""

    area: str
    name: str
    templates: Mapping[str, Any]
    repos: Mapping[str, Any]
    then: list[Any]
    steps: list[Any]


def scenarios() -> Iterator[Scenario]:
    """All of them, in order of file and place."""
    for path in sorted(CASES.glob("*.json")):
        file = json.loads(path.read_text("utf-8"))
        only(file, "format about templates cases", path.name)
        if file["format"] != 1:
            raise Wrong(f"{path.name} has format {file['format']}, this runner reads 1")
        for case in file["cases"]:
            only(case, "name about repos then steps rows", f"a case of {path.name}")
            for row in case.get("rows", [{}]):
                used: set[str] = set()
                body = {key: case.get(key) for key in ("repos", "then", "steps")}
                body = _filled(body, row, used)
                if unused := set(row) - used - {"row"}:
                    raise Wrong(f"{case['name']}: the row has values that no place takes: {sorted(unused)}")
                name = f"{case['name']}: {row['row']}" if row else case["name"]
                steps = body["steps"]
                if not any("expect" in step or "error" in step for step in steps):
                    raise Wrong(f"{name} expects nothing")
                yield Scenario(
                    path.stem,
                    name,
                    file.get("templates", {}),
                    body.get("repos") or {},
                    body.get("then") or [],
                    steps,
                )


_NOTHING = object()


def _filled(value: Any, row: Mapping[str, Any], used: set[str]) -> Any:
    """``value`` with the row's values in its places; a value of null takes its member away."""
    if isinstance(value, str) and value.startswith("${") and value.endswith("}"):
        name = value[2:-1]
        if name not in row:
            raise Wrong(f"no value for {value}")
        used.add(name)
        return _NOTHING if row[name] is None else row[name]
    if isinstance(value, list):
        items = (_filled(item, row, used) for item in value)
        return [item for item in items if item is not _NOTHING]
    if isinstance(value, dict):
        members = ((key, _filled(item, row, used)) for key, item in value.items())
        return {key: item for key, item in members if item is not _NOTHING}
    return value


# ---- on disk ---------------------------------------------------------------------------------------------------------


def git(at: Path, *arguments: str) -> str:
    """What git prints, run as nobody in particular."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(["git", *arguments], cwd=at, env={**kept, **_GIT}, capture_output=True)
    if done.returncode != 0:
        raise Wrong(f"git {arguments} in {at}: {done.stderr.decode()}")
    return done.stdout.decode("utf-8", "surrogateescape")


class Templates:
    """Repositories that scenarios start from, each made once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.made: dict[str, Path] = {}

    def copy(self, actions: list[Any], to: Path) -> None:
        """A repository with ``actions`` done, at ``to``."""
        key = json.dumps(actions, sort_keys=True)
        if key not in self.made:
            at = self.root / str(len(self.made))
            at.mkdir(parents=True)
            options = actions[0]["init"] if actions and "init" in actions[0] else []
            git(at, "init", "-q", "-b", "main", "--template=", *options)
            do(at, actions[1:] if options else actions)
            # So that no copy is so young that git's index cannot tell.
            old = ["touch", "-h", "-d", "2026-01-01T00:00:00Z", "{}", "+"]
            subprocess.run(["find", ".", "-path", "./.git", "-prune", "-o", "-exec", *old], cwd=at, check=True)
            self.made[key] = at
        copy(self.made[key], to)


def copy(source: Path, to: Path) -> None:
    """All of a directory, as it is."""
    subprocess.run(["cp", "-a", str(source), str(to)], check=True)


def do(at: Path, actions: list[Any]) -> None:
    """Changes files below ``at``."""
    for action in actions:
        if "write" in action:
            only(action, "write text base64 times mode", "an action")
            path = at / name_of(action["write"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content_of(action))
            path.chmod(0o755 if action.get("mode") == "executable" else 0o644)
        elif "delete" in action:
            only(action, "delete", "an action")
            path = at / name_of(action["delete"])
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        elif "move" in action:
            only(action, "move to", "an action")
            to = at / name_of(action["to"])
            to.parent.mkdir(parents=True, exist_ok=True)
            (at / name_of(action["move"])).rename(to)
        elif "link" in action:
            only(action, "link to", "an action")
            path = at / name_of(action["link"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(action["to"])
        elif "dir" in action:
            only(action, "dir", "an action")
            (at / name_of(action["dir"])).mkdir(parents=True)
        elif "mode" in action:
            only(action, "mode of", "an action")
            (at / name_of(action["of"])).chmod({"executable": 0o755, "regular": 0o644}[action["mode"]])
        elif "pipe" in action:
            only(action, "pipe", "an action")
            os.mkfifo(at / name_of(action["pipe"]))
        elif "git" in action:
            only(action, "git", "an action")
            git(at, *action["git"])
        else:
            raise Wrong(f"no action is {action}")


def name_of(given: Any) -> str:
    """A path: text, or bytes where it is not UTF-8."""
    if isinstance(given, str):
        return given
    only(given, "base64", "a path")
    return os.fsdecode(base64.b64decode(given["base64"]))


def content_of(given: Mapping[str, Any]) -> bytes:
    """A content: ``text`` or ``base64``, ``times`` over."""
    found = base64.b64decode(given["base64"]) if "base64" in given else str(given["text"]).encode()
    return found * int(given.get("times", 1))


_OWN = (".git", ".handoff")


def tree(at: Path) -> list[Any]:
    """Every file below ``at`` as it is on disk, but for git's own and ours."""
    found = []
    for directory, below, names in os.walk(at):
        below[:] = sorted(name for name in below if name not in _OWN)
        here = Path(directory)
        links = [name for name in below if (here / name).is_symlink()]
        for name in [*names, *links]:
            if name in _OWN:
                continue
            path = here / name
            if path.is_symlink():
                item = {"kind": "symlink", "content": os.readlink(path)}
            else:
                kind = "executable" if path.stat().st_mode & 0o100 else "regular"
                item = {"kind": kind, "content": plain(path.read_bytes())}
            found.append({"path": plain_path(os.path.relpath(path, at)), **item})
        if not below and not names and here != at:
            found.append({"path": plain_path(os.path.relpath(here, at)), "kind": "directory"})
    return sorted(found, key=lambda item: json.dumps(item["path"]))


# ---- as data ---------------------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """A public value as plain JSON: the fields that the class declares, read one by one."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return plain_path(value)
    return value


def plain_path(path: str) -> Any:
    """Text, or bytes where it is not UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return plain(os.fsencode(path))
    return path


def slim(value: Any, root: str) -> Any:
    """``value`` without what is empty, and with the scenario's directory called ``@``."""
    if isinstance(value, str):
        return value.replace(root, "@")
    if isinstance(value, list):
        return [slim(item, root) for item in value]
    if isinstance(value, dict):
        members = {key: slim(item, root) for key, item in value.items()}
        return {key: item for key, item in members.items() if not empty(item)}
    return value


def empty(value: Any) -> bool:
    """Absent, false, zero, and what has nothing in it, are one."""
    return value is None or value is False or value == "" or value == [] or value == {} or value == 0


def mismatch(expected: Any, found: Any, named: Mapping[str, Any], place: str = "") -> str | None:
    """Where ``found`` is not as ``expected``, which may say less; ``None`` where it is."""
    if isinstance(expected, dict) and len(expected) == 1 and next(iter(expected)).startswith("$"):
        (word, given), *_ = expected.items()
        said = json.dumps(found)
        if word == "$text":
            return None if isinstance(found, str) and given in found else f"{place} is {said}, without {given!r}"
        if word == "$count":
            return None if len(found or []) == given else f"{place} has {len(found or [])} items, not {given}"
        if word == "$same":
            other = dig(named, given)
            return None if other == found else f"{place} is {said}, and ${given} is {json.dumps(other)}"
        if word == "$not":
            return f"{place} is {said}" if mismatch(given, found, named, place) is None else None
        if word == "$has":
            for want in given:
                if all(mismatch(want, item, named, place) is not None for item in found or []):
                    return f"{place} lacks {json.dumps(want)}: {said}"
            return None
        if word == "$lacks":
            for want in given:
                if any(mismatch(want, item, named, place) is None for item in found or []):
                    return f"{place} has {json.dumps(want)}: {said}"
            return None
        raise Wrong(f"no expectation is called {word}")
    if empty(expected) and not isinstance(expected, dict):
        return None if empty(found) else f"{place} is {json.dumps(found)}, not empty"
    if isinstance(expected, dict):
        if found is not None and not isinstance(found, dict):
            return f"{place} is {json.dumps(found)}, no object"
        for key, want in expected.items():
            why = mismatch(want, (found or {}).get(key), named, f"{place}.{key}")
            if why is not None:
                return why
        return None
    if isinstance(expected, list):
        if not isinstance(found, list) or len(found) != len(expected):
            return f"{place} is {json.dumps(found)}, not {json.dumps(expected)}"
        for at, (want, item) in enumerate(zip(expected, found, strict=True)):
            why = mismatch(want, item, named, f"{place}[{at}]")
            if why is not None:
                return why
        return None
    same = expected == found and isinstance(expected, bool) == isinstance(found, bool)
    return None if same else f"{place} is {json.dumps(found)}, not {json.dumps(expected)}"


def dig(named: Mapping[str, Any], path: str) -> Any:
    """What ``name.member.0`` stands for among the results that have names."""
    name, *rest = path.split(".")
    if name not in named:
        raise Wrong(f"nothing is called {name}")
    found = named[name]
    for part in rest:
        if isinstance(found, list):
            found = found[int(part)]
        else:
            found = (found or {}).get(part)
    return found


# ---- written down ----------------------------------------------------------------------------------------------------

_ID = re.compile(r"(?<![0-9a-z])[a-z][0-9a-f]{32}(?![0-9a-z])")
_KEY = re.compile(r"(?<![0-9a-z])k/[0-9a-f]{2}/[0-9a-f]{40}")
_NEXT = re.compile(r'"next":"[^"]*"')
_TIME = re.compile(r"(?<![0-9a-z\"])1[0-9]{12}(?![0-9a-z])")


def masked(text: str) -> str:
    """``text`` with ids numbered in the order in which they come, and without times, random keys and places in lists."""
    known: dict[str, str] = {}
    text = _NEXT.sub('"next":"<next>"', _KEY.sub("<key>", text))
    text = _ID.sub(lambda found: known.setdefault(found[0], f"<{found[0][0]}{len(known) + 1}>"), text)
    return _TIME.sub('"<time>"', text)


def line(scenario: Scenario, step: str, result: Any) -> str:
    """One line of a transcript."""
    body = json.dumps(result, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return f"{scenario.area}/{scenario.name}\t{step}\t{body}\n"
