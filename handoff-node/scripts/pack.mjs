// Makes the tarballs that are published: the package itself, and one for each binary that is here.
//
//   node scripts/pack.mjs [--from DIR] [--out DIR] [--single]
//
// --from: where the binaries are, if not beside package.json.
// --single: one tarball with this platform's binary inside, for machines without a registry.

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const home = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const root = path.dirname(home);
const { PLATFORMS } = createRequire(import.meta.url)("../js/platform.cjs");
const { values } = parseArgs({
  options: { from: { type: "string" }, out: { type: "string" }, single: { type: "boolean", default: false } },
});
const from = path.resolve(values.from ?? home);
const out = path.resolve(values.out ?? path.join(root, "target", "npm"));

const manifest = JSON.parse(readFileSync(path.join(home, "package.json"), "utf8"));
const binaries = readdirSync(from).filter((name) => /^handoff\..*\.node$/.test(name));
if (binaries.length === 0) {
  console.error("there is no binary here; node scripts/build.mjs --release makes one");
  process.exit(1);
}
mkdirSync(out, { recursive: true });
const scratch = mkdtempSync(path.join(os.tmpdir(), "handoff-pack-"));
try {
  pack("main", main(), ["js", "README.md", ...(values.single ? binaries : [])]);
  if (!values.single) for (const binary of binaries) pack(binary, platform(binary), [binary]);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** The package as it is published: no tools for building, and the binaries as optional packages. */
function main() {
  const { scripts, devDependencies, ...published } = manifest;
  if (values.single) return published;
  const optional = PLATFORMS.map((name) => [`${manifest.name}-${name}`, manifest.version]);
  return { ...published, files: published.files.filter((file) => file !== "*.node"), optionalDependencies: Object.fromEntries(optional) };
}

/** The package of one binary. npm installs only the one whose system, processor and C library fit. */
function platform(binary) {
  const name = binary.split(".")[1];
  const [system, cpu, libc] = name.split("-");
  const { version, license, engines } = manifest;
  return {
    name: `${manifest.name}-${name}`,
    version,
    description: `The binary of ${manifest.name} for ${name}`,
    license,
    engines,
    main: binary,
    files: [binary, "LICENSE-MIT", "LICENSE-APACHE"],
    os: [system],
    cpu: [cpu],
    ...(libc && { libc: [libc === "gnu" ? "glibc" : libc] }),
  };
}

function pack(folder, description, files) {
  const dir = path.join(scratch, folder);
  mkdirSync(dir);
  for (const file of files) {
    const source = path.join(binaries.includes(file) ? from : home, file);
    if (existsSync(source)) cpSync(source, path.join(dir, file), { recursive: true });
  }
  for (const licence of ["LICENSE-MIT", "LICENSE-APACHE"]) cpSync(path.join(root, licence), path.join(dir, licence));
  writeFileSync(path.join(dir, "package.json"), `${JSON.stringify(description, undefined, 2)}\n`);
  const printed = execFileSync("npm", ["pack", "--json", "--pack-destination", out, dir], { encoding: "utf8" });
  const [{ filename, size }] = JSON.parse(printed);
  console.log(`${path.join(out, filename)}  ${(size / 1024 / 1024).toFixed(2)} MiB`);
}
