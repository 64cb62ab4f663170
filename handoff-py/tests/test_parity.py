"""The scenarios of ``conformance/cases``, by way of this package. ``cargo xtask parity`` compares what every language says.

``HANDOFF_TRANSCRIPTS`` names a folder for the transcript. ``HANDOFF_SEEDED_FAULT`` breaks the package on purpose, which only
the comparison may find out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import handoff
import pytest
from scenario import Scenario, Templates, line, masked, scenarios
from scenario_steps import World

FAULT = os.environ.get("HANDOFF_SEEDED_FAULT")
ALL = [one for one in scenarios() if not FAULT or one.area == "apply"]


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return Templates(tmp_path_factory.mktemp("templates"))


@pytest.fixture(scope="session")
def transcript() -> Iterator[IO[str] | None]:
    to = os.environ.get("HANDOFF_TRANSCRIPTS")
    if not to:
        yield None
        return
    os.makedirs(to, exist_ok=True)
    # Each of several processes has a part of it. Once a session: one that gets more of these tests later would begin anew.
    part = os.environ.get("PYTEST_XDIST_WORKER", "all")
    with open(Path(to) / f"python.{part}.tsv", "w", encoding="utf-8") as file:
        yield file


@pytest.fixture(autouse=True)
def fault(monkeypatch: pytest.MonkeyPatch) -> None:
    if FAULT:
        plainly = handoff.report.RepoReport.from_dict.__func__  # type: ignore[attr-defined]

        def without(cls: Any, data: Any) -> Any:
            return plainly(cls, {**data, "findings": []})

        monkeypatch.setattr(handoff.report.RepoReport, "from_dict", classmethod(without))


@pytest.mark.parametrize("scenario", ALL, ids=[f"{one.area}/{one.name}" for one in ALL])
def test_scenario(scenario: Scenario, tmp_path: Path, templates: Templates, transcript: IO[str] | None) -> None:
    root = tmp_path.resolve() / "s"
    root.mkdir()
    lines = World(scenario, root, templates).run(checked=not FAULT)
    if transcript is not None:
        transcript.write(masked("".join(line(scenario, step, result) for step, result in lines)))
