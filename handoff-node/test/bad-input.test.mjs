// Whatever is wrong is refused with a typed error that names the argument: values, closed objects, and implementers that
// answer nonsense or not at all.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import path from "node:path";
import { test } from "node:test";
import * as H from "handoff-node";
import { checkStorage } from "handoff-node/testing";
import { Echo } from "./implementations.mjs";
import { MapStorage } from "./map-storage.mjs";
import { checkout, temporary, write } from "./support.mjs";

const {
  CommandAgent, Conversations, Handoff, InvalidArgumentError, LocalRuntime, MemoryStorage, QueueRuntime, Snapshot, Snapshots,
  Workspace, capture, work,
} = H;

const root = temporary();
const dir = checkout(path.join(root, "app"));
write(dir, "x", "x");
const agent = new Echo();
const environments = [{ id: "e", repos: [{ name: "app", source: dir }] }];
const storage = new MemoryStorage();
const rt = new LocalRuntime({ agent, root: path.join(root, "runs"), environments });
const hub = new Handoff({ storage, runtime: rt });
const conv = new Conversations(storage);
const snaps = new Snapshots(storage);
const q = new QueueRuntime({ storage, name: "q", environments });
const run = `r${"0".repeat(32)}`;
const A = { actor: "ana" };
const begin = (more, on = hub) => on.start({ ...A, environment: "e", prompt: "hello", ...more });

