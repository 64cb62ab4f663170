// Checkouts to work on, with a git whose configuration is nobody's.

import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { environment } from "./environment.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));

/** The package in this checkout: its sources, types and pages. */
export const home = path.dirname(here);

const require = createRequire(import.meta.url);

/** The package that is used: as npm has installed it, in target/. `node scripts/install.mjs` does. */
export const installed = path.dirname(require.resolve("handoff-node/package.json"));

/** A module that only the package itself may use. */
export const internal = (name) => require(path.join(installed, "js", name));

/** What git prints. */
export const git = (dir, ...args) =>
  execFileSync("git", ["-C", dir, ...args], { env: environment(), encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** A directory that is removed when the test file is done. */
export function temporary() {
  const dir = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "handoff-node-")));
  after(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export const write = (dir, name, content) => {
  const file = path.join(dir, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, content);
};

export const read = (dir, name) => fs.readFileSync(path.join(dir, name), "utf8");

/** A checkout with one commit of these files. */
export function checkout(dir, files = { "README.md": "one\n", "src/a.txt": "a\nb\nc\n" }) {
  fs.mkdirSync(dir, { recursive: true });
  git(dir, "init", "--quiet", "--initial-branch=main");
  for (const [name, content] of Object.entries(files)) write(dir, name, content);
  git(dir, "add", "--all");
  git(dir, "commit", "--quiet", "--message", "first");
  return dir;
}

/** Two clones of one project, `laptop` with work that is not committed. */
export function laptopAndCloud() {
  const dir = temporary();
  const origin = checkout(path.join(dir, "origin"));
  const [laptop, cloud] = ["laptop", "cloud"].map((name) => {
    git(dir, "clone", "--quiet", origin, name);
    return path.join(dir, name);
  });
  write(laptop, "src/a.txt", "a\nB\nc\n");
  write(laptop, "notes.txt", "new\n");
  fs.rmSync(path.join(laptop, "README.md"));
  return { dir, origin, laptop, cloud };
}

/** A process of Node's own, which finds the package; resolves with how it ended. */
export function run(args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: here, env: environment(), ...options });
    const out = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"]) child[name].setEncoding("utf8").on("data", (text) => (out[name] += text));
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, ...out }));
    options.started?.(child);
  });
}

/** Collects garbage: what the core holds for an object is let go with it. */
function collect() {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
}

/** What the package holds for the core, once `wanted` says that it is enough; or what it holds after ten seconds. */
async function settled(wanted) {
  // Loaded late: most tests here do not need the binary in their own process.
  const door = internal("door.cjs");
  for (let round = 0; round < 500 && !wanted(door.held()); round += 1) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return door.held();
}

/** What is held now, of what nobody uses any more nothing. */
export async function held() {
  let last;
  return settled((now) => {
    const same = JSON.stringify(now) === last;
    last = JSON.stringify(now);
    return same;
  });
}

/** Fails when more is held than `before`. */
export async function heldAgain(before) {
  const kept = (now) => Object.keys(before).filter((name) => now[name] > before[name]);
  const now = await settled((some) => kept(some).length === 0);
  if (kept(now).length > 0) throw new Error(`held before: ${JSON.stringify(before)}, now: ${JSON.stringify(now)}`);
}
