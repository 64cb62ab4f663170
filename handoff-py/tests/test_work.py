"""Capturing, carrying, applying, undoing."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import handoff
import pytest
from conftest import Scene, git


def test_work_travels_and_comes_back(scene: Scene) -> None:
    snapshot = handoff.capture(scene.here)
    file = scene.root / "work.handoff"
    snapshot.save(file)
    opened = handoff.Snapshot.open(file)
    assert opened == snapshot and hash(opened) == hash(snapshot)
    assert handoff.Snapshot.from_bytes(opened.to_bytes()).id == snapshot.id
    before = handoff.preview(opened, scene.there)
    assert (before.action, before.verdict, before.apply_id) == ("preview", "complete", None)
    assert (scene.cloud / "notes.txt").read_text() == "first\n"
    report = handoff.apply(opened, scene.there)
    assert (scene.cloud / "notes.txt").read_text() == "first\nsecond\n"
    assert report.verdict == "complete" and report.count("applied") == 2
    assert {(file.repo, file.path, file.detail) for file in report.files} == {
        ("laptop", "new.txt", "created"),
        ("laptop", "notes.txt", "modified"),
    }
    assert json.loads(json.dumps(report.to_dict()))["verdict"] == "complete"
    assert report.apply_id is not None and report.apply_id in str(report)
    assert handoff.undo(scene.there, report.apply_id).verdict == "complete"
    assert (scene.cloud / "notes.txt").read_text() == "first\n"
    assert not (scene.cloud / "new.txt").exists()


def test_what_is_in_a_snapshot(scene: Scene) -> None:
    snapshot = handoff.capture(scene.here, exclude=["new.*"])
    assert [(entry.repo, entry.path) for entry in snapshot.entries] == [("laptop", "notes.txt")]
    assert [(omission.path, omission.reason) for omission in snapshot.omissions] == [("new.txt", "excluded")]
    assert snapshot.read("laptop", "notes.txt") == b"first\nsecond\n"
    assert snapshot.read("laptop", "notes.txt", "head") == b"first\n"
    assert snapshot.read("laptop", "absent") is None
    assert "+second" in str(snapshot.diff_base())
    (scene.laptop / "notes.txt").write_text("first\nthird\n")
    changed = snapshot.diff(handoff.capture(scene.here, exclude=["new.*"]))
    assert [change.path for repo in changed.repos for change in repo.changes] == ["notes.txt"]
    snapshot.verify()


def test_names_that_are_not_utf8(scene: Scene) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    (scene.laptop / name).write_bytes(b"x")
    snapshot = handoff.capture(scene.here)
    assert name in [entry.path for entry in snapshot.entries]
    assert snapshot.read("laptop", name) == b"x"
    odd = scene.root / os.fsdecode(b"cl\xffne")
    os.rename(scene.cloud, odd)
    report = handoff.apply(snapshot, handoff.Workspace(odd))
    assert (odd / name).read_bytes() == b"x"
    assert report.repos[0].target == str(odd)


def test_a_plan_reads_nothing_and_says_what_would_travel(scene: Scene) -> None:
    plan = handoff.plan(scene.here)
    assert [(file.path, file.change) for file in plan.files] == [("new.txt", "untracked"), ("notes.txt", "modified")]
    assert plan.bytes == 4 + 13


def test_loose_files(scene: Scene) -> None:
    notes, inbox = scene.root / "todo.md", scene.root / "inbox"
    notes.write_text("ship it\n")
    inbox.mkdir()
    snapshot = handoff.capture(handoff.Workspace(loose={"notes/todo.md": notes}))
    report = handoff.apply(snapshot, handoff.Workspace(scene.cloud, loose_root=inbox))
    assert (inbox / "notes/todo.md").read_text() == "ship it\n"
    assert report.loose is not None and report.files[-1].repo == ""


def test_progress_comes_on_this_thread(scene: Scene) -> None:
    seen: list[tuple[str, int]] = []
    handoff.capture(scene.here, progress=lambda progress: seen.append((progress.phase, threading.get_ident())))
    assert {phase for phase, _ in seen} >= {"scan", "read"}
    assert {thread for _, thread in seen} == {threading.get_ident()}


def test_a_progress_callback_that_raises_stops_the_capture(scene: Scene) -> None:
    class Enough(Exception):
        pass

    def enough(progress: handoff.Progress) -> None:
        raise Enough

    with pytest.raises(Enough):
        handoff.capture(scene.here, progress=enough)


def test_a_token_cancels(scene: Scene) -> None:
    token = handoff.CancelToken()
    threading.Timer(0.1, token.cancel).start()
    # An hour of quiet that nobody has: only the token ends it.
    (scene.laptop / "new.txt").write_text("just now\n")
    with pytest.raises(handoff.CancelledError):
        handoff.capture(scene.here, quiet=3600, cancel=token)
    with pytest.raises(handoff.CancelledError):
        handoff.capture(scene.here, cancel=token)


def test_the_gil_is_released(scene: Scene) -> None:
    token, ticks = handoff.CancelToken(), 0

    def tick() -> None:
        nonlocal ticks
        while not token.cancelled:
            ticks += 1
            if ticks == 100:
                token.cancel()
            time.sleep(0)

    thread = threading.Thread(target=tick)
    (scene.laptop / "new.txt").write_text("just now\n")
    thread.start()
    with pytest.raises(handoff.CancelledError):
        handoff.capture(scene.here, quiet=3600, cancel=token)
    thread.join()


def test_a_scanner_of_ones_own(scene: Scene) -> None:
    class Acme:
        def scan(self, content: bytes) -> list[handoff.SecretFinding]:
            at = content.find(b"acme-")
            return [] if at < 0 else [handoff.SecretFinding("acme_key", at, at + 5)]

    (scene.laptop / "key.txt").write_text("acme-0123\n")
    snapshot = handoff.capture(scene.here, secret_rules=handoff.SecretRules(scanners=[Acme()]))
    assert [(left.path, left.rule) for left in snapshot.omissions] == [("key.txt", "acme_key")]

    class Broken:
        def scan(self, content: bytes) -> list[handoff.SecretFinding]:
            raise RuntimeError("no")

    snapshot = handoff.capture(scene.here, secret_rules=handoff.SecretRules(scanners=[Broken()]))
    assert "key.txt" in [left.path for left in snapshot.omissions]


def test_secrets_are_found_and_taken_out_of_anything() -> None:
    # In two parts, so that this file holds none.
    secret = b"AKIA" + b"QYLPMN5HFIQR7XYA"
    content = b"id = " + secret + b"\n"
    (found,) = handoff.secrets.scan(content)
    assert (found.start, found.end) == (5, 5 + len(secret))
    assert found.rule in {rule.id for rule in handoff.secrets.rules()}
    redacted = handoff.secrets.redact(bytearray(content))
    assert secret not in redacted and redacted.startswith(b"id = ") and redacted.endswith(b"\n")
    assert handoff.secrets.scan(redacted) == ()
    with pytest.raises(handoff.InvalidArgumentError, match="content"):
        handoff.secrets.scan("text")  # type: ignore[arg-type]


def test_nothing_is_left_open(scene: Scene) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    def once() -> None:
        with handoff.capture(scene.here) as snapshot, scene.there as there:
            handoff.preview(snapshot, there)

    once()
    before = open_files()
    for _ in range(20):
        once()
    assert open_files() <= before + 2


@pytest.mark.parametrize("path", ["work.handoff", Path("work.handoff")])
def test_a_damaged_bundle_is_refused(scene: Scene, path: str | Path) -> None:
    file = scene.root / path
    handoff.capture(scene.here).save(file)
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(handoff.FormatError) as caught:
        handoff.Snapshot.open(file)
    assert caught.value.kind in ("truncated", "corrupt", "format")
