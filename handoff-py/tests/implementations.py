"""Ports as somebody outside would implement them: with ``async def``, and plain."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import handoff
from conftest import git


class PlainStorage:
    """Bytes in a dictionary; called on threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.objects: dict[str, tuple[bytes, float]] = {}

    def put_new(self, key: str, body: bytes) -> Any:
        with self.lock:
            if key in self.objects:
                return "exists"
            self.objects[key] = (body, time.time())
            return "created"

    def put(self, key: str, body: bytes) -> None:
        with self.lock:
            self.objects[key] = (body, time.time())

    def put_stream(self, key: str, body: Iterator[bytes]) -> None:
        self.put(key, b"".join(body))

    def get(self, key: str, start: int | None, end: int | None) -> Any:
        with self.lock:
            found = self.objects.get(key)
        return None if found is None else found[0][start:end]

    def list(self, prefix: str, after: str | None, limit: int) -> Any:
        with self.lock:
            keys = sorted(key for key in self.objects if key.startswith(prefix + "/") and key > (after or ""))
            return [handoff.Meta(key, len(self.objects[key][0]), self.objects[key][1]) for key in keys[:limit]]

    def delete(self, keys: Sequence[str]) -> None:
        with self.lock:
            for key in keys:
                self.objects.pop(key, None)


class AsyncStorage:
    """The same, on the event loop."""

    def __init__(self) -> None:
        self.plain = PlainStorage()

    async def put_new(self, key: str, body: bytes) -> Any:
        return self.plain.put_new(key, body)

    async def put(self, key: str, body: bytes) -> None:
        self.plain.put(key, body)

    async def put_stream(self, key: str, body: AsyncIterator[bytes]) -> None:
        self.plain.put(key, b"".join([piece async for piece in body]))

    async def get(self, key: str, start: int | None, end: int | None) -> Any:
        return self.plain.get(key, start, end)

    async def list(self, prefix: str, after: str | None, limit: int) -> Any:
        return self.plain.list(prefix, after, limit)

    async def delete(self, keys: Sequence[str]) -> None:
        self.plain.delete(keys)


class Echo:
    """Says what it was asked; a prompt that begins with ``wait`` it thinks about until it is stopped."""

    def describe(self) -> handoff.AgentInfo:
        return handoff.AgentInfo("echo")

    async def run(self, session: handoff.Session) -> Any:
        if session.prompt.startswith("wait"):
            while not session.cancelled():
                await asyncio.sleep(0.01)
            return handoff.SessionEnd.cancelled()
        await session.append("You said: " + session.prompt)


class PlainEcho:
    """The same on a thread."""

    def run(self, session: handoff.Session) -> Any:
        if session.prompt.startswith("wait"):
            while not session.cancelled():
                time.sleep(0.01)
            return handoff.SessionEnd.cancelled()
        session.append("You said: " + session.prompt).result()


class ThreadRuntime:
    """Sessions on threads, each in clones that git makes."""

    def __init__(self, agent: Any, root: Path, environment: handoff.Environment) -> None:
        self.agent, self.root, self.known = agent, root, environment
        self.lock = threading.Lock()
        self.started: dict[str, Any] = {}

    def environment(self, id: str) -> Any:
        if id != self.known.id:
            raise handoff.NotFoundError(f"there is no environment {id}")
        return self.known

    def start(self, spec: handoff.SessionSpec, sessions: handoff.Sessions) -> Any:
        self.environment(spec.environment)
        if self.first(spec):
            threading.Thread(target=self.run, args=(spec, sessions)).start()

    def first(self, spec: handoff.SessionSpec) -> bool:
        with self.lock:
            return self.started.setdefault(spec.session, spec) is spec

    def cancel(self, session: str) -> Any:
        with self.lock:
            operation = self.started.get(session)
        if isinstance(operation, handoff.Operation):
            operation.cancel()

    def run(self, spec: handoff.SessionSpec, sessions: handoff.Sessions) -> Any:
        try:
            place = self.place(spec)
        except Exception as error:
            sessions.fail(spec, str(error)).result()
            return
        running = sessions.run(spec, place, self.agent)
        with self.lock:
            self.started[spec.session] = running
        try:
            running.result()
        except handoff.HandoffError:
            # The run has the reason.
            pass

    def place(self, spec: handoff.SessionSpec) -> handoff.Place:
        root = self.root / spec.session
        root.mkdir(parents=True)
        repos = []
        for repo in self.known.repos:
            git(root, "clone", "-q", repo.source, repo.name)
            repos.append(root / repo.name)
        return handoff.Place(root, repos, variables=self.known.variables)


class TaskRuntime(ThreadRuntime):
    """The same as tasks of the event loop."""

    async def environment(self, id: str) -> Any:
        return super().environment(id)

    async def start(self, spec: handoff.SessionSpec, sessions: handoff.Sessions) -> None:
        await self.environment(spec.environment)
        if self.first(spec):
            self.started[spec.session] = asyncio.create_task(self.run_on_loop(spec, sessions))

    async def run_on_loop(self, spec: handoff.SessionSpec, sessions: handoff.Sessions) -> None:
        place = await asyncio.to_thread(self.place, spec)
        await sessions.run(spec, place, self.agent)

    async def cancel(self, session: str) -> None:
        task = self.started.get(session)
        if task is not None:
            task.cancel()
