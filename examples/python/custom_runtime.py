"""A runtime of one's own: it prepares each session's place itself, and lets a program answer in it, in its own process."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import handoff
from scene import ANA, Scene, git, show

AGENT = """
import os, sys
with open("plan.md", "a") as plan:
    plan.write(sys.argv[1] + "\\n")
print("Process", os.getpid(), "runs this session.")
"""


class Clones:
    """Each session in a clone of its own. A fleet would take a machine here instead."""

    def __init__(self, environment: handoff.Environment, places: Path) -> None:
        self._environment, self._places = environment, places
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def environment(self, id: str) -> handoff.Environment:
        # Asked before anything moves, so that nobody starts a run that could not go anywhere.
        if id != self._environment.id:
            raise handoff.NotFoundError(f"no environment {id}")
        return self._environment

    async def start(self, spec: handoff.SessionSpec, sessions: handoff.Sessions) -> None:
        # Idempotent, and it does not wait for the session.
        if spec.session not in self._tasks:
            self._tasks[spec.session] = asyncio.create_task(self._run(spec, sessions))

    async def cancel(self, session: str) -> None:
        # The polite request is in the run's inbox already; this takes the place away.
        if task := self._tasks.get(session):
            task.cancel()

    async def _run(self, spec: handoff.SessionSpec, sessions: handoff.Sessions) -> None:
        place = self._places / spec.session
        try:
            place.mkdir(parents=True)
            for repo in self._environment.repos:
                await asyncio.to_thread(git, place, "clone", "--quiet", repo.source, repo.name)
        except OSError as error:
            # Said in the run, which can then be continued; otherwise it would wait for ever.
            await sessions.fail(spec, str(error))
            return
        checkouts = [place / repo.name for repo in self._environment.repos]
        agent = handoff.CommandAgent(sys.executable, ["-c", AGENT, "{prompt}"])
        await sessions.run(spec, handoff.Place(root=checkouts[0], repos=checkouts), agent)


async def main(scene: Scene) -> None:
    runtime = Clones(scene.environment, scene.root / "places")
    with handoff.Handoff(storage=handoff.DirStorage(scene.root / "store"), runtime=runtime) as hub:
        try:
            await hub.start(actor=ANA, environment="mars", prompt="Go.")
        except handoff.NotFoundError as error:
            show("refused before anything moved:", error)

        run = await hub.start(actor=ANA, environment="cloud", prompt="3. ship it", workspace=scene.workspace)
        await hub.wait(run.id, actor=ANA, deadline=60)
        await hub.continue_(run.id, actor=ANA, prompt="4. rest")
        ended = await hub.wait(run.id, actor=ANA, deadline=60)
        assert ended.state == "succeeded" and ended.conversation is not None, ended

        said = [message.text async for message in hub.conversations.read(ended.conversation)]
        processes = {text for text in said if text.startswith("Process ")}
        show(len(processes), "sessions in", len(processes), "processes")
        assert len(processes) == len(ended.sessions) == 2, said
        result = await hub.result(run.id, actor=ANA)
        assert result is not None
        show(*(line for line in str(result.diff_base()).splitlines() if line.startswith(("+3", "+4"))), sep="\n")


with Scene() as scene:
    asyncio.run(main(scene))
