// The package as it is: one implementation for import and require, complete types, one version, and tarballs that install.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { test } from "node:test";
import * as esm from "handoff-node";
import * as testing from "handoff-node/testing";
import { home, installed, run, temporary } from "./support.mjs";

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
  for (const file of fs.readdirSync(path.join(installed, "js")).filter((name) => name.endsWith(".d.cts"))) {
    const lines = fs.readFileSync(path.join(installed, "js", file), "utf8").split("\n");
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

const USE = `
  import { MemoryStorage, version } from "handoff-node";
  import { createRequire } from "node:module";
  const same = createRequire(import.meta.url)("handoff-node").MemoryStorage === MemoryStorage;
  console.log(version, same, await new MemoryStorage().putNew("a", "x"));
`;

/** Uses what was installed in a folder from both kinds of module, and its command line. */
async function works(app) {
  const used = await run(["--input-type=module", "--eval", USE], { cwd: app });
  assert.deepEqual([used.stderr, used.code, used.stdout], ["", 0, `${manifest.version} true created\n`]);
  const help = await run(["node_modules/.bin/handoff-node", "--version"], { cwd: app });
  assert.equal(help.stdout, `${manifest.version}\n`);
}

// As scripts/install.mjs has installed them, from tarballs in a folder that was empty.
const app = path.dirname(path.dirname(installed));

test("what the tests use is the package as it was installed, with this checkout's sources", async () => {
  assert.equal(path.basename(path.dirname(installed)), "node_modules");
  const tarballs = fs.readdirSync(path.join(path.dirname(app), "packed"));
  const [binary] = fs.readdirSync(path.dirname(installed)).filter((name) => name.startsWith("handoff-node-"));
  assert.deepEqual(tarballs.sort(), ["handoff-node", binary].map((name) => `${name}-${manifest.version}.tgz`).sort());
  for (const name of ["./test/any.mjs", "./types-test/any.mts"]) {
    assert.equal(createRequire(path.join(home, name)).resolve("handoff-node"), path.join(installed, "js", "index.cjs"));
  }
  const files = (dir) => fs.readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const texts = (dir) =>
    Object.fromEntries(
      files(dir).map(({ name, parentPath, path: at }) => {
        const file = path.join(parentPath ?? at, name);
        return [path.relative(dir, file), fs.readFileSync(file, "utf8")];
      }),
    );
  assert.deepEqual(texts(path.join(installed, "js")), texts(path.join(home, "js")));
  await works(app);
});

test("the one tarball with its binary installs in an empty folder", async () => {
  const dir = temporary();
  const made = path.join(dir, "made");
  const lean = path.join(path.dirname(app), "lean");
  const { code, stderr } = await run([path.join(home, "scripts/pack.mjs"), "--from", lean, "--out", made, "--single"]);
  assert.equal(code, 0, stderr);
  const empty = path.join(dir, "app");
  fs.mkdirSync(empty);
  fs.writeFileSync(path.join(empty, "package.json"), '{"name":"app","private":true}');
  npm(empty, "install", "--offline", "--ignore-scripts", ...fs.readdirSync(made).map((name) => path.join(made, name)));
  await works(empty);
});

test("without its platform's binary the package says what to do", async () => {
  const bare = temporary();
  fs.cpSync(installed, path.join(bare, "node_modules", "handoff-node"), { recursive: true });
  const { code, stderr } = await run(["--input-type=module", "--eval", USE], { cwd: bare });
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
