// Work that is not committed, from one checkout to another, and back again if it was not wanted.

import path from "node:path";
import { Snapshot, Workspace, apply, capture, undo } from "handoff-node";
import { stage, status } from "./stage.js";

const { root, laptop, desk } = stage();

const operation = capture(await Workspace.open(laptop));
for await (const { phase, done, total } of operation) console.log(`${phase} ${done}/${total || "?"}`);
const snapshot = await operation;
const file = path.join(root, "work.handoff");
await snapshot.save(file);
console.log(`${snapshot.entries.length} changes in one file, ${snapshot.omissions.length} left out`);

const there = await Workspace.open(desk);
const report = await apply(await Snapshot.open(file), there);
console.log(String(report));
console.log(status(desk));

await undo(there, report.applyId);
console.log(`after undo: ${status(desk) || "clean"}`);
