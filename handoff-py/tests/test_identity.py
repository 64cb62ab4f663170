"""What implementers raise is the cause of what comes out, itself, through every port and both ways; kind and retryable are
kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import handoff
import pytest
from conftest import git
from implementations import AsyncStorage, Echo, PlainEcho, PlainStorage


class Mine(Exception):
    """Nothing of this package's."""


class Later(Exception):
    """An exception that says of itself that it may pass."""

    retryable = True


THROWN: list[tuple[Exception, str | None, bool]] = [
    (Mine("broken"), None, False),
    (Later("busy"), None, True),
    (handoff.LimitError("too much", retryable=True), "limit", True),
    (handoff.NotFoundError("nowhere"), "not_found", False),
]


def raising(error: BaseException, plain: bool) -> Callable[..., Any]:
    def at_once(*given: Any) -> Any:
        raise error

    async def later(*given: Any) -> Any:
        await asyncio.sleep(0)
        raise error

    return at_once if plain else later


def expect(call: Callable[[], Any], own: type[Exception], error: Exception, kind: str | None, retryable: bool) -> None:
    with pytest.raises(handoff.HandoffError) as caught:
        call()
    assert caught.value.__cause__ is error
    assert caught.value.kind == (kind or getattr(own, "KIND", None)), str(caught.value)
    assert isinstance(caught.value, handoff.errors.error_class(kind) if kind else own)
    assert caught.value.retryable is retryable and str(error) in str(caught.value)


class Ground:
    def __init__(self, root: Path) -> None:
        git(root, "init", "-q", "origin")
        git(root / "origin", "commit", "-q", "--allow-empty", "-m", "first")
        self.environment = handoff.Environment("e", (handoff.EnvironmentRepo("app", str(root / "origin")),))
        self.root = root

    def hub(self, agent: Any = None, **ports: Any) -> handoff.Handoff:
        ports.setdefault("storage", handoff.MemoryStorage())
        if "runtime" not in ports:
            root = self.root / "runs"
            ports["runtime"] = handoff.LocalRuntime(agent=agent or Echo(), root=root, environments=[self.environment])
        return handoff.Handoff(terms=handoff.Terms(poll=0.05), **ports)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def begin(hub: handoff.Handoff, actor: str = "ana") -> Any:
    return hub.start(actor=actor, environment="e", prompt="hello").result()


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "async"])
@pytest.mark.parametrize(("error", "kind", "retryable"), THROWN)
def test_through_every_port(ground: Ground, error: Exception, kind: str | None, retryable: bool, plain: bool) -> None:
    fails = raising(error, plain)

    storage: Any = PlainStorage() if plain else AsyncStorage()
    storage.get = fails
    conversations = handoff.Conversations(storage)
    expect(conversations.head("c" + "0" * 32).result, handoff.StorageError, error, kind, retryable)

    for method in ("environment", "start"):
        runtime = Recorder(ground.environment)
        setattr(runtime, method, fails)
        with ground.hub(runtime=runtime) as hub:
            expect(lambda hub=hub: begin(hub), handoff.RuntimeFailedError, error, kind, retryable)

    rules = Rules()
    for method in ("budget", "may_store_conversations"):
        rules = Rules()
        setattr(rules, method, fails)
        with ground.hub(policy=rules) as hub:
            expect(lambda hub=hub: begin(hub), handoff.NotPermittedError, error, kind, retryable)
    rules = Rules()
    with ground.hub(runtime=Recorder(ground.environment), policy=rules) as hub:
        run = begin(hub)
        rules.relation = fails  # type: ignore[method-assign]
        expect(hub.run(run.id, actor="ana").result, handoff.NotPermittedError, error, kind, retryable)

    if plain:
        described: Any = PlainEcho()
        described.describe = fails
        make = lambda: handoff.LocalRuntime(agent=described, root=ground.root / "runs")  # noqa: E731
        expect(make, handoff.AgentError, error, kind, retryable)


