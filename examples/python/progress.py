"""Progress three ways: a bar of tqdm's, a loop over an operation, and a button that stops it.

``pip install tqdm``; any other bar that takes a count and a total does as well.
"""

from __future__ import annotations

import asyncio
import sys

import handoff
from scene import Scene, show
from tqdm import tqdm


class Bars:
    """One bar for each phase, as phases come: pass it as ``progress=``."""

    def __init__(self) -> None:
        self._phase, self._bar = "", tqdm(disable=True)

    def __call__(self, now: handoff.Progress) -> None:
        if now.phase != self._phase:
            self.close()
            self._phase = now.phase
            self._bar = tqdm(desc=now.phase, unit=" files", file=sys.stderr, leave=False)
        # The total is 0 while nobody knows it, which tqdm calls None.
        self._bar.total = now.total or None
        self._bar.update(now.done - self._bar.n)

    def close(self) -> None:
        """Ends the bar at hand."""
        self._bar.close()


async def loop(scene: Scene) -> None:
    # The operation is cancelled, and has cleaned up, when the block is left before its end.
    async with handoff.aio.capture(scene.workspace) as operation:
        phases = [progress.phase async for progress in operation]
        snapshot = await operation
    show("phases:", *dict.fromkeys(phases))
    show(f"{len(snapshot.entries)} changes")


async def button(scene: Scene) -> None:
    # An hour of quiet is asked for, which Ana's files have not had; so only the button ends it.
    (scene.laptop / "plan.md").touch()
    async with handoff.aio.capture(scene.workspace, quiet=3600) as operation:
        async for progress in operation:
            if progress.phase == "read":
                operation.cancel()
        try:
            await operation
        except handoff.CancelledError as error:
            show("stopped:", error.kind)


with Scene() as scene:
    for number in range(200):
        (scene.laptop / f"note-{number}.txt").write_text(f"{number}\n")
    bars = Bars()
    try:
        snapshot = handoff.capture(scene.workspace, progress=bars)
    finally:
        bars.close()
    show(f"{len(snapshot.entries)} changes, watched on a bar")
    asyncio.run(loop(scene))
    asyncio.run(button(scene))
