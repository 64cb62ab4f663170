"use strict";
// Listing and taking the uncommitted state of a workspace.

const { KEY, call } = require("./handle.cjs");
const { Pathed, camel, instance, options, path, snake } = require("./value.cjs");
const { asRules } = require("./secrets.cjs");
const { BRIEF, Omission, Snapshot } = require("./snapshot.cjs");
const { Workspace } = require("./workspace.cjs");

/** One path of a plan. */
class PlannedFile extends Pathed {}

function prepared(workspace, given) {
  const { rest } = options(given);
  const { spoolDir, allowSecrets, secretRules, ...more } = rest;
  return {
    workspace: instance(workspace, Workspace, "workspace"),
    ...snake(more),
    allow_secrets: allowSecrets,
    secret_rules: asRules(secretRules, "secretRules"),
    spool_dir: spoolDir === undefined ? undefined : path(spoolDir, "spoolDir"),
  };
}

const control = (given) => ({ signal: given?.signal, onProgress: given?.onProgress });

function plan(workspace, given) {
  const make = (answer) => ({
    repos: answer.repos.map((repo) => ({
      name: repo.name,
      files: repo.files.map((file) => new PlannedFile(camel(file))),
      omissions: repo.omissions.map((omission) => new Omission({ repo: repo.name, ...camel(omission) })),
      history: repo.history ? camel({ ...repo.history, left_out: repo.history.left_out ?? undefined }) : undefined,
      failed: camel(repo.failed) ?? undefined,
    })),
    looseFiles: (answer.loose_files ?? []).map((file) => new PlannedFile(camel(file))),
    looseOmissions: (answer.loose_omissions ?? []).map((omission) => new Omission({ repo: "", ...camel(omission) })),
  });
  return call("plan", () => prepared(workspace, given), control(given), make, camel);
}

function capture(workspace, given) {
  const make = (answer) => new Snapshot(KEY, answer);
  return call("capture", () => ({ ...prepared(workspace, given), ...BRIEF }), control(given), make, camel);
}

module.exports = { PlannedFile, capture, plan };
