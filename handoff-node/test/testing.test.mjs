// The kits for implementers: those that keep the contracts pass, and every kind of wrong is found out.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";
import { test } from "node:test";
import {
  CancelledError, CommandAgent, DirStorage, InvalidArgumentError, LocalRuntime, MemoryStorage, QueueRuntime, RuntimeError,
  StorageError, TimedOutError, work,
} from "handoff-node";
import { ContractReport, caseNames, checkAgent, checkRuntime, checkStorage } from "handoff-node/testing";
import { AsyncStorage, CloneRuntime, Echo } from "./implementations.mjs";
import { MapStorage } from "./map-storage.mjs";
import { checkout, git, temporary } from "./support.mjs";

const SHELL = "read line; case $line in wait*) sleep 300;; esac; echo done";
const never = new Promise(() => {});

const holds = async (report, suite) => {
  assert.ok(report.passed && report.failures.length === 0, String(report));
  assert.deepEqual(report.cases.map(({ name }) => name), await caseNames(suite));
};

test("one kit for import and require", () => {
  const required = createRequire(import.meta.url)("handoff-node/testing");
  assert.equal(required.checkStorage, checkStorage);
  assert.deepEqual(Object.keys(required).sort(), ["ContractReport", "caseNames", "checkAgent", "checkRuntime", "checkStorage"]);
});

// What keeps its contract.

for (const [kind, make] of [["in memory", () => new MemoryStorage()], ["that answers at once", () => new MapStorage()], ["that answers later", () => new AsyncStorage()]]) {
  test(`a storage ${kind} keeps the contract`, async () => {
    const storage = make();
    await holds(await checkStorage(async () => storage), "storage");
  });
}

test("a storage is opened with connections of its own", async () => {
  const dir = path.join(temporary(), "store");
  const opened = [];
  const connect = () => {
    opened.push(new DirStorage(dir));
    return opened.at(-1);
  };
  const cases = ["one of eight creates racing from threads wins", "everybody sees a write at once"];
  const operation = checkStorage(connect, { cases });
  const seen = [];
  for await (const one of operation) seen.push(one);
  const report = await operation;
  assert.ok(report instanceof ContractReport && report.passed, String(report));
  assert.deepEqual(seen, report.cases);
  assert.equal(new Set(opened).size, 8);
});

test("a folder keeps the contract", async () => {
  // Waiting for the disk at each of some thousand writes is the core's own test of the same suite.
  const dir = path.join(temporary(), "store");
  await holds(await checkStorage(() => new DirStorage(dir, { durability: "process" })), "storage");
});

for (const [kind, agent] of [["in JavaScript", new Echo()], ["that is a program", new CommandAgent("sh", ["-c", SHELL])]]) {
  test(`an agent ${kind} keeps the contract`, async () => {
    await holds(await checkAgent(agent, { prompt: "hello", long: "wait" }), "agent");
  });
}

const dir = temporary();
const origin = checkout(path.join(dir, "origin"));
const environment = { id: "here", repos: [{ name: "app", source: origin }], variables: { GREETING: "hello" } };
let number = 0;
const places = () => path.join(dir, `runs-${(number += 1)}`);
const own = (Type) => ({ agent }) => new Type(agent, places(), environment);
const local = ({ agent }) => new LocalRuntime({ agent, root: places(), environments: [environment] });
const queue = async ({ storage, agent, terms, onClose }) => {
  const environments = [environment];
  const found = new QueueRuntime({ storage, name: "suite", environments });
  const worker = work({ queue: found, storage, agent, root: places(), environments, terms, poll: 20 });
  onClose(() => worker.cancel());
  return found;
};

for (const [kind, open] of Object.entries({ local, queue, "of one's own": own(CloneRuntime) })) {
  test(`a runtime (${kind}) keeps the contract`, async () => {
    await holds(await checkRuntime(open, { environment: "here" }), "runtime");
  });
}

// Storages that are wrong.

const changed = (method, instead, Base = MapStorage) => {
  const storage = new Base();
  const before = storage[method].bind(storage);
  storage[method] = (...given) => instead(before, storage, ...given);
  return storage;
};
const ONCE = "an object is created once";
const SORTED = "a list is sorted and has what is below its prefix";
const DELETED = "deleted objects are gone, and absent ones are fine";

