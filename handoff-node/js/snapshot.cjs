"use strict";
// An immutable state of a workspace.

const { Held, KEY, call, onlyOurs } = require("./handle.cjs");
const { HANDLE } = require("./wire.cjs");
const { Pathed, camel, content, instance, path, pathText, text } = require("./value.cjs");

/** One changed path that is carried. */
class Entry extends Pathed {}
/** A changed path that is not carried. */
class Omission extends Pathed {}
/** One changed path between two snapshots. */
class Change extends Pathed {}

const control = (given) => ({ signal: given?.signal, onProgress: given?.onProgress });

/** What is read when it is asked for need not be told before. */
const BRIEF = { manifest: "without" };

class Snapshot extends Held {
  #manifest;
  #entries;
  #omissions;

  constructor(key, answer) {
    onlyOurs(key, "Snapshot");
    super(answer.handle);
    this.id = answer.id;
    this.partial = answer.partial ?? undefined;
    this.#manifest = answer.manifest;
  }

  get manifest() {
    this.#manifest ??= JSON.parse(this[HANDLE]("snapshot").manifest());
    return this.#manifest;
  }

  static open(file, given) {
    const make = (answer) => new Snapshot(KEY, answer);
    return call("snapshot.open", () => ({ ...BRIEF, path: path(file, "path") }), control(given), make, camel);
  }

  static fromBytes(bytes, given) {
    const make = (answer) => new Snapshot(KEY, answer);
    return call("snapshot.from_bytes", () => ({ ...BRIEF, body: content(bytes, "bytes") }), control(given), make, camel);
  }

  get entries() {
    this.#entries ??= this.#all("entries", "loose_files", (repo, entry) => {
      const { flags = {}, ...fields } = camel(entry);
      return new Entry({ repo, ...fields, flags });
    });
    return this.#entries;
  }

  get omissions() {
    const make = (repo, omission) => new Omission({ repo, ...camel(omission) });
    this.#omissions ??= this.#all("omissions", "loose_omissions", make);
    return this.#omissions;
  }

  #all(inRepos, loose, make) {
    const out = [];
    for (const repo of this.manifest.repos) for (const item of repo[inRepos] ?? []) out.push(make(repo.name, item));
    for (const item of this.manifest[loose] ?? []) out.push(make("", item));
    return Object.freeze(out);
  }

  read(repo, file, layer) {
    const prepare = () => ({ snapshot: this, repo: text(repo, "repo"), path: path(file, "path"), layer });
    return call("snapshot.read", prepare, {}, (answer, body) => body ?? null);
  }

  diff(newer) {
    const prepare = () => ({ snapshot: this, newer: instance(newer, Snapshot, "newer") });
    return call("snapshot.diff", prepare, {}, diff);
  }

  diffBase() {
    return call("snapshot.diff_base", () => ({ snapshot: this }), {}, diff);
  }

  since(base) {
    const prepare = () => ({ snapshot: this, base: instance(base, Snapshot, "base") });
    return call("snapshot.since", prepare, {}, (answer) => new Snapshot(KEY, answer));
  }

  save(file, given) {
    const nothing = () => undefined;
    return call("snapshot.save", () => ({ snapshot: this, path: path(file, "path") }), control(given), nothing, camel);
  }

  toBytes() {
    return call("snapshot.to_bytes", () => ({ snapshot: this }), {}, (answer, body) => body);
  }

  verify(given) {
    return call("snapshot.verify", () => ({ snapshot: this }), control(given), () => undefined, camel);
  }

  toJSON() {
    return { id: this.id, manifest: this.manifest };
  }
}

function diff(answer, body) {
  const repos = answer.repos.map((repo) => ({
    repo: repo.repo,
    changes: repo.changes.map((change) => new Change(camel(change))),
    unknown: repo.unknown.map(pathText),
    sameHead: repo.same_head,
  }));
  return { repos, unified: body ?? Buffer.alloc(0), toString: () => (body ?? "").toString() };
}

module.exports = { BRIEF, Change, Entry, Omission, Snapshot };
