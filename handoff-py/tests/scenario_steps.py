"""What each step of a scenario calls, by way of the public interface alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import handoff
from scenario import (
    Scenario,
    Templates,
    Wrong,
    content_of,
    copy,
    dig,
    do,
    git,
    mismatch,
    name_of,
    only,
    plain,
    slim,
    tree,
)
from scenario_ports import Agent, Notify, Policy, Port, Runtime, Scanner, Storage, message, said

Call = Callable[["World", "Given"], Any]


class Given:
    """The arguments of a step; each has to be taken."""

    def __init__(self, world: World, left: Mapping[str, Any]) -> None:
        self.world = world
        self.left = dict(left)

    def __contains__(self, name: str) -> bool:
        return name in self.left

    def take(self, name: str, default: Any = None) -> Any:
        return self.world.value(self.left.pop(name, default))

    def need(self, name: str) -> Any:
        if name not in self.left:
            raise Wrong(f"{name} is missing")
        return self.take(name)

    def some(self, names: str, seconds: str = "") -> dict[str, Any]:
        """Those that are given, under their own names; times become seconds."""
        found = {name: self.take(name) for name in names.split() if name in self.left}
        times = {name: self.take(name) / 1000 for name in seconds.split() if name in self.left}
        return {**found, **times}

    def workspace(self) -> handoff.Workspace:
        """A workspace that was opened, or one of the repositories that are named."""
        given = self.need("workspace")
        return self.world.workspace(given)

    def finish(self) -> None:
        if self.left:
            raise Wrong(f"unknown arguments: {', '.join(self.left)}")


class World:
    """One scenario under way."""

    def __init__(self, scenario: Scenario, root: Path, templates: Templates) -> None:
        self.scenario, self.root = scenario, root
        self.objects: dict[str, Any] = {}
        self.results: dict[str, Any] = {}
        for name, repo in scenario.repos.items():
            only(repo, "from then", f"the repository {name}")
            templates.copy(scenario.templates[repo["from"]], root / name)
            do(root / name, repo.get("then", []))
        do(root, scenario.then)

    def value(self, given: Any) -> Any:
        """``given`` with paths and names in their places."""
        if isinstance(given, str):
            if given == "@" or given.startswith("@/"):
                return str(self.root) + given[1:]
            if given.startswith("$"):
                name = given[1:]
                return self.objects[name] if name in self.objects else dig(self.results, name)
            return given
        if isinstance(given, list):
            return [self.value(item) for item in given]
        if isinstance(given, dict):
            return {key: self.value(item) for key, item in given.items()}
        return given

    def workspace(self, given: Any) -> handoff.Workspace:
        if isinstance(given, handoff.Workspace):
            return given
        return handoff.Workspace([self.root / name for name in given])

    def run(self, checked: bool) -> list[tuple[str, Any]]:
        """Every step with its whole result; raises where one is not as expected."""
        lines = []
        for number, step in enumerate(self.scenario.steps, 1):
            only(step, "do with as expect error", "a step")
            what = f"{number} {step['do']}"
            made, result = self.step(step)
            result = slim(result, str(self.root))
            if checked:
                failed = isinstance(result, dict) and set(result) == {"error"}
                if failed and "error" not in step:
                    raise AssertionError(f"step {what} failed: {result['error']}")
                if "error" in step:
                    want = step["error"] if isinstance(step["error"], dict) else {"kind": step["error"]}
                    why = mismatch({"error": want}, result, self.results)
                else:
                    why = mismatch(step["expect"], result, self.results) if "expect" in step else None
                if why is not None:
                    raise AssertionError(f"step {what}: {why}")
            if "as" in step:
                self.results[step["as"]] = result
                if made is not None:
                    self.objects[step["as"]] = made
            lines.append((what, result))
        for made in self.objects.values():
            if isinstance(made, Runtime):
                made.join()
        return lines

    def step(self, step: Mapping[str, Any]) -> tuple[Any, Any]:
        """What a step made, if it has a name, and its result as data."""
        call = STEPS.get(step["do"])
        if call is None:
            raise Wrong(f"no step is called {step['do']}")
        given = Given(self, step.get("with", {}))
        try:
            found = call(self, given)
        except handoff.HandoffError as error:
            if isinstance(error.__cause__, Wrong):
                raise error.__cause__ from error
            given.left.clear()
            return None, {"error": error_data(error, step["do"])}
        given.finish()
        return found if isinstance(found, tuple) else (None, found)


def error_data(error: handoff.HandoffError, what: str) -> Any:
    """An error as data. How an argument is wrong is said in each language's own words."""
    made: dict[str, Any] = error.to_dict()
    if error.kind == "invalid_argument" or what.startswith("storage."):
        del made["message"]
    return made