for (const [how, storage, name, says] of [
  ["overwrites", changed("putNew", async (_, it, key, body) => (await it.put(key, body), "created")), ONCE, /Created was said where Exists/],
  ["overwrites later", changed("putNew", async (_, it, key, body) => (await it.put(key, body), "created"), AsyncStorage), ONCE, /Created was said/],
  ["forgets a put", changed("put", () => {}), "a put replaces the whole body", /./],
  ["does not sort", changed("list", (list, _, ...given) => list(...given).reverse()), SORTED, /./],
  ["has no limit", changed("list", (list, _, prefix, after) => list(prefix, after)), "a list of more than 2,000 keys is read in pages", /./],
  ["knows no ranges", changed("get", (get, _, key) => get(key)), "ranges are cut at the end", /./],
  ["has everything", changed("get", (get, _, ...given) => get(...given) ?? Buffer.alloc(0)), "what is absent is none", /./],
  ["takes the first piece", changed("putStream", async (_, it, key, body) => {
    for await (const piece of body) {
      await it.put(key, piece);
      if (piece.length > 0) break;
    }
  }), "a stream is stored whole", /came back as/],
  ["stores pieces as they come", changed("putStream", async (_, it, key, body) => {
    let all = Buffer.alloc(0);
    for await (const piece of body) await it.put(key, (all = Buffer.concat([all, piece])));
  }), "an error in a stream stores nothing", /were stored of a stream that failed/],
  ["deletes nothing", changed("delete", () => {}), DELETED, /./],
  ["is strict about what is absent", changed("delete", async (remove, it, keys) => {
    for (const key of keys) if (!(await it.get(key))) throw new RangeError(`no ${key}`);
    remove(keys);
  }), DELETED, /no probe/],
  ["throws", changed("get", () => { throw new Error("the disk is on fire"); }), ONCE, /the disk is on fire/],
  ["rejects", changed("putNew", async () => { throw new StorageError("the bucket is gone"); }), ONCE, /the bucket is gone/],
  ["returns nonsense", changed("putNew", () => 5), ONCE, /putNew of this storage returned a number/],
  ["returns nonsense later", changed("list", async () => [{ key: 5 }]), SORTED, /list of this storage returned/],
]) {
  test(`a storage that ${how} is found out`, async () => {
    const report = await checkStorage(storage, { cases: [name] });
    assert.deepEqual(report.failures.map((failure) => failure.name), [name], String(report));
    assert.match(report.failures[0].failure, says);
    assert.equal(report.passed, false);
    assert.ok(String(report).startsWith(`FAILED  ${name} (clause `) && String(report).endsWith("1 cases, 1 failed"));
  });
}

test("a storage that always throws fails every case", async () => {
  const thrown = () => { throw new TypeError("not implemented"); };
  const nothing = Object.fromEntries(["putNew", "put", "putStream", "get", "list", "delete"].map((name) => [name, thrown]));
  const report = await checkStorage(nothing, { patience: 20_000 });
  assert.deepEqual(report.failures.map(({ name }) => name), await caseNames("storage"), String(report));
});

test("a storage that hangs is given up, and told", async () => {
  let begun = 0;
  let told = 0;
  const storage = changed("get", (_get, _it, _key, _range, { signal }) => {
    begun += 1;
    signal.addEventListener("abort", () => (told += 1));
    return never;
  });
  const cases = [ONCE, "one of eight creates racing from threads wins", "64 requests at once are served"];
  const report = await checkStorage(storage, { patience: 300, cases });
  assert.equal(report.failures.length, 3, String(report));
  assert.match(String(report), /was not done after 0.3 seconds/);
  while (told < begun) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(begun > 0);
});

// Agents that are wrong.

const echo = new Echo();
const run = (instead) => ({ run: instead });
let first;

