"""Whatever an implementer does, its caller hears of it, and nothing of it stays behind."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import handoff
import pytest
from conftest import Scene
from handoff._port import Port
from implementations import AsyncStorage, Echo, PlainEcho, PlainStorage

ABSENT = "c" + "0" * 32
LONG = 30
"""Seconds after which nobody believes in an answer any more."""


class Mute(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise ValueError("no words")


class Blunt(Exception):
    """Ends whoever asks for its text."""

    def __str__(self) -> str:
        raise SystemExit(5)


class Shy(Exception):
    """Will not say whether it is worth trying again."""

    @property
    def retryable(self) -> bool:
        raise ValueError("no idea")


class Unmade(handoff.StorageError):
    """One of ours of which the constructor was forgotten."""

    def __init__(self) -> None:
        Exception.__init__(self, "unmade")


def odd_kind() -> handoff.StorageError:
    made = handoff.StorageError("odd")
    made.kind = "\udce9"
    return made


TORN = os.fsdecode(b"caf\xe9")
"""A name that is no UTF-8, as Python has it."""

RAISED: dict[str, tuple[Callable[[], BaseException], str]] = {
    "whose text raises": (Mute, "raised Mute: (its text cannot be had: ValueError)"),
    "whose text ends the thread": (Blunt, "raised Blunt: (its text cannot be had: SystemExit)"),
    "with half of a character": (lambda: OSError(TORN), "raised OSError: caf\\udce9"),
    "of ours with half of a character": (lambda: handoff.StorageError(TORN), "caf\\udce9"),
    "of ours that was not made whole": (Unmade, "unmade"),
    "of ours with an odd kind": (odd_kind, "odd"),
    "that does not say whether to retry": (Shy, "raised an error that tells nothing of itself"),
    "that is to end everything": (lambda: SystemExit(5), "raised SystemExit: 5"),
}


def implemented(kind: str, method: str, does: Callable[[], Any]) -> Any:
    """A storage of which ``method`` does ``does``."""

    async def later(*given: Any) -> Any:
        return does()

    storage: Any = PlainStorage() if kind == "plain" else AsyncStorage()
    setattr(storage, method, (lambda *given: does()) if kind == "plain" else later)
    return storage


def head(storage: Any, kind: str) -> Any:
    """What reading a conversation comes to; on an event loop of the caller's when ``kind`` says so."""
    if kind != "on a loop":
        return handoff.Conversations(storage).head(ABSENT).result(LONG)

    async def story() -> Any:
        return await asyncio.wait_for(handoff.Conversations(storage).head(ABSENT), LONG)

    return asyncio.run(story())


@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize(("make", "says"), RAISED.values(), ids=list(RAISED))
def test_an_error_of_an_implementer_reaches_its_caller(kind: str, make: Callable[[], BaseException], says: str) -> None:
    raised: list[BaseException] = []

    def does() -> Any:
        raised.append(make())
        raise raised[-1]

    with pytest.raises(handoff.HandoffError) as caught:
        head(implemented(kind, "get", does), kind)
    assert says in str(caught.value)
    assert caught.value.__cause__ is raised[-1]
    str(caught.value).encode()


def test_an_error_of_an_implementer_reaches_its_caller_on_a_loop() -> None:
    for make, says in RAISED.values():
        raised: list[BaseException] = []

        def does(make: Any = make, raised: Any = raised) -> Any:
            raised.append(make())
            raise raised[-1]

        if make is not RAISED["that is to end everything"][0]:
            with pytest.raises(handoff.HandoffError) as caught:
                head(implemented("async", "get", does), "on a loop")
            assert says in str(caught.value) and caught.value.__cause__ is raised[-1]


class Undecided:
    """Nothing can be asked of it."""

    def __eq__(self, other: object) -> bool:
        raise SystemExit(5)

    __hash__ = None  # type: ignore[assignment]


class Masked:
    """Does not tell what it is."""

    def __getattribute__(self, name: str) -> Any:
        raise ValueError("guess")


def breaks(error: BaseException) -> Iterator[Any]:
    """Ends while it is read."""
    yield handoff.Meta("a/b", 1, 1.0)
    raise error


def itself() -> list[Any]:
    """A list that holds itself."""
    made: list[Any] = []
    made.append(made)
    return made


