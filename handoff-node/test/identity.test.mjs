// What implementers throw is the cause of what comes out, itself, through every port and both ways; kind and retryable are
// kept.

import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import {
  AgentError, Conversations, Handoff, HandoffError, LimitError, LocalRuntime, MemoryStorage, NotFoundError, NotPermittedError,
  RuntimeError, StorageError,
} from "handoff-node";
import { Echo } from "./implementations.mjs";
import { MapStorage } from "./map-storage.mjs";
import { checkout, temporary } from "./support.mjs";

const dir = temporary();
const origin = checkout(path.join(dir, "origin"));
const environment = { id: "e", repos: [{ name: "app", source: origin }] };
let number = 0;
const local = (agent) => new LocalRuntime({ agent, root: path.join(dir, `runs-${(number += 1)}`), environments: [environment] });
const hubOf = ({ agent = new Echo(), storage = new MemoryStorage(), runtime = local(agent), ...more } = {}) =>
  new Handoff({ storage, runtime, terms: { poll: 20, checkpoint: null }, ...more });
const begin = (hub) => hub.start({ actor: "ana", environment: "e", prompt: "hello" });
const ended = async (hub) => hub.wait((await begin(hub)).run, { actor: "ana", deadline: 60_000 });

/** A runtime that launches nothing. */
const recorder = (more) => ({ environment: () => environment, start() {}, cancel() {}, ...more });
const rules = (more) => ({ relation: () => "creator", ...more });

const later = Object.assign(new Error("busy"), { retryable: true });
for (const [error, kind, retryable] of [
  [new TypeError("broken"), undefined, false],
  [later, undefined, true],
  [new LimitError("too much", { retryable: true }), "limit", true],
  [new NotFoundError("nowhere"), "not_found", false],
]) {
  for (const [how, fails] of [["at once", () => { throw error; }], ["later", async () => { throw error; }]]) {
    test(`${error.name}, ${error.message}, thrown ${how}, through every port`, async () => {
      const expect = async (call, own) => {
        const caught = await call.then(() => assert.fail("was accepted"), (found) => found);
        assert.equal(caught.cause, error, String(caught.stack));
        assert.equal(caught.kind, kind ?? own.kind, String(caught));
        assert.ok(kind ? caught instanceof error.constructor : caught instanceof own);
        assert.equal(caught.retryable, retryable);
        assert.ok(caught.message.includes(error.message), caught.message);
      };
      const storage = Object.assign(new MapStorage(), { get: fails });
      await expect(new Conversations(storage).head(`c${"0".repeat(32)}`), StorageError);
      for (const method of ["environment", "start"]) {
        await expect(begin(hubOf({ runtime: recorder({ [method]: fails }) })), RuntimeError);
      }
      for (const method of ["budget", "mayStoreConversations"]) {
        await expect(begin(hubOf({ policy: rules({ [method]: fails }) })), NotPermittedError);
      }
      const policy = rules();
      const hub = hubOf({ policy, runtime: recorder() });
      const { run } = await begin(hub);
      policy.relation = fails;
      await expect(hub.run(run, { actor: "ana" }), NotPermittedError);
      await expect(begin(hubOf({ agent: { run() {}, describe: fails } })), AgentError);
    });
  }
}

test("who is told may throw", async () => {
  let told = 0;
  for (const notify of [() => { told += 1; throw new Error("no mail"); }, async () => { told += 1; throw new Error("no mail"); }]) {
    const run = await ended(hubOf({ notify: { notify } }));
    assert.equal(run.state, "succeeded");
  }
  assert.ok(told >= 2);
});

test("out of a storage into an agent and out again", async () => {
  const boom = Object.assign(new Error("the disk is full"), { retryable: true });
  const storage = new MapStorage();
  const putNew = storage.putNew.bind(storage);
  let full = false;
  storage.putNew = (key, body) => {
    if (full && key.startsWith("c/")) throw boom;
    return putNew(key, body);
  };
  let caught;
  const agent = {
    async run(session) {
      full = true;
      try {
        await session.append("hello");
      } catch (error) {
        caught = error;
        throw error;
      } finally {
        full = false;
      }
    },
  };
  const run = await ended(hubOf({ agent, storage }));
  assert.ok(caught instanceof StorageError && caught.cause === boom && caught.retryable === true, String(caught));
  assert.equal(run.state, "failed");
  assert.match(run.sessions[0].reason, /the disk is full/);
});

test("a body that throws stores nothing", async () => {
  const storage = new MemoryStorage();
  const boom = new Error("torn");
  function* torn() {
    yield Buffer.from("half");
    throw boom;
  }
  async function* tornLater() {
    yield Buffer.from("half");
    throw boom;
  }
  for (const body of [torn(), tornLater()]) {
    const error = await storage.putStream("a/b", body).catch((found) => found);
    assert.ok(error instanceof StorageError, String(error));
    assert.equal(error.cause, boom);
  }
  for (const body of ["text", Buffer.from("bytes"), 5, undefined, [5]]) {
    await assert.rejects(storage.putStream("a/b", body), (error) => error instanceof HandoffError && error.message.includes("body"));
  }
  assert.equal(await storage.get("a/b"), null);
  await storage.putStream("a/b", [Buffer.alloc(0), Buffer.from("one, "), new TextEncoder().encode("two")]);
  assert.equal(String(await storage.get("a/b")), "one, two");
});
