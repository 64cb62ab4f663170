// One run, three sessions, two machines that share nothing but a store: the conversation and the work go on.

import fs from "node:fs";
import path from "node:path";
import { DirStorage, Handoff, QueueRuntime, Workspace, work } from "handoff-node";
import { read, stage } from "./stage.js";

const { root, laptop, store, environments } = stage();
const ana = { actor: "ana" };

/** Adds what it is asked to the list, below what it finds there. */
const agent = {
  async run(session) {
    const [repo] = session.repos;
    fs.appendFileSync(path.join(repo, "todo.md"), `- ${session.prompt} (session ${session.number})\n`);
    await session.append(`The list has ${read(repo, "todo.md").trim().split("\n").length} lines now.`);
  },
};

const storage = new DirStorage(store);
// The hub only puts sessions into a queue; workers anywhere take them out.
const queue = new QueueRuntime({ storage, name: "work", environments });
const hub = new Handoff({ storage, runtime: queue });
const { run } = await hub.start({
  ...ana,
  environment: "cloud",
  prompt: "measure first",
  workspace: await Workspace.open(laptop),
  source: "schedule: nightly",
});

let cursor;
for (const [machine, prompt] of [["one"], ["two", "then cut"], ["one", "sand it"]]) {
  if (prompt) {
    const { went, workspace } = await hub.continue(run, { ...ana, prompt });
    console.log(`${went}, with its workspace: ${workspace}`);
  }
  await work({ queue, storage, agent, root: path.join(root, machine), environments, whenEmpty: "return" });
  // With the cursor, everything is seen once, however often somebody looks.
  for await (const event of hub.watch(run, { ...ana, ...(cursor && { cursor }) })) {
    cursor = event.cursor;
    if (event.message?.role === "assistant") console.log(`on machine ${machine}: ${event.message.text}`);
  }
}

// One row, one conversation, and everything that was decided at the start.
const { runs } = await hub.listRuns(ana);
for (const { source, state, sessions } of runs) console.log(`${source} | ${state} | ${sessions.length} sessions`);
const result = await hub.result(run, ana);
console.log(String(await result.diffBase()).split("\n").filter((line) => line.startsWith("+-")).join("\n"));