def report_data(report: handoff.ApplyReport) -> Any:
    return {
        "action": report.action,
        "apply_id": report.apply_id,
        "snapshot": report.snapshot,
        "verdict": report.verdict,
        "repos": [{**plain(repo), "files": None} for repo in report.repos],
        "loose": {**plain(report.loose), "files": None} if report.loose else None,
        "files": plain(report.files),
        "counts": {word: report.count(word) for word in sorted({file.outcome for file in report.files})},
        "text": str(report),
        "whole": plain(report.to_dict()),
    }


def snapshot_data(snapshot: handoff.Snapshot) -> Any:
    manifest = snapshot.manifest
    repos = [{**repo, "entries": None, "omissions": None} for repo in manifest["repos"]]
    return {
        "id": snapshot.id,
        "partial": snapshot.partial,
        "format": manifest["format"],
        "repos": plain(repos),
        "entries": plain(snapshot.entries),
        "omissions": plain(snapshot.omissions),
    }


def session_data(run: Any) -> Any:
    """A run or what has runs in it, as data."""
    return plain(run)


# ---- workspaces, capture, apply --------------------------------------------------------------------------------------


def workspace_data(workspace: handoff.Workspace) -> tuple[Any, Any]:
    loose = [{"name": name, "path": path} for name, path in workspace.loose_files.items()]
    return workspace, {
        "repos": plain(workspace.repos),
        "loose_files": plain(loose),
        "loose_root": plain(workspace.loose_root),
        "left_out": plain(workspace.left_out),
    }


def workspace_new(world: World, given: Given) -> Any:
    options = given.some("loose_root")
    if "loose_files" in given:
        options["loose"] = given.take("loose_files")
    if "wide" in given:
        options["anywhere"] = {"allow": True, "refuse": False}[given.take("wide")]
    return workspace_data(handoff.Workspace(given.take("roots", []), **options))


def workspace_discover(world: World, given: Given) -> Any:
    return workspace_data(handoff.Workspace.discover(given.need("written"), **given.some("read")))


_CAPTURE = (
    "include_ignored exclude max_file_bytes max_total_bytes max_entries worktree_include list_ignored empty_dirs"
)


def capture_options(given: Given) -> dict[str, Any]:
    options = given.some(_CAPTURE)
    if "allow_secrets" in given:
        options["allow_secrets"] = [handoff.AllowSecret(**one) for one in given.take("allow_secrets")]
    if "secret_rules" in given:
        rules = given.take("secret_rules")
        only(rules, "names disabled scanners", "secret_rules")
        options["secret_rules"] = handoff.SecretRules(**rules)
    return options


def plan(world: World, given: Given) -> Any:
    options = {**capture_options(given), **given.some("history max_history_commits")}
    planned = handoff.plan(given.workspace(), **options)
    return {**plain(planned), "bytes": planned.bytes}


def capture(world: World, given: Given) -> Any:
    options = capture_options(given)
    options.update(given.some("bases history max_history_commits max_history_bytes attempts on_cancel", "deadline"))
    # Nobody writes meanwhile.
    options["quiet"] = given.take("quiet", 0) / 1000
    snapshot = handoff.capture(given.workspace(), **options)
    return snapshot, snapshot_data(snapshot)


def apply_options(given: Given, more: str = "") -> dict[str, Any]:
    # No power is cut while scenarios run.
    return {"durability": "process", **given.some(f"on_conflict staging durability symlinks map {more}")}


def applying(verb: Any) -> Call:
    def step(world: World, given: Given) -> Any:
        return report_data(verb(given.need("snapshot"), given.workspace(), **apply_options(given, "history")))

    return step


def undo(world: World, given: Given) -> Any:
    return report_data(handoff.undo(given.workspace(), given.need("apply_id")))


def snapshot_open(world: World, given: Given) -> Any:
    snapshot = handoff.Snapshot.open(given.need("path"))
    return snapshot, snapshot_data(snapshot)


