// The package that is installed beside this file, used once: smoke.mjs VERSION.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import * as handoff from "handoff-node";
import * as testing from "handoff-node/testing";

const required = createRequire(import.meta.url)("handoff-node");
for (const [name, value] of Object.entries(handoff)) assert.equal(required[name], value, name);
assert.ok(Object.keys(testing).length > 0);
assert.equal(handoff.version, process.argv[2]);

const root = fs.mkdtempSync(path.join(os.tmpdir(), "handoff-smoke-"));
process.on("exit", () => fs.rmSync(root, { recursive: true, force: true }));
const [laptop, cloud] = ["laptop", "cloud"].map((name) => path.join(root, name));
const env = { ...process.env, GIT_CONFIG_GLOBAL: os.devNull, GIT_CONFIG_SYSTEM: os.devNull };
const git = (...args) =>
  execFileSync("git", ["-c", "user.name=n", "-c", "user.email=n@example.invalid", ...args], { cwd: root, env });
const read = (...parts) => fs.readFileSync(path.join(...parts), "utf8");

git("init", "-q", "laptop");
fs.writeFileSync(path.join(laptop, "notes.txt"), "first\n");
git("-C", "laptop", "add", "notes.txt");
git("-C", "laptop", "commit", "-q", "-m", "first");
git("clone", "-q", "laptop", "cloud");
fs.writeFileSync(path.join(laptop, "notes.txt"), "first\nsecond\n");
fs.writeFileSync(path.join(laptop, "new.txt"), "new\n");

const file = path.join(root, "work.handoff");
const snapshot = await handoff.capture(await handoff.Workspace.open(laptop));
await snapshot.save(file);
const there = await handoff.Workspace.open(cloud);
const report = await handoff.apply(await handoff.Snapshot.open(file), there);
assert.equal(report.verdict, "complete");
assert.equal(read(cloud, "notes.txt"), "first\nsecond\n");
assert.equal(read(cloud, "new.txt"), "new\n");
await handoff.undo(there, report.applyId);
assert.equal(read(cloud, "notes.txt"), "first\n");
assert.ok(!fs.existsSync(path.join(cloud, "new.txt")));
console.log(`handoff-node ${handoff.version}: captured, applied and undone with Node ${process.versions.node}`);
