// The life of runs: start, watch, block and answer, continue, fan out, pull; with agents and runtimes in JavaScript.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  CommandAgent, Conversations, DirStorage, Handoff, HandoffError, LocalRuntime, MemoryStorage, NotContinuableError, NotFoundError,
  NotPermittedError, QueueRuntime, TimedOutError, Workspace, capture, work,
} from "handoff-node";
import { MapStorage } from "./map-storage.mjs";
import { laptopAndCloud, read, temporary, write } from "./support.mjs";

const ana = { actor: "ana" };
const soon = { ...ana, deadline: 60_000 };
const terms = { poll: 20, checkpoint: null };

/** A hub whose sessions are answered by `agent` in clones of `origin`. */
function hubOf(origin, agent, more = {}) {
  const environments = [{ id: "env", repos: [{ name: "laptop", source: origin }] }];
  const runtime = new LocalRuntime({ agent, root: path.join(temporary(), "runs"), environments });
  return new Handoff({ storage: new MemoryStorage(), runtime, terms, ...more });
}

test("work goes to an agent in JavaScript and comes home", async () => {
  const { laptop, origin } = laptopAndCloud();
  const agent = {
    describe: () => ({ name: "writer", models: ["small"] }),
    async run(session) {
      assert.equal(session.prompt, "finish it");
      assert.equal(session.number, 1);
      assert.equal(session.restored.verdict, "complete");
      const [repo] = session.repos;
      assert.equal(read(repo, "notes.txt"), "new\n");
      write(repo, "done.txt", "done\n");
      await session.append([{ role: "assistant", text: "I did it.", body: { model: "x", "$handle": 3 } }]);
      await session.usage({ tokens: 5 });
      const { id, key } = await session.checkpoint();
      assert.match(`${id} ${key}`, /^[0-9a-f]{64} \S+$/);
      assert.equal(await session.cancelled(), false);
    },
  };
  const hub = hubOf(origin, agent);
  const workspace = await Workspace.open(laptop);
  const started = await hub.start({ ...ana, environment: "env", prompt: "finish it", workspace, origin: "local_to_cloud", budget: { tokens: 100 } });
  const events = [];
  for await (const event of hub.watch(started.run, ana)) events.push(event);
  const said = events.filter((event) => event.kind === "message").map((event) => event.message);
  const last = said.at(-1);
  assert.deepEqual([last.role, last.text, last.body], ["assistant", "I did it.", { model: "x", $handle: 3 }]);
  const run = await hub.wait(started.run, soon);
  assert.equal(run.state, "succeeded");
  assert.deepEqual(run.sessions[0].usage, { tokens: 5 });
  assert.equal(run.sessions[0].agent, "writer");

  const later = [];
  const { cursor } = events.at(-2);
  for await (const event of hub.watch(started.run, { ...ana, cursor })) later.push(event);
  assert.equal(later.length, 1);

  const seen = await hub.pull(started.run, workspace, { ...ana, action: "preview" });
  assert.equal(seen.report.action, "preview");
  const pulled = await hub.pull(started.run, workspace, ana);
  assert.equal(pulled.report.verdict, "complete", String(pulled.report));
  assert.equal(read(laptop, "done.txt"), "done\n");
  assert.equal(pulled.conversation.owner, "ana");
  assert.equal((await hub.result(started.run, ana)).entries.some((entry) => entry.path === "done.txt"), true);
  assert.deepEqual((await hub.listRuns(ana)).runs.map((one) => one.id), [started.run]);
  assert.deepEqual(await hub.affordance(started.run, ana), { action: "follow_up" });
  assert.equal((await hub.affordance(started.run, { actor: "eve" })).action, "unavailable");
  await assert.rejects(hub.run(started.run, { actor: "eve" }), NotFoundError);
});

test("a run blocks on a question, is answered, and continued", async () => {
  const { origin } = laptopAndCloud();
  const told = [];
  const agent = {
    async run(session) {
      if (session.number > 1) return void (await session.append(`again: ${session.prompt}`));
      const answer = await session.block("Which one?");
      await session.append(`You chose ${answer.text}.`);
    },
  };
  const notify = { notify: (notice) => void told.push([notice.kind, notice.run.state]) };
  const hub = hubOf(origin, agent, { notify });
  const { run, conversation } = await hub.start({ ...ana, environment: "env", prompt: "choose" });
  const blocked = await hub.wait(run, soon);
  assert.equal(blocked.state, "blocked");
  assert.deepEqual(await hub.affordance(run, ana), { action: "respond", question: "Which one?" });
  await assert.rejects(hub.continue(run, { ...ana, prompt: "go on" }), NotContinuableError);
  await hub.answer(run, { ...ana, prompt: "the first" });
  for await (const _ of hub.watch(run, ana));
  const went = await hub.continue(run, { ...ana, prompt: "and the tests", idempotencyKey: "k" });
  assert.equal(went.went, "new_session");
  assert.deepEqual(await hub.continue(run, { ...ana, prompt: "and the tests", idempotencyKey: "k" }), went);
  for await (const _ of hub.watch(run, ana));
  const texts = [];
  for await (const message of hub.conversations.read(conversation)) texts.push(message.text);
  assert.ok(texts.includes("You chose the first.") && texts.includes("again: and the tests"), texts.join("; "));
  assert.deepEqual(told.map(([kind]) => kind), ["input_required", "ended", "ended"]);
});

