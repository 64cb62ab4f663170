"""What is installed beside this interpreter, used once: smoke.py VERSION."""

import importlib.metadata
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import handoff

version = sys.argv[1]
assert importlib.metadata.version("handoff-py") == version, importlib.metadata.version("handoff-py")
assert handoff.__version__ == version, handoff.__version__
assert not importlib.metadata.requires("handoff-py")
others = {found.metadata["Name"].lower() for found in importlib.metadata.distributions()}
assert others <= {"handoff-py", "pip", "setuptools"}, others
assert Path(handoff.__file__).is_relative_to(sys.prefix), handoff.__file__

with tempfile.TemporaryDirectory() as name:
    root = Path(name)
    laptop, cloud = root / "laptop", root / "cloud"
    who = ["-c", "user.name=n", "-c", "user.email=n@example.invalid"]
    quiet = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}

    def git(*arguments: str) -> None:
        subprocess.run(["git", *who, *arguments], cwd=root, env=quiet, check=True)

    git("init", "-q", "laptop")
    (laptop / "notes.txt").write_text("first\n")
    git("-C", "laptop", "add", "notes.txt")
    git("-C", "laptop", "commit", "-q", "-m", "first")
    git("clone", "-q", "laptop", "cloud")
    (laptop / "notes.txt").write_text("first\nsecond\n")
    (laptop / "new.txt").write_text("new\n")

    handoff.capture(handoff.Workspace(laptop)).save(root / "work.handoff")
    there = handoff.Workspace(cloud)
    report = handoff.apply(handoff.Snapshot.open(root / "work.handoff"), there)
    assert report.verdict == "complete", report
    assert (cloud / "notes.txt").read_text() == "first\nsecond\n"
    assert (cloud / "new.txt").read_text() == "new\n"
    handoff.undo(there, report.apply_id)
    assert (cloud / "notes.txt").read_text() == "first\n"
    assert not (cloud / "new.txt").exists()
print(f"handoff-py {version}: captured, applied and undone with Python {sys.version.split()[0]}")
