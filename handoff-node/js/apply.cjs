"use strict";
// Applying, previewing, undoing, and the report of it.

const { KEY, call, onlyOurs } = require("./handle.cjs");
const { Pathed, camel, instance, options, pathText, snake, text } = require("./value.cjs");
const { Snapshot } = require("./snapshot.cjs");
const { Workspace } = require("./workspace.cjs");

/** One path's fate. */
class FileReport extends Pathed {
  constructor(repo, file) {
    const { at, incoming, notes = [], auto_run: autoRun = false, ...fields } = file;
    super({ repo, ...camel(fields), autoRun, notes });
    if (at !== undefined) this.at = pathText(at);
    if (incoming !== undefined) this.incoming = pathText(incoming);
  }
}

class ApplyReport {
  #wire;
  #text;
  #files;

  constructor(key, wire, words) {
    onlyOurs(key, "ApplyReport");
    this.#wire = wire;
    this.#text = words ?? "";
    this.action = wire.action;
    this.applyId = wire.apply_id ?? undefined;
    this.snapshot = wire.snapshot;
    this.verdict = wire.verdict;
    this.repos = wire.repos.map(({ files, ...repo }) => ({
      findings: [],
      ...camel(repo),
      target: pathText(repo.target),
      files: files.map((file) => new FileReport(repo.name, file)),
    }));
    const { files, ...loose } = wire.loose ?? {};
    this.loose = files && {
      findings: [],
      ...camel(loose),
      target: pathText(loose.target),
      files: files.map((file) => new FileReport("", file)),
    };
  }

  get files() {
    this.#files ??= Object.freeze([...this.repos.flatMap((repo) => repo.files), ...(this.loose?.files ?? [])]);
    return this.#files;
  }

  count(outcome) {
    return this.files.filter((file) => file.outcome === outcome).length;
  }

  toString() {
    return this.#text;
  }

  toJSON() {
    return this.#wire;
  }
}

const control = (given) => ({ signal: given?.signal, onProgress: given?.onProgress });
const report = (answer) => new ApplyReport(KEY, answer.report, answer.text);

function applying(op, snapshot, workspace, given) {
  const prepare = () => ({
    snapshot: instance(snapshot, Snapshot, "snapshot"),
    workspace: instance(workspace, Workspace, "workspace"),
    ...snake(options(given).rest),
  });
  return call(op, prepare, control(given), report, camel);
}

const preview = (snapshot, workspace, given) => applying("preview", snapshot, workspace, given);
const apply = (snapshot, workspace, given) => applying("apply", snapshot, workspace, given);

function undo(workspace, applyId, given) {
  const prepare = () => ({
    workspace: instance(workspace, Workspace, "workspace"),
    apply_id: text(applyId, "applyId"),
    ...snake(options(given).rest),
  });
  return call("undo", prepare, control(given), report, camel);
}

module.exports = { ApplyReport, FileReport, apply, preview, report, undo };
