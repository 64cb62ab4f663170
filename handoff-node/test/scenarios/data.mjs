// Public values as plain JSON, with the format's names.

import { plainBytes } from "./case.mjs";

const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
/** What is in these is the host's own, names too. */
const OPAQUE = new Set(["body", "budget", "usage", "variables", "left", "extra"]);

/** A public value, field by field. */
export function data(value) {
  if (value instanceof Uint8Array) return plainBytes(Buffer.from(value));
  if (Array.isArray(value)) return value.map((item) => data(item) ?? null);
  if (value === null || typeof value !== "object") return value;
  const out = {};
  for (const [key, item] of Object.entries(value)) out[snake(key)] = OPAQUE.has(key) ? item : data(item);
  // Text in `path`, and exactly in `pathBytes`.
  if (value.pathBytes instanceof Uint8Array) out.path = plainBytes(value.pathBytes);
  return out;
}

export const messageData = (message) => data(message);

const withoutFiles = ({ files, ...rest }) => rest;

export function reportData(report) {
  const files = report.files;
  const outcomes = [...new Set(files.map((file) => file.outcome))];
  return {
    action: report.action,
    apply_id: report.applyId,
    snapshot: report.snapshot,
    verdict: report.verdict,
    repos: report.repos.map((repo) => data(withoutFiles(repo))),
    loose: report.loose && data(withoutFiles(report.loose)),
    files: data(files),
    counts: Object.fromEntries(outcomes.map((outcome) => [outcome, report.count(outcome)])),
    text: String(report),
    whole: report.toJSON(),
  };
}

export function snapshotData(snapshot) {
  const repos = snapshot.manifest.repos.map(({ entries, omissions, ...repo }) => repo);
  return {
    id: snapshot.id,
    partial: snapshot.partial,
    format: snapshot.manifest.format,
    repos,
    entries: data(snapshot.entries),
    omissions: data(snapshot.omissions),
  };
}

/** An error. How an argument is wrong is said in each language's own words. */
export function errorData(error, step) {
  const { message, argument, ...more } = error.toJSON();
  const told = error.kind === "invalid_argument" || step.startsWith("storage.") ? {} : { message };
  return { ...more, ...told, argument: argument && snake(argument) };
}
