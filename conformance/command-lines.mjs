// Gives `python -m handoff` and `handoff-node` the same invocations, which must end with the same exit code and the same
// document each time.
//
//   node conformance/command-lines.mjs PYTHON

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { environment } from "../handoff-node/test/environment.mjs";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const { DirStorage, Handoff, LocalRuntime, Workspace } = createRequire(path.join(root, "handoff-node/test/"))("handoff-node");
const python = process.argv[2];
assert.ok(python, "name the Python that has the package");

const env = environment();
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "handoff-commands-"));
process.on("exit", () => fs.rmSync(scratch, { recursive: true, force: true }));

const git = (cwd, ...args) => execFileSync("git", args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });

function write(dir, files) {
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(dir, name)), { recursive: true });
    fs.writeFileSync(path.join(dir, name), text);
  }
}

/** A laptop with work on it, a clean clone, one that was edited, and a store with a run that has ended. */
async function scene(dir) {
  const at = (name) => path.join(dir, name);
  fs.mkdirSync(at("laptop"), { recursive: true });
  git(at("laptop"), "init", "-q", "-b", "main");
  write(at("laptop"), { "a.txt": "one\n", "b/c.txt": "two\n", ".gitignore": "*.log\n" });
  git(at("laptop"), "add", ".");
  git(at("laptop"), "commit", "-q", "-m", "first");
  for (const clone of ["cloud", "edited", "third"]) git(dir, "clone", "-q", "laptop", clone);
  write(at("laptop"), { "a.txt": "one\nmore\n", "new/näme.txt": "new\n", "out.log": "ignored\n" });
  fs.rmSync(at("laptop/b/c.txt"));
  write(at("edited"), { "a.txt": "mine\n" });
  fs.mkdirSync(at("empty"));
  write(dir, { "no.handoff": "this is no bundle at all, and long enough to be looked at as if it were one" });

  const environments = [{ id: "env", repos: [{ name: "third", source: at("cloud") }] }];
  const agent = { run: (session) => write(session.repos[0], { "done.txt": "done\n" }) };
  const runtime = new LocalRuntime({ agent, root: at("places"), environments });
  const hub = new Handoff({ storage: new DirStorage(at(".handoff-store")), runtime, terms: { poll: 20 } });
  const workspace = await Workspace.open(at("third"));
  const { run, conversation } = await hub.start({ actor: "ana", environment: "env", prompt: "finish", task: "finish it", workspace });
  await hub.wait(run, { actor: "ana", deadline: 120_000 });
  const idle = await hub.start({ actor: "ana", environment: "env", prompt: "only talk" });
  await hub.wait(idle.run, { actor: "ana", deadline: 120_000 });
  hub.close();
  return { run, conversation, idle: idle.run };
}

/**
 * In order, each in the state that those before have left: what it is given, the exit code, and what to remember of its
 * document for those after it. What stands in braces was remembered.
 */
