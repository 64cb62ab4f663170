"""The kits for implementers: those that keep the contracts pass, and every kind of wrong is found out."""

from __future__ import annotations

import asyncio
import doctest
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import handoff
import pytest
from conftest import Scene, git
from handoff import testing
from implementations import AsyncStorage, Echo, PlainEcho, PlainStorage, TaskRuntime, ThreadRuntime

SHELL = "read line; case $line in wait*) sleep 300;; esac; echo done"


def all_of(suite: Any) -> tuple[str, ...]:
    names = testing.case_names(suite)
    assert len(names) > 10 and len(set(names)) == len(names)
    return names


# What keeps its contract.


def shared(make: Callable[[], Any]) -> Callable[[], Any]:
    """Opens one storage again and again."""
    storage = make()
    return lambda: storage


@pytest.mark.parametrize(
    "make",
    [handoff.MemoryStorage, AsyncStorage, PlainStorage],
    ids=["memory", "async", "plain"],
)
def test_a_storage_that_keeps_the_contract(make: Callable[[], Any]) -> None:
    report = testing.check_storage(shared(make)).result()
    assert report.passed and not report.failures, str(report)
    assert tuple(case.name for case in report.cases) == all_of("storage")


def test_a_folder_keeps_the_contract(tmp_path: Path) -> None:
    # Waiting for the disk at each of some thousand writes is the core's own test of the same suite.
    report = testing.check_storage(lambda: handoff.DirStorage(tmp_path / "store", durability="process")).result()
    assert report.passed and len(report.cases) > 15, str(report)


def test_a_storage_is_opened_with_connections_of_its_own(tmp_path: Path) -> None:
    opened: list[handoff.DirStorage] = []

    def connect() -> handoff.DirStorage:
        opened.append(handoff.DirStorage(tmp_path / "store"))
        return opened[-1]

    names = ["one of eight creates racing from threads wins", "everybody sees a write at once"]
    report = testing.check_storage(connect, cases=names).result()
    assert report.passed, str(report)
    # In the order of the suite, and nobody has the same.
    assert [case.name for case in report.cases] == names and len(set(map(id, opened))) == 8


@pytest.mark.parametrize(
    "agent",
    [Echo(), PlainEcho(), handoff.CommandAgent("sh", ["-c", SHELL])],
    ids=["async", "plain", "command"],
)
def test_an_agent_that_keeps_the_contract(agent: Any) -> None:
    async def story() -> testing.Report:
        operation = testing.check_agent(agent, prompt="hello", long="wait")
        seen = [case async for case in operation]
        report = await operation
        assert tuple(seen) == report.cases
        return report

    report = asyncio.run(story())
    assert report.passed, str(report)
    assert tuple(case.name for case in report.cases) == all_of("agent")


class Ground:
    """An origin, and an environment that clones it."""

    def __init__(self, root: Path) -> None:
        git(root, "init", "-q", "origin")
        (root / "origin/notes.txt").write_text("first\n")
        git(root / "origin", "add", "notes.txt")
        git(root / "origin", "commit", "-q", "-m", "first")
        repos = (handoff.EnvironmentRepo("app", str(root / "origin")),)
        self.environment = handoff.Environment("here", repos, variables={"GREETING": "hello"})
        self.root, self.number = root, 0

    def places(self) -> Path:
        """A directory that nobody else has."""
        self.number += 1
        return self.root / f"runs-{self.number}"


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def local(ground: Ground) -> Callable[[testing.RuntimeSetup], Any]:
    def open(setup: testing.RuntimeSetup) -> Any:
        return handoff.LocalRuntime(agent=setup.agent, root=ground.places(), environments=[ground.environment])

    return open


def queue(ground: Ground) -> Callable[[testing.RuntimeSetup], Any]:
    async def open(setup: testing.RuntimeSetup) -> Any:
        environments = [ground.environment]
        found = handoff.QueueRuntime(storage=setup.storage, environments=environments)
        places = {"root": ground.places(), "environments": environments, "terms": setup.terms, "poll": 0.02}
        worker = handoff.work(found, storage=setup.storage, agent=setup.agent, **places)

        async def stop() -> None:
            worker.cancel()
            await worker

        setup.on_close(stop)
        return found

    return open


def own(ground: Ground, make: Any) -> Callable[[testing.RuntimeSetup], Any]:
    return lambda setup: make(setup.agent, ground.places(), ground.environment)


