"use strict";
// Everything that the package offers.

const { classes } = require("./errors.cjs");
const { CommandAgent } = require("./agent.cjs");
const { ApplyReport, apply, preview, undo } = require("./apply.cjs");
const { capture, plan } = require("./capture.cjs");
const { Conversations } = require("./conversation.cjs");
const { Handoff } = require("./handoff.cjs");
const { LocalRuntime, QueueRuntime, Sessions, work } = require("./runtime.cjs");
const { redactSecrets, scanSecrets, secretRules } = require("./secrets.cjs");
const { Session } = require("./session.cjs");
const { Snapshot } = require("./snapshot.cjs");
const { DirStorage, MemoryStorage, Snapshots } = require("./storage.cjs");
const { Workspace } = require("./workspace.cjs");
const { version } = require("../package.json");

module.exports = {
  ...classes,
  ApplyReport,
  CommandAgent,
  Conversations,
  DirStorage,
  Handoff,
  LocalRuntime,
  MemoryStorage,
  QueueRuntime,
  Session,
  Sessions,
  Snapshot,
  Snapshots,
  Workspace,
  apply,
  capture,
  plan,
  preview,
  redactSecrets,
  scanSecrets,
  secretRules,
  undo,
  version,
  work,
};
