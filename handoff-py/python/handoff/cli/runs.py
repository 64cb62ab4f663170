"""The commands that work on a store of runs."""

from __future__ import annotations

import re
from argparse import Namespace
from datetime import datetime
from typing import Literal

from ..agent import CommandAgent
from ..environment import Environment, EnvironmentRepo
from ..errors import InvalidArgumentError
from ..hub import Handoff
from ..operation import finish
from ..run import Run
from ..runtime import LocalRuntime, QueueRuntime, Runtime, Sessions, SessionSpec
from ..storage import DirStorage
from .screen import Screen
from .work import COMPLETE, PARTIAL, how, report, workspace


class _Nowhere:
    """A runtime for commands that start nothing."""

    def environment(self, id: str) -> Environment:
        return Environment(id)

    def start(self, spec: SessionSpec, sessions: Sessions) -> None:
        raise InvalidArgumentError("this command starts no session")

    def cancel(self, session: str) -> None:
        pass


def _hub(options: Namespace, runtime: Runtime | LocalRuntime | QueueRuntime | None = None) -> Handoff:
    return Handoff(storage=DirStorage(options.store), runtime=runtime or _Nowhere())


def fork(options: Namespace, screen: Screen) -> int:
    """``handoff fork``"""
    at = int(options.at) if options.at is not None and re.fullmatch("[0-9]+", options.at) else options.at
    with _hub(options) as hub:
        head = hub.conversations.fork(options.conversation, owner=options.actor, at=at).result()
    if options.json:
        screen.json(head.to_dict())
    else:
        screen.say(f"{head.id} shares {head.messages} messages with {options.conversation}")
    return COMPLETE


def runs(options: Namespace, screen: Screen) -> int:
    """``handoff runs``"""
    with _hub(options) as hub:
        if options.run_id is not None:
            run = hub.run(options.run_id, actor=options.actor).result()
            if options.json:
                screen.json(run.to_dict())
            else:
                _one(run, screen)
            return COMPLETE
        page = hub.list_runs(actor=options.actor, team=options.team, limit=options.limit).result()
    if options.json:
        screen.json({"runs": [run.to_dict() for run in page.runs], "next": page.next})
        return COMPLETE
    for run in page.runs:
        screen.say(f"{run.id}  {_state(run, screen)}  {_when(run.created)}  {run.task}")
    if not page.runs:
        screen.say(f"no runs of {options.actor} in {options.store}")
    return COMPLETE


def continue_(options: Namespace, screen: Screen) -> int:
    """``handoff continue``"""
    with _hub(options) as hub:
        before = hub.run(options.run_id, actor=options.actor).result()
    given = {"actor": options.actor, "prompt": options.prompt, "model": options.model}
    given["idempotency_key"] = options.idempotency_key
    if options.agent is None:
        storage = DirStorage(options.store)
        queue = QueueRuntime(storage=storage, name=options.queue, environments=[Environment(before.environment)])
        with _hub(options, queue) as hub:
            went = hub.continue_(options.run_id, **given).result()
        if options.json:
            screen.json(went.to_dict())
        else:
            screen.say(f"{went.went} {went.session}")
        return COMPLETE
    environment = Environment(before.environment, tuple(_repo(given) for given in options.repo))
    runtime = LocalRuntime(agent=CommandAgent("sh", ["-c", options.agent]), root=options.root, environments=[environment])
    with _hub(options, runtime) as hub:
        watch = hub.watch(options.run_id, actor=options.actor)
        seen = 0
        if before.conversation is not None:
            seen = hub.conversations.head(before.conversation).result().messages
        hub.continue_(options.run_id, **given).result()
        for event in watch:
            said = event.message
            if said is not None and event.index is not None and event.index >= seen and not options.json:
                screen.say(f"{screen.colour(said.role, 'dim')} {said.text.rstrip()}")
        after = hub.run(options.run_id, actor=options.actor).result()
    if options.json:
        screen.json(after.to_dict())
    else:
        _one(after, screen)
    return COMPLETE if after.state == "succeeded" else PARTIAL


def pull(options: Namespace, screen: Screen) -> int:
    """``handoff pull``"""
    action: Literal["apply", "preview"] = "preview" if options.preview else "apply"
    with _hub(options) as hub:
        pulling = hub.pull(options.run_id, workspace(options), actor=options.actor, action=action, **how(options))
        pulled = finish(pulling, screen.progress)
    code = PARTIAL
    if options.json:
        found = pulled.report
        screen.json(
            {
                "conversation": pulled.conversation and pulled.conversation.to_dict(),
                "snapshot": pulled.snapshot and pulled.snapshot.id,
                "report": found and found.to_dict(),
                "nothing": pulled.nothing,
            }
        )
        return COMPLETE if found is not None and found.verdict == "complete" else PARTIAL
    if pulled.report is None:
        screen.say(f"the run has no state to bring home ({pulled.nothing})")
    else:
        code = report(pulled.report, options, screen)
    if pulled.conversation is not None:
        screen.say(f"conversation forked as {pulled.conversation.id}")
    return code


def _repo(given: str) -> EnvironmentRepo:
    name, equals, source = given.partition("=")
    if not equals:
        raise InvalidArgumentError(f"repo {given} has no source; write NAME=SOURCE", argument="repo")
    return EnvironmentRepo(name, source)


def _state(run: Run, screen: Screen) -> str:
    colour = {"succeeded": "green", "failed": "red", "blocked": "yellow", "running": "bold"}.get(run.state, "dim")
    return screen.colour(f"{run.state:<9}", colour)


def _when(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000).strftime("%Y-%m-%d %H:%M")


def _one(run: Run, screen: Screen) -> None:
    screen.say(f"{run.id}  {_state(run, screen)}  {run.task}")
    for number, session in enumerate(run.sessions, 1):
        why = f" ({session.reason})" if session.reason else ""
        screen.say(f"  session {number}: {session.state}{why}, {session.agent or 'nobody'} answered")
    if run.question is not None:
        screen.say(f"  asks: {run.question.text}")