const as = ["--actor", "ana"];
const absent = "0".repeat(32);
const ROWS = [
  [["plan", "laptop"], 0],
  [["plan", "laptop", "--exclude", "a.txt", "--include-ignored", "*.log"], 0],
  [["capture", "laptop", "-o", "w.handoff"], 0],
  [["capture", "laptop", "--output", "limited.handoff", "--max-file-bytes", "4"], 3],
  [["capture", "laptop", "--exclude", "a.txt"], 0],
  [["capture", "cloud", "-o", "clean.handoff"], 0],
  [["show", "w.handoff"], 0],
  [["show", "limited.handoff"], 0],
  [["show", "w.handoff", "laptop/a.txt"], 0],
  [["show", "w.handoff", "laptop/a.txt", "--layer", "head"], 0],
  [["diff", "w.handoff"], 0],
  [["diff", "clean.handoff", "w.handoff"], 0],
  [["preview", "w.handoff", "cloud"], 0],
  [["apply", "w.handoff", "--history", "objects", "cloud", "--durability", "process"], 0, { applied: "apply_id" }],
  [["apply", "w.handoff", "cloud"], 0],
  [["undo", "{applied}", "cloud"], 0],
  // A conflict, and the same taken; a target where nothing can be done.
  [["preview", "w.handoff", "edited"], 3],
  [["apply", "w.handoff", "edited"], 3, { conflicted: "apply_id" }],
  [["undo", "{conflicted}", "edited"], 0],
  [["apply", "w.handoff", "edited", "--on-conflict", "theirs", "--staging", "leave"], 0],
  [["apply", "w.handoff", "unrelated"], 3],
  // What can only be refused.
  [["undo", `a${absent}`, "cloud"], 1],
  [["undo", "no-id", "cloud"], 2],
  [["undo"], 2, "no document"],
  [["fly"], 2, "no document"],
  [["apply"], 2, "no document"],
  [["apply", "w.handoff", "cloud", "--fast"], 2, "no document"],
  [["apply", "w.handoff", "cloud", "--on-conf", "keep"], 2, "no document"],
  [["apply", "w.handoff", "cloud", "--on-conflict"], 2, "no document"],
  [["apply", "w.handoff", "cloud", "--on-conflict", "win"], 2],
  [["diff", "w.handoff", "w.handoff", "w.handoff"], 2, "no document"],
  [["capture", "laptop", "--max-file-bytes", "x"], 2, "no document"],
  [["capture", "laptop", "--deadline", "soon"], 2, "no document"],
  [["capture", "laptop", "--allow-secret", "a"], 2, "no document"],
  [["capture", "laptop", "-o", "nowhere/w.handoff"], 1],
  [["capture", "empty"], 1],
  [["plan", "empty"], 1],
  [["plan", "absent"], 1],
  [["show", "absent.handoff"], 1],
  [["show", "no.handoff"], 1],
  [["show", "w.handoff", "laptop/absent.txt"], 2],
  [["show", "w.handoff", "laptop/a.txt", "--layer", "cake"], 2],
  // Runs.
  [["runs", ...as], 0],
  [["runs", ...as, "--limit", "1"], 0],
  [["runs", ...as, "--limit", "many"], 2, "no document"],
  [["runs", "--actor", "eve", "-q"], 0],
  [["runs", "{run}", ...as], 0],
  [["runs", "{run}", "--actor", "eve"], 1],
  [["runs", `r${absent}`, ...as], 1],
  [["runs", "nonsense", ...as], 2],
  [["fork", "{conversation}", ...as], 0],
  [["fork", "{conversation}", ...as, "--at", "1"], 0],
  [["fork", "{conversation}", ...as, "--at", "9"], 1],
  [["fork", "{conversation}", ...as, "--at", "nonsense"], 2],
  [["fork", `c${absent}`, ...as], 1],
  [["pull", "{run}", "third", ...as, "--preview"], 0],
  [["pull", "{run}", "third", ...as], 0],
  [["pull", "{run}", "third", "--actor", "eve"], 1],
  [["pull", `r${absent}`, "third", ...as], 1],
  [["pull", "{run}", "empty", ...as], 1],
  [["continue", "{run}", "and the tests", ...as, "--agent", "echo x > more.txt", "--repo", "third={dir}/cloud"], 0],
  [["continue", "{run}", "and more", ...as, "--agent", "exit 3", "--repo", "third={dir}/cloud"], 3],
  [["continue", "{run}", "on", ...as, "--agent", "true", "--repo", "third"], 2],
  [["continue", "{run}", "later", ...as, "--queue", "q", "--idempotency-key", "k"], 0],
  [["continue", "{run}", ...as], 2, "no document"],
  [["continue", "{run}", "two", "prompts", ...as], 2, "no document"],
  [["continue", `r${absent}`, "on", ...as], 1],
];

