"""Bring a run's result home, where the person has meanwhile worked on: merged, and one conflict kept for both."""

import asyncio
from pathlib import Path

import handoff
from scene import ANA, Scene, show


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text, (file, old)
    file.write_text(text.replace(old, new))


class Finisher:
    """Changes three files. It is not asynchronous, so it has a thread to itself."""

    def run(self, session: handoff.Session) -> handoff.SessionEnd:
        repo = Path(session.repos[0])
        change(repo / "greet.sh", "# The end.", "# The end, says the cloud.")
        change(repo / "plan.md", "test it", "test it at noon")
        (repo / "run.sh").write_text("sh greet.sh\n")
        session.append("Three files changed.").result()
        return handoff.SessionEnd.succeeded()


async def main(scene: Scene) -> None:
    greet, plan = scene.laptop / "greet.sh", scene.laptop / "plan.md"
    with handoff.Handoff(storage=handoff.MemoryStorage(), runtime=scene.local(Finisher())) as hub:
        run = await hub.start(actor=ANA, environment="cloud", prompt="Finish it.", workspace=scene.workspace)
        # Meanwhile at home: another part of one file, and the very line that the agent changes in another.
        change(greet, "# Greets.", "# Greets, says the laptop.")
        change(plan, "test it", "test it twice")
        mine = (greet.read_text(), plan.read_text())
        await hub.wait(run.id, actor=ANA, deadline=60)

        # First only look.
        seen = await hub.pull(run.id, scene.workspace, actor=ANA, action="preview")
        assert seen.report is not None and (greet.read_text(), plan.read_text()) == mine
        for file in seen.report.files:
            show("would be:", file.outcome, file.path)

        pulled = await hub.pull(run.id, scene.workspace, actor=ANA)
        report = pulled.report
        assert report is not None and pulled.conversation is not None
        for file in report.files:
            show(file.outcome, file.path)
        text = greet.read_text()
        assert "says the laptop" in text and "says the cloud" in text, text
        assert plan.read_text() == mine[1], "a conflict leaves the local file alone"
        (conflict,) = (file for file in report.files if file.outcome == "conflict")
        assert conflict.incoming is not None
        show("the cloud's", conflict.path, "waits:", Path(conflict.incoming).read_text().splitlines()[-1])
        show("the conversation is", pulled.conversation.owner + "'s,", pulled.conversation.messages, "messages")

        # Not what was wanted.
        assert report.apply_id is not None
        show("undone:", handoff.undo(scene.workspace, report.apply_id).verdict)
        assert (greet.read_text(), plan.read_text()) == mine and not (scene.laptop / "run.sh").exists()


with Scene() as scene:
    asyncio.run(main(scene))
