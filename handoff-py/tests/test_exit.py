"""Short scripts: however they end, the interpreter does not crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Scene

ROUNDS = int(os.environ.get("HANDOFF_PY_EXITS", "5"))
FILES = int(os.environ.get("HANDOFF_PY_FILES", "50"))

AFTER = """
import asyncio, handoff
async def main():
    conversations = handoff.Conversations(handoff.MemoryStorage())
    head = await conversations.create(owner="ana")
    await conversations.append(head.id, "hi")
asyncio.run(main())
"""

DURING = """
import asyncio, handoff
class Slow:
    async def put_new(self, key, body): await asyncio.sleep(60)
    async def put(self, key, body): pass
    async def put_stream(self, key, body): pass
    async def get(self, key, start, end): await asyncio.sleep(60)
    async def list(self, prefix, after, limit): return []
    async def delete(self, keys): pass
pending = [handoff.Conversations(Slow()).create(owner="ana") for _ in range(8)]
"""

PLAIN = DURING.replace("async def", "def").replace("await asyncio.sleep(60)", "__import__('time').sleep(60)")

WAITING = (
    DURING
    + """
import threading
threading.Thread(target=pending[0].result, daemon=True).start()
while threading.active_count() < 2:
    pass
"""
)

CAPTURE = """
import handoff, sys
pending = [handoff.aio.capture(handoff.Workspace(sys.argv[1]), quiet=60) for _ in range(4)]
"""

FORK = """
import asyncio, os, sys, handoff
snapshot = handoff.capture(handoff.Workspace(sys.argv[1]))
handoff.Conversations(handoff.MemoryStorage()).create(owner="ana").result()
child = os.fork()
if child == 0:
    assert handoff.capture(handoff.Workspace(sys.argv[1])).id == snapshot.id
    try:
        handoff.Conversations(handoff.MemoryStorage()).create(owner="ana").result()
    except handoff.UnsupportedError as error:
        assert "fork" in str(error)
        os._exit(0)
    os._exit(1)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""

FORKS = """
import os, sys, threading, handoff
where = handoff.Workspace(sys.argv[1])
conversations = handoff.Conversations(handoff.MemoryStorage())
id = conversations.create(owner="ana").result().id
stop = threading.Event()
def busy():
    while not stop.is_set():
        conversations.head(id).result()
threads = [threading.Thread(target=busy) for _ in range(3)]
for thread in threads: thread.start()
try:
    for _ in range(10):
        child = os.fork()
        if child == 0:
            handoff.plan(where)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
finally:
    stop.set()
"""

HUB = """
import os, sys, tempfile, threading, time, handoff
root, kind, storage = sys.argv[2:]
begun = threading.Event()
def works(session):
    begun.set()
    while not session.cancelled():
        session.append("and more").result()
class Plain:
    def run(self, session):
        works(session)
class Later:
    async def run(self, session):
        begun.set()
        while not session.cancelled():
            await session.append("and more")
environment = handoff.Environment("e", (handoff.EnvironmentRepo("app", sys.argv[1]),))
agent = Plain() if kind == "plain" else Later()
hub = handoff.Handoff(
    storage=handoff.MemoryStorage() if storage == "memory" else handoff.DirStorage(root + "/store", durability="process"),
    runtime=handoff.LocalRuntime(agent=agent, root=root + "/runs", environments=[environment]),
    terms=handoff.Terms(poll=0.05),
)
run = hub.start(actor="ana", environment="e", prompt="go on").result()
assert begun.wait(60)
"""

WATCHED = (
    HUB
    + """
def watch():
    for event in hub.watch(run.id, actor="ana"):
        pass
threading.Thread(target=watch, daemon=True).start()
waiting = hub.wait(run.id, actor="ana", deadline=60)
"""
)

ENDINGS = {"runs off its end": ("", 0), "exits": ("sys.exit(3)", 3), "raises": ("raise ZeroDivisionError('in the middle')", 1)}
"""What a script does when it is in the middle of something, and its exit code."""

SCRIPTS = {
    "after an operation": AFTER,
    "during an async call": DURING,
    "during a plain call": PLAIN,
    "while a thread waits": WAITING,
    "during captures": CAPTURE,
    "fork after use": FORK,
    "forks while threads are at work": FORKS,
}


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    # The warnings of Python about itself are of no interest here: coroutines that were not awaited, threads beside a fork.
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, *arguments], capture_output=True, text=True, timeout=60
    )


def ended_well(done: subprocess.CompletedProcess[str], code: int = 0) -> None:
    """Whether the exit code is that one, and nothing was said but, if it is 1, the traceback that there must be."""
    assert done.returncode == code, (done.returncode, done.stderr)
    for word in ("panicked", "Fatal Python error", "Exception ignored"):
        assert word not in done.stderr, done.stderr
    # One for the whole of it: not of another thread.
    raised = "ZeroDivisionError: in the middle" if code == 1 else None
    assert done.stderr.count("Traceback") == (raised is not None), done.stderr
    assert raised is None or done.stderr.rstrip().endswith(raised), done.stderr
    assert raised is not None or not done.stderr, done.stderr


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=list(SCRIPTS))
def test_the_interpreter_exits_well(scene: Scene, script: str) -> None:
    for _ in range(ROUNDS):
        ended_well(run(script, str(scene.laptop)))


