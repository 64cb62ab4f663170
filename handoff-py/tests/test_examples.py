"""The stories of examples/python, each run as a program that has the package installed."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from handoff import testing

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
HERE = EXAMPLES / "python"

# What each must have said.
SAYS = {
    "capture_apply": [r"^2 changes in one file, 0 left out$", r"^ M greet\.sh\n\?\? plan\.md$", r"^after undo: clean$"],
    "progress": [
        r"^202 changes, watched on a bar$",
        r"^phases: .*scan.* read",
        r"^202 changes$",
        r"^stopped: cancelled$",
    ],
    "local_to_cloud": [
        r"^assistant: I know \d messages and a plan of 2 steps\. test\.sh is written\.$",
        r"^the source still has 2 messages$",
        r"^used: {'tokens': 120} by tester$",
        r"^the result holds: greet\.sh plan\.md test\.sh$",
    ],
    "cloud_to_cloud": [
        r"^on machine one: The plan has 3 lines now\.$",
        r"^on machine two: The plan has 4 lines now\.$",
        r"^on machine one: The plan has 5 lines now\.$",
        r"^schedule: nightly \| succeeded \| 3 sessions$",
        r"^\+- measure first \(session 1\)\n\+- then cut \(session 2\)\n\+- sand it \(session 3\)$",
    ],
    "fan_out": [
        r"^== The simple way\.\n(.*\n)+?-echo \"Good morning",
        r"^== the first two against each other\n(.*\n)+?-echo \"Good day(.*\n)+?\+echo \"Good \$\(date",
        r"^echo \"Good day, ",
    ],
    "pull_back": [
        r"^would be: conflict plan\.md$",
        r"^merged greet\.sh$",
        r"^applied run\.sh$",
        r"^conflict plan\.md$",
        r"^the cloud's plan\.md waits: 2\. test it at noon$",
        r"^the conversation is ana's,",
        r"^undone: complete$",
    ],
    "blocked_and_answered": [
        r"^\(to ana\) input_required: Formal or casual\?$",
        r"^to offer: respond \| Formal or casual\?$",
        r"^a follow-up instead: not_continuable$",
        r"^assistant: It greets with \"Good evening\" now\.$",
        r"^succeeded in 1 session$",
    ],
    "custom_storage": [r"^succeeded$", r"^\+3\. keep it in a database$"],
    "custom_runtime": [
        r"^refused before anything moved: .*no environment mars",
        r"^2 sessions in 2 processes$",
        r"^\+3\. ship it\n\+4\. rest$",
    ],
}


def stories(folder: str, ending: str, *others: str) -> set[str]:
    return {file.stem for file in (EXAMPLES / folder).glob(f"*{ending}")} - set(others)


def test_the_same_stories_are_told_in_every_language() -> None:
    assert set(SAYS) == stories("python", ".py", "scene") == stories("node", ".js", "stage")
    # Progress is a callback there, shown by the demo; the other two are measurements.
    assert set(SAYS) - {"progress"} == stories("examples", ".rs", "find_secrets", "time_calls")


@pytest.mark.parametrize("story", SAYS)
def test_a_story(story: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-B", str(HERE / f"{story}.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # A bar is drawn there, and is the only one that says anything.
    assert story == "progress" or not done.stderr, done.stderr
    for line in SAYS[story]:
        assert re.search(line, done.stdout, re.MULTILINE), (line, done.stdout)


def test_the_storage_of_an_example_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    example = importlib.import_module("custom_storage")
    # It waits for the disk at each of thousands of writes; in memory that takes no time.
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        report = testing.check_storage(lambda: example.SqliteStorage(Path(folder) / "store.sqlite")).result()
    assert report.passed, str(report)
