// Short scripts that end at every sort of moment: none may crash or hang. One of each ending by default;
// HANDOFF_NODE_SCRIPTS=200 runs so many of each.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { checkout, run, temporary, write } from "./support.mjs";

const SCRIPTS = Number(process.env.HANDOFF_NODE_SCRIPTS ?? 1);
const FILES = Number(process.env.HANDOFF_NODE_FILES ?? 50);

const dir = checkout(path.join(temporary(), "app"));
for (let number = 0; number < 300; number += 1) write(dir, `many/${number}.txt`, `${number}\n`);

const prelude = `
  const { Conversations, DirStorage, Handoff, LocalRuntime, MemoryStorage, Workspace, capture } = require("handoff-node");
  const { Worker, isMainThread } = require("node:worker_threads");
  const dir = ${JSON.stringify(dir)};
  const pause = (most) => new Promise((resolve) => setTimeout(resolve, Math.random() * most));
  const never = {
    putNew: () => new Promise(() => {}), put: () => new Promise(() => {}), putStream: () => new Promise(() => {}),
    get: () => new Promise(() => {}), list: () => new Promise(() => {}), delete: () => new Promise(() => {}),
  };
  const busy = () => {
    Workspace.open(dir).then((ws) => capture(ws, { onProgress() {} })).catch(() => {});
    new Conversations(never).create({ owner: "ana" }).catch(() => {});
    new Conversations(new MemoryStorage()).create({ owner: "ana" }).catch(() => {});
  };
  const ana = { actor: "ana" };
  // An agent that writes without pause, until it is told to stop or has said \`most\` words.
  const writer = (most = Infinity, said = () => {}) => ({
    async run(session, { signal }) {
      for (let word = 0; word < most && !signal.aborted; word += 1) {
        await session.append("word " + word);
        await said(word);
      }
    },
  });
  const hubOf = (agent) => {
    const runtime = new LocalRuntime({ agent, root: dir + "-runs", environments: [{ id: "e", repos: [{ name: "app", source: dir }] }] });
    return new Handoff({ storage: new MemoryStorage(), runtime, terms: { poll: 10 } });
  };
  const begin = (hub) => hub.start({ ...ana, environment: "e", prompt: "go" });
  // A hub with an agent that is at work once this resolves.
  const working = () => new Promise((resolve, reject) => {
    const hub = hubOf(writer(Infinity, (word) => word === 1 && resolve({ hub, run })));
    let run;
    begin(hub).then((started) => { run = started.run; return hub.wait(run, ana); }).catch(reject);
  });
`;

/** How a script ends, by name. */
const ENDINGS = {
  "exit during operations": `busy(); pause(40).then(() => process.exit(0));`,
  "exit at once": `busy(); process.exit(0);`,
  "exit after one": `Workspace.open(dir).then((ws) => capture(ws)).then(() => process.exit(0));`,
  "the end after one": `Workspace.open(dir).then((ws) => capture(ws)).then((snapshot) => snapshot.read("app", "many/1.txt"));`,
  "exit within a callback": `Workspace.open(dir).then((ws) => capture(ws, { onProgress: () => process.exit(0) }));`,
  "exit within an implementer": `
    const storage = { ...never, putNew: () => process.exit(0) };
    new Conversations(storage).create({ owner: "ana" });`,
  "an uncaught error during operations": `
    busy();
    process.on("uncaughtException", () => process.exit(0));
    pause(30).then(() => setImmediate(() => { throw new Error("mine"); }));`,
  "workers that are terminated during operations": `
    const script = ${JSON.stringify("PRELUDE busy(); setInterval(() => {}, 1000);")}.replace("PRELUDE", prelude);
    const workers = [1, 2, 3].map(() => new Worker(script, { eval: true }));
    pause(150).then(() => Promise.all(workers.map((worker) => worker.terminate())))
      .then(() => Workspace.open(dir)).then((ws) => capture(ws)).then(() => process.exit(0));`,
  "workers that end by themselves": `
    const script = prelude + 'Workspace.open(dir).then((ws) => capture(ws)).then((s) => s.id);';
    const workers = [1, 2, 3].map(() => new Worker(script, { eval: true }));
    Promise.all(workers.map((worker) => new Promise((resolve, reject) => worker.on("exit", resolve).on("error", reject))));`,
  "an agent that never ends": `
    const runtime = new LocalRuntime({ agent: { run: () => new Promise(() => {}) }, root: dir + "-runs", environments: [{ id: "e" }] });
    const hub = new Handoff({ storage: new MemoryStorage(), runtime });
    hub.start({ actor: "ana", environment: "e", prompt: "go" }).then(() => pause(30)).then(() => process.exit(0));`,
  "exit with an agent at work": `working().then(() => pause(30)).then(() => process.exit(0));`,
  "exit as a run is started": `begin(hubOf(writer())).catch(() => {}); pause(60).then(() => process.exit(0));`,
  "exit within an agent": `
    const hub = hubOf(writer(Infinity, (word) => word === 2 && process.exit(0)));
    begin(hub).then(({ run }) => hub.wait(run, ana));`,
  "the end after a run": `
    const hub = hubOf(writer(3));
    begin(hub).then(({ run }) => hub.wait(run, ana)).then(({ state }) => { if (state !== "succeeded") throw new Error(state); });`,
  "the end with a session that nobody waits for": `begin(hubOf(writer()));`,
  "a hub that is closed with an agent at work": `working().then(({ hub }) => hub.close()).then(() => pause(20)).then(() => process.exit(0));`,
  "a run that is cancelled, and exit": `
    working().then(({ hub, run }) => Promise.race([hub.cancel(run, ana), pause(20)])).then(() => process.exit(0));`,
  "an uncaught error with an agent at work": `
    process.on("uncaughtException", (error) => process.exit(error.message === "mine" ? 0 : 1));
    working().then(() => pause(20)).then(() => setImmediate(() => { throw new Error("mine"); }));`,
  "workers that are terminated with agents at work": `
    const script = prelude + 'working().then(() => require("node:worker_threads").parentPort.postMessage("at work"));';
    const workers = [1, 2].map(() => new Worker(script, { eval: true }));
    const atWork = workers.map((worker) => new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject)));
    Promise.all(atWork).then(() => pause(30)).then(() => Promise.all(workers.map((worker) => worker.terminate())))
      .then(working).then(() => process.exit(0));`,
  "workers that exit with agents at work": `
    const script = prelude + 'working().then(() => pause(20)).then(() => process.exit(0));';
    const workers = [1, 2].map(() => new Worker(script, { eval: true }));
    Promise.all(workers.map((worker) => new Promise((resolve, reject) => worker.on("exit", resolve).on("error", reject))));`,
};

