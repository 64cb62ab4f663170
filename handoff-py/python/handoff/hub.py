"""The life of runs: the front door."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ._held import (
    Held,
    call,
    content,
    handle_only,
    instance,
    mapping,
    nothing,
    ports_of,
    start,
    strings,
    text,
)
from ._port import describe
from .capture import milliseconds
from .collect import Collected, collected_of
from .conversation import ConversationHead, Conversations, fork_point, messages
from .errors import HandoffError, InvalidArgumentError, from_failure
from .notify import Notify, as_notify
from .operation import Operation
from .options import ApplyOptions, StartOptions, keywords
from .policy import Policy, as_policy
from .report import ApplyReport
from .run import Run, RunPage, SnapshotRef
from .runtime import BuiltInRuntime, Runtime, Terms, as_runtime, terms_of
from .snapshot import Snapshot
from .started import Affordance, Continued, ConversationSource, PromptAttachment, Pulled, Started
from .storage import BuiltInStorage, Snapshots, Storage, as_storage
from .watch import Cursor, Watch
from .workspace import Workspace

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Handoff"]


AnyRun: TypeAlias = "str | Run | Started"
"""A run: its id, or what has it."""


class Handoff(Held):
    """The life of runs, over a storage and a runtime. Any number of hubs, in any number of processes, may share a storage.

    Methods return operations: ``await`` them, or in code that is not asynchronous ask for their ``result()``.

    >>> hub = Handoff(storage=DirStorage(".handoff-store"),                        # doctest: +SKIP
    ...               runtime=LocalRuntime(agent=MyAgent(), root="runs", environments=[env]))
    >>> run = await hub.start(actor="ana", environment="env-1",                    # doctest: +SKIP
    ...                       prompt="finish the refactor", workspace=Workspace("app"))
    >>> async for event in hub.watch(run.id, actor="ana"): print(event.kind)       # doctest: +SKIP

    :param storage: where everything is stored.
    :param runtime: where sessions run.
    :param policy: who may do what. Default: only the creator of a run may touch it.
    :param notify: who is told when a run ends or waits for an answer.
    :param terms: other times than the core's.
    """

    def __init__(
        self,
        *,
        storage: Storage | BuiltInStorage,
        runtime: Runtime | BuiltInRuntime,
        policy: Policy | None = None,
        notify: Notify | None = None,
        terms: Terms | None = None,
    ) -> None:
        self._storage = as_storage(storage, "storage")
        arguments = {
            "storage": self._storage,
            "runtime": as_runtime(runtime, "runtime"),
            "policy": as_policy(policy, "policy"),
            "notify": as_notify(notify, "notify"),
            "terms": terms_of(terms),
        }
        self._ports = ports_of(*arguments.values())
        self._handle = call("handoff.new", arguments, handle_only)

    @cached_property
    def conversations(self) -> Conversations:
        """The stored conversations."""
        return Conversations(self._storage)

    @cached_property
    def snapshots(self) -> Snapshots:
        """The stored workspace states."""
        return Snapshots(self._storage)

    @keywords(StartOptions)
    def start(self, *, prompt: str = "", **options: Unpack[StartOptions]) -> Operation[Started]:
        """Starts a run. Refusals come before anything moves.

        :param actor: who starts it.
        :param environment: where it runs.
        :param prompt: what the agent is asked; needed unless there is a conversation or a workspace to go on with.
        :param conversation: what it is forked from, which is never written: a stored one, or the messages themselves.
        :param workspace: the state it begins with. A :class:`Workspace` is captured first, with default options.
        :param origin: how it begins. Default ``cloud``; ``local_to_cloud`` for work handed off from a person's machine.
        :param attachments: named contents that come with the prompt.
        :param source: the schedule, issue or the like it comes from.
        :param task: what it is about. Default: the first line of the prompt.
        :param team: the team it belongs to.
        :param model: the model to pin.
        :param budget: what it may use, beside what the policy says: the smaller limit holds.
        :param parent: the run that starts it.
        :param idempotency_key: makes a repeated call return the first result.
        """
        return start("handoff.start", self._request({"prompt": prompt, **options}), _started)

    @keywords(StartOptions)
    def fan_out(
        self, *, prompts: Sequence[str], **options: Unpack[StartOptions]
    ) -> Operation[tuple[Started | HandoffError, ...]]:
        """Starts one run for each prompt, all from one fork point and one snapshot. For the arguments see :meth:`start`.

        One that could not be started is an error in its place; the others go on.
        """
        strings(prompts, "prompts")
        return start("handoff.fan_out", self._request({"prompts": prompts, **options}), _fanned)

    def continue_(
        self,
        run: AnyRun,
        *,
        actor: str,
        prompt: str,
        attachments: Iterable[PromptAttachment] = (),
        model: str | None = None,
        idempotency_key: str | None = None,
    ) -> Operation[Continued]:
        """Says something more to a run, wherever that goes: to its live session, or into a new one.

        :raises NotContinuableError: with the reason.
        """
        return start("handoff.continue", self._request(locals()), _continued)

    def answer(
        self,
        run: AnyRun,
        *,
        actor: str,
        prompt: str,
        attachments: Iterable[PromptAttachment] = (),
        model: str | None = None,
        idempotency_key: str | None = None,
    ) -> Operation[Continued]:
        """Answers the question that a run waits on.

        :raises WrongStateError: when it waits on none.
        """
        return start("handoff.answer", self._request(locals()), _continued)

    def cancel(self, run: AnyRun, *, actor: str) -> Operation[None]:
        """Asks a run to stop. Cancelling an ended run does nothing."""
        return start("handoff.cancel", self._request(locals()), nothing)

    def delete_run(self, run: AnyRun, *, actor: str) -> Operation[None]:
        """Deletes a run that has ended; from then on there is none, for anybody. Its conversation stays, as do the
        workspace states that something else names; the rest is taken by the next collections.

        :raises WrongStateError: when it has not ended.
        :raises NotPermittedError: when the actor may know of the run and not delete it.
        """
        return start("handoff.delete_run", self._request(locals()), nothing)

    def collect(
        self,
        *,
        grace: float | None = None,
        claims: float | None = None,
        keep: Iterable[SnapshotRef] = (),
        action: Literal["remove", "preview"] | None = None,
    ) -> Operation[Collected]:
        """Takes garbage out of the storage: whatever no run and no conversation reaches. One call is one pass, which removes
        what an earlier one condemned and condemns what it finds; call it once a day, beside anything else.

        :param grace: seconds that something must be old to be garbage, and stays condemned. Default and least: a day.
        :param claims: seconds after which a repeated idempotency key is a new call. Default 7 days, least ``grace``.
        :param keep: stored states to keep although no run names them.
        :param action: ``preview`` only says what would be done. Default ``remove``.
        """
        refs = [instance(one, SnapshotRef, f"keep[{at}]").to_dict() for at, one in enumerate(keep)]
        arguments: dict[str, Any] = {"hub": self, "keep": refs}
        for name, seconds in (("grace", grace), ("claims", claims)):
            if seconds is not None:
                arguments[name] = milliseconds(seconds, name)
        if action is not None:
            arguments["action"] = action
        return start("handoff.collect", arguments, collected_of)

    def wait(self, run: AnyRun, *, actor: str, deadline: float | None = None) -> Operation[Run]:
        """Waits until a run has ended or is blocked.

        :raises TimedOutError: after ``deadline`` seconds.
        """
        return start("handoff.wait", self._request(locals()), _run)

    def run(self, run: AnyRun, *, actor: str) -> Operation[Run]:
        """One run as ``actor`` may see it.

        :raises NotFoundError: the same for an absent run and for one that the actor may not know of.
        """
        return start("handoff.run", self._request(locals()), _run)

    def result(self, run: AnyRun, *, actor: str) -> Operation[Snapshot | None]:
        """The latest workspace state of a run, to review; ``None`` when there is none."""
        return start("handoff.result", self._request(locals()), _snapshot)

    def affordance(self, run: AnyRun, *, actor: str) -> Operation[Affordance]:
        """What ``actor`` can do with a run right now."""
        return start("handoff.affordance", self._request(locals()), lambda value, body: Affordance.from_dict(value))

    def list_runs(
        self,
        *,
        actor: str,
        team: str | None = None,
        parent: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> Operation[RunPage]:
        """One page of the actor's runs, newest first; or a team's, or the children of a run."""
        return start("handoff.list_runs", self._request(locals()), lambda value, body: RunPage.from_dict(value))

    @keywords(ApplyOptions)
    def pull(
        self,
        run: AnyRun,
        workspace: Workspace,
        *,
        actor: str,
        action: Literal["apply", "preview"] | None = None,
        **options: Unpack[ApplyOptions],
    ) -> Operation[Pulled]:
        """Merges a run's latest state into ``workspace`` three-way, and forks its conversation into one of the actor's own.

        For the other arguments see :func:`handoff.apply`.
        """
        instance(workspace, Workspace, "workspace")
        given = {"run": run, "workspace": workspace, "actor": actor, "action": action, **options}
        return start("handoff.pull", self._request(given, capture_first=False), _pulled)

    def watch(self, run: AnyRun, *, actor: str, cursor: Cursor | None = None) -> Watch:
        """Follows a run: every message and every record once, in order, up to its end.

        Iterate over it with ``async for``, or with ``for`` in code that is not asynchronous. Go on later, or elsewhere,
        with the ``cursor`` of the last event.
        """
        arguments = self._request(locals())
        if cursor is not None:
            arguments["cursor"] = instance(cursor, Cursor, "cursor").to_dict()
        return Watch(arguments)

    def _request(self, given: Mapping[str, Any], *, capture_first: bool = True) -> dict[str, Any]:
        """What a method was called with, as the core takes it."""
        arguments = {name: value for name, value in given.items() if value is not None and name != "self"}
        if isinstance(given.get("run"), (Run, Started)):
            arguments["run"] = given["run"].id
        for name in ("actor", "environment", "run", "prompt"):
            if name in given:
                text(arguments.get(name), name)
        if "conversation" in arguments:
            arguments["conversation"] = _conversation(arguments["conversation"])
        if capture_first and "workspace" in arguments:
            arguments["workspace"] = _workspace(arguments["workspace"])
        if "attachments" in arguments:
            given_ = strings(arguments["attachments"], "attachments", "PromptAttachment")
            arguments["attachments"] = [_attachment(one, f"attachments[{at}]") for at, one in enumerate(given_)]
        if "budget" in arguments:
            arguments["budget"] = mapping(arguments["budget"], "budget")
        if "prompts" in arguments:
            arguments["prompts"] = list(arguments["prompts"])
        if "deadline" in arguments:
            arguments["deadline"] = milliseconds(arguments["deadline"], "deadline")
        return {"hub": self, **arguments}


def _conversation(given: Any) -> dict[str, Any]:
    if isinstance(given, str):
        return {"id": given}
    if isinstance(given, ConversationHead):
        return {"id": given.id}
    if isinstance(given, ConversationSource):
        found = {"id": text(given.id, "conversation.id"), "at": fork_point(given.at), "expect": given.messages}
        return {name: value for name, value in found.items() if value is not None}
    return {"messages": messages(given, "conversation")}


def _workspace(given: Any) -> dict[str, Any]:
    if isinstance(given, Workspace):
        return {"checkout": given._handle}
    if isinstance(given, Snapshot):
        return {"snapshot": given._handle}
    if isinstance(given, SnapshotRef):
        return {"stored": given.to_dict()}
    raise InvalidArgumentError(
        f"workspace is {describe(given)}; pass a Workspace, a Snapshot or a SnapshotRef", argument="workspace"
    )


def _attachment(given: Any, place: str) -> dict[str, Any]:
    found = instance(given, PromptAttachment, place)
    return {
        "name": text(found.name, f"{place}.name"),
        "media_type": text(found.media_type, f"{place}.media_type"),
        "content": content(found.content, f"{place}.content"),
    }


def _started(value: Any, body: bytes | None) -> Started:
    return Started.from_dict(value)


def _fanned(value: Any, body: bytes | None) -> tuple[Started | HandoffError, ...]:
    return tuple(
        from_failure(**one["error"]) if one.get("error") else Started.from_dict(one.get("started", one))
        for one in value
    )


def _continued(value: Any, body: bytes | None) -> Continued:
    return Continued.from_dict(value)


def _run(value: Any, body: bytes | None) -> Run:
    return Run.from_dict(value)


def _snapshot(value: Any, body: bytes | None) -> Snapshot | None:
    return None if value is None else Snapshot._of(value)


def _pulled(value: Any, body: bytes | None) -> Pulled:
    conversation, snapshot = value.get("conversation"), value.get("snapshot")
    return Pulled(
        None if conversation is None else ConversationHead.from_dict(conversation),
        None if snapshot is None else Snapshot._of(snapshot),
        None if value.get("report") is None else ApplyReport._of(value["report"]),
        value.get("nothing"),
    )
