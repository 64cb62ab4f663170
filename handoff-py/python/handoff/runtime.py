"""Where sessions run."""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, Protocol, runtime_checkable

from ._held import Held, call, handle_only, instance, mapping, nothing, ports_of, start, text, value_only
from ._port import Answer, Port, nonsense, require
from ._value import Value
from .agent import Agent, BuiltInAgent, as_agent
from .capture import milliseconds
from .environment import Environment, environments
from .notify import Notify, as_notify
from .operation import Operation
from .policy import Policy, as_policy
from .storage import BuiltInStorage, Storage, as_storage
from .workspace import StrPath, paths

__all__ = ["LocalRuntime", "Place", "QueueRuntime", "Runtime", "SessionSpec", "Sessions", "Terms", "work"]


@dataclass(frozen=True)
class Terms:
    """Times that a host may tune, in seconds. ``None`` leaves the core's default."""

    lease: float | None = None
    """How long a session may be silent before another may take its run. Default 90."""
    checkpoint: float | Literal["never"] | None = None
    """Time between automatic checkpoints. Default 300."""
    grace: float | None = None
    """How long an agent may go on after it was asked to stop. Default 10."""
    poll: float | None = None
    """Longest time between two looks of watch, wait and an inbox. Default 1."""
    reserve: float | None = None
    """How long before a place's deadline its session stops. Default 60."""


@dataclass(frozen=True)
class SessionSpec(Value):
    """What a runtime needs to launch one session. Plain data: it may travel to another machine."""

    run: str
    """The run."""
    session: str
    """The session."""
    environment: str
    """Where it is to run."""
    model: str | None = None
    """The model that the run is pinned to."""


@dataclass(frozen=True)
class Place:
    """The prepared place of one session: checkouts of the environment's repositories."""

    root: StrPath
    """The directory that holds the checkouts."""
    repos: Sequence[StrPath] = ()
    """The checkouts."""
    loose: StrPath | None = None
    """Where files outside any repository go; absent means that they are not restored."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Variables for the agent."""
    deadline: datetime.datetime | None = None
    """When this place will be taken away; the session ends itself in time before."""


class Sessions(Held):
    """Runs sessions in places that a runtime of yours has prepared. Given to :meth:`Runtime.start`."""

    def __init__(self) -> None:
        raise TypeError("sessions are given to a runtime's start(); they are not made")

    @classmethod
    def _of(cls, handle: Any) -> Sessions:
        made = cls.__new__(cls)
        made._handle = handle
        return made

    def run(self, spec: SessionSpec, place: Place, agent: Agent | BuiltInAgent) -> Operation[str]:
        """Restores the workspace state into ``place``, lets ``agent`` answer, captures, and records the end.

        Gives the state that the session ended in. An error only when it could not even be taken.
        """
        instance(place, Place, "place")
        who = as_agent(agent, "agent")
        where: dict[str, Any] = {
            "root": place.root,
            "repos": paths(place.repos, "place.repos"),
            "variables": mapping(place.variables, "place.variables"),
        }
        if place.loose is not None:
            where["loose"] = place.loose
        if place.deadline is not None:
            deadline = instance(place.deadline, datetime.datetime, "place.deadline")
            where["deadline"] = round(deadline.timestamp() * 1000)
        spec_ = instance(spec, SessionSpec, "spec").to_dict()
        return start("sessions.run", {"sessions": self, "spec": spec_, "place": where, "agent": who}, value_only)

    def fail(self, spec: SessionSpec, reason: str) -> Operation[None]:
        """Records that the session could not be given a place or an agent."""
        spec_ = instance(spec, SessionSpec, "spec").to_dict()
        return start("sessions.fail", {"sessions": self, "spec": spec_, "reason": text(reason, "reason")}, nothing)


@runtime_checkable
class Runtime(Protocol):
    """Where sessions run: a cloud, a queue, this machine. Methods may be ``async def`` or plain.

    :meth:`start` is idempotent per session, and returns once the session is certain to be launched or reported as failed;
    it does not wait for it. A runtime may also have ``wake(self, session)``, a nudge that may be lost.
    """

    def environment(self, id: str) -> Environment | Awaitable[Environment]:
        """What ``id`` is. Raise :class:`~handoff.errors.NotFoundError` when there is no such environment."""
        ...

    def start(self, spec: SessionSpec, sessions: Sessions) -> Awaitable[None] | None:
        """Launches a session; whatever runs it calls :meth:`Sessions.run`."""
        ...

    def cancel(self, session: str) -> Awaitable[None] | None:
        """Takes the session's place away at once. It may have ended, or never been there."""
        ...