for (const [how, agent, name, says] of [
  ["says nothing", run(() => {}), "what it answers is appended", /nothing was appended/],
  ["speaks for the user", run((session) => session.append([{ role: "user", text: "me, too" }, "Yes."]).then(() => {})), "it speaks as itself and not as the user", /spoke for the user/],
  ["says everything under one id", run(async (session) => {
    first ??= (await session.messages())[0].id;
    await session.append({ role: "assistant", text: "Yes.", id: first });
  }), "every message has an id of its own", /1 ids for 3 messages/],
  ["passes over what is not stored", run((session, context) => echo.run(session, context).catch(() => {})), "it succeeds only when what it said is stored", /nothing that it said is stored/],
  ["passes over that it was fenced off", run((session, context) => echo.run(session, context).catch(() => {})), "one whose writes are refused returns soon", /said that it succeeded/],
  ["boasts", run((session, context) => echo.run(session, context).then(() => "succeeded")), "one that was stopped does not say that it succeeded", /said that it succeeded/],
  ["uses less and less", run(async (session, context) => {
    await session.usage({ tokens: 5 });
    await session.usage({ tokens: 3 });
    return echo.run(session, context);
  }), "what it has used never falls", /tokens fell from 5 to 3/],
  ["sulks", { async run(session, context) {
    if (this.failed) throw new Error("not again");
    try {
      return await echo.run(session, context);
    } catch (error) {
      this.failed = true;
      throw error;
    }
  } }, "a session after a failed one is as any other", /not again/],
  ["throws", run(() => { throw new RangeError("by nothing"); }), "what it answers is appended", /by nothing/],
  ["rejects with no error", run(async () => { throw 5; }), "what it answers is appended", /5/],
  ["returns nonsense", run(() => 5), "what it answers is appended", /run of this agent returned a number/],
]) {
  test(`an agent that ${how} is found out`, async () => {
    const report = await checkAgent(agent, { prompt: "hello", long: "wait", cases: [name] });
    assert.deepEqual(report.failures.map((failure) => failure.name), [name], String(report));
    assert.match(report.failures[0].failure, says);
  });
}

test("an agent that does not hear is given up, and told", async () => {
  let begun = 0;
  let told = 0;
  const deaf = run((_session, { signal }) => {
    begun += 1;
    signal.addEventListener("abort", () => (told += 1));
    return never;
  });
  const cases = ["it returns soon after it is asked to stop", "what it answers is appended", "sessions at once do not mix"];
  const report = await checkAgent(deaf, { prompt: "hello", long: "wait", cases, grace: 200, patience: 200 });
  assert.equal(report.failures.length, 3, String(report));
  assert.match(String(report), /it has not returned after 0.2 seconds/);
  while (told < begun) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(begun >= 3);
});

// Runtimes that are wrong.

class Careless extends CloneRuntime {
  /** Runs what it is asked for, each time, and waits for it. */
  async start(spec, sessions) {
    const root = places();
    git(dir, "clone", "--quiet", origin, path.join(root, "app"));
    // It may have been run before.
    await sessions.run(spec, { root, repos: [path.join(root, "app")] }, this.agent).catch(() => {});
  }
}
const instead = (methods) => class extends CloneRuntime {
  static {
    Object.assign(this.prototype, methods);
  }
};
const without = (change) => instead({
  async place(spec) {
    return { ...(await CloneRuntime.prototype.place.call(this, spec)), ...change };
  },
});

for (const [how, Type, name, says, patience = 30_000] of [
  ["runs a session twice", Careless, "a session that is asked for three times runs once", /sessions run/],
  ["waits for sessions", Careless, "a launch does not wait for the session", /not return/, 1_000],
  ["knows every environment", instead({ environment: (id) => ({ ...environment, id }) }), "an environment that is not there is not found", /there was one/],
  ["gives another environment", instead({ environment: () => ({ ...environment, id: "elsewhere" }) }), "an environment is the one that was asked for", /asked for here, got elsewhere/],
  ["gives no environment", instead({ environment: async () => 5 }), "an environment is the one that was asked for", /environment of this runtime returned a number/],
  ["gives nonsense for an environment", instead({ environment: () => ({ name: "here" }) }), "an environment is the one that was asked for", /cannot be used/],
  ["loses sessions", instead({ start() {} }), "six sessions that are asked for at once all end", /./, 1_000],
  ["forgets variables", without({ variables: {} }), "a session has the environment's variables", /is not set/],
  ["forgets checkouts", without({ repos: [] }), "a session has the environment's checkouts", /./],
  ["has one place for all", instead({
    async place(spec) {
      this.where ??= await CloneRuntime.prototype.place.call(this, spec);
      return this.where;
    },
  }), "a session has a place of its own", /hold what the other wrote/],
  ["is picky about what it cancels", instead({ cancel() { throw new RangeError("which?"); } }), "a session that is not there can be cancelled", /which\?/],
  ["does not like to be woken", instead({ async wake() { throw new Error("do not wake me"); } }), "a nudge for any session is fine", /do not wake me/],
  ["refuses", instead({ async start() { throw new RuntimeError("no place is left", { retryable: true }); } }), "a launch does not wait for the session", /no place is left/],
  ["hangs", instead({ start: () => never }), "a session that is asked for three times runs once", /start has not returned after 1 seconds/, 1_000],
]) {
  test(`a runtime that ${how} is found out`, async () => {
    const report = await checkRuntime(own(Type), { environment: "here", cases: [name], patience });
    assert.deepEqual(report.failures.map((failure) => failure.name), [name], String(report));
    assert.match(report.failures[0].failure, says);
  });
}

