// Values that JavaScript can hold and nothing else can: half a surrogate pair, what holds itself, what is nested without
// end. As arguments they are refused by name; from a host they end what asked for them, typed, and nothing is kept.

import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import {
  AgentError, CommandAgent, Conversations, Handoff, HandoffError, InvalidArgumentError, LocalRuntime, MemoryStorage,
  RuntimeError, Snapshot, StorageError, Workspace, capture, scanSecrets,
} from "handoff-node";
import { MapStorage } from "./map-storage.mjs";
import { checkout, held, heldAgain, temporary } from "./support.mjs";

const HALF = "a\ud800";
const root = temporary();
const dir = checkout(path.join(root, "app"));
const A = { actor: "ana" };

const cyclic = () => {
  const it = {};
  it.it = it;
  return it;
};
const cyclicArray = () => {
  const it = [];
  it.push(it);
  return it;
};
/** Objects in one another: `levels` of them below the outermost. */
const deep = (levels) => {
  let it = {};
  for (let level = 0; level < levels; level += 1) it = { it };
  return it;
};

const recorder = (more) => ({ environment: () => ({ id: "e" }), start() {}, cancel() {}, ...more });
const hubOf = (more) => new Handoff({ storage: new MemoryStorage(), runtime: recorder(), terms: { poll: 20 }, ...more });
const begin = (more, hub = hubOf()) => hub.start({ ...A, environment: "e", prompt: "go", ...more });
const caught = (call) => (async () => call())().then(() => assert.fail(`${call} was accepted`), (error) => error);

const refused = async (rows) => {
  for (const [argument, call] of rows) {
    const error = await caught(call);
    assert.ok(error instanceof InvalidArgumentError, `${call}: ${error.stack}`);
    assert.equal(error.argument, argument, `${call}: ${error.message}`);
    assert.ok(error.message.startsWith(argument) && error.message.isWellFormed(), error.message);
  }
};

test("half a surrogate pair is refused, wherever an argument is text", async () => {
  const ws = await Workspace.open(dir);
  const snap = await capture(ws);
  const storage = new MemoryStorage();
  const conversations = new Conversations(storage);
  const { id } = await conversations.create({ owner: "ana" });
  await refused([
    ["key", () => storage.get(HALF)],
    ["body", () => storage.put("a", HALF)],
    ["keys[1]", () => storage.delete(["a", HALF])],
    ["owner", () => conversations.create({ owner: HALF })],
    ["messages[0].text", () => conversations.append(id, HALF)],
    ["messages[1].text", () => conversations.append(id, ["a", { role: "user", text: HALF }])],
    ["messages[0].body", () => conversations.append(id, [{ role: "user", text: "a", body: { it: HALF } }])],
    ["messages[0].body", () => conversations.append(id, [{ role: "user", text: "a", body: { [HALF]: 1 } }])],
    ["name", () => conversations.attach(HALF, "")],
    ["content", () => conversations.attach("a", HALF)],
    ["prompt", () => begin({ prompt: HALF })],
    ["task", () => begin({ task: HALF })],
    ["budget.a\ufffd", () => begin({ budget: { [HALF]: 1 } })],
    ["root", () => begin({}, hubOf({ runtime: new LocalRuntime({ agent: { run() {} }, root: HALF, environments: [] }) }))],
    ["program", () => begin({}, hubOf({ runtime: new LocalRuntime({ agent: new CommandAgent(HALF), root, environments: [] }) }))],
    ["roots[0]", () => Workspace.open(HALF)],
    ["path", () => Snapshot.open(HALF)],
    ["path", () => snap.read("app", HALF)],
    ["exclude[0]", () => capture(ws, { exclude: [HALF] })],
    ["content", () => scanSecrets(HALF)],
  ]);
  // A whole pair is text as any other.
  await conversations.append(id, "\ud83d\ude00");
  assert.equal((await conversations.messages(id)).at(-1).text, "😀");
});