@pytest.mark.parametrize("kind", ["local", "queue", "threads", "tasks"])
def test_a_runtime_that_keeps_the_contract(ground: Ground, kind: str) -> None:
    opens = {"local": local, "queue": queue}
    makes = {"threads": ThreadRuntime, "tasks": TaskRuntime}
    open = opens[kind](ground) if kind in opens else own(ground, makes[kind])

    async def story() -> testing.Report:
        return await testing.check_runtime(open, environment="here")

    report = asyncio.run(story())
    assert report.passed, str(report)
    assert tuple(case.name for case in report.cases) == all_of("runtime")


def test_a_runtime_without_an_event_loop(ground: Ground) -> None:
    names = ["a session has a place of its own", "a session that is asked for three times runs once"]
    for make in (ThreadRuntime, TaskRuntime):
        report = testing.check_runtime(own(ground, make), environment="here", cases=names).result()
        assert report.passed and len(report.cases) == 2, str(report)


def settled(begun: list[str], cancelled: list[str]) -> bool:
    """Whether all that was begun is cancelled, once the event loop has come to it."""
    for _ in range(1000):
        if sorted(begun) == sorted(cancelled):
            return True
        threading.Event().wait(0.01)
    return False


# Storages that are wrong.


class OverwritesPlain(PlainStorage):
    def put_new(self, key: str, body: bytes) -> Any:
        self.put(key, body)
        return "created"


class Overwrites(AsyncStorage):
    async def put_new(self, key: str, body: bytes) -> Any:
        self.plain.put(key, body)
        return "created"


class Forgets(PlainStorage):
    def put(self, key: str, body: bytes) -> None:
        self.objects.setdefault(key, (body, 0.0))


class Unsorted(PlainStorage):
    def list(self, prefix: str, after: str | None, limit: int) -> Any:
        return super().list(prefix, after, limit)[::-1]


class Limitless(PlainStorage):
    def list(self, prefix: str, after: str | None, limit: int) -> Any:
        return super().list(prefix, after, 1 << 30)


class Whole(PlainStorage):
    def get(self, key: str, start: int | None, end: int | None) -> Any:
        return super().get(key, None, None)


class Empty(PlainStorage):
    def get(self, key: str, start: int | None, end: int | None) -> Any:
        return super().get(key, start, end) or b""


class FirstPieces(PlainStorage):
    def put_stream(self, key: str, body: Any) -> None:
        self.put(key, b"".join(piece for piece, _ in zip(body, range(3), strict=False)))


class AsTheyCome(AsyncStorage):
    async def put_stream(self, key: str, body: Any) -> None:
        so_far = b""
        async for piece in body:
            so_far += piece
            self.plain.put(key, so_far)


class Keeps(PlainStorage):
    def delete(self, keys: Any) -> None:
        pass


class Strict(PlainStorage):
    def delete(self, keys: Any) -> None:
        for key in keys:
            del self.objects[key]


class Burns(PlainStorage):
    def get(self, key: str, start: int | None, end: int | None) -> Any:
        raise OSError("the disk is on fire")


class BurnsLater(AsyncStorage):
    async def put_new(self, key: str, body: bytes) -> Any:
        raise handoff.StorageError("the bucket is gone", retryable=True)


class Odd(PlainStorage):
    def put_new(self, key: str, body: bytes) -> Any:
        return 5


class OddLater(AsyncStorage):
    async def list(self, prefix: str, after: str | None, limit: int) -> Any:
        return [{"key": "no meta"}]


SORTED = "a list is sorted and has what is below its prefix"
ONCE = "an object is created once"
DELETED = "deleted objects are gone, and absent ones are fine"


