// Node's side of `cargo xtask bench-bindings`: time-calls.mjs SOURCE TARGET
//
// Each line on stdin is one piece of work, each answered by one line of JSON with milliseconds.

import assert from "node:assert/strict";
import readline from "node:readline";
import { Conversations, MemoryStorage, Workspace, apply, capture } from "handoff-node";

const CALLS = 400;

/** Wall-clock and processor time of a call. */
async function timed(call) {
  const [wall, cpu] = [process.hrtime.bigint(), process.cpuUsage()];
  const value = await call();
  const took = Number(process.hrtime.bigint() - wall) / 1e6;
  const { user, system } = process.cpuUsage(cpu);
  return [value, [took, (user + system) / 1e3]];
}

async function roundTrip() {
  const [here, there] = await Promise.all(process.argv.slice(2).map((path) => Workspace.open(path)));
  const [snapshot, captured] = await timed(() => capture(here));
  const [report, applied] = await timed(() => apply(snapshot, there));
  assert.equal(report.verdict, "complete");
  snapshot.close();
  return { capture: captured, apply: applied };
}

/** A storage that does next to nothing. */
class Plain {
  calls = 0;
  #keys = new Set();
  putNew(key) {
    this.calls += 1;
    if (this.#keys.has(key)) return "exists";
    this.#keys.add(key);
    return "created";
  }
  put() {
    this.calls += 1;
  }
  putStream() {
    this.calls += 1;
  }
  get() {
    this.calls += 1;
    return null;
  }
  list() {
    this.calls += 1;
    return [];
  }
  delete() {
    this.calls += 1;
  }
}

/** The same with methods that return promises. */
class Promising extends Plain {}
for (const name of ["putNew", "put", "putStream", "get", "list", "delete"]) {
  Promising.prototype[name] = async function (...args) {
    return Plain.prototype[name].apply(this, args);
  };
}

/** Of an operation that calls the storage once. */
async function each(storage) {
  const conversations = new Conversations(storage);
  await conversations.create({ owner: "ana" });
  storage.calls = 0;
  const [, spent] = await timed(async () => {
    for (let at = 0; at < CALLS; at += 1) await conversations.create({ owner: "ana" });
  });
  if (storage instanceof Plain) assert.equal(storage.calls, CALLS);
  return spent.map((time) => time / CALLS);
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const answer = line === "round trip" ? await roundTrip() : {};
  if (line === "calls") {
    const ways = { ours: new MemoryStorage(), plain: new Plain(), async: new Promising() };
    for (const [way, storage] of Object.entries(ways)) answer[way] = await each(storage);
  }
  console.log(JSON.stringify(answer));
}
