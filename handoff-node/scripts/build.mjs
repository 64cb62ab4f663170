// Builds the addon with plain cargo and puts it beside package.json under its platform's name.
//
//   node scripts/build.mjs [--release] [--target TRIPLE] [--out FILE] [--if-source]
//
// --out: another file, or a directory to put it in.
// --if-source: do nothing where there is no Rust source, as in an installed package.

import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const home = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({
  options: {
    release: { type: "boolean", default: false },
    target: { type: "string" },
    out: { type: "string" },
    "if-source": { type: "boolean", default: false },
  },
});

if (values["if-source"] && !existsSync(path.join(home, "Cargo.toml"))) process.exit(0);

const args = ["build", "--locked", "-p", "handoff-node", "--message-format", "json-render-diagnostics"];
if (values.release) args.push("--profile", "dist");
if (values.target) args.push("--target", values.target);
const built = spawnSync(process.env.CARGO ?? "cargo", args, {
  cwd: path.dirname(home),
  stdio: ["ignore", "pipe", "inherit"],
  maxBuffer: 1 << 30,
  encoding: "utf8",
});
if (built.error) {
  console.error(`cargo could not be run (${built.error.message}); install Rust 1.88 or newer`);
  process.exit(1);
}
if (built.status !== 0) process.exit(built.status ?? 1);

const library = built.stdout
  .split("\n")
  .filter((line) => line.startsWith("{"))
  .map((line) => JSON.parse(line))
  .filter((message) => message.reason === "compiler-artifact" && message.target.name === "handoff_node")
  .flatMap((message) => message.filenames)
  .find((file) => /\.(so|dylib|dll)$/.test(file));
if (!library) {
  console.error("cargo built no library");
  process.exit(1);
}

const chosen = path.resolve(home, values.out ?? ".");
const into = statSync(chosen, { throwIfNoEntry: false })?.isDirectory();
const out = into ? path.join(chosen, `handoff.${platform()}.node`) : chosen;
const [made, there] = [library, out].map((file) => statSync(file, { throwIfNoEntry: false }));
if (made.size !== there?.size || made.mtime.getTime() !== there.mtime.getTime()) put();
console.log(out);

/** By rename, because a process that has the old file loaded must keep it. With cargo's time, by which it is known again. */
function put() {
  const fresh = `${out}.${process.pid}`;
  try {
    copyFileSync(library, fresh);
    utimesSync(fresh, made.atime, made.mtime);
    renameSync(fresh, out);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  }
}

/** The name of the platform that was built for. */
function platform() {
  if (!values.target) return createRequire(import.meta.url)("../js/platform.cjs").platform();
  const [arch, , system, libc] = values.target.split("-");
  const cpu = { x86_64: "x64", aarch64: "arm64" }[arch] ?? arch;
  if (system === "linux") return `linux-${cpu}-${libc}`;
  return `${system === "darwin" ? "darwin" : "win32"}-${cpu}`;
}