class BuiltInRuntime(Held):
    """A runtime of the core's."""


class LocalRuntime(BuiltInRuntime):
    """This machine: prepares an environment from real clones, restores, runs an agent, captures.

    :param agent: who answers.
    :param root: the directory below which each session gets its place.
    :param environments: the places that it offers.
    """

    def __init__(
        self,
        *,
        agent: Agent | BuiltInAgent,
        root: StrPath,
        environments: Iterable[Environment] = (),
    ) -> None:
        who = as_agent(agent, "agent")
        self._ports = ports_of(who)
        arguments = {"agent": who, "root": root, "environments": _environments(environments, "environments")}
        self._handle = call("runtime.local", arguments, handle_only)


class QueueRuntime(BuiltInRuntime):
    """A queue in a storage, from which any number of workers take sessions: how it scales past one machine.

    :param storage: where the queue is.
    :param name: the queue's name: ``a-z``, ``0-9``, ``.``, ``_`` and ``-``.
    :param environments: the places that its workers offer.
    """

    def __init__(
        self,
        *,
        storage: Storage | BuiltInStorage,
        name: str = "default",
        environments: Iterable[Environment] = (),
    ) -> None:
        store = as_storage(storage, "storage")
        self._ports = ports_of(store)
        arguments = {
            "storage": store,
            "name": text(name, "name"),
            "environments": _environments(environments, "environments"),
        }
        self._handle = call("runtime.queue", arguments, handle_only)


class ForeignRuntime(BuiltInRuntime):
    """A runtime of the caller's, as the core sees it."""

    def __init__(self, runtime: Runtime) -> None:
        port = Port(runtime, "runtime", _METHODS)
        self._ports = (port,)
        self._handle = call("runtime.foreign", {"runtime": port}, handle_only)


def as_runtime(value: Any, argument: str) -> BuiltInRuntime:
    """The runtime that an argument is, of the core's or the caller's."""
    if isinstance(value, BuiltInRuntime):
        return value
    require(value, argument, "runtime", ("environment", "start", "cancel"))
    return ForeignRuntime(value)


def work(
    queue: QueueRuntime,
    *,
    storage: Storage | BuiltInStorage,
    agent: Agent | BuiltInAgent,
    root: StrPath,
    environments: Iterable[Environment] = (),
    policy: Policy | None = None,
    notify: Notify | None = None,
    terms: Terms | None = None,
    poll: float | None = None,
    when_empty: Literal["wait", "return"] | None = None,
) -> Operation[int]:
    """Takes sessions out of a queue and runs them, one at a time, until cancelled. Gives the number of sessions it ran.

    :param storage: where runs and conversations are.
    :param when_empty: wait for more (the default), or return when nothing is left to do.
    """
    who, store = as_agent(agent, "agent"), as_storage(storage, "storage")
    arguments = {
        "queue": instance(queue, QueueRuntime, "queue"),
        "storage": store,
        "agent": who,
        "root": root,
        "environments": _environments(environments, "environments"),
        "policy": as_policy(policy, "policy"),
        "notify": as_notify(notify, "notify"),
        "terms": terms_of(terms),
        "poll": None if poll is None else milliseconds(poll, "poll"),
        "when_empty": when_empty,
    }
    return start("work", arguments, value_only)


def terms_of(terms: Terms | None) -> dict[str, Any] | None:
    """Terms as the core takes them."""
    if terms is None:
        return None
    found: dict[str, Any] = {}
    for name, value in vars(instance(terms, Terms, "terms")).items():
        if name == "checkpoint" and value == "never":
            found[name] = 0
        elif value is not None:
            found[name] = milliseconds(value, f"terms.{name}")
    return found


def _environment(found: Any) -> Answer:
    if not isinstance(found, Environment):
        raise nonsense(found, "an Environment")
    return found.to_dict(), None


def _nothing(found: Any) -> Answer:
    return None, None


def _wake(it: Any, args: Any, body: bytes | None) -> Any:
    wake = getattr(it, "wake", None)
    return (partial(wake, args["session"]) if wake is not None else lambda: None), _nothing


_METHODS: dict[str, Any] = {
    "environment": lambda it, args, body: (partial(it.environment, args["id"]), _environment),
    "start": lambda it, args, body: (
        partial(it.start, SessionSpec.from_dict(args["spec"]), Sessions._of(args["sessions"])),
        _nothing,
    ),
    "wake": _wake,
    "cancel": lambda it, args, body: (partial(it.cancel, args["session"]), _nothing),
}

_environments = environments