def snapshot_bytes(world: World, given: Given) -> Any:
    """A bundle in memory, cut or with a bit flipped on the way, and read again."""
    content = bytearray(given.need("snapshot").to_bytes())
    if "cut" in given:
        del content[len(content) - given.take("cut") :]
    if "flip" in given:
        content[given.take("flip")] ^= 1
    if "append" in given:
        content += given.take("append").encode()
    snapshot = handoff.Snapshot.from_bytes(bytes(content))
    return snapshot, snapshot_data(snapshot)


def snapshot_read(world: World, given: Given) -> Any:
    path = name_of(given.need("path"))
    return plain(given.need("snapshot").read(given.need("repo"), path, **given.some("layer")))


def diff_data(diff: handoff.Diff) -> Any:
    return {"repos": plain(diff.repos), "unified": plain(diff.unified)}


def snapshot_since(world: World, given: Given) -> Any:
    snapshot = given.need("snapshot").since(given.need("base"))
    return snapshot, snapshot_data(snapshot)


# ---- storages and conversations --------------------------------------------------------------------------------------


def storage_get(world: World, given: Given) -> Any:
    start, end = given.take("range", [None, None])
    return plain(given.need("storage").get(given.need("key"), start, end).result())


def storage_list(world: World, given: Given) -> Any:
    found = given.need("storage").list(given.need("prefix"), **given.some("after limit")).result()
    return [{"key": meta.key, "size": meta.size} for meta in found]


def snapshots_save(world: World, given: Given) -> Any:
    options = {}
    if "parent" in given:
        options["parent"] = handoff.SnapshotRef.from_dict(given.take("parent"))
    return plain(handoff.Snapshots(given.need("storage")).save(given.need("snapshot"), **options).result())


def snapshots_load(world: World, given: Given) -> Any:
    reference = handoff.SnapshotRef.from_dict(given.need("reference"))
    snapshot = handoff.Snapshots(given.need("storage")).load(reference).result()
    return snapshot, snapshot_data(snapshot)


def talk(given: Given) -> handoff.Conversations:
    found: handoff.Conversations = given.need("conversations")
    return found


def messages_of(given: Any) -> Any:
    return [said(one) for one in given] if isinstance(given, list) else said(given)


def conversation_append(world: World, given: Given) -> Any:
    options = given.some("epoch expect")
    said_ = messages_of(given.need("messages"))
    return plain(talk(given).append(given.need("id"), said_, **options).result())


def conversation_messages(world: World, given: Given) -> Any:
    options = given.some("limit")
    options["start"] = given.take("from", 0)
    return [message(one) for one in talk(given).messages(given.need("id"), **options).result()]


def conversation_fork(world: World, given: Given) -> Any:
    return plain(talk(given).fork(given.need("id"), **given.some("owner at")).result())


def conversation_wait(world: World, given: Given) -> Any:
    deadline = given.need("deadline") / 1000
    waits = talk(given).wait_synced(given.need("id"), given.need("messages"), deadline=deadline)
    return plain(waits.result())


def conversation_attach(world: World, given: Given) -> Any:
    content = content_of(given.need("content"))
    return plain(talk(given).attach(given.need("name"), content, **given.some("media_type")).result())


def read_attachment(world: World, given: Given) -> Any:
    attachment = handoff.Attachment.from_dict(given.need("attachment"))
    return plain(talk(given).read_attachment(attachment).result())


# ---- runs ------------------------------------------------------------------------------------------------------------


def environments(given: Any) -> list[handoff.Environment]:
    for one in given:
        only(one, "id repos models variables", "an environment")
    return [handoff.Environment.from_dict(one) for one in given]


def agent_command(world: World, given: Given) -> Any:
    program, arguments = given.need("program"), given.take("args", [])
    options = given.some("max_output", "grace")
    if "name" in given:
        name = given.take("name")
        options["info"] = handoff.AgentInfo(name, tuple(given.take("models", [])), given.take("kind", "third_party"))
    return handoff.CommandAgent(program, arguments, **options), None


def runtime_local(world: World, given: Given) -> Any:
    places = environments(given.need("environments"))
    return handoff.LocalRuntime(agent=given.need("agent"), root=given.need("root"), environments=places), None


def runtime_queue(world: World, given: Given) -> Any:
    places = environments(given.need("environments"))
    return handoff.QueueRuntime(storage=given.need("storage"), name=given.need("name"), environments=places), None


def runtime_foreign(world: World, given: Given) -> Any:
    names = [name for name in given.left if name != "agent"]
    script = {name: given.take(name) for name in names}
    return Runtime(script, given.take("agent"), world.root / "places"), None