test(`short scripts end without a crash: ${Object.keys(ENDINGS).length} endings, ${SCRIPTS} of each`, async () => {
  const names = Object.keys(ENDINGS);
  const jobs = Array.from({ length: SCRIPTS * names.length }, (_, number) => names[number % names.length]);
  const one = async () => {
    for (let name = jobs.pop(); name !== undefined; name = jobs.pop()) {
      const script = `const prelude = ${JSON.stringify(prelude)};\n${prelude}\n${ENDINGS[name]}`;
      const { code, signal, stderr } = await run(["--eval", script], { timeout: 60_000 });
      assert.deepEqual([code, signal, stderr], [0, null, ""], name);
    }
  };
  await Promise.all([one(), one()]);
});

test("Ctrl-C during a capture ends it, and leaves nothing", async () => {
  const large = FILES > 1000;
  const root = temporary();
  const [app, spool, tmp] = ["app", "spool", "tmp"].map((name) => path.join(root, name));
  checkout(app);
  for (let number = 0; number < FILES; number += 1) write(app, `many/${number % 100}/${number}.bin`, randomBytes(8192));
  for (const empty of [spool, tmp]) fs.mkdirSync(empty);
  const before = tree(app);
  // A large tree takes its time; in a small one, files that were written just now are waited for.
  const options = { quiet: large ? 0 : 60_000, spoolDir: spool, spoolMemory: 0 };
  const script = `${prelude}
    const stop = new AbortController();
    process.once("SIGINT", () => stop.abort(new Error("interrupted")));
    const onProgress = ({ phase, done }) => phase === "read" && done >= ${large ? 1 : 0} && console.log("begun");
    Workspace.open(${JSON.stringify(app)})
      .then((ws) => capture(ws, { ...${JSON.stringify(options)}, signal: stop.signal, onProgress }))
      .catch((error) => process.exit(error.message === "interrupted" ? 7 : 8));
  `;
  let began;
  const { code, stderr } = await run(["--eval", script], {
    env: { ...process.env, TMPDIR: tmp },
    started: (child) =>
      child.stdout.once("data", () => {
        began = performance.now();
        child.kill("SIGINT");
      }),
  });
  const took = performance.now() - began;
  assert.deepEqual([code, stderr], [7, ""]);
  assert.deepEqual([...fs.readdirSync(spool), ...fs.readdirSync(tmp)], []);
  assert.deepEqual(tree(app), before);
  if (large) {
    console.log(`Ctrl-C among ${FILES} files: ended after ${took.toFixed(0)} ms`);
    assert.ok(took < 1000);
  }
});

/** Every file and directory below, those of git too, with sizes and times. */
function tree(dir) {
  return fs.readdirSync(dir, { recursive: true }).sort().map((name) => {
    const { size, mtimeNs } = fs.lstatSync(path.join(dir, name), { bigint: true });
    return [name, size, mtimeNs];
  });
}
