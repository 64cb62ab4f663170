"""Runs and sessions, as records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ._value import Value

__all__ = ["Question", "Run", "RunPage", "RunSession", "SnapshotRef"]


@dataclass(frozen=True)
class SnapshotRef(Value):
    """A stored workspace state: which, and where its record is."""

    id: str
    """The state's own id."""
    key: str
    """The key of the stored record."""


@dataclass(frozen=True)
class Question(Value):
    """What the agent asks the person."""

    message: str
    """The id of the message that asks it."""
    text: str = ""
    """The question."""


@dataclass(frozen=True)
class RunSession(Value):
    """One execution of a run."""

    id: str
    """Its id."""
    actor: str = ""
    """Who asked for it."""
    state: str = ""
    """``queued``, ``running``, ``succeeded``, ``failed``, ``cancelled``, ``budget_exhausted`` or ``lost``."""
    epoch: int = 0
    """The epoch it holds the run with; 0 until it is taken."""
    prompt: str = ""
    """What the agent is asked."""
    snapshot_in: SnapshotRef | None = None
    """The workspace state it starts from."""
    restored: Mapping[str, Any] | None = None
    """What became of it."""
    snapshot_out: SnapshotRef | None = None
    """The latest checkpoint; at the end, the end state."""
    not_captured: str | None = None
    """Why there is no end state, or only an older checkpoint."""
    usage: Mapping[str, int] | None = None
    """What it used: cumulative."""
    agent: str = ""
    """The agent that answered."""
    agent_kind: str = "native"
    """Whose agent that is: ``native`` or ``third_party``."""
    first_message: int | None = None
    """Messages the conversation had when the session took it."""
    created: int = 0
    """When it was asked for, in milliseconds since 1970."""
    started: int | None = None
    """When it took the run."""
    ended: int | None = None
    """When it ended."""
    reason: str = ""
    """Why it ended as it did, for people."""


@dataclass(frozen=True)
class Run(Value):
    """A durable unit of work with one identity; its sessions are the executions of it."""

    id: str
    """Its id."""
    task: str = ""
    """What it is about."""
    creator: str = ""
    """Who started it."""
    team: str | None = None
    """The team it belongs to."""
    origin: str = "cloud"
    """How it began: ``cloud``, ``local_to_cloud``, ``schedule`` or ``integration``."""
    source: str | None = None
    """Where it came from, in the host's words."""
    environment: str = ""
    """Where its sessions execute."""
    model: str | None = None
    """The model, pinned by the first session."""
    conversation: str | None = None
    """Its conversation's id."""
    fresh: str | None = None
    """Why the source conversation did not come along."""
    state: str = ""
    """``queued``, ``running``, ``blocked``, ``succeeded``, ``failed``, ``cancelled`` or ``budget_exhausted``."""
    epoch: int = 0
    """The fencing token: rises each time a session takes the run."""
    sessions: tuple[RunSession, ...] = ()
    """Its sessions, oldest first."""
    budget: Mapping[str, int] | None = None
    """What its sessions may use in total."""
    question: Question | None = None
    """What it is blocked on."""
    parent: str | None = None
    """The run that started this one."""
    created: int = 0
    """When it was created, in milliseconds since 1970."""

    @property
    def ended(self) -> bool:
        """Whether it has ended, so that it may be continued."""
        return self.state in ("succeeded", "failed", "cancelled", "budget_exhausted")

    @property
    def session(self) -> RunSession | None:
        """The latest session."""
        return self.sessions[-1] if self.sessions else None

    @property
    def usage(self) -> dict[str, int]:
        """Usage of all sessions together."""
        total: dict[str, int] = {}
        for session in self.sessions:
            for unit, amount in (session.usage or {}).items():
                total[unit] = total.get(unit, 0) + amount
        return total

    @property
    def snapshot(self) -> SnapshotRef | None:
        """The latest workspace state that any session recorded, else the one the run began with."""
        for session in reversed(self.sessions):
            found = session.snapshot_out or session.snapshot_in
            if found is not None:
                return found
        return None


@dataclass(frozen=True)
class RunPage(Value):
    """One page of runs, newest first."""

    runs: tuple[Run, ...] = ()
    """The runs. There may be fewer than asked for before the end."""
    next: str | None = None
    """Pass it as ``after`` for the next page; absent at the end."""
