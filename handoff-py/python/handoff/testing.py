"""For implementers of ports: is yours one?

Each function runs one suite of named cases, the same that the implementations of this package are held to, and gives a
:class:`Report`. Like everything that asks an implementation, it returns an operation: ``await`` it, or ask for its
``result()``; ``async for`` goes over the cases as they are done.

>>> import handoff
>>> from handoff import testing
>>> report = testing.check_storage(handoff.MemoryStorage(), cases=["an object is created once"]).result()
>>> print(report)
passed  an object is created once (clause 1)
1 cases, 0 failed
>>> assert report.passed, str(report)

Whatever an implementation does wrong is in the report: an exception, an answer of the wrong type, a call that never
returns. Only what keeps a suite from being run at all is raised.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from inspect import isawaitable
from typing import Any, Literal

from ._held import call, start, strings, text, value_only
from ._port import Answer, Port, describe
from ._value import Value
from .agent import Agent, BuiltInAgent, as_agent
from .capture import milliseconds
from .errors import InvalidArgumentError
from .operation import Operation
from .runtime import BuiltInRuntime, Runtime, Terms, as_runtime
from .storage import BuiltInStorage, Storage, as_storage

__all__ = ["Case", "Report", "RuntimeSetup", "case_names", "check_agent", "check_runtime", "check_storage"]

_CONNECTIONS = 8
"""Storages that are opened: as many as the suite uses at once."""


@dataclass(frozen=True)
class Case(Value):
    """One case of a suite."""

    name: str
    """Its name, which stays the same from version to version."""
    clause: int
    """The number of the contract's clause that it is about."""
    failure: str | None = None
    """Why it failed; ``None`` when it passed."""


@dataclass(frozen=True)
class Report:
    """What a suite found. ``str()`` of it has a line for each case."""

    cases: tuple[Case, ...]
    """Every case that was run, in the order of the suite."""
    text: str = field(repr=False, compare=False)
    """The same for people: a line for each case."""

    @property
    def passed(self) -> bool:
        """Whether every case passed."""
        return not self.failures

    @property
    def failures(self) -> tuple[Case, ...]:
        """The cases that failed."""
        return tuple(case for case in self.cases if case.failure is not None)

    def __str__(self) -> str:
        return self.text


class RuntimeSetup:
    """What a runtime is opened with, for one case. Made by :func:`check_runtime`."""

    storage: BuiltInStorage
    """The storage of the hub; workers of yours must use the same one."""
    agent: BuiltInAgent
    """The agent that must answer in every session."""
    terms: Terms
    """Times for workers of yours."""

    def __init__(self, storage: BuiltInStorage, agent: BuiltInAgent, terms: Terms) -> None:
        self.storage, self.agent, self.terms = storage, agent, terms
        self._closing: list[Callable[[], Awaitable[object] | object]] = []

    def on_close(self, function: Callable[[], Awaitable[object] | object]) -> None:
        """Has ``function``, plain or ``async def``, called when the case is over; the last given is called first."""
        if not callable(function):
            raise InvalidArgumentError(f"function is {describe(function)}; pass a function", argument="function")
        self._closing.append(function)


def case_names(suite: Literal["storage", "runtime", "agent"]) -> tuple[str, ...]:
    """The names of a suite's cases, for test frameworks that show each by itself."""
    found: list[str] = call("conformance.cases", {"suite": text(suite, "suite")}, value_only)
    return tuple(found)


def check_storage(
    storage: Storage | BuiltInStorage | Callable[[], Storage | BuiltInStorage],
    *,
    patience: float | None = None,
    cases: Sequence[str] | None = None,
) -> Operation[Report]:
    """Checks a storage against the contract of :class:`~handoff.Storage`.

    Everything is written below ``probe/`` and deleted at the end: some 6,000 requests and 60 MiB. That what was written
    survives a power cut cannot be checked from here.

    :param storage: the storage, or a function that opens one: over always the same bytes, if it can with a connection of
        its own each time, as another process would have.
    :param patience: seconds that one case may take. Default 120.
    :param cases: names of the cases to run. Default: all of them.
    """
    if isinstance(storage, BuiltInStorage) or not callable(storage):
        storages = [as_storage(storage, "storage")]
    elif isinstance(storage, type):
        raise InvalidArgumentError(
            f"storage is the class {storage.__name__}; pass an instance, or a function that opens the same bytes each time",
            argument="storage",
        )
    else:
        storages = [as_storage(storage(), "storage()") for _ in range(_CONNECTIONS)]
    arguments = {"storages": storages, **_options(patience, cases)}
    return start("conformance.storage", arguments, _report, event=Case.from_dict)


