// Builds the addon for development, packs the package as it is published, and installs the tarballs offline in an empty
// folder, where the tests find it: what they use is what a user has, and nothing of this checkout. Done again only when
// one of the files that go into it has changed.
//
//   node scripts/install.mjs

import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, lstatSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const home = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const place = path.join(path.dirname(home), "target", "node");
const [addon, lean, packed, app, stamp] = ["addon", "lean", "packed", "app", "stamp"].map((name) => path.join(place, name));
const MODULES = path.join(app, "node_modules");

const script = (name, ...args) => execFileSync(process.execPath, [path.join(home, "scripts", name), ...args], { stdio: "inherit" });

mkdirSync(addon, { recursive: true });
script("build.mjs", "--out", addon);
const wanted = state();
if (read(stamp) !== wanted) {
  for (const old of [stamp, lean, packed, app]) rmSync(old, { recursive: true, force: true });
  for (const fresh of [lean, app]) mkdirSync(fresh);
  for (const name of readdirSync(addon)) slim(path.join(addon, name), path.join(lean, name));
  script("pack.mjs", "--from", lean, "--out", packed);
  writeFileSync(path.join(app, "package.json"), '{"name":"app","private":true}\n');
  const tarballs = readdirSync(packed).map((name) => path.join(packed, name));
  // Offline, because there is nothing to fetch: the binaries of other platforms are optional.
  const options = ["--offline", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"];
  execFileSync("npm", ["install", ...options, ...tarballs], { cwd: app, stdio: "inherit" });
  writeFileSync(stamp, wanted);
}
// The tests and those of the types look for packages beside themselves first.
for (const folder of ["test", "types-test"]) {
  const link = path.join(home, folder, "node_modules");
  if (lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink()) continue;
  symlinkSync(path.relative(path.dirname(link), MODULES), link);
}
console.log(path.join(MODULES, "handoff-node"));

/** Everything that goes into the tarballs: the addon by its size and time, which building keeps when nothing changed. */
function state() {
  const hash = createHash("sha256").update(process.version);
  const names = ["package.json", "README.md", "scripts/pack.mjs", "scripts/install.mjs", "../LICENSE-MIT", "../LICENSE-APACHE"];
  const js = readdirSync(path.join(home, "js"), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  names.push(...js.map((entry) => path.relative(home, path.join(entry.parentPath ?? entry.path, entry.name))).sort());
  for (const name of names) hash.update(`${name}\0`).update(readFileSync(path.join(home, name))).update("\0");
  for (const name of readdirSync(addon).sort()) {
    const { size, mtime } = lstatSync(path.join(addon, name));
    hash.update(`${name}\0${size}\0${mtime.getTime()}\0`);
  }
  return hash.digest("hex");
}

function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/** A copy without what only a debugger reads: that is more than half of it, and packing it would take longest here. */
function slim(from, to) {
  if (spawnSync("strip", ["--strip-debug", "-o", to, from]).status !== 0) copyFileSync(from, to);
}
