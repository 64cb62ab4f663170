// Scenarios that every language runs: read, laid out on disk, compared with what they expect, written down.
// conformance/README.md describes their form; steps.mjs has what a step does.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

import { home } from "../support.mjs";

const CASES = path.join(path.dirname(home), "conformance", "cases");

/** Refuses keys that are not known, so that a slip is not passed over. */
export function only(given, known, what) {
  const unknown = Object.keys(given).filter((key) => !known.split(" ").includes(key));
  if (unknown.length > 0) throw new Error(`${what} has unknown keys: ${unknown.join(", ")}`);
}

/** All of them, in order of file and place. */
export function scenarios() {
  const files = fs.readdirSync(CASES).filter((name) => name.endsWith(".json")).sort();
  return files.flatMap((name) => [...read(path.join(CASES, name))]);
}

function* read(file) {
  const area = path.basename(file, ".json");
  const { format, templates = {}, cases, ...more } = JSON.parse(fs.readFileSync(file, "utf8"));
  only(more, "about", area);
  if (format !== 1) throw new Error(`${area} has format ${format}, this runner reads 1`);
  for (const one of cases) {
    only(one, "name about repos then steps rows", `a case of ${area}`);
    for (const row of one.rows ?? [{}]) {
      const used = new Set(["row"]);
      const [repos = {}, then = [], steps] = [one.repos, one.then, one.steps].map((part) => filled(part, row, used));
      const unused = Object.keys(row).filter((key) => !used.has(key));
      if (unused.length > 0) throw new Error(`${one.name}: the row has values that no place takes: ${unused.join(", ")}`);
      const name = row.row === undefined ? one.name : `${one.name}: ${row.row}`;
      if (!steps.some((step) => "expect" in step || "error" in step)) throw new Error(`${name} expects nothing`);
      yield { area, name, templates, repos, then, steps };
    }
  }
}

/** `value` with the row's values in its places; a value of null takes its member away. */
function filled(value, row, used) {
  if (typeof value === "string" && value.startsWith("${") && value.endsWith("}")) {
    const name = value.slice(2, -1);
    if (!(name in row)) throw new Error(`no value for ${value}`);
    used.add(name);
    return row[name] ?? undefined;
  }
  if (Array.isArray(value)) return value.map((item) => filled(item, row, used)).filter((item) => item !== undefined);
  if (value === null || typeof value !== "object") return value;
  const members = Object.entries(value).map(([key, item]) => [key, filled(item, row, used)]);
  return Object.fromEntries(members.filter(([, item]) => item !== undefined));
}

// ---- on disk

function environment() {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("GIT_"));
  const [name, email, date] = ["Ana", "ana@example.invalid", "2026-01-02T03:04:05Z"];
  return {
    ...Object.fromEntries(kept),
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_CONFIG_SYSTEM: "/dev/null",
    GIT_AUTHOR_NAME: name,
    GIT_AUTHOR_EMAIL: email,
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_NAME: name,
    GIT_COMMITTER_EMAIL: email,
    GIT_COMMITTER_DATE: date,
  };
}

/** What git prints, run as nobody in particular. */
export const git = (at, ...args) =>
  execFileSync("git", args, { cwd: at, env: environment(), stdio: ["ignore", "pipe", "pipe"] });

/** All of a directory, as it is. */
export const copy = (from, to) => execFileSync("cp", ["-a", from, to]);

/** Repositories that scenarios start from, each made once. */
export class Templates {
  #root;
  #made = new Map();

  constructor(root) {
    this.#root = root;
  }

