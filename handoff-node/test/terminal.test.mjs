// The command line on a terminal, which `script` of util-linux makes: colours, the bar, and Ctrl-C.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { environment } from "./environment.mjs";
import { installed, laptopAndCloud, run, temporary } from "./support.mjs";

const main = path.join(installed, "js/cli/main.cjs");
const found = spawnSync("script", ["--version"], { encoding: "utf8" });
const skip = /util-linux/.test(found.stdout ?? "") ? false : "script of util-linux is not installed, so there is no terminal here";

/** The environment of a person's terminal who has no wishes, or these. */
const env = (more) => {
  const { NO_COLOR: _, FORCE_COLOR: __, NODE_DISABLE_COLORS: ___, ...rest } = environment();
  return { ...rest, TERM: "xterm", SHELL: "/bin/sh", ...more };
};

/** The command line on a terminal: what was seen there, and how it ended. `seen` is told of all so far, and may type. */
function onTerminal(args, { seen = () => {}, ...options } = {}) {
  const quoted = [process.execPath, main, ...args].map((arg) => `'${arg.replaceAll("'", "'\\''")}'`).join(" ");
  return new Promise((resolve, reject) => {
    // The pipe is kept open: its end would be typed as Ctrl-D.
    const child = spawn("script", ["-qec", `exec ${quoted}`, "/dev/null"], { env: env(), ...options });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      output += text;
      seen(output, (typed) => child.stdin.write(typed));
    });
    child.stdin.on("error", () => {});
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
  });
}

const BAR = /\r\u001b\[2K(scan|read)/;
const COLOUR = /\u001b\[\d+m/;

test("on a terminal there are colours and a bar, and NO_COLOR takes the colours off", { skip }, async () => {
  const { laptop } = laptopAndCloud();
  for (const [wish, colours] of [[{}, true], [{ NO_COLOR: "" }, true], [{ NO_COLOR: "1" }, false], [{ TERM: "dumb" }, false]]) {
    const { code, output } = await onTerminal(["plan", laptop], { env: env(wish) });
    const told = `${JSON.stringify(wish)}: ${JSON.stringify(output)}`;
    assert.equal(code, 0, told);
    assert.equal(COLOUR.test(output), colours, told);
    assert.match(output, BAR, told);
    assert.match(output, /untracked notes\.txt/, told);
  }
  const quiet = await onTerminal(["plan", laptop, "--quiet"]);
  assert.doesNotMatch(quiet.output, BAR);
  assert.match(quiet.output, COLOUR);
});

test("a pipe has neither", async () => {
  const { laptop } = laptopAndCloud();
  const { code, stdout, stderr } = await run([main, "plan", laptop], { env: env() });
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /untracked notes\.txt/);
  assert.doesNotMatch(stdout, /[\r\u001b]/);
});

/** A checkout that takes a second or more to capture, and room beside it. Its files have no content on the disk. */
function large() {
  const { dir, laptop } = laptopAndCloud();
  for (let number = 0; number < 8; number += 1) {
    const file = path.join(laptop, `large-${number}.bin`);
    fs.writeFileSync(file, "");
    fs.truncateSync(file, 100 * 1024 * 1024);
  }
  const out = path.join(dir, "out");
  const tmp = temporary();
  fs.mkdirSync(out);
  const nothingLeft = () => assert.deepEqual([fs.readdirSync(out), fs.readdirSync(tmp)], [[], []]);
  return { args: ["capture", laptop, "-o", path.join(out, "work.handoff")], env: env({ TMPDIR: tmp }), nothingLeft };
}

test("Ctrl-C typed on the terminal ends a capture with 130, and nothing is left behind", { skip }, async () => {
  const { args, nothingLeft, ...options } = large();
  let typed = false;
  const seen = (output, type) => {
    if (typed || !BAR.test(output)) return;
    typed = true;
    type("\u0003");
  };
  const { code, output } = await onTerminal(args, { ...options, seen });
  assert.ok(typed, output);
  assert.equal(code, 130, output);
  assert.match(output, /cancelled.*; nothing is left behind/);
  nothingLeft();
});

test("the signal alone does the same, with no terminal", async () => {
  const { args, nothingLeft, ...options } = large();
  // Progress is shown on terminals only, so the process takes its pipe for one.
  const hook = path.join(temporary(), "terminal.cjs");
  fs.writeFileSync(hook, "process.stderr.isTTY = true;");
  for (const signal of ["SIGINT", "SIGTERM"]) {
    let begun = false;
    const started = (child) =>
      child.stderr.on("data", (text) => {
        if (begun || !BAR.test(text)) return;
        begun = true;
        child.kill(signal);
      });
    const done = await run(["--require", hook, main, ...args], { ...options, started });
    assert.ok(begun, done.stderr);
    assert.deepEqual([done.code, done.signal, done.stdout], [130, null, ""], done.stderr);
    assert.match(done.stderr, /cancelled.*; nothing is left behind/);
    nothingLeft();
  }
});
