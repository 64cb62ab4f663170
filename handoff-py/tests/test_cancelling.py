"""Cancelling comes back only after all is cleaned up: looked at in the moment it does."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import handoff
import pytest
from conftest import Scene


class Place:
    """A directory, and a token that is used once something of the core's is in it."""

    def __init__(self, root: Path) -> None:
        self.root = root / "place"
        self.root.mkdir()
        self.token = handoff.CancelToken()
        self.caught = False

    def used(self) -> bool:
        """Whether a file below it is there or, without a name, open."""
        for number in os.listdir("/proc/self/fd"):
            try:
                if os.readlink(f"/proc/self/fd/{number}").startswith(f"{self.root}/"):
                    return True
            except OSError:
                # That of the list itself.
                continue
        return any(self.root.iterdir())

    def seen(self) -> bool:
        """Waits until it is used."""
        until = time.monotonic() + 60
        while not self.used() and time.monotonic() < until:
            threading.Event().wait(0.001)
        self.caught = self.used()
        return self.caught

    def watch(self) -> None:
        """Cancels once it is used, from a thread of its own."""

        def stop() -> None:
            if self.seen():
                self.token.cancel()

        threading.Thread(target=stop).start()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def fill(scene: Scene, count: int) -> None:
    """Work that cannot be compressed."""
    (scene.laptop / "many").mkdir()
    for number in range(count):
        (scene.laptop / f"many/{number}").write_bytes(os.urandom(65536))


def slow(scene: Scene, place: Place) -> dict[str, Any]:
    """A capture that writes to the place and then waits until nobody has written to what it reads, which is for long."""
    fill(scene, 10)
    return {"quiet": 60, "spool_dir": place.root, "spool_memory": 0}


def test_a_cancelled_capture_has_cleaned_up(scene: Scene, place: Place) -> None:
    place.watch()
    with pytest.raises(handoff.CancelledError):
        handoff.capture(scene.here, cancel=place.token, **slow(scene, place))
    assert not place.used() and place.caught


def test_a_cancelled_save_has_cleaned_up(scene: Scene, place: Place) -> None:
    fill(scene, 300)
    snapshot = handoff.capture(scene.here, spool_memory=1 << 30)

    def stop(progress: handoff.Progress) -> None:
        place.caught = place.caught or place.used()
        if place.caught:
            place.token.cancel()

    with pytest.raises(handoff.CancelledError):
        snapshot.save(place.root / "work.handoff", progress=stop, cancel=place.token)
    assert not place.used() and place.caught


def test_a_call_whose_progress_raises_has_cleaned_up(scene: Scene, place: Place) -> None:
    def raises(progress: handoff.Progress) -> None:
        if progress.phase == "read" and place.seen():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        handoff.capture(scene.here, progress=raises, **slow(scene, place))
    assert not place.used() and place.caught


async def cancelled(operation: handoff.Operation[Any], place: Place) -> None:
    operation.cancel()
    with pytest.raises(handoff.CancelledError):
        await operation


async def left(operation: handoff.Operation[Any], place: Place) -> None:
    async with operation:
        pass


async def task_cancelled(operation: handoff.Operation[Any], place: Place) -> None:
    task = asyncio.create_task(waited(operation))
    await asyncio.sleep(0)
    task.cancel()
    # Twice: who is impatient gets it no earlier.
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def timed_out(operation: handoff.Operation[Any], place: Place) -> None:
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(waited(operation), 0.01)


async def waited(operation: handoff.Operation[Any]) -> Any:
    return await operation


@pytest.mark.parametrize("end", [cancelled, left, task_cancelled, timed_out])
def test_an_operation_that_is_given_up_has_cleaned_up(scene: Scene, place: Place, end: Callable[..., Any]) -> None:
    async def story() -> bool:
        operation = handoff.aio.capture(scene.here, **slow(scene, place))
        await asyncio.to_thread(place.seen)
        await end(operation, place)
        return place.used()

    assert not asyncio.run(story()) and place.caught