def terms(given: Given) -> dict[str, Any]:
    if "terms" not in given:
        return {}
    times = given.take("terms")
    only(times, "lease checkpoint grace poll reserve", "terms")
    made: dict[str, Any] = {name: "never" if time_ == "never" else time_ / 1000 for name, time_ in times.items()}
    return {"terms": handoff.Terms(**made)}


def handoff_new(world: World, given: Given) -> Any:
    ports = given.some("storage runtime policy notify")
    return handoff.Handoff(**ports, **terms(given)), None


def work(world: World, given: Given) -> Any:
    places = environments(given.need("environments"))
    options = given.some("storage agent root policy notify when_empty", "poll")
    return handoff.work(given.need("queue"), environments=places, **options, **terms(given)).result()


def attachments(given: Given) -> dict[str, Any]:
    if "attachments" not in given:
        return {}
    made = []
    for one in given.take("attachments"):
        only(one, "name text base64 times media_type", "an attachment")
        made.append(handoff.PromptAttachment(one["name"], content_of(one), one.get("media_type", "")))
    return {"attachments": made}


def start_options(world: World, given: Given) -> dict[str, Any]:
    names = "actor environment prompt prompts origin source task team model budget parent idempotency_key"
    options = given.some(names)
    options.update(attachments(given))
    if "conversation" in given:
        source = given.take("conversation")
        if isinstance(source, dict):
            only(source, "id at messages", "a conversation")
            source = handoff.ConversationSource(**source)
        elif isinstance(source, list):
            source = messages_of(source)
        options["conversation"] = source
    if "workspace" in given:
        source = given.take("workspace")
        if isinstance(source, list):
            source = world.workspace(source)
        elif isinstance(source, dict):
            source = handoff.SnapshotRef.from_dict(source)
        options["workspace"] = source
    return options


def hub_of(given: Given) -> handoff.Handoff:
    found: handoff.Handoff = given.need("hub")
    return found


def handoff_start(world: World, given: Given) -> Any:
    return plain(hub_of(given).start(**start_options(world, given)).result())


def handoff_fan_out(world: World, given: Given) -> Any:
    found = hub_of(given).fan_out(**start_options(world, given)).result()
    return [
        {"error": error_data(one, "")}
        if isinstance(one, handoff.HandoffError)
        else plain(one)
        for one in found
    ]


def handoff_continue(world: World, given: Given) -> Any:
    options = {**given.some("actor prompt model idempotency_key"), **attachments(given)}
    return plain(hub_of(given).continue_(given.need("run"), **options).result())


def handoff_answer(world: World, given: Given) -> Any:
    options = {**given.some("actor prompt idempotency_key"), **attachments(given)}
    return plain(hub_of(given).answer(given.need("run"), **options).result().session)


def asking(name: str, *, times: str = "") -> Call:
    def step(world: World, given: Given) -> Any:
        method = getattr(hub_of(given), name)
        return plain(method(given.need("run"), **given.some("actor", times)).result())

    return step


def handoff_until(world: World, given: Given) -> Any:
    """Asks until the run is in the state that is awaited, which other steps do not wait for."""
    hub, run, actor, state = hub_of(given), given.need("run"), given.need("actor"), given.need("state")
    found = ""
    for _ in range(2000):
        found = hub.run(run, actor=actor).result().state
        if found == state:
            return {"state": found}
        time.sleep(0.005)
    raise AssertionError(f"the run is {found} and never was {state}")


def handoff_result(world: World, given: Given) -> Any:
    snapshot = hub_of(given).result(given.need("run"), **given.some("actor")).result()
    return None if snapshot is None else (snapshot, snapshot_data(snapshot))


def handoff_list(world: World, given: Given) -> Any:
    return plain(hub_of(given).list_runs(**given.some("actor team parent limit after")).result())


def handoff_watch(world: World, given: Given) -> Any:
    options = given.some("actor")
    if "cursor" in given:
        options["cursor"] = handoff.Cursor.from_dict(given.take("cursor"))
    events = []
    for event in hub_of(given).watch(given.need("run"), **options):
        made = plain(event)
        if event.message is not None:
            made["message"] = message(event.message)
        events.append(made)
    return events


def handoff_pull(world: World, given: Given) -> Any:
    workspace = given.workspace()
    options = apply_options(given, "actor action")
    pulled = hub_of(given).pull(given.need("run"), workspace, **options).result()
    return {
        "conversation": plain(pulled.conversation),
        "snapshot": snapshot_data(pulled.snapshot) if pulled.snapshot else None,
        "report": report_data(pulled.report) if pulled.report else None,
        "nothing": pulled.nothing,
    }


