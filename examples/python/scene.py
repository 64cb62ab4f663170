"""The scene that the stories play in: a project on a forge, and Ana's clone of it with work that nobody has committed."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import handoff

GREET = '#!/bin/sh\n# Greets.\necho "Hello, ${1:-world}"\n\n# The end.\n'
PLAN = "1. greet by the time of day\n2. test it\n"
ANA = "ana"


def git(where: Path, *arguments: str) -> str:
    """What git prints; its configuration is nobody's."""
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _WHO.items()}
    done = subprocess.run(
        ["git", *arguments],
        cwd=where,
        env={**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


_WHO = {"NAME": "Ana", "EMAIL": "ana@example.com"}


class Scene:
    """Everything below one directory, which is removed at the end: use it in a ``with``."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="handoff-story-")
        self.root = Path(self._directory.name).resolve()
        self.forge, self.laptop = self.root / "forge" / "app", self.root / "laptop" / "app"
        for place in (self.forge, self.laptop.parent):
            place.mkdir(parents=True)
        git(self.forge, "init", "--quiet", "--initial-branch=main")
        (self.forge / "greet.sh").write_text(GREET)
        git(self.forge, "add", "--all")
        git(self.forge, "commit", "--quiet", "--message=Greet")
        git(self.laptop.parent, "clone", "--quiet", str(self.forge), "app")
        (self.laptop / "greet.sh").write_text(GREET.replace("Hello", "Good morning"))
        (self.laptop / "plan.md").write_text(PLAN)

    def __enter__(self) -> Scene:
        return self

    def __exit__(self, *error: object) -> None:
        self._directory.cleanup()

    @property
    def workspace(self) -> handoff.Workspace:
        """Ana's checkout."""
        return handoff.Workspace(self.laptop)

    @property
    def environment(self) -> handoff.Environment:
        """The environment ``cloud``, which clones the project from the forge."""
        return handoff.Environment("cloud", (handoff.EnvironmentRepo("app", str(self.forge)),))

    def local(self, agent: handoff.Agent | handoff.CommandAgent) -> handoff.LocalRuntime:
        """This machine as the cloud: a fresh clone for each session."""
        return handoff.LocalRuntime(agent=agent, root=self.root / "cloud", environments=[self.environment])


def show(*parts: object, sep: str = " ") -> None:
    """Says what happens, at once: a program that is killed has told what it did."""
    print(*parts, sep=sep, flush=True)
