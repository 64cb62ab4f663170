// The same types through `require`. Compiled, never run.

import handoff = require("handoff-node");
import { Workspace, capture } from "handoff-node";
import { checkStorage } from "handoff-node/testing";

async function main(): Promise<string> {
  const snapshot: handoff.Snapshot = await capture(await Workspace.open("app"));
  const report = await checkStorage(new handoff.MemoryStorage());
  return report.passed ? snapshot.id : String(report);
}

void main();