  /** A repository with `actions` done, at `to`. */
  copy(actions, to) {
    const key = JSON.stringify(actions);
    let at = this.#made.get(key);
    if (at === undefined) {
      at = path.join(this.#root, String(this.#made.size));
      fs.mkdirSync(at, { recursive: true });
      const options = actions[0]?.init;
      git(at, "init", "-q", "-b", "main", "--template=", ...(options ?? []));
      run(at, options ? actions.slice(1) : actions);
      // So that no copy is so young that git's index cannot tell.
      const old = ["touch", "-h", "-d", "2026-01-01T00:00:00Z", "{}", "+"];
      execFileSync("find", [".", "-path", "./.git", "-prune", "-o", "-exec", ...old], { cwd: at });
      this.#made.set(key, at);
    }
    copy(at, to);
  }
}

const MODES = { executable: 0o755, regular: 0o644 };

/** Names may be bytes, so paths here are. */
const below = (at, name) => Buffer.concat([Buffer.from(`${at}/`), Buffer.from(name)]);
const parent = (file) => file.subarray(0, file.lastIndexOf("/"));

/** Changes files below `at`. */
export function run(at, actions) {
  const place = (name) => below(at, nameOf(name));
  const inPlace = (name) => {
    const file = place(name);
    fs.mkdirSync(parent(file), { recursive: true });
    return file;
  };
  for (const action of actions) {
    if ("write" in action) {
      only(action, "write text base64 times mode", "an action");
      const file = inPlace(action.write);
      fs.writeFileSync(file, contentOf(action));
      fs.chmodSync(file, MODES[action.mode ?? "regular"]);
    } else if ("delete" in action) {
      only(action, "delete", "an action");
      fs.rmSync(place(action.delete).toString(), { recursive: true });
    } else if ("move" in action) {
      only(action, "move to", "an action");
      fs.renameSync(place(action.move), inPlace(action.to));
    } else if ("link" in action) {
      only(action, "link to", "an action");
      fs.symlinkSync(action.to, inPlace(action.link));
    } else if ("dir" in action) {
      only(action, "dir", "an action");
      fs.mkdirSync(place(action.dir), { recursive: true });
    } else if ("mode" in action) {
      only(action, "mode of", "an action");
      fs.chmodSync(place(action.of), MODES[action.mode]);
    } else if ("pipe" in action) {
      only(action, "pipe", "an action");
      execFileSync("mkfifo", [place(action.pipe).toString()]);
    } else if ("git" in action) {
      only(action, "git", "an action");
      git(at, ...action.git);
    } else {
      throw new Error(`no action is ${JSON.stringify(action)}`);
    }
  }
}

/** A path: text, or bytes where it is not UTF-8. */
export function nameOf(given) {
  if (typeof given === "string") return given;
  only(given, "base64", "a path");
  return Buffer.from(given.base64, "base64");
}

/** A content: `text` or `base64`, `times` over. */
export function contentOf(given) {
  const once = "base64" in given ? Buffer.from(given.base64, "base64") : Buffer.from(given.text);
  return Buffer.concat(Array(given.times ?? 1).fill(once));
}

/** Every file below `at` as it is on disk, but for git's own and ours. */
export function tree(at) {
  const found = [];
  const walk = (prefix) => {
    const here = prefix === undefined ? Buffer.from(at) : below(at, prefix);
    const names = fs.readdirSync(here, { encoding: "buffer" }).filter((name) => ![".git", ".handoff"].includes(name.toString()));
    for (const name of names) {
      const whole = prefix === undefined ? name : Buffer.concat([prefix, Buffer.from("/"), name]);
      const file = below(at, whole);
      const stat = fs.lstatSync(file);
      if (stat.isSymbolicLink()) {
        const to = fs.readlinkSync(file, { encoding: "buffer" });
        found.push({ path: plainBytes(whole), kind: "symlink", content: plainBytes(to) });
      } else if (stat.isDirectory()) {
        walk(whole);
      } else {
        const kind = stat.mode & 0o100 ? "executable" : "regular";
        found.push({ path: plainBytes(whole), kind, content: plainBytes(fs.readFileSync(file)) });
      }
    }
    if (names.length === 0 && prefix !== undefined) found.push({ path: plainBytes(prefix), kind: "directory" });
  };
  walk();
  const order = (one) => JSON.stringify(one.path);
  return found.sort((a, b) => (order(a) < order(b) ? -1 : 1));
}

// ---- as data

/** Text where it is UTF-8, else the form that JSON has for bytes. */
export function plainBytes(bytes) {
  const text = bytes.toString();
  return Buffer.from(text).equals(bytes) ? text : { base64: bytes.toString("base64") };
}

/** `value` without what is empty, and with the scenario's directory called `@`. */
export function slim(value, root) {
  if (typeof value === "string") return value.replaceAll(root, "@");
  if (Array.isArray(value)) return value.map((item) => slim(item ?? null, root));
  if (value === null || typeof value !== "object") return value ?? null;
  const members = Object.entries(value).map(([key, item]) => [key, slim(item, root)]);
  return Object.fromEntries(members.filter(([, item]) => !empty(item)));
}

/** Absent, false, zero, and what has nothing in it, are one. */
function empty(value) {
  if (value === undefined || value === null || value === false || value === 0 || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/** Where `found` is not as `expected`, which may say less; undefined where it is. */
export function mismatch(expected, found, named, place = "") {
  const shown = () => JSON.stringify(found ?? null);
  if (expected !== null && typeof expected === "object" && !Array.isArray(expected)) {
    const [[word, given] = ["", undefined], ...more] = Object.entries(expected);
    if (word.startsWith("$") && more.length === 0) return special(word, given, found, named, place);
  }
  const plain = expected !== null && typeof expected === "object" && !Array.isArray(expected);
  if (!plain && empty(expected)) return empty(found) ? undefined : `${place} is ${shown()}, not empty`;
  if (Array.isArray(expected)) {
    if (!Array.isArray(found) || found.length !== expected.length) {
      return `${place} is ${shown()}, not ${JSON.stringify(expected)}`;
    }
    return first(expected.entries(), ([at, want]) => mismatch(want, found[at], named, `${place}[${at}]`));
  }
  if (plain) {
    if (!empty(found) && (typeof found !== "object" || Array.isArray(found))) return `${place} is ${shown()}, no object`;
    return first(Object.entries(expected), ([key, want]) => mismatch(want, found?.[key], named, `${place}.${key}`));
  }
  return expected === found ? undefined : `${place} is ${shown()}, not ${JSON.stringify(expected)}`;
}

function first(items, why) {
  for (const item of items) {
    const found = why(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

function special(word, given, found, named, place) {
  const shown = JSON.stringify(found ?? null);
  const there = (want) => (found ?? []).some((item) => mismatch(want, item, named, place) === undefined);
  switch (word) {
    case "$text":
      return typeof found === "string" && found.includes(given) ? undefined : `${place} is ${shown}, without ${given}`;
    case "$count":
      return (found ?? []).length === given ? undefined : `${place} has ${(found ?? []).length} items, not ${given}`;
    case "$same": {
      const other = JSON.stringify(dig(named, given) ?? null);
      return other === shown ? undefined : `${place} is ${shown}, and $${given} is ${other}`;
    }
    case "$not":
      return mismatch(given, found, named, place) === undefined ? `${place} is ${shown}` : undefined;
    case "$has":
      return first(given, (want) => (there(want) ? undefined : `${place} lacks ${JSON.stringify(want)}: ${shown}`));
    case "$lacks":
      return first(given, (want) => (there(want) ? `${place} has ${JSON.stringify(want)}: ${shown}` : undefined));
    default:
      throw new Error(`no expectation is called ${word}`);
  }
}

/** What `name.member.0` stands for among the results that have names. */
export function dig(named, place) {
  const [name, ...rest] = place.split(".");
  if (!named.has(name)) throw new Error(`nothing is called ${name}`);
  return rest.reduce((found, part) => found?.[part], named.get(name));
}

// ---- written down

/** Compact JSON with sorted members. */
function sorted(value) {
  if (Array.isArray(value)) return `[${value.map(sorted).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const order = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));
  const members = Object.keys(value).sort(order).map((key) => `${JSON.stringify(key)}:${sorted(value[key])}`);
  return `{${members.join(",")}}`;
}

/** One line of a transcript. */
export const line = ({ area, name }, step, result) => `${area}/${name}\t${step}\t${sorted(result)}\n`;

/** `text` with ids numbered in the order in which they come, and without times, random keys and places in lists. */
export function masked(text) {
  const known = new Map();
  const number = (id) => {
    if (!known.has(id)) known.set(id, `<${id[0]}${known.size + 1}>`);
    return known.get(id);
  };
  return text
    .replace(/(?<![0-9a-z])k\/[0-9a-f]{2}\/[0-9a-f]{40}/g, "<key>")
    .replace(/"next":"[^"]*"/g, '"next":"<next>"')
    .replace(/(?<![0-9a-z])[a-z][0-9a-f]{32}(?![0-9a-z])/g, number)
    .replace(/(?<![0-9a-z"])1[0-9]{12}(?![0-9a-z])/g, '"<time>"');
}