/** The document with what differs from run to run taken out. */
function plain(text, dir) {
  const numbers = new Map();
  const number = (id) => {
    if (!numbers.has(id)) numbers.set(id, `id ${numbers.size + 1}`);
    return numbers.get(id);
  };
  const strip = (value, key) => {
    if (Array.isArray(value)) return value.map((item) => strip(item));
    if (value !== null && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, strip(item, name)]));
    if (typeof value === "number" && ["created", "started", "ended", "at"].includes(key)) return "a time";
    if (typeof value !== "string") return value;
    return value.replaceAll(dir, "DIR").replace(/\.handoff-\w{6}/g, "TEMPORARY").replace(/(?<![0-9a-zA-Z])[a-z]?[0-9a-f]{26,32}(?![0-9a-zA-Z])/g, number);
  };
  // In one order, so that ids get the same numbers.
  const sorted = (value) => {
    if (Array.isArray(value)) return value.map(sorted);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, item]) => [name, sorted(item)]));
  };
  return strip(sorted(JSON.parse(text)));
}

const COMMANDS = {
  python: [python, "-m", "handoff"],
  node: [process.execPath, path.join(root, "handoff-node/test/node_modules/.bin/handoff-node")],
};

const made = path.join(scratch, "scene");
fs.mkdirSync(made);
const known = await scene(made);
fs.mkdirSync(path.join(made, "unrelated"));
git(path.join(made, "unrelated"), "init", "-q", "-b", "main");
write(path.join(made, "unrelated"), { "a.txt": "of others\n" });
git(path.join(made, "unrelated"), "add", ".");
git(path.join(made, "unrelated"), "commit", "-q", "-m", "another history");

/** Runs a program to its end. */
const run = (program, args, options) =>
  new Promise((resolve) => {
    const child = execFile(program, args, { ...options, encoding: "utf8" }, (_, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }));
  });

/** What one command line makes of all rows, in a scene of its own. */
async function everything([language, [program, ...before]]) {
  const dir = path.join(scratch, language);
  fs.cpSync(made, dir, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  const remembered = { ...known, dir };
  const seen = [];
  for (const [args, , more] of ROWS) {
    const given = args.map((arg) => arg.replace(/\{(\w+)\}/g, (_, name) => remembered[name] ?? assert.fail(`${name} is not known`)));
    const options = { cwd: dir, env, timeout: 120_000 };
    const { code, stdout, stderr } = await run(program, [...before, ...given, "--json"], options);
    if (more === "no document") {
      seen.push({ code, stdout });
      continue;
    }
    try {
      const document = JSON.parse(stdout);
      for (const [name, field] of Object.entries(more ?? {})) remembered[name] = document[field];
      seen.push({ code, document: plain(stdout, dir) });
    } catch (error) {
      seen.push({ code, document: String(error), stdout, stderr });
    }
  }
  return seen;
}

const [inPython, inNode] = await Promise.all(Object.entries(COMMANDS).map(everything));

let wrong = 0;
for (const [at, [args, code]] of ROWS.entries()) {
  const [of, other] = [inPython[at], inNode[at]];
  try {
    assert.deepEqual(other, of, "node's beside python's");
    assert.equal(of.code, code, "the exit code");
  } catch (error) {
    wrong += 1;
    console.error(`${args.join(" ")}: ${error.message}\n${of.code === code ? "" : JSON.stringify(of, undefined, 2)}`);
  }
}
// The codes are said in the same words everywhere.
const read = (file) => fs.readFileSync(path.join(root, file), "utf8");
const told = (text, pattern) => [...text.matchAll(pattern)].map(([, code, means]) => `${code}: ${means}`);
const table = told(read("handoff-py/README.md"), /^\| (\d+) \| (.*) \|$/gm);
const helps = await Promise.all(Object.values(COMMANDS).map(([program, ...before]) => run(program, [...before, "--help"], { env })));
for (const other of [
  told(read("handoff-node/README.md"), /^\| (\d+) \| (.*) \|$/gm),
  ...helps.map(({ stdout }) => told(stdout, /^ {2}(\d+) +(.*)$/gm)),
]) {
  assert.equal(other.length, 5);
  assert.deepEqual(other, table);
}
console.log(`${ROWS.length} invocations of both command lines, ${wrong} with a difference`);
process.exitCode = wrong === 0 ? 0 : 1;
