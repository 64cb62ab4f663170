"""The life of runs, with storages, agents and policies written in Python."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import handoff
import pytest
from conftest import Scene, git


class MyStorage:
    """A storage around another; some methods are asynchronous and some plain."""

    def __init__(self) -> None:
        self.inner = handoff.MemoryStorage()

    async def put_new(self, key: str, body: bytes) -> Any:
        return await self.inner.put_new(key, body)

    def put(self, key: str, body: bytes) -> None:
        self.inner.put(key, body).result()

    async def put_stream(self, key: str, body: AsyncIterator[bytes]) -> None:
        await self.inner.put(key, b"".join([piece async for piece in body]))

    def get(self, key: str, start: int | None, end: int | None) -> bytes | None:
        return self.inner.get(key, start, end).result()

    async def list(self, prefix: str, after: str | None, limit: int) -> Sequence[handoff.Meta]:
        return await self.inner.list(prefix, after, limit)

    async def delete(self, keys: Sequence[str]) -> None:
        await self.inner.delete(keys)


class Writer:
    """An agent that leaves a file."""

    async def run(self, session: handoff.Session) -> None:
        await session.append(f"I was asked: {session.prompt}")
        (Path(session.repos[0]) / "agent.txt").write_text(session.prompt)


class PlainWriter:
    """The same in code that is not asynchronous."""

    def run(self, session: handoff.Session) -> handoff.SessionEnd:
        session.append(role="assistant", text=f"I was asked: {session.prompt}").result()
        (Path(session.repos[0]) / "agent.txt").write_text(session.prompt)
        return handoff.SessionEnd.succeeded()


def hub_of(scene: Scene, agent: Any, **ports: Any) -> handoff.Handoff:
    origin = scene.root / "origin.git"
    if not origin.exists():
        git(scene.root, "clone", "-q", "--bare", "laptop", "origin.git")
    place = handoff.Environment("env-1", (handoff.EnvironmentRepo("laptop", str(origin)),))
    runtime = handoff.LocalRuntime(agent=agent, root=scene.root / "runs", environments=[place])
    storage = ports.pop("storage", None) or handoff.MemoryStorage()
    return handoff.Handoff(storage=storage, runtime=runtime, terms=handoff.Terms(poll=0.05), **ports)


@pytest.mark.parametrize("agent", [Writer(), PlainWriter()], ids=["async", "plain"])
@pytest.mark.parametrize("storage", [handoff.MemoryStorage, MyStorage], ids=["memory", "python"])
def test_work_goes_out_is_continued_and_comes_home(scene: Scene, agent: Any, storage: Any) -> None:
    async def story() -> None:
        with hub_of(scene, agent, storage=storage()) as hub:
            run = await hub.start(
                actor="ana", environment="env-1", prompt="one", workspace=scene.here, conversation=["earlier"]
            )
            said = [event.message.text async for event in hub.watch(run.id, actor="ana") if event.message]
            assert said[0] == "earlier" and said[-1] == "I was asked: one"
            assert (await hub.run(run.id, actor="ana")).state == "succeeded"
            went = await hub.continue_(run.id, actor="ana", prompt="two")
            assert (went.went, went.workspace) == ("new_session", True)
            ended = await hub.wait(run.id, actor="ana", deadline=60)
            assert (ended.state, len(ended.sessions)) == ("succeeded", 2)
            pulled = await hub.pull(run.id, scene.here, actor="ana")
            assert pulled.report is not None and pulled.report.verdict == "complete"
            assert pulled.conversation is not None and pulled.conversation.lineage is not None

    asyncio.run(story())
    assert (scene.laptop / "agent.txt").read_text() == "two"


def test_without_an_event_loop(scene: Scene) -> None:
    with hub_of(scene, Writer(), storage=MyStorage()) as hub:
        run = hub.start(actor="ana", environment="env-1", prompt="one").result()
        kinds = [event.kind for event in hub.watch(run.id, actor="ana")]
        assert "message" in kinds and kinds[-1] == "run"
        assert [found.id for found in hub.list_runs(actor="ana").result().runs] == [run.id]
        hub.delete_run(run.id, actor="ana").result()
        assert hub.list_runs(actor="ana").result().runs == ()
        with pytest.raises(handoff.NotFoundError):
            hub.run(run.id, actor="ana").result()


def test_garbage_is_taken_in_two_passes_and_a_preview_only_looks(scene: Scene) -> None:
    with hub_of(scene, Writer()) as hub:
        run = hub.start(actor="ana", environment="env-1", prompt="one").result()
        hub.wait(run, actor="ana").result()
        looked = hub.collect(action="preview").result()
        assert (looked.removed, looked.condemned, looked.unreadable, looked.wait) == ((), (), (), None)
        assert looked.kept > 0
        assert hub.collect().result().wait is None
        again = hub.collect(keep=[handoff.SnapshotRef(id="0" * 64, key="snapshots/none")]).result()
        assert again.wait is not None and again.wait > 23 * 3600, "the last pass is a moment old"
        wrongs: list[dict[str, Any]] = [{"grace": 1.0}, {"claims": 60.0}, {"action": "burn"}, {"keep": ["x"]}]
        for wrong in wrongs:
            with pytest.raises(handoff.InvalidArgumentError) as caught:
                hub.collect(**wrong).result()
            assert str(caught.value.argument).startswith(next(iter(wrong)))


def test_a_policy_decides_who_may_delete_a_run(scene: Scene) -> None:
    class Rules:
        def relation(self, actor: str, run: handoff.Run) -> str:
            return "creator"

        async def may_delete(self, actor: str, run: handoff.Run) -> bool:
            return actor == "root" and run.state == "succeeded"

    with hub_of(scene, Writer(), policy=Rules()) as hub:
        run = hub.start(actor="ana", environment="env-1", prompt="one").result()
        hub.wait(run, actor="ana").result()
        with pytest.raises(handoff.NotPermittedError):
            hub.delete_run(run, actor="ana").result()
        hub.delete_run(run, actor="root").result()
        with pytest.raises(handoff.NotFoundError):
            hub.run(run, actor="ana").result()


def test_a_program_asks_on_a_marked_line(scene: Scene) -> None:
    script = 'echo "ASK which?"; read -r answer; echo "took $answer"'
    agent = handoff.CommandAgent("sh", ["-c", script, "agent", "{prompt}"], questions="ASK ")
    with hub_of(scene, agent) as hub:
        run = hub.start(actor="ana", environment="env-1", prompt="one").result()
        blocked = hub.wait(run, actor="ana").result()
        assert blocked.question is not None and blocked.question.text == "which?"
        hub.answer(run, actor="ana", prompt="the left").result()
        said = [str(event.message) for event in hub.watch(run.id, actor="ana") if event.message is not None]
        assert any("took the left" in text for text in said), said


def test_a_question_is_answered(scene: Scene) -> None:
    class Asks:
        async def run(self, session: handoff.Session) -> None:
            answer = await session.block("which one?")
            await session.append(f"so {answer.text}")

    class Told:
        def __init__(self) -> None:
            self.notices: list[str] = []

        async def notify(self, notice: handoff.Notice) -> None:
            self.notices.append(notice.kind)

    told = Told()

    async def story() -> None:
        with hub_of(scene, Asks(), notify=told) as hub:
            run = await hub.start(actor="ana", environment="env-1", prompt="choose")
            blocked = await hub.wait(run.id, actor="ana", deadline=60)
            assert blocked.state == "blocked" and blocked.question is not None
            assert blocked.question.text == "which one?"
            offer = await hub.affordance(run, actor="ana")
            assert (offer.action, offer.question) == ("respond", "which one?")
            await hub.answer(run.id, actor="ana", prompt="this")
            *_, last = [event async for event in hub.watch(run.id, actor="ana")]
            assert last.run is not None and last.run.state == "succeeded"
            assert (await hub.affordance(run, actor="bob")).action == "unavailable"

    asyncio.run(story())
    assert "input_required" in told.notices


def test_exceptions_keep_their_identity() -> None:
    class Mine(Exception):
        pass

    class Breaks(MyStorage):
        error: BaseException = Mine("no disk")

        def get(self, key: str, start: int | None, end: int | None) -> bytes | None:
            raise self.error

    storage = Breaks()
    conversations = handoff.Conversations(storage)
    absent = "c" + "0" * 32
    with pytest.raises(handoff.StorageError) as caught:
        conversations.head(absent).result()
    assert caught.value.__cause__ is storage.error and "no disk" in str(caught.value)
    storage.error = handoff.LimitError("too much", retryable=True)
    with pytest.raises(handoff.LimitError) as limited:
        conversations.head(absent).result()
    assert limited.value.retryable and limited.value.__cause__ is storage.error


@pytest.mark.parametrize("found", [5, "text", [1]])
def test_nonsense_is_refused(found: Any) -> None:
    class Odd(MyStorage):
        def get(self, key: str, start: int | None, end: int | None) -> Any:
            return found

        async def put_new(self, key: str, body: bytes) -> Any:
            return found

    conversations = handoff.Conversations(Odd())
    for call in (conversations.head("c" + "0" * 32), conversations.create(owner="ana")):
        with pytest.raises(handoff.StorageError, match="it has to return"):
            call.result()


def test_a_call_that_hangs_is_cancelled() -> None:
    cancelled = threading.Event()

    class Hangs(MyStorage):
        async def get(self, key: str, start: int | None, end: int | None) -> Any:  # type: ignore[override]
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

    async def story() -> None:
        conversations = handoff.Conversations(Hangs())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(_of(conversations.head("c" + "0" * 32)), 0.2)
        async with conversations.head("c" + "0" * 32) as operation:
            pass
        with pytest.raises(handoff.CancelledError):
            await operation

    asyncio.run(story())
    assert cancelled.wait(10)


async def _of(operation: handoff.Operation[Any]) -> Any:
    return await operation


def test_four_event_loops_in_four_threads() -> None:
    failures: list[BaseException] = []

    async def story() -> None:
        conversations = handoff.Conversations(MyStorage())
        head = await conversations.create(owner="ana")
        for number in range(5):
            await conversations.append(head.id, f"message {number}")
        assert [message.text async for message in conversations.read(head.id)] == [
            f"message {number}" for number in range(5)
        ]
        fork = await conversations.fork(head.id, owner="bob", at=3)
        assert (fork.messages, fork.owner) == (3, "bob")

    def run() -> None:
        try:
            asyncio.run(story())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


def test_a_fork_has_the_id_that_is_asked_for() -> None:
    conversations = handoff.Conversations(handoff.MemoryStorage())
    head = conversations.create(owner="ana").result()
    conversations.append(head.id, ["one", "two"]).result()
    own = "c" + "0" * 31 + "1"
    fork = conversations.fork(head.id, owner="bob", at=1, new_id=own).result()
    assert (fork.id, fork.messages) == (own, 1)
    # A call that is repeated finds what it has done.
    assert conversations.fork(head.id, owner="bob", at=1, new_id=own).result() == fork
    assert conversations.head(head.id).result().messages == 2


def test_attachments_and_bodies_are_kept_byte_for_byte() -> None:
    conversations = handoff.Conversations(handoff.MemoryStorage())
    attachment = conversations.attach("a.bin", b"\x00\xff", media_type="application/octet-stream").result()
    assert conversations.read_attachment(attachment).result() == b"\x00\xff"
    head = conversations.create(owner="ana").result()
    body = '{ "$handle": 0, "b":1.0 }'
    message = handoff.Message("user", "hi", body=body, attachments=(attachment,))
    conversations.append(head.id, message).result()
    (found,) = conversations.messages(head.id).result()
    assert (found.body, found.attachments) == (body, (attachment,))
