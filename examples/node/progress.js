// Progress three ways: a loop over an operation, a callback, and a button that stops it.

import fs from "node:fs";
import path from "node:path";
import { Workspace, capture } from "handoff-node";
import { stage, write } from "./stage.js";

const { laptop } = stage();
for (let number = 0; number < 200; number += 1) write(laptop, `note-${number}.txt`, `${number}\n`);
const workspace = await Workspace.open(laptop);

// The total is 0 while nobody knows it.
const phases = new Set();
const operation = capture(workspace);
for await (const { phase, done, total } of operation) {
  phases.add(phase);
  if (process.stderr.isTTY) process.stderr.write(`\r${phase} ${done}/${total || "?"} `);
}
console.log(`phases: ${[...phases].join(" ")}`);
console.log(`${(await operation).entries.length} changes`);

// The same as a callback, on this thread, for a bar of your own.
let most = 0;
await capture(workspace, { onProgress: ({ done }) => (most = Math.max(most, done)) });
console.log(`watched up to ${most} files`);

// An hour of quiet is asked for, which Ana's files have not had; so only the button ends it.
fs.utimesSync(path.join(laptop, "todo.md"), new Date(), new Date());
const button = new AbortController();
const stopped = capture(workspace, { quiet: 3_600_000, signal: button.signal });
for await (const { phase } of stopped) if (phase === "read") button.abort(new Error("enough"));
await stopped.catch((error) => console.log(`stopped: ${error.message}`));