test("every wrong argument is named", async () => {
  const [ws, { id }] = await Promise.all([Workspace.open(dir), conv.create({ owner: "ana" })]);
  const snap = await capture(ws);
  const wrong = [
    ["key", () => storage.putNew(5, "")],
    ["key", () => storage.get("not a key!")],
    ["limit", () => storage.list("a", undefined, -1)],
    ["limit", () => storage.list("a", undefined, "x")],
    ["after", () => storage.list("a", 5)],
    ["start", () => storage.get("a", { start: -1, end: 2 })],
    ["range", () => storage.get("a", 5)],
    ["keys[0]", () => storage.delete([5])],
    ["keys[0]", () => storage.delete(5)],
    ["owner", () => conv.create({ owner: 5 })],
    ["owner", () => conv.create({ owner: "" })],
    ["owner", () => conv.create()],
    ["id", () => conv.create({ owner: "ana", id: 5 })],
    ["id", () => conv.head("nope")],
    ["messages[1]", () => conv.append(id, ["a", 5])],
    ["messages[0].role", () => conv.append(id, [{ text: "a" }])],
    ["messages", () => conv.append(id, 5)],
    ["messages[0]", () => conv.append(id, [{ role: "user", text: 5 }])],
    ["epoch", () => conv.append(id, "a", { epoch: -1 })],
    ["expect", () => conv.append(id, "a", { expect: "x" })],
    ["at", () => conv.fork(id, { owner: "b", at: 1.5 })],
    ["at", () => conv.fork(id, { owner: "b", at: -1 })],
    ["at", () => conv.fork(id, { owner: "b", at: [] })],
    ["owner", () => conv.fork(id, { owner: 5 })],
    ["options", () => conv.fork(id, 5)],
    ["deadline", () => conv.waitSynced(id, { messages: 1, deadline: "x" })],
    ["messages", () => conv.waitSynced(id, { messages: "x", deadline: 1 })],
    ["content", () => conv.attach("a", 5)],
    ["name", () => conv.attach(5, "")],
    ["mediaType", () => conv.attach("a", "", { mediaType: 5 })],
    ["attachment", () => conv.readAttachment(5)],
    ["limit", () => conv.messages(id, { limit: "x" })],
    ["from", () => conv.messages(id, { from: -1 })],
    ["actor", () => begin({ actor: 5 })],
    ["actor", () => begin({ actor: "" })],
    ["environment", () => begin({ environment: 5 })],
    ["prompt", () => begin({ prompt: 5 })],
    ["conversation", () => begin({ conversation: 5 })],
    ["conversation.id", () => begin({ conversation: { id: 5 } })],
    ["workspace", () => begin({ workspace: 5 })],
    ["attachments", () => begin({ attachments: 5 })],
    ["attachments[0].name", () => begin({ attachments: [5] })],
    ["attachments[0].content", () => begin({ attachments: [{ name: "a", content: 5 }] })],
    ["attachments[0].name", () => begin({ attachments: [{ name: 5, content: "" }] })],
    ["budget", () => begin({ budget: 5 })],
    ["budget", () => begin({ budget: { t: "x" } })],
    ["budget", () => begin({ budget: { t: -1 } })],
    ["origin", () => begin({ origin: "elsewhere" })],
    ["team", () => begin({ team: 5 })],
    ["model", () => begin({ model: 5 })],
    ["parent", () => begin({ parent: "x" })],
    ["idempotencyKey", () => begin({ idempotencyKey: 5 })],
    ["task", () => begin({ task: 5 })],
    ["options", () => hub.start(5)],
    ["options", () => hub.start(null)],
    ["actor", () => hub.start()],
    ["prompts", () => hub.fanOut({ ...A, environment: "e", prompts: "x" })],
    ["prompts[0]", () => hub.fanOut({ ...A, environment: "e", prompts: [5] })],
    ["run", () => hub.continue(5, { ...A, prompt: "p" })],
    ["run", () => hub.continue("nope", { ...A, prompt: "p" })],
    ["prompt", () => hub.continue(run, { ...A, prompt: 5 })],
    ["actor", () => hub.continue(run)],
    ["run", () => hub.run("nope", A)],
    ["deadline", () => hub.wait(run, { ...A, deadline: -1 })],
    ["actor", () => hub.cancel(run, { actor: 5 })],
    ["actor", () => hub.cancel(run)],
    ["run", () => hub.affordance(5, A)],
    ["workspace", () => hub.pull(run, 5, A)],
    ["onConflict", () => hub.pull(run, ws, { ...A, onConflict: "mine" })],
    ["map", () => hub.pull(run, ws, { ...A, map: 5 })],
    ["options", () => hub.pull(run, ws, 5)],
    ["limit", () => hub.listRuns({ ...A, limit: -1 })],
    ["after", () => hub.listRuns({ ...A, after: 5 })],
    ["cursor", () => hub.watch(run, { ...A, cursor: 5 }).next()],
    ["run", () => hub.watch(5, A).next()],
    ["options", () => hub.watch(run, 5).next()],
    ["signal", () => hub.watch(run, { ...A, signal: 5 }).next()],
    ["runtime", () => new Handoff({ storage, runtime: LocalRuntime })],
    ["storage", () => new Handoff({ storage: MemoryStorage, runtime: rt })],
    ["policy", () => new Handoff({ storage, runtime: rt, policy: 5 })],
    ["terms", () => new Handoff({ storage, runtime: rt, terms: 5 }).run(run, A)],
    ["poll", () => new Handoff({ storage, runtime: rt, terms: { poll: "x" } }).run(run, A)],
    ["storage", () => new Handoff()],
    ["environments", () => new Handoff({ storage, runtime: new LocalRuntime({ agent, root: "r", environments: [5] }) }).run(run, A)],
    ["root", () => new LocalRuntime({ agent, root: 5, environments: [] })],
    ["name", () => new QueueRuntime({ storage, name: 5, environments })],
    ["name", () => work({ queue: new QueueRuntime({ storage, name: "a b", environments }), storage, agent, root: "r", environments })],
    ["args", () => new CommandAgent("sh", "-c")],
    ["grace", () => new Handoff({ storage, runtime: new LocalRuntime({ agent: new CommandAgent("sh", [], { grace: -1 }), root: "r", environments }) }).run(run, A)],
    ["options", () => new CommandAgent("sh", [], 5)],
    ["queue", () => work({ queue: rt, storage, agent, root: "r", environments })],
    ["whenEmpty", () => work({ queue: q, storage, agent, root: "r", environments, whenEmpty: "x" })],
    ["poll", () => work({ queue: q, storage, agent, root: "r", environments, poll: -1 })],
    ["options", () => work(5)],
    ["snapshot", () => snaps.save(5)],
    ["parent", () => snaps.save(snap, { parent: 5 })],
    ["reference", () => snaps.load(5)],
    ["reference", () => snaps.load({ id: "x", key: "y" })],
    ["reference", () => snaps.load()],
    ["path", () => snap.save(5)],
    ["repo", () => snap.read(5, "x")],
    ["content", () => H.scanSecrets(5)],
    ["loose", () => Workspace.open(dir, { loose: 5 })],
    ["looseRoot", () => Workspace.open(dir, { looseRoot: 5 })],
    ["written", () => Workspace.discover(5)],
    ["body", () => storage.putStream("a", "text")],
    ["body", () => storage.putStream("a", 5)],
  ];
  for (const [argument, call] of wrong) {
    // Some are refused at once, by a constructor.
    const error = await (async () => call())().then(() => assert.fail(`${call} was accepted`), (caught) => caught);
    assert.ok(error instanceof InvalidArgumentError, `${call}: ${error.stack}`);
    assert.equal(error.argument, argument, `${call}: ${error.message}`);
    assert.equal(error.retryable, false);
  }
});

