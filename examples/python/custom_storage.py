"""A storage of one's own: one SQLite file, which any number of processes may open. A run lives in it and outlives the hub."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal, TypeVar

import handoff
from scene import ANA, Scene, show

T = TypeVar("T")


class SqliteStorage:
    """The six methods. They are plain, so each call has a thread; a connection belongs to one thread, so each has its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._with(lambda db: db.execute("CREATE TABLE IF NOT EXISTS objects (key PRIMARY KEY, body, modified) WITHOUT ROWID"))

    def _with(self, act: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with closing(sqlite3.connect(self._path, timeout=30)) as db, db:
                db.execute("PRAGMA synchronous = FULL")
                return act(db)
        except sqlite3.OperationalError as error:
            # Such as a database that somebody else keeps locked. The core tries again.
            raise handoff.StorageError(str(error), retryable=True) from error

    def put_new(self, key: str, body: bytes) -> Literal["created", "exists"]:
        # All consistency rests on this: of many who try at once, the primary key lets one in.
        row = (key, body, time.time())
        done = self._with(lambda db: db.execute("INSERT OR IGNORE INTO objects VALUES (?, ?, ?)", row).rowcount)
        return "created" if done == 1 else "exists"

    def put(self, key: str, body: bytes) -> None:
        row = (key, body, time.time())
        self._with(lambda db: db.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?)", row))

    async def put_stream(self, key: str, body: AsyncIterator[bytes]) -> None:
        self.put(key, b"".join([piece async for piece in body]))

    def get(self, key: str, start: int | None, end: int | None) -> bytes | None:
        row = self._with(lambda db: db.execute("SELECT body FROM objects WHERE key = ?", (key,)).fetchone())
        return None if row is None else bytes(row[0])[start:end]

    def list(self, prefix: str, after: str | None, limit: int) -> Sequence[handoff.Meta]:
        # Keys are ASCII, and "0" is what follows "/".
        above, below = max(f"{prefix}/", after or ""), f"{prefix}0"
        query = "SELECT key, length(body), modified FROM objects WHERE key > ? AND key < ? ORDER BY key LIMIT ?"
        return [handoff.Meta(*row) for row in self._with(lambda db: db.execute(query, (above, below, limit)).fetchall())]

    def delete(self, keys: Sequence[str]) -> None:
        self._with(lambda db: db.executemany("DELETE FROM objects WHERE key = ?", [(key,) for key in keys]))


class Writer:
    async def run(self, session: handoff.Session) -> None:
        with (Path(session.repos[0]) / "plan.md").open("a") as plan:
            plan.write("3. keep it in a database\n")
        await session.append("Written.")


async def main(scene: Scene) -> None:
    path = scene.root / "store.sqlite"
    with handoff.Handoff(storage=SqliteStorage(path), runtime=scene.local(Writer())) as hub:
        started = await hub.start(actor=ANA, environment="cloud", prompt="Write.", workspace=scene.workspace)
        run = await hub.wait(started.id, actor=ANA, deadline=60)
    show(run.state)

    # Everything is there for whoever opens the file next.
    with handoff.Handoff(storage=SqliteStorage(path), runtime=scene.local(Writer())) as again:
        assert await again.run(run.id, actor=ANA) == run
        result = await again.result(run.id, actor=ANA)
        assert result is not None
        show(*(line for line in str(result.diff_base()).splitlines() if "database" in line))


with Scene() as scene:
    asyncio.run(main(scene))