test("one past goes to many runs", async () => {
  const { laptop, origin } = laptopAndCloud();
  const agent = { run: async (session) => void (await session.append(`${session.prompt} of ${(await session.head()).messages}`)) };
  const hub = hubOf(origin, agent);
  const { id } = await hub.conversations.create({ owner: "ana" });
  await hub.conversations.append(id, [{ role: "user", text: "the past" }]);
  const snapshot = await capture(await Workspace.open(laptop));
  const many = await hub.fanOut({ ...ana, environment: "env", prompts: ["one", "two"], conversation: id, workspace: snapshot });
  assert.equal(many.length, 2);
  for (const { run } of many) assert.equal((await hub.wait(run, soon)).state, "succeeded");
  assert.equal((await hub.conversations.head(id)).messages, 1);
});

test("a conversation is forked where the caller says, with its attachments", async () => {
  const conversations = new Conversations(new MapStorage());
  const { id } = await conversations.create({ owner: "ana" });
  const picture = await conversations.attach("a.png", Buffer.from([1, 2, 3]), { mediaType: "image/png" });
  assert.deepEqual([picture.name, picture.mediaType, picture.size], ["a.png", "image/png", 3]);
  const call = { id: "c1", name: "shell", arguments: "ls" };
  await conversations.append(id, [
    { role: "user", text: "look", attachments: [picture] },
    { role: "assistant", toolCalls: [call] },
    { role: "tool", toolResults: [{ call: "c1", text: "x" }] },
  ]);
  const cut = await conversations.fork(id, { owner: "bob", at: { count: 2 } });
  assert.equal(cut.lineage.source, id);
  const messages = await conversations.messages(cut.id);
  assert.equal(messages.at(-1).toolResults[0].status, "interrupted");
  assert.deepEqual(await conversations.readAttachment(messages[0].attachments[0]), Buffer.from([1, 2, 3]));
  const after = await conversations.fork(id, { owner: "bob", at: { after: messages[0].id } });
  assert.equal(after.messages, 1);
  await assert.rejects(conversations.head("c0000000000000000000000000"), HandoffError);
  await assert.rejects(conversations.append(id, "late", { expect: 1 }), { kind: "invalid_argument" });
});

test("an agent that throws fails its run with the reason, and one that returns nonsense too", async () => {
  const { origin } = laptopAndCloud();
  for (const [agent, reason] of [
    [{ run() { throw new TypeError("broken at once"); } }, /broken at once/],
    [{ run: async () => { throw new Error("broken later"); } }, /broken later/],
    [{ run: async () => 5 }, /returned a number/],
    [{ run: async () => ({ failed: "no tests" }) }, /no tests/],
  ]) {
    const hub = hubOf(origin, agent);
    const { run } = await hub.start({ ...ana, environment: "env", prompt: "go" });
    const ended = await hub.wait(run, soon);
    assert.equal(ended.state, "failed");
    assert.match(ended.sessions[0].reason, reason);
  }
});

test("a run is cancelled: the agent's signal is aborted", async () => {
  const { origin } = laptopAndCloud();
  let begun = false;
  const agent = {
    async run(session, { signal }) {
      begun = true;
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      return "cancelled";
    },
  };
  const hub = hubOf(origin, agent);
  const { run } = await hub.start({ ...ana, environment: "env", prompt: "wait" });
  // A session by itself does not keep the process alive; asking about its run does.
  while (!begun) await hub.run(run, ana);
  await assert.rejects(hub.wait(run, { ...ana, deadline: 50 }), TimedOutError);
  await assert.rejects(hub.deleteRun(run, ana), { kind: "wrong_state" });
  await hub.cancel(run, ana);
  assert.equal((await hub.wait(run, soon)).state, "cancelled");
  await hub.deleteRun(run, ana);
  await assert.rejects(hub.run(run, ana), { kind: "not_found" });
});

test("garbage is taken in two passes, and a preview only looks", async () => {
  const { origin } = laptopAndCloud();
  const storage = new MemoryStorage();
  const agent = { run: (session) => write(session.repos[0], "made.txt", "made\n") };
  const hub = hubOf(origin, agent, { storage });
  const { run } = await hub.start({ ...ana, environment: "env", prompt: "one" });
  assert.equal((await hub.wait(run, soon)).state, "succeeded");
  const looked = await hub.collect({ action: "preview" });
  assert.deepEqual([looked.removed, looked.condemned, looked.unreadable], [[], [], []]);
  assert.ok(looked.kept > 0 && !("wait" in looked));
  assert.equal((await hub.collect()).wait, undefined);
  const again = await hub.collect({ keep: [] });
  assert.ok(again.wait > 23 * 3_600_000, "the last pass is a moment old");
  await assert.rejects(hub.collect({ grace: 1000 }), { kind: "invalid_argument", argument: "grace" });
  await assert.rejects(hub.collect({ action: "burn" }), { kind: "invalid_argument", argument: "action" });
});

