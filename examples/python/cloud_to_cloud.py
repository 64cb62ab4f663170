"""One run, three sessions, two machines that share nothing but a store: the conversation and the work go on."""

import asyncio
from pathlib import Path

import handoff
from scene import ANA, Scene, show


class Planner:
    """Adds what it is asked to the plan, below what it finds there."""

    async def run(self, session: handoff.Session) -> None:
        plan = Path(session.repos[0]) / "plan.md"
        with plan.open("a") as file:
            file.write(f"- {session.prompt} (session {session.number})\n")
        await session.append(f"The plan has {len(plan.read_text().splitlines())} lines now.")


async def main(scene: Scene) -> None:
    storage = handoff.DirStorage(scene.root / "store")
    # The hub only puts sessions into a queue; workers anywhere take them out.
    queue = handoff.QueueRuntime(storage=storage, name="work", environments=[scene.environment])
    with handoff.Handoff(storage=storage, runtime=queue) as hub:
        run = await hub.start(
            actor=ANA,
            environment="cloud",
            prompt="measure first",
            workspace=scene.workspace,
            source="schedule: nightly",
        )
        cursor = handoff.Cursor()
        for machine, prompt in (("one", None), ("two", "then cut"), ("one", "sand it")):
            if prompt is not None:
                went = await hub.continue_(run.id, actor=ANA, prompt=prompt)
                assert (went.went, went.workspace) == ("new_session", True), went
            ran = await handoff.work(
                queue,
                storage=storage,
                agent=Planner(),
                root=scene.root / machine,
                environments=[scene.environment],
                when_empty="return",
            )
            assert ran == 1
            # With the cursor, everything is seen once, however often somebody looks.
            async for event in hub.watch(run.id, actor=ANA, cursor=cursor):
                cursor = event.cursor
                if event.message is not None and event.message.role == "assistant":
                    show(f"on machine {machine}: {event.message.text}")

        # One row, one conversation, and everything that was decided at the start.
        (row,) = (await hub.list_runs(actor=ANA)).runs
        show(row.source, "|", row.state, "|", len(row.sessions), "sessions")
        result = await hub.result(run.id, actor=ANA)
        assert result is not None
        show(*(line for line in str(result.diff_base()).splitlines() if line.startswith("+-")), sep="\n")


with Scene() as scene:
    asyncio.run(main(scene))
