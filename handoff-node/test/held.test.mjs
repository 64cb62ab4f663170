// Never a leak: after implementers that throw, answer nonsense, are given up or are closed, nothing of them is held.

import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { Conversations, Handoff, HandoffError, LocalRuntime, MemoryStorage, Workspace, capture } from "handoff-node";
import { Echo } from "./implementations.mjs";
import { MapStorage } from "./map-storage.mjs";
import { checkout, held, heldAgain, temporary, write } from "./support.mjs";

const root = temporary();
const dir = checkout(path.join(root, "app"));
write(dir, "new.txt", "new\n");
const ROUNDS = 5;
const A = { actor: "ana" };

let number = 0;
const environments = [{ id: "e" }];
const local = (agent) => new LocalRuntime({ agent, root: path.join(root, `runs-${(number += 1)}`), environments });
const recorder = (more) => ({ environment: () => ({ id: "e" }), start() {}, cancel() {}, ...more });
const rules = (more) => ({ relation: () => "creator", ...more });
const hubOf = (more) => new Handoff({ storage: new MapStorage(), runtime: recorder(), terms: { poll: 20 }, ...more });
const begin = (hub, more) => hub.start({ ...A, environment: "e", prompt: "wait", ...more });
/** By port: an operation that asks something of it, which `does` something wrong, and how what uses it is closed. */
const PORTS = {
  "a storage": (does) => {
    const it = new Conversations(Object.assign(new MapStorage(), { putNew: does }));
    return { close: () => it.close(), operation: it.create({ owner: "ana" }) };
  },
  "a storage that is read": (does) => {
    const it = new Conversations(Object.assign(new MapStorage(), { get: does }));
    return { close: () => it.close(), operation: it.head(`c${"0".repeat(32)}`) };
  },
  "a runtime": (does) => {
    const it = hubOf({ runtime: recorder({ environment: does }) });
    return { close: () => it.close(), operation: begin(it) };
  },
  "a policy": (does) => {
    const it = hubOf({ policy: rules({ budget: does }) });
    return { close: () => it.close(), operation: begin(it) };
  },
  "an agent": (does) => {
    const it = hubOf({ runtime: local({ run() {}, describe: does }) });
    return { close: () => it.close(), operation: begin(it) };
  },
  "a scanner of secrets": (does) => {
    const call = async () => capture(await Workspace.open(dir), { secretRules: { scanners: [{ scan: does }] } });
    return { operation: call(), close() {} };
  },
};

const WRONGS = {
  "throws": () => { throw new Error("mine"); },
  "rejects": async () => { throw new Error("mine"); },
  "answers nonsense": () => 5,
  "answers what holds itself": () => {
    const it = { id: "e", name: "a", key: "a" };
    it.models = it.tokens = it.it = it;
    return it;
  },
  "answers what cannot be passed on": () => ({ id: "e", name: "a", models: [Symbol("x")], tokens: Symbol("x") }),
};

for (const [port, use] of Object.entries(PORTS)) {
  for (const [wrong, does] of Object.entries(WRONGS)) {
    test(`${port} that ${wrong}`, async () => {
      const before = await held();
      for (let round = 0; round < ROUNDS; round += 1) {
        let asked = 0;
        const it = use((...given) => {
          asked += 1;
          return does(...given);
        });
        await it.operation.catch((error) => assert.ok(error instanceof HandoffError, String(error)));
        assert.ok(asked > 0);
        it.close();
      }
      await heldAgain(before);
    });
  }
}

for (const port of ["a storage", "a storage that is read", "a runtime", "a policy"]) {
  test(`${port} that never answers, cancelled`, async () => {
    const before = await held();
    for (let round = 0; round < ROUNDS; round += 1) {
      let called;
      const asked = new Promise((resolve) => (called = resolve));
      const it = PORTS[port](() => {
        called();
        return new Promise(() => {});
      });
      await asked;
      await it.operation.cancel();
      await assert.rejects(it.operation, { kind: "cancelled" });
      it.close();
    }
    await heldAgain(before);
  });
}

test("a session that ran, and one that was cancelled", async () => {
  const before = await held();
  for (let round = 0; round < ROUNDS; round += 1) {
    const hub = hubOf({ runtime: local(new Echo()), policy: rules(), notify: { notify() {} } });
    const { run } = await begin(hub, { prompt: "hello" });
    assert.equal((await hub.wait(run, { ...A, deadline: 60_000 })).state, "succeeded");
    const { run: waiting } = await begin(hub);
    await hub.cancel(waiting, A);
    assert.equal((await hub.wait(waiting, { ...A, deadline: 60_000 })).state, "cancelled");
    hub.close();
  }
  await heldAgain(before);
});

test("a watch that was left", async () => {
  const before = await held();
  for (let round = 0; round < ROUNDS; round += 1) {
    const hub = hubOf();
    const { run } = await begin(hub);
    for await (const _ of hub.watch(run, A)) break;
    hub.close();
  }
  await heldAgain(before);
});

test("a storage that holds the hub which it was passed to, once that is closed", async () => {
  const before = await held();
  for (let round = 0; round < ROUNDS; round += 1) {
    const storage = new MapStorage();
    storage.hub = hubOf({ storage, runtime: recorder({ storage }) });
    await begin(storage.hub);
    await storage.hub.conversations.create({ owner: "ana" });
    storage.hub.close();
  }
  await heldAgain(before);
});

test("objects of the core's, closed and not", async () => {
  const before = await held();
  for (let round = 0; round < ROUNDS; round += 1) {
    const hub = new Handoff({ storage: new MemoryStorage(), runtime: local(new Echo()) });
    await hub.listRuns(A);
    if (round % 2 === 0) hub.close();
  }
  await heldAgain(before);
});
