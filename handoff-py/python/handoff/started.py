"""What goes into a run, and what comes of it, as values."""

from __future__ import annotations

from dataclasses import dataclass

from ._value import Value
from .conversation import ConversationHead
from .report import ApplyReport
from .snapshot import Snapshot

__all__ = ["Affordance", "Continued", "ConversationSource", "PromptAttachment", "Pulled", "Started"]


@dataclass(frozen=True)
class PromptAttachment:
    """A named content that comes with a prompt."""

    name: str
    """Its name as people know it."""
    content: bytes
    """The content."""
    media_type: str = ""
    """Such as ``image/png``."""


@dataclass(frozen=True)
class ConversationSource:
    """A stored conversation that a run is forked from. It is never written."""

    id: str
    """Which."""
    at: int | str | None = None
    """After how many messages, or after which message, to cut. Default: at the end."""
    messages: int | None = None
    """How many messages the caller knows it to have; fewer is an :class:`~handoff.errors.UnsyncedError`."""


@dataclass(frozen=True)
class Started(Value):
    """A run that was started."""

    run: str
    """The run's id."""
    session: str
    """Its first session's id."""
    conversation: str | None = None
    """Its conversation's; absent when there was no consent to store one."""

    @property
    def id(self) -> str:
        """The run's id."""
        return self.run


@dataclass(frozen=True)
class Continued(Value):
    """Where a follow-up went."""

    went: str = ""
    """``delivered`` to the live session, ``appended`` to the prompt of one that has not begun, or ``new_session``."""
    session: str = ""
    """The session."""
    workspace: bool | None = None
    """For a new session: whether there is a workspace state to restore."""


@dataclass(frozen=True)
class Pulled:
    """What came home."""

    conversation: ConversationHead | None
    """A fork of the run's conversation, owned by who asked; absent in a preview."""
    snapshot: Snapshot | None
    """What was merged: the run's changes since it began."""
    report: ApplyReport | None
    """What became of each file."""
    nothing: str | None
    """Why there was no state, in one word."""


@dataclass(frozen=True)
class Affordance(Value):
    """The one thing to offer a person for a run. An action that could only fail is never offered."""

    action: str
    """``respond``, ``follow_up``, ``continue``, ``continue_locally``, ``watch`` or ``unavailable``."""
    question: str | None = None
    """For ``respond``: to what."""
    label: str | None = None
    """For ``continue``: what the button says."""
    reason: str | None = None
    """For ``unavailable``: why."""