test("a runtime that cannot be opened ends the check", async () => {
  const boom = new Error("no cloud today");
  for (const open of [() => { throw boom; }, async () => { throw boom; }]) {
    const error = await checkRuntime(open, { environment: "here" }).catch((caught) => caught);
    assert.ok(error instanceof RuntimeError && error.message.includes("no cloud today"), String(error));
    assert.equal(error.cause, boom);
  }
  await assert.rejects(checkRuntime(() => 5, { environment: "here" }), /what open returned is a number/);
  let told;
  const hangs = (_, { signal }) => {
    signal.addEventListener("abort", () => (told = true));
    return never;
  };
  await assert.rejects(checkRuntime(hangs, { environment: "here", patience: 200 }), TimedOutError);
  assert.ok(told);
  const operation = checkRuntime(hangs, { environment: "here" });
  await operation.cancel();
  await assert.rejects(operation, CancelledError);
});

test("what goes with a runtime is closed, last first", async () => {
  const closed = [];
  const boom = new Error("it will not close");
  const open = (setup) => {
    setup.onClose(() => closed.push("first"));
    setup.onClose(async () => closed.push("later"));
    setup.onClose(() => closed.push("last"));
    if (closed.length > 3) setup.onClose(() => { throw boom; });
    return local(setup);
  };
  const cases = ["an environment is the one that was asked for", "a nudge for any session is fine", "a session has a place of its own"];
  const error = await checkRuntime(open, { environment: "here", cases }).catch((caught) => caught);
  assert.ok(error instanceof RuntimeError, String(error));
  assert.equal(error.cause, boom);
  assert.deepEqual(closed, ["last", "later", "first", "last", "later", "first"].slice(0, closed.length));
  assert.ok(closed.length >= 3);
});

test("what is wrong with a check is named", async () => {
  for (const [argument, call] of [
    ["storage", () => checkStorage(5)],
    ["storage()", () => checkStorage(() => 5)],
    ["storage", () => checkStorage({ get() {} })],
    ["options", () => checkStorage(new MapStorage(), 5)],
    ["cases", () => checkStorage(new MapStorage(), { cases: "x" })],
    ["cases[0]", () => checkStorage(new MapStorage(), { cases: ["no such case"] })],
    ["patience", () => checkStorage(new MapStorage(), { patience: -1 })],
    ["patient", () => checkStorage(new MapStorage(), { patient: 1 })],
    ["signal", () => checkStorage(new MapStorage(), { signal: 1 })],
    ["agent", () => checkAgent({}, { prompt: "a", long: "b" })],
    ["prompt", () => checkAgent(echo, { long: "b" })],
    ["long", () => checkAgent(echo, { prompt: "a", long: 5 })],
    ["grace", () => checkAgent(echo, { prompt: "a", long: "b", grace: "c" })],
    ["open", () => checkRuntime(5, { environment: "e" })],
    ["environment", () => checkRuntime(() => 5, {})],
    ["environment", () => checkRuntime(() => 5)],
    ["environment", () => checkRuntime(() => 5, { environment: "a\nb" })],
    ["suite", () => caseNames("notify")],
  ]) {
    const error = await call().then(() => assert.fail(`${call} was accepted`), (caught) => caught);
    assert.ok(error instanceof InvalidArgumentError, `${call}: ${error.stack}`);
    assert.equal(error.argument, argument, `${call}: ${error.message}`);
  }
});
