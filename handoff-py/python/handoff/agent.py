"""Who answers inside a restored session."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, runtime_checkable

from . import _held
from ._held import Held, call, content, handle_only, instance, mapping, nothing, start, strings, text, value_only
from ._port import Answer, Port, nonsense, require
from ._value import Value
from .capture import milliseconds
from .conversation import (
    Attachment,
    ConversationHead,
    Message,
    Said,
    attachment_of,
    head_of,
    message,
    message_of,
    messages,
    messages_of,
)
from .errors import InvalidArgumentError
from .operation import Operation
from .report import ApplyReport
from .run import SnapshotRef

__all__ = ["Agent", "AgentInfo", "CommandAgent", "Session", "SessionEnd"]


@dataclass(frozen=True)
class AgentInfo(Value):
    """What an agent is."""

    name: str
    """Its name, as recorded in each session."""
    models: tuple[str, ...] = ()
    """Models it can use; empty means that it does not say."""
    kind: str = "native"
    """``native`` for the host's own, ``third_party`` for somebody else's."""


@dataclass(frozen=True)
class SessionEnd(Value):
    """How a session ended. An agent that returns nothing has succeeded."""

    state: str
    """``succeeded``, ``failed`` or ``cancelled``."""
    reason: str = ""
    """Why it failed, for people."""

    @classmethod
    def succeeded(cls) -> SessionEnd:
        """It did what it was asked."""
        return cls("succeeded")

    @classmethod
    def failed(cls, reason: str) -> SessionEnd:
        """It could not."""
        return cls("failed", reason)

    @classmethod
    def cancelled(cls) -> SessionEnd:
        """It stopped because it was asked to."""
        return cls("cancelled")


@runtime_checkable
class Agent(Protocol):
    """Who answers. ``run`` may be ``async def`` or plain; a plain one has a thread to itself.

    It must return soon after :meth:`Session.cancelled` is true; everything that must not be lost is appended. An agent may
    also have ``describe(self) -> AgentInfo``; without it, it is called what its class is called.
    """

    def run(self, session: Session) -> SessionEnd | Awaitable[SessionEnd | None] | None:
        """Answers. The workspace is restored already."""
        ...


class Session(Held):
    """The session an agent is in: what it may read, and what it may do.

    Its methods return operations: ``await`` them, or in a plain agent ask for their ``result()``. Every write carries the
    session's fencing token: once another session has taken the run, each raises :class:`~handoff.errors.FencedError`, and
    the agent must stop.
    """

    def __init__(self) -> None:
        raise TypeError("a session is given to an agent; it is not made")

    run: str
    """The run's id."""
    id: str
    """The session's id."""
    number: int
    """Which session of the run it is, from 1."""
    prompt: str
    """What the agent is asked: the last message of the conversation too, unless it is empty."""
    model: str | None
    """The model the run is pinned to."""
    root: str
    """The agent's working directory."""
    repos: tuple[str, ...]
    """The checkouts."""
    variables: Mapping[str, str]
    """Variables for programs that the agent runs."""
    restored: ApplyReport | None
    """What restoring the workspace did; absent when there was nothing to restore."""

    @classmethod
    def _of(cls, handle: Any, facts: Mapping[str, Any]) -> Session:
        made = cls.__new__(cls)
        made._handle = handle
        made.run, made.id, made.number = facts["run"], facts["session"], facts["number"]
        made.prompt, made.model = facts.get("prompt") or "", facts.get("model")
        made.root, made.repos = facts["root"], tuple(facts.get("repos") or ())
        made.variables = facts.get("variables") or {}
        restored = facts.get("restored")
        made.restored = None if restored is None else ApplyReport._of(restored)
        return made

    def cancelled(self) -> bool:
        """Whether the agent is to stop: by request, by budget, by deadline, or because the run was taken over."""
        found: bool = call("session.cancelled", {"session": self}, value_only)
        return found

    def head(self) -> Operation[ConversationHead]:
        """What is known of the conversation without reading it."""
        return start("session.head", {"session": self}, head_of)

    def messages(self, *, start: int = 0, limit: int = 256) -> Operation[tuple[Message, ...]]:
        """At most ``limit`` messages of the conversation from number ``start`` on; the first is 0."""
        return _held.start("session.messages", {"session": self, "from": start, "limit": limit}, messages_of)

    def append(
        self,
        messages: Said | Iterable[Said] | None = None,
        *,
        role: str | None = None,
        text: str | None = None,
    ) -> Operation[None]:
        """Appends messages, in one step: all of them are in the conversation afterwards, or none.

        Pass messages, or one message's ``role`` and ``text``. A plain string is what the assistant says.
        """
        if messages is None:
            messages = Message(role=role or "assistant", text=text or "")
        return start("session.append", {"session": self, "messages": _messages(messages, "messages")}, nothing)

    def follow_ups(self) -> Operation[tuple[Message, ...]]:
        """What the person said since the last call, in order and each exactly once; already in the conversation."""
        return start("session.follow_ups", {"session": self}, messages_of)

    def usage(self, used: Mapping[str, int]) -> Operation[None]:
        """Reports what the session has used so far, in total. Beyond the budget the session is cancelled."""
        return start("session.usage", {"session": self, "used": mapping(used, "used")}, nothing)

    def remaining_budget(self) -> dict[str, int]:
        """What is left of each limited unit."""
        found: dict[str, int] = call("session.remaining_budget", {"session": self}, value_only)
        return found

    def checkpoint(self) -> Operation[SnapshotRef]:
        """Records the workspace state as it is now; only new contents are stored."""
        return start("session.checkpoint", {"session": self}, lambda value, body: SnapshotRef.from_dict(value))

    def block(self, question: Said) -> Operation[Message]:
        """Asks the person and waits for the answer, which is in the conversation then. The person is notified."""
        return start("session.block", {"session": self, "question": message(question, "question")}, message_of)

    def attach(self, name: str, content: bytes, *, media_type: str = "") -> Operation[Attachment]:
        """Stores a content, to be named by a message."""
        arguments = {"session": self, "name": _text(name, "name"), "media_type": media_type}
        return start("session.attach", arguments, attachment_of, _content(content, "content"))

    def read_attachment(self, attachment: Attachment) -> Operation[bytes]:
        """The content of an attachment of this conversation, checked against its hash."""
        arguments = {"session": self, "attachment": instance(attachment, Attachment, "attachment").to_dict()}
        return start("session.read_attachment", arguments, lambda value, body: body or b"")

    def __repr__(self) -> str:
        return f"<Session {self.number} of run {self.run}>"