def check_runtime(
    open: Callable[[RuntimeSetup], Runtime | BuiltInRuntime | Awaitable[Runtime | BuiltInRuntime]],
    *,
    environment: str,
    patience: float | None = None,
    cases: Sequence[str] | None = None,
) -> Operation[Report]:
    """Checks a runtime against the contract of :class:`~handoff.Runtime`: real sessions are run in it.

    What ``open`` raises ends the check: a :class:`~handoff.RuntimeFailedError` whose ``__cause__`` it is.

    :param open: makes a runtime for one case, plain or ``async def``. The sessions of that runtime must use the setup's
        agent, and its workers, if it has any, the setup's storage; what must be ended afterwards is given to
        :meth:`RuntimeSetup.on_close`.
    :param environment: an environment of it with at least one repository and one variable.
    :param patience: seconds that anything may take that is to happen. Default 30.
    :param cases: names of the cases to run. Default: all of them.
    """
    if not callable(open):
        raise InvalidArgumentError(f"open is {describe(open)}; pass a function", argument="open")
    opener = _Opener(open)
    arguments = {
        "open": opener.port,
        "environment": text(environment, "environment"),
        **_options(patience, cases),
    }
    return start("conformance.runtime", arguments, _report, event=Case.from_dict)


def check_agent(
    agent: Agent | BuiltInAgent,
    *,
    prompt: str,
    long: str,
    grace: float | None = None,
    patience: float | None = None,
    cases: Sequence[str] | None = None,
) -> Operation[Report]:
    """Checks an agent against the contract of :class:`~handoff.Agent`: each case is one turn or a few.

    :param agent: the agent. This one instance is asked many times, also at once.
    :param prompt: what it answers, and ends well, within seconds and without being asked anything more.
    :param long: what keeps it busy for minutes, unless it is stopped.
    :param grace: seconds after which it must have returned when it was asked to stop. Default 10.
    :param patience: seconds that it may take to answer ``prompt``. Default 45.
    :param cases: names of the cases to run. Default: all of them.
    """
    arguments = {
        "agent": as_agent(agent, "agent"),
        "prompt": text(prompt, "prompt"),
        "long": text(long, "long"),
        "grace": None if grace is None else milliseconds(grace, "grace"),
        **_options(patience, cases),
    }
    return start("conformance.agent", arguments, _report, event=Case.from_dict)


def _options(patience: float | None, cases: Sequence[str] | None) -> dict[str, Any]:
    return {
        "patience": None if patience is None else milliseconds(patience, "patience"),
        "cases": None if cases is None else strings(cases, "cases", "names"),
    }


def _report(value: Any, body: bytes | None) -> Report:
    return Report(tuple(Case.from_dict(case) for case in value["cases"]), value["text"])


class _Opener:
    """Opens and closes runtimes for the core."""

    def __init__(self, function: Callable[[RuntimeSetup], Any]) -> None:
        self.function = function
        self.open: dict[int, RuntimeSetup] = {}
        self.port = Port(function, "check", {"open": self._open, "close": self._close})

    def _open(self, function: Any, args: Any, body: bytes | None) -> Any:
        setup = _setup(args)
        self.open[args["number"]] = setup

        def meaning(found: Any) -> Answer:
            runtime = as_runtime(found, "what open returned")
            for port in runtime._ports:
                port.join(self.port)
            return {"runtime": runtime._handle}, None

        return partial(function, setup), meaning

    def _close(self, function: Any, args: Any, body: bytes | None) -> Any:
        return partial(_close, self.open.pop(args["number"])._closing), lambda found: (None, None)


def _setup(args: Any) -> RuntimeSetup:
    storage, agent = BuiltInStorage.__new__(BuiltInStorage), BuiltInAgent.__new__(BuiltInAgent)
    storage._handle, agent._handle = args["storage"], args["agent"]
    seconds = {name: time / 1000 for name, time in args["terms"].items()}
    seconds["checkpoint"] = seconds["checkpoint"] or "never"
    return RuntimeSetup(storage, agent, Terms(**seconds))


def _close(closing: list[Callable[[], Awaitable[object] | object]]) -> Any:
    """On a thread; from the first that is to be awaited on, on the event loop."""
    while closing:
        found = closing.pop()()
        if isawaitable(found):
            return _close_rest(found, closing)
    return None


async def _close_rest(first: Awaitable[object], closing: list[Callable[[], Awaitable[object] | object]]) -> None:
    await first
    while closing:
        found = closing.pop()()
        if isawaitable(found):
            await found
