"""Python's side of `cargo xtask bench-bindings`: time_calls.py SOURCE TARGET

Each line on stdin is one piece of work, each answered by one line of JSON with milliseconds.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable

import handoff
from handoff.storage import PutNew

CALLS = 400


class Timed:
    """Wall-clock and processor time since it was made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def so_far(self) -> list[float]:
        return [(time.perf_counter() - self.wall) * 1000, (time.process_time() - self.cpu) * 1000]


def round_trip() -> dict[str, list[float]]:
    here, there = handoff.Workspace(sys.argv[1]), handoff.Workspace(sys.argv[2])
    timed = Timed()
    snapshot = handoff.capture(here)
    captured = timed.so_far()
    timed = Timed()
    report = handoff.apply(snapshot, there)
    applied = timed.so_far()
    assert report.verdict == "complete", report
    return {"capture": captured, "apply": applied}


class Plain:
    """A storage that does next to nothing, with plain methods."""

    def __init__(self) -> None:
        self.calls = 0
        self.keys: set[str] = set()

    def put_new(self, key: str, body: bytes) -> PutNew:
        self.calls += 1
        if key in self.keys:
            return "exists"
        self.keys.add(key)
        return "created"

    def put(self, key: str, body: bytes) -> None:
        self.calls += 1

    def put_stream(self, key: str, body: object) -> None:
        self.calls += 1

    def get(self, key: str, start: int | None, end: int | None) -> None:
        self.calls += 1

    def list(self, prefix: str, after: str | None, limit: int) -> list[handoff.Meta]:
        self.calls += 1
        return []

    def delete(self, keys: object) -> None:
        self.calls += 1


def in_coroutines() -> Plain:
    """The same with ``async def`` methods."""

    def awaited(name: str) -> Callable[..., object]:
        async def method(self: Plain, *arguments: object) -> object:
            return getattr(Plain, name)(self, *arguments)

        return method

    names = ["put_new", "put", "put_stream", "get", "list", "delete"]
    return type("Coroutines", (Plain,), {name: awaited(name) for name in names})()


async def each(storage: Plain | handoff.MemoryStorage) -> list[float]:
    """Of an operation that calls the storage once."""
    conversations = handoff.Conversations(storage)
    await conversations.create(owner="ana")
    before = storage.calls if isinstance(storage, Plain) else 0
    timed = Timed()
    for _ in range(CALLS):
        await conversations.create(owner="ana")
    spent = [part / CALLS for part in timed.so_far()]
    assert not isinstance(storage, Plain) or storage.calls - before == CALLS
    return spent


def main() -> None:
    for line in sys.stdin:
        if line.strip() == "round trip":
            answer = round_trip()
        else:
            ways = {"ours": handoff.MemoryStorage(), "plain": Plain(), "async": in_coroutines()}
            answer = {way: asyncio.run(each(storage)) for way, storage in ways.items()}
        print(json.dumps(answer), flush=True)


main()