test("a policy decides who may delete a run", async () => {
  const { origin } = laptopAndCloud();
  const policy = {
    relation: () => "creator",
    mayDelete: (actor, run) => actor === "root" && run.state === "succeeded",
  };
  const hub = hubOf(origin, { async run() {} }, { policy });
  const { run } = await hub.start({ ...ana, environment: "env", prompt: "one" });
  await hub.wait(run, soon);
  await assert.rejects(hub.deleteRun(run, ana), NotPermittedError);
  await hub.deleteRun(run, { actor: "root" });
  await assert.rejects(hub.run(run, ana), { kind: "not_found" });
});

test("a program asks on a marked line", async () => {
  const { origin } = laptopAndCloud();
  const script = 'echo "ASK which?"; read -r answer; echo "took $answer"';
  const hub = hubOf(origin, new CommandAgent("sh", ["-c", script, "agent", "{prompt}"], { questions: "ASK " }));
  const { run } = await hub.start({ ...ana, environment: "env", prompt: "one" });
  const blocked = await hub.wait(run, soon);
  assert.deepEqual([blocked.state, blocked.question?.text], ["blocked", "which?"]);
  await hub.answer(run, { ...ana, prompt: "the left" });
  const texts = [];
  for await (const event of hub.watch(run, ana)) if (event.message) texts.push(JSON.stringify(event.message));
  assert.ok(texts.some((text) => text.includes("took the left")), texts.join("\n"));
});

test("a policy in JavaScript decides, and what it throws is the cause", async () => {
  const { origin } = laptopAndCloud();
  const refused = new NotPermittedError("eve may not start anything");
  const policy = {
    relation: (actor) => (actor === "ana" ? "creator" : "outsider"),
    budget(actor) {
      if (actor === "eve") throw refused;
      return { cents: 7 };
    },
    async mayStoreConversations() {
      return false;
    },
  };
  const hub = hubOf(origin, { run() {} }, { policy });
  const { run, conversation } = await hub.start({ ...ana, environment: "env", prompt: "go" });
  assert.equal(conversation, undefined);
  const ended = await hub.wait(run, soon);
  assert.deepEqual([ended.budget, ended.fresh], [{ cents: 7 }, "no_consent"]);
  const error = await hub.start({ actor: "eve", environment: "env", prompt: "go" }).catch((caught) => caught);
  assert.equal(error.kind, "policy");
  assert.equal(error.cause, refused);
});

test("a runtime in JavaScript launches sessions in places of its own", async () => {
  const place = temporary();
  const seen = [];
  const runtime = {
    environment(id) {
      if (id !== "fleet") throw new NotFoundError(`no environment ${id}`);
      return { id, models: ["big"] };
    },
    async start(spec, sessions) {
      seen.push(spec.environment);
      const agent = { run: async (session) => void (await session.append(`in ${session.root}`)) };
      // Not awaited: a start does not wait for its session.
      sessions.run(spec, { root: place, variables: { A: "b" } }, agent).then((state) => seen.push(state));
    },
    cancel() {},
  };
  const hub = new Handoff({ storage: new MapStorage(), runtime, terms });
  const { run, conversation } = await hub.start({ ...ana, environment: "fleet", prompt: "go", model: "big" });
  assert.equal((await hub.wait(run, soon)).state, "succeeded");
  const messages = await hub.conversations.messages(conversation);
  assert.equal(messages.at(-1).text, `in ${fs.realpathSync(place)}`);
  assert.equal(seen[0], "fleet");
  await assert.rejects(hub.start({ ...ana, environment: "moon", prompt: "go" }), { kind: "not_found" });
  await assert.rejects(hub.start({ ...ana, environment: "fleet", prompt: "go", model: "small" }), { kind: "model" });
});

test("a queue in a folder is worked on by a program", async () => {
  const { laptop, origin } = laptopAndCloud();
  const storage = new DirStorage(path.join(temporary(), "store"));
  const environments = [{ id: "env", repos: [{ name: "laptop", source: origin }] }];
  const queue = new QueueRuntime({ storage, name: "default", environments });
  const hub = new Handoff({ storage, runtime: queue, terms });
  const { run, conversation } = await hub.start({ ...ana, environment: "env", prompt: "say hello", workspace: await Workspace.open(laptop) });
  const agent = new CommandAgent("sh", ["-c", "cat; echo; ls"]);
  const root = path.join(temporary(), "runs");
  const ran = await work({ queue, storage, agent, root, environments, terms, poll: 20, whenEmpty: "return" });
  assert.equal(ran, 1);
  assert.equal((await hub.run(run, ana)).state, "succeeded");
  const last = (await hub.conversations.messages(conversation)).at(-1);
  assert.match(last.text, /say hello/);
  assert.deepEqual(await hub.affordance(run, ana), { action: "continue", label: "Continue with sh" });
});