NONSENSE: dict[str, tuple[str, Callable[[], Any]]] = {
    "what ends the thread when it is compared": ("put_new", Undecided),
    "what does not tell its class": ("put_new", Masked),
    "items that raise": ("list", lambda: breaks(Mute())),
    "items that end the thread": ("list", lambda: breaks(SystemExit(5))),
    "items that end the program": ("list", lambda: breaks(KeyboardInterrupt())),
    "itself for ever": ("list", itself),
    "a time without end": ("list", lambda: [handoff.Meta("a/b", 1, float("inf"))]),
    "no time at all": ("list", lambda: [handoff.Meta("a/b", 1, float("nan"))]),
    "a name with half of a character": ("list", lambda: [handoff.Meta("a/\ud800", 1, 1.0)]),
    "a number too large": ("list", lambda: [handoff.Meta("a/b", 1 << 80, 1.0)]),
    "a text": ("get", lambda: TORN),
}


@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize(("method", "make"), NONSENSE.values(), ids=list(NONSENSE))
def test_nonsense_of_an_implementer_reaches_its_caller(kind: str, method: str, make: Callable[[], Any]) -> None:
    storage = implemented(kind, method, make)
    asked: dict[str, Callable[[], Any]] = {
        "put_new": lambda: handoff.Conversations(storage).create(owner="ana"),
        "get": lambda: handoff.Conversations(storage).head(ABSENT),
        "list": lambda: handoff.Handoff(storage=storage, runtime=nowhere()).list_runs(actor="ana"),
    }
    with pytest.raises(handoff.StorageError, match=f"{method} of this storage"):
        asked[method]().result(LONG)


def nowhere() -> Any:
    """A runtime that launches nothing."""
    return SimpleNamespace(
        environment=lambda id: handoff.Environment(id), start=lambda spec, sessions: None, cancel=lambda session: None
    )


def test_a_call_that_nobody_answers_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Port, "dispatch", lambda self, call: None)
    with pytest.raises(handoff.StorageError, match="get was let go of without an answer"):
        head(PlainStorage(), "plain")


def test_a_task_that_is_cancelled_before_it_begins_has_answered() -> None:
    """As it happens to tasks that are made just before the event loop ends."""

    def hasty(loop: Any, coroutine: Any, **given: Any) -> Any:
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **given)
        if "drive" in repr(coroutine):
            task.cancel()
        return task

    async def story() -> None:
        asyncio.get_running_loop().set_task_factory(hasty)
        with pytest.raises(handoff.CancelledError, match="the task was cancelled"):
            await asyncio.wait_for(handoff.Conversations(AsyncStorage()).head(ABSENT), LONG)

    asyncio.run(story())


# Nothing stays behind.


@pytest.fixture
def patient_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that wait for more to do, for as long as a test may take."""
    monkeypatch.setattr("handoff._threads._KEPT", 1000.0)


def gone(things: list[weakref.ref[Any]]) -> bool:
    """Whether they are let go of, once the core's threads have come to it."""
    until = time.monotonic() + LONG
    while any(thing() is not None for thing in things) and time.monotonic() < until:
        gc.collect()
        # What such a thread lets go of goes with the next call of the core.
        handoff._native.version()
        threading.Event().wait(0.01)
    return all(thing() is None for thing in things)


def files() -> int:
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


class Broken(Exception):
    """Can be watched."""


def gets(storage: object, plain: Callable[..., Any], later: Callable[..., Any]) -> None:
    """Has it read by the one of these that is of its kind."""
    setattr(storage, "get", later if isinstance(storage, AsyncStorage) else plain)


def after_a_refusal(storage: Any, seen: list[weakref.ref[Any]]) -> None:
    def fails(*given: Any) -> Any:
        error = Broken("no")
        seen.append(weakref.ref(error))
        raise error

    async def fails_later(*given: Any) -> Any:
        fails()

    gets(storage, fails, fails_later)
    with pytest.raises(handoff.StorageError):
        handoff.Conversations(storage).head(ABSENT).result(LONG)


class Odd:
    """What no storage may answer."""


def after_nonsense(storage: Any, seen: list[weakref.ref[Any]]) -> None:
    def answers(*given: Any) -> Any:
        odd = Odd()
        seen.append(weakref.ref(odd))
        return odd

    async def answers_later(*given: Any) -> Any:
        return answers()

    gets(storage, answers, answers_later)
    with pytest.raises(handoff.StorageError):
        handoff.Conversations(storage).head(ABSENT).result(LONG)


def after_a_cancelled_call(storage: Any, seen: list[weakref.ref[Any]]) -> None:
    begun, over = threading.Event(), threading.Event()

    def waits(*given: Any) -> Any:
        begun.set()
        over.wait(LONG)

    async def waits_later(*given: Any) -> Any:
        begun.set()
        await asyncio.Event().wait()

    gets(storage, waits, waits_later)
    operation = handoff.Conversations(storage).head(ABSENT)
    seen.append(weakref.ref(operation))
    assert begun.wait(LONG)
    operation.cancel()
    with pytest.raises(handoff.CancelledError):
        operation.result(LONG)
    over.set()


