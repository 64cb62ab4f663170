// Ports implemented in JavaScript: async or not, with private state; and implementers that do everything wrong.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Conversations, Handoff, HandoffError, MemoryStorage, StorageError } from "handoff-node";
import { checkStorage } from "handoff-node/testing";
import { MapStorage } from "./map-storage.mjs";
import { internal } from "./support.mjs";

const door = internal("door.cjs");

/** A storage that works but for one method. */
const broken = (method, instead) => {
  const storage = new MapStorage();
  storage[method] = instead;
  return storage;
};

const talk = async (storage) => {
  const conversations = new Conversations(storage);
  const { id } = await conversations.create({ owner: "ana" });
  await conversations.append(id, [{ role: "user", text: "Is it green?" }, "Yes."]);
  return conversations.messages(id);
};

test("a storage of the caller's own keeps a conversation", async () => {
  const messages = await talk(new MapStorage());
  assert.deepEqual(messages.map(({ role, text }) => [role, text]), [
    ["user", "Is it green?"],
    ["assistant", "Yes."],
  ]);
});

test("a storage of the caller's own keeps the contract", async () => {
  const storage = new MapStorage();
  const report = await checkStorage(() => storage);
  assert.ok(report.passed, String(report));
  assert.ok(report.cases.length >= 20);
});

test("a storage that forgets is found out", async () => {
  const report = await checkStorage(broken("putNew", () => "created"));
  assert.equal(report.passed, false);
  assert.match(String(report), /clause 1/);
});

for (const [how, thrower] of [
  ["throws", (error) => () => { throw error; }],
  ["rejects", (error) => async () => { throw error; }],
]) {
  test(`what an implementer ${how} is the cause, itself`, async () => {
    const boom = new TypeError("boom");
    const error = await talk(broken("putNew", thrower(boom))).catch((caught) => caught);
    assert.ok(error instanceof StorageError, error.stack);
    assert.equal(error.cause, boom);
    assert.equal(error.retryable, false);
  });

  test(`an error of this package that an implementer ${how} keeps kind and retryable`, async () => {
    const busy = new StorageError("try again", { retryable: true });
    const error = await talk(broken("putNew", thrower(busy))).catch((caught) => caught);
    assert.deepEqual([error.kind, error.retryable], ["storage", true]);
    assert.equal(error.cause, busy);
  });

  for (const odd of [undefined, null, 5, "text", Symbol("s"), Object.create(null), { toString() { throw new Error("no"); } }]) {
    test(`an implementer may throw ${typeof odd === "object" && odd ? "an object without text" : String(odd)} (${how})`, async () => {
      const error = await talk(broken("putNew", thrower(odd))).catch((caught) => caught);
      assert.ok(error instanceof HandoffError, String(error));
      assert.equal(error.cause, odd);
    });
  }
}

for (const [method, value] of [
  ["putNew", undefined],
  ["putNew", 5],
  ["putNew", "maybe"],
  ["putNew", { created: true }],
  ["get", 5],
  ["get", "text"],
  ["get", {}],
  ["list", undefined],
  ["list", {}],
  ["list", [5]],
  ["list", [{ key: 5, size: 1, modified: 1 }]],
  ["list", [{ key: "NOT A KEY", size: 1, modified: 1 }]],
  ["list", [{ key: "a/b", size: -1, modified: 1 }]],
  ["list", [{ key: "a/b", size: 1, modified: Number.NaN }]],
]) {
  test(`${method} that returns ${JSON.stringify(value)} is an error that says so`, async () => {
    const storage = broken(method, () => value);
    const runtime = { environment: () => ({}), start() {}, cancel() {} };
    const call = method === "list" ? new Handoff({ storage, runtime }).listRuns({ actor: "ana" }) : talk(storage);
    const error = await call.catch((caught) => caught);
    assert.ok(error instanceof StorageError, String(error));
    assert.match(`${error.message} ${error.cause?.message}`, new RegExp(method));
  });
}

test("an implementer that never answers is given up when the caller cancels, and told", async () => {
  let told;
  const never = new Promise(() => {});
  let asked;
  const called = new Promise((resolve) => (asked = resolve));
  const storage = broken("putNew", (key, body, { signal }) => {
    signal.addEventListener("abort", () => (told = true));
    asked();
    return never;
  });
  const operation = new Conversations(storage).create({ owner: "ana" });
  await called;
  await operation.cancel();
  await assert.rejects(operation, { kind: "cancelled" });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(told, true);
});

test("implementers are called on themselves, without losing this", async () => {
  const storage = {
    inner: new MapStorage(),
    putNew(...args) { return this.inner.putNew(...args); },
    put(...args) { return this.inner.put(...args); },
    putStream(...args) { return this.inner.putStream(...args); },
    get(...args) { return this.inner.get(...args); },
    list(...args) { return this.inner.list(...args); },
    delete(...args) { return this.inner.delete(...args); },
  };
  assert.equal((await talk(storage)).length, 2);
});

test("a storage of the core's works by itself", async () => {
  const storage = new MemoryStorage();
  assert.equal(await storage.putNew("a/b", "one"), "created");
  assert.equal(await storage.putNew("a/b", "two"), "exists");
  assert.equal((await storage.get("a/b")).toString(), "one");
  assert.equal((await storage.get("a/b", { start: 1, end: 2 })).toString(), "n");
  assert.equal(await storage.get("a/c"), null);
  await storage.put("a/c", Buffer.from("three"));
  const list = await storage.list("a");
  assert.deepEqual(list.map(({ key, size }) => [key, size]), [["a/b", 3], ["a/c", 5]]);
  await storage.delete(["a/b", "a/x"]);
  assert.deepEqual((await storage.list("a", undefined, 10)).map(({ key }) => key), ["a/c"]);
});

test("nothing that implementers threw or gave is kept", async () => {
  for (let round = 0; round < 50; round += 1) {
    await talk(broken("putNew", () => { throw new Error("x"); })).catch(() => {});
  }
  const { calls, causes } = door.held();
  assert.ok(calls < 5 && causes < 10, JSON.stringify(door.held()));
});
