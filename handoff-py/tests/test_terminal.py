"""The command line on a terminal, and off it."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import handoff
import pytest
from conftest import Scene

COLOUR = re.compile("\x1b\\[[0-9]+m")
BAR = re.compile("\r\x1b\\[K *[a-z]+ \\[[# ]{20}\\] [0-9]")


class Terminal:
    """One command on a terminal of its own, and what it printed there."""

    def __init__(self, *arguments: str, where: Path, **variables: str) -> None:
        self.ours, theirs = pty.openpty()
        environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}
        self.child = subprocess.Popen(
            [sys.executable, "-m", "handoff", *arguments],
            cwd=where,
            env={**environment, "TERM": "xterm", **variables},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        self.shown = ""
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        while True:
            try:
                piece = os.read(self.ours, 65536)
            except OSError:
                # How a terminal of Linux says that nobody is left.
                piece = b""
            with self.changed:
                self.shown += piece.decode(errors="replace")
                self.changed.notify_all()
            if not piece:
                return

    def shows(self, pattern: re.Pattern[str]) -> bool:
        """Whether it shows that, now or soon."""
        with self.changed:
            return self.changed.wait_for(lambda: pattern.search(self.shown), 60) is not None

    def end(self) -> tuple[int, str]:
        """The exit code and all that was shown."""
        code = self.child.wait(60)
        self.reader.join(60)
        os.close(self.ours)
        return code, self.shown


def on_terminal(where: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    return Terminal(*arguments, where=where, **variables).end()


def piped(where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    return subprocess.run(
        [sys.executable, "-m", "handoff", *arguments],
        cwd=where,
        env={**environment, "TERM": "xterm"},
        capture_output=True,
        text=True,
        timeout=60,
    )


CAPTURE = ("capture", "laptop", "-o", "work.handoff")


def test_a_terminal_has_colours_and_a_bar_and_a_pipe_has_neither(scene: Scene) -> None:
    code, shown = on_terminal(scene.root, *CAPTURE)
    assert code == 0 and COLOUR.search(shown) and BAR.search(shown), shown
    # What is left on the screen is the result.
    assert re.search("\r\x1b\\[K  \\+ laptop/new.txt", shown), shown
    done = piped(scene.root, *CAPTURE)
    assert done.returncode == 0 and "\x1b" not in done.stdout + done.stderr and not done.stderr, done
    assert "\r" not in done.stdout


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({"NO_COLOR": "1"}, False), ({"NO_COLOR": "0"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
    ids=lambda value: str(value),
)
def test_no_color_takes_colours_off_unless_it_is_empty(scene: Scene, variables: dict[str, str], coloured: bool) -> None:
    code, shown = on_terminal(scene.root, *CAPTURE, **variables)
    assert code == 0 and bool(COLOUR.search(shown)) is coloured, shown
    # A bar is no colour.
    assert bool(BAR.search(shown)) is ("TERM" not in variables), shown
    code, shown = on_terminal(scene.root, "show", "absent.handoff", **variables)
    assert code == 1 and bool(COLOUR.search(shown)) is coloured, shown


def test_quiet_and_json_have_no_bar(scene: Scene) -> None:
    for option in ("--quiet", "--json"):
        code, shown = on_terminal(scene.root, *CAPTURE, option)
        assert code == 0 and not BAR.search(shown), shown


class Writer:
    """An agent that writes a file."""

    def run(self, session: handoff.Session) -> None:
        Path(session.repos[0], "made.txt").write_text("made\n")
        session.append("Done.").result()


def ran(scene: Scene) -> str:
    """A run that has changed something."""
    repos = (handoff.EnvironmentRepo("laptop", str(scene.laptop)),)
    runtime = handoff.LocalRuntime(
        agent=Writer(), root=scene.root / "runs", environments=[handoff.Environment("e", repos)]
    )
    with handoff.Handoff(
        storage=handoff.DirStorage(scene.root / "store"), runtime=runtime, terms=handoff.Terms(poll=0.05)
    ) as hub:
        run = hub.start(actor="ana", environment="e", prompt="go on", workspace=scene.here).result(60)
        assert hub.wait(run.id, actor="ana", deadline=60).result().state == "succeeded"
    return run.id


def test_a_pull_has_a_bar(scene: Scene) -> None:
    run = ran(scene)
    code, shown = on_terminal(scene.root, "pull", run, "cloud", "--store", "store", "--actor", "ana")
    assert code == 0 and BAR.search(shown), shown
    assert (scene.cloud / "made.txt").read_text() == "made\n"


def test_ctrl_c_ends_a_command_and_leaves_nothing(scene: Scene, tmp_path: Path) -> None:
    for number in range(8):
        # Takes a while to read, and no place on disk.
        with open(scene.laptop / f"{number}.bin", "wb") as file:
            file.truncate(96 << 20)
    other, out = tmp_path / "tmp", tmp_path / "out"
    other.mkdir()
    out.mkdir()
    output = str(out / "work.handoff")
    terminal = Terminal("capture", "laptop", "-o", output, where=scene.root, TMPDIR=str(other))
    assert terminal.shows(BAR)
    terminal.child.send_signal(signal.SIGINT)
    code, shown = terminal.end()
    assert code == 130 and shown.endswith("interrupted; nothing was left half done\r\n"), shown
    assert "Traceback" not in shown
    assert list(out.iterdir()) == list(other.iterdir()) == []
