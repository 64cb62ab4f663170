"""From Ana's machine to a run elsewhere: her conversation is forked, her work is restored there, and an agent goes on."""

import asyncio
from pathlib import Path

import handoff
from scene import ANA, Scene, show


class Tester:
    """Writes the test that the plan asks for."""

    def describe(self) -> handoff.AgentInfo:
        return handoff.AgentInfo("tester", models=("small",))

    async def run(self, session: handoff.Session) -> None:
        repo = Path(session.repos[0])
        past = await session.messages()
        steps = (repo / "plan.md").read_text().splitlines()
        (repo / "test.sh").write_text('test "$(sh greet.sh Ana)" = "Good morning, Ana"\n')
        await session.append(f"I know {len(past)} messages and a plan of {len(steps)} steps. test.sh is written.")
        await session.usage({"tokens": 120})


async def main(scene: Scene) -> None:
    storage = handoff.DirStorage(scene.root / "store")
    with handoff.Handoff(storage=storage, runtime=scene.local(Tester())) as hub:
        talk = await hub.conversations.create(owner=ANA)
        said: list[handoff.Message | str] = [handoff.Message("user", "Greet by the time of day."), "Done. Tests are missing."]
        await hub.conversations.append(talk.id, said)

        run = await hub.start(
            actor=ANA,
            environment="cloud",
            prompt="Write the tests.",
            conversation=talk.id,
            workspace=scene.workspace,
            origin="local_to_cloud",
        )
        show("The laptop can be closed now. In the cloud:")
        async for event in hub.watch(run.id, actor=ANA):
            if event.run is not None:
                show("--", event.run.state)
            else:
                show(f"{event.message.role}: {event.message.text.splitlines()[0]}")

        # The run has a conversation of its own; the one on the laptop is as it was. So is the checkout.
        show("the source still has", (await hub.conversations.head(talk.id)).messages, "messages")
        assert not (scene.laptop / "test.sh").exists()
        record = await hub.run(run.id, actor=ANA)
        show("used:", record.usage, "by", record.sessions[0].agent)
        result = await hub.result(run.id, actor=ANA)
        assert result is not None
        show("the result holds:", *sorted(entry.path for entry in result.entries))


with Scene() as scene:
    asyncio.run(main(scene))