test("everything that is closed is refused, by name", async () => {
  const ws = await Workspace.open(dir);
  const own = new MemoryStorage();
  for (const [argument, it, use] of [
    ["storage", own, (one) => one.get("a")],
    ["storage", own, (one) => begin({}, new Handoff({ storage: one, runtime: rt }))],
    ["conversations", new Conversations(storage), (one) => one.head(`c${"0".repeat(32)}`)],
    ["hub", new Handoff({ storage, runtime: rt }), (one) => one.listRuns(A)],
    ["agent", new CommandAgent("sh"), (one) => begin({}, new Handoff({ storage, runtime: new LocalRuntime({ agent: one, root, environments }) }))],
    ["runtime", new LocalRuntime({ agent, root, environments }), (one) => begin({}, new Handoff({ storage, runtime: one }))],
    ["snapshots", new Snapshots(storage), (one) => one.load({ id: "0".repeat(64), key: "a/b" })],
    ["snapshot", await capture(ws), (one) => H.apply(one, ws)],
    ["workspace", await Workspace.open(dir), (one) => H.plan(one)],
    ["queue", new QueueRuntime({ storage, name: "q", environments }), (one) => work({ queue: one, storage, agent, root, environments })],
    ["runtime", new QueueRuntime({ storage, name: "q", environments }), (one) => begin({}, new Handoff({ storage, runtime: one }))],
    ["hub", new Handoff({ storage, runtime: rt }), (one) => one.watch(run, A).next()],
    ["hub", new Handoff({ storage, runtime: rt }), (one) => one.conversations.head(`c${"0".repeat(32)}`)],
    ["hub", new Handoff({ storage: new MapStorage(), runtime: rt }), (one) => one.snapshots.load({ id: "0".repeat(64), key: "a/b" })],
  ]) {
    it.close();
    it.close();
    const error = await use(it).then(() => assert.fail(`${use} was accepted`), (caught) => caught);
    assert.ok(error instanceof InvalidArgumentError, `${use}: ${error.stack}`);
    assert.equal(error.argument, argument, error.message);
    assert.match(error.message, /closed/);
  }
});

test("a session is refused after its end, whatever is asked of it", async () => {
  let kept;
  const keeps = { async run(session) { await (kept = session).append("hello"); } };
  const own = new Handoff({
    storage: new MemoryStorage(),
    runtime: new LocalRuntime({ agent: keeps, root: path.join(root, "kept"), environments: [{ id: "e" }] }),
  });
  const { run: id } = await begin({}, own);
  assert.equal((await own.wait(id, { ...A, deadline: 60_000 })).state, "succeeded");
  for (const use of [
    (one) => one.head(), (one) => one.messages(), (one) => one.append("late"), (one) => one.followUps(), (one) => one.cancelled(),
    (one) => one.usage({ tokens: 1 }), (one) => one.remainingBudget(), (one) => one.checkpoint(), (one) => one.block("which?"),
    (one) => one.attach("a", "b"),
  ]) {
    const error = await use(kept).then(() => assert.fail(`${use} was accepted`), (caught) => caught);
    assert.ok(error instanceof InvalidArgumentError, `${use}: ${error.stack}`);
    assert.deepEqual([error.argument, /closed/.test(error.message)], ["session", true], error.message);
  }
});

test("a watch that was left is at its end", async () => {
  const own = hubOf();
  const { run: id } = await begin({}, own);
  const watch = own.watch(id, A);
  assert.equal((await watch.next()).done, false);
  await watch.return();
  await watch.return();
  assert.deepEqual(await watch.next(), { value: undefined, done: true });
  // One that was never begun asks for nothing.
  const never = own.watch(id, A);
  await never.return();
  assert.deepEqual(await never.next(), { value: undefined, done: true });
});

test("a body is read once: nobody is given an empty one the second time", async () => {
  const seen = [];
  const twice = Object.assign(new MapStorage(), {
    async putStream(key, body) {
      for await (const piece of body) seen.push(piece.length);
      for await (const piece of body) seen.push(piece.length);
    },
  });
  // Large contents are stored as a stream.
  const large = checkout(path.join(root, "large"));
  write(large, "large.bin", randomBytes(5 << 20));
  const error = await new Snapshots(twice).save(await capture(await Workspace.open(large)))
    .then(() => assert.fail("was accepted"), (caught) => caught);
  assert.ok(seen.length > 0);
  assert.ok(error.cause instanceof InvalidArgumentError, error.stack);
  assert.deepEqual([error.cause.argument, /read already/.test(error.cause.message)], ["body", true]);
});