@pytest.mark.parametrize(("ending", "code"), ENDINGS.values(), ids=list(ENDINGS))
@pytest.mark.parametrize("script", [DURING, PLAIN, WAITING, CAPTURE], ids=["async", "plain", "thread", "captures"])
def test_the_interpreter_exits_well_in_the_middle(scene: Scene, script: str, ending: str, code: int) -> None:
    for _ in range(some(ROUNDS)):
        ended_well(run(f"import sys\n{script}\n{ending}", str(scene.laptop)), code)


@pytest.mark.parametrize(("ending", "code"), ENDINGS.values(), ids=list(ENDINGS))
@pytest.mark.parametrize("script", [HUB, WATCHED], ids=["a session", "a watched session"])
@pytest.mark.parametrize(("kind", "storage"), [("plain", "memory"), ("async", "directory")])
def test_the_interpreter_exits_well_with_a_hub(
    scene: Scene, tmp_path: Path, script: str, kind: str, storage: str, ending: str, code: int
) -> None:
    for number in range(some(ROUNDS)):
        root = tmp_path / str(number)
        root.mkdir()
        ended_well(run(f"{script}\n{ending}", str(scene.laptop), str(root), kind, storage), code)


def some(rounds: int) -> int:
    """A share of the rounds, for tests of which there are many."""
    return max(1, rounds // 20)


PLAIN_CAPTURE = """
import handoff, sys
def progress(progress):
    if progress.phase == "read" and progress.done >= at:
        print("begun", flush=True)
try:
    handoff.capture(handoff.Workspace(sys.argv[1]), quiet=quiet, spool_dir=sys.argv[2], spool_memory=0, progress=progress)
except KeyboardInterrupt:
    sys.exit(7)
"""

ASYNC_CAPTURE = """
import asyncio, handoff, sys
async def main():
    where = handoff.Workspace(sys.argv[1])
    operation = handoff.aio.capture(where, quiet=quiet, spool_dir=sys.argv[2], spool_memory=0)
    async for progress in operation:
        if progress.phase == "read" and progress.done >= at:
            print("begun", flush=True)
    await operation
try:
    asyncio.run(main())
except KeyboardInterrupt:
    sys.exit(7)
"""


@pytest.mark.parametrize("script", [PLAIN_CAPTURE, ASYNC_CAPTURE], ids=["plain", "async"])
def test_ctrl_c_ends_a_capture_and_leaves_nothing(scene: Scene, tmp_path: Path, script: str) -> None:
    large = FILES > 1000
    for number in range(FILES):
        file = scene.laptop / f"many/{number % 100}/{number}.bin"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.urandom(8192))
    # A large tree takes its time; in a small one, files that were written just now are waited for.
    options = f"quiet, at = {'0, 1' if large else '60, 0'}\n"
    spool, other = tmp_path / "spool", tmp_path / "tmp"
    spool.mkdir()
    other.mkdir()
    before = tree(scene.laptop)
    child = subprocess.Popen(
        [sys.executable, "-c", options + script, str(scene.laptop), str(spool)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(other)},
    )
    assert child.stdout is not None and child.stdout.readline() == "begun\n"
    began = time.monotonic()
    child.send_signal(signal.SIGINT)
    assert child.wait(30) == 7
    took = time.monotonic() - began
    child.stdout.close()
    assert list(spool.iterdir()) == list(other.iterdir()) == []
    assert tree(scene.laptop) == before
    if large:
        print(f"\nCtrl-C among {FILES} files: ended after {took * 1000:.0f} ms")
        assert took < 1


def tree(where: Path) -> list[tuple[str, int, int]]:
    """Every file and directory below, those of git too, with sizes and times."""
    return sorted((str(path), path.lstat().st_size, path.lstat().st_mtime_ns) for path in where.rglob("*"))


def test_the_command_line(scene: Scene) -> None:
    def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "handoff", *arguments], capture_output=True, text=True, cwd=scene.root, timeout=60
        )

    done = cli("capture", "laptop", "-o", "w.handoff")
    assert done.returncode == 0 and "laptop/notes.txt" in done.stdout, done
    assert "\x1b" not in done.stdout + done.stderr
    assert "+second" in cli("diff", "w.handoff").stdout
    assert cli("show", "w.handoff", "laptop/new.txt").stdout == "new\n"
    assert cli("preview", "w.handoff", "cloud").returncode == 0
    import json

    report = json.loads(cli("apply", "w.handoff", "cloud", "--json").stdout)
    assert report["verdict"] == "complete"
    (scene.cloud / "notes.txt").write_text("mine\n")
    done = cli("undo", report["apply_id"], "cloud")
    assert done.returncode == 3 and "conflict" in done.stdout
    assert cli("plan", "laptop", "--json").returncode == 0
    assert cli("apply", "absent.handoff", "cloud").returncode == 1
    assert json.loads(cli("show", "absent.handoff", "--json").stdout)["error"]["kind"] == "io"
    assert cli("runs", "--store", "store").returncode == 0
    assert cli("nonsense").returncode == 2
    assert "exit codes" in cli("--help").stdout
