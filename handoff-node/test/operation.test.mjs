// Operations: awaited, followed, cancelled, scoped; on this thread and without holding it up.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { CancelledError, MemoryStorage, Workspace, capture } from "handoff-node";
import { checkout, internal, run, temporary, write } from "./support.mjs";

const door = internal("door.cjs");

/** A checkout whose capture takes a while: it waits for a file that is being written to. */
async function slow() {
  const dir = checkout(path.join(temporary(), "app"));
  for (let number = 0; number < 200; number += 1) write(dir, `many/${number}.txt`, `${number}\n`);
  return Workspace.open(dir);
}

test("progress is iterated, and the result awaited after it", async () => {
  const operation = capture(await slow());
  const phases = new Set();
  for await (const event of operation) {
    assert.equal(typeof event.done, "number");
    phases.add(event.phase);
  }
  assert.ok(phases.has("scan"), [...phases].join());
  assert.equal((await operation).entries.length, 200);
});

test("a callback gets every phase on this thread, and all of it before the result", async () => {
  const seen = [];
  let done = false;
  const snapshot = await capture(await slow(), {
    onProgress(event) {
      assert.equal(done, false);
      seen.push(event.phase);
    },
  });
  done = true;
  assert.ok(seen.includes("scan") && seen.includes("read"), seen.join());
  assert.equal(snapshot.entries.length, 200);
});

test("the loop goes on while the core works", async () => {
  const workspace = await slow();
  let turns = 0;
  let busy = true;
  const count = () => {
    turns += 1;
    if (busy) setImmediate(count);
  };
  setImmediate(count);
  await capture(workspace);
  busy = false;
  assert.ok(turns > 20, `${turns} turns`);
});

test("an operation is cancelled, and cancel waits for the core", async () => {
  const operation = capture(await slow(), { quiet: 2_000 });
  await operation.cancel();
  await assert.rejects(operation, (error) => error instanceof CancelledError && error.kind === "cancelled");
  await operation.cancel();
});

test("a signal cancels with its reason, also one that is aborted already", async () => {
  const workspace = await slow();
  const reason = new Error("my reason");
  await assert.rejects(capture(workspace, { signal: AbortSignal.abort(reason) }), (error) => error === reason);
  const later = new AbortController();
  const operation = capture(workspace, { signal: later.signal, onProgress: () => later.abort(reason) });
  await assert.rejects(operation, (error) => error === reason);
  await assert.rejects(capture(workspace, { signal: AbortSignal.abort() }), { name: "AbortError" });
  const unused = new AbortController();
  await capture(workspace, { signal: unused.signal });
  unused.abort();
});

test("a callback that throws ends the operation with what it threw", async () => {
  const thrown = new TypeError("mine");
  const operation = capture(await slow(), {
    onProgress() {
      throw thrown;
    },
  });
  await assert.rejects(operation, (error) => error === thrown);
});

test("leaving the scope cancels", async () => {
  const operation = capture(await slow(), { quiet: 2_000 });
  await operation[Symbol.asyncDispose]();
  await assert.rejects(operation, CancelledError);
});

test("an iteration that is left early leaves the operation alone", async () => {
  const operation = capture(await slow());
  for await (const _ of operation) break;
  assert.equal((await operation).entries.length, 200);
});

test("a failure during an iteration waits for the await after it", async () => {
  const operation = capture(await slow(), { quiet: 60_000 });
  await assert.rejects(async () => {
    for await (const { phase } of operation) if (phase === "read") operation.cancel();
    await operation;
  }, CancelledError);
});

test("a failure during an iteration that nobody awaits is not swallowed", async () => {
  const dir = checkout(path.join(temporary(), "app"));
  const script = `
    import { Workspace, capture } from "handoff-node";
    for await (const _ of capture(await Workspace.open(${JSON.stringify(dir)}), { exclude: "no list" }));
  `;
  const { code, stderr } = await run(["--input-type=module", "--eval", script]);
  assert.equal(code, 1);
  assert.match(stderr, /InvalidArgumentError/);
});

test("the stack of an error leads to the caller", async () => {
  const error = await Workspace.open("/nowhere/at/all").catch((caught) => caught);
  assert.match(error.stack, /operation\.test\.mjs/);
});

test("nothing is held after the last operation, and the process ends", async () => {
  await new MemoryStorage().putNew("a", "x");
  assert.equal(door.held().operations, 0);
  const script = `
    import { MemoryStorage } from "handoff-node";
    await new MemoryStorage().putNew("a", "x");
    console.log("done");
  `;
  const { code, stdout, stderr } = await run(["--input-type=module", "--eval", script]);
  assert.deepEqual([code, stdout, stderr], [0, "done\n", ""]);
});

test("an operation that nobody awaits holds the process until it is done", async () => {
  const dir = checkout(path.join(temporary(), "app"));
  const file = path.join(path.dirname(dir), "out.handoff");
  const script = `
    import { Workspace, capture } from "handoff-node";
    Workspace.open(${JSON.stringify(dir)}).then((ws) => capture(ws)).then((snapshot) => snapshot.save(${JSON.stringify(file)}));
  `;
  const { code, stderr } = await run(["--input-type=module", "--eval", script]);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.ok(fs.existsSync(file));
});

test("an agent that never says what it is does not hold a process that has given it up", async () => {
  const script = `
    import { Handoff, LocalRuntime, MemoryStorage } from "handoff-node";
    let asked;
    const described = new Promise((resolve) => (asked = resolve));
    const agent = { run() {}, describe: () => (asked(), new Promise(() => {})) };
    const runtime = new LocalRuntime({ agent, root: "runs", environments: [{ id: "e" }] });
    const hub = new Handoff({ storage: new MemoryStorage(), runtime });
    const operation = hub.start({ actor: "ana", environment: "e", prompt: "go" });
    await described;
    // Long enough that a process which nothing holds would have ended: until then the one who waits holds it.
    await new Promise((resolve) => setTimeout(resolve, 50).unref());
    setImmediate(() => setImmediate(() => operation.cancel()));
    await operation.catch(({ kind }) => console.log(kind));
  `;
  const { code, signal, stdout, stderr } = await run(["--input-type=module", "--eval", script], { timeout: 60_000 });
  assert.deepEqual([code, signal, stdout, stderr], [0, null, "cancelled\n", ""]);
});
