"""Ports as the scenarios script them, implemented in Python."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import handoff
from scenario import Wrong, content_of, copy, do, only, plain


def error_of(given: Mapping[str, Any]) -> Exception:
    """The error that a script raises: one of the package's, by its kind."""
    only(given, "kind message retryable", "an error")
    return handoff.errors.error_class(given["kind"])(
        given["message"], kind=given["kind"], retryable=given.get("retryable", False)
    )


class Port:
    """What every scripted port has: a record of what it was asked."""

    def __init__(self, faults: Sequence[Mapping[str, Any]] = ()) -> None:
        self.seen: list[Any] = []
        self.faults = faults
        self.count: dict[str, int] = {}
        for fault in faults:
            only(fault, "method nth until error", "a fault")

    def fault(self, method: str) -> None:
        """Raises what is to go wrong in this call of ``method``, the first being 1."""
        number = self.count[method] = self.count.get(method, 0) + 1
        for fault in self.faults:
            first = fault.get("nth", 1)
            if fault["method"] == method and first <= number <= fault.get("until", first):
                raise error_of(fault["error"])


class Storage(Port):
    """Objects in a dictionary; some methods are asynchronous and some plain."""

    def __init__(self, script: Mapping[str, Any]) -> None:
        only(script, "faults", "a storage")
        super().__init__(script.get("faults", ()))
        self.lock = threading.Lock()
        self.objects: dict[str, tuple[bytes, float]] = {}

    def ask(self, method: str, *what: Any) -> None:
        with self.lock:
            self.seen.append([method, *what])
            self.fault(method)

    async def put_new(self, key: str, body: bytes) -> Any:
        self.ask("put_new", key)
        with self.lock:
            if key in self.objects:
                return "exists"
            self.objects[key] = (body, 1_700_000_000.0)
            return "created"

    def put(self, key: str, body: bytes) -> None:
        self.ask("put", key)
        with self.lock:
            self.objects[key] = (body, 1_700_000_000.0)

    async def put_stream(self, key: str, body: AsyncIterator[bytes]) -> None:
        self.ask("put_stream", key)
        whole = b"".join([piece async for piece in body])
        with self.lock:
            self.objects[key] = (whole, 1_700_000_000.0)

    def get(self, key: str, start: int | None, end: int | None) -> Any:
        self.ask("get", key, start, end)
        with self.lock:
            found = self.objects.get(key)
        return None if found is None else found[0][start:end]

    async def list(self, prefix: str, after: str | None, limit: int) -> Any:
        self.ask("list", prefix, after, limit)
        with self.lock:
            keys = sorted(key for key in self.objects if key.startswith(prefix + "/"))
            keys = [key for key in keys if after is None or key > after][:limit]
            return [handoff.Meta(key, len(self.objects[key][0]), self.objects[key][1]) for key in keys]

    def delete(self, keys: Sequence[str]) -> None:
        self.ask("delete", list(keys))
        with self.lock:
            for key in keys:
                self.objects.pop(key, None)


class Agent(Port):
    """Does what the script says in each session; the last list is for all further ones."""

    def __init__(self, script: Mapping[str, Any]) -> None:
        only(script, "name models kind sessions", "an agent")
        super().__init__()
        self.script = script

    def describe(self) -> handoff.AgentInfo:
        return handoff.AgentInfo(
            self.script.get("name", "scripted"),
            tuple(self.script.get("models", ())),
            self.script.get("kind", "native"),
        )

    async def run(self, session: handoff.Session) -> Any:
        sessions = self.script["sessions"]
        for act in sessions[min(session.number, len(sessions)) - 1]:
            (word, given), *rest = act.items()
            if rest:
                raise Wrong(f"an act with more than one word: {act}")
            if word == "say":
                await session.append(said(given))
            elif word == "ask":
                answer = await session.block(said(given))
                self.seen.append({"answer": message(answer)})
            elif word == "edit":
                do(Path(session.repos[0]), given)
            elif word == "edit_root":
                do(Path(session.root), given)
            elif word == "usage":
                await session.usage(given)
            elif word == "remaining":
                self.seen.append({"remaining": session.remaining_budget()})
            elif word == "checkpoint":
                self.seen.append({"checkpoint": plain(await session.checkpoint())})
            elif word == "attach":
                only(given, "name text base64 times media_type say", "an attachment")
                made = await session.attach(
                    given["name"], content_of(given), media_type=given.get("media_type", "")
                )
                await session.append(handoff.Message("assistant", given["say"], attachments=(made,)))
                self.seen.append({"attached": plain(await session.read_attachment(made))})
            elif word == "head":
                self.seen.append({"head": plain(await session.head())})
            elif word == "messages":
                only(given, "from limit", "messages")
                found = await session.messages(start=given.get("from", 0), limit=given.get("limit", 256))
                self.seen.append({"messages": [message(one) for one in found]})
            elif word == "follow_ups":
                self.seen.append({"follow_ups": [message(one) for one in await session.follow_ups()]})
            elif word == "wait_follow_up":
                while not (found := await session.follow_ups()):
                    await asyncio.sleep(0.005)
                self.seen.append({"follow_ups": [message(one) for one in found]})
            elif word == "wait_cancelled":
                while not session.cancelled():
                    await asyncio.sleep(0.005)
                self.seen.append("told to stop")
            elif word == "facts":
                self.seen.append(
                    {
                        "number": session.number,
                        "prompt": session.prompt,
                        "model": session.model,
                        "variables": dict(session.variables),
                        "repos": len(session.repos),
                        "restored": session.restored.to_dict()["verdict"] if session.restored else None,
                    }
                )
            elif word == "raise":
                raise error_of(given)
            elif word == "end":
                if isinstance(given, str):
                    return handoff.SessionEnd(given)
                only(given, "failed", "an end")
                return handoff.SessionEnd.failed(given["failed"])
            else:
                raise Wrong(f"no act is called {word}")
        return None


