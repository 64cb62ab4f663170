"""Whatever is wrong is refused with a typed error that names the argument: values, closed objects, and implementers that
answer nonsense or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import handoff
import pytest
from conftest import Scene
from handoff.storage import as_storage
from implementations import AsyncStorage, Echo, PlainStorage

ABSENT = "r" + "0" * 32


@pytest.fixture
def world(scene: Scene, tmp_path: Path) -> Any:
    """One of everything."""
    storage = handoff.MemoryStorage()
    place = handoff.Environment("e", (handoff.EnvironmentRepo("app", str(scene.laptop)),))
    runtime = handoff.LocalRuntime(agent=Echo(), root=tmp_path / "runs", environments=[place])
    conversations = handoff.Conversations(storage)
    return SimpleNamespace(
        storage=storage,
        runtime=runtime,
        conversations=conversations,
        id=conversations.create(owner="ana").result().id,
        snapshots=handoff.Snapshots(storage),
        snapshot=handoff.capture(scene.here),
        hub=handoff.Handoff(storage=storage, runtime=runtime),
        queue=handoff.QueueRuntime(storage=storage),
        here=scene.here,
        root=tmp_path,
        agent=Echo(),
    )


def begin(world: Any, **given: Any) -> Any:
    return world.hub.start(**{"actor": "ana", "environment": "e", "prompt": "hello", **given})


def local(**given: Any) -> Any:
    return handoff.LocalRuntime(**{"agent": Echo(), "root": "runs", **given})


def worker(world: Any, **given: Any) -> Any:
    return handoff.work(
        **{"queue": world.queue, "storage": world.storage, "agent": world.agent, "root": world.root, **given}
    )


def hub(world: Any, **given: Any) -> Any:
    return handoff.Handoff(**{"storage": world.storage, "runtime": world.runtime, **given})


def attached(**given: Any) -> handoff.PromptAttachment:
    return handoff.PromptAttachment(**{"name": "a", "content": b"", **given})


WRONG: list[tuple[str, Callable[[Any], Any]]] = [
    ("key", lambda w: w.storage.put_new(5, b"")),
    ("key", lambda w: w.storage.get("not a key!")),
    ("body", lambda w: w.storage.put_new("a", "text")),
    ("body", lambda w: w.storage.put_stream("a", "text")),
    ("limit", lambda w: w.storage.list("a", limit=-1)),
    ("limit", lambda w: w.storage.list("a", limit="many")),
    ("after", lambda w: w.storage.list("a", after=5)),
    ("start", lambda w: w.storage.get("a", start=-1)),
    ("end", lambda w: w.storage.get("a", 0, "x")),
    ("keys", lambda w: w.storage.delete(5)),
    ("keys[0]", lambda w: w.storage.delete([5])),
    ("path", lambda w: handoff.DirStorage(5)),  # type: ignore[arg-type]
    ("owner", lambda w: w.conversations.create(owner=5)),
    ("owner", lambda w: w.conversations.create(owner="")),
    ("id", lambda w: w.conversations.create(owner="ana", id=5)),
    ("id", lambda w: w.conversations.head("nope")),
    ("messages", lambda w: w.conversations.append(w.id, 5)),
    ("messages[1]", lambda w: w.conversations.append(w.id, ["a", 5])),
    ("messages[0].role", lambda w: w.conversations.append(w.id, [{"text": "a"}])),
    ("messages[0]", lambda w: w.conversations.append(w.id, [{"role": "user", "text": 5}])),
    ("epoch", lambda w: w.conversations.append(w.id, "a", epoch=-1)),
    ("expect", lambda w: w.conversations.append(w.id, "a", expect="x")),
    ("at", lambda w: w.conversations.fork(w.id, owner="bob", at=1.5)),
    ("at", lambda w: w.conversations.fork(w.id, owner="bob", at=-1)),
    ("new_id", lambda w: w.conversations.fork(w.id, owner="bob", new_id=5)),
    ("new_id", lambda w: w.conversations.fork(w.id, owner="bob", new_id="nope")),
    ("deadline", lambda w: w.conversations.wait_synced(w.id, 1, deadline="soon")),
    ("messages", lambda w: w.conversations.wait_synced(w.id, "x", deadline=1)),
    ("name", lambda w: w.conversations.attach(5, b"")),
    ("content", lambda w: w.conversations.attach("a", "text")),
    ("media_type", lambda w: w.conversations.attach("a", b"", media_type=5)),
    ("attachment", lambda w: w.conversations.read_attachment(5)),
    ("limit", lambda w: w.conversations.messages(w.id, limit="x")),
    ("from", lambda w: w.conversations.messages(w.id, start=-1)),
    ("actor", lambda w: begin(w, actor=5)),
    ("actor", lambda w: begin(w, actor="")),
    ("environment", lambda w: begin(w, environment=5)),
    ("prompt", lambda w: begin(w, prompt=5)),
    ("conversation", lambda w: begin(w, conversation=5)),
    ("conversation.id", lambda w: begin(w, conversation=handoff.ConversationSource(5))),  # type: ignore[arg-type]
    ("workspace", lambda w: begin(w, workspace=5)),
    ("attachments", lambda w: begin(w, attachments=5)),
    ("attachments[0]", lambda w: begin(w, attachments=[5])),
    ("attachments[0].name", lambda w: begin(w, attachments=[attached(name=5)])),
    ("attachments[0].content", lambda w: begin(w, attachments=[attached(content="text")])),
    ("budget", lambda w: begin(w, budget=5)),
    ("budget", lambda w: begin(w, budget={"tokens": "many"})),
    ("budget", lambda w: begin(w, budget={"tokens": -1})),
    ("origin", lambda w: begin(w, origin="elsewhere")),
    ("team", lambda w: begin(w, team=5)),
    ("model", lambda w: begin(w, model=5)),
    ("parent", lambda w: begin(w, parent="x")),
    ("idempotency_key", lambda w: begin(w, idempotency_key=5)),
    ("prompts", lambda w: w.hub.fan_out(actor="ana", environment="e", prompts="x")),
    ("prompts[0]", lambda w: w.hub.fan_out(actor="ana", environment="e", prompts=[5])),
    ("run", lambda w: w.hub.continue_(5, actor="ana", prompt="p")),
    ("run", lambda w: w.hub.continue_("nope", actor="ana", prompt="p")),
    ("prompt", lambda w: w.hub.continue_(ABSENT, actor="ana", prompt=5)),
    ("prompt", lambda w: w.hub.answer(ABSENT, actor="ana", prompt=None)),
    ("deadline", lambda w: w.hub.wait(ABSENT, actor="ana", deadline=-1)),
    ("actor", lambda w: w.hub.cancel(ABSENT, actor=5)),
    ("run", lambda w: w.hub.affordance(5, actor="ana")),
    ("workspace", lambda w: w.hub.pull(ABSENT, 5, actor="ana")),
    ("on_conflict", lambda w: w.hub.pull(ABSENT, w.here, actor="ana", on_conflict="mine")),
    ("action", lambda w: w.hub.pull(ABSENT, w.here, actor="ana", action="look")),
    ("map", lambda w: w.hub.pull(ABSENT, w.here, actor="ana", map=5)),
    ("limit", lambda w: w.hub.list_runs(actor="ana", limit=-1)),
    ("after", lambda w: w.hub.list_runs(actor="ana", after=5)),
    ("cursor", lambda w: next(w.hub.watch(ABSENT, actor="ana", cursor=5))),
    ("run", lambda w: next(w.hub.watch(5, actor="ana"))),
    ("runtime", lambda w: hub(w, runtime=5)),
    ("runtime", lambda w: hub(w, runtime=handoff.LocalRuntime)),
    ("storage", lambda w: hub(w, storage=handoff.MemoryStorage)),
    ("policy", lambda w: hub(w, policy=5)),
    ("notify", lambda w: hub(w, notify=print)),
    ("terms", lambda w: hub(w, terms={})),
    ("terms.poll", lambda w: hub(w, terms=handoff.Terms(poll="x"))),  # type: ignore[arg-type]
    ("environments", lambda w: local(environments=5)),
    ("environments[0]", lambda w: local(environments=[5])),
    ("root", lambda w: local(root=5)),
    ("root", lambda w: local(root=None)),
    ("agent.describe", lambda w: local(agent=SimpleNamespace(run=print, describe=Echo.run))),
    ("name", lambda w: handoff.QueueRuntime(storage=w.storage, name=5)),  # type: ignore[arg-type]
    ("name", lambda w: handoff.QueueRuntime(storage=w.storage, name="a b")),
    ("program", lambda w: handoff.CommandAgent(5)),  # type: ignore[arg-type]
    ("args", lambda w: handoff.CommandAgent("sh", "-c")),
    ("args[0]", lambda w: handoff.CommandAgent("sh", [5])),  # type: ignore[list-item]
    ("grace", lambda w: handoff.CommandAgent("sh", grace=-1)),
    ("max_output", lambda w: handoff.CommandAgent("sh", max_output=-1)),
    ("info", lambda w: handoff.CommandAgent("sh", info=5)),  # type: ignore[arg-type]
    ("queue", lambda w: worker(w, queue=w.runtime)),
    ("when_empty", lambda w: worker(w, when_empty="x")),
    ("poll", lambda w: worker(w, poll=-1)),
    ("snapshot", lambda w: w.snapshots.save(5)),
    ("parent", lambda w: w.snapshots.save(w.snapshot, parent=5)),
    ("reference", lambda w: w.snapshots.load(5)),
    ("reference", lambda w: w.snapshots.load(handoff.SnapshotRef("x", "y"))),
    ("path", lambda w: w.snapshot.read("app", 5)),
    ("repo", lambda w: w.snapshot.read(5, "x")),
    ("layer", lambda w: w.snapshot.read("app", "x", "stash")),
    ("newer", lambda w: w.snapshot.diff(5)),
    ("path", lambda w: w.snapshot.save(5)),
    ("path", lambda w: handoff.Snapshot.open(5)),  # type: ignore[arg-type]
    ("loose", lambda w: handoff.Workspace(loose=5)),  # type: ignore[arg-type]
    ("loose_root", lambda w: handoff.Workspace(w.root, loose_root=5)),  # type: ignore[arg-type]
    ("written", lambda w: handoff.Workspace.discover(5)),  # type: ignore[arg-type]
    ("progress", lambda w: handoff.capture(w.here, progress=5)),  # type: ignore[arg-type]
    ("cancel", lambda w: handoff.capture(w.here, cancel=5)),  # type: ignore[arg-type]
    (
        "secret_rules.names",
        lambda w: handoff.capture(w.here, secret_rules=handoff.SecretRules(names="*.key")),
    ),
]


def test_every_wrong_argument_is_named(world: Any) -> None:
    for number, (argument, call) in enumerate(WRONG):
        with pytest.raises(handoff.InvalidArgumentError) as caught:
            found = call(world)
            if isinstance(found, handoff.Operation):
                found.result(60)
        assert caught.value.argument == argument, f"{number}: {caught.value}"
        assert caught.value.kind == "invalid_argument" and not caught.value.retryable


def test_everything_that_is_closed_is_refused(world: Any) -> None:
    closed: list[tuple[str, Any, Callable[[Any], Any]]] = [
        ("storage", world.storage, lambda it: it.get("a").result()),
        ("conversations", world.conversations, lambda it: it.head(world.id).result()),
        ("hub", world.hub, lambda it: it.list_runs(actor="ana").result()),
        ("snapshot", world.snapshot, lambda it: it.read("app", "x")),
        ("runtime", world.runtime, lambda it: handoff.Handoff(storage=handoff.MemoryStorage(), runtime=it)),
        ("agent", handoff.CommandAgent("sh"), lambda it: local(agent=it)),
        ("queue", world.queue, lambda it: worker(world, queue=it, storage=handoff.MemoryStorage()).result()),
        ("snapshots", world.snapshots, lambda it: it.load(handoff.SnapshotRef("0" * 64, "a/b")).result()),
        ("workspace", world.here, handoff.plan),
    ]
    for name, it, use in closed:
        it.close()
        it.close()
        with pytest.raises(handoff.InvalidArgumentError, match="closed") as caught:
            use(it)
        assert caught.value.argument == name


def test_a_session_is_refused_after_its_end(tmp_path: Path) -> None:
    kept: list[handoff.Session] = []
    agent: Any = SimpleNamespace(run=kept.append)
    environments = [handoff.Environment("e")]
    runtime = handoff.LocalRuntime(agent=agent, root=tmp_path, environments=environments)
    with handoff.Handoff(storage=handoff.MemoryStorage(), runtime=runtime, terms=handoff.Terms(poll=0.05)) as hub:
        run = hub.start(actor="ana", environment="e", prompt="hello").result(60)
        hub.wait(run.id, actor="ana", deadline=60).result()
    session = kept[0]
    uses: list[Callable[[], Any]] = [
        session.cancelled,
        session.remaining_budget,
        lambda: session.head().result(60),
        lambda: session.append("more").result(60),
        lambda: session.usage({"tokens": 1}).result(60),
    ]
    for use in uses:
        with pytest.raises(handoff.InvalidArgumentError, match="closed") as caught:
            use()
        assert caught.value.argument == "session"
    session.close()


@pytest.mark.parametrize("begun", [False, True])
def test_a_watch_is_refused_once_it_is_closed(world: Any, begun: bool) -> None:
    run = begin(world).result(60)
    watch = world.hub.watch(run.id, actor="ana")
    if begun:
        next(watch)
    watch.close()
    watch.close()

    async def later() -> Any:
        return await anext(watch)

    uses: list[Callable[[], Any]] = [lambda: next(watch), lambda: asyncio.run(later())]
    for use in uses:
        with pytest.raises(handoff.InvalidArgumentError, match="closed") as caught:
            use()
        assert caught.value.argument == "watch"


def test_a_watch_that_came_to_its_end_stays_there(world: Any) -> None:
    run = begin(world).result(60)
    watch = world.hub.watch(run.id, actor="ana")
    assert list(watch) and list(watch) == []

    async def more() -> list[Any]:
        return [event async for event in watch]

    assert asyncio.run(more()) == []


@pytest.mark.parametrize("make", [PlainStorage, AsyncStorage])
def test_a_body_is_read_once_and_good_for_the_call(make: Any) -> None:
    """What is at its end has no more pieces; after the call it is closed."""
    kept: list[Any] = []
    storage: Any = make()

    def plain(key: str, body: Any) -> None:
        kept.append(body)
        kept.append((list(body), list(body)))

    async def later(key: str, body: Any) -> None:
        kept.append(body)
        kept.append(([piece async for piece in body], [piece async for piece in body]))

    storage.put_stream = plain if make is PlainStorage else later
    foreign = as_storage(storage, "storage")
    foreign.put_stream("a/b", [b"one", b"two"]).result(60)
    body, (first, again) = kept
    assert b"".join(first) == b"onetwo" and again == []
    with pytest.raises(handoff.InvalidArgumentError, match="closed") as caught:
        next(body)
    assert caught.value.argument == "body"


class Recorder:
    """A runtime that launches nothing."""

    def __init__(self, found: Any) -> None:
        self.found = found

    def environment(self, id: str) -> Any:
        return self.found

    def start(self, spec: Any, sessions: Any) -> None:
        pass

    def cancel(self, session: str) -> None:
        pass


def first(**ports: Any) -> Any:
    """The start of a run."""
    ports = {"storage": handoff.MemoryStorage(), "runtime": Recorder(handoff.Environment("e")), **ports}
    return handoff.Handoff(**ports).start(actor="ana", environment="e", prompt="hello").result(60)


@pytest.mark.parametrize(
    "found",
    [
        None,
        5,
        "e",
        {"id": "e"},
        handoff.Environment(5),  # type: ignore[arg-type]
        handoff.Environment("e", 5),  # type: ignore[arg-type]
        handoff.Environment("e", (5,)),  # type: ignore[arg-type]
        handoff.Environment("e", variables=5),  # type: ignore[arg-type]
        handoff.Environment("e", variables={"a": 5}),  # type: ignore[dict-item]
        handoff.Environment("e", variables={"a": object()}),  # type: ignore[dict-item]
    ],
)
def test_a_runtime_that_answers_nonsense(found: Any) -> None:
    with pytest.raises(handoff.RuntimeFailedError, match="environment of this runtime"):
        first(runtime=Recorder(found))


@pytest.mark.parametrize(
    ("method", "found"),
    [
        ("budget", 5),
        ("budget", None),
        ("budget", {"tokens": "many"}),
        ("budget", {"tokens": -1}),
        ("budget", {"tokens": 1 << 80}),
        ("budget", {5: 5}),
        ("may_store_conversations", 5),
        ("may_store_conversations", "yes"),
        ("may_store_conversations", None),
    ],
)
def test_a_policy_that_answers_nonsense(method: str, found: Any) -> None:
    rules = SimpleNamespace(**{"relation": lambda actor, run: "creator", method: lambda *given: found})
    with pytest.raises(handoff.NotPermittedError, match=f"{method} of this policy"):
        first(policy=rules)


@pytest.mark.parametrize("found", [5, "friend", None, {}])
def test_a_relation_that_is_none(found: Any) -> None:
    rules: Any = SimpleNamespace(relation=lambda actor, run: "creator")
    runtime = Recorder(handoff.Environment("e"))
    with handoff.Handoff(storage=handoff.MemoryStorage(), runtime=runtime, policy=rules) as hub:
        run = hub.start(actor="ana", environment="e", prompt="hello").result()
        rules.relation = lambda actor, run: found
        with pytest.raises(handoff.NotPermittedError, match="relation of this policy"):
            hub.run(run.id, actor="ana").result()


@pytest.mark.parametrize(
    ("found", "error"),
    [
        (5, handoff.AgentError),
        (None, handoff.AgentError),
        ({"name": "a"}, handoff.AgentError),
        (handoff.AgentInfo(5), handoff.InvalidArgumentError),  # type: ignore[arg-type]
        (handoff.AgentInfo("a", 5), handoff.InvalidArgumentError),  # type: ignore[arg-type]
        (handoff.AgentInfo("a", (5,)), handoff.InvalidArgumentError),  # type: ignore[arg-type]
        (handoff.AgentInfo("a", (), "x"), handoff.InvalidArgumentError),
    ],
)
def test_an_agent_that_is_nothing_known(found: Any, error: Any) -> None:
    with pytest.raises(error, match="describe"):
        local(agent=SimpleNamespace(run=print, describe=lambda: found))


@pytest.mark.parametrize(
    "found", [5, "done", {}, handoff.SessionEnd("x"), handoff.SessionEnd("failed", 5)]  # type: ignore[arg-type]
)
def test_an_end_that_is_none(found: Any, tmp_path: Path) -> None:
    agent = SimpleNamespace(run=lambda session: found)
    runtime = local(agent=agent, root=tmp_path, environments=[handoff.Environment("e")])
    with handoff.Handoff(storage=handoff.MemoryStorage(), runtime=runtime, terms=handoff.Terms(poll=0.05)) as hub:
        run = hub.start(actor="ana", environment="e", prompt="hello").result()
        ended = hub.wait(run.id, actor="ana", deadline=60).result()
    assert ended.state == "failed" and "run of this agent" in ended.sessions[0].reason


def test_implementers_that_never_answer_are_cancelled() -> None:
    """Each port: the caller gives up, and the implementer's task is cancelled before that returns."""
    begun, cancelled = [], []

    def hang(name: str) -> Any:
        async def hangs(*given: Any) -> Any:
            begun.append(name)
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.append(name)

        return hangs

    async def give_up(operation: Any, name: str) -> None:
        while name not in begun:
            await asyncio.sleep(0)
        operation.cancel()
        with pytest.raises(handoff.CancelledError):
            await operation
        # Told on this very loop.
        while name not in cancelled:
            await asyncio.sleep(0)

    async def story() -> None:
        storage: Any = AsyncStorage()
        storage.get = hang("get")
        await give_up(handoff.Conversations(storage).head("c" + "0" * 32), "get")
        for method in ("environment", "start"):
            runtime = Recorder(handoff.Environment("e"))
            setattr(runtime, method, hang(method))
            hub = handoff.Handoff(storage=handoff.MemoryStorage(), runtime=runtime)
            await give_up(hub.start(actor="ana", environment="e", prompt="hello"), method)
        rules: Any = SimpleNamespace(relation=print, budget=hang("budget"))
        hub = handoff.Handoff(
            storage=handoff.MemoryStorage(), runtime=Recorder(handoff.Environment("e")), policy=rules
        )
        await give_up(hub.start(actor="ana", environment="e", prompt="hello"), "budget")

    asyncio.run(asyncio.wait_for(story(), 60))
    assert begun == cancelled == ["get", "environment", "start", "budget"]