class Recorder:
    """A runtime that launches nothing."""

    def __init__(self, known: handoff.Environment) -> None:
        self.known = known

    def environment(self, id: str) -> Any:
        return self.known

    def start(self, spec: handoff.SessionSpec, sessions: handoff.Sessions) -> Any:
        pass

    def cancel(self, session: str) -> Any:
        pass


class Rules:
    def relation(self, actor: str, run: handoff.Run) -> Any:
        return "creator"


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "async"])
def test_an_agent_that_raises_fails_its_run_with_the_reason(ground: Ground, plain: bool) -> None:
    agent: Any = PlainEcho() if plain else Echo()
    agent.run = raising(Mine("out of words"), plain)
    with ground.hub(agent) as hub:
        run = hub.wait(begin(hub).id, actor="ana", deadline=60).result()
        assert run.state == "failed" and "raised Mine: out of words" in run.sessions[0].reason


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "async"])
def test_who_is_told_may_raise(ground: Ground, plain: bool) -> None:
    class Told:
        notices = 0

        def notify(self, notice: handoff.Notice) -> Any:
            self.notices += 1
            return raising(Mine("no mail today"), plain)()

    told = Told()
    with ground.hub(notify=told) as hub:
        run = hub.wait(begin(hub).id, actor="ana", deadline=60).result()
    assert run.state == "succeeded" and told.notices > 0


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "async"])
def test_out_of_a_storage_into_an_agent_and_out_again(ground: Ground, plain: bool) -> None:
    boom = Later("the disk is full")

    class Fills(AsyncStorage):
        full = False

        async def put_new(self, key: str, body: bytes) -> Any:
            if self.full and key.startswith("c/"):
                raise boom
            return await super().put_new(key, body)

    storage, caught = Fills(), []

    class Says:
        async def run(self, session: handoff.Session) -> None:
            storage.full = True
            try:
                await session.append("hello")
            except handoff.StorageError as error:
                caught.append(error)
                raise
            finally:
                storage.full = False

    class SaysPlainly:
        def run(self, session: handoff.Session) -> None:
            storage.full = True
            try:
                session.append("hello").result()
            except handoff.StorageError as error:
                caught.append(error)
                raise
            finally:
                storage.full = False

    with ground.hub(SaysPlainly() if plain else Says(), storage=storage) as hub:
        run = hub.wait(begin(hub).id, actor="ana", deadline=60).result()
    assert caught[0].__cause__ is boom and caught[0].retryable
    assert run.state == "failed" and "the disk is full" in run.sessions[0].reason


def test_a_body_that_raises_stores_nothing() -> None:
    storage, boom = handoff.MemoryStorage(), Mine("torn")

    def torn() -> Any:
        yield b"half"
        raise boom

    async def torn_later() -> Any:
        yield b"half"
        raise boom

    for body in (torn(), torn_later()):
        with pytest.raises(handoff.StorageError, match="torn") as caught:
            storage.put_stream("a/b", body).result()  # type: ignore[arg-type]
        assert caught.value.__cause__ is boom
    for body in ("text", b"bytes", 5, [5]):
        with pytest.raises(handoff.HandoffError, match="body"):
            storage.put_stream("a/b", body).result()  # type: ignore[arg-type]
    assert storage.get("a/b").result() is None
    storage.put_stream("a/b", [b"", b"one, ", b"two"]).result()
    assert storage.get("a/b").result() == b"one, two"


def test_what_ends_a_program_passes_through_whole(ground: Ground) -> None:
    for error in (SystemExit(3), KeyboardInterrupt()):
        storage: Any = PlainStorage()
        storage.get = raising(error, plain=True)
        with pytest.raises(handoff.StorageError) as caught:
            handoff.Conversations(storage).head("c" + "0" * 32).result()
        assert caught.value.__cause__ is error