# ---- of the runner's own ---------------------------------------------------------------------------------------------


def port(make: Callable[[Any], Port]) -> Call:
    def step(world: World, given: Given) -> Any:
        return make({name: given.take(name) for name in list(given.left)}), None

    return step


def seen(world: World, given: Given) -> Any:
    of = given.need("of")
    if isinstance(of, Runtime):
        of.join()
    return plain(of.seen)


def edit(world: World, given: Given) -> Any:
    do(Path(given.need("at")), given.need("actions"))


def copied(world: World, given: Given) -> Any:
    copy(Path(given.need("at")), Path(given.need("to")))


STEPS: dict[str, Call] = {
    "workspace.new": workspace_new,
    "workspace.discover": workspace_discover,
    "workspace.from_declarations": lambda world, given: workspace_data(
        handoff.Workspace.from_declarations(given.need("path"))
    ),
    "workspace.to_declarations": lambda world, given: given.workspace().to_declarations(),
    "plan": plan,
    "capture": capture,
    "preview": applying(handoff.preview),
    "apply": applying(handoff.apply),
    "undo": undo,
    "snapshot.open": snapshot_open,
    "snapshot.save": lambda world, given: given.need("snapshot").save(given.need("path")),
    "snapshot.bytes": snapshot_bytes,
    "snapshot.verify": lambda world, given: given.need("snapshot").verify(),
    "snapshot.read": snapshot_read,
    "snapshot.diff": lambda world, given: diff_data(given.need("snapshot").diff(given.need("newer"))),
    "snapshot.diff_base": lambda world, given: diff_data(given.need("snapshot").diff_base()),
    "snapshot.since": snapshot_since,
    "secrets.rules": lambda world, given: plain(handoff.secrets.rules()),
    "secrets.scan": lambda world, given: plain(handoff.secrets.scan(content_of(given.need("content")))),
    "secrets.redact": lambda world, given: plain(handoff.secrets.redact(content_of(given.need("content")))),
    "storage.memory": lambda world, given: (handoff.MemoryStorage(), None),
    "storage.dir": lambda world, given: (handoff.DirStorage(given.need("path")), None),
    "storage.put_new": lambda world, given: given.need("storage")
    .put_new(given.need("key"), given.need("text").encode())
    .result(),
    "storage.put": lambda world, given: given.need("storage")
    .put(given.need("key"), given.need("text").encode())
    .result(),
    "storage.get": storage_get,
    "storage.list": storage_list,
    "storage.delete": lambda world, given: given.need("storage").delete(given.need("keys")).result(),
    "snapshots.save": snapshots_save,
    "snapshots.load": snapshots_load,
    "conversations": lambda world, given: (handoff.Conversations(given.need("storage")), None),
    "conversation.create": lambda world, given: plain(talk(given).create(**given.some("owner id")).result()),
    "conversation.head": lambda world, given: plain(talk(given).head(given.need("id")).result()),
    "conversation.append": conversation_append,
    "conversation.messages": conversation_messages,
    "conversation.fork": conversation_fork,
    "conversation.wait_synced": conversation_wait,
    "conversation.attach": conversation_attach,
    "conversation.read_attachment": read_attachment,
    "agent.command": agent_command,
    "runtime.local": runtime_local,
    "runtime.queue": runtime_queue,
    "work": work,
    "handoff": handoff_new,
    "handoff.start": handoff_start,
    "handoff.fan_out": handoff_fan_out,
    "handoff.continue": handoff_continue,
    "handoff.answer": handoff_answer,
    "handoff.cancel": asking("cancel"),
    "handoff.wait": asking("wait", times="deadline"),
    "handoff.run": asking("run"),
    "handoff.until": handoff_until,
    "handoff.affordance": asking("affordance"),
    "handoff.result": handoff_result,
    "handoff.list_runs": handoff_list,
    "handoff.watch": handoff_watch,
    "handoff.pull": handoff_pull,
    "port.storage": port(Storage),
    "port.agent": port(Agent),
    "port.policy": port(Policy),
    "port.notify": port(Notify),
    "port.scanner": port(Scanner),
    "port.runtime": runtime_foreign,
    "seen": seen,
    "edit": edit,
    "copy": copied,
    "tree": lambda world, given: tree(Path(given.need("at"))),
    "git": lambda world, given: plain(git(Path(given.need("at")), *given.need("args"))),
}
