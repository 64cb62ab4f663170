// What the way through Node costs: capture and apply beside the same calls in Rust, and one call of a storage in
// JavaScript. Prints ratios. Needs an addon and a program built for release:
//
//   node scripts/build.mjs --release && cargo build --profile dist -p handoff-examples --example time_calls
//   node scripts/bench.mjs [FILES] [ROUNDS]

import { execFileSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import fs from "node:fs";
import os from "node:os";
import { Conversations, Workspace, apply, capture, undo } from "handoff-node";

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const program = path.join(root, "target", "dist", "examples", "time_calls");
const [files = 1200, rounds = 15] = process.argv.slice(2).map(Number);

const dir = fs.mkdtempSync(path.join(os.tmpdir(), "handoff-bench-"));
process.on("exit", () => fs.rmSync(dir, { recursive: true, force: true }));
const git = (at, ...args) =>
  execFileSync("git", ["-C", at, "-c", "user.name=a", "-c", "user.email=a@example.com", ...args], { stdio: ["ignore", "pipe", "inherit"] });
const [laptop, cloud] = ["laptop", "cloud"].map((name) => path.join(dir, name));
fs.mkdirSync(laptop);
git(laptop, "init", "--quiet");
const file = (number) => path.join(laptop, `dir${number % 20}`, `file${number}.txt`);
for (let number = 0; number < 10_000; number += 1) {
  fs.mkdirSync(path.dirname(file(number)), { recursive: true });
  fs.writeFileSync(file(number), `line ${number}\n`.repeat(40));
}
git(laptop, "add", "--all");
git(laptop, "commit", "--quiet", "--message", "first");
git(dir, "clone", "--quiet", "laptop", "cloud");
for (let number = 0; number < files; number += 1) fs.appendFileSync(file(number), "changed\n");
// Past the time in which a capture waits for files to be quiet.
await new Promise((resolve) => setTimeout(resolve, 2000));

const median = (times) => times.sort((a, b) => a - b)[times.length >> 1];
async function timed(call) {
  const began = process.hrtime.bigint();
  const value = await call();
  return [Number(process.hrtime.bigint() - began) / 1e6, value];
}

/** Alternating, so that both meet the same weather. */
const times = { node: { capture: [], apply: [] }, rust: { capture: [], apply: [] } };
const [here, there] = [await Workspace.open(laptop), await Workspace.open(cloud)];
for (let round = 0; round < rounds; round += 1) {
  const [captured, snapshot] = await timed(() => capture(here));
  const [applied, report] = await timed(() => apply(snapshot, there));
  times.node.capture.push(captured);
  times.node.apply.push(applied);
  await undo(there, report.applyId);
  snapshot.close();
  const rust = JSON.parse(execFileSync(program, [laptop, cloud, "1"], { encoding: "utf8" }));
  times.rust.capture.push(rust.capture);
  times.rust.apply.push(rust.apply);
}
for (const what of ["capture", "apply"]) {
  const [node, rust] = [median(times.node[what]), median(times.rust[what])];
  console.log(`${what}: Node ${node.toFixed(1)} ms, Rust ${rust.toFixed(1)} ms: ${(node / rust).toFixed(2)}x (goal 1.10x)`);
}

let calls = 0;
const never = new Set();
const storage = {
  putNew: (key) => ((calls += 1), never.has(key) ? "exists" : (never.add(key), "created")),
  put: () => void (calls += 1),
  putStream: () => void (calls += 1),
  get: () => ((calls += 1), null),
  list: () => ((calls += 1), []),
  delete: () => void (calls += 1),
};
const conversations = new Conversations(storage);
await conversations.create({ owner: "ana" });
calls = 0;
const [spent] = await timed(async () => {
  for (let round = 0; round < 500; round += 1) await conversations.create({ owner: "ana" });
});
console.log(`one call of a storage in JavaScript: ${(spent / calls).toFixed(3)} ms over ${calls} calls (goal 0.3 ms)`);
