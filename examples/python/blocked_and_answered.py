"""An agent that asks: the person is told, answers when there is time, and the agent goes on where it was."""

import asyncio
from pathlib import Path

import handoff
from scene import ANA, Scene, show


class Asker:
    """Wants to know before it writes."""

    async def run(self, session: handoff.Session) -> None:
        answer = await session.block("Formal or casual?")
        greet = Path(session.repos[0]) / "greet.sh"
        greet.write_text(greet.read_text().replace("Good morning", answer.text))
        await session.append(f'It greets with "{answer.text}" now.')


class Mail:
    """Where a host would send a mail or a message."""

    async def notify(self, notice: handoff.Notice) -> None:
        question = notice.run.question
        show(f"(to ana) {notice.kind}: {notice.run.state if question is None else question.text}")


async def main(scene: Scene) -> None:
    storage = handoff.MemoryStorage()
    with handoff.Handoff(storage=storage, runtime=scene.local(Asker()), notify=Mail()) as hub:
        run = await hub.start(actor=ANA, environment="cloud", prompt="Choose.", workspace=scene.workspace)
        blocked = await hub.wait(run.id, actor=ANA, deadline=60)
        assert blocked.state == "blocked"

        # The only thing to offer now is an answer; a follow-up would be refused.
        offer = await hub.affordance(run.id, actor=ANA)
        show("to offer:", offer.action, "|", offer.question)
        try:
            await hub.continue_(run.id, actor=ANA, prompt="Hurry up.")
        except handoff.NotContinuableError as error:
            show("a follow-up instead:", error.kind)

        # With a key, an answer that is sent twice is given once.
        for _ in range(2):
            await hub.answer(run.id, actor=ANA, prompt="Good evening", idempotency_key="form 17")
        async for event in hub.watch(run.id, actor=ANA):
            if event.message is not None and event.message.role == "assistant":
                show("assistant:", event.message.text)
        ended = await hub.run(run.id, actor=ANA)
        show(ended.state, "in", len(ended.sessions), "session")
        result = await hub.result(run.id, actor=ANA)
        assert result is not None and '+echo "Good evening' in str(result.diff_base())


with Scene() as scene:
    asyncio.run(main(scene))