def after_a_cancelled_call_that_raised(storage: Any, seen: list[weakref.ref[Any]]) -> None:
    begun, over = threading.Event(), threading.Event()

    def fails(*given: Any) -> Any:
        begun.set()
        over.wait(LONG)
        error = Broken("too late")
        seen.append(weakref.ref(error))
        raise error

    async def fails_later(*given: Any) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            fails()

    gets(storage, fails, fails_later)
    operation = handoff.Conversations(storage).head(ABSENT)
    many = len(seen)
    assert begun.wait(LONG)
    operation.cancel()
    with pytest.raises(handoff.CancelledError):
        operation.result(LONG)
    over.set()
    while len(seen) == many:
        threading.Event().wait(0.01)


def after_a_stream(storage: Any, seen: list[weakref.ref[Any]]) -> None:
    class Pieces:
        def __iter__(self) -> Iterator[bytes]:
            return self

        def __next__(self) -> bytes:
            raise Broken("torn")

    pieces = Pieces()
    seen.append(weakref.ref(pieces))
    with pytest.raises(handoff.HandoffError, match="torn"):
        handoff.MemoryStorage().put_stream("a/b", pieces).result(LONG)


ENDS = {
    "it raised": after_a_refusal,
    "it answered nonsense": after_nonsense,
    "it was cancelled": after_a_cancelled_call,
    "it was cancelled and raised": after_a_cancelled_call_that_raised,
    "its stream broke": after_a_stream,
}


@pytest.mark.usefixtures("patient_threads")
@pytest.mark.parametrize("make", [PlainStorage, AsyncStorage])
@pytest.mark.parametrize("ends", ENDS.values(), ids=list(ENDS))
def test_nothing_of_a_storage_stays_alive(make: Any, ends: Callable[[Any, list[weakref.ref[Any]]], None]) -> None:
    seen: list[weakref.ref[Any]] = []
    for _ in range(3):
        storage = make()
        seen.append(weakref.ref(storage))
        ends(storage, seen)
        del storage
    assert len(seen) >= 6
    assert gone(seen), [thing() for thing in seen]


@pytest.mark.usefixtures("patient_threads")
@pytest.mark.parametrize("agent", [Echo, PlainEcho])
def test_nothing_of_a_hub_stays_alive(tmp_path: Path, agent: Any) -> None:
    class Rules:
        def relation(self, actor: str, run: Any) -> Any:
            return "creator"

        def budget(self, actor: str, run: Any) -> Any:
            if refuse:
                raise Broken("no budget")
            return {}

    class Bell:
        def notify(self, notice: handoff.Notice) -> None:
            raise Broken("no bell")

    seen: list[weakref.ref[Any]] = []
    for refuse in (False, True):
        parts: list[Any] = [PlainStorage(), agent(), Rules(), Bell()]
        storage, who, rules, bell = parts
        seen += [weakref.ref(part) for part in parts]
        environments = [handoff.Environment("e")]
        hub = handoff.Handoff(
            storage=storage,
            runtime=handoff.LocalRuntime(agent=who, root=tmp_path / "runs", environments=environments),
            policy=rules,
            notify=bell,
            terms=handoff.Terms(poll=0.05),
        )
        begun = hub.start(actor="ana", environment="e", prompt="hello")
        if refuse:
            with pytest.raises(handoff.NotPermittedError):
                begun.result(LONG)
        else:
            assert hub.wait(begun.result(LONG).id, actor="ana", deadline=LONG).result().state == "succeeded"
        del parts, storage, who, rules, bell, hub, begun
    assert gone(seen), [thing() for thing in seen]


@pytest.mark.usefixtures("patient_threads")
def test_nothing_of_a_capture_stays_alive(scene: Scene, tmp_path: Path) -> None:
    class Scanner:
        def scan(self, content: bytes) -> Any:
            raise Broken("no glasses")

    class Watcher:
        def __init__(self) -> None:
            self.token = handoff.CancelToken()

        def __call__(self, progress: handoff.Progress) -> None:
            self.token.cancel()

    seen: list[weakref.ref[Any]] = []
    before = files()
    for _ in range(3):
        scanner, watcher = Scanner(), Watcher()
        seen += [weakref.ref(scanner), weakref.ref(watcher), weakref.ref(watcher.token)]
        options: Any = {"spool_dir": tmp_path, "spool_memory": 0}
        try:
            handoff.capture(scene.here, secret_rules=handoff.SecretRules(scanners=[scanner]), **options)
        except handoff.HandoffError:
            pass
        with pytest.raises(handoff.CancelledError):
            handoff.capture(scene.here, quiet=60, progress=watcher, cancel=watcher.token, **options)
        del scanner, watcher
    assert gone(seen), [thing() for thing in seen]
    assert files() <= before
