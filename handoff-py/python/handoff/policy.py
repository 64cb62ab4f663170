"""A host's rules: who may do what, and with which budget."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from functools import partial
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from ._port import Answer, Port, nonsense, require
from .conversation import ConversationHead
from .run import Run

__all__ = ["Policy"]

Relation: TypeAlias = Literal["creator", "team_member", "same_organisation", "outsider", "anonymous"]


@runtime_checkable
class Policy(Protocol):
    """A host's rules. Methods may be ``async def`` or plain.

    Beside :meth:`relation`, a policy may have any of these; what it lacks has the core's default:

    - ``may_store_conversations(self, actor) -> bool``: consent to store. Without it a run starts fresh and says so.
    - ``may_fork(self, actor, conversation) -> bool``. Default: its owner.
    - ``may_leave_children(self, run, live) -> bool``: continue a run whose children have not ended. Default: no.
    - ``may_delete(self, actor, run) -> bool``. Default: its creator alone.
    - ``budget(self, actor, run) -> Mapping[str, int]``: what a run may use; ``run`` is ``None`` when it is started.

    An exception refuses what was asked, with its text as the reason.
    """

    def relation(self, actor: str, run: Run) -> Relation | Awaitable[Relation]:
        """How ``actor`` stands to ``run``."""
        ...


def as_policy(value: Any, argument: str) -> Port | None:
    """The policy that an argument is; absent is the default."""
    if value is None:
        return None
    require(value, argument, "policy", ("relation",))
    return Port(value, "policy", _METHODS)


def _relation(found: Any) -> Answer:
    if not isinstance(found, str):
        raise nonsense(found, "a string")
    return found, None


def _optional(name: str, args: Any, kind: Any, noun: str) -> Any:
    def method(it: Any, given: Any, body: bytes | None) -> Any:
        function = getattr(it, name, None)
        if function is None:
            return (lambda: None), lambda found: ({"default": True}, None)

        def meaning(found: Any) -> Answer:
            if not isinstance(found, kind):
                raise nonsense(found, noun)
            return {"is": dict(found) if kind is Mapping else found}, None

        return partial(function, *args(given)), meaning

    return method


def _run(run: Any) -> Run | None:
    return None if run is None else Run.from_dict(run)


_METHODS: dict[str, Any] = {
    "relation": lambda it, args, body: (
        partial(it.relation, args["actor"], Run.from_dict(args["run"])),
        _relation,
    ),
    "may_store_conversations": _optional("may_store_conversations", lambda args: (args["actor"],), bool, "a bool"),
    "may_fork": _optional(
        "may_fork",
        lambda args: (args["actor"], ConversationHead.from_dict(args["conversation"])),
        bool,
        "a bool",
    ),
    "may_leave_children": _optional(
        "may_leave_children", lambda args: (_run(args["run"]), tuple(args["live"])), bool, "a bool"
    ),
    "may_delete": _optional("may_delete", lambda args: (args["actor"], _run(args["run"])), bool, "a bool"),
    "budget": _optional(
        "budget",
        lambda args: (args["actor"], _run(args.get("run"))),
        Mapping,
        "a mapping from units to amounts",
    ),
}
