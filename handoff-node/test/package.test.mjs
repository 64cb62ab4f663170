// The package as it is: one implementation for import and require, complete types, one version, and tarballs that install.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { test } from "node:test";
import * as esm from "handoff-node";
import * as testing from "handoff-node/testing";
import { home, run, temporary } from "./support.mjs";

const require = createRequire(import.meta.url);
const cjs = require("handoff-node");
const manifest = require("handoff-node/package.json");

test("import and require give the same objects", () => {
  assert.deepEqual(Object.keys(esm).sort(), Object.keys(cjs).sort());
  for (const [name, value] of Object.entries(esm)) assert.equal(value, cjs[name], name);
  assert.deepEqual(Object.keys(testing).sort(), Object.keys(require("handoff-node/testing")).sort());
});

test("every public name has a type with a comment", () => {
  const declared = new Set();
  const bare = [];
  for (const file of fs.readdirSync(path.join(home, "js")).filter((name) => name.endsWith(".d.cts"))) {
    const lines = fs.readFileSync(path.join(home, "js", file), "utf8").split("\n");
    for (const [number, line] of lines.entries()) {
      const [, name] = /^export (?:declare )?(?:abstract )?(?:class|function|const|interface|type) (\w+)/.exec(line) ?? [];
      if (!name) continue;
      declared.add(name);
      if (!lines[number - 1].trim().endsWith("*/")) bare.push(`${file}: ${name}`);
    }
  }
  assert.deepEqual(bare, []);
  assert.deepEqual([...Object.keys(cjs), ...Object.keys(testing)].filter((name) => !declared.has(name)), []);
});

test("one version everywhere", () => {
  const workspace = fs.readFileSync(path.join(home, "..", "Cargo.toml"), "utf8");
  const [, version] = /^version = "(.*)"$/m.exec(workspace);
  assert.equal(manifest.version, version);
  assert.equal(cjs.version, version);
  assert.equal(JSON.parse(fs.readFileSync(path.join(home, "package-lock.json"), "utf8")).version, version);
});

test("no dependencies at run time, and a lock file that names no registry", () => {
  assert.equal(manifest.dependencies, undefined);
  assert.doesNotMatch(fs.readFileSync(path.join(home, "package-lock.json"), "utf8"), /"resolved"|https?:/);
});

const npm = (cwd, ...args) =>
  execFileSync("npm", [...args, "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd,
    encoding: "utf8",
    env: { ...process.env, npm_config_cache: path.join(cwd, ".cache"), npm_config_update_notifier: "false" },
  });

/** A directory with the binary, without what only a debugger reads: that is half of it, and packing it takes longest here. */
function lean(dir) {
  const from = path.join(dir, "binaries");
  fs.mkdirSync(from);
  for (const name of fs.readdirSync(home).filter((name) => name.endsWith(".node"))) {
    execFileSync("strip", ["--strip-debug", "-o", path.join(from, name), path.join(home, name)]);
  }
  return from;
}

/** Installs what `scripts/pack.mjs` makes into an empty folder, and uses it from both kinds of module. */
async function installs(...options) {
  const dir = temporary();
  const made = path.join(dir, "made");
  const { code, stderr } = await run(["scripts/pack.mjs", "--from", lean(dir), "--out", made, ...options]);
  assert.equal(code, 0, stderr);
  const app = path.join(dir, "app");
  fs.mkdirSync(app);
  fs.writeFileSync(path.join(app, "package.json"), '{"name":"app","private":true}');
  // Offline, because there is nothing to fetch: the binaries of other platforms are optional.
  npm(app, "install", "--offline", "--ignore-scripts", ...fs.readdirSync(made).map((name) => path.join(made, name)));
  const script = `
    import { MemoryStorage, version } from "handoff-node";
    import { createRequire } from "node:module";
    const same = createRequire(import.meta.url)("handoff-node").MemoryStorage === MemoryStorage;
    console.log(version, same, await new MemoryStorage().putNew("a", "x"));
  `;
  fs.writeFileSync(path.join(app, "use.mjs"), script);
  const used = await run(["use.mjs"], { cwd: app });
  assert.deepEqual([used.stderr, used.code, used.stdout], ["", 0, `${manifest.version} true created\n`]);
  const help = await run(["node_modules/.bin/handoff-node", "--version"], { cwd: app });
  assert.equal(help.stdout, `${manifest.version}\n`);
  return app;
}

test("the one tarball with its binary installs in an empty folder", () => installs("--single"));

test("the package and its platform's binary install in an empty folder; without the binary it says what to do", async () => {
  const app = await installs();
  const modules = path.join(app, "node_modules");
  for (const name of fs.readdirSync(modules)) if (name.startsWith("handoff-node-")) fs.rmSync(path.join(modules, name), { recursive: true });
  const { code, stderr } = await run(["use.mjs"], { cwd: app });
  assert.equal(code, 1);
  assert.match(stderr, /no binary that runs here/);
  assert.match(stderr, /--omit=optional/);
});

test("a release has an addon and wheels for every platform", () => {
  const { PLATFORMS } = require("../js/platform.cjs");
  const workflow = fs.readFileSync(path.join(home, "..", ".github", "workflows", "release.yml"), "utf8");
  const addons = [...workflow.matchAll(/\bplatform: ([\w-]+)/g)].map(([, name]) => name);
  assert.deepEqual(addons.sort(), [...PLATFORMS].sort());
  const wheels = [...workflow.matchAll(/\btarget: \w+, manylinux: "?(\w+)/g)];
  assert.equal(wheels.length, PLATFORMS.length);
  assert.match(workflow, /-i python3\.14t/);
  // The main package beside those of the platforms.
  assert.ok(workflow.includes(`= ${PLATFORMS.length + 1}\n`));
});