def said(given: Any) -> Any:
    """A message as the package takes it: the host's own JSON is text in Python."""
    if isinstance(given, str):
        return given
    only(given, "id kind role text tool_calls tool_results attachments at body", "a message")
    if "body" in given:
        return {**given, "body": json.dumps(given["body"], separators=(",", ":"))}
    return dict(given)


def message(found: handoff.Message) -> Any:
    """A message as data: what is absent has its default, the host's own JSON is JSON."""
    made = plain(found)
    made["kind"] = made["kind"] or "message"
    if made["body"] is not None:
        made["body"] = json.loads(made["body"])
    return made


class Runtime(Port):
    """Runs each session in a place made of copies, or does not."""

    def __init__(self, script: Mapping[str, Any], agent: Any, root: Path) -> None:
        only(script, "environments start agent repos reason variables loose faults", "a runtime")
        super().__init__(script.get("faults", ()))
        self.script, self.agent, self.root = script, agent, root
        self.threads: list[threading.Thread] = []

    async def environment(self, id: str) -> handoff.Environment:
        self.seen.append(["environment", id])
        self.fault("environment")
        for one in self.script["environments"]:
            if one["id"] == id:
                return handoff.Environment.from_dict(one)
        raise handoff.NotFoundError(f"no environment {id}")

    def start(self, spec: handoff.SessionSpec, sessions: handoff.Sessions) -> None:
        self.seen.append(["start", plain(spec)])
        self.fault("start")
        how = self.script["start"]
        if how == "fail":
            sessions.fail(spec, self.script["reason"]).result()
        elif how == "run":
            thread = threading.Thread(target=self.go, args=(spec, sessions), daemon=True)
            self.threads.append(thread)
            thread.start()
        elif how != "ignore":
            raise Wrong(f"no start is called {how}")

    def go(self, spec: handoff.SessionSpec, sessions: handoff.Sessions) -> None:
        place = self.root / spec.session
        place.mkdir(parents=True)
        for name, source in self.script.get("repos", {}).items():
            copy(Path(source), place / name)
        loose = None
        if self.script.get("loose"):
            loose = place / "loose"
            loose.mkdir()
        where = handoff.Place(
            place,
            [place / name for name in sorted(self.script.get("repos", {}))],
            loose=loose,
            variables=self.script.get("variables", {}),
        )
        self.seen.append(["ended", sessions.run(spec, where, self.agent).result()])

    async def wake(self, session: str) -> None:
        pass

    async def cancel(self, session: str) -> None:
        self.seen.append(["cancel"])
        self.fault("cancel")

    def join(self) -> None:
        for thread in self.threads:
            thread.join()


class Policy(Port):
    """Answers from tables; what a table lacks has the stated default."""

    def __init__(self, script: Mapping[str, Any]) -> None:
        only(script, "relations store fork children budget faults", "a policy")
        super().__init__(script.get("faults", ()))
        self.script = script
        # A policy that has no such method leaves it to the core.
        if "store" in script:
            self.may_store_conversations = self._store
        if "fork" in script:
            self.may_fork = self._fork
        if "children" in script:
            self.may_leave_children = self._children
        if "budget" in script:
            self.budget = self._budget

    async def relation(self, actor: str, run: handoff.Run) -> Any:
        self.fault("relation")
        return self.script.get("relations", {}).get(actor, "creator" if run.creator == actor else "outsider")

    def _store(self, actor: str) -> bool:
        self.fault("may_store_conversations")
        return bool(self.script["store"].get(actor, False))

    async def _fork(self, actor: str, conversation: handoff.ConversationHead) -> bool:
        self.fault("may_fork")
        return bool(self.script["fork"].get(actor, conversation.owner == actor))

    def _children(self, run: handoff.Run, live: Sequence[str]) -> bool:
        self.fault("may_leave_children")
        self.seen.append(["children", len(live)])
        return bool(self.script["children"])

    async def _budget(self, actor: str, run: handoff.Run | None) -> Mapping[str, int]:
        self.fault("budget")
        self.seen.append(["budget", actor, run is not None])
        return dict(self.script["budget"])


class Notify(Port):
    """Remembers each notice."""

    def __init__(self, script: Mapping[str, Any]) -> None:
        only(script, "faults", "a notify")
        super().__init__(script.get("faults", ()))

    def notify(self, notice: handoff.Notice) -> None:
        question = notice.run.question.text if notice.run.question else None
        self.seen.append({"kind": notice.kind, "state": notice.run.state, "question": question})
        self.fault("notify")


class Scanner(Port):
    """Finds one word."""

    def __init__(self, script: Mapping[str, Any]) -> None:
        only(script, "find rule faults", "a scanner")
        super().__init__(script.get("faults", ()))
        self.word, self.rule = str(script["find"]).encode(), script["rule"]

    def scan(self, content: bytes) -> Any:
        self.fault("scan")
        at = content.find(self.word)
        return [] if at < 0 else [handoff.SecretFinding(self.rule, at, at + len(self.word))]