const recorder = (more) => ({ environment: () => ({ id: "e" }), start() {}, cancel() {}, ...more });
const rules = (more) => ({ relation: () => "creator", ...more });
const hubOf = (more) => new Handoff({ storage: new MemoryStorage(), runtime: recorder(), terms: { poll: 20 }, ...more });
const refused = async (call, name, says) => {
  const error = await call.then(() => assert.fail("was accepted"), (caught) => caught);
  assert.equal(error.name, name, String(error));
  assert.match(error.message, says);
};

test("a runtime that answers nonsense", async () => {
  for (const found of [
    undefined, null, 5, "e", [], {}, { id: 5 }, { id: "e", repos: 5 }, { id: "e", repos: [{ name: 5 }] }, { id: "e", models: 5 },
    { id: "e", variables: { a: 5 } }, () => 1, Symbol("e"), { id: "e", variables: { a: () => 1 } },
  ]) {
    await refused(begin({}, hubOf({ runtime: recorder({ environment: () => found }) })), "RuntimeError", /environment (of this runtime )?returned/);
  }
});

test("a policy that answers nonsense", async () => {
  for (const found of [5, "x", [], { tokens: "many" }, { tokens: -1 }, { tokens: 1n << 80n }, null, undefined]) {
    await refused(begin({}, hubOf({ policy: rules({ budget: () => found }) })), "NotPermittedError", /budget (of this policy )?returned/);
  }
  for (const found of [5, "yes", {}, null, undefined]) {
    await refused(begin({}, hubOf({ policy: rules({ mayStoreConversations: async () => found }) })), "NotPermittedError", /mayStoreConversations of this policy returned/);
  }
  for (const found of [5, "friend", undefined, null, {}, []]) {
    const policy = rules();
    const own = hubOf({ policy });
    const started = await begin({}, own);
    policy.relation = () => found;
    await refused(own.run(started.run, A), "NotPermittedError", /relation of this policy returned/);
  }
});

test("an agent that answers nonsense", async () => {
  const hubWith = (one) => hubOf({ runtime: new LocalRuntime({ agent: one, root: path.join(root, "odd"), environments: [{ id: "e" }] }) });
  for (const found of [5, "x", null, undefined, [], {}, { name: 5 }]) {
    await refused(begin({}, hubWith({ run() {}, describe: () => found })), "AgentError", /describe of this agent returned/);
  }
  for (const found of [{ name: "a", models: 5 }, { name: "a", models: [5] }, { name: "a", kind: "x" }]) {
    await refused(begin({}, hubWith({ run() {}, describe: () => found })), "InvalidArgumentError", /^agent\.describe cannot be used/);
  }
  for (const found of [5, "done", [], {}, { failed: 5 }, true, Symbol("end")]) {
    const own = hubWith({ run: () => found });
    const ended = await own.wait((await begin({}, own)).run, { ...A, deadline: 60_000 });
    assert.equal(ended.state, "failed");
    assert.match(ended.sessions[0].reason, /run of this agent returned/);
  }
});

test("implementers that never answer are given up, and told", async () => {
  const hanging = () => {
    const it = { told: 0 };
    it.called = new Promise((resolve) => {
      it.call = (...given) => {
        given.at(-1).signal.addEventListener("abort", () => (it.told += 1));
        resolve();
        return new Promise((release) => (it.release = release));
      };
    });
    return it;
  };
  const giveUp = async (it, operation) => {
    await it.called;
    await operation.cancel();
    await assert.rejects(operation, { kind: "cancelled" });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(it.told, 1);
  };
  const get = hanging();
  await giveUp(get, new Conversations(Object.assign(new MapStorage(), { get: get.call })).head(`c${"0".repeat(32)}`));
  for (const method of ["environment", "start"]) {
    const it = hanging();
    await giveUp(it, begin({}, hubOf({ runtime: recorder({ [method]: it.call }) })));
  }
  for (const method of ["budget", "mayStoreConversations"]) {
    const it = hanging();
    await giveUp(it, begin({}, hubOf({ policy: rules({ [method]: it.call }) })));
  }
  const describe = hanging();
  const own = new LocalRuntime({ agent: { run() {}, describe: describe.call }, root, environments });
  const operation = begin({}, hubOf({ runtime: own }));
  await describe.called;
  // Others may wait for the same agent, so it is not told, and keeps the process until it answers.
  await operation.cancel();
  await assert.rejects(operation, { kind: "cancelled" });
  describe.release({ name: "late" });
  const opening = hanging();
  const checking = checkStorage(() => opening.call({ signal: new AbortController().signal }));
  await opening.called;
  await checking.cancel();
  await assert.rejects(checking, { kind: "cancelled" });
});