class BuiltInAgent(Held):
    """An agent of the core's."""


class CommandAgent(BuiltInAgent):
    """Any program that runs without a terminal, as an agent: its output becomes messages of the assistant.

    :param program: what to run, in the restored tree; the prompt goes to its standard input.
    :param args: its arguments; ``{prompt}`` in them stands for the prompt instead.
    :param info: what it is; by default, a third party's agent named after the program.
    :param grace: seconds between SIGTERM and SIGKILL. Default 5.
    :param max_output: most bytes of output that are taken. Default 64 MiB.
    :param questions: how a line of the output begins that is a question to the person; the answer comes on standard
        input, so that the prompt has to be an argument. Default: nothing is a question.
    """

    def __init__(
        self,
        program: str,
        args: Sequence[str] = (),
        *,
        info: AgentInfo | None = None,
        grace: float | None = None,
        max_output: int | None = None,
        questions: str | None = None,
    ) -> None:
        arguments = {
            "program": text(program, "program"),
            "args": strings(args, "args"),
            **({} if info is None else instance(info, AgentInfo, "info").to_dict()),
            "grace": None if grace is None else milliseconds(grace, "grace"),
            "max_output": max_output,
            "questions": None if questions is None else text(questions, "questions"),
        }
        self._handle = call("agent.command", arguments, handle_only)


class ForeignAgent(BuiltInAgent):
    """An agent of the caller's, as the core sees it."""

    def __init__(self, agent: Agent) -> None:
        if inspect.iscoroutinefunction(getattr(agent, "describe", None)):
            raise InvalidArgumentError("agent.describe is async; make it a plain method", argument="agent.describe")
        port = Port(agent, "agent", _METHODS)
        self._ports = (port,)
        self._handle = call("agent.foreign", {"agent": port}, handle_only)


def as_agent(value: Any, argument: str) -> BuiltInAgent:
    """The agent that an argument is, of the core's or the caller's."""
    if isinstance(value, BuiltInAgent):
        return value
    require(value, argument, "agent", ("run",))
    return ForeignAgent(value)


def _describe(it: Any, args: Any, body: bytes | None) -> Any:
    describe = getattr(it, "describe", None)

    def meaning(found: Any) -> Answer:
        if not isinstance(found, AgentInfo):
            raise nonsense(found, "an AgentInfo")
        return found.to_dict(), None

    return (describe if describe is not None else lambda: AgentInfo(type(it).__name__)), meaning


def _end(found: Any) -> Answer:
    if found is None:
        return None, None
    if not isinstance(found, SessionEnd):
        raise nonsense(found, "a SessionEnd or None")
    return ({"failed": found.reason} if found.state == "failed" else found.state), None


def _nothing(found: Any) -> Answer:
    return None, None


_METHODS: dict[str, Any] = {
    "describe": _describe,
    # An agent looks at `Session.cancelled` itself.
    "stop": lambda it, args, body: ((lambda: None), _nothing),
    "run": lambda it, args, body: (partial(it.run, Session._of(args["session"], args["facts"])), _end),
}

_messages, _content, _text = messages, content, text
