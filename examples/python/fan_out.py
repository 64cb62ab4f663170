"""Three attempts at one task from the same conversation and the same work, compared by their diffs."""

import asyncio
from pathlib import Path

import handoff
from scene import ANA, GREET, Scene, show


class Greeter:
    """Each prompt leads it to another solution."""

    async def run(self, session: handoff.Session) -> None:
        repo = Path(session.repos[0])
        if "simple" in session.prompt:
            (repo / "greet.sh").write_text(GREET.replace("Hello", "Good day"))
        elif "clock" in session.prompt:
            (repo / "greet.sh").write_text(GREET.replace("Hello", "Good $(date +%p)"))
        else:
            (repo / "greet.sh").write_text('#!/bin/sh\necho "Good day, $*"\n')
            (repo / "plan.md").unlink()
        await session.append(f"Done: {session.prompt}")


async def main(scene: Scene) -> None:
    prompts = ("The simple way.", "Ask the clock.", "Start over.")
    with handoff.Handoff(storage=handoff.MemoryStorage(), runtime=scene.local(Greeter())) as hub:
        snapshot = handoff.capture(scene.workspace)
        many = await hub.fan_out(
            actor=ANA,
            environment="cloud",
            prompts=prompts,
            # The messages themselves, where the host keeps its transcripts elsewhere.
            conversation=[handoff.Message("user", "Greet by the time of day.")],
            workspace=snapshot,
        )
        runs, results = [], []
        for prompt, started in zip(prompts, many, strict=True):
            # One that could not be started is an error in its place.
            if isinstance(started, handoff.HandoffError):
                raise started
            ended = await hub.wait(started.id, actor=ANA, deadline=60)
            result = await hub.result(started.id, actor=ANA)
            assert ended.state == "succeeded" and result is not None, ended
            show(f"== {prompt}\n{snapshot.diff(result)}")
            runs.append(ended)
            results.append(result)

        # Any two variants can be held against each other.
        show(f"== the first two against each other\n{results[0].diff(results[1])}")
        assert "deleted file" in str(results[0].diff(results[2])), "the third one removed the plan"

        # The one that is wanted comes home.
        pulled = await hub.pull(runs[0].id, scene.workspace, actor=ANA)
        show(f"== pulled\n{pulled.report}")
        show((scene.laptop / "greet.sh").read_text().splitlines()[2])


with Scene() as scene:
    asyncio.run(main(scene))