test("what holds itself, or is nested too deeply, is refused by its argument's name", async () => {
  const ws = await Workspace.open(dir);
  const conversations = new Conversations(new MemoryStorage());
  const { id } = await conversations.create({ owner: "ana" });
  for (const make of [cyclic, cyclicArray, () => deep(65), () => deep(100_000)]) {
    await refused([
      ["budget", () => begin({ budget: make() })],
      ["attachments", () => begin({ attachments: [{ name: "a", content: "", mediaType: make() }] })],
      ["conversation", () => begin({ conversation: { id, at: make() } })],
      ["team", () => begin({ team: make() })],
      ["messages", () => conversations.append(id, [{ role: "user", toolCalls: make() }])],
      ["messages", () => conversations.append(id, [{ role: "user", text: "a", body: make() }])],
      ["attachment", () => conversations.readAttachment({ name: make() })],
      ["exclude", () => capture(ws, { exclude: make() })],
      ["allowSecrets", () => capture(ws, { allowSecrets: [make()] })],
      ["environments", () => new LocalRuntime({ agent: { run() {} }, root, environments: [make()] })],
      ["terms", () => hubOf({ terms: make() })],
    ]);
  }
  // 64 levels in all are passed on: it is the core that does not know what to do with them.
  const known = await caught(() => begin({ budget: deep(62) }));
  assert.equal(known.argument, "budget");
  assert.doesNotMatch(known.message, /nested/);
  await conversations.append(id, [{ role: "user", text: "a", body: deep(60) }]);
});

test("text of a host's that is no text: what it threw is the cause, itself, and nothing is kept", async () => {
  const before = await held();
  for (const thrown of [new Error(HALF), new StorageError(HALF), new HandoffError("a", { kind: HALF }), HALF]) {
    for (let round = 0; round < 5; round += 1) {
      const storage = Object.assign(new MapStorage(), { putNew: async () => { throw thrown; } });
      const conversations = new Conversations(storage);
      const error = await caught(() => conversations.create({ owner: "ana" }));
      assert.ok(error instanceof HandoffError, error.stack);
      assert.equal(error.cause, thrown);
      assert.ok(error.message.isWellFormed(), error.message);
      conversations.close();
    }
  }
  await heldAgain(before);
});

test("an error whose fields are no use arrives all the same", async () => {
  const hostile = (name) => Object.defineProperty(new StorageError("x"), name, { get() { throw new Error("no"); } });
  const proxy = new Proxy({}, { getPrototypeOf() { throw new Error("no"); }, get() { throw new Error("no"); } });
  for (const thrown of [hostile("kind"), hostile("message"), hostile("retryable"), new StorageError("x", { retryable: 5n }), proxy]) {
    const storage = Object.assign(new MapStorage(), { putNew() { throw thrown; } });
    const error = await caught(() => new Conversations(storage).create({ owner: "ana" }));
    assert.ok(error instanceof HandoffError, String(error));
    assert.equal(error.cause, thrown);
  }
});

test("a host's answer that is no text, or is nested without end, ends what asked, typed", async () => {
  const odd = (more) => new LocalRuntime({ agent: { run() {}, ...more }, root, environments: [{ id: "e" }] });
  for (const make of [cyclic, cyclicArray, () => deep(65), () => deep(100_000)]) {
    const rows = [
      [RuntimeError, () => begin({}, hubOf({ runtime: recorder({ environment: () => ({ id: "e", models: make() }) }) }))],
      [RuntimeError, () => begin({}, hubOf({ runtime: recorder({ environment: () => ({ id: "e", variables: make() }) }) }))],
      [AgentError, () => begin({}, hubOf({ runtime: odd({ describe: () => ({ name: "a", models: make() }) }) }))],
      [HandoffError, () => begin({}, hubOf({ policy: { relation: () => "creator", budget: make } }))],
    ];
    for (const [type, call] of rows) {
      const error = await caught(call);
      assert.ok(error instanceof type, `${call}: ${error.stack}`);
      assert.match(`${error.message} ${error.cause?.message}`, /nested too deeply/, String(call));
    }
  }
  // Half a pair is replaced where it is only said.
  const hub = hubOf({ runtime: odd({ run: () => ({ failed: `no tests ${HALF}` }) }) });
  const { run } = await begin({}, hub);
  const ended = await hub.wait(run, { ...A, deadline: 60_000 });
  assert.deepEqual([ended.state, ended.sessions[0].reason.isWellFormed()], ["failed", true]);
  assert.match(ended.sessions[0].reason, /no tests a\ufffd/);
  const told = hubOf({ runtime: odd({ run() { throw new Error(HALF); } }) });
  const failed = await told.wait((await begin({}, told)).run, { ...A, deadline: 60_000 });
  assert.match(failed.sessions[0].reason, /a\ufffd/);
});