@pytest.mark.parametrize(
    ("make", "case", "says"),
    [
        (OverwritesPlain, ONCE, "Created was said where Exists is true"),
        (Overwrites, ONCE, "Created was said where Exists is true"),
        (Forgets, "a put replaces the whole body", ""),
        (Unsorted, SORTED, ""),
        (Limitless, "a list of more than 2,000 keys is read in pages", ""),
        (Whole, "ranges are cut at the end", ""),
        (Empty, "what is absent is none", ""),
        (FirstPieces, "a stream is stored whole", "came back as"),
        (AsTheyCome, "an error in a stream stores nothing", "were stored of a stream that failed"),
        (Keeps, DELETED, ""),
        (Strict, DELETED, "KeyError"),
        (Burns, ONCE, "get of this storage (Burns) raised OSError: the disk is on fire"),
        (BurnsLater, ONCE, "the bucket is gone"),
        (Odd, ONCE, "put_new of this storage (Odd) returned"),
        (OddLater, SORTED, "list of this storage (OddLater) returned"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_storage_that_is_wrong(make: Any, case: str, says: str) -> None:
    report = testing.check_storage(make(), cases=[case]).result()
    assert [failure.name for failure in report.failures] == [case], str(report)
    assert not report.passed and says in (report.failures[0].failure or ""), str(report)
    assert str(report).startswith(f"FAILED  {case} (clause ") and str(report).endswith("1 cases, 1 failed")


def test_a_storage_that_always_raises_fails_every_case() -> None:
    class Nothing:
        def __getattr__(self, name: str) -> Any:
            def fails(*given: Any) -> Any:
                raise NotImplementedError(name)

            return fails

    report = testing.check_storage(Nothing(), patience=20).result()  # type: ignore[arg-type]
    assert {case.name for case in report.failures} == set(all_of("storage")), str(report)
    assert "NotImplementedError" in str(report)


def test_a_storage_that_hangs_is_given_up() -> None:
    over, begun, cancelled = threading.Event(), [], []

    class Hangs(AsyncStorage):
        async def get(self, key: str, start: int | None, end: int | None) -> Any:
            begun.append(key)
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.append(key)

    class HangsPlain(PlainStorage):
        def get(self, key: str, start: int | None, end: int | None) -> Any:
            over.wait()

    names = [ONCE, "one of eight creates racing from threads wins", "64 requests at once are served"]
    for storage in (Hangs(), HangsPlain()):
        report = testing.check_storage(storage, patience=0.3, cases=names).result()
        assert len(report.failures) == 3 and "was not done after 0.3 seconds" in str(report), str(report)
    over.set()
    # Nothing goes on behind it.
    assert begun and settled(begun, cancelled)


# Agents that are wrong.


class Silent(Echo):
    async def run(self, session: handoff.Session) -> Any:
        pass


class Impostor(Echo):
    async def run(self, session: handoff.Session) -> Any:
        await session.append([handoff.Message("user", "me, too"), "Yes."])


class Twins(Echo):
    id: str | None = None

    async def run(self, session: handoff.Session) -> Any:
        if self.id is None:
            self.id = (await session.messages())[0].id
        await session.append(handoff.Message("assistant", "Yes.", id=self.id))


class Swallows(PlainEcho):
    def run(self, session: handoff.Session) -> Any:
        try:
            super().run(session)
        except handoff.HandoffError:
            pass


class Boasts(Echo):
    async def run(self, session: handoff.Session) -> Any:
        await super().run(session)
        return handoff.SessionEnd.succeeded()


class Shrinks(Echo):
    async def run(self, session: handoff.Session) -> Any:
        await session.usage({"tokens": 5})
        await session.usage({"tokens": 3})
        return await super().run(session)


class Sulks(PlainEcho):
    failed = False

    def run(self, session: handoff.Session) -> Any:
        if self.failed:
            raise RuntimeError("not again")
        try:
            return super().run(session)
        except handoff.HandoffError:
            self.failed = True
            raise


class Raises(PlainEcho):
    def run(self, session: handoff.Session) -> Any:
        raise ZeroDivisionError("by nothing")


class OddEnd(Echo):
    async def run(self, session: handoff.Session) -> Any:
        return 5


@pytest.mark.parametrize(
    ("make", "case", "says"),
    [
        (Silent, "what it answers is appended", "nothing was appended"),
        (Impostor, "it speaks as itself and not as the user", "it spoke for the user"),
        (Twins, "every message has an id of its own", "1 ids for 3 messages"),
        (Swallows, "it succeeds only when what it said is stored", "nothing that it said is stored"),
        (Swallows, "one whose writes are refused returns soon", "it said that it succeeded"),
        (Boasts, "one that was stopped does not say that it succeeded", "it said that it succeeded"),
        (Shrinks, "what it has used never falls", "tokens fell from 5 to 3"),
        (Sulks, "a session after a failed one is as any other", "not again"),
        (Raises, "what it answers is appended", "raised ZeroDivisionError: by nothing"),
        (OddEnd, "what it answers is appended", "it has to return a SessionEnd or None"),
    ],
)
def test_an_agent_that_is_wrong(make: Any, case: str, says: str) -> None:
    report = testing.check_agent(make(), prompt="hello", long="wait", cases=[case]).result()
    assert [failure.name for failure in report.failures] == [case], str(report)
    assert says in (report.failures[0].failure or ""), str(report)


def test_an_agent_that_does_not_hear_is_given_up() -> None:
    over, begun, cancelled = threading.Event(), [], []

    class Deaf(Echo):
        async def run(self, session: handoff.Session) -> Any:
            begun.append(session.id)
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.append(session.id)

    class DeafPlain(PlainEcho):
        def run(self, session: handoff.Session) -> Any:
            over.wait()

    names = ["it returns soon after it is asked to stop", "what it answers is appended", "sessions at once do not mix"]
    for agent in (Deaf(), DeafPlain()):
        short = {"grace": 0.2, "patience": 0.2}
        report = testing.check_agent(agent, prompt="hello", long="wait", cases=names, **short).result()
        assert len(report.failures) == 3 and "it has not returned after 0.2 seconds" in str(report), str(report)
    over.set()
    assert begun and settled(begun, cancelled)


# Runtimes that are wrong.


class Careless(ThreadRuntime):
    """Runs what it is asked for, each time, and waits for it."""

    def start(self, spec: handoff.SessionSpec, sessions: handoff.Sessions) -> None:
        root = self.root / str(len(self.started))
        self.started[str(root)] = spec
        root.mkdir(parents=True)
        git(root, "clone", "-q", self.known.repos[0].source, "app")
        try:
            sessions.run(spec, handoff.Place(root, [root / "app"]), self.agent).result()
        except handoff.HandoffError:
            # It has been run before.
            pass


class Anywhere(ThreadRuntime):
    def environment(self, id: str) -> Any:
        return handoff.Environment(id, self.known.repos, variables=self.known.variables)


class Elsewhere(ThreadRuntime):
    def environment(self, id: str) -> Any:
        return handoff.Environment("elsewhere", self.known.repos, variables=self.known.variables)


class Vague(TaskRuntime):
    async def environment(self, id: str) -> Any:
        return {"id": id}


class Loses(ThreadRuntime):
    def start(self, spec: handoff.SessionSpec, sessions: handoff.Sessions) -> None:
        pass


class Bare(ThreadRuntime):
    def place(self, spec: handoff.SessionSpec) -> handoff.Place:
        found = super().place(spec)
        return handoff.Place(found.root, found.repos)


class OnePlace(ThreadRuntime):
    where: Any = None

    def place(self, spec: handoff.SessionSpec) -> handoff.Place:
        if self.where is None:
            self.where = super().place(spec)
        return self.where


class Empties(ThreadRuntime):
    def place(self, spec: handoff.SessionSpec) -> handoff.Place:
        found = super().place(spec)
        return handoff.Place(found.root, [])


class Picky(ThreadRuntime):
    def cancel(self, session: str) -> None:
        raise KeyError(session)


class Sleeps(TaskRuntime):
    async def wake(self, session: str) -> None:
        raise RuntimeError("do not wake me")


class Refuses(TaskRuntime):
    async def start(self, spec: handoff.SessionSpec, sessions: handoff.Sessions) -> None:
        raise handoff.RuntimeFailedError("no place is left", retryable=True)


class Stuck(TaskRuntime):
    async def start(self, spec: handoff.SessionSpec, sessions: handoff.Sessions) -> None:
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("make", "case", "says"),
    [
        (Careless, "a session that is asked for three times runs once", "sessions run"),
        (Careless, "a launch does not wait for the session", "not return"),
        (Careless, "a session has the environment's variables", "is not set"),
        (Anywhere, "an environment that is not there is not found", "there was one"),
        (Elsewhere, "an environment is the one that was asked for", "asked for here, got elsewhere"),
        (Vague, "an environment is the one that was asked for", "it has to return an Environment"),
        (Loses, "six sessions that are asked for at once all end", ""),
        (Bare, "a session has the environment's variables", "is not set"),
        (OnePlace, "a session has a place of its own", ""),
        (Empties, "a session has the environment's checkouts", ""),
        (Picky, "a session that is not there can be cancelled", "KeyError"),
        (Sleeps, "a nudge for any session is fine", "do not wake me"),
        (Refuses, "a launch does not wait for the session", "no place is left"),
        (Stuck, "a launch does not wait for the session", "not return"),
        (Stuck, "a session that is asked for three times runs once", "start has not returned after"),
    ],
)
def test_a_runtime_that_is_wrong(ground: Ground, make: Any, case: str, says: str) -> None:
    # Long where something is to happen, short where it never will.
    patience = 1.0 if make in (Loses, Stuck) or "launch" in case else 30.0
    check = testing.check_runtime(own(ground, make), environment="here", cases=[case], patience=patience)
    report = check.result()
    assert [failure.name for failure in report.failures] == [case], str(report)
    assert says in (report.failures[0].failure or ""), str(report)


def test_a_runtime_that_cannot_be_opened(ground: Ground) -> None:
    boom = ValueError("no cloud today")

    def raises(setup: testing.RuntimeSetup) -> Any:
        raise boom

    async def raises_later(setup: testing.RuntimeSetup) -> Any:
        raise boom

    def odd(setup: testing.RuntimeSetup) -> Any:
        return 5

    for open in (raises, raises_later):
        with pytest.raises(handoff.RuntimeFailedError, match="no cloud today") as caught:
            testing.check_runtime(open, environment="here").result()
        assert caught.value.__cause__ is boom
    with pytest.raises(handoff.RuntimeFailedError, match="what open returned is"):
        testing.check_runtime(odd, environment="here").result()

    cancelled = threading.Event()

    async def hangs(setup: testing.RuntimeSetup) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(handoff.TimedOutError, match="open has not returned"):
        testing.check_runtime(hangs, environment="here", patience=0.2).result()
    assert cancelled.wait(10)
    cancelled.clear()

    async def story() -> None:
        operation = testing.check_runtime(hangs, environment="here")
        operation.cancel()
        with pytest.raises(handoff.CancelledError):
            await operation

    asyncio.run(story())


def test_what_goes_with_a_runtime_is_closed_last_first(ground: Ground) -> None:
    closed: list[str] = []
    boom = RuntimeError("it will not close")

    def open(setup: testing.RuntimeSetup) -> Any:
        async def later() -> None:
            closed.append("async")

        def broken() -> None:
            raise boom

        setup.on_close(lambda: closed.append("first"))
        setup.on_close(later)
        setup.on_close(lambda: closed.append("last"))
        if len(closed) > 3:
            setup.on_close(broken)
        return local(ground)(setup)

    names = ["a nudge for any session is fine", "an environment is the one that was asked for"]
    with pytest.raises(handoff.RuntimeFailedError) as caught:
        testing.check_runtime(open, environment="here", cases=[*names, "a session has a place of its own"]).result()
    assert closed == ["last", "async", "first"] * 2 and caught.value.__cause__ is boom


def test_what_is_wrong_with_a_check_is_named(scene: Scene) -> None:
    agent: Any = Echo()
    wrong: list[tuple[str, Callable[[], Any]]] = [
        ("storage", lambda: testing.check_storage(5)),  # type: ignore[arg-type]
        ("storage", lambda: testing.check_storage(PlainStorage)),
        ("storage()", lambda: testing.check_storage(lambda: 5)),  # type: ignore[arg-type,return-value]
        ("cases[0]", lambda: testing.check_storage(PlainStorage(), cases=["no such case"])),
        ("cases", lambda: testing.check_storage(PlainStorage(), cases="x")),
        ("patience", lambda: testing.check_storage(PlainStorage(), patience=-1)),
        ("agent", lambda: testing.check_agent(object(), prompt="a", long="b")),  # type: ignore[arg-type]
        ("prompt", lambda: testing.check_agent(agent, prompt=5, long="b")),  # type: ignore[arg-type]
        ("grace", lambda: testing.check_agent(agent, prompt="a", long="b", grace="c")),  # type: ignore[arg-type]
        ("open", lambda: testing.check_runtime(ThreadRuntime(agent, scene.root, None), environment="e")),  # type: ignore
        ("environment", lambda: testing.check_runtime(lambda setup: 5, environment=5)),  # type: ignore
        ("environment", lambda: testing.check_runtime(lambda setup: 5, environment="a\nb")),  # type: ignore
        ("suite", lambda: testing.case_names("notify")),  # type: ignore[arg-type]
    ]
    for argument, call in wrong:
        with pytest.raises(handoff.InvalidArgumentError) as caught:
            found = call()
            found.result()
        assert caught.value.argument == argument, str(caught.value)


def test_the_examples_of_the_documentation_run(capsys: pytest.CaptureFixture[str]) -> None:
    readme = (Path(__file__).resolve().parents[1] / "README.md").read_text()
    (example,) = [block for block in re.findall(r"```python\n(.*?)```", readme, re.S) if "testing" in block]
    exec(compile(example, "README.md", "exec"), {})
    assert "passed  it returns soon" in capsys.readouterr().out
    assert doctest.testmod(testing).failed == 0
