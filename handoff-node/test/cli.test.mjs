// The command line: the same work from a shell, with exit codes that scripts can use.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { DirStorage, Handoff, LocalRuntime, Workspace } from "handoff-node";
import { git, installed, laptopAndCloud, read, run, temporary, write } from "./support.mjs";

const cli = (args, options = {}) => run([path.join(installed, "js/cli/main.cjs"), ...args], options);

test("capture, show, diff, preview, apply, undo", async () => {
  const { dir, laptop, cloud } = laptopAndCloud();
  const file = path.join(dir, "work.handoff");
  const planned = await cli(["plan", laptop]);
  assert.match(planned.stdout, /untracked notes\.txt/);
  const captured = await cli(["capture", laptop, "-o", file, "--json"]);
  assert.equal(captured.code, 0, captured.stderr);
  const { id, entries } = JSON.parse(captured.stdout);
  assert.equal(entries, 3);
  const shown = await cli(["show", file]);
  assert.ok(shown.stdout.startsWith(id) && shown.stdout.includes("deleted   laptop/README.md"), shown.stdout);
  assert.equal((await cli(["show", file, "laptop/notes.txt"])).stdout, "new\n");
  assert.match((await cli(["diff", file])).stdout, /^\+B$/m);
  assert.equal((await cli(["preview", file, cloud])).code, 0);
  assert.equal(git(cloud, "status", "--porcelain"), "");
  const applied = JSON.parse((await cli(["apply", file, cloud, "--json"])).stdout);
  assert.equal(applied.verdict, "complete");
  assert.equal(read(cloud, "notes.txt"), "new\n");
  assert.equal((await cli(["undo", applied.apply_id], { cwd: cloud })).code, 0);
  assert.equal(git(cloud, "status", "--porcelain"), "");
});

test("exit codes tell done in part, wrong usage and failure apart", async () => {
  const { dir, laptop, cloud } = laptopAndCloud();
  const file = path.join(dir, "work.handoff");
  write(cloud, "src/a.txt", "mine\n");
  await cli(["capture", laptop, "-o", file]);
  const partial = await cli(["apply", file, cloud]);
  assert.deepEqual([partial.code, /conflict/.test(partial.stdout)], [3, true]);
  for (const [args, code, text] of [
    [[], 2, ""],
    [["--help"], 0, ""],
    [["fly"], 2, "no command is called fly"],
    [["apply"], 2, "FILE is missing"],
    [["diff", file, file, file], 2, "one argument too many"],
    [["capture", laptop, "--fast"], 2, "--fast"],
    [["apply", file, cloud, "--on-conflict", "win"], 2, "on-conflict"],
    [["capture", laptop, "-o", file, "--max-file-bytes", "x"], 2, "no number"],
    [["show", path.join(dir, "none")], 1, "io:"],
    [["show", path.join(laptop, "src/a.txt")], 1, ":"],
    [["capture", dir, "-o", file], 1, "not_a_repository"],
  ]) {
    const done = await cli(args);
    assert.equal(done.code, code, `${args.join(" ")}: ${done.stderr}`);
    assert.ok(done.stderr.includes(text), `${args.join(" ")}: ${done.stderr}`);
  }
  const json = await cli(["show", path.join(dir, "none"), "--json"]);
  assert.equal(JSON.parse(json.stdout).error.kind, "io");
});

test("colours only where they are wanted, and no path can forge a line", async () => {
  const { laptop } = laptopAndCloud();
  fs.writeFileSync(path.join(laptop, "a\u001b[31mred\nline"), "x");
  const env = (more) => ({ env: { ...process.env, ...more } });
  const plain = await cli(["plan", laptop]);
  assert.doesNotMatch(plain.stdout, /\u001b/);
  assert.match(plain.stdout, /a\\x1b\[31mred\\x0aline/);
  assert.match((await cli(["plan", laptop], env({ FORCE_COLOR: "1", NO_COLOR: "" }))).stdout, /\u001b\[1m/);
  assert.doesNotMatch((await cli(["plan", laptop], env({ FORCE_COLOR: "1", NO_COLOR: "1" }))).stdout, /\u001b/);
});

test("runs, fork, continue and pull over a folder", async () => {
  const { dir, laptop, origin } = laptopAndCloud();
  const store = path.join(dir, "store");
  const storage = new DirStorage(store);
  const environments = [{ id: "env", repos: [{ name: "laptop", source: origin }] }];
  const agent = { run: async (session) => write(session.repos[0], "done.txt", "done\n") };
  const runtime = new LocalRuntime({ agent, root: path.join(temporary(), "runs"), environments });
  const hub = new Handoff({ storage, runtime, terms: { poll: 20 } });
  const workspace = await Workspace.open(laptop);
  const { run: id, conversation } = await hub.start({ actor: "ana", environment: "env", prompt: "finish it", workspace });
  await hub.wait(id, { actor: "ana", deadline: 60_000 });
  const as = ["--store", store, "--actor", "ana"];
  assert.match((await cli(["runs", ...as])).stdout, new RegExp(`${id} +succeeded.*finish it`));
  assert.equal((await cli(["runs", "--store", store, "--actor", "eve"])).stdout, "no runs\n");
  const forked = await cli(["fork", conversation, ...as, "--at", "1"]);
  assert.match(forked.stdout, /1 message/);
  const pulled = await cli(["pull", id, laptop, ...as]);
  assert.equal(pulled.code, 0, pulled.stdout + pulled.stderr);
  assert.equal(read(laptop, "done.txt"), "done\n");
  const went = await cli(["continue", id, "and the tests", ...as, "--queue", "default"]);
  assert.match(went.stdout, /^new_session /, went.stderr);
});
