"""A laptop with uncommitted work and a clean clone of it, made with git."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import handoff
import pytest

# A shell starts what goes on beside it with Ctrl-C ignored, and every program that the tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

_GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "n",
    "GIT_AUTHOR_EMAIL": "n@example.invalid",
    "GIT_COMMITTER_NAME": "n",
    "GIT_COMMITTER_EMAIL": "n@example.invalid",
}


def git(directory: Path, *arguments: str) -> str:
    """Runs git as nobody in particular."""
    environment = {**os.environ, **_GIT}
    done = subprocess.run(
        ["git", *arguments], cwd=directory, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout


class Scene:
    """Two checkouts of one project."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.laptop, self.cloud = root / "laptop", root / "cloud"
        git(root, "init", "-q", "laptop")
        (self.laptop / "notes.txt").write_text("first\n")
        git(self.laptop, "add", "notes.txt")
        git(self.laptop, "commit", "-q", "-m", "first")
        git(root, "clone", "-q", "laptop", "cloud")
        (self.laptop / "notes.txt").write_text("first\nsecond\n")
        (self.laptop / "new.txt").write_text("new\n")

    @property
    def here(self) -> handoff.Workspace:
        return handoff.Workspace(self.laptop)

    @property
    def there(self) -> handoff.Workspace:
        return handoff.Workspace([self.cloud])


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)
